//! Repeats and late duplicates: the answers that are remembered, for which client and for how long,
//! and the answers that are given.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anysmp::line::{Peer, Serve, asynch};
use anysmp::smp::server::{
    After, AllowAll, Answer, Answers, AsyncHandler, Handler, Incoming, Known, Memory, PeerAnswers, Policy, Reply,
    Server,
};
use anysmp::smp::{Empty, Error, Group, fs, image, os};

use crate::kit::random::Random;
use crate::kit::smp::message;

const V2: u8 = 0x08;
const SECOND: Duration = Duration::from_secs(1);
/// A write is forgotten after less than this.
const LATEST: Duration = Duration::from_millis(10_100);

/// Counts what it was made to do; each answer contains the number of the run.
#[derive(Debug, Default)]
struct Device {
    runs: u32,
    dates: Vec<String>,
}

impl os::Commands for Device {
    fn console_echo(&mut self, _: os::ConsoleEcho) -> Result<Empty, Error> {
        self.runs += 1;
        Ok(Empty {})
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        self.runs += 1;
        self.dates.push(request.datetime.to_string());
        Ok(Empty {})
    }

    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        self.runs += 1;
        Ok(Empty {})
    }
}

impl image::Commands for Device {
    fn upload(&mut self, request: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        self.runs += 1;
        Ok(image::UploadResponse::new(request.off.ok_or(Error::INVALID)? + u64::from(self.runs)))
    }
}

impl fs::Commands for Device {
    fn upload(&mut self, request: fs::Upload<'_>) -> Result<fs::UploadResponse, (Error, Option<u64>)> {
        self.runs += 1;
        Ok(fs::UploadResponse::new(request.off))
    }
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            Group::FS => fs::dispatch(self, incoming, reply),
            // A vendor's: returns in how many runs it was done, in as many bytes as asked for.
            Group(64) => {
                self.runs += 1;
                let len = incoming.target::<u64>("len").unwrap_or(0) as usize;
                let mut payload = vec![0xA1, 0x61, b'n', 0x58, len as u8 + 4];
                payload.extend(self.runs.to_be_bytes());
                payload.resize(payload.len() + len, 0xEE);
                reply.ok(&Raw(&payload))
            }
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

struct Raw<'p>(&'p [u8]);

impl anysmp::smp::Encode for Raw<'_> {
    fn encode(&self, writer: &mut anysmp::cbor::Writer<'_>) -> Result<(), anysmp::cbor::BufferFull> {
        writer.raw(self.0)
    }
}

fn ask<P: Policy, M: Memory>(server: &mut Server<Device, P, M>, request: &[u8]) -> Vec<u8> {
    ask_as(server, Peer(0), request)
}

fn ask_as<P: Policy, M: Memory>(server: &mut Server<Device, P, M>, peer: Peer, request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 512];
    let (len, _) = server.receive(request, peer, &mut tx);
    tx[..len].to_vec()
}

fn server() -> Server<Device, AllowAll> {
    Server::new(Device::default(), AllowAll)
}

fn rc(code: u8) -> Vec<u8> {
    [&b"\xa1\x62rc"[..], &[code]].concat()
}

/// A write with a short answer.
fn write(sequence: u8) -> Vec<u8> {
    message(V2 | 2, 0, sequence, 1, b"\xa1\x64echo\x01")
}

/// The vendor's write, whose answer has `len` bytes more than the shortest.
fn vendor(sequence: u8, len: u8) -> Vec<u8> {
    message(V2 | 2, 64, sequence, 0, &[b"\xa1\x63len\x18", &[len][..]].concat())
}

fn read(sequence: u8) -> Vec<u8> {
    message(V2, 99, sequence, 0, b"\xa0")
}

fn echo(sequence: u8) -> Vec<u8> {
    message(V2 | 2, 0, sequence, 0, b"\xa1\x61d\x62hi")
}

#[test]
fn a_repeated_write_gets_the_stored_answer_and_does_not_run_again() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let first = ask(&mut server, &vendor(1, 0));
    for _ in 0..5 {
        assert_eq!(ask(&mut server, &vendor(1, 0)), first);
    }
    assert_eq!(server.handler().runs, 1);
    // Anything that differs is another request, and so is one with another sequence number.
    for other in [
        vendor(2, 0),
        message(V2 | 2, 0, 2, 1, b"\xa1\x64echo\x00"),
        message(2, 0, 2, 1, b"\xa1\x64echo\x00"),
        message(2, 0, 2, 5, b"\xa1\x64echo\x00"),
    ] {
        let before = server.handler().runs;
        ask(&mut server, &other);
        assert_eq!(server.handler().runs, before + 1);
    }
}

