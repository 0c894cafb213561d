//! A client's manners: preambles, retries, and silence if responses do not name their request.

use std::ops::ControlFlow;

use anysmp::bsmp::{Client as Master, variable};
use anysmp::framing;
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::line::{Caller, Error, Exchange, Progress, Run, SizeError, Turn};
use anysmp::port::TimedError;
use anysmp::routine::{Ended, Routine, Step};
use anysmp::smp::client::{self, Client};
use anysmp::smp::{self, os};

use super::*;

const TIMEOUT: Duration = Duration::from_millis(100);

fn client() -> Client {
    Client::new(0).with_timeout(TIMEOUT).with_retries(2)
}

type Asked = Exchange<client::Pending<os::Echo<'static>>>;
fn echo() -> os::Echo<'static> {
    os::Echo::new("hi")
}

fn ask(line: &mut Line<'_, Console<'_>>, client: &mut Client) -> Asked {
    Exchange::begin(line, client, &echo(), &mut ()).unwrap()
}

/// What a device answers to the echo with this number.
fn answer(sequence: u8) -> Vec<u8> {
    let message = [3, 0, 0, 6, 0, 0, sequence, 0, 0xA1, 0x61, b'r', 0x62, b'h', b'i'];
    framed(&Console::new(room(256)), &message)
}

/// The frame of the echo with this number.
fn asked(sequence: u8) -> Vec<u8> {
    let message = [0x0A, 0, 0, 6, 0, 0, sequence, 0, 0xA1, 0x61, b'd', 0x62, b'h', b'i'];
    framed(&Console::new(room(256)), &message)
}

/// Rounds of a millisecond until something leaves; returns it and how long that took.
fn until_sent<F: Framing, P, R, C>(
    line: &mut Line<'_, F>,
    exchange: &mut Exchange<P>,
    client: &mut C,
    _: &R,
) -> (Vec<u8>, Duration)
where
    C: Caller<R, Pending = P>,
{
    for passed in 0..5_000 {
        assert_eq!(exchange.poll::<R, C, _, _>(line, client, &mut ()).unwrap(), Progress::Wait);
        let wire = sent(line);
        if !wire.is_empty() {
            return (wire, MS * passed);
        }
        round(line, &[], MS);
    }
    panic!("nothing leaves")
}

