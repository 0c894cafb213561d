//! The examples of the library do what they promise, talk to each other, and stay small: at most 40
//! lines each, not counting imports, docs, and the part that plays the other end.
#![cfg(all(feature = "std", feature = "mcuboot", feature = "sha2", feature = "testing"))]
#![allow(dead_code, reason = "what the examples have for their `main`")]

#[path = "../../examples/bsmp_client.rs"]
mod bsmp_client;
#[path = "../../examples/bsmp_node.rs"]
mod bsmp_node;
#[path = "../../examples/client.rs"]
mod client;
#[path = "../../examples/dfu_server.rs"]
mod dfu_server;
#[path = "../../examples/framing.rs"]
mod framing;
#[path = "../../examples/gatt.rs"]
mod gatt;
#[path = "../../examples/s3mp_master.rs"]
mod s3mp_master;
#[path = "../../examples/s3mp_slave.rs"]
mod s3mp_slave;
#[path = "../../examples/server.rs"]
mod server;
#[path = "../../examples/superloop_client.rs"]
mod superloop_client;
#[path = "../../examples/upload.rs"]
mod upload;
#[path = "../../examples/vendor_group.rs"]
mod vendor_group;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::{Encoder as _, Error, Framing as _, Progress};
use anysmp::mcuboot::Version;
use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::trailer::SwapType;
use anysmp::port::{Clock, Tcp};
use anysmp::smp::client::Client;
use anysmp::smp::os;
use anysmp::smp::routine::{Phase, UpgradeOutcome};
use anysmp::smp::server::{After, AllowAll, Server};
use anysmp::testing::bootloader::Boot;

/// The lines of an example: without imports and docs.
fn lines(source: &str) -> usize {
    let (mut count, mut in_import) = (0, false);
    for line in source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        in_import |= line.starts_with("use ");
        count += usize::from(!in_import);
        in_import &= !line.ends_with(';');
    }
    count
}

/// The part of an example with this heading.
fn section<'s>(source: &'s str, heading: &str) -> &'s str {
    source.split("\n// ---- ").find_map(|part| part.strip_prefix(heading)?.split_once('\n')).unwrap().1
}