#[test]
fn a_delayed_duplicate_of_a_write_does_not_run_behind_another_one() {
    let date = |sequence, date: &[u8]| message(0x0A, 0, sequence, 4, &[b"\xa1\x68datetime\x73", date].concat());
    let (a, b) = (date(1, b"2026-01-01T00:00:00"), date(2, b"2026-02-02T00:00:00"));
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    assert_eq!(ask(&mut server, &a), *b"\x0b\0\0\x01\0\0\x01\x04\xa0");
    assert_eq!(ask(&mut server, &b), *b"\x0b\0\0\x01\0\0\x02\x04\xa0");
    assert_eq!(ask(&mut server, &a), message(0x0B, 0, 1, 4, &rc(10)));
    assert_eq!(ask(&mut server, &b), *b"\x0b\0\0\x01\0\0\x02\x04\xa0", "the last one still has its response");
    assert_eq!(server.handler().dates, ["2026-01-01T00:00:00", "2026-02-02T00:00:00"]);
}

#[test]
fn eight_writes_are_remembered_and_the_ninth_takes_the_place_of_the_oldest() {
    for others in 0..20_u8 {
        let mut memory = [0; Answers::memory_len(1, 32)];
        let mut server = server().with_memory(&mut memory);
        for sequence in 0..=others {
            ask(&mut server, &write(sequence));
        }
        let answer = ask(&mut server, &write(0));
        let expected = match others {
            0 => vec![0xA0],
            1..=7 => rc(10),
            _ => vec![0xA0],
        };
        assert_eq!(answer[8..], expected, "{others}");
        assert_eq!(server.handler().runs, u32::from(others) + 1 + u32::from(others > 7), "{others}");
    }
}

#[test]
fn a_write_is_remembered_for_128_further_requests_whatever_they_are() {
    for between in [read, echo, |sequence| message(V2 | 2, 1, sequence, 1, b"\xa1\x63off\x01")] {
        for (others, known) in [(0, true), (126, true), (127, true), (128, false), (129, false)] {
            let mut memory = [0; Answers::memory_len(1, 32)];
            let mut server = server().with_memory(&mut memory);
            let first = ask(&mut server, &vendor(7, 0));
            for sequence in 0..others {
                ask(&mut server, &between(sequence));
            }
            assert_eq!(ask(&mut server, &vendor(7, 0)) == first, known, "{others}");
        }
    }
}

#[test]
fn only_a_piece_whose_offset_is_0_or_cannot_be_read_is_remembered() {
    let remembered: [&[u8]; 9] = [
        b"\xa1\x63off\x00",
        b"\xa2\x64data\x42\x01\x02\x63off\x00",
        b"\xa2\x63off\x00\x64data\x4c123456789012",
        b"\xa3\x6bunknown-key\x82\xa1\x01\x02\xf6\x63off\x18\x00\x63len\x07",
        b"\xbf\x63off\x00\xff",
        // The first of two counts, as in a response.
        b"\xa2\x63off\x00\x63off\x05",
        // What a handler reads of these is unknown.
        b"\x80",
        b"\xa2\x01\x02\x63off\x05",
        b"\xa2\x64data\x5a\xff\xff\xff\xff\x63off\x05",
    ];
    let others: [&[u8]; 5] = [
        b"\xa1\x63off\x05",
        b"\xa2\x63off\x19\x01\x00\x64data\x4c123456789012",
        b"\xa2\x64data\x4c123456789012\x63off\x19\x01\x00",
        b"\xa1\x64data\x42\x01\x02",
        b"\xa1\x63off\xf6",
    ];
    for (payloads, runs_once) in [(&remembered[..], true), (&others[..], false)] {
        for payload in payloads {
            for (group, command) in [(1, 1), (8, 0)] {
                let (mut runs, mut memory) = (0, [0; Answers::memory_len(1, 32)]);
                let device = |_: &Incoming<'_>, reply: Reply<'_>| {
                    runs += 1;
                    reply.ok(&Empty {})
                };
                let mut server = Server::new(device, AllowAll).with_memory(&mut memory);
                for _ in 0..2 {
                    let _ = server.receive(&message(V2 | 2, group, 1, command, payload), Peer(0), &mut [0; 64]);
                }
                assert_eq!(runs == 1, runs_once, "{payload:02x?}");
            }
        }
    }
}

#[test]
fn repeats_count_as_requests_so_that_a_server_without_ticks_forgets_too() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    for run in 1..4 {
        for _ in 0..=128 {
            ask(&mut server, &write(1));
            assert_eq!(server.handler().runs, run);
        }
    }
}