#[test]
fn only_a_console_takes_time_before_the_first_request() {
    fn first<F: Framing>(framing: F) -> Duration {
        let (mut line, mut client) = (line(framing), client());
        let mut exchange: Asked = Exchange::begin(&mut line, &mut client, &echo(), &mut ()).unwrap();
        let mut all = Duration::ZERO;
        loop {
            let (wire, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
            all += passed;
            // The preamble is one byte.
            if wire.len() > 1 {
                return all;
            }
        }
    }
    assert!(first(Console::new(room(256))) >= Console::PREAMBLE_PAUSE);
    // A round may lie between preamble and request.
    assert!(first(Cobs::new(room(256))) <= MS * 2);
    assert_eq!(first(Counted::<Head8>::new(room(256))), Duration::ZERO);
    assert_eq!(first(Datagram::new(room(256))), Duration::ZERO);
}

#[test]
fn a_session_begins_with_a_preamble_and_time_for_the_peer() {
    let (mut line, mut client) = (console(), client());
    let mut exchange = ask(&mut line, &mut client);
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert_eq!((&wire[..], passed), (&b"\n"[..], Duration::ZERO));
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert!(wire.starts_with(&[6, 9]));
    assert!((Console::PREAMBLE_PAUSE..=Console::PREAMBLE_PAUSE + MS * 2).contains(&passed), "{passed:?}");
    round(&mut line, &answer(0), MS);
    assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Done);
    // However often it is asked, and whatever comes.
    round(&mut line, &[], MS);
    assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Done);
    assert_eq!(exchange.response::<os::Echo<'_>, _, _>(&line, &client).unwrap().text, "hi");
    // Not so the next one, whose response the line does not hold yet.
    let mut exchange = ask(&mut line, &mut client);
    assert!(exchange.response::<os::Echo<'_>, _, _>(&line, &client).is_err());
    assert!(until_sent(&mut line, &mut exchange, &mut client, &echo()).0.starts_with(&[6, 9]));
}

#[test]
fn a_connection_that_is_new_to_the_peer_too_takes_no_time_before_the_first_request() {
    let (line, mut client) = (console().with_preamble_pause(false), client());
    // The last word holds.
    let mut line = line.with_preamble_pause(true).with_preamble_pause(false);
    let mut exchange = ask(&mut line, &mut client);
    assert_eq!(sent(&mut line), [b"\n", &asked(0)[..]].concat(), "in one go, without a look at the port");
    // After a timeout the preamble has its time, as always.
    let (wire, _) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert_eq!(wire, b"\n");
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert_eq!(wire, asked(0));
    assert!((Console::PREAMBLE_PAUSE..=Console::PREAMBLE_PAUSE + MS * 2).contains(&passed), "{passed:?}");
    // After a send that was given up too.
    let mut line = console().with_preamble_pause(false);
    let mut exchange = ask(&mut line, &mut client);
    line.sent(1);
    let _ = line.pending();
    line.sent(3);
    line.abandon();
    let _ = exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap();
    let mut exchange = ask(&mut line, &mut client);
    assert_eq!(until_sent(&mut line, &mut exchange, &mut client, &echo()).0, b"\n");
    let (_, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert!(passed >= Console::PREAMBLE_PAUSE, "{passed:?}");
    // Taken back, it is as it was.
    let mut line = console().with_preamble_pause(false).with_preamble_pause(true);
    let _ = ask(&mut line, &mut client);
    assert_eq!(sent(&mut line), b"\n");
}

#[test]
fn a_port_that_accepts_one_byte_at_a_time_gets_each_byte_of_a_brief_start_once() {
    let (mut line, mut client) = (console().with_preamble_pause(false), client());
    let _ = ask(&mut line, &mut client);
    let mut wire = Vec::new();
    while let Some(byte) = line.pending().first().copied() {
        assert!(!line.sent(0));
        wire.push(byte);
        line.sent(1);
    }
    assert_eq!(wire, [b"\n", &asked(0)[..]].concat());
}

#[test]
fn a_peer_that_was_heard_needs_no_preamble_before_the_first_request() {
    // What came, and whether the first request leaves at once: a message, but nothing damaged.
    let message = answer(9);
    let damaged = [b"\x06\x09AAAA!\n", &message[..]].concat();
    for pause in [true, false] {
        for (came, is_heard) in [(&b"uart:~$ "[..], false), (&message, true), (&damaged, false)] {
            let (mut line, mut client) = (console().with_preamble_pause(pause), client());
            round(&mut line, came, MS);
            while line.next(&mut ()).is_some() {}
            let _ = ask(&mut line, &mut client);
            let wire = sent(&mut line);
            assert_eq!(wire == asked(0), is_heard, "{came:?}: {wire:?}");
            assert_eq!(wire.starts_with(b"\n"), !is_heard, "{came:?}: {wire:?}");
        }
    }
    // A timeout is followed by both all the same.
    let (mut line, mut client) = (console(), client());
    round(&mut line, &message, MS);
    while line.next(&mut ()).is_some() {}
    let mut exchange = ask(&mut line, &mut client);
    assert_eq!(until_sent(&mut line, &mut exchange, &mut client, &echo()).0, asked(0));
    assert_eq!(until_sent(&mut line, &mut exchange, &mut client, &echo()).0, b"\n");
    let (_, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert!(passed >= Console::PREAMBLE_PAUSE, "{passed:?}");
}

#[test]
fn only_a_framing_that_takes_time_begins_otherwise_without_it() {
    let (mut line, mut client) = (line(Cobs::new(room(256))).with_preamble_pause(false), client());
    let _: Asked = Exchange::begin(&mut line, &mut client, &echo(), &mut ()).unwrap();
    assert_eq!(sent(&mut line), [0]);
    // The look at the line, which answers without a name need, is no matter of the preamble.
    let (mut line, mut master) = (bsmp_tcp().with_preamble_pause(false), master());
    let _ = read(&mut line, &mut master);
    assert_eq!(sent(&mut line), b"");
}

#[test]
fn retries_come_after_the_timeout_behind_a_preamble_and_end() {
    let (mut line, mut client) = (console(), client());
    let mut exchange = ask(&mut line, &mut client);
    let (mut wire, mut ended) = (Vec::new(), None);
    for passed in 0..2_000u32 {
        match exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap() {
            Progress::Wait => {}
            Progress::Done => panic!("nobody has answered"),
            Progress::TimedOut => {
                ended = Some(passed);
                break;
            }
        }
        wire.extend(sent(&mut line).into_iter().map(|byte| (byte, passed)));
        round(&mut line, &[], MS);
    }
    let starts: Vec<u32> = wire.iter().filter(|(byte, _)| *byte == 0x06).map(|(_, at)| *at).collect();
    let preambles: Vec<u32> =
        wire.windows(2).filter(|two| two[0].0 == b'\n' && two[1].0 == 6).map(|two| two[0].1).collect();
    assert_eq!(starts.len(), 3, "the request and its retries");
    assert_eq!(preambles.len(), 3, "one in front of each, none behind the last");
    for at in 0..2 {
        let waited = preambles[at + 1] - starts[at];
        assert!((100..=102).contains(&waited), "{waited} ms");
    }
    let waited = ended.unwrap() - starts[2];
    assert!((100..=102).contains(&waited), "{waited} ms");
    assert_eq!(line.counters().retries, 2);
    // It has ended for good.
    assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::TimedOut);
    assert_eq!(exchange.reason::<os::Echo<'_>, _, ()>(&client), Error::TimedOut);
}

#[test]
fn a_response_that_comes_while_the_peer_is_nudged_is_welcome() {
    let (mut line, mut client) = (console(), client());
    let mut exchange = ask(&mut line, &mut client);
    until_sent(&mut line, &mut exchange, &mut client, &echo());
    until_sent(&mut line, &mut exchange, &mut client, &echo());
    let (wire, _) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert_eq!(wire, b"\n", "the timeout has passed");
    for _ in 0..10 {
        round(&mut line, &[], MS);
        assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Wait);
        assert!(sent(&mut line).is_empty());
    }
    round(&mut line, &answer(0), MS);
    assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Done);
}

#[test]
fn the_timeout_begins_when_the_last_byte_has_left() {
    let (mut line, mut client) = (console(), client());
    let mut exchange = ask(&mut line, &mut client);
    until_sent(&mut line, &mut exchange, &mut client, &echo());
    for _ in 0..52 {
        round(&mut line, &[], MS);
        let _ = exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap();
    }
    // A UART that takes a byte each 50 ms: longer than the timeout in all.
    while !line.pending().is_empty() {
        line.sent(1);
        round(&mut line, &[], MS * 50);
        assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Wait);
    }
    assert_eq!(line.counters(), anysmp::line::Counters { sent: 1, ..Default::default() });
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut client, &echo());
    assert_eq!(wire, b"\n");
    assert!((TIMEOUT - MS..=TIMEOUT + MS * 2).contains(&passed), "{passed:?}");
}

