//! Finding and watching slaves whose messages are lost, refused or late: routines driven by hand,
//! in simulated time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing};
use anysmp::line::{Line, Peer, Run, Turn};
use anysmp::routine::{Routine, Step};
use anysmp::s3mp::routine::{Connect, ConnectOutcome, Event, Monitor, MonitorOutcome, Watch};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{Address, Counter, Master, ResponseCode};

/// Runs a routine against a slave that is a function from command to responses, for at most
/// `limit`. Returns what was sent, and when, in milliseconds. `seen` is given the events.
fn run<R: for<'m> Routine<Client = Master, Event<'m> = Event<'m>>>(
    routine: &mut R,
    limit: Duration,
    mut slave: impl FnMut(u64, &[u8]) -> Vec<Vec<u8>>,
    mut seen: impl FnMut(u64, Event<'_>),
) -> Vec<(u64, Vec<u8>)> {
    let mut master = Master::new(Counter::FIRST);
    let (mut tx, mut sent, mut now) = ([0; 16], Vec::new(), Duration::ZERO);
    let mut inbox = Vec::new();
    while now <= limit {
        let ms = now.as_millis() as u64;
        match routine.poll(&mut master, &mut tx) {
            Step::Send(len) => {
                inbox = slave(ms, &tx[..len]);
                inbox.reverse();
                sent.push((ms, tx[..len].to_vec()));
                assert!(sent.len() < 10_000, "a storm");
            }
            Step::Wait(time) => match inbox.pop() {
                // A response takes 5 ms.
                Some(message) => {
                    let step = Duration::from_millis(5);
                    now += step;
                    routine.tick(step);
                    if let Some(event) = routine.receive(&mut master, &message) {
                        seen(now.as_millis() as u64, event);
                    }
                }
                None => {
                    now += time;
                    routine.timed_out();
                }
            },
            Step::Done => break,
            Step::Reopen => unreachable!(),
        }
    }
    sent
}

/// The responses of a slave with these values, which pushes nothing.
fn obey(values: &BTreeMap<u8, u8>, boot: &[u8], message: &[u8]) -> Vec<Vec<u8>> {
    let (code, address, counter) = (message[0], message[1], message[2]);
    let ack = |data: &[u8]| vec![[&[0, address, counter], data].concat()];
    match code {
        0x00 => ack(boot),
        0x02 => ack(&values.keys().flat_map(|key| format!("n{key};").into_bytes()).collect::<Vec<_>>()),
        _ => ack(&[values[&address]]),
    }
}

const NO_BOOT: &[u8] = &[];

fn sent_of(sent: &[(u64, Vec<u8>)], code: u8) -> usize {
    sent.iter().filter(|(_, message)| message[0] == code).count()
}

#[test]
fn stale_values_are_asked_for_with_subscribe_so_that_a_restart_mends_itself() {
    let mut watches = [Watch::new(Address(1)), Watch::new(Address(2))];
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let values = BTreeMap::from([(1, 5), (2, 6)]);
    let sent = run(&mut monitor, Duration::from_secs(94), |_, message| obey(&values, NO_BOOT, message), |_, _| {});
    assert_eq!(sent_of(&sent, 0xA0), 6, "two values, every 30 s");
    assert_eq!(sent_of(&sent, 0x10), 0);
    // It keeps its STATUS interval meanwhile.
    assert_eq!(sent_of(&sent, 0x00), 18);
}

/// The slave has no start time, restarts at 40 s, and pushes nothing from then on; its values move.
#[test]
fn a_restart_without_a_start_time_is_noticed_by_a_value_that_no_push_brought() {
    let mut watches = [1, 2, 3].map(|address| Watch::new(Address(address)));
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let (mut missed, mut values_seen) = (Vec::new(), 0);
    let sent = run(
        &mut monitor,
        Duration::from_secs(63),
        |ms, message| {
            let value = if ms < 40_000 { 5 } else { 6 };
            obey(&BTreeMap::from([(1, value), (2, value), (3, value)]), NO_BOOT, message)
        },
        |ms, event| match event {
            Event::Missed(address, value) => missed.push((ms / 1000, address.0, value.bytes()[0])),
            Event::Value(..) => values_seen += 1,
            _ => {}
        },
    );
    assert_eq!(missed, [(60, 1, 6), (60, 2, 6), (60, 3, 6)]);
    assert_eq!(values_seen, 3, "at 30 s");
    assert_eq!(sent_of(&sent, 0xA0), 6);
}