#[test]
fn a_write_is_remembered_for_ten_seconds_and_a_repeat_does_not_prolong_that() {
    for tick in [1, 8, 10, 100, 125, 1000, 5000].map(Duration::from_millis) {
        let mut memory = [0; Answers::memory_len(1, 32)];
        let mut server = server().with_memory(&mut memory);
        ask(&mut server, &write(1));
        let mut passed = Duration::ZERO;
        while passed + tick < 10 * SECOND {
            server.tick(tick);
            passed += tick;
        }
        ask(&mut server, &write(1));
        assert_eq!(server.handler().runs, 1, "just before 10 s, {tick:?}");
        while passed < LATEST {
            server.tick(tick);
            passed += tick;
        }
        ask(&mut server, &write(1));
        assert_eq!(server.handler().runs, 2, "{passed:?}, {tick:?}");
    }
}

#[test]
fn a_write_never_ends_early_and_less_than_a_tenth_of_a_second_late() {
    const SEED: u64 = 0x71C4;
    let mut random = Random::new(SEED);
    for round in 0..2_000 {
        let mut memory = [0; Answers::memory_len(1, 32)];
        let mut server = server().with_memory(&mut memory);
        let longest = [1_000_000, 20_000_000, 400_000_000, 3_000_000_000_usize][round % 4];
        let mut tick = || Duration::from_nanos(random.index(longest) as u64 + 1_000_000);
        for _ in 0..round % 7 {
            server.tick(tick());
        }
        ask(&mut server, &write(1));
        let mut passed = Duration::ZERO;
        while passed < LATEST {
            let step = tick();
            if passed < 10 * SECOND && passed + step >= 10 * SECOND {
                ask(&mut server, &write(1));
                assert_eq!(server.handler().runs, 1, "seed {SEED:#x} round {round}: early, {passed:?}");
            }
            server.tick(step);
            passed += step;
        }
        ask(&mut server, &write(1));
        assert_eq!(server.handler().runs, 2, "seed {SEED:#x} round {round}: late, {passed:?}");
    }
}

#[test]
fn ages_of_any_length_are_no_more_than_the_longest() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    for tick in [Duration::MAX, 255 * SECOND, 256 * SECOND, Duration::from_nanos(u64::MAX)] {
        let runs = server.handler().runs;
        ask(&mut server, &write(1));
        server.tick(tick);
        server.tick(tick);
        ask(&mut server, &write(1));
        assert_eq!(server.handler().runs, runs + 2);
        server.tick(11 * SECOND);
    }
}

#[test]
fn reads_echo_and_other_writes_in_between_do_not_forget() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let first = ask(&mut server, &vendor(1, 0));
    for between in [read(9), echo(9), message(0, 99, 1, 1, b""), message(V2 | 2, 1, 3, 1, b"\xa1\x63off\x05")] {
        ask(&mut server, &between);
        assert_eq!(ask(&mut server, &vendor(1, 0)), first);
    }
    ask(&mut server, &write(2));
    assert_eq!(ask(&mut server, &vendor(1, 0))[8..], rc(10));
}

#[test]
fn the_first_piece_of_an_upload_is_remembered_and_the_later_ones_are_not() {
    let image = |sequence, payload: &[u8]| message(V2 | 2, 1, sequence, 1, payload);
    let file = |sequence, payload: &[u8]| message(V2 | 2, 8, sequence, 0, payload);
    for (request, once) in [
        (image(1, b"\xa3\x63len\x05\x63off\x00\x64data\x41x"), true),
        (image(1, b"\xbf\x64data\x41x\x63len\x05\x63off\x00\xff"), true),
        (image(1, b"\xa2\x63off\x01\x64data\x41x"), false),
        (image(1, b"\xbf\x64data\x41x\x63off\x19\x01\x00\xff"), false),
        (file(1, b"\xa4\x64name\x62/a\x63len\x05\x63off\x00\x64data\x41x"), true),
        (file(1, b"\xa3\x64name\x62/a\x63off\x18\x20\x64data\x41x"), false),
        // What no device writes: it is refused every time.
        (image(1, b"\xa1\x64data\x41x"), false),
        (image(1, b"\xff"), false),
    ] {
        let mut memory = [0; Answers::memory_len(1, 32)];
        let mut server = server().with_memory(&mut memory);
        let first = ask(&mut server, &request);
        let runs = server.handler().runs;
        let again = ask(&mut server, &request);
        assert_eq!(server.handler().runs - runs, if once { 0 } else { runs }, "{request:02x?}");
        if once {
            assert_eq!(again, first);
        }
    }
    // So that an upload leaves what was remembered before it.
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    ask(&mut server, &write(0));
    for sequence in 1..100 {
        ask(&mut server, &image(sequence, &[b"\xa2\x64data\x41x\x63off\x18", &[sequence + 24][..]].concat()));
    }
    let runs = server.handler().runs;
    ask(&mut server, &write(0));
    assert_eq!(server.handler().runs, runs);
}

