//! A BSMP master on a line in simulated time: answers that are late, doubled or for others, silence
//! between packets, slow lines, and the direction of RS-485.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::curve::{Curve, Md5};
use anysmp::bsmp::routine::{CurveOutcome, Discovery, JobOutcome, ReadCurve, Tables, WriteCurve};
use anysmp::bsmp::variable::Read;
use anysmp::bsmp::{Address, Client, Command, Error, QueryVersion, Server, Version, variable};
use anysmp::framing::packet::{Packet, gap};
use anysmp::line::{self, Event, Line, Peer};
use anysmp::time::Span;

use crate::device::Setup;
use crate::kit::random::Random;
use crate::wire::{
    Bus, Call, Carrier, EarlyBus, EchoBus, Kind, MS, PacketsOnTcp, Rig, Sends, Sent, Tcp, Udp, on_every_line, packets,
};

/// The answer to a read: variable i reads as i, i.
fn value(request: &[u8]) -> Vec<u8> {
    vec![0x11, 0, 2, request[3], request[3]]
}

/// A sequential node, which answers its `slow`-th request after `late` ms, all others after 5.
fn slow(slow: u32, late: u64, answer: impl Fn(&[u8]) -> Vec<u8> + 'static) -> impl FnMut(&[u8], u64) -> Sends {
    let (mut count, mut free) = (0, 0);
    move |request, at| {
        count += 1;
        free = at.max(free) + MS * if count == slow { late } else { 5 };
        vec![(free, Sent::Message(answer(request)))]
    }
}

fn read<C: Carrier>(rig: &mut Rig<C>, id: u8) -> Result<Vec<u8>, crate::wire::Failure> {
    rig.call(&Read { id, size: Some(2) }, <[u8]>::to_vec)
}

/// How many reads were right, wrong, and in vain.
fn reads<C: Carrier>(rig: &mut Rig<C>, count: u32) -> [u32; 3] {
    let mut seen = [0; 3];
    for n in 0..count {
        let id = (n % 4) as u8;
        seen[match read(rig, id) {
            Ok(value) if value == [id, id] => 0,
            Ok(_) => 1,
            Err(_) => 2,
        }] += 1;
    }
    seen
}

// ---- late answers -------------------------------------------------------------------------------

/// What one late answer did, as it was found: a thousand reads, of which the third is answered
/// late.
mod one_late_answer {
    use super::*;

    #[test]
    fn one_late_answer_costs_at_most_one_read_and_shifts_none() {
        for retries in 0..3 {
            let mut rig = Rig::<Bus>::new(Kind::BUS, slow(3, 60, value));
            rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(retries);
            let (mut errors, mut wrong) = (0, 0);
            for n in 0..1000_u32 {
                let id = (n % 4) as u8;
                match read(&mut rig, id) {
                    Ok(value) => wrong += u32::from(value != [id, id]),
                    Err(error) => {
                        assert!(matches!(error, line::Error::TimedOut) && n == 2, "read {n}: {error}");
                        errors += 1;
                    }
                }
            }
            assert_eq!((errors, wrong), (u32::from(retries == 0), 0), "{retries} retries");
        }
    }
}

#[test]
fn after_a_late_answer_every_read_is_right_again_on_every_carrier_and_both_drivers() {
    fn late<C: Carrier>(kind: Kind) {
        for retries in 0..3 {
            let mut rig = Rig::<C>::new(kind, slow(3, 60, value));
            rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(retries);
            let errors = u32::from(retries == 0);
            assert_eq!(reads(&mut rig, 200), [200 - errors, 0, errors], "{retries} retries");
            assert_eq!(rig.counters().foreign, 1);
        }
    }
    on_every_line!(late);
}

