//! The server end: its answers to good, bad and hostile requests, the permissions of clients, and
//! the treatment of repeats.

mod hostile;
mod memory;

use anysmp::cbor::Text;
use anysmp::line::Peer;
use anysmp::smp::server::{
    After, AllowAll, Answer, Answers, DenyWrites, Handler, Incoming, Memory, Policy, Reply, Server, serve,
};
use anysmp::smp::{Empty, Error, Group, Op, Version, error, image, os};

use crate::kit::random::Random;
use crate::kit::smp::{is_well_formed, message};

/// A device that counts what it was made to do.
#[derive(Debug, Default)]
struct Device {
    runs: u32,
    echoes: u32,
    busy: bool,
    text: String,
}

impl os::Commands for Device {
    fn echo<'r>(&'r mut self, request: os::Echo<'r>) -> Result<os::EchoResponse<'r>, Error> {
        self.echoes += 1;
        Ok(os::EchoResponse::new(request.text.unwrap_or("".into())))
    }

    fn console_echo(&mut self, _: os::ConsoleEcho) -> Result<Empty, Error> {
        self.runs += 1;
        Ok(Empty {})
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        self.runs += 1;
        self.text = request.datetime.to_string();
        if self.text.len() < 19 { Err(Error::INVALID) } else { Ok(Empty {}) }
    }

    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        self.runs += 1;
        if self.text.is_empty() {
            Err(error::os::RTC_NOT_SET)
        } else {
            Ok(os::DateTimeResponse::new(self.text.as_str().into()))
        }
    }

    fn reset(&mut self, request: os::Reset) -> Result<Empty, Error> {
        self.runs += 1;
        if self.busy && request.force != Some(os::Force(true)) { Err(Error::BUSY) } else { Ok(Empty {}) }
    }

    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        self.runs += 1;
        Ok(os::ParametersResponse::new(384, 4))
    }
}

