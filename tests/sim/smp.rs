//! SMP: commands and routines over all its framings.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::line::{self, Line};
use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::routine::Ended;
use anysmp::smp::client::{self, Client};
use anysmp::smp::routine::{
    FileDownload, FileOutcome, FileUpload, SettingEvent, SettingsWalk, StatEvent, StatWalk, Upgrade, UpgradeOutcome,
    Upload, UploadOutcome, sha256,
};
use anysmp::smp::server::{After, AllowAll, Answers, Incoming, Reply, Server};
use anysmp::smp::{Error as Remote, Header, Op, Version, os, settings};

use crate::kit::air::Kind;
use crate::kit::hex::show;
use crate::kit::link::{Bytes, Error, Link};
use crate::kit::port::Port;
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served};
use crate::kit::tally::{Tally, each_seed};
use crate::kit::world::{MS, SECOND};
use crate::session::{Check, Session};
use crate::smp_device::{Device, identity};

static IMAGES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [1, 2].map(|major| {
        let body = Random::new(major.into()).bytes(1200);
        let mut image = vec![0; 2000];
        let version = anysmp::mcuboot::Version::new(major, 0, 0);
        let len = Builder::new(version).build(&body, &mut Sha256::new(), &mut image).unwrap();
        image.truncate(len);
        image
    })
});

/// What is on the line, and what the server listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Console,
    Cobs,
    Raw,
    Datagrams,
    AutoConsole,
    AutoCobs,
    AutoRaw,
}

#[test]
fn smp_sessions_end_in_time_and_return_nothing_wrong() {
    let mut tally = Tally::default();
    each_seed("smp_sessions", 1_500, |seed| {
        let mut random = Random::new(seed ^ 0x534D_5000);
        let wire = random.pick(&[
            Wire::Console,
            Wire::Console,
            Wire::Console,
            Wire::Cobs,
            Wire::Raw,
            Wire::Datagrams,
            Wire::AutoConsole,
            Wire::AutoCobs,
            Wire::AutoRaw,
        ]);
        let size = random.pick(&[256, 384, 1024]);
        let (a, b) = (&mut vec![0; 2048][..], &mut vec![0; size + 4][..]);
        let raw = |buffer| Counted::<Head8>::new(buffer);
        match wire {
            Wire::Console => session(seed, wire, size, &mut tally, Console::new(a), Console::new(b)),
            Wire::Cobs => session(seed, wire, size, &mut tally, Cobs::new(a), Cobs::new(b)),
            Wire::Raw => session(seed, wire, size, &mut tally, raw(a), raw(b)),
            Wire::Datagrams => session(seed, wire, size, &mut tally, Datagram::new(a), Datagram::new(b)),
            Wire::AutoConsole => session(seed, wire, size, &mut tally, Console::new(a), Auto::new(b)),
            Wire::AutoCobs => session(seed, wire, size, &mut tally, Cobs::new(a), Auto::new(b)),
            Wire::AutoRaw => session(seed, wire, size, &mut tally, raw(a), Auto::new(b)),
        }
    });
    tally.show("SMP");
    tally.met_all(1_500, &["texts", "delayed datagrams"]);
}