#[test]
fn every_example_has_at_most_40_lines() {
    for (name, lines) in [
        ("client", lines(include_str!("../../examples/client.rs"))),
        ("server", lines(include_str!("../../examples/server.rs"))),
        ("bsmp_client", lines(include_str!("../../examples/bsmp_client.rs"))),
        ("bsmp_node", lines(include_str!("../../examples/bsmp_node.rs"))),
        ("s3mp_master", lines(include_str!("../../examples/s3mp_master.rs"))),
        ("s3mp_slave", lines(include_str!("../../examples/s3mp_slave.rs"))),
        ("dfu_server", lines(section(include_str!("../../examples/dfu_server.rs"), "the device"))),
        ("upload", lines(include_str!("../../examples/upload.rs"))),
        ("framing", lines(section(include_str!("../../examples/framing.rs"), "the framing"))),
        ("superloop_server", lines(section(include_str!("../../examples/superloop_server.rs"), "the device"))),
        ("superloop_client", lines(section(include_str!("../../examples/superloop_client.rs"), "the client"))),
        ("gatt", lines(section(include_str!("../../examples/gatt.rs"), "the device"))),
    ] {
        assert!((15..=40).contains(&lines), "{name} has {lines} lines");
    }
    // Image commands over somebody else's boot loader.
    let embassy = include_str!("../../examples/dfu_embassy_boot/src/lib.rs");
    let lines = lines(section(embassy, "the user's part"));
    assert!((15..=60).contains(&lines), "dfu_embassy_boot has {lines} lines");
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn the_client_greets_the_server_which_serves_until_it_leaves() {
    let (listener, address) = listener();
    let server = thread::spawn(move || server::serve(listener.accept().unwrap().0).unwrap());
    assert_eq!(client::greet(&address, "hi").unwrap(), "hi");
    assert_eq!(server.join().unwrap(), After::Nothing);
}

#[test]
fn the_same_program_runs_in_each_of_the_three_protocols() {
    let (bsmp, address) = listener();
    let node = thread::spawn(move || bsmp_node::serve(bsmp.accept().unwrap().0).unwrap());
    assert_eq!(bsmp_client::regulate(&address, 42).unwrap(), 42);
    node.join().unwrap();
    let (s3mp, address) = listener();
    let slave = thread::spawn(move || s3mp_slave::serve(s3mp.accept().unwrap().0).unwrap());
    assert_eq!(s3mp_master::heat(&address, true).unwrap(), 60);
    assert_eq!(slave.join().unwrap(), anysmp::s3mp::slave::After::Nothing);
}

#[test]
fn the_server_returns_a_reset_after_its_response_has_left() {
    let (listener, address) = listener();
    let server = thread::spawn(move || server::serve(listener.accept().unwrap().0).unwrap());
    let (mut message, mut memory) = ([0; 256], [0; 1024]);
    let port = Tcp::new(TcpStream::connect(address).unwrap()).unwrap();
    let mut link = Link::new(port, anysmp::framing::console::Console::new(&mut message), &mut memory).unwrap();
    assert!(link.call(&mut Client::new(0), &os::Reset { force: None, boot_mode: None }).is_ok());
    assert_eq!(server.join().unwrap(), After::Reset { force: false, mode: 0 });
}

#[test]
fn the_upload_upgrades_the_dfu_server_which_boots_the_new_image_and_keeps_it() {
    let (listener, address) = listener();
    let device = thread::spawn(move || dfu_server::live(&listener, 2).unwrap());
    let mut file = vec![0; 64 << 10];
    let body: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    let len = Builder::new(Version::new(1, 1, 0)).build(&body, &mut Sha256::new(), &mut file).unwrap();
    let mut phases = Vec::new();
    let report = upload::upgrade(&address, &file[..len], |event| phases.push(event.phase)).unwrap();
    assert_eq!(report.outcome, UpgradeOutcome::Confirmed);
    assert_eq!(report.upload.off, len as u64);
    assert_eq!(device.join().unwrap(), [Boot::Stayed, Boot::Swapped(SwapType::Test)]);
    phases.dedup();
    // Of each phase that a response led to: the slots are looked at before the upload, and the list
    // of images after it.
    use Phase::{Booting, Confirming, Looking, Marking, Resetting, Uploading, Verifying};
    assert_eq!(phases, [Looking, Uploading, Looking, Marking, Resetting, Booting, Confirming, Verifying]);
}

/// A port that fails three times, then brings these bytes, then fails again and again and ends at
/// last.
struct Faulty<'w> {
    failures: u32,
    input: &'w [u8],
    written: &'w mut Vec<u8>,
}

impl embedded_io::ErrorType for Faulty<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Faulty<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.failures += 1;
        match self.failures {
            1..=3 | 5..=9 => Err(embedded_io::ErrorKind::Other),
            4 => {
                buf[..self.input.len()].copy_from_slice(self.input);
                Ok(self.input.len())
            }
            _ => Ok(0),
        }
    }
}

impl embedded_io::Write for Faulty<'_> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Clock for Faulty<'_> {
    fn elapsed(&mut self) -> Duration {
        Duration::from_millis(1)
    }
}

#[test]
fn the_dfu_server_goes_on_after_each_error_of_its_port() {
    let (mut memory, mut written) = (vec![0xFF; 1 << 20], Vec::new());
    let mut flash = anysmp::testing::RamNor::<8, 4096>::new(&mut memory);
    let request = b"\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n";
    let port = Faulty { failures: 0, input: request, written: &mut written };
    assert_eq!(dfu_server::serve(port, &mut flash), Some(After::Nothing));
    assert_eq!(written, b"\x06\x09ABALAAAGAAAAAKFhcmJoaaUj\n");
}

#[test]
fn the_new_framing_carries_every_message_whatever_the_pieces() {
    let message: Vec<u8> = (0..=254).collect();
    for len in 0..=255 {
        for piece in [1, 2, 7, 300] {
            let mut framing = framing::Short(heapless::Vec::new());
            let (mut wire, mut out) = (Vec::new(), vec![0; piece]);
            let mut encoder = framing.encode(&message[..len]).unwrap();
            loop {
                match encoder.next(&message[..len], &mut out) {
                    0 => break,
                    count => wire.extend_from_slice(&out[..count]),
                }
            }
            assert_eq!(wire.len(), framing.max_encoded_len(len));
            for _ in 0..2 {
                let mut found = 0;
                for mut run in wire.chunks(piece) {
                    while framing.push(&mut run).unwrap() == Progress::Message {
                        assert_eq!(framing.message(), &message[..len]);
                        found += 1;
                    }
                    assert!(run.is_empty());
                }
                assert_eq!(found, 1);
            }
        }
    }
    assert_eq!(framing::Short(heapless::Vec::new()).encode(&[0; 256]).err(), Some(Error::Unsendable));
}