const SLOTS: [image::ImageState<'static>; 0] = [];

impl image::Commands for Device {
    fn read_state(&mut self) -> Result<image::StateResponse<'_>, Error> {
        self.runs += 1;
        Ok(image::StateResponse::new(SLOTS[..].into()))
    }

    fn write_state(&mut self, request: image::WriteState<'_>) -> Result<image::StateResponse<'_>, Error> {
        self.runs += 1;
        if request.hash.is_none() { Err(error::image::INVALID_HASH) } else { self.read_state() }
    }

    fn upload(&mut self, request: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        self.runs += 1;
        let off = request.off.ok_or(error::image::INVALID_OFFSET)?;
        Ok(image::UploadResponse::new(off + request.data.map_or(0, |data| data.len() as u64)))
    }

    fn erase(&mut self, _: image::Erase) -> Result<Empty, Error> {
        self.runs += 1;
        Ok(Empty {})
    }
}

/// The `match` that an application writes.
impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

const V2: u8 = 0x08;

fn ask<P: Policy, M: Memory, const RC: bool>(server: &mut Server<Device, P, M, (), RC>, request: &[u8]) -> Vec<u8> {
    ask_as(server, Peer(0), request)
}

fn ask_as<P: Policy, M: Memory, const RC: bool>(
    server: &mut Server<Device, P, M, (), RC>,
    peer: Peer,
    request: &[u8],
) -> Vec<u8> {
    let mut tx = [0xEE; 512];
    let (len, _) = server.receive(request, peer, &mut tx);
    assert!(tx[len..].iter().all(|byte| *byte == 0xEE) || len > 0);
    tx[..len].to_vec()
}

fn server() -> Server<Device, AllowAll> {
    Server::new(Device::default(), AllowAll)
}

/// One answer of a fresh device that allows everything.
fn answer(request: &[u8]) -> Vec<u8> {
    ask(&mut server(), request)
}

fn rc(code: u8) -> Vec<u8> {
    [&b"\xa1\x62rc"[..], &[code]].concat()
}

#[test]
fn an_answer_repeats_group_sequence_and_command_and_answers_the_op() {
    for (op, answered) in [(0, 1), (2, 3)] {
        for version in [0, V2] {
            for sequence in [0, 1, 0x7F, 0xFF] {
                for command in [0, 99] {
                    let reply = answer(&message(version | op, 0, sequence, command, b"\xa1\x61d\x62hi"));
                    assert_eq!(
                        reply[..2],
                        [version | answered, 0],
                        "flags are 0 and the version is that of the request"
                    );
                    assert_eq!(usize::from(u16::from_be_bytes([reply[2], reply[3]])), reply.len() - 8);
                    assert_eq!(reply[4..8], [0, 0, sequence, command]);
                }
            }
        }
    }
}

#[test]
fn flags_and_reserved_bits_are_not_looked_at_and_not_sent() {
    let mut request = message(V2 | 2, 0, 1, 0, b"\xa1\x61d\x62hi");
    request[0] |= 0xE0;
    request[1] = 0x55;
    assert_eq!(answer(&request), message(V2 | 3, 0, 1, 0, b"\xa1\x61r\x62hi"));
}

#[test]
fn echo_answers_reads_and_writes_and_a_missing_text_is_an_empty_one() {
    for op in [0, 2] {
        assert_eq!(answer(&message(op, 0, 1, 0, b"\xbf\x61d\x7f\x61h\x61i\xff\xff"))[8..], *b"\xa1\x61r\x62hi");
        assert_eq!(answer(&message(op, 0, 1, 0, b"\xa0"))[8..], *b"\xa1\x61r\x60");
        assert_eq!(answer(&message(op, 0, 1, 0, b""))[8..], *b"\xa1\x61r\x60");
        assert_eq!(answer(&message(op, 0, 1, 0, b"\xa1\x61d\xf6"))[8..], *b"\xa1\x61r\x60");
    }
}

/// A device that sends valid CBOR only.
struct Strict;

impl os::Commands for Strict {
    fn echo<'r>(&'r mut self, request: os::Echo<'r>) -> Result<os::EchoResponse<'r>, Error> {
        match request.text {
            Some(text) if !text.is_utf8() => Err(Error::INVALID),
            text => Ok(os::EchoResponse::new(text.unwrap_or("".into()))),
        }
    }
}

#[test]
fn an_echo_of_text_that_is_not_utf_8_comes_back_as_it_came_unless_the_device_is_strict() {
    for (text, back, valid) in [
        (&b"\x62\xff\xfe"[..], &b"\x62\xff\xfe"[..], false),
        (b"\x62\xc3\xa4", b"\x62\xc3\xa4", true),
        (b"\x7f\x62\xc3\xa4\x61x\xff", b"\x63\xc3\xa4x", true),
        // No chunk may end within a character. The response has one piece.
        (b"\x7f\x61\xc3\x61\xa4\xff", b"\x62\xc3\xa4", false),
        (b"\x61\xc3", b"\x61\xc3", false),
        (b"\x63\xed\xa0\x80", b"\x63\xed\xa0\x80", false),
        (b"\x64\xf4\x90\x80\x80", b"\x64\xf4\x90\x80\x80", false),
        (b"\x64\xf4\x8f\xbf\xbf", b"\x64\xf4\x8f\xbf\xbf", true),
    ] {
        let request = message(2, 0, 1, 0, &[b"\xa1\x61d", text].concat());
        assert_eq!(answer(&request)[8..], [b"\xa1\x61r", back].concat(), "{text:02x?}");
        let strict = |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Strict, incoming, reply);
        let mut tx = [0; 64];
        let (len, _) = serve(strict, AllowAll, &request, &mut tx);
        assert_eq!(tx[8..len] != rc(3), valid, "{text:02x?}");
    }
}

#[test]
fn versions_that_do_not_exist_get_rc_13_in_version_2() {
    for version in [2, 3] {
        for (op, answered) in [(0, 1), (2, 3), (5, 3)] {
            assert_eq!(answer(&message(version << 3 | op, 0, 4, 6, b"\xa0")), message(V2 | answered, 0, 4, 6, &rc(13)));
        }
    }
}