fn session<'w, F: Framing, G: Framing + 'w>(seed: u64, wire: Wire, size: usize, tally: &mut Tally, framing: F, far: G) {
    let device = Rc::new(RefCell::new(Device {
        datetime: "never".into(),
        slots: [IMAGES[0].clone(), Vec::new()],
        ..Device::default()
    }));
    device.borrow_mut().files.insert("/log".into(), Random::new(7).bytes(900));
    device.borrow_mut().settings.insert("a/b".into(), vec![1, 2, 3]);
    device.borrow_mut().settings.insert("c".into(), b"value".to_vec());
    let mut answers = vec![0; Answers::memory_len(1, 600)];
    let mut memory = vec![0; far.sizes().memory()];
    let mut near = vec![0; framing.sizes().memory()];
    let mut draw = Random::new(seed ^ 0xD4A3);
    let timeout = draw.pick(&[100 * MS, 300 * MS, SECOND, 2_500 * MS]);
    let byte_time = draw.pick(&[86_806, 86_806, 10_000, 1_041_667]);
    let timeout = if byte_time > MS { timeout.max(SECOND) } else { timeout };
    let kind = if wire == Wire::Datagrams { Kind::Datagrams } else { Kind::Stream };
    let quiet = F::QUIET.max(F::PREAMBLE_PAUSE);
    let mut s = Session::new(seed, kind, byte_time, timeout, 0, quiet);
    let check = match wire {
        Wire::Console | Wire::Cobs => Check::Crc,
        // Noise may look like a raw message, for which there is no check.
        Wire::Raw | Wire::AutoConsole | Wire::AutoCobs | Wire::AutoRaw => Check::None,
        Wire::Datagrams => Check::Datagram,
    };
    s.checked_by(check, 6);
    // Zeros that were sent between lost and doubled frames.
    s.may_misread = wire == Wire::AutoCobs && s.faults.frame_losses + s.faults.frame_doubles > 0;
    let shows_text = wire == Wire::Console && s.random.percent(40);
    if shows_text {
        // The device's own text, on a line that leaves what the client receives whole.
        let faults = &mut s.faults;
        (faults.texts, faults.flips, faults.bursts, faults.losses) = (40, 0, 0, 0);
        (faults.lies, faults.restarts, faults.broken, faults.babble) = (0, 0, 0, None);
        s.world.borrow_mut().air.faults = s.faults.clone();
    }
    let has_memory = s.random.percent(70);
    let first = s.random.byte();
    let mut client = Client::new(first).with_timeout(Duration::from_nanos(timeout)).with_retries(s.terms.retries as u8);
    if s.random.percent(20) {
        client = client.with_version(Version::V1);
    }

    device.borrow_mut().buf_size = size as u32;
    device.borrow_mut().buf_count = s.random.below(5) as u32 + 1;
    let printed = Bytes::default();

    // The other end.
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| device.borrow_mut().handle(incoming, reply);
    let after = |after: Option<After>| match after {
        Some(After::Reset { .. }) => Fate::Restart(300 * MS),
        Some(After::Nothing) => Fate::GoOn,
        None => {
            device.borrow_mut().boot();
            Fate::GoOn
        }
    };
    let far_line = Line::new(far, &mut memory[..]).unwrap();
    let round = s.random.pick(&[50_000, 500_000, 3 * MS]);
    let messages: Vec<Vec<u8>> = (0..4)
        .map(|place: u8| {
            let op = if place.is_multiple_of(2) { Op::Write } else { Op::WriteResponse };
            let group = anysmp::smp::Group::OS;
            let sequence = first.wrapping_sub(20 + place);
            let payload =
                [&[0xA1, 0x61, if place.is_multiple_of(2) { b'd' } else { b'r' }, 0x64][..], b"nois"].concat();
            let header = Header { op, version: Version::V2, length: payload.len() as u16, group, sequence, command: 0 };
            [&header.emit()[..], &payload].concat()
        })
        .collect();
    s.noise_of(&framing, &messages);
    let server = Server::new(handler, AllowAll);
    if has_memory {
        let server = server.with_memory(&mut answers);
        s.world.borrow_mut().add(Served::new(1, far_line, server, round, printed.clone(), after));
    } else {
        s.world.borrow_mut().add(Served::new(1, far_line, server, round, printed.clone(), after));
    }
    let port = Port::new(s.world.clone(), s.style);
    let mut link = Link::new(s.is_async, port, framing, &mut near[..], s.journal.clone());

    let mut job =
        Job { tally, device: &device, client, candidates: BTreeSet::from(["never".to_owned()]), step: 0, seed };
    for _ in 0..3 + s.random.below(6) {
        job.any(&mut s, &mut link);
    }
    // A clean line: everything works at once.
    s.clean(&mut link);
    job.client = job.client.clone().with_version(Version::V2).with_retries(2);
    let repeats = std::mem::replace(&mut s.terms.retries, 2);
    // A COBS decoder that has given a frame up drops what comes before the next zero: at most one
    // frame, at either end.
    for may_be_lost in [if matches!(wire, Wire::Cobs | Wire::AutoCobs) { 2 } else { 0 }, 0] {
        let retries = link.counters().retries;
        let echo = job.echo(&mut s, &mut link);
        assert_eq!(echo, Ok(()), "an echo over a clean line fails; {wire:?}, {:?}, {:?}", s.style, s.terms);
        let lost = link.counters().retries - retries;
        assert!(
            lost <= may_be_lost,
            "{wire:?}: an echo over a clean line has to be repeated; {:?}, {:?}",
            s.style,
            s.terms
        );
    }
    if shows_text {
        let (text, printed) = (&link.log().text, printed.borrow());
        let at = text.iter().zip(printed.iter()).take_while(|(got, sent)| got == sent).count();
        let around = |text: &[u8]| show(&text[at.saturating_sub(8)..text.len().min(at + 24)]);
        assert!(*text == *printed, "text at {at}: {} came out as {}", around(&printed), around(text));
        job.tally.one("sessions: text beside the frames");
    }
    // The memory lasts 10 s, and 8 writes: what a line held for longer, or a station that answers
    // late to each of the repeats, is beyond it.
    let is_once = s.faults.delays == 0 && s.faults.longest_late * (repeats + 2) < 8 * SECOND;
    for (text, runs) in &device.borrow().runs {
        if *runs > 1 && has_memory && !s.is_doubtful() {
            assert!(!is_once, "{text} was written {runs} times; {:?}", s.faults);
            job.tally.one("writes that ran twice: beyond the memory");
        } else if *runs > 1 && !has_memory {
            job.tally.one("writes that ran twice: no memory");
        }
    }
    let name = match wire {
        Wire::Console => "sessions: console",
        Wire::Cobs => "sessions: COBS",
        Wire::Raw => "sessions: raw",
        Wire::Datagrams => "sessions: datagrams",
        Wire::AutoConsole | Wire::AutoCobs | Wire::AutoRaw => "sessions: auto",
    };
    job.tally.one(name);
    s.end(job.tally, &mut link);
}

