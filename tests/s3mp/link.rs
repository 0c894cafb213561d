//! Both ends of S3MP over both drivers: a master on a line that loses bytes, and the two routines
//! in simulated time.

use std::ops::ControlFlow;
use std::time::Duration;

use anysmp::line;
use anysmp::routine::{Ended, Routine as _, Step};
use anysmp::s3mp::master::{
    Describe, Error, Get, Invert, Master, Set, Status, Subscribe, Unsolicited, Unsubscribe, error_text,
};
use anysmp::s3mp::routine::{
    Connect, ConnectOutcome, ConnectReport, Event, Monitor, MonitorOutcome, MonitorReport, Watch,
};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{Address, Counter, ResponseCode};

use crate::wire::{Link, TICK, over_both};

const TICK_MS: u64 = TICK.as_millis() as u64;

#[test]
fn every_command_works_over_both_drivers() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        assert_eq!(link.call(&mut master, &Status, |boot| boot.u64()).unwrap(), Ok(1));
        assert_eq!(link.call(&mut master, &Describe, |names| names.find("broken")).unwrap(), Some(Address(4)));
        assert_eq!(link.call(&mut master, &Get { address: Address(1) }, |value| value.i64()).unwrap(), Ok(20));
        link.call(&mut master, &Set { address: Address(2), value: Value::new(&[0xF5]) }, |()| ()).unwrap();
        assert_eq!(link.call(&mut master, &Invert { address: Address(2) }, |value| value.bool()).unwrap(), Ok(false));
        assert_eq!(link.call(&mut master, &Subscribe { address: Address(1) }, |value| value.i64()).unwrap(), Ok(20));
        world.plant.borrow_mut().temperature.set(-3);
        let push = link.recv(Duration::from_secs(1)).unwrap();
        assert_eq!(Unsolicited::parse(&push), Some(Unsolicited::Push(Address(1), Value::new(&[0x22]))));
        link.call(&mut master, &Unsubscribe { address: Address(1) }, |()| ()).unwrap();
        world.plant.borrow_mut().temperature.set(9);
        assert_eq!(link.recv(Duration::from_secs(1)), None);

        let refused = link.call(&mut master, &Get { address: Address(4) }, |_| ()).unwrap_err();
        assert_eq!(refused, line::Error::Protocol(Error::Remote(ResponseCode::ERROR)));
        assert_eq!(error_text(link.message()), b"no sensor");
        let refused = link.call(&mut master, &Get { address: Address(3) }, |_| ()).unwrap_err();
        assert_eq!(refused, line::Error::Protocol(Error::Remote(ResponseCode::NOT_FOUND)));
    });
}

#[test]
fn reset_is_sent_and_nobody_waits() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut tx = [0; 16];
        let len = master.reset(Address::HOST, &mut tx).unwrap();
        link.send(&tx[..len]);
        assert_eq!(world.line.borrow().now, 0);
        assert_eq!(link.recv(Duration::from_secs(1)), None);
        assert_eq!(world.plant.borrow().resets, 1);
    });
}

#[test]
fn pushes_and_texts_between_command_and_answer_reach_the_sink() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        link.call(&mut master, &Subscribe { address: Address(1) }, |_| ()).unwrap();
        for value in 30..60 {
            world.plant.borrow_mut().temperature.set(value);
            world.plant.borrow_mut().debug = true;
            // The other address, so that the value is reported by a PUSH, which the next call finds
            // on the line.
            link.call(&mut master, &Get { address: Address(2) }, |_| ()).unwrap();
        }
        while link.recv(Duration::from_millis(50)).is_some() {}
        let log = link.log();
        assert!(log.pushes.len() >= 25 && log.pushes.is_sorted(), "{:?}", log.pushes);
        assert!(log.texts.len() >= 25 && log.texts.iter().all(|text| text == "up"));
    });
}