#[test]
fn a_late_answer_to_one_request_is_never_that_to_one_of_another_kind() {
    fn mixed<C: Carrier>(kind: Kind) {
        let answer = |request: &[u8]| if request[0] == 0 { vec![1, 0, 3, 2, 30, 0] } else { value(request) };
        for (slow_one, retries) in [(3, 0), (4, 0), (3, 1), (4, 1)] {
            let mut rig = Rig::<C>::new(kind, slow(slow_one, 60, answer));
            rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(retries);
            let mut errors = 0;
            for n in 0..40 {
                let result = if n % 2 == 0 {
                    read(&mut rig, n).map(|value| assert_eq!(value, [n, n]))
                } else {
                    rig.call(&QueryVersion, |version| assert_eq!(version, Version::V2_30))
                };
                errors += u32::from(result.is_err());
            }
            assert_eq!(errors, u32::from(retries == 0));
        }
    }
    on_every_line!(mixed);
}

#[test]
fn a_node_that_always_answers_just_in_time_is_always_right() {
    fn just_in_time<C: Carrier>(kind: Kind) {
        let node = |request: &[u8], at| vec![(at + 49 * MS, Sent::Message(value(request)))];
        let mut rig = Rig::<C>::new(kind, node);
        rig.client = rig.client.with_timeout(Duration::from_millis(50));
        assert_eq!(reads(&mut rig, 40), [40, 0, 0]);
    }
    on_every_line!(just_in_time);
}

#[test]
fn a_node_that_is_always_late_is_never_wrong() {
    fn always_late<C: Carrier>(kind: Kind) {
        for late in [50, 51, 53, 60, 99, 200] {
            let node = move |request: &[u8], at| vec![(at + late * MS, Sent::Message(value(request)))];
            let mut rig = Rig::<C>::new(kind, node);
            rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(1);
            assert_eq!(reads(&mut rig, 20)[1], 0, "{late} ms");
        }
    }
    on_every_line!(always_late);
}

#[test]
fn an_answer_later_than_the_drain_is_what_bsmp_cannot_tell_apart_and_costs_one_wrong_value() {
    fn later<C: Carrier>(kind: Kind) {
        let mut most = 0;
        for late in (50..140).step_by(10).chain(140..170).chain((170..400).step_by(10)) {
            let mut rig = Rig::<C>::new(kind, slow(3, late, value));
            rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_drain(Duration::from_millis(100));
            let [_, wrong, errors] = reads(&mut rig, 60);
            // As long as the answer comes within timeout and drain, nothing is wrong.
            assert!(late > 145 || wrong == 0, "{late} ms late: {wrong} wrong");
            assert!(wrong <= 1 && errors <= 3, "{late} ms late: {wrong} wrong, {errors} errors");
            most = most.max(wrong);
        }
        assert_eq!(most, 1, "none of them was too late");
    }
    on_every_line!(later);
}

// ---- what is no answer --------------------------------------------------------------------------

#[test]
fn noise_that_is_a_packet_and_answers_to_others_are_dropped_and_the_right_answer_is_returned() {
    fn noise<C: Carrier>(kind: Kind, noise: &[u8]) {
        let (noise, is_for_us, mut count) = (noise.to_vec(), C::IS_BARE || noise[0] == 0, 0);
        let node = move |request: &[u8], at: u64| {
            count += 1;
            let mut sends = vec![(at + 5 * MS, Sent::Message(value(request)))];
            if count == 3 {
                sends.insert(0, (at + MS, Sent::Raw(noise.clone())));
            }
            sends
        };
        let mut rig = Rig::<C>::new(kind, node);
        rig.client = rig.client.with_timeout(Duration::from_millis(50));
        assert_eq!(reads(&mut rig, 100), [100, 0, 0]);
        let counters = rig.counters();
        // Seven zeros are a packet and a half where packets are taken early.
        let dropped = counters.foreign + counters.damaged;
        assert!((u32::from(is_for_us)..=2).contains(&dropped), "{counters:?}");
    }
    for kind in Kind::all() {
        for packet in [
            &[0; 4][..],
            &[0; 5],
            &[0; 7],
            &[0, 0xE0, 0, 0, 0x20],
            &[0, 0x11, 0, 3, 9, 9, 9, 0xD1],
            &[0, 0x11, 0, 1, 9, 0xE5],
            &[0, 0x53, 0, 1, 9, 0xA3],
            &[0xFF, 0x10, 0, 1, 0, 0xF0],
        ] {
            noise::<Bus>(kind, packet);
            noise::<EarlyBus>(kind, packet);
            noise::<EchoBus>(kind, packet);
        }
        for message in [&[0xE0, 0, 0][..], &[0x11, 0, 3, 9, 9, 9], &[0, 0, 0], &[0x53, 0, 1, 9]] {
            noise::<Tcp>(kind, message);
            noise::<Udp>(kind, message);
        }
    }
}