#[test]
fn a_value_that_no_push_brought_renews_the_others_that_were_silent_but_no_storm() {
    // The first is heard of at 5 s and stale at 35 s; the others are heard of at 10 s.
    let mut watches = [1, 2, 3].map(|address| Watch::new(Address(address)));
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let mut value = 0_u8;
    let sent = run(
        &mut monitor,
        Duration::from_secs(300),
        |ms, message| {
            // A slave that never pushes, and whose values differ each time.
            value = value.wrapping_add(1) % 23;
            let mut responses = obey(&BTreeMap::from([(1, value), (2, value), (3, value)]), NO_BOOT, message);
            if ms / 1000 == 5 {
                responses.push(vec![0xA0, 1, 0, 1]);
            }
            if ms / 1000 == 10 {
                responses.push(vec![0xA0, 2, 0, 1]);
                responses.push(vec![0xA0, 3, 0, 1]);
            }
            responses
        },
        |_, _| {},
    );
    let at_once: Vec<_> = sent.iter().filter(|(ms, message)| ms / 1000 == 35 && message[0] == 0xA0).collect();
    assert_eq!(at_once.len(), 3, "{at_once:?}");
    assert!(sent_of(&sent, 0xA0) <= 33, "a storm: {}", sent_of(&sent, 0xA0));
}

#[test]
fn an_address_that_refuses_subscribe_is_asked_with_get() {
    let mut watches = [Watch::new(Address(1))];
    let refuse = |message: &[u8]| match message[0] {
        0xA0 => vec![vec![0x45, message[1], message[2]]],
        _ => obey(&BTreeMap::from([(1, 5)]), NO_BOOT, message),
    };
    let mut connect = Connect::new(&mut watches).with_reset(false);
    let mut refused = 0;
    run(
        &mut connect,
        Duration::from_secs(5),
        |_, message| refuse(message),
        |_, event| refused += u32::from(event == Event::Refused(Address(1), ResponseCode::NOT_IMPLEMENTED)),
    );
    assert!(matches!(connect.report().outcome, ConnectOutcome::Up { watched: 1, .. }));
    assert_eq!(refused, 1);
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let mut got = Vec::new();
    let sent = run(
        &mut monitor,
        Duration::from_secs(62),
        |_, message| refuse(message),
        |ms, event| {
            if let Event::Value(_, value) = event {
                got.push((ms / 1000, value.bytes()[0]));
            }
        },
    );
    assert_eq!(got, [(0, 5), (30, 5), (60, 5)], "at once, then when it is stale");
    assert_eq!(sent_of(&sent, 0xA0), 0);
}

/// DESCRIBE is answered with what noise makes of it, `bad` times.
fn connect_through(bad: u32, noise: &[u8], named: bool) -> (ConnectOutcome, Vec<(u64, Vec<u8>)>) {
    let mut watches = [Watch::new(Address(1)), Watch::NONE];
    let mut connect = if named { Connect::from_names(&mut watches) } else { Connect::new(&mut watches[..1]) };
    connect = connect.with_reset(false).with_retries(0);
    let (mut left, values) = (bad, BTreeMap::from([(1, 5), (2, 6)]));
    let sent = run(
        &mut connect,
        Duration::from_secs(60),
        |_, message| {
            if message[0] == 0x02 && left > 0 {
                left -= 1;
                let mut response = noise.to_vec();
                if response[0] == 0 || response[0] == 0x50 {
                    response[2] = message[2];
                }
                return vec![response];
            }
            obey(&values, NO_BOOT, message)
        },
        |_, _| {},
    );
    (connect.report().outcome, sent)
}

#[test]
fn a_describe_that_noise_has_refused_or_emptied_is_repeated() {
    let long = [&[0, 0, 0][..], &b"n;".repeat(255)].concat();
    for noise in [&[0x41, 0, 0][..], &[0x40, 0, 0], &[0, 0, 0], &[0x50, 0, 0], &long] {
        for bad in [1, 2] {
            let (outcome, sent) = connect_through(bad, noise, true);
            assert!(matches!(outcome, ConnectOutcome::Up { watched: 2, .. }), "{:02X?}: {outcome:?}", &noise[..3]);
            assert_eq!(sent_of(&sent, 0x02), bad as usize + 1);
            assert!(sent.last().unwrap().0 < 100, "at once, not after a timeout");
        }
    }
}