#[test]
fn an_answer_too_long_for_the_memory_makes_its_repeat_busy() {
    let first = vendor(1, 10);
    // 8 bytes of header, 9 of the shortest payload, 10 more.
    for (room, stored) in [(0, false), (26, false), (27, true)] {
        let mut memory = vec![0xEE; Answers::memory_len(1, room)];
        let mut single = server().with_memory(&mut memory[9..]);
        let answer = ask(&mut single, &first);
        assert_eq!(answer.len(), 27);
        for _ in 0..3 {
            assert_eq!(ask(&mut single, &first)[8..], if stored { answer[8..].to_vec() } else { rc(10) }, "{room}");
        }
        assert_eq!(single.handler().runs, 1);
        let mut many = server().with_answers(Answers::new(&mut memory).with_peers(1));
        assert_eq!(ask(&mut many, &first), answer);
        assert_eq!(ask(&mut many, &first)[8..], if stored { answer[8..].to_vec() } else { rc(10) }, "{room}");
        single = server().with_memory(&mut memory[9..]);
        single.tick(LATEST);
        assert_eq!(ask(&mut single, &first), answer, "as new");
    }
}

#[test]
fn a_repeat_whose_answer_no_longer_fits_gets_rc_7() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let request = vendor(1, 0);
    let first = ask(&mut server, &request);
    let mut tx = [0; 8 + 5];
    assert!(first.len() > tx.len());
    let (len, after) = server.receive(&request, Peer(0), &mut tx);
    assert_eq!((&tx[..len], after), (&message(V2 | 3, 64, 1, 0, &rc(7))[..], After::Nothing));
    assert_eq!(server.handler().runs, 1);
}

#[test]
fn a_write_whose_answer_had_no_room_does_not_run_again() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    for room in [4, 4, 64] {
        let (len, _) = server.receive(&write(1), Peer(0), &mut vec![0; room]);
        assert_eq!((len > 0, server.handler().runs), (room == 64, 1));
    }
}

#[test]
fn a_memory_too_short_for_the_writes_keeps_nothing() {
    for (len, peers) in [(0, 0), (47, 0), (48, 1), (1000, 1)] {
        let mut memory = vec![0xFF; len];
        assert_eq!(Answers::new(&mut memory).peers(), peers, "{len}");
        let mut server = server().with_memory(&mut memory);
        ask(&mut server, &write(1));
        ask(&mut server, &write(1));
        assert_eq!(server.handler().runs, 2 - peers as u32, "{len}");
    }
    for (len, wanted, peers) in
        [(0, 1, 0), (56, 1, 0), (57, 1, 1), (1000, 0, 0), (2 * 57 - 1, 2, 0), (2 * 57 + 1, 2, 2), (5, usize::MAX, 0)]
    {
        let mut memory = vec![0xFF; len];
        let answers = Answers::new(&mut memory).with_peers(wanted);
        assert_eq!(answers.peers(), peers, "{len} for {wanted}");
        let mut server = server().with_answers(answers);
        for peer in [0, 1, 0, 1] {
            ask_as(&mut server, Peer(peer), &write(1));
        }
        let runs = match peers {
            0 | 1 => 4,
            _ => 2,
        };
        assert_eq!(server.handler().runs, runs, "{len} for {wanted}");
    }
    assert_eq!(Answers::memory_len(3, 20), 3 * 77);
    assert_eq!(Answers::memory_len(usize::MAX, usize::MAX), usize::MAX);
}

#[test]
fn without_memory_a_repeat_runs_again_and_echo_and_reads_are_never_remembered() {
    let mut none = server();
    ask(&mut none, &write(1));
    ask(&mut none, &write(1));
    assert_eq!(none.handler().runs, 2);
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut remembered = server().with_memory(&mut memory);
    ask(&mut remembered, &write(1));
    for sequence in 0..20 {
        ask(&mut remembered, &echo(sequence));
        ask(&mut remembered, &echo(sequence));
    }
    ask(&mut remembered, &write(1));
    assert_eq!(remembered.handler().runs, 1, "they took no place");
}

#[test]
fn a_repeated_reset_is_answered_and_does_not_reset_again() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let mut tx = [0; 64];
    let reset = message(2, 0, 1, 5, b"\xa0");
    assert_eq!(server.receive(&reset, Peer(0), &mut tx), (9, After::Reset { force: false, mode: 0 }));
    assert_eq!(server.receive(&reset, Peer(0), &mut tx), (9, After::Nothing));
    ask(&mut server, &write(2));
    assert_eq!(server.receive(&reset, Peer(0), &mut tx), (13, After::Nothing), "and no longer with its response");
}

#[test]
fn an_error_is_remembered_like_a_success() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    let request = message(V2 | 2, 0, 1, 4, b"\xa1\x68datetime\x05");
    assert_eq!(ask(&mut server, &request)[8..], rc(3));
    assert_eq!(ask(&mut server, &request)[8..], rc(3));
    ask(&mut server, &write(2));
    assert_eq!(ask(&mut server, &request)[8..], rc(10));
}