#[test]
fn what_nobody_serves_gets_rc_8_in_both_versions() {
    for version in [0, V2] {
        for (op, group, command) in
            [(0, 0, 99), (2, 0, 6), (0, 0, 5), (0, 1, 5), (0, 77, 0), (2, 0xFFFF, 0xFF), (0, 0, 2)]
        {
            let reply = answer(&message(version | op, group, 4, command, b"\xa0"));
            assert_eq!(reply, message(version | (op + 1), group, 4, command, &rc(8)));
        }
        for op in 4..=7 {
            assert_eq!(answer(&message(version | op, 0, 4, 0, b"\xa0")), message(version | 3, 0, 4, 0, &rc(8)));
        }
    }
}

#[test]
fn less_than_a_header_and_every_response_are_dropped_without_an_answer() {
    let request = message(V2, 0, 1, 6, b"\xa0");
    for len in 0..8 {
        assert!(answer(&request[..len]).is_empty());
    }
    for version in 0..4 {
        for op in [1, 3] {
            assert!(answer(&message(version << 3 | op, 0, 1, 0, b"\xa0")).is_empty(), "version {version}, op {op}");
        }
    }
}

#[test]
fn a_length_beyond_the_message_gets_rc_9_and_nothing_runs() {
    let mut server = server();
    let request = message(V2 | 2, 0, 1, 1, b"\xa1\x64echo\x01");
    for len in 8..request.len() {
        assert_eq!(ask(&mut server, &request[..len]), message(V2 | 3, 0, 1, 1, &rc(9)), "{len}");
    }
    assert_eq!(server.handler().runs, 0);
}

#[test]
fn bytes_behind_the_payload_are_no_part_of_it() {
    let mut request = message(V2 | 2, 0, 1, 0, b"\xa1\x61d\x62hi");
    request.extend_from_slice(&message(V2 | 2, 0, 2, 0, b"\xa1\x61d\x62ho"));
    assert_eq!(answer(&request), message(V2 | 3, 0, 1, 0, b"\xa1\x61r\x62hi"));
    // A map that goes on after its length is cut off there.
    let mut request = message(V2 | 2, 0, 1, 0, b"\xa1\x61d\x62hi");
    request[3] -= 1;
    assert_eq!(answer(&request)[8..], rc(3));
}

#[test]
fn a_payload_that_cannot_be_read_gets_rc_3() {
    for payload in [
        &b"\xa1\x61d\x05"[..],
        b"\xa1\x61d\x42hi",
        b"\x82\x01\x02",
        b"\xff\xff",
        b"\xa1\x61d",
        b"\xa1\x61d\x64hel",
        b"\xa1\x01\x02",
        b"\xa2\x61d\x61a\x61d\x61a",
        b"\xbf\x61d\x61a",
    ] {
        for version in [0, V2] {
            assert_eq!(
                answer(&message(version | 2, 0, 1, 0, payload)),
                message(version | 3, 0, 1, 0, &rc(3)),
                "{payload:02x?}"
            );
        }
    }
}

#[test]
fn unknown_keys_are_skipped_with_whatever_they_hold() {
    let payload = b"\xbf\x61a\x9f\x01\xbf\x61b\xf6\xff\xff\x61d\x78\x02hi\x61c\xfb\x00\x00\x00\x00\x00\x00\x00\x00\xff";
    assert_eq!(answer(&message(2, 0, 1, 0, payload))[8..], *b"\xa1\x61r\x62hi");
}

#[test]
fn errors_of_a_group_name_it_in_version_2_and_are_translated_in_version_1() {
    let mut server = server();
    let v2 = ask(&mut server, &message(V2 | 2, 1, 1, 0, b"\xa0"));
    assert_eq!(v2, message(V2 | 3, 1, 1, 0, b"\xa1\x63err\xa2\x65group\x01\x62rc\x18\x18"));
    assert_eq!(ask(&mut server, &message(2, 1, 1, 0, b"\xa0")), message(3, 1, 1, 0, &rc(3)));
    assert_eq!(ask(&mut server, &message(V2, 0, 1, 4, b""))[8..], *b"\xa1\x63err\xa2\x65group\x00\x62rc\x04");
    assert_eq!(ask(&mut server, &message(0, 0, 1, 4, b""))[8..], rc(5));
}

