//! The speed at which an image reaches a device over a console, by baud rate and window, in virtual
//! time: README's table. The device answers after its turnaround and the time that its flash takes;
//! it has nine buffers of 1,024 bytes, and start-up is part of the time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::console::Console;
use anysmp::line::Line;
use anysmp::routine::Ended;
use anysmp::smp::client::Client;
use anysmp::smp::image::{self, UploadResponse};
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::{Upload, UploadOutcome};
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};
use anysmp::smp::{Error, Op};
use std::ops::ControlFlow;

use crate::kit::air::Kind;
use crate::kit::faults::Faults;
use crate::kit::flash::{self, Flash};
use crate::kit::link::{Bytes, Link};
use crate::kit::port::{Port, Style};
use crate::kit::station::{Fate, Served};
use crate::kit::world::{MS, SECOND};
use crate::session::Session;

const BUFFER: usize = 1024;
const BAUDS: [u64; 3] = [115_200, 921_600, 3_000_000];
const WINDOWS: [usize; 4] = [1, 2, 4, 8];
/// Between a request and its response, flash apart.
const TURNAROUND: u64 = MS;

/// The outcome of one upload.
struct Run {
    /// Thousands of a KiB in a second.
    speed: u64,
    /// Of a thousand: the share of the time in which the line carried requests, or the flash was
    /// busy, whichever takes longer.
    share: u64,
}

fn upload(len: usize, baud: u64, window: usize, flash: Flash) -> Run {
    let image: Vec<u8> = (0..len).map(|at| (at * 31 + at / 251) as u8).collect();
    let (mut near, mut far) = ([0; BUFFER], [0; BUFFER]);
    let (mut memory, mut other) = ([0; 4 * BUFFER], [0; 4 * BUFFER]);
    let s = Session::new(0, Kind::Stream, 10 * SECOND / baud, 10 * SECOND, 0, Duration::ZERO);
    s.world.borrow_mut().air.faults = Faults::NONE;
    s.world.borrow_mut().most_calls = u64::MAX;
    let style = Style { tick: MS, longest_read: 4096, longest_write: 4096, ..Style::PLAIN };
    let (busy, written) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (working, received) = (busy.clone(), written.clone());
    let handler = move |incoming: &Incoming<'_>, reply: Reply<'_>| {
        if incoming.op() != Op::Write {
            return reply.error(Error::NOT_SUPPORTED);
        }
        incoming.answer(reply, |request: image::Upload<'_>| {
            let (off, len) = (request.off.unwrap_or_default(), request.data.map_or(0, |data| data.len() as u64));
            if off == received.get() {
                received.set(off + len);
                working.set(flash.time(off, off + len));
            }
            Ok(UploadResponse::new(received.get()))
        })
    };
    let line = Line::new(Console::new(&mut far), &mut other).unwrap();
    let total = Rc::new(Cell::new(0));
    let spent = total.clone();
    let after = move |_| {
        spent.set(spent.get() + busy.get());
        Fate::Busy(TURNAROUND + busy.take())
    };
    let served = Served::new(1, line, Server::new(handler, AllowAll), 10_000, Bytes::default(), after);
    s.world.borrow_mut().add(served);
    let port = Port::new(s.world.clone(), style);
    let mut link = Link::new(false, port, Console::new(&mut near), &mut memory, s.journal.clone());
    let mut routine = Upload::new(&image[..])
        .with_limits(link.limits())
        .with_parameters(ParametersResponse::new(BUFFER as u32, 9))
        .with_window(window);
    let ended = link.run(&mut Client::new(0), &mut routine, |_| ControlFlow::Continue(())).unwrap();
    let Ended::Done(report) = ended else { panic!("stopped") };
    assert!(matches!(report.outcome, UploadOutcome::Done { .. }), "{:?}", report.outcome);
    assert_eq!(written.get(), len as u64);
    // All requests but the last are full.
    let line = u64::from(link.counters().sent - 1) * Console::encoded_len(BUFFER - 4) as u64 * 10 * SECOND / baud;
    let time = s.now();
    Run { speed: len as u64 * 1000 * SECOND / 1024 / time, share: line.max(total.get()) * 1000 / time }
}

/// README's table: KiB in a second, and the share of the time; the last columns are windows.
fn table() -> String {
    let mut lines = String::from("| device | baud | window 1 | 2 | 4 | 8 |\n|---|---|---|---|---|---|\n");
    for (flash, len) in [(flash::NONE, 256), (flash::NRF52840, 64), (flash::STM32L4, 64)] {
        for baud in BAUDS {
            let cells = WINDOWS.map(|window| {
                let run = upload(len << 10, baud, window, flash);
                check(&run, baud, window, flash);
                format!("{}.{} ({} %)", run.speed / 1000, run.speed / 100 % 10, run.share / 10)
            });
            lines += &format!("| {} | {} | {} |\n", flash.name, thousands(baud), cells.join(" | "));
        }
    }
    lines
}

/// The line is used, start-up included.
fn check(run: &Run, baud: u64, window: usize, flash: Flash) {
    let most = if baud > 1_000_000 { 930 } else { 950 };
    if window > 1 && flash.name == flash::NONE.name {
        assert!(run.share >= most, "{baud} baud, window {window}: {} of 1000, not {most}", run.share);
    }
}

fn thousands(number: u64) -> String {
    match number / 1000 {
        0 => number.to_string(),
        above => format!("{},{:03}", thousands(above), number % 1000),
    }
}

#[test]
fn uploads_use_the_line_and_readme_says_how_fast_they_are() {
    let table = table();
    assert!(include_str!("../../README.md").contains(&table), "README has another table than\n{table}");
}