#[test]
fn if_nothing_but_foreign_answers_come_the_error_says_what_was_wrong_with_the_last() {
    fn only_foreign<C: Carrier>(kind: Kind) {
        let node = |_: &[u8], at| vec![(at + MS, Sent::Message(vec![0xE0, 0, 0]))];
        let mut rig = Rig::<C>::new(kind, node);
        let started = rig.now();
        let error = read(&mut rig, 0).unwrap_err();
        assert!(matches!(error, line::Error::Protocol(Error::Unexpected(Command::OK))), "{error}");
        let waited = rig.now() - started;
        assert!((100 * MS..104 * MS).contains(&waited), "the wait ended after {waited} ns");
    }
    on_every_line!(only_foreign);
}

#[test]
fn what_came_before_a_request_is_dropped_before_it_is_sent() {
    fn before<C: Carrier>(kind: Kind) {
        // Each answer comes twice, and the second copy lies in the port's buffer when the next
        // request is made.
        let node = |request: &[u8], at| {
            vec![(at + MS, Sent::Message(value(request))), (at + 20 * MS, Sent::Message(value(request)))]
        };
        let mut rig = Rig::<C>::new(kind, node);
        for round in 0..20 {
            let id = round % 4;
            assert_eq!(read(&mut rig, id).unwrap(), [id, id]);
            rig.pass(30 * MS);
        }
    }
    on_every_line!(before);
}

// ---- doubled answers ----------------------------------------------------------------------------

/// A whole node whose requests get lost at 5 % if `loses`, and whose answers come twice at 10 %:
/// the copy follows after `copy`.
fn doubling(seed: u64, loses: bool, copy: impl Fn(u64) -> u64 + 'static) -> impl FnMut(&[u8], u64) -> Sends {
    let (setup, device) = Setup::main();
    let setup: &'static Setup = Box::leak(Box::new(setup));
    let mut server = Server::new(device, Box::leak(Box::new(setup.table())));
    let mut random = Random::new(seed);
    move |request, at| {
        if loses && random.next().is_multiple_of(20) {
            return Vec::new();
        }
        let mut tx = [0; 1024];
        let length = server.receive(request, &mut tx);
        let answer = || Sent::Message(tx[..length].to_vec());
        let mut sends = vec![(at + 2 * MS, answer())];
        if random.next().is_multiple_of(10) {
            sends.push((at + 2 * MS + copy(random.next()), answer()));
        }
        sends
    }
}

#[test]
fn discovery_succeeds_although_answers_come_twice() {
    fn discover<C: Carrier>(kind: Kind, copy: fn(u64) -> u64) -> (u32, u32, u32) {
        let mut expected = Tables::new();
        let mut rig = Rig::<C>::new(kind, |_, _| Vec::new());
        let (setup, device) = Setup::main();
        let table = setup.table();
        let mut server = Server::new(device, &table);
        let mut truth = Discovery::new(expected.storage());
        {
            use anysmp::routine::{Routine, Step};
            let (mut tx, mut answer) = ([0; 1024], Vec::new());
            loop {
                match truth.poll(&mut rig.client, &mut tx) {
                    Step::Send(length) => {
                        let start = usize::from(!C::IS_BARE);
                        let mut to = [0; 1024];
                        let written = server.receive(&tx[start..length], &mut to);
                        answer = if C::IS_BARE { Vec::new() } else { vec![0] };
                        answer.extend(&to[..written]);
                    }
                    Step::Wait(_) => drop(truth.receive(&mut rig.client, &answer)),
                    Step::Reopen | Step::Done => break,
                }
            }
        }
        let (mut failed, mut differ) = (0, 0);
        for seed in 0..274 {
            let mut rig = Rig::<C>::new(kind, doubling(seed * 7919 + 1, false, copy));
            let mut tables = Tables::new();
            let mut discovery = Discovery::new(tables.storage());
            match rig.run(&mut discovery).outcome {
                JobOutcome::Done => {
                    let (found, truth) = (discovery.directory(), truth.directory());
                    let same = (found.variables, found.curves, found.functions, found.version)
                        == (truth.variables, truth.curves, truth.functions, truth.version);
                    assert!(same && found.groups.len() == truth.groups.len());
                    differ += u32::from(found.groups != truth.groups);
                }
                _ => failed += 1,
            }
        }
        (274, failed, differ)
    }
    for kind in Kind::all() {
        // The copy is there before the next request is made.
        assert_eq!(discover::<Udp>(kind, |_| 0), (274, 0, 0));
        assert_eq!(discover::<EarlyBus>(kind, |_| 0), (274, 0, 0));
        assert_eq!(discover::<Tcp>(kind, |_| 0), (274, 0, 0));
        // It comes in the wait for the next answer: between two members of groups BSMP cannot tell
        // that.
        let (_, failed, differ) = discover::<Udp>(kind, |random| MS + random % (3 * MS));
        assert_eq!(failed, 0);
        println!("copies in the next wait: groups of {differ} of 274 nodes differ");
    }
}