#[test]
fn two_requests_of_one_fingerprint_are_two() {
    let fnv = |bytes: &[u8]| {
        bytes.iter().fold(0x811C_9DC5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    };
    let first = write(1);
    // 32 bits by birthday would take long: the last four bytes are found from the end, as the
    // multiplication can be undone.
    const BACK: u32 = 0x359C_449B;
    assert_eq!(0x0100_0193_u32.wrapping_mul(BACK), 1);
    let prefix = message(V2 | 2, 0, 2, 1, b"\xa2\x64echo\x01\x61x\x45.....");
    let head = fnv(&prefix[..prefix.len() - 5]);
    let second = (0..=u32::MAX)
        .find_map(|start| {
            let [a, b, c, d] = start.to_le_bytes();
            let near = [a, b, c, d].iter().fold(head, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
            // What the last byte would have to be.
            let last = fnv(&first).wrapping_mul(BACK) ^ near;
            let last = u8::try_from(last).ok()?;
            Some([&prefix[..prefix.len() - 5], &[a, b, c, d, last]].concat())
        })
        .unwrap();
    assert_eq!(fnv(&second), fnv(&first));
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    ask(&mut server, &first);
    assert_eq!(ask(&mut server, &second)[6], 2, "an answer of its own");
    assert_eq!(server.handler().runs, 2);
    // Neither runs again.
    for request in [&second, &first, &second] {
        ask(&mut server, request);
    }
    assert_eq!(server.handler().runs, 2);
}

#[test]
fn equal_writes_of_two_peers_both_run_and_each_gets_its_own_answer_again() {
    let mut memory = [0; Answers::memory_len(2, 32)];
    let mut server = server().with_answers(Answers::new(&mut memory).with_peers(2));
    let peers = [Peer(0), Peer(0xC0A8_0001)];
    let first = peers.map(|peer| ask_as(&mut server, peer, &vendor(1, 0)));
    assert_ne!(first[0], first[1]);
    assert_eq!(server.handler().runs, 2);
    for _ in 0..3 {
        assert_eq!(peers.map(|peer| ask_as(&mut server, peer, &vendor(1, 0))), first);
    }
    // One goes on, the other still has its own.
    ask_as(&mut server, peers[0], &write(2));
    assert_eq!(ask_as(&mut server, peers[1], &vendor(1, 0)), first[1]);
    assert_eq!(ask_as(&mut server, peers[0], &vendor(1, 0))[8..], rc(10));
    assert_eq!(server.memory().displaced(), 0);
}

#[test]
fn the_least_recently_heard_peer_makes_room_and_is_counted() {
    let mut memory = [0; Answers::memory_len(3, 32)];
    let mut server = server().with_answers(Answers::new(&mut memory).with_peers(3));
    for peer in 1..=3 {
        ask_as(&mut server, Peer(peer), &write(1));
    }
    // Peer 1 sends again, if only a read; a peer that has written nothing takes no room.
    ask_as(&mut server, Peer(1), &read(2));
    ask_as(&mut server, Peer(9), &read(2));
    assert_eq!((server.handler().runs, server.memory().displaced()), (3, 0));
    ask_as(&mut server, Peer(4), &write(1));
    assert_eq!((server.handler().runs, server.memory().displaced()), (4, 1));
    for (peer, runs) in [(1, 4), (3, 4), (4, 4), (2, 5)] {
        ask_as(&mut server, Peer(peer), &write(1));
        assert_eq!(server.handler().runs, runs, "peer {peer}");
    }
    assert_eq!(server.memory().displaced(), 2, "peer 2 came back in place of peer 1");
    // Of whom nothing is remembered any longer, nobody is displaced.
    server.tick(LATEST);
    for peer in 10..13 {
        ask_as(&mut server, Peer(peer), &write(1));
    }
    assert_eq!(server.memory().displaced(), 2);
}

#[test]
fn with_room_for_one_peer_another_one_displaces_it() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = server().with_memory(&mut memory);
    for (peer, runs, displaced) in [(7, 1, 0), (7, 1, 0), (8, 2, 1), (8, 2, 1), (7, 3, 2)] {
        ask_as(&mut server, Peer(peer), &write(1));
        assert_eq!((server.handler().runs, server.memory().displaced()), (runs, displaced));
    }
    ask_as(&mut server, Peer(8), &read(1));
    ask_as(&mut server, Peer(7), &write(1));
    assert_eq!(server.handler().runs, 3, "a read takes no room");
}

/// The last answer to each of two peers.
struct Both([Vec<(Vec<u8>, Vec<u8>)>; 2]);

impl Memory for Both {
    type Fingerprint = [u8; 8];

    fn is_used(&self) -> bool {
        true
    }

    fn fingerprint(&self, request: &[u8]) -> [u8; 8] {
        *request.first_chunk().unwrap()
    }

    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<[u8; 8]>) -> Known<'_> {
        assert!(fingerprint.is_none_or(|fingerprint| request.starts_with(&fingerprint)));
        let kept = self.0[peer.0 as usize].iter().find(|(kept, _)| fingerprint.is_some_and(|it| it == kept[..]));
        kept.map_or(Known::Nothing, |(_, response)| Known::Response(response))
    }

    fn remember(&mut self, peer: Peer, fingerprint: [u8; 8], response: &[u8]) {
        self.0[peer.0 as usize] = vec![(fingerprint.to_vec(), response.to_vec())];
    }

    fn tick(&mut self, _: Duration) {
        self.0 = [vec![], vec![]];
    }
}