#[test]
fn a_slave_without_names_is_not_up() {
    for noise in [&[0, 0, 0][..], &[0x50, 0, 0]] {
        let (outcome, sent) = connect_through(u32::MAX, noise, true);
        assert_eq!(outcome, ConnectOutcome::NoNames);
        assert_eq!(sent_of(&sent, 0x02), 3);
    }
    // The caller has chosen the addresses: a slave that will not name them may have them.
    let (outcome, sent) = connect_through(u32::MAX, &[0x50, 0, 0], false);
    assert!(matches!(outcome, ConnectOutcome::Up { watched: 1, .. }));
    assert_eq!(sent_of(&sent, 0x02), 1);
}

#[test]
fn a_subscribe_that_noise_has_refused_is_repeated() {
    let mut watches = [Watch::new(Address(1))];
    let mut connect = Connect::new(&mut watches).with_reset(false);
    let (mut left, mut subscribed) = (2, 0);
    let sent = run(
        &mut connect,
        Duration::from_secs(5),
        |_, message| {
            if message[0] == 0xA0 && left > 0 {
                left -= 1;
                return vec![vec![0x40, 1, 0]];
            }
            obey(&BTreeMap::from([(1, 5)]), NO_BOOT, message)
        },
        |_, event| subscribed += u32::from(matches!(event, Event::Value(..))),
    );
    assert_eq!((sent_of(&sent, 0xA0), subscribed), (3, 1));
}

#[test]
fn a_slave_that_is_not_well_is_not_up_until_it_is() {
    let mut watches = [Watch::NONE; 2];
    let mut connect = Connect::from_names(&mut watches).with_reset(false);
    let mut unwell = 0;
    run(
        &mut connect,
        Duration::from_secs(60),
        |ms, message| match message[0] {
            0x00 if ms < 9_500 => vec![[&[0x50, 0, message[2]], &b"no water"[..]].concat()],
            _ => obey(&BTreeMap::from([(1, 5)]), NO_BOOT, message),
        },
        |_, event| unwell += u32::from(event == Event::Refused(Address::HOST, ResponseCode::ERROR)),
    );
    assert!(matches!(connect.report().outcome, ConnectOutcome::Up { watched: 1, .. }));
    assert_eq!(unwell, 10, "once a second");
}

#[test]
fn a_monitor_repeats_at_once_what_the_slave_could_not_read() {
    let mut watches = [Watch::new(Address(1))];
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let mut damaged = 0;
    let sent = run(
        &mut monitor,
        Duration::from_secs(31),
        |_, message| {
            damaged += 1;
            if damaged % 2 == 1 {
                return vec![vec![0x41, 0, 0]];
            }
            obey(&BTreeMap::from([(1, 5)]), NO_BOOT, message)
        },
        |_, _| {},
    );
    assert_eq!(sent_of(&sent, 0x00), 12, "six, each twice");
    assert_eq!(sent_of(&sent, 0xA0), 2);
    for pair in sent.chunks(2) {
        assert_eq!(pair[0].1[0], pair[1].1[0]);
        assert!(pair[1].0 - pair[0].0 <= 5);
    }
}

/// A slave that reads nothing at all is lost, and not flooded.
#[test]
fn a_slave_that_reads_nothing_is_lost() {
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut []);
    let sent = run(&mut monitor, Duration::from_secs(100), |_, _| vec![vec![0x41, 0, 0]], |_, _| {});
    assert_eq!(monitor.report().outcome, MonitorOutcome::Lost);
    assert_eq!(sent.len(), 5, "two repeats at once, then three misses");
}