#[test]
fn the_new_framing_finds_the_next_message_after_a_silence() {
    let mut framing = framing::Short(heapless::Vec::new());
    assert_eq!(framing.push(&mut &b"\x09lost"[..]), Ok(Progress::More));
    assert_eq!(framing.message(), b"");
    assert_eq!(framing.idle(Duration::from_millis(99)), Ok(Progress::More));
    assert_eq!(framing.idle(Duration::from_millis(100)), Err(Error::Abandoned));
    assert_eq!(framing.idle(Duration::from_millis(200)), Ok(Progress::More));
    assert_eq!(framing.push(&mut &b"\x02hi"[..]), Ok(Progress::Message));
    assert_eq!(framing.idle(Duration::from_secs(9)), Ok(Progress::More));
    assert_eq!(framing.message(), b"hi");
}

#[test]
fn a_link_runs_over_the_new_framing() {
    let (listener, address) = listener();
    let server = thread::spawn(move || {
        let mut memory = [0; 1024];
        let port = Tcp::new(listener.accept().unwrap().0).unwrap();
        let mut link = Link::new(port, framing::Short(heapless::Vec::new()), &mut memory).unwrap();
        let mut server = Server::new(server::Device, AllowAll);
        while link.serve(&mut server).is_ok() {}
    });
    let mut memory = [0; 1024];
    let port = Tcp::new(TcpStream::connect(address).unwrap()).unwrap();
    let mut link = Link::new(port, framing::Short(heapless::Vec::new()), &mut memory).unwrap();
    assert_eq!(link.call(&mut Client::new(0), &os::Echo::new("hi")).unwrap().text, "hi");
    drop(link);
    server.join().unwrap();
}

#[test]
fn the_echo_comes_back_over_every_mtu() {
    let text = "x".repeat(400);
    for mtu in [23, 24, 185, 247, 517] {
        for len in [0, 1, 100, 400] {
            assert_eq!(gatt::talk(mtu, &text[..len]).unwrap(), text[..len], "MTU {mtu}");
        }
    }
}

#[test]
fn a_vendor_command_works_and_takes_at_most_25_lines_at_both_ends() {
    assert_eq!(
        vendor_group::talk().unwrap(),
        [
            "switched",
            "not switched: the device refused: unknown code (group 64, rc 2)",
            "Ok(StatesResponse([0, 0, 1, 0]))"
        ]
    );
    let source = include_str!("../../examples/vendor_group.rs");
    let section = source.split("\n// ---- ").find(|section| section.starts_with("a command in CBOR")).unwrap();
    let lines = section.lines().skip(1).filter(|line| !line.is_empty()).count();
    let in_match = source.matches("Switch::COMMAND) =>").count();
    assert!(in_match == 1 && lines + in_match <= 25, "{lines} lines for the type, both codecs and the request");
}

#[test]
fn a_superloop_serves_in_40_lines_and_never_waits() {
    let (printed, erased, content) = superloop_client::server::talk().unwrap();
    let frames = ["ABALAAAGAAAAAKFhcmJoaaUj", "ABALAAAGAAABAKFhcmJoaeLw", "AA8JAAAFAAECAKFicmMI9u8="];
    assert_eq!(printed, frames.map(|frame| format!("\x06\x09{frame}\n")).concat());
    assert_eq!((erased, content), (16, true), "pages of flash, and the watchdog");
    let lines = lines(section(include_str!("../../examples/superloop_server.rs"), "the device"));
    assert!((30..=40).contains(&lines), "{lines} lines");
}

#[test]
fn a_superloop_asks_in_40_lines_and_gives_up_in_time() {
    let [(silence, waited), (echo, _)] = superloop_client::talk().unwrap();
    // Two times 200 ms, two times 50 ms after a line feed, and the requests themselves.
    assert_eq!(silence, Err("no response in time".to_owned()));
    assert!((500..520).contains(&waited), "{waited} ms");
    assert_eq!(echo, Ok("hi".to_owned()));
    let lines = lines(section(include_str!("../../examples/superloop_client.rs"), "the client"));
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

    fn passed(&mut self) -> Option<Duration> {
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