/// Writes 64 bytes in four blocks; returns whether the routine reports so, and whether they are
/// there.
fn write_doubled<C: Carrier>(kind: Kind, seed: u64, copy: fn(u64) -> u64, checks: bool) -> (CurveOutcome, bool) {
    let stored: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
    let (mut node, seen) = (doubling(seed, true, copy), stored.clone());
    let mut rig = Rig::<C>::new(kind, move |request, at| {
        let sends = node(request, at);
        if request[0] == 0x41 && !sends.is_empty() {
            seen.borrow_mut().push(request.to_vec());
        }
        sends
    });
    rig.client =
        rig.client.with_timeout(Duration::from_millis(20)).with_drain(Duration::from_millis(40)).with_retries(5);
    let data: [u8; 64] = std::array::from_fn(|i| i as u8 ^ seed as u8);
    let curve = Curve::writable(16, 4);
    let result = if checks {
        rig.run(&mut WriteCurve::new(0, curve, &data[..], Md5::default())).outcome
    } else {
        rig.run(&mut WriteCurve::new(0, curve, &data[..], ())).outcome
    };
    let stored = stored.borrow();
    let is_there = (0..4).all(|block| stored.iter().any(|request| request[4..6] == [0, block]));
    (result, is_there)
}

#[test]
fn a_curve_without_a_checksum_is_complete_unless_a_copy_comes_where_bsmp_cannot_tell_it_apart() {
    let sessions = 1000;
    for kind in Kind::all() {
        for seed in 0..sessions {
            // The copy is there before the next request is made.
            let (result, is_there) = write_doubled::<Udp>(kind, seed * 7919 + 1, |_| 0, false);
            assert!(is_there || matches!(result, CurveOutcome::Failed(_)), "seed {seed}");
        }
        // The copy comes in the wait for the next block's answer, which is the same three bytes.
        let (mut missing, mut failed) = (0, 0);
        for seed in 0..sessions {
            let (result, is_there) =
                write_doubled::<Udp>(kind, seed * 7919 + 1, |random| MS + random % (8 * MS), false);
            failed += u32::from(matches!(result, CurveOutcome::Failed(_)));
            missing += u32::from(matches!(result, CurveOutcome::Done { .. }) && !is_there);
            let (result, is_there) = write_doubled::<Udp>(kind, seed * 7919 + 1, |random| MS + random % (8 * MS), true);
            assert!(is_there || matches!(result, CurveOutcome::Failed(_)), "seed {seed}: the checksum did not notice");
        }
        println!(
            "copies in the next wait: {missing} of {sessions} curves incomplete and called complete, {failed} failed"
        );
        assert!(missing > 0, "no copy came in the next wait");
    }
}

// ---- silence between packets --------------------------------------------------------------------