/// A read of variable 3 with 2 bytes.
const READ: variable::Read = variable::Read { id: 3, size: Some(2) };

/// What a node answers to it.
fn value(value: u8) -> Vec<u8> {
    vec![0x11, 0, 2, value, value]
}

fn master() -> Master {
    Master::new().with_timeout(TIMEOUT).with_drain(Duration::from_millis(300))
}

fn read<F: Framing>(
    line: &mut Line<'_, F>,
    master: &mut Master,
) -> Exchange<<Master as Caller<variable::Read>>::Pending> {
    Exchange::begin(line, master, &READ, &mut ()).unwrap()
}

fn poll<F: Framing, P>(line: &mut Line<'_, F>, exchange: &mut Exchange<P>, master: &mut Master) -> Progress
where
    Master: Caller<variable::Read, Pending = P>,
{
    exchange.poll::<variable::Read, _, _, _>(line, master, &mut ()).unwrap()
}

#[test]
fn what_came_before_a_request_is_never_its_answer_where_answers_name_no_request() {
    let (mut line, mut master) = (bsmp_tcp(), master());
    // It came between two calls, and nobody has looked.
    round(&mut line, &value(1), MS);
    let mut exchange = read(&mut line, &mut master);
    assert_eq!(sent(&mut line), b"", "the line is looked at first");
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    // It came while the request waited.
    round(&mut line, &value(2), MS);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    assert_eq!(sent(&mut line), b"");
    round(&mut line, &[], Duration::ZERO);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    assert_eq!(sent(&mut line), [0x10, 0, 1, 3]);
    round(&mut line, &value(7), MS);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Done);
    assert_eq!(exchange.response::<variable::Read, _, _>(&line, &master), Ok(&[7, 7][..]));
    assert_eq!(line.counters().foreign, 2);
}

