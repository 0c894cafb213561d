//! The groups of the SMP servers.

use crate::Place;
use crate::device::{CAPACITY, Nor, get, put};
use anysmp::cbor::{Bytes, Text};
use anysmp::mcuboot::digest::Digest;
use anysmp::mcuboot::slots::{Config, Geometry, Pair, Region, Setup, Slots, scratch_len};
use anysmp::smp::image::Commands as _;
use anysmp::smp::server::{After, Answer, Handler, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Op, error, image, os, zephyr};
use embedded_storage::nor_flash::NorFlash;

/// The image of an SMP server over a console: framing, driver and policy included, and an answer
/// memory unless declared otherwise.
#[macro_export]
macro_rules! server {
    ($device:ty, $new:expr) => {
        $crate::server!($device, $new, anysmp::smp::server::Answers<'static>, |server, memory| server
            .with_memory(memory));
    };
    ($device:ty, $new:expr, $memory:ty, |$server:ident, $bytes:pat_param| $with_memory:expr) => {
        type Service = anysmp::smp::server::Server<$device, anysmp::smp::server::AllowAll, $memory>;
        type Line = anysmp::blocking::Link<
            'static,
            $crate::device::Uart,
            anysmp::framing::console::Console<'static>,
            (),
            anysmp::line::Serving,
        >;

        static LINK: $crate::Place<Line> = $crate::Place::new();
        static SERVER: $crate::Place<Service> = $crate::Place::new();

        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::baseline();
            // SAFETY: the images start once.
            let $crate::Buffers { message, line, memory, .. } = unsafe { $crate::buffers() };
            let console = anysmp::framing::console::Console::new(message);
            let parts = anysmp::line::Buffers::split(line).with_tx(256).with_out(128);
            let Ok(link) = Line::serving($crate::device::Uart, console, parts) else { loop {} };
            let ($server, $bytes) = (anysmp::smp::server::Server::new($new(), anysmp::smp::server::AllowAll), memory);
            let server = $with_memory;
            // SAFETY: as above.
            let (link, server) = unsafe { (LINK.put(link), SERVER.put(server)) };
            $crate::device::begin();
            main_loop(link, server)
        }

        #[inline(never)]
        fn main_loop(link: &mut Line, server: &mut Service) -> ! {
            loop {
                match link.serve(server) {
                    Ok(anysmp::smp::server::After::Reset { .. }) => $crate::device::put(1),
                    Ok(_) => {}
                    Err(_) => $crate::device::put(2),
                }
            }
        }
    };
}

/// The image of the slots alone: every command, no SMP; the digest is the user's.
#[macro_export]
macro_rules! slots {
    ($setup:ty, $new:expr) => {
        use anysmp::mcuboot::flash;
        use anysmp::mcuboot::slots::{Chunk, Command, Outcome, Slots};
        use $crate::Place;
        use $crate::device::{Hardware, Nor, get, put};

        type Alone = Slots<'static, Hardware, (), $setup>;

        static STATE: Place<Alone> = Place::new();

        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::baseline();
            // SAFETY: the images start once.
            let (slots, buffers) = unsafe { (STATE.put($crate::groups::slots($new, Hardware)), $crate::buffers()) };
            main_loop(slots, &buffers.message)
        }

        #[inline(never)]
        fn main_loop(slots: &mut Alone, message: &[u8]) -> ! {
            loop {
                let bytes = message.get(..get() as usize);
                let command = match get() {
                    0 => Command::List,
                    1 => Command::SetState { hash: bytes, confirm: get() == 0 },
                    2 => Command::Erase { slot: (get() == 0).then(|| get().into()) },
                    _ => Command::Upload(Chunk {
                        image: get().into(),
                        len: (get() == 0).then(|| get().into()),
                        off: get().into(),
                        data: message,
                        sha: bytes,
                        upgrade: get() == 0,
                    }),
                };
                match flash::run(slots.begin(command), &mut Nor).finish() {
                    Ok(Outcome::States) => slots.states().for_each(|state| put(state.hash.len() as u32)),
                    Ok(Outcome::Upload(uploaded)) => put(uploaded.off as u32),
                    // `Erased`: there is no other.
                    Ok(_) => put(1),
                    Err(error) => put(error.rc().map_or(8, u32::from)),
                }
                slots.info().for_each(|info| put(info.size));
            }
        }
    };
}

/// Echo, parameters, reset.
pub struct Os;

impl os::Commands for Os {
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(os::ParametersResponse::new(512, 1))
    }

    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

/// List and upload, as far as they go without a flash.
pub struct Images {
    list: [image::ImageState<'static>; 1],
    off: u64,
    len: u64,
}

impl Images {
    #[expect(clippy::new_without_default, reason = "one image")]
    pub fn new() -> Self {
        let version = Text::from_bytes(b"1.2.3");
        let mut state = image::ImageState::new(0, version);
        (state.bootable, state.confirmed, state.active) = (true, true, true);
        Self { list: [state], off: 0, len: 0 }
    }
}

impl image::Commands for Images {
    fn read_state(&mut self) -> Result<image::StateResponse<'_>, Error> {
        Ok(image::StateResponse::new(self.list.as_slice().into()))
    }

