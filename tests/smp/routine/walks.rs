//! The walks over counters and settings, with small servers.

use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::routine::{Error, SettingEvent, SettingsWalk, StatEvent, StatWalk, WalkOutcome, WalkReport};
use anysmp::smp::server::{AllowAll, Incoming, Reply, serve};
use anysmp::smp::settings::{self, Setting};
use anysmp::smp::stat::{self, Set};
use anysmp::smp::{self, Decode, error};

use crate::kit::random::Random;
use crate::routine::scripted::{ok, raw, refused, split};

/// Runs a walk; some answers are lost with a seed other than 0.
fn walk<R: Routine<Client = Client>>(
    routine: &mut R,
    seed: u64,
    mut server: impl FnMut(&[u8]) -> Vec<u8>,
    mut each: impl FnMut(R::Event<'_>),
) -> R::Report {
    let (mut client, mut tx, mut random) = (Client::new(7), [0; 128], Random::new(seed));
    let mut arriving = None;
    for _ in 0..10_000 {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) => arriving = Some(server(&tx[..len])).filter(|_| seed == 0 || !random.percent(20)),
            Step::Wait(_) => match arriving.take() {
                Some(message) => {
                    routine.receive(&mut client, &message).map(&mut each);
                }
                None => routine.timed_out(),
            },
            Step::Reopen => panic!(),
            Step::Done => return routine.report(),
        }
    }
    panic!("seed {seed}: the walk does not end");
}

fn sets(sets: &[Set<'_>], request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 512];
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| stat::answer(sets, incoming, reply);
    let (len, _) = serve(handler, AllowAll, request, &mut tx);
    tx[..len].to_vec()
}

/// All that a report contains.
fn whole(report: &WalkReport) -> (WalkOutcome, u32, u32, u32) {
    let WalkReport { outcome, read, refused, foreign, .. } = *report;
    (outcome, read, refused, foreign)
}

#[test]
fn all_sets_are_read_in_order() {
    let fields = [("rx".into(), 5), ("drop".into(), u64::MAX)];
    let all = [
        Set { name: "uart", fields: &fields },
        Set { name: "smp", fields: &[] },
        Set { name: "flash", fields: &fields[..1] },
    ];
    for count in 0..=3 {
        for seed in 0..20 {
            let (mut seen, mut requests) = (Vec::new(), 0);
            let report = walk(
                &mut StatWalk::new(),
                seed,
                |request| {
                    requests += 1;
                    sets(&all[..count], request)
                },
                |event| {
                    if let StatEvent::Set(set) = event {
                        let fields: Vec<_> = set.fields.iter().map(|(name, value)| (name.to_string(), value)).collect();
                        seen.push((set.name.to_string(), fields));
                    }
                },
            );
            if report.outcome == WalkOutcome::Failed(Error::TimedOut) && seed > 0 {
                continue;
            }
            assert_eq!(whole(&report), (WalkOutcome::Done, count as u32, 0, 0));
            assert!(seed > 0 || requests == (2 * count).max(1));
            for (seen, set) in seen.iter().zip(&all) {
                let fields: Vec<_> = set.fields.iter().map(|(name, value)| (name.to_string(), *value)).collect();
                assert_eq!(*seen, (set.name.to_string(), fields));
            }
            assert_eq!(seen.len(), count);
        }
    }
}

#[test]
fn a_set_that_is_refused_does_not_end_the_walk() {
    let all = ["a", "b", "c"].map(|name| Set { name, fields: &[] });
    let mut events = Vec::new();
    let report = walk(
        &mut StatWalk::new(),
        0,
        |request| {
            let (header, payload) = split(request);
            match header.command {
                0 if stat::Read::decode(payload).unwrap().name == "b" => refused(request, error::stat::INVALID_GROUP),
                _ => sets(&all, request),
            }
        },
        |event| {
            if let StatEvent::Refused { index, error } = event {
                events.push((index, error));
            }
        },
    );
    assert_eq!((report.outcome, report.read, report.refused), (WalkOutcome::Done, 2, 1));
    assert_eq!(events, [(1, error::stat::INVALID_GROUP)]);
}

#[test]
fn a_device_without_statistics_or_with_nonsense_fails_the_walk() {
    let fails = |server: fn(&[u8]) -> Vec<u8>| walk(&mut StatWalk::new(), 0, server, |_| ()).outcome;
    let remote = WalkOutcome::Failed(Error::Remote(smp::Error::NOT_SUPPORTED));
    assert_eq!(fails(|request| refused(request, smp::Error::NOT_SUPPORTED)), remote);
    assert_eq!(fails(|request| raw(request, b"\x01")), WalkOutcome::Failed(Error::Malformed));
    let name = |len: usize| "n".repeat(len);
    for (len, failed) in [(64, false), (65, true)] {
        let name = name(len);
        let set = [Set { name: &name, fields: &[] }];
        let outcome = walk(&mut StatWalk::new(), 0, |request| sets(&set, request), |_| ()).outcome;
        assert_eq!(outcome == WalkOutcome::Failed(Error::BufferFull), failed, "{len}");
    }
}

#[test]
fn the_settings_that_were_named_are_read_in_order() {
    let server = |request: &[u8]| {
        let settings::Read { name, max_size } = settings::Read::decode(split(request).1).unwrap();
        assert_eq!(max_size, Some(9));
        match name.as_str().unwrap() {
            "a/b" => ok(request, &settings::ReadResponse::new(Setting::Bytes((&b"12"[..]).into()))),
            "a/t" => ok(request, &settings::ReadResponse::new(Setting::Text("34".into()))),
            _ => refused(request, error::settings::KEY_NOT_FOUND),
        }
    };
    let mut seen = Vec::new();
    let report = walk(&mut SettingsWalk::new(&["a/b", "a/none", "a/t"]).with_max_size(9), 0, server, |event| {
        seen.push(match event {
            SettingEvent::Value { name, value } => (name, value.chunks().contiguous().map(<[u8]>::to_vec)),
            SettingEvent::Refused { name, error } => {
                assert_eq!(error, error::settings::KEY_NOT_FOUND);
                (name, None)
            }
            SettingEvent::Other => panic!(),
        });
    });
    assert_eq!(whole(&report), (WalkOutcome::Done, 2, 1, 0));
    assert_eq!(seen, [("a/b", Some(b"12".to_vec())), ("a/none", None), ("a/t", Some(b"34".to_vec()))]);
    assert_eq!(walk(&mut SettingsWalk::new(&[]), 0, |_| panic!("sent"), |_| ()).outcome, WalkOutcome::Done);
    let malformed = walk(&mut SettingsWalk::new(&["x"]), 0, |request| raw(request, b"\x01"), |_| ()).outcome;
    assert_eq!(malformed, WalkOutcome::Failed(Error::Malformed));
}