/// The most requests of a transfer of `len` bytes, and the most time that it may be silent.
fn transfer_bound(len: u64) -> (u64, u64) {
    let pieces = len / 50 + 4;
    (pieces * 16 * 2, pieces * 30 * SECOND)
}

struct Job<'j> {
    tally: &'j mut Tally,
    device: &'j RefCell<Device>,
    client: Client,
    /// Dates that may be on the device.
    candidates: BTreeSet<String>,
    step: u32,
    seed: u64,
}

impl Job<'_> {
    fn any<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        self.step += 1;
        match s.random.below(16) {
            0..4 => drop(self.echo(s, link)),
            4..7 => self.write(s, link),
            7 | 8 => self.read(s, link),
            9 => self.info(s, link),
            10 => self.refused(s, link),
            11 => self.upload(s, link),
            12 => self.file_upload(s, link),
            13 => self.file_download(s, link),
            14 => self.walks(s, link),
            _ => self.upgrade(s, link),
        }
    }

    fn note<T>(&mut self, result: &Result<T, Error<client::Error>>) {
        self.tally.one(match result {
            Ok(_) => "calls: response",
            Err(line::Error::TimedOut) => "calls: timed out",
            Err(line::Error::Port(_)) => "calls: port failed",
            Err(line::Error::WriteZero) => "calls: port accepts nothing",
            Err(line::Error::Protocol(client::Error::Malformed)) => "calls: malformed response",
            Err(line::Error::Protocol(client::Error::Remote(_))) => "calls: refused",
            Err(other) => panic!("{other:?}"),
        });
    }

    fn call<F: Framing, R: anysmp::smp::Request, T>(
        &mut self,
        s: &mut Session<'_>,
        link: &mut Link<'_, '_, F>,
        request: &R,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T, Error<client::Error>> {
        // One more for the other version.
        let requests = s.terms.retries + 2;
        let result = s.timed("call", requests, 0, || link.call(&mut self.client, request, read));
        self.note(&result);
        result
    }

    fn echo<F: Framing>(
        &mut self,
        s: &mut Session<'_>,
        link: &mut Link<'_, '_, F>,
    ) -> Result<(), Error<client::Error>> {
        let len = s.random.pick(&[0, 1, 20, 60, 150]);
        let mut text = format!("{} {} ", self.seed, self.step);
        text.extend((0..len).map(|_| char::from(b' ' + s.random.below(95) as u8)));
        let result = self.call(s, link, &os::Echo::new(&text), |response| response.text == text.as_str());
        if result == Ok(false) {
            s.wrong(self.tally, "an echo is not what was sent");
        }
        result.map(drop)
    }

    fn write<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let text = format!("2026-{}-{}", self.seed, self.step);
        let request = os::WriteDateTime { datetime: text.as_str().into() };
        match self.call(s, link, &request, |_| ()) {
            Ok(()) if self.device.borrow().runs.contains_key(&text) => {
                // What failed before may still be on its way.
                if s.faults.delays == 0 {
                    self.candidates.clear();
                }
                self.candidates.insert(text);
            }
            Ok(()) => s.wrong(self.tally, "a write that never ran"),
            Err(_) => drop(self.candidates.insert(text)),
        }
    }

    fn read<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if let Ok(text) = self.call(s, link, &os::ReadDateTime {}, |response| response.datetime.to_string())
            && !self.candidates.contains(&text)
        {
            s.wrong(self.tally, &format!("the date is {text:?}, not of {:?}", self.candidates));
        }
    }

    fn info<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let request = os::Info { format: Some("snrvbm".into()) };
        if self.call(s, link, &request, |response| response.output == "snrvbm") == Ok(false) {
            s.wrong(self.tally, "information that was not asked for");
        }
    }

    fn refused<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let request = settings::Read { name: "none".into(), max_size: None };
        match self.call(s, link, &request, |_| ()) {
            Ok(()) => s.wrong(self.tally, "a setting that is not there"),
            Err(line::Error::Protocol(client::Error::Remote(error))) => {
                let right = matches!(error, Remote::Group { .. } | Remote::Smp(_));
                assert!(right, "{error:?}");
            }
            Err(_) => {}
        }
    }

    fn upload<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let len = 200 + s.random.index(1800);
        let file = s.random.bytes(len);
        let mut upload = Upload::new(&file[..])
            .with_limits(link.limits())
            .with_window(1 + s.random.index(4))
            .with_timeouts(Duration::from_nanos(2 * s.terms.timeout), Duration::from_nanos(2 * s.terms.timeout));
        if s.random.percent(70) {
            let sha = sha256(upload.source(), file.len() as u64).unwrap();
            upload = upload.with_sha(sha);
        }
        // Each piece, of 50 bytes at least, is answered within the longest silence; 16 responses
        // without progress.
        let (requests, times) = transfer_bound(len as u64);
        let ended = s.timed("upload", requests, times, || link.run(&mut self.client, &mut upload, |_| Continue(())));
        let Some(report) = self.tally.ended(ended) else { return };
        match report.outcome {
            UploadOutcome::Done { .. } if self.device.borrow().slots[1] == file => self.tally.one("upload: done"),
            UploadOutcome::Done { .. } => s.wrong(self.tally, "an upload is done, but the slot holds something else"),
            UploadOutcome::Failed(_) => self.tally.one("upload: failed"),
            _ => panic!("an upload is done and unfinished"),
        }
    }

    fn file_upload<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let len = 1 + s.random.index(1200);
        let file = s.random.bytes(len);
        let name = format!("/file{}", self.step);
        let mut upload =
            FileUpload::new(&name, &file[..]).with_limits(link.limits()).with_window(1 + s.random.index(3));
        let (requests, times) = transfer_bound(len as u64);
        let ended =
            s.timed("file upload", requests, times, || link.run(&mut self.client, &mut upload, |_| Continue(())));
        let Some(report) = self.tally.ended(ended) else { return };
        match report.outcome {
            FileOutcome::Done { .. } if self.device.borrow().files.get(&name) == Some(&file) => {
                self.tally.one("file upload: done");
            }
            FileOutcome::Done { .. } => s.wrong(self.tally, "a file upload is done, but the file holds something else"),
            FileOutcome::Failed(_) => self.tally.one("file upload: failed"),
            _ => panic!("a file upload is done and unfinished"),
        }
    }

    fn file_download<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut download = FileDownload::new("/log").with_window(1 + s.random.index(4));
        let mut got = Vec::new();
        let (requests, times) = transfer_bound(900);
        let ended = s.timed("file download", requests, times, || {
            link.run(&mut self.client, &mut download, |event| {
                got.extend_from_slice(event.data.as_slice().unwrap_or_default());
                Continue(())
            })
        });
        let Some(report) = self.tally.ended(ended) else { return };
        match report.outcome {
            FileOutcome::Done { .. } if self.device.borrow().files["/log"] == got => {
                self.tally.one("file download: done")
            }
            FileOutcome::Done { .. } => s.wrong(self.tally, "a file download is done, but it is something else"),
            FileOutcome::Failed(_) => self.tally.one("file download: failed"),
            _ => panic!("a file download is done and unfinished"),
        }
    }

    fn walks<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let requests = 8 * (s.terms.retries + 2);
        let mut sets = Vec::new();
        let ended = s.timed("statistics", requests, 0, || {
            link.run(&mut self.client, &mut StatWalk::new(), |event| {
                if let StatEvent::Set(set) = event {
                    sets.push((set.name.to_string(), set.fields.iter().map(|(_, value)| value).sum::<u64>()));
                }
                Continue(())
            })
        });
        if self.tally.ended(ended).is_some() {
            let right = [("uart".to_owned(), 4_000_000_017), ("net".to_owned(), 3)];
            if !sets.iter().all(|set| right.contains(set)) {
                s.wrong(self.tally, &format!("statistics {sets:?}"));
            }
        }
        let mut values = Vec::new();
        let names = ["a/b", "none", "c"];
        let ended = s.timed("settings", requests, 0, || {
            link.run(&mut self.client, &mut SettingsWalk::new(&names), |event| {
                if let SettingEvent::Value { name, value } = event {
                    values.push((name, value.chunks().iter().flatten().copied().collect::<Vec<u8>>()));
                }
                Continue(())
            })
        });
        if self.tally.ended(ended).is_some() {
            let right = [("a/b", vec![1, 2, 3]), ("c", b"value".to_vec())];
            if !values.iter().all(|value| right.contains(value)) {
                s.wrong(self.tally, &format!("settings {values:?}"));
            }
        }
    }

    fn upgrade<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let image = &IMAGES[1 - usize::from(self.device.borrow().slots[0] == IMAGES[1])];
        let timeout = Duration::from_nanos(2 * s.terms.timeout);
        let upload = Upload::new(&image[..]).with_limits(link.limits()).with_window(2).with_timeouts(timeout, timeout);
        let boot_time = 5 * SECOND;
        let mut upgrade = Upgrade::new(upload)
            .unwrap()
            .with_boot_time(Duration::from_nanos(boot_time))
            .with_rest(Duration::from_millis(500))
            .with_confirm(s.random.percent(70));
        // An upload, and twelve other requests that are repeated twice and have 5 s each; up to 6
        // restarts.
        let (requests, times) = transfer_bound(2 * image.len() as u64);
        let times = times + 40 * 10 * SECOND + 6 * (boot_time + SECOND);
        let ended = s.timed("upgrade", requests, times, || {
            loop {
                match link.run(&mut self.client, &mut upgrade, |_| Continue(())) {
                    Ok(Ended::Reopen) => {}
                    ended => return ended,
                }
            }
        });
        let Some(report) = self.tally.ended(ended) else { return };
        let device = self.device.borrow();
        let runs = identity(&device.slots[0]) == identity(image);
        match report.outcome {
            UpgradeOutcome::Confirmed | UpgradeOutcome::Testing | UpgradeOutcome::AlreadyRunning => {
                // A restart at the wrong moment takes an image on trial back.
                let restarts = s.faults.restarts > 0;
                if !runs && !restarts {
                    s.wrong(self.tally, &format!("{:?}, but the device runs another image", report.outcome));
                }
                self.tally.one("upgrade: runs");
            }
            UpgradeOutcome::Unfinished => panic!("an upgrade is done and unfinished"),
            _ => self.tally.one("upgrade: does not run"),
        }
    }
}