#[test]
fn a_response_that_does_not_fit_becomes_rc_7_with_nothing_of_it_left() {
    let request = message(V2 | 2, 0, 1, 0, b"\xa1\x61d\x78\x20abcdefghijklmnopqrstuvwxyz012345");
    let whole = answer(&request);
    for room in 0..whole.len() + 2 {
        let mut tx = vec![0; room];
        let (len, _) = server().receive(&request, Peer(0), &mut tx);
        let error = message(V2 | 3, 0, 1, 0, &rc(7));
        match room {
            room if room >= whole.len() => assert_eq!(tx[..len], whole),
            room if room >= error.len() => assert_eq!(tx[..len], error),
            _ => assert_eq!(len, 0, "{room}"),
        }
    }
}

#[test]
fn every_kind_of_answer_copes_with_a_tiny_buffer() {
    for request in [
        message(V2 | 2, 1, 1, 0, b"\xa0"),
        message(3 << 3, 0, 1, 0, b"\xa0"),
        message(V2, 9, 1, 0, b"\xa0"),
        message(V2 | 2, 0, 1, 1, b"\xa0"),
        [0, 0, 0, 9, 0, 0, 0, 0].to_vec(),
    ] {
        for room in 0..32 {
            let mut tx = vec![0; room];
            let mut memory = [0; Answers::memory_len(1, 32)];
            let mut server = Server::new(Device::default(), AllowAll).with_memory(&mut memory);
            for _ in 0..2 {
                let (len, _) = server.receive(&request, Peer(0), &mut tx);
                assert!(len == 0 || is_well_formed(&tx[..len]), "{room}");
            }
        }
    }
}

#[test]
fn a_success_has_no_rc_unless_legacy_mode_is_chosen() {
    for (command, plain, legacy) in [
        (5, &b"\xa0"[..], &b"\xa1\x62rc\x00"[..]),
        (0, b"\xa1\x61r\x60", b"\xa2\x62rc\x00\x61r\x60"),
        (1, b"\xa0", b"\xa1\x62rc\x00"),
    ] {
        let request = message(2, 0, 1, command, b"\xa0");
        assert_eq!(answer(&request)[8..], *plain);
        let mut recovery = server().with_legacy_rc();
        assert_eq!(ask(&mut recovery, &request)[8..], *legacy);
    }
    let mut recovery = server().with_legacy_rc();
    let chunk = ask(&mut recovery, &message(2, 1, 1, 1, b"\xa2\x63off\x05\x64data\x42\x01\x02"));
    assert_eq!(chunk[8..], *b"\xa2\x62rc\x00\x63off\x07");
    // An error has one rc and no zero.
    assert_eq!(ask(&mut recovery, &message(2, 1, 1, 1, b"\xa0"))[8..], rc(3));
    assert_eq!(ask(&mut recovery, &message(2, 0, 1, 0, b"\xa1\x61d\x01"))[8..], rc(3));
}

#[test]
fn a_reset_comes_after_its_answer_and_force_may_be_an_integer() {
    let reset = |busy, payload: &[u8]| {
        let mut tx = [0; 64];
        let mut server = Server::new(Device { busy, ..Device::default() }, AllowAll);
        let (len, after) = server.receive(&message(V2 | 2, 0, 1, 5, payload), Peer(0), &mut tx);
        (tx[8..len].to_vec(), after)
    };
    let done = |force, mode| (vec![0xA0], After::Reset { force, mode });
    let refused = |code| (rc(code), After::Nothing);
    assert_eq!(reset(false, b""), done(false, 0));
    assert_eq!(reset(false, b"\xa1\x65force\xf4"), done(false, 0));
    assert_eq!(reset(true, b"\xa0"), refused(10));
    assert_eq!(reset(true, b"\xa1\x65force\xf4"), refused(10));
    assert_eq!(reset(true, b"\xa1\x65force\x00"), refused(10));
    assert_eq!(reset(true, b"\xa1\x65force\xf5"), done(true, 0));
    assert_eq!(reset(true, b"\xa1\x65force\x01"), done(true, 0));
    assert_eq!(reset(true, b"\xa1\x65force\x20"), done(true, 0));
    assert_eq!(reset(false, b"\xa2\x65force\x01\x69boot_mode\x01"), done(true, 1));
    assert_eq!(reset(false, b"\xa1\x69boot_mode\x19\x01\x00"), refused(3));
    assert_eq!(reset(false, b"\xa1\x65force\x61x"), refused(3));
}