#[test]
fn a_memory_of_ones_own_can_be_given_to_a_server() {
    let mut server = server().with_answers(Both([vec![], vec![]]));
    for (peer, runs) in [(0, 1), (1, 2), (0, 2), (1, 2)] {
        ask_as(&mut server, Peer(peer), &write(1));
        assert_eq!(server.handler().runs, runs, "peer {peer}");
    }
    server.tick(SECOND);
    ask(&mut server, &write(1));
    assert_eq!(server.handler().runs, 3);
}

/// A policy that is asked about everything.
#[derive(Default)]
struct Guard {
    asked: Vec<Peer>,
    time: Duration,
    open: bool,
}

impl Policy for Guard {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error> {
        self.asked.push(peer);
        match (incoming.group(), self.open) {
            (_, true) => Ok(()),
            (Group(64), false) => Err(Error::Group { group: Group(64), rc: 7 }),
            _ => Err(Error::BUSY),
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        self.time += elapsed;
        self.open &= self.time < 3 * SECOND;
    }
}

#[test]
fn a_policy_refuses_with_its_own_code_is_told_time_and_peer_and_can_be_reached() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = Server::new(Device::default(), Guard::default()).with_memory(&mut memory);
    let refusal = ask_as(&mut server, Peer(3), &vendor(1, 0));
    assert_eq!(refusal[8..], *b"\xa1\x63err\xa2\x65group\x18\x40\x62rc\x07");
    assert_eq!(ask_as(&mut server, Peer(4), &write(1))[8..], rc(10));
    assert_eq!((server.handler().runs, server.denied()), (0, 2));
    server.policy().open = true;
    assert_eq!(ask_as(&mut server, Peer(3), &vendor(1, 0)).len(), 17, "a refusal is not remembered");
    server.tick(2 * SECOND);
    assert_eq!(ask_as(&mut server, Peer(3), &vendor(2, 0)).len(), 17);
    server.tick(SECOND);
    assert_eq!(ask_as(&mut server, Peer(3), &vendor(3, 0)), [&refusal[..6], &[3], &refusal[7..]].concat());
    assert_eq!(ask_as(&mut server, Peer(3), &vendor(2, 0)).len(), 17, "its answer comes from memory, nothing runs");
    assert_eq!((server.handler().runs, server.denied()), (2, 3));
    assert_eq!(server.policy().asked, [3, 4, 3, 3, 3].map(Peer));
}

#[test]
fn what_a_peer_may_not_do_it_may_not_repeat() {
    let policy = |_: &Incoming<'_>, peer: Peer| if peer == Peer(1) { Ok(()) } else { Err(Error::ACCESS_DENIED) };
    let mut memory = [0; Answers::memory_len(2, 32)];
    let mut server = Server::new(Device::default(), policy).with_answers(Answers::new(&mut memory).with_peers(2));
    assert_eq!(ask_as(&mut server, Peer(1), &write(1))[8..], *b"\xa0");
    assert_eq!(ask_as(&mut server, Peer(2), &write(1))[8..], rc(11));
    assert_eq!(server.handler().runs, 1);
}