#[test]
fn after_a_missing_answer_the_line_is_silent_before_the_next_request() {
    let (mut line, mut master) = (bsmp_tcp(), master());
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    let mut passed = 0;
    while poll(&mut line, &mut exchange, &mut master) == Progress::Wait {
        round(&mut line, &[], MS);
        passed += 1;
    }
    assert!((100..=102).contains(&passed), "{passed}");
    // The late answer comes 200 ms later, while the next request waits.
    let mut exchange = read(&mut line, &mut master);
    for _ in 0..200 {
        round(&mut line, &[], MS);
        assert_eq!((poll(&mut line, &mut exchange, &mut master), sent(&mut line).len()), (Progress::Wait, 0));
    }
    round(&mut line, &value(1), MS);
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut master, &READ);
    assert_eq!(wire, [0x10, 0, 1, 3]);
    assert!(passed >= Duration::from_millis(300), "{passed:?} after the late answer");
    round(&mut line, &value(7), MS);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Done);
    // In step again: the next one only looks.
    let mut exchange = read(&mut line, &mut master);
    let (_, passed) = until_sent(&mut line, &mut exchange, &mut master, &READ);
    assert!(passed <= MS * 2, "{passed:?}");
}

#[test]
fn a_request_that_was_cancelled_leaves_an_answer_behind_that_is_waited_for() {
    let (mut line, mut master) = (bsmp_tcp(), master());
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    // Its caller goes away.
    let _ = exchange;
    round(&mut line, &[], MS);
    let mut exchange = read(&mut line, &mut master);
    round(&mut line, &value(1), MS);
    let (_, passed) = until_sent(&mut line, &mut exchange, &mut master, &READ);
    assert!(passed >= Duration::from_millis(300), "{passed:?}");
    round(&mut line, &value(7), MS);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Done);
    assert_eq!(exchange.response::<variable::Read, _, _>(&line, &master), Ok(&[7, 7][..]));
}

#[test]
fn what_cannot_be_the_answer_is_foreign_and_named_if_no_answer_comes() {
    let (mut line, mut master) = (bsmp_tcp(), master());
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    for foreign in [&[0, 0, 0][..], &[1, 0, 3, 2, 30, 0], &[0x11, 0, 1, 9], &[0x11, 0, 3, 9, 9, 9], &[0xE8, 0, 1, 0]] {
        round(&mut line, foreign, MS);
        assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait, "{foreign:02x?}");
    }
    assert_eq!(line.counters().foreign, 5);
    while poll(&mut line, &mut exchange, &mut master) == Progress::Wait {
        round(&mut line, &[], MS);
    }
    let reason = exchange.reason::<variable::Read, _, ()>(&master);
    assert_eq!(reason, Error::Protocol(anysmp::bsmp::Error::WrongSize));
}

/// Asks once, waits for a message that begins with 3, and gives up after a timeout.
#[derive(Default)]
struct Once {
    state: u8,
    ticks: Duration,
}