    fn upload(&mut self, request: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        let off = request.off.ok_or(error::image::INVALID_OFFSET)?;
        let data = request.data.and_then(|data: Bytes<'_>| data.as_slice()).ok_or(Error::INVALID)?;
        if off == 0 {
            self.len = request.len.ok_or(Error::INVALID)?;
            self.off = 0;
            Nor.erase(0x1_0000, 0x1_8000).or(Err(Error::UNKNOWN))?;
        }
        if off == self.off {
            if off.saturating_add(data.len() as u64) > self.len {
                return Err(Error::INVALID);
            }
            Nor.write(0x1_0000_u32.saturating_add(off as u32), data).or(Err(Error::UNKNOWN))?;
            self.off = off.saturating_add(data.len() as u64);
        }
        Ok(image::UploadResponse::new(self.off))
    }
}

/// Echo, parameters, reset, list and upload, each decoded and answered by the device's own `match`:
/// what `boot_serial` has, and no command more.
pub struct Five {
    images: Images,
}

impl Handler for Five {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match (incoming.group(), incoming.op(), incoming.command()) {
            (Group::OS, _, 0) => {
                incoming.answer(reply, |os::Echo { text }| Ok(os::EchoResponse::new(text.unwrap_or("".into()))))
            }
            (Group::OS, Op::Write, 5) => match incoming.decode() {
                Ok(Empty {}) => reply.ok(&Empty {}).then(After::Reset { force: false, mode: 0 }),
                Err(error) => reply.error(error),
            },
            (Group::OS, Op::Read, 6) => reply.ok(&os::ParametersResponse::new(512, 1)),
            (Group::IMAGE, Op::Read, 0) => reply.result(self.images.read_state()),
            (Group::IMAGE, Op::Write, 1) => incoming.answer(reply, |request| self.images.upload(request)),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

impl Five {
    #[expect(clippy::new_without_default, reason = "one image")]
    #[inline]
    pub fn new() -> Self {
        Self { images: Images::new() }
    }
}

/// All of the OS group, and the command of Zephyr's.
pub struct Everything;

impl os::Commands for Everything {
    fn console_echo(&mut self, request: os::ConsoleEcho) -> Result<Empty, Error> {
        put(request.echo.unwrap_or(0) as u32);
        Ok(Empty {})
    }

    fn task_statistics(&mut self) -> Result<os::TaskStatisticsResponse<'_>, Error> {
        static DEVICE_TASKS: Place<[(Text<'static>, os::Task); 1]> = Place::new();
        let mut task = os::Task::new(0, 1, 2);
        task.stack_use = Some(20);
        // SAFETY: the answer before has been sent: it borrowed `self`.
        let tasks: &'static [(Text<'static>, os::Task)] = unsafe { DEVICE_TASKS.put([("main".into(), task)]) };
        Ok(os::TaskStatisticsResponse::new(tasks.into()))
    }

    fn pool_statistics(&mut self) -> Result<os::PoolStatisticsResponse<'_>, Error> {
        Ok(os::PoolStatisticsResponse::new(&[]))
    }

    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        Ok(os::DateTimeResponse::new(Text::from_bytes(b"1970-01-01T00:00:00")))
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        put(request.datetime.as_str().map_or(0, |text| text.len() as u32));
        Ok(Empty {})
    }

    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(os::ParametersResponse::new(512, 1))
    }

    fn info<'r>(&'r mut self, _: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        Ok(os::InfoResponse::new(Text::from_bytes(b"anysmp")))
    }

    fn boot_loader<'r>(&'r mut self, _: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        Err(Error::NOT_SUPPORTED)
    }
}

impl zephyr::Commands for Everything {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        put(get());
        Ok(Empty {})
    }
}

/// A board with one bootloader, swap-move, and Zephyr's defaults: a constant.
pub struct Board;

impl Setup for Board {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const { &Config::swap_move(Geometry::of_type::<Nor>(CAPACITY), 8) }
    }
}

/// The slots of one image.
///
/// # Safety
///
/// Called once.
pub unsafe fn slots<D: Digest, C: Setup>(setup: C, digest: D) -> Slots<'static, D, (), C> {
    static DEVICE_PAIRS: Place<[Pair; 1]> = Place::new();
    static DEVICE_SCRATCH: Place<[u8; scratch_len(4, 4)]> = Place::new();
    let pairs = [Pair::new(Region::new(0x8000, 0x8000), Region::new(0x1_0000, 0x8000))];
    // SAFETY: as promised.
    let (pairs, scratch) = unsafe { (DEVICE_PAIRS.put(pairs), DEVICE_SCRATCH.put([0; scratch_len(4, 4)])) };
    let Ok(slots) = Slots::new(setup, pairs, scratch, digest) else { loop {} };
    slots
}

/// Buffers of the stores.
///
/// # Safety
///
/// Called once.
pub unsafe fn pieces() -> [&'static mut [u8]; 4] {
    static DEVICE_PIECES: Place<[[u8; 64]; 4]> = Place::new();
    // SAFETY: as promised.
    unsafe { DEVICE_PIECES.put([[0; 64]; 4]) }.each_mut().map(<[u8; 64]>::as_mut_slice)
}
