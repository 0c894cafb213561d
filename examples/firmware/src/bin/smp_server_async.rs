//! The SMP server as a task of an executor: while the flash is busy, the port continues to receive
//! and other tasks run. A client that sends two requests at a time keeps both busy; the statistics
//! set `flash` shows how much.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use anysmp::asynch::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Pair, Slots, scratch_len};
use anysmp::smp::server::{After, AllowAll, Answer, Answers, AsyncHandler, Handler as _, Incoming, Reply};
use anysmp::smp::stat::{self, Set};
use anysmp::smp::{Group, Server, image};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
use firmware::asynch::{SlowFlash, Work, sleep};
use firmware::board::{self, Board, Flash, PRIMARY, SECONDARY};
use firmware::boot;
use firmware::device::{Device, Os, Upgrades};
use firmware::settings::Values;
use firmware::vendor::Lamp;
use firmware::{executor, info};

/// The framing's buffer: messages of up to 368 bytes, each of which takes four lines of up to 127
/// bytes.
const BUFFER: usize = 372;
const ENCODED: usize = 4 * 127;
/// The number of requests that may wait: one in the framing, the others in the queue of the port.
const BUFFERS: u32 = 1 + (board::RX / ENCODED) as u32;
/// Scratch memory of the slots.
const SCRATCH: usize = scratch_len(Flash::READ_SIZE, Flash::WRITE_SIZE) + 256;

/// The number of runs of the other task.
static BEATS: AtomicU32 = AtomicU32::new(0);

/// The other work of the board: it counts ticks.
#[embassy_executor::task]
async fn heartbeat() {
    loop {
        sleep(1).await;
        BEATS.store(BEATS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// The device with a slow flash.
struct Patient<'s> {
    device: Device<'s>,
    work: Work,
}

impl AsyncHandler for Patient<'_> {
    async fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let Self { device, work } = self;
        match incoming.group() {
            Group::IMAGE => {
                let job = image::begin(&mut device.slots, incoming);
                flash::asynch::run(job, &mut SlowFlash { flash: &mut device.flash, work }).await.finish(reply)
            }
            Group::STATISTICS => {
                let Work { erases, writes, received } = *work;
                let beats = BEATS.load(Ordering::Relaxed);
                let fields = [("erases", erases), ("writes", writes), ("received", received), ("beats", beats)];
                let fields = fields.map(|(name, count)| (name.into(), count.into()));
                stat::answer(&[Set { name: "flash", fields: &fields }], incoming, reply)
            }
            _ => device.handle(incoming, reply),
        }
    }
}

#[embassy_executor::task]
async fn serve(board: Board) {
    let Board { uart0, mut flash, .. } = board;
    let Ok((_, version)) = boot::boot(&mut flash) else { firmware::exit(false) };
    info!("version {}", version);
    let _ = version;

    let (mut pairs, mut scratch) = ([Pair::new(PRIMARY, SECONDARY)], [0; SCRATCH]);
    let Ok(slots) = Slots::new(Upgrades, &mut pairs, &mut scratch, Sha256::new()) else { firmware::exit(false) };
    let values = Values::new(&mut flash);
    let device = Device { os: Os::new(), slots, flash, values, lamp: Lamp::default(), link: Default::default() };

    let (mut message, mut buffers) = ([0; BUFFER], [0; Console::sizes_of(BUFFER).memory()]);
    let mut memory = [0; Answers::memory_len(1, 32)];
    let server = Server::new(Patient { device, work: Work::default() }, AllowAll);
    let mut server = server.with_parameters(BUFFERS, BUFFER as u32).with_memory(&mut memory);
    let Ok(mut link) = Link::new(uart0, Console::new(&mut message), &mut buffers) else { firmware::exit(false) };
    loop {
        match link.serve(&mut server).await {
            Ok(After::Reset { .. }) => {
                sleep(10).await;
                firmware::reset();
            }
            Ok(After::Nothing) => {}
            // An overrun costs a request, which the client repeats; the link continues.
            Err(_) => {
                info!("port failed {=u32} times", link.counters().failures);
            }
        }
        server.handler().device.link = link.counters();
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(board) = Board::take() else { firmware::exit(false) };
    executor::run(|spawner| {
        let (Ok(serve), Ok(heartbeat)) = (serve(board), heartbeat()) else { firmware::exit(false) };
        spawner.spawn(serve);
        spawner.spawn(heartbeat);
    })
}