#[test]
fn commands_without_an_answer_end_and_only_repeatable_ones_are_repeated() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.kill();
        let before = world.seconds();
        assert_eq!(link.call(&mut master, &Get { address: Address(1) }, |_| ()).unwrap_err(), line::Error::TimedOut);
        assert!((world.seconds() - before - 3.0).abs() < 0.1);
        let before = world.seconds();
        assert_eq!(link.call(&mut master, &Invert { address: Address(2) }, |_| ()).unwrap_err(), line::Error::TimedOut);
        assert!((world.seconds() - before - 1.0).abs() < 0.1);
        assert_eq!(world.plant.borrow().inverts, 0);
    });
}

/// One byte of 60 is hit. A sum of 8 bits lets some damage pass, so values may be wrong; nothing
/// hangs, nearly all succeeds.
#[test]
fn a_noisy_line_costs_time_and_few_commands() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.line.borrow_mut().noise = 60;
        let (mut good, mut inverted) = (0, 0);
        for round in 0..2000 {
            good += u32::from(link.call(&mut master, &Get { address: Address(1) }, |value| value.i64()) == Ok(Ok(20)));
            if round % 10 == 0 {
                inverted += 1;
                let _ = link.call(&mut master, &Invert { address: Address(2) }, |_| ());
                assert!(world.plant.borrow().inverts <= inverted, "INVERT was repeated");
            }
        }
        assert!(good > 1950, "{good} of 2000");
    });
}

#[test]
fn connecting_resets_waits_asks_and_subscribes() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::NONE; 8];
        let mut seen = Vec::new();
        let ended = link.run(&mut master, &mut Connect::from_names(&mut watches), |event| {
            seen.push(match event {
                Event::Alive(_) => "alive".into(),
                Event::Names(names) => format!("{} names", names.iter().count()),
                Event::Value(address, value) => format!("{address}: {:02X?}", value.bytes()),
                Event::Refused(address, code) => format!("{address}: {code}"),
                other => format!("{other:?}"),
            });
            ControlFlow::Continue(())
        });
        let Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { watched: 3, .. }, .. }) = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(seen, ["alive", "3 names", "1: [14]", "2: [F4]", "4: ERROR"]);
        assert_eq!(world.plant.borrow().resets, 1);
        assert!((2.0..2.5).contains(&world.seconds()), "{}", world.seconds());
        assert_eq!(watches[..3].iter().map(|watch| watch.address().0).collect::<Vec<_>>(), [1, 2, 4]);
    });
}

#[test]
fn connecting_polls_until_someone_answers_or_the_tries_are_used_up() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.kill();
        let mut watches = [Watch::new(Address(1))];
        let mut connect = Connect::new(&mut watches).with_reset(false).with_retries(6);
        let ended = link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()));
        assert!(matches!(ended, Ended::Done(ConnectReport { outcome: ConnectOutcome::Absent, .. })), "{ended:?}");
        assert!((world.seconds() - 7.0).abs() < 0.1, "{}", world.seconds());
        world.start();
        let mut connect = Connect::new(&mut watches).with_reset(false);
        let ended = link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()));
        assert!(matches!(ended, Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { watched: 1, .. }, .. })));
        assert_eq!(world.plant.borrow().resets, 0);
    });
}