#[test]
fn the_server_answers_parameters_itself_if_it_is_told_the_sizes() {
    let request = message(V2, 0, 5, 6, b"\xa0");
    let answer = b"\xa2\x68buf_size\x19\x01\x80\x69buf_count\x04";
    let mut plain = server();
    assert_eq!(ask(&mut plain, &request)[8..], rc(8));
    assert_eq!(Serve::buffer_size(&plain), None);
    let mut server = server().with_parameters(4, 384).with_legacy_rc();
    assert_eq!(Serve::buffer_size(&server), Some(384));
    let mut tx = [0; 64];
    let (len, after) = server.receive(&request, Peer(0), &mut tx);
    assert_eq!((&tx[8..len], after), (&[b"\xa3\x62rc\x00", &answer[1..]].concat()[..], After::Nothing));
    let (len, _) = server.receive(&message(V2, 0, 5, 6, b"\xff"), Peer(0), &mut tx);
    assert_eq!(tx[8..len], rc(3));
    let (len, _) = server.receive(&message(V2 | 2, 0, 5, 6, b"\xa0"), Peer(0), &mut tx);
    assert_eq!(tx[8..len], rc(8), "a write of it is the handler's");
    let (len, _) = server.receive(&request, Peer(0), &mut tx[..20]);
    assert_eq!(tx[8..len], rc(7));
    // The policy is asked, and the handler is not.
    let deny = |_: &Incoming<'_>, _: Peer| Err(Error::ACCESS_DENIED);
    let mut guarded = Server::new(Device::default(), deny).with_parameters(1, 2);
    let (len, _) = guarded.receive(&request, Peer(0), &mut tx);
    assert_eq!((&tx[8..len], guarded.denied()), (&rc(11)[..], 1));
    let handler = |_: &Incoming<'_>, _: Reply<'_>| -> Answer { panic!("asked") };
    let mut memory = [0; 64];
    let mut server = Server::new(handler, AllowAll).with_memory(&mut memory).with_parameters(4, 384);
    let (len, _) = server.receive(&request, Peer(0), &mut tx);
    assert_eq!(tx[8..len], *answer);
}

/// A device whose commands take a while.
struct Slow(Device);

impl AsyncHandler for Slow {
    async fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let mut waited = false;
        poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.0.handle(incoming, reply)
    }
}

#[test]
fn a_handler_that_awaits_is_served_and_remembered_like_one_that_does_not() {
    let mut memory = [0; Answers::memory_len(2, 32)];
    let answers = Answers::new(&mut memory).with_peers(2);
    let mut server = Server::new(Slow(Device::default()), AllowAll).with_answers(answers).with_parameters(2, 100);
    assert_eq!(Serve::buffer_size(&server), Some(100));
    let mut ask = |peer, request: &[u8], polls: usize| {
        let mut tx = [0; 64];
        let mut context = Context::from_waker(Waker::noop());
        let mut polled = Poll::Pending;
        {
            let mut future = pin!(asynch::Service::receive(&mut server, request, Peer(peer), &mut tx));
            for _ in 0..polls {
                polled = future.as_mut().poll(&mut context);
            }
        }
        match polled {
            Poll::Ready((len, _)) => Some((tx[..len].to_vec(), server.handler().0.runs)),
            Poll::Pending => None,
        }
    };
    assert_eq!(ask(0, &write(1), 1), None, "dropped before it ran");
    let answer = message(V2 | 3, 0, 1, 1, b"\xa0");
    assert_eq!(ask(0, &write(1), 2), Some((answer.clone(), 1)));
    assert_eq!(ask(0, &write(1), 1), Some((answer.clone(), 1)), "from memory, without waiting");
    assert_eq!(ask(1, &write(1), 2), Some((answer.clone(), 2)), "another peer");
    assert_eq!(ask(0, &write(2), 2).unwrap().1, 3);
    assert_eq!(ask(0, &write(1), 1), Some((message(V2 | 3, 0, 1, 1, &rc(10)), 3)));
    assert_eq!(ask(0, &message(0, 0, 1, 6, b""), 1).unwrap().0[8], 0xA2, "parameters need no waiting");
    assert_eq!(ask(0, &message(9, 0, 1, 1, b""), 1), Some((vec![], 3)));
    Serve::tick(&mut server, LATEST);
    let mut tx = [0; 64];
    let mut future =
        pin!(asynch::Service::receive(&mut server, &*Box::leak(write(1).into_boxed_slice()), Peer(0), &mut tx));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it runs again");
}

/// What should be remembered, as slowly and as plainly as can be.
struct Model {
    peers: Vec<Remembered>,
    room: usize,
    response: usize,
    /// In microseconds.
    now: u64,
    requests: u64,
    displaced: u32,
}

struct Remembered {
    peer: u32,
    heard: u64,
    /// The unit in which each ends.
    writes: VecDeque<(Vec<u8>, u64, u32)>,
    response: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Runs,
    Again(Vec<u8>),
    Busy,
}

impl Model {
    fn unit(&self) -> u64 {
        self.now / 65_536
    }

    fn clean(&mut self) {
        let now = self.unit();
        for it in &mut self.peers {
            it.writes.retain(|(_, end, requests)| now < *end && *requests > 0);
        }
    }

    fn receives(&mut self, peer: u32, request: &[u8], once: bool) -> Verdict {
        self.requests += 1;
        let mut verdict = Verdict::Runs;
        if let Some(it) = self.peers.iter_mut().find(|it| it.peer == peer) {
            it.heard = self.requests;
            if once && let Some(at) = it.writes.iter().position(|(known, ..)| known == request) {
                verdict = match &it.response {
                    Some(response) if at == it.writes.len() - 1 => Verdict::Again(response.clone()),
                    _ => Verdict::Busy,
                };
            }
            for write in &mut it.writes {
                write.2 -= 1;
            }
        }
        self.clean();
        verdict
    }