#[test]
fn a_receiver_that_goes_by_silence_sees_every_packet_of_an_early_master_alone() {
    fn polled<C: Carrier>(kind: Kind) {
        // Answers 200 µs after the request, or after 3 ms.
        for pause in [200_000, 3 * MS] {
            let node = move |request: &[u8], at| vec![(at + pause, Sent::Message(value(request)))];
            let mut rig = Rig::<C>::new(kind, node);
            assert_eq!(reads(&mut rig, 50), [50, 0, 0]);
            let packets = packets(&rig.carried(), 2 * kind.byte());
            assert_eq!(packets.len(), 100);
            for (n, packet) in packets.iter().enumerate() {
                assert_eq!(packet.len(), if n % 2 == 0 { 6 } else { 7 });
                assert_eq!(packet.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
            }
        }
    }
    for flushes in [false, true] {
        for kind in Kind::all() {
            polled::<Bus>(Kind { flushes, ..kind });
            polled::<EarlyBus>(Kind { flushes, ..kind });
            polled::<EchoBus>(Kind { flushes, ..kind });
        }
    }
}

#[test]
fn a_port_that_only_queues_does_not_shorten_the_silence_behind_a_long_packet() {
    fn queued<C: Carrier>() {
        // 9600 baud: the packet is on the line for 140 ms after `send` has returned.
        let mut rig = Rig::<C>::new(Kind { baud: 9600, ..Kind::BUS }, |_, _| Vec::new());
        let mut tx = [0; 256];
        let write = variable::Write { id: 0, value: &[7; 128] };
        let length = Client::new().with_address(Address::BROADCAST).post(&write, &mut tx).unwrap();
        rig.send(&tx[..length]);
        rig.send(&tx[..length]);
        let calls = rig.calls();
        let writes: Vec<u64> =
            calls.iter().filter_map(|call| if let Call::Write(at) = call { Some(*at) } else { None }).collect();
        let [first, second] = writes[..] else { panic!("{calls:?}") };
        let carried = (length as u64 + 1) * 10_000_000_000 / 9600;
        assert!(second >= first + carried + gap(9600).as_nanos() as u64, "{first} + {carried}, then {second}");
    }
    queued::<Bus>();
    queued::<EarlyBus>();
}

#[test]
fn a_node_that_takes_requests_early_is_silent_for_the_gap_before_its_answer() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    let mut node = anysmp::bsmp::Node::new(Server::new(device, &table), Address::node(1).unwrap()).unwrap();
    for early in [false, true] {
        let (mut m, mut memory) = ([0; 64], [0; Packet::sizes_of(64).memory()]);
        let framing = Packet::new(&mut m, gap(115_200));
        let mut line = Line::new(if early { framing.with_early_delivery() } else { framing }, &mut memory).unwrap();
        let request = [1, 0x10, 0, 1, 0, 0xEE];
        assert_eq!(line.received(&request, Peer(0)), 6);
        let mut silent = Duration::ZERO;
        let round = Duration::from_micros(10);
        loop {
            line.elapsed(Span::floor(round));
            while let Some(event) = line.next(&mut ()) {
                if event == Event::Message {
                    let (message, tx) = line.exchange();
                    let length = node.receive(message, tx);
                    line.transmit(length).unwrap();
                    assert_eq!(silent.is_zero(), early, "early means before the silence");
                }
            }
            let count = line.pending().len();
            if line.sent(count) {
                break;
            }
            silent += round;
            assert!(silent < Duration::from_millis(1), "it never answers");
        }
        assert!(silent >= gap(115_200), "{silent:?}");
    }
}

// ---- slow lines ---------------------------------------------------------------------------------

/// Block numbers of the requests to write a block that have reached the node.
fn blocks<C: Carrier>(rig: &Rig<C>) -> Vec<u8> {
    rig.requests.borrow().iter().filter(|(_, request)| request[0] == 0x41).map(|(_, request)| request[5]).collect()
}