/// The number of values of each of the addresses 1 to 3, while the first has none if `is_mute`.
fn values_of(monitor: &mut Monitor<'_>, limit: Duration, is_mute: bool) -> ([u32; 3], Vec<(u64, Vec<u8>)>) {
    let values = BTreeMap::from([(1, 5), (2, 6), (3, 7)]);
    let mut seen = [0; 3];
    let sent = run(
        monitor,
        limit,
        |_, message| match message {
            // It is there: it says something else.
            [0xA0, 1, ..] if is_mute => vec![vec![0xDE, 0, 0, b'x']],
            _ => obey(&values, NO_BOOT, message),
        },
        |_, event| {
            if let Event::Value(address, _) | Event::Missed(address, _) = event {
                seen[usize::from(address.0) - 1] += 1;
            }
        },
    );
    (seen, sent)
}

#[test]
fn a_value_that_never_comes_does_not_keep_the_others_waiting() {
    let mut watches = [1, 2, 3].map(|address| Watch::new(Address(address)));
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches).with_fresh(Duration::from_secs(4));
    let (seen, _) = values_of(&mut monitor, Duration::from_secs(60), true);
    assert_eq!(seen[0], 0);
    assert!(seen[1] >= 10 && seen[2] >= 10, "{seen:?}");
}

#[test]
fn values_that_are_always_stale_take_turns_with_each_other_and_with_status() {
    for (fresh, interval) in [(0, 5_000), (7, 5_000), (0, 0), (1_000, 0)] {
        let mut watches = [1, 2, 3].map(|address| Watch::new(Address(address)));
        let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches)
            .with_fresh(Duration::from_millis(fresh))
            .with_interval(Duration::from_millis(interval));
        let (seen, sent) = values_of(&mut monitor, Duration::from_secs(11), false);
        let (least, most) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        assert!(*least >= 10 && most - least <= 1, "every {fresh} and {interval} ms: {seen:?}");
        assert!(sent_of(&sent, 0x00) >= 2, "STATUS starves");
    }
}

#[test]
fn what_the_slave_could_not_read_is_repeated_before_any_other_command() {
    let mut watches = [1, 2, 3].map(|address| Watch::new(Address(address)));
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches).with_fresh(Duration::from_secs(1));
    let values = BTreeMap::from([(1, 5), (2, 6), (3, 7)]);
    let mut count = 0;
    let sent = run(
        &mut monitor,
        Duration::from_millis(5_900),
        |_, message| {
            count += 1;
            // The first of three commands is damaged on its way.
            if count % 3 == 1 { vec![vec![0x41, 0, 0]] } else { obey(&values, NO_BOOT, message) }
        },
        |_, _| {},
    );
    let asked: Vec<_> = sent.iter().map(|(_, message)| (message[0], message[1])).collect();
    assert!(asked.contains(&(0x00, 0)) && asked.len() > 20, "{asked:?}");
    for pair in asked.chunks(3) {
        assert!(pair.len() < 2 || pair[0] == pair[1], "{asked:?}");
    }
}

#[test]
fn a_response_that_comes_in_the_round_that_ends_its_time_is_a_response() {
    let (mut buffer, mut other, mut memory) = ([0; 256], [0; 256], [0; 1024]);
    let mut line = Line::new(Lrc::new(&mut buffer), &mut memory[..]).unwrap();
    let mut slave = Lrc::new(&mut other);
    let (mut master, mut watches) = (Master::new(Counter::FIRST), [Watch::new(Address(1))]);
    let mut monitor = Monitor::new(Value::new(NO_BOOT).into(), &mut watches);
    let (mut run, mut alive) = (Run::new(&mut line), 0);
    for _ in 0..60 {
        let turn = run.poll(&mut line, &mut master, &mut monitor, &mut (), |event| {
            alive += u8::from(matches!(event, Event::Alive(_)));
            ControlFlow::Continue(())
        });
        assert_eq!(turn, Ok(Turn::Wait));
        let sent = line.pending().to_vec();
        line.sent(sent.len());
        if slave.push(&mut &sent[..]).is_ok() && !sent.is_empty() {
            for message in obey(&BTreeMap::from([(1, 5)]), NO_BOOT, slave.message()) {
                let mut wire = [0; 64];
                let len = slave.encode(&message).unwrap().next(&message, &mut wire);
                assert_eq!(line.received(&wire[..len], Peer(0)), len);
            }
        }
        line.elapsed(Master::TIMEOUT.into());
    }
    assert_eq!((alive, line.counters().foreign), (9, 0));
}