impl Routine for Once {
    type Client = Client;
    type Event<'m> = u8;
    type Report = u8;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        match self.state {
            0 => {
                self.state = 1;
                Step::Send(client.request(&echo(), tx).unwrap().0)
            }
            1 => Step::Wait(TIMEOUT),
            _ => Step::Done,
        }
    }

    fn receive(&mut self, _: &mut Client, message: &[u8]) -> Option<u8> {
        let ours = message[0] == 3;
        self.state = if ours { 2 } else { self.state };
        ours.then_some(message[6])
    }

    fn tick(&mut self, elapsed: Duration) {
        self.ticks += elapsed;
    }

    fn timed_out(&mut self) {
        self.state = 3;
    }

    fn report(&self) -> u8 {
        self.state
    }
}

/// Runs until the end, with `message` in every round of a millisecond; returns the report and the
/// rounds.
fn run(message: &[u8]) -> (u8, u32, Duration, u32) {
    let (mut line, mut client, mut once) = (console(), client(), Once::default());
    let mut run = Run::new(&mut line);
    for rounds in 0..5_000 {
        match run.poll(&mut line, &mut client, &mut once, &mut (), |_| ControlFlow::Continue(())).unwrap() {
            Turn::Wait => {}
            Turn::Ended(Ended::Done(report)) => return (report, rounds, once.ticks, line.counters().foreign),
            Turn::Ended(other) => panic!("{other:?}"),
        }
        sent(&mut line);
        round(&mut line, message, MS);
    }
    panic!("it waits without end")
}

#[test]
fn a_foreign_message_does_not_make_a_routine_wait_again() {
    let (report, alone, ..) = run(&[]);
    assert_eq!(report, 3);
    let foreign = framed(&Console::new(room(256)), &smp(1, 77));
    let (report, rounds, ticks, dropped) = run(&foreign);
    assert_eq!(report, 3);
    assert!(rounds <= alone + 2, "{rounds} instead of {alone}");
    assert!(ticks >= TIMEOUT && ticks <= MS * rounds);
    assert!(dropped >= 100, "{dropped} foreign messages");
}

#[test]
fn a_routine_that_its_caller_stops_may_be_run_on() {
    let (mut line, mut client, mut once) = (console(), client(), Once::default());
    let mut first = Run::new(&mut line);
    let mut stopped = false;
    for _ in 0..200 {
        let turn = first.poll(&mut line, &mut client, &mut once, &mut (), |_| ControlFlow::Break(())).unwrap();
        if turn == Turn::Ended(Ended::Stopped) {
            stopped = true;
            break;
        }
        sent(&mut line);
        round(&mut line, &answer(0), MS);
    }
    assert!(stopped);
    let mut again = Run::new(&mut line);
    let turn = again.poll(&mut line, &mut client, &mut once, &mut (), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(turn, Turn::Ended(Ended::Done(2)));
}

#[test]
fn a_line_that_is_never_silent_loses_a_request_after_a_second_and_twice_the_drain() {
    let (mut line, mut master) = (bsmp_tcp(), master());
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    let mut exchange = read(&mut line, &mut master);
    let mut passed = Duration::ZERO;
    while poll(&mut line, &mut exchange, &mut master) == Progress::Wait {
        assert_eq!(sent(&mut line), b"");
        round(&mut line, &value(1), MS);
        passed += MS;
    }
    assert_eq!(passed, Duration::from_millis(1_000 + 2 * 300));
    assert_eq!(line.counters().failures, 1);
}

#[test]
fn an_answer_that_is_owed_is_waited_for_behind_the_pause_after_a_frame_that_was_cut() {
    let quiet = Counted::<'static, Head3>::QUIET;
    let (mut line, mut master) = (bsmp_tcp(), master());
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    let mut exchange = read(&mut line, &mut master);
    while line.pending().is_empty() {
        round(&mut line, &[], MS);
    }
    line.sent(2);
    line.abandon();
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::TimedOut);
    let mut exchange = read(&mut line, &mut master);
    // The late answer comes just before the pause ends.
    round(&mut line, &[], MS);
    line.away(Span::floor(quiet - MS * 2));
    round(&mut line, &value(1), MS);
    let (wire, passed) = until_sent(&mut line, &mut exchange, &mut master, &READ);
    assert_eq!(wire, [0x10, 0, 1, 3]);
    assert!(passed >= Duration::from_millis(300), "{passed:?} after the late answer");
}