#[test]
fn deny_writes_lets_reads_and_echo_through_and_nothing_else() {
    let mut server = Server::new(Device::default(), DenyWrites);
    assert_eq!(ask(&mut server, &message(2, 0, 1, 0, b"\xa1\x61d\x62hi"))[8..], *b"\xa1\x61r\x62hi");
    assert_eq!(ask(&mut server, &message(0, 0, 1, 6, b"\xa0"))[8], 0xA2);
    let runs = server.handler().runs;
    let mut denied = 0;
    for (group, command) in [(0, 1), (0, 4), (0, 5), (1, 0), (1, 1), (1, 5), (64, 0), (1, 99)] {
        for version in [0, V2] {
            let reply = ask(&mut server, &message(version | 2, group, 1, command, b"\xa0"));
            assert_eq!(reply, message(version | 3, group, 1, command, &rc(11)), "{group} {command}");
            denied += 1;
        }
    }
    assert_eq!((server.handler().runs, server.denied()), (runs, denied));
}

#[test]
fn a_policy_sees_the_peer_and_the_target_before_anything_runs() {
    let policy = |incoming: &Incoming<'_>, peer: Peer| {
        let allowed = peer == Peer(7)
            || incoming.target::<u32>("slot") == Some(1)
            || incoming.target::<Text<'_>>("datetime").is_some_and(|text| text == "2026-11-20T00:00:00");
        if allowed { Ok(()) } else { Err(Error::ACCESS_DENIED) }
    };
    let mut server = Server::new(Device::default(), policy);
    let erase = |slot| message(V2 | 2, 1, 1, 5, &[b"\xa1\x64slot", &[slot][..]].concat());
    assert_eq!(ask(&mut server, &erase(0))[8..], rc(11));
    assert_eq!(server.handler().runs, 0);
    assert_eq!(ask(&mut server, &erase(1))[8..], *b"\xa0");
    let datetime = b"\xbf\x68datetime\x7f\x612\x72026-11-20T00:00:00\xff\xff";
    assert_eq!(ask(&mut server, &message(2, 0, 1, 4, datetime))[8..], *b"\xa0");
    assert_eq!(ask_as(&mut server, Peer(7), &erase(0))[8..], *b"\xa0");
    assert_eq!((server.handler().runs, server.denied()), (3, 1));
}

#[test]
fn a_target_that_is_missing_null_or_of_another_kind_is_none() {
    let check = |payload: &[u8], expected: Option<u32>| {
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
            assert_eq!(incoming.target::<u32>("slot"), expected);
            reply.ok(&Empty {})
        };
        let mut tx = [0; 64];
        assert_eq!(serve(handler, AllowAll, &message(2, 64, 1, 0, payload), &mut tx).0, 9);
    };
    check(b"\xa2\x61x\x80\x64slot\x05", Some(5));
    check(b"", None);
    check(b"\xa1\x64slot\xf6", None);
    check(b"\xa1\x64slot\x61x", None);
    check(b"\xa1\x64slot\x1b\x00\x00\x00\x01\x00\x00\x00\x00", None);
    check(b"\x00\x01", None);
}

