//! The small examples do what they say, and stay small.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    dead_code
)]

#[path = "../examples/ble.rs"]
mod ble;
#[path = "../examples/superloop_client.rs"]
mod superloop_client;
#[path = "../examples/vendor_group.rs"]
mod vendor_group;

#[test]
fn the_echo_comes_back_over_every_mtu() {
    let text = "x".repeat(400);
    for mtu in [23, 24, 185, 247, 517] {
        for len in [0, 1, 100, 400] {
            assert_eq!(ble::talk(mtu, &text[..len]).unwrap(), text[..len], "MTU {mtu}");
        }
    }
}

#[test]
fn a_vendor_command_works_and_takes_at_most_40_lines_at_both_ends() {
    assert_eq!(
        vendor_group::talk().unwrap(),
        [
            "switched",
            "not switched: the device refused: unknown code (group 64, rc 2)",
            "Ok(StatesResponse([0, 0, 1, 0]))"
        ]
    );
    let source = include_str!("../examples/vendor_group.rs");
    let section = source.split("\n// ---- ").find(|section| section.starts_with("a command in CBOR")).unwrap();
    let lines = section.lines().skip(1).filter(|line| !line.is_empty()).count();
    let in_match = source.matches("Switch::COMMAND) =>").count();
    assert!(in_match == 1 && lines + in_match <= 40, "{lines} lines for the type, both codecs and the request");
}

/// The lines of the example itself: without imports, docs, and what plays the other end.
fn lines_of(source: &str, section: &str) -> usize {
    let section = source.split("\n// ---- ").find(|found| found.starts_with(section)).unwrap();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    section.lines().skip(1).filter(is_code).count()
}

#[test]
fn a_superloop_serves_in_40_lines_and_never_waits() {
    let (printed, erased, content) = superloop_client::server::talk().unwrap();
    let frames = ["ABALAAAGAAAAAKFhcmJoaaUj", "ABALAAAGAAABAKFhcmJoaeLw", "AA8JAAAFAAECAKFicmMI9u8="];
    assert_eq!(printed, frames.map(|frame| format!("\x06\x09{frame}\n")).concat());
    assert_eq!((erased, content), (16, true), "pages of flash, and the watchdog");
    let lines = lines_of(include_str!("../examples/superloop_server.rs"), "the device");
    assert!((30..=40).contains(&lines), "{lines} lines");
}

#[test]
fn a_superloop_asks_in_40_lines_and_gives_up_in_time() {
    let [(silence, waited), (echo, _)] = superloop_client::talk().unwrap();
    // Two times 200 ms, two times 50 ms after a line feed, and the requests themselves.
    assert_eq!(silence, Err("no response in time".to_owned()));
    assert!((500..520).contains(&waited), "{waited} ms");
    assert_eq!(echo, Ok("hi".to_owned()));
    let lines = lines_of(include_str!("../examples/superloop_client.rs"), "the client");
    assert!((30..=40).contains(&lines), "{lines} lines");
}

/// A board whose UART has taken everything before the loop looks.
struct Burst<'r>(&'r [u8], Vec<u8>);

impl superloop_client::server::uart::Uart for Burst<'_> {
    fn get(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn put(&mut self, byte: u8) -> bool {
        self.1.push(byte);
        true
    }

    fn passed(&mut self) -> Option<std::time::Duration> {
        None
    }
}

impl superloop_client::server::uart::Board for Burst<'_> {
    fn feed_watchdog(&mut self) {}

    fn erase(&mut self, _: u32) {}
}

#[test]
fn a_superloop_answers_two_requests_that_it_finds_in_one_turn() {
    let (mut message, mut memory) = ([0; 256], [0; 1024]);
    let mut device = superloop_client::server::Device::new(&mut message, &mut memory).unwrap();
    let requests = b"\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n\x06\x09ABAKAAAGAAABAKFhZGJoaaWv\n";
    let mut board = Burst(requests, Vec::new());
    for _ in 0..4 {
        device.turn(&mut board);
    }
    assert_eq!(board.1, b"\x06\x09ABALAAAGAAAAAKFhcmJoaaUj\n\x06\x09ABALAAAGAAABAKFhcmJoaeLw\n");
}
