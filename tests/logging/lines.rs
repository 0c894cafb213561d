//! The logged records, as `defmt` encodes them: two bytes for the words, then the values.

use core::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing};
use anysmp::line::{Counters, Damage, Sink};
use anysmp::port::Ticking;
use anysmp::smp::client::Client;
use anysmp::smp::os;
use embedded_io::{ErrorKind, ErrorType, Read, Write};

/// The bytes that `work` logs.
pub(crate) fn of(work: impl FnOnce()) -> Vec<u8> {
    defmt::export::fetch_bytes();
    work();
    defmt::export::fetch_bytes()
}

/// A line on which these bytes come, and then nothing.
struct Line(Vec<u8>);

impl ErrorType for Line {
    type Error = ErrorKind;
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        let len = into.len().min(self.0.len());
        into[..len].copy_from_slice(&self.0[..len]);
        self.0.drain(..len);
        if len == 0 { Err(ErrorKind::TimedOut) } else { Ok(len) }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// What a link reported to its sink.
#[derive(Default)]
struct Dropped(Vec<Damage>);

impl Sink for Dropped {
    fn dropped(&mut self, damage: Damage) {
        self.0.push(damage);
    }
}

/// Lets a client ask while these bytes come; returns what was counted, reported to the sink and
/// logged.
fn logged(bytes: Vec<u8>) -> (Counters, Vec<Damage>, Vec<u8>) {
    let (mut message, mut memory) = ([0; 128], [0; Console::sizes_of(128).memory()]);
    let mut dropped = Dropped::default();
    let mut counters = Counters::default();
    let log = of(|| {
        let port = Ticking::new(Line(bytes), Duration::from_secs(1));
        let mut link = Link::new(port, Console::new(&mut message), &mut memory).unwrap().with_sink(&mut dropped);
        let mut client = Client::new(0).with_retries(0);
        link.call(&mut client, &os::Echo::new("hunter2-")).map(drop).unwrap_err();
        counters = link.counters();
    });
    (counters, dropped.0, log)
}

fn frame(message: &[u8]) -> Vec<u8> {
    let (mut buffer, mut frame) = ([0; 8], [0; 128]);
    let framing = Console::new(&mut buffer);
    let mut encoder = Framing::encode(&framing, message).unwrap();
    let len = Encoder::next(&mut encoder, message, &mut frame);
    frame[..len].to_vec()
}

#[test]
fn each_damaged_frame_is_one_line_with_its_reason() {
    let good = frame(b"\x0B\0\0\x08\0\0\x63\0hunter2-");
    let mut bad = good.clone();
    // One symbol of the payload is another one.
    bad[20] = if bad[20] == b'A' { b'B' } else { b'A' };
    let (counters, dropped, one) = logged(bad.clone());
    assert_eq!((counters.damaged, dropped), (1, vec![Damage::Checksum]));
    // The words, the type, the variant.
    assert_eq!(one.len(), 5, "{one:02x?}");
    let (counters, dropped, three) = logged(bad.repeat(3));
    assert_eq!((counters.damaged, dropped.len(), three.len()), (3, 3, 15));
    let cut = [&good[..20], b"\n", &bad].concat();
    let (counters, dropped, two) = logged(cut);
    assert_eq!(counters.damaged as usize, dropped.len());
    assert_eq!(two.len(), 5 * dropped.len());
    assert_ne!(dropped[0], Damage::Checksum);
    assert_ne!(two[4], one[4], "another reason is another variant");
}

#[test]
fn each_message_that_nobody_asked_for_is_one_line() {
    let foreign = frame(b"\x0B\0\0\x08\0\0\x63\0hunter2-");
    let (counters, dropped, log) = logged(foreign.repeat(2));
    assert_eq!((counters.foreign, dropped.len(), log.len()), (2, 0, 4), "{log:02x?}");
}

#[test]
fn nothing_is_logged_where_nothing_is_lost() {
    let (counters, _, log) = logged(b"hunter2-\n".to_vec());
    assert_eq!((counters.damaged, counters.foreign, log.len()), (0, 0, 0));
}

#[test]
fn nothing_else_in_the_crate_logs() {
    for (path, source) in crate::kit::source::files("src") {
        let lines = source.lines().filter(|line| {
            let logs = ["trace!", "debug!", "info!", "warn!", "error!", "println!", "print!", "dbg!", "log!"];
            let code = line.trim_start();
            !code.starts_with("//")
                && logs.iter().any(|name| code.contains(&format!("defmt::{name}")) || code.starts_with(name))
        });
        let expected = if path.ends_with("line/counters.rs") { 2 } else { 0 };
        assert_eq!(lines.count(), expected, "{}", path.display());
    }
}