#[test]
fn blocks_that_are_longer_on_the_line_than_the_timeout_are_sent_once() {
    fn long<C: Carrier>(kind: Kind) {
        for size in [1024, 2048] {
            let node = |_: &[u8], at| vec![(at + 5 * MS, Sent::Message(vec![0xE0, 0, 0]))];
            let mut rig = Rig::<C>::new(Kind { baud: 9600, tick: 10 * MS, ..kind }, node);
            rig.client = rig.client.with_timeout(Duration::from_secs(1)).with_retries(2);
            let data = vec![7; 4 * usize::from(size)];
            let report = rig.run(&mut WriteCurve::new(0, Curve::writable(size, 4), &data[..], ()));
            assert_eq!((report.blocks, report.outcome), (4, CurveOutcome::Done { verified: false }));
            assert_eq!(blocks(&rig), [0, 1, 2, 3]);
            assert_eq!(rig.counters().retries, 0);
        }
    }
    on_every_line!(long: Bus, EarlyBus, EchoBus);
}

#[test]
fn an_answer_that_is_longer_on_the_line_than_the_timeout_is_waited_for_and_endless_noise_is_not() {
    fn long<C: Carrier>(kind: Kind) {
        let kind = Kind { baud: 9600, tick: 10 * MS, ..kind };
        // A block takes 1.07 s.
        let node = |request: &[u8], at| {
            let block = [&[0x41, 4, 3][..], &request[3..6], &[7; 1024]].concat();
            vec![(at + 5 * MS, Sent::Message(block))]
        };
        let mut rig = Rig::<C>::new(kind, node);
        let report = rig.run(&mut ReadCurve::new(0, Curve::read_only(1024, 3), ()));
        assert_eq!((report.blocks, report.bytes, report.outcome), (3, 3072, CurveOutcome::Done { verified: false }));
        assert_eq!((rig.requests.borrow().len(), rig.counters().retries), (3, 0));

        // Somebody never stops talking, which is no packet: the wait ends two ticks after the
        // timeout at the latest. The request, the look at the line and the gap take 20 ms.
        let mut rig = Rig::<C>::new(kind, |_, at| vec![(at, Sent::Raw(vec![0x55; 50_000]))]);
        let timeout = u64::try_from(rig.client.timeout().as_millis()).unwrap();
        assert!(read(&mut rig, 0).is_err());
        let waited = rig.now() / MS;
        assert!((timeout..=timeout + 20 + 20).contains(&waited), "{waited} ms");
        // Even if it could be one, it ends with the time of the longest.
        let mut rig = Rig::<C>::new(kind, |_, at| vec![(at, Sent::Raw(vec![0; 50_000]))]);
        let _ = read(&mut rig, 0);
        let (waited, longest) = (rig.now() / MS, 4096 * 10_000 / 9600);
        assert!(waited <= longest + timeout + 40, "{waited} ms");
    }
    on_every_line!(long: Bus, EarlyBus, EchoBus);
}

#[test]
fn a_late_ok_to_a_long_block_does_not_count_for_a_later_one() {
    fn late<C: Carrier>(kind: Kind) {
        for late in [1100, 1500, 2500, 2900] {
            let node = slow(1, late, |_| vec![0xE0, 0, 0]);
            let mut rig = Rig::<C>::new(Kind { baud: 9600, tick: 10 * MS, ..kind }, node);
            rig.client = rig.client.with_timeout(Duration::from_secs(1)).with_retries(2);
            let data = vec![7; 4 * 2048];
            let report = rig.run(&mut WriteCurve::new(0, Curve::writable(2048, 4), &data[..], ()));
            assert_eq!((report.blocks, report.outcome), (4, CurveOutcome::Done { verified: false }), "{late} ms late");
            assert_eq!(blocks(&rig), [0, 0, 1, 2, 3], "{late} ms late");
            assert_eq!(rig.counters().foreign, 1);
        }
    }
    on_every_line!(late: Bus, EarlyBus, EchoBus);
}

// ---- direction ----------------------------------------------------------------------------------