#[test]
fn monitoring_finds_out_that_a_slave_is_gone_and_that_it_has_restarted() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::NONE; 8];
        let connect = |link: &mut Link, master: &mut Master, watches: &mut [Watch]| {
            let mut connect = Connect::from_names(watches).with_reset(false);
            match link.run(master, &mut connect, |_| ControlFlow::Continue(())) {
                Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { boot, watched }, .. }) => (boot, watched),
                other => panic!("{other:?}"),
            }
        };
        let (boot, watched) = connect(&mut link, &mut master, &mut watches);
        let mut monitor = Monitor::new(boot, &mut watches[..watched]);

        // A minute in which all is well: STATUS every 5 s.
        let (start, mut alive) = (world.seconds(), 0);
        let ended = link.run(&mut master, &mut monitor, |event| {
            alive += u32::from(matches!(event, Event::Alive(_)));
            if alive == 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended, Ended::Stopped);
        assert!((world.seconds() - start - 60.0).abs() < 1.0);

        // Gone: three commands without an answer.
        world.kill();
        let start = world.seconds();
        let ended = link.run(&mut master, &mut monitor, |_| ControlFlow::Continue(()));
        assert!(matches!(ended, Ended::Done(MonitorReport { outcome: MonitorOutcome::Lost, .. })), "{ended:?}");
        assert!((3.0..16.5).contains(&(world.seconds() - start)), "{}", world.seconds() - start);

        // Back, with another start; while it is watched, it restarts so fast that no STATUS is
        // missed.
        world.start();
        let (boot, watched) = connect(&mut link, &mut master, &mut watches);
        world.start();
        let mut monitor = Monitor::new(boot, &mut watches[..watched]);
        let ended = link.run(&mut master, &mut monitor, |_| ControlFlow::Continue(()));
        assert!(matches!(ended, Ended::Done(MonitorReport { outcome: MonitorOutcome::Restarted, .. })), "{ended:?}");
    });
}

#[test]
fn a_value_that_nobody_pushed_for_30_s_is_asked_for() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::new(Address(1)), Watch::new(Address(2))];
        let mut connect = Connect::new(&mut watches).with_reset(false);
        let Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { boot, .. }, .. }) =
            link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()))
        else {
            panic!()
        };
        // The temperature moves three times a second, the relay never.
        world.plant.borrow_mut().every = 300;
        let start = world.seconds();
        let (mut pushes, mut gets, mut alive) = (0, Vec::new(), 0);
        let time = world.line.clone();
        let ended = link.run(&mut master, &mut Monitor::new(boot, &mut watches), |event| {
            let now = time.borrow().now as f64 / 1000.0 - start;
            match event {
                Event::Push(Address(1), _) => pushes += 1,
                Event::Value(address, _) => gets.push((address.0, now.round())),
                Event::Alive(_) => alive += 1,
                other => panic!("{other:?}"),
            }
            if now > 100.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended, Ended::Stopped);
        assert!(pushes > 300 && (19..=20).contains(&alive), "{pushes} pushes, {alive} alive");
        assert_eq!(gets.len(), 3, "{gets:?}");
        assert!(
            gets.iter().zip([30.0, 60.0, 90.0]).all(|((address, at), due)| *address == 2 && (at - due).abs() < 1.0),
            "{gets:?}"
        );
    });
}

#[test]
fn a_slave_that_pushes_in_every_tick_is_asked_for_its_status_and_its_stale_values_all_the_same() {
    for every in [TICK_MS, TICK_MS / 2, 4, 3, 2, 1] {
        over_both(|world, mut link| {
            let mut master = Master::new(Counter::FIRST);
            let mut watches = [Watch::new(Address(1)), Watch::new(Address(2))];
            let mut connect = Connect::new(&mut watches).with_reset(false);
            let Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { boot, .. }, .. }) =
                link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()))
            else {
                panic!()
            };
            world.plant.borrow_mut().every = every;
            let start = world.seconds();
            let (mut pushes, mut alive, mut gets) = (0, Vec::new(), Vec::new());
            let time = world.line.clone();
            let mut monitor = Monitor::new(boot, &mut watches);
            let ended = link.run(&mut master, &mut monitor, |event| {
                let now = time.borrow().now as f64 / 1000.0 - start;
                match event {
                    Event::Push(Address(1), _) => pushes += 1,
                    Event::Value(Address(2), _) => gets.push(now),
                    Event::Alive(_) => alive.push(now),
                    other => panic!("{other:?}"),
                }
                if now > 62.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(ended, Ended::Stopped);
            assert!(pushes > 5_000, "{pushes} pushes");
            // Each a tick or two late, at most.
            let due = |seen: &[f64], every: f64| {
                (1..).zip(seen).all(|(n, at)| (0.0..0.1 * f64::from(n)).contains(&(at - every * f64::from(n))))
            };
            assert!(alive.len() == 12 && due(&alive, 5.0), "{every} {pushes} {alive:?} {gets:?} {:?}", monitor);
            assert!(gets.len() == 2 && due(&gets, 30.0), "{gets:?}");

            // A restart is noticed within an interval.
            world.plant.borrow_mut().boot += 1;
            let start = world.seconds();
            let ended = link.run(&mut master, &mut monitor, |_| ControlFlow::Continue(()));
            assert!(
                matches!(ended, Ended::Done(MonitorReport { outcome: MonitorOutcome::Restarted, .. })),
                "{ended:?}"
            );
            assert!(world.seconds() - start < 5.2);
        });
    }
}