#[test]
fn hostile_requests_get_one_well_formed_answer_each_and_the_server_lives() {
    let keys: [&[u8]; 16] = [
        b"\x61d",
        b"\x64echo",
        b"\x68datetime",
        b"\x65force",
        b"\x69boot_mode",
        b"\x66format",
        b"\x65query",
        b"\x64hash",
        b"\x67confirm",
        b"\x65image",
        b"\x63len",
        b"\x63off",
        b"\x63sha",
        b"\x64data",
        b"\x67upgrade",
        b"\x64slot",
    ];
    let values: [&[u8]; 18] = [
        b"\x00",
        b"\x20",
        b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x40",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5f\xff",
        b"\x60",
        b"\x7f\x61x\xff",
        b"\x80",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x9f\xff",
        b"\xa0",
        b"\xbf\xff",
        b"\xbb\x80\x00\x00\x00\x00\x00\x00\x00",
        b"\xc0\x00",
        b"\xf6",
        b"\xff",
    ];
    let bomb = [&b"\xa1\x61x"[..], &[0x81; 400]].concat();
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let mut tx = [0; 384];
    let mut requests = 0;
    let mut hit =
        |server: &mut Server<Device, AllowAll, Answers<'_>>, first: u8, group: u16, command: u8, payload: &[u8]| {
            requests += 1;
            let request = message(first, group, requests as u8, command, payload);
            let (len, _) = server.receive(&request, Peer(0), &mut tx);
            assert!(is_well_formed(&tx[..len]), "{request:02x?} got {:02x?}", &tx[..len]);
            assert_eq!(tx[4..8], request[4..8]);
        };
    for group in [0, 1] {
        for command in 0..10 {
            for first in [0, 2, V2, V2 | 2] {
                hit(&mut server, first, group, command, &bomb);
                hit(&mut server, first, group, command, b"\xbf");
                for key in keys {
                    for value in values {
                        hit(&mut server, first, group, command, &[b"\xa1", key, value].concat());
                        hit(&mut server, first, group, command, &[b"\xbf", key, value, key, value, b"\xff"].concat());
                    }
                }
            }
        }
    }
    let echo = ask(&mut server, &message(2, 0, 1, 0, b"\xa1\x61d\x62hi"));
    assert_eq!(echo[8..], *b"\xa1\x61r\x62hi");
}

#[test]
fn random_bytes_never_silence_the_server() {
    const SEED: u64 = 0x5E12_7E21;
    let mut random = Random::new(SEED);
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    for round in 0..300_000 {
        let len = random.index(40);
        let mut request = random.bytes(len);
        if let Some(head) = request.first_chunk_mut::<8>() {
            // Mostly a plausible header.
            if random.index(8) > 0 {
                *head = [
                    random.index(32) as u8,
                    0,
                    0,
                    (len - 8) as u8,
                    0,
                    random.index(3) as u8,
                    0,
                    random.index(10) as u8,
                ];
            }
        }
        let mut tx = [0; 384];
        let (len, _) = server.receive(&request, Peer(0), &mut tx);
        assert!(len == 0 || is_well_formed(&tx[..len]), "seed {SEED:#x} round {round}: {request:02x?}");
        if request.len() >= 8 && request[0] & 1 == 0 {
            assert!(len > 0, "seed {SEED:#x} round {round}: {request:02x?} got no answer");
        }
    }
    assert_eq!(ask(&mut server, &message(2, 0, 1, 0, b"\xa1\x61d\x62hi"))[8..], *b"\xa1\x61r\x62hi");
}

#[test]
fn what_a_request_holds_is_never_printed() {
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
        let text = format!("{incoming:?}");
        assert!(text.contains("4 bytes") && !text.contains("115"), "{text}");
        assert_eq!(incoming.payload(), b"\xa1\x61s\x01");
        assert_eq!((incoming.op(), incoming.command()), (Op::Write, 9));
        assert_eq!(incoming.header().version, Version::V1);
        reply.ok(&Empty {})
    };
    let mut tx = [0; 16];
    assert_eq!(serve(handler, AllowAll, &message(2, 64, 1, 9, b"\xa1\x61s\x01"), &mut tx).0, 9);
}
