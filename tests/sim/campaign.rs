//! Uploads of 64 KiB over lines that lose much, with the default settings.
//!
//! `ANYSMP_SESSIONS=1000` runs each kind of line 1,000 times instead of a share.

use std::cell::RefCell;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::datagram::Datagram;
use anysmp::line::Line;
use anysmp::routine::Ended;
use anysmp::smp::Client;
use anysmp::smp::routine::{Error, Upload, UploadOutcome, sha256};
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};

use crate::kit::air::Kind;
use crate::kit::faults::Faults;
use crate::kit::link::{Bytes, Link};
use crate::kit::port::{Port, Style};
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served};
use crate::kit::tally::each_seed;
use crate::kit::world::{MS, SECOND};
use crate::session::Session;
use crate::smp_device::Device;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| Random::new(64).bytes(65_536));

/// 20 % of the messages of each direction are lost and 5 % come twice.
const BAD: Faults = Faults { frame_losses: 20, frame_doubles: 5, doubles: 5, ..Faults::NONE };

/// 30 % are lost, 10 % come twice, and 10 % are overtaken.
const WILD: Faults = Faults {
    frame_losses: 30,
    frame_doubles: 10,
    doubles: 10,
    delays: 10,
    longest_delay: 300 * MS,
    lates: 10,
    longest_late: 300 * MS,
    ..Faults::NONE
};

/// How an upload ended, whether the slot holds the file, and after how many virtual milliseconds.
struct Ending {
    outcome: UploadOutcome,
    is_exact: bool,
    time: u64,
}

/// One upload with default settings to a device with this many buffers of 384 bytes.
fn upload<F: Framing, G: Framing>(
    seed: u64,
    (near, far): (F, G),
    (kind, faults): (Kind, &Faults),
    buffers: u32,
) -> Ending {
    let device = Rc::new(RefCell::new(Device { buf_size: 384, buf_count: buffers, ..Device::default() }));
    let (mut memory, mut other) = (vec![0; near.sizes().memory()], vec![0; far.sizes().memory()]);
    let byte_time = if kind == Kind::Datagrams { 100 } else { 86_806 };
    let mut s = Session::new(seed, kind, byte_time, 2_500 * MS, 0, Duration::ZERO);
    s.world.borrow_mut().air.faults = faults.clone();
    s.world.borrow_mut().most_calls = u64::MAX;
    s.style = Style { tick: 10 * MS, longest_read: 4096, longest_write: 4096, ..Style::PLAIN };
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| device.borrow_mut().handle(incoming, reply);
    let line = Line::new(far, &mut other[..]).unwrap();
    let station = Served::new(1, line, Server::new(handler, AllowAll), 2 * MS, Bytes::default(), |_| Fate::GoOn);
    s.world.borrow_mut().add(station);
    let port = Port::new(s.world.clone(), s.style);
    let mut link = Link::new(seed % 2 == 1, port, near, &mut memory[..], s.journal.clone());
    let mut upload = Upload::new(&FILE[..]).with_limits(link.limits());
    let sha = sha256(upload.source(), FILE.len() as u64).unwrap();
    upload = upload.with_sha(sha);
    let mut client = Client::new(seed as u8);
    let ended = link.run(&mut client, &mut upload, |_| {
        // What is kept only to judge other sessions would grow.
        s.journal.borrow_mut().forget();
        Continue(())
    });
    let Ok(Ended::Done(report)) = ended else { panic!("{ended:?}") };
    let is_exact = device.borrow().slots[1] == *FILE;
    Ending { outcome: report.outcome, is_exact, time: s.now() / MS }
}

fn over_console(seed: u64, faults: &Faults, buffers: u32) -> Ending {
    let (a, b) = (&mut vec![0; 512][..], &mut vec![0; 388][..]);
    upload(seed, (Console::new(a), Console::new(b)), (Kind::Stream, faults), buffers)
}

fn over_datagrams(seed: u64, faults: &Faults, buffers: u32) -> Ending {
    let (a, b) = (&mut vec![0; 512][..], &mut vec![0; 388][..]);
    upload(seed, (Datagram::new(a), Datagram::new(b)), (Kind::Datagrams, faults), buffers)
}

/// Runs the uploads; each ends with the exact file or a typed error. Returns how many have it, of
/// how many, and the median time in ms.
fn campaign(name: &str, share: u64, upload: impl Fn(u64) -> Ending) -> (u64, u64, u64) {
    let (mut done, mut times) = (0, Vec::new());
    each_seed("campaign", share, |seed| {
        let ending = upload(seed);
        match ending.outcome {
            UploadOutcome::Done { .. } => {
                assert!(ending.is_exact, "seed {seed}: done, but the slot holds something else");
                done += 1;
            }
            UploadOutcome::Failed(Error::TimedOut | Error::NoProgress) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        times.push(ending.time);
    });
    times.sort_unstable();
    let median = times[times.len() / 2];
    let all = times.len() as u64;
    println!("{name}: {done} of {all} exact, median {median} ms, longest {} ms", times[times.len() - 1]);
    (done, all, median)
}

#[test]
fn campaign_every_upload_arrives_over_a_line_that_loses_a_fifth() {
    for (window, most) in [(1, 170), (3, 85)] {
        let (done, all, median) =
            campaign(&format!("20 + 5 %, console, window {window}"), 6, |seed| over_console(seed, &BAD, window + 1));
        assert_eq!(done, all, "window {window}");
        assert!(median <= most * SECOND / MS, "window {window}: {median} ms");
    }
}

#[test]
fn campaign_every_upload_arrives_by_datagrams_of_which_a_fifth_is_lost() {
    for window in [1, 3] {
        let (done, all, _) = campaign(&format!("20 + 5 %, datagrams, window {window}"), 6, |seed| {
            over_datagrams(seed, &BAD, window + 1)
        });
        assert_eq!(done, all, "window {window}");
    }
}

#[test]
fn campaign_uploads_arrive_or_fail_with_a_type_over_a_line_that_loses_a_third() {
    for window in [1, 3] {
        let run = |name, upload: fn(u64, &Faults, u32) -> Ending| {
            let (done, all, _) = campaign(&format!("30 + 10 + 10 %, {name}, window {window}"), 4, |seed| {
                upload(seed, &WILD, window + 1)
            });
            // At least 99 % of a campaign; in a share one may fail.
            assert!(done + (all / 100).max(1) >= all, "{name}, window {window}: {done} of {all}");
        };
        run("console", over_console);
        run("datagrams", over_datagrams);
    }
}