    fn ran(&mut self, peer: u32, request: &[u8], response: &[u8]) {
        // 10 s are less than 153 units, and one has begun.
        let end = self.unit() + 154;
        if !self.peers.iter().any(|it| it.peer == peer) {
            self.peers.retain(|it| !it.writes.is_empty());
            if self.peers.len() == self.room {
                let least = (0..self.room).min_by_key(|at| self.peers[*at].heard).unwrap();
                self.peers.remove(least);
                self.displaced += 1;
            }
            self.peers.push(Remembered { peer, heard: self.requests, writes: VecDeque::new(), response: None });
        }
        let it = self.peers.iter_mut().find(|it| it.peer == peer).unwrap();
        it.writes.push_back((request.to_vec(), end, 128));
        if it.writes.len() > 8 {
            it.writes.pop_front();
        }
        it.response = (response.len() <= self.response).then(|| response.to_vec());
    }
}

fn compare<M: Memory + Displaced>(memory: M, mut model: Model, random: &mut Random, steps: usize, what: &str) -> u32 {
    let mut server = server().with_answers(memory);
    let mut seen = [0_u32; 3];
    for step in 0..steps {
        // Mostly those that there is room for.
        let strangers = if random.index(20) == 0 { 2 } else { 0 };
        let peer = random.index(model.room + strangers) as u32 * 0x0101_0001;
        match random.index(100) {
            0..6 => {
                let tick = match random.index(40) {
                    0 => 10 * SECOND,
                    1 => Duration::from_millis(9_999),
                    _ => Duration::from_nanos(random.index(2_000_000_000) as u64),
                };
                server.tick(tick);
                model.now += tick.as_micros() as u64;
                model.clean();
            }
            6..30 => {
                let request = if random.index(2) == 0 { read(1) } else { echo(1) };
                ask_as(&mut server, Peer(peer), &request);
                assert_eq!(model.receives(peer, &request, false), Verdict::Runs);
            }
            _ => {
                // Few requests, so that many are repeats.
                let request = vendor(random.index(14) as u8, [0, 20][random.index(8) / 7]);
                let runs = server.handler().runs;
                let answer = ask_as(&mut server, Peer(peer), &request);
                let ran = server.handler().runs != runs;
                let verdict = match (ran, answer[8..] == rc(10)) {
                    (true, _) => Verdict::Runs,
                    (false, true) => Verdict::Busy,
                    (false, false) => Verdict::Again(answer.clone()),
                };
                assert_eq!(verdict, model.receives(peer, &request, true), "{what} step {step} peer {peer:#x}");
                seen[match verdict {
                    Verdict::Runs => 0,
                    Verdict::Again(_) => 1,
                    Verdict::Busy => 2,
                }] += 1;
                if ran {
                    model.ran(peer, &request, &answer);
                }
            }
        }
        assert_eq!(server.memory().displaced(), model.displaced, "{what} step {step}");
    }
    // Responses of 17 bytes and more are stored where there is room.
    let least = if model.response < 17 { [200, 0, 200] } else { [200; 3] };
    assert!(seen.iter().zip(least).all(|(count, least)| *count >= least), "{what}: {seen:?}");
    model.displaced
}

trait Displaced {
    fn displaced(&self) -> u32;
}

impl Displaced for Answers<'_> {
    fn displaced(&self) -> u32 {
        Answers::displaced(self)
    }
}

impl Displaced for PeerAnswers<'_> {
    fn displaced(&self) -> u32 {
        PeerAnswers::displaced(self)
    }
}

#[test]
fn a_memory_does_what_a_slow_and_plain_one_does() {
    const SEED: u64 = 0x0A5_E4E_D01;
    let mut random = Random::new(SEED);
    let mut displaced = 0;
    for peers in 1..=4 {
        for response in [8, 17, 30] {
            let model = || {
                let (now, peers_) = (0, Vec::new());
                Model { peers: peers_, room: peers, response, now, requests: 0, displaced: 0 }
            };
            let what = format!("seed {SEED:#x}, {peers} peers, {response} bytes");
            let mut memory = vec![0xA5; Answers::memory_len(peers, response)];
            let answers = Answers::new(&mut memory).with_peers(peers);
            displaced += compare(answers, model(), &mut random, 10_000, &what);
            if peers == 1 {
                displaced += compare(Answers::new(&mut memory[9..]), model(), &mut random, 10_000, &what);
            }
        }
    }
    assert!(displaced > 500, "{displaced}");
}