/// A hand-written loop that has only time-outs, no ticks.
#[test]
fn routines_need_no_ticks() {
    let mut master = Master::new(Counter::FIRST);
    let mut watches = [Watch::new(Address(1))];
    let mut monitor = Monitor::new(Value::new(&[]).into(), &mut watches).with_misses(2);
    let mut tx = [0; 8];
    let (mut clock, mut sent) = (Duration::ZERO, Vec::new());
    loop {
        match monitor.poll(&mut master, &mut tx) {
            Step::Send(len) => sent.push((clock.as_secs(), tx[..len].to_vec())),
            Step::Wait(time) => {
                clock += time;
                monitor.timed_out();
            }
            Step::Reopen => unreachable!(),
            Step::Done => break,
        }
    }
    assert_eq!(monitor.report().outcome, MonitorOutcome::Lost);
    assert_eq!(sent, [(5, vec![0, 0, 1]), (10, vec![0, 0, 2])]);
}

/// STATUS is answered, DESCRIBE never: three times DESCRIBE, then the slave counts as gone and
/// STATUS comes again.
#[test]
fn connecting_gives_a_half_dead_slave_up() {
    let mut master = Master::new(Counter::FIRST);
    let mut connect = Connect::new(&mut []).with_reset(false).with_retries(1);
    let (mut tx, mut sent) = ([0; 8], Vec::new());
    loop {
        match connect.poll(&mut master, &mut tx) {
            Step::Send(_) if tx[0] == 0 => {
                sent.push(tx[0]);
                assert!(matches!(connect.poll(&mut master, &mut []), Step::Wait(_)));
                assert!(matches!(connect.receive(&mut master, &[0, 0, tx[2]]), Some(Event::Alive(_))));
            }
            Step::Send(_) => sent.push(tx[0]),
            Step::Wait(_) => connect.timed_out(),
            Step::Reopen => unreachable!(),
            Step::Done => break,
        }
    }
    assert_eq!(connect.report().outcome, ConnectOutcome::Absent);
    assert_eq!(sent, [0, 2, 2, 2, 0, 2, 2, 2]);
}

#[test]
fn routines_say_that_their_buffer_is_too_small() {
    let mut master = Master::new(Counter::FIRST);
    let mut connect = Connect::new(&mut []);
    assert_eq!(connect.poll(&mut master, &mut [0; 2]), Step::Done);
    assert_eq!(connect.report().outcome, ConnectOutcome::BufferFull);
    let mut monitor = Monitor::new(Value::new(&[]).into(), &mut []).with_interval(Duration::ZERO);
    assert_eq!(monitor.poll(&mut master, &mut [0; 2]), Step::Done);
    assert_eq!(monitor.report().outcome, MonitorOutcome::BufferFull);
}

#[test]
fn builders_of_the_routines_give_the_same_in_any_order() {
    let time = Duration::from_millis(7);
    let (mut one, mut other) = ([Watch::new(Address(1))], [Watch::new(Address(1))]);
    let first = Connect::new(&mut one).with_reset(false).with_quiet(time).with_interval(time * 2).with_retries(4);
    let second = Connect::new(&mut other).with_retries(4).with_interval(time * 2).with_quiet(time).with_reset(false);
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert_eq!(first.report().to_string(), "still looking for the slave");
}