#[test]
fn an_answer_of_which_a_part_is_there_is_waited_for_as_long_as_the_longest_takes_and_no_longer() {
    let (mut line, mut master) =
        (packet(), Master::new().with_address(anysmp::bsmp::Address::node(5).unwrap()).with_timeout(TIMEOUT));
    let mut exchange = read(&mut line, &mut master);
    until_sent(&mut line, &mut exchange, &mut master, &READ);
    let byte = GAP / 2;
    // Time of the line for the request itself, to the microsecond; then the wait begins.
    round(&mut line, &[], byte * 6);
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    let longest = TIMEOUT + byte * 256;
    round(&mut line, &[0, 0x11, 0, 2], Duration::ZERO);
    // Silence would end the packet; but nobody looks.
    line.away(Span::floor(TIMEOUT));
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    line.away(Span::floor(longest - TIMEOUT - Duration::from_micros(1)));
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::Wait);
    line.away(Span::floor(Duration::from_micros(1)));
    assert_eq!(poll(&mut line, &mut exchange, &mut master), Progress::TimedOut);
}

#[test]
fn a_request_is_refused_while_a_message_leaves_which_leaves_as_it_was() {
    let (mut line, mut client) = (raw(), client());
    transmit(&mut line, &smp(3, 9));
    line.pending();
    line.sent(3);
    let refused = Exchange::begin(&mut line, &mut client, &echo(), &mut ());
    assert_eq!(refused.map(drop), Err(Error::Busy));
    assert_eq!(line.tx()[..9], smp(3, 9));
}

