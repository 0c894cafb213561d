//! Any bytes as the answer to each request: the result is a response or an error, and all lists
//! end. Any messages as answers to each routine: it ends, in at most as many steps as its work and
//! its repeats allow.
//!
//! Input: a choice, then messages, each preceded by its length in one byte (0: no answer in time).
#![no_main]

use std::fmt::Debug;

use anysmp::bsmp::curve::{Curve, Md5};
use anysmp::bsmp::group::Members;
use anysmp::bsmp::routine::{Discovery, JobOutcome, ReadCurve, ReadEvent, Tables, WriteCurve};
use anysmp::bsmp::variable::Op;
use anysmp::bsmp::{Address, Client, QueryVersion, Request, Response, curve, function, group, variable};
use anysmp::routine::{Routine, Step};
use libfuzzer_sys::fuzz_target;

/// Reads the answer as a client does, and everything that is in it.
fn answer<R: Request>(request: &R, message: &[u8], mut look: impl FnMut(Response<'_, R>)) {
    for client in [Client::new(), Client::new().with_address(Address::node(1).unwrap())] {
        // A request that cannot be made has no answer.
        let Ok((_, pending)) = client.request(request, &mut [0; 300]) else { continue };
        match pending.decode(message) {
            Ok(response) => {
                assert!(pending.accepts(message));
                look(response);
            }
            Err(error) => drop(format!("{error} {error:?} {}", pending.accepts(message))),
        }
        let is_elsewhere = client.address().is_some() && message.first() != Some(&0);
        assert!(!(is_elsewhere && pending.accepts(message)));
    }
    // What the client sends is well-formed whatever it is about.
    let mut tx = [0; 300];
    if let Ok(len) = Client::new().post(request, &mut tx) {
        assert_eq!(usize::from(u16::from_be_bytes([tx[1], tx[2]])) + 3, len);
        assert_eq!(tx[0], R::COMMAND.0);
    }
}

fn at_most(count: usize, list: impl IntoIterator<Item = impl Debug>) {
    assert!(list.into_iter().map(|entry| format!("{entry:?}")).count() <= count);
}

fn answers(message: &[u8], id: u8) {
    let limit = id.into();
    answer(&QueryVersion, message, |version| drop(format!("{version}")));
    answer(&variable::List, message, |list| at_most(128, list));
    answer(&variable::Read { id, size: None }, message, |value| assert!((1..=128).contains(&value.len())));
    answer(&variable::Read { id, size: Some(id) }, message, |value| assert_eq!(value.len(), id.into()));
    answer(&variable::Write { id, value: message }, message, |()| {});
    answer(&variable::Combine { id, op: Op::Xor, mask: message }, message, |()| {});
    let both = variable::WriteRead { write: id, value: message, read: id, size: None };
    answer(&both, message, |value| assert!((1..=128).contains(&value.len())));
    answer(&group::List, message, |list| at_most(8, list));
    answer(&group::Query { id }, message, |members| assert!(members.len() <= 128 && members.iter().is_sorted()));
    answer(&group::Read { id, size: None }, message, |values| assert!(values.len() <= 128 * 128));
    answer(&group::Write { id, values: message }, message, |()| {});
    answer(&group::Combine { id, op: Op::Set, masks: message }, message, |()| {});
    answer(&group::Create { members: Members::of(message).unwrap_or(Members::EMPTY) }, message, |()| {});
    answer(&group::RemoveAll, message, |()| {});
    answer(&curve::List, message, |list| at_most(128, list));
    answer(&curve::QueryChecksum { id }, message, |_| {});
    answer(&curve::Recalculate { id }, message, |_| {});
    answer(&curve::ReadBlock { id, block: limit, limit }, message, |data| assert!(data.len() <= limit.into()));
    answer(&curve::WriteBlock { id, block: limit, data: message }, message, |()| {});
    for layout in [function::Layout::Bytes, function::Layout::Nibbles] {
        answer(&function::List { layout }, message, |list| at_most(128, list));
    }
    answer(&function::Execute { id, input: message, output: None }, message, |output| assert!(output.len() <= 32));
    answer(&function::Execute { id, input: message, output: Some(id) }, message, |output| {
        assert_eq!(output.len(), id.into());
    });
}

/// Drives a routine with the messages of the input, and with silence after them.
fn drive<R: Routine<Client = Client>>(
    routine: &mut R,
    repeats: u8,
    mut input: &[u8],
    mut see: impl FnMut(R::Event<'_>),
) -> R::Report {
    let mut client = Client::new().with_address(Address::node(1).unwrap()).with_retries(repeats);
    let mut tx = [0; 300];
    let mut silences = 0;
    loop {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) => assert!(len <= tx.len()),
            Step::Wait(_) => {
                let Some((len, rest)) = input.split_first() else {
                    silences += 1;
                    assert!(silences < 1000, "it waits for ever");
                    routine.timed_out();
                    continue;
                };
                let (message, rest) = rest.split_at(usize::from(*len).min(rest.len()));
                input = rest;
                if message.is_empty() {
                    routine.timed_out();
                } else {
                    // Addressed to the master, as far as the length allows.
                    if let Some(event) = routine.receive(&mut client, &[&[0], message].concat()) {
                        see(event);
                    }
                }
            }
            Step::Reopen => panic!("a bus is never reopened"),
            Step::Done => return routine.report(),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let repeats = choice >> 5;
    match choice & 3 {
        0 => answers(input, choice >> 2),
        1 => {
            let mut tables = Tables::new();
            let mut discovery = Discovery::new(tables.storage());
            let report = drive(&mut discovery, repeats, input, |_| {});
            let directory = discovery.directory();
            for group in directory.groups {
                assert!(
                    group.members.iter().all(|id| usize::from(id) < directory.variables.len())
                        || report.outcome != JobOutcome::Done
                );
                assert!(directory.size(group) <= 128 * 128);
            }
            assert!(directory.checksums.len() <= directory.curves.len());
        }
        2 => {
            let what = Curve::writable(8, 5);
            let (mut next, mut bytes) = (0, 0);
            let report = drive(&mut ReadCurve::new(3, what, Md5::default()), repeats, input, |event| {
                if let ReadEvent::Block { block, data } = event {
                    assert_eq!(block, next);
                    assert!(data.len() <= 8);
                    (next, bytes) = (next + 1, bytes + data.len() as u64);
                }
            });
            assert_eq!((report.blocks, report.bytes), (next.into(), bytes));
            assert!(report.blocks <= 5);
        }
        _ => {
            let data = [5; 37];
            let report = drive(
                &mut WriteCurve::new(3, Curve::writable(8, 5), &data[..], Md5::default()),
                repeats,
                input,
                |_| {},
            );
            drop(format!("{report:?}"));
        }
    }
});