#[test]
fn the_driver_flushes_after_each_frame_and_does_nothing_else_before_the_next_but_read() {
    fn direction<C: Carrier>(kind: Kind) {
        let mut rig = Rig::<C>::new(kind, slow(7, 60, value));
        rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(1);
        assert_eq!(reads(&mut rig, 20), [20, 0, 0]);
        let (calls, carried) = (rig.calls(), rig.carried());
        // DE rises with a write and falls when `flush` returns: that is the time of the frame, and
        // nothing else.
        let mut high = Vec::new();
        let mut frames = calls.iter().filter(|call| **call != Call::Read);
        while let Some(call) = frames.next() {
            let Call::Write(from) = call else { panic!("a flush without a frame") };
            let Some(Call::Flush(to)) = frames.next() else { panic!("a frame without a flush") };
            high.push((*from, *to));
        }
        assert_eq!(high.len(), 21);
        let is_high = |at| high.iter().any(|(from, to)| (*from..*to).contains(&at));
        for byte in &carried {
            let (first, last) = (is_high(byte.from), is_high(byte.to - 1));
            assert_eq!((first, last), (byte.is_ours, byte.is_ours), "{byte:?}");
        }
        let ours: u64 = carried.iter().filter(|byte| byte.is_ours).map(|byte| byte.to - byte.from).sum();
        assert_eq!(high.iter().map(|(from, to)| to - from).sum::<u64>(), ours);
        // Nothing is read between a frame and its flush: the transceiver still drives the line.
        assert!(calls.windows(2).all(|pair| !matches!(pair, [Call::Write(_), Call::Read])));
    }
    for kind in Kind::all() {
        direction::<Bus>(Kind { flushes: true, ..kind });
        direction::<EarlyBus>(Kind { flushes: true, ..kind });
    }
}

#[test]
fn a_message_that_nobody_answers_is_flushed_before_send_returns() {
    fn posted<C: Carrier>(kind: Kind) {
        let mut rig = Rig::<C>::new(kind, |_, _| Vec::new());
        let mut tx = [0; 16];
        let write = variable::Write { id: 0, value: &[7] };
        let length = Client::new().with_address(Address::BROADCAST).post(&write, &mut tx).unwrap();
        for sent in 1..5 {
            rig.send(&tx[..length]);
            let calls = rig.calls();
            assert!(matches!(calls.last(), Some(Call::Flush(_))), "DE stays high until somebody comes back");
            assert_eq!(calls.iter().filter(|call| matches!(call, Call::Flush(_))).count(), sent);
        }
    }
    for flushes in [false, true] {
        for kind in Kind::all() {
            posted::<Bus>(Kind { flushes, ..kind });
        }
    }
}

#[test]
fn glitches_before_an_answer_are_dropped_where_silence_follows_them_and_cost_a_retry_where_not() {
    fn glitch<C: Carrier>(kind: Kind, glitch: &[u8], pause: u64, retries: u8) -> ([u32; 3], line::Counters) {
        let (glitch, mut count) = (glitch.to_vec(), 0);
        let node = move |request: &[u8], at: u64| {
            count += 1;
            if count != 3 {
                return vec![(at + MS, Sent::Message(value(request)))];
            }
            let from = at + MS + glitch.len() as u64 * 86_805 + pause;
            vec![(at + MS, Sent::Raw(glitch.clone())), (from, Sent::Message(value(request)))]
        };
        let mut rig = Rig::<C>::new(kind, node);
        rig.client = rig.client.with_timeout(Duration::from_millis(50)).with_retries(retries);
        (reads(&mut rig, 10), rig.counters())
    }
    fn glitches<C: Carrier>(kind: Kind) {
        for bytes in [&[0][..], &[0, 0], &[0xFF]] {
            // The receiver sees a byte when DE switches, and the answer begins after a silence.
            let (seen, counters) = glitch::<C>(kind, bytes, 2 * MS, 0);
            assert_eq!(seen, [10, 0, 0], "{bytes:02x?}");
            assert_eq!(counters.foreign + counters.damaged, 1);
            // It begins at once: the sum may still be 0, but the length is not right.
            let (seen, _) = glitch::<C>(kind, bytes, 0, 0);
            assert_eq!(seen, [9, 0, 1], "{bytes:02x?}");
            let (seen, counters) = glitch::<C>(kind, bytes, 0, 1);
            assert_eq!((seen, counters.retries), ([10, 0, 0], 1), "{bytes:02x?}");
        }
    }
    on_every_line!(glitches: Bus, EarlyBus, EchoBus);
}