#[test]
fn without_a_preamble_a_retry_leaves_as_soon_as_the_timeout_has_passed() {
    let (mut line, mut client) = (raw(), client());
    let mut exchange = Exchange::begin(&mut line, &mut client, &echo(), &mut ()).unwrap();
    assert!(!sent(&mut line).is_empty());
    line.elapsed(Span::ZERO);
    line.elapsed(Span::floor(TIMEOUT));
    assert_eq!(exchange.poll::<os::Echo<'_>, _, _, _>(&mut line, &mut client, &mut ()).unwrap(), Progress::Wait);
    assert!(!sent(&mut line).is_empty());
}

#[test]
fn a_routine_hears_of_the_time_in_which_its_message_leaves() {
    let (mut line, mut client, mut once) = (raw(), client(), Once::default());
    let mut run = Run::new(&mut line);
    let mut passed = Duration::ZERO;
    loop {
        let turn = run.poll(&mut line, &mut client, &mut once, &mut (), |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(turn, Turn::Wait);
        assert_eq!(once.ticks, passed);
        if line.pending().is_empty() {
            break;
        }
        line.sent(1);
        round(&mut line, &[], MS);
        passed += MS;
    }
    assert!(passed > MS * 8, "a byte each millisecond");
}

/// Sends two messages, then waits for three and gives up after the second timeout without one.
#[derive(Default)]
struct Window {
    sent: u8,
    heard: u8,
    timeouts: u8,
}

impl Routine for Window {
    type Client = Client;
    type Event<'m> = ();
    type Report = (u8, u8);

    fn poll(&mut self, _: &mut Client, tx: &mut [u8]) -> Step {
        match self {
            Self { sent: 0 | 1, .. } => {
                self.sent += 1;
                tx[..9].copy_from_slice(&smp(2, self.sent));
                Step::Send(9)
            }
            Self { timeouts: 2, .. } | Self { heard: 3, .. } => Step::Done,
            _ => Step::Wait(TIMEOUT),
        }
    }

    fn receive(&mut self, _: &mut Client, _: &[u8]) -> Option<()> {
        self.heard += 1;
        Some(())
    }

    fn timed_out(&mut self) {
        self.timeouts += 1;
    }

    fn report(&self) -> (u8, u8) {
        (self.heard, self.timeouts)
    }
}

#[test]
fn a_routine_sends_one_message_after_the_other_and_each_wait_begins_again() {
    // A message each 80 ms, until there are this many.
    for (messages, expected, took) in [(3, (3, 0), 240), (1, (1, 2), 80 + 200), (0, (0, 2), 200)] {
        let (mut line, mut client, mut window) = (raw(), client(), Window::default());
        // Time before the run is none of it.
        line.elapsed(Span::floor(TIMEOUT));
        let mut run = Run::new(&mut line);
        let (mut wire, mut waited, mut end) = (Vec::new(), 0, None);
        for _ in 0..1_000 {
            let turn = run.poll(&mut line, &mut client, &mut window, &mut (), |()| ControlFlow::Continue(())).unwrap();
            if let Turn::Ended(ended) = turn {
                end = Some(ended);
                break;
            }
            // A UART that takes a byte each millisecond.
            if let Some(byte) = line.pending().first().copied() {
                wire.push(byte);
                line.sent(1);
                line.elapsed(Span::floor(MS));
                continue;
            }
            waited += 1;
            let is_time = waited % 80 == 0 && waited / 80 <= messages;
            round(&mut line, if is_time { &[3, 0, 0, 1, 0, 0, 1, 0, 0xA0] } else { &[] }, MS);
        }
        assert_eq!(wire, [smp(2, 1), smp(2, 2)].concat());
        assert_eq!(end, Some(Ended::Done(expected)));
        assert!((took..=took + 2).contains(&waited), "{messages} messages: {waited} ms");
    }
}

#[test]
fn a_run_that_begins_with_a_wait_waits_from_its_beginning() {
    let (mut line, mut client) = (raw(), client());
    let mut window = Window { sent: 2, timeouts: 1, ..Window::default() };
    line.elapsed(Span::floor(TIMEOUT));
    let mut run = Run::new(&mut line);
    for waited in 0..200 {
        let turn = run.poll(&mut line, &mut client, &mut window, &mut (), |()| ControlFlow::Continue(())).unwrap();
        if turn != Turn::Wait {
            assert_eq!((turn, waited), (Turn::Ended(Ended::Done((0, 2))), 100));
            return;
        }
        round(&mut line, &[], MS);
    }
    panic!("it waits without end");
}

#[test]
fn an_error_of_a_link_leads_to_the_error_that_caused_it() {
    use core::error::Error as _;
    use std::io;

    let refused = Error::<io::Error, _>::Protocol(client::Error::Remote(smp::Error::BUSY));
    let cause = refused.source().unwrap().downcast_ref::<client::Error>().unwrap();
    assert_eq!(cause.source().unwrap().downcast_ref(), Some(&smp::Error::BUSY));

    let failed = Error::<_, client::Error>::Port(io::Error::from(io::ErrorKind::BrokenPipe));
    let cause = failed.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::BrokenPipe);

    // A tick is nobody's error, and a port's own leads to what caused it.
    assert!(TimedError::<io::Error>::Tick.source().is_none());
    let timed = TimedError::Port(failed);
    assert!(timed.source().unwrap().downcast_ref::<io::Error>().is_some(), "{timed}");

    let framing: Error = Error::Framing(framing::Error::Unsendable);
    assert_eq!(framing.source().unwrap().downcast_ref(), Some(&framing::Error::Unsendable));
    let size: Error = Error::Size(SizeError { need: 12, have: 8 });
    assert_eq!(size.source().unwrap().downcast_ref(), Some(&SizeError { need: 12, have: 8 }));
    for alone in [Error::Closed, Error::WriteZero, Error::TimedOut, Error::Busy, Error::BufferFull] {
        let alone: Error = alone;
        assert!(alone.source().is_none(), "{alone}");
    }
}
