//! The BSMP master with recorded calls, the examples of the document, and hostile nodes.

use std::sync::Mutex;
use std::time::Duration;

use anysmp::bsmp::curve::{Curve, ReadBlock, Recalculate, WriteBlock};
use anysmp::bsmp::function::{Execute, Function, Layout};
use anysmp::bsmp::group::{self, Members};
use anysmp::bsmp::routine::{
    CurveOutcome, Directory, Discovery, JobOutcome, Part, ReadCurve, ReadEvent, Tables, WriteCurve,
};
use anysmp::bsmp::variable::{self, Op, Variable};
use anysmp::bsmp::{
    Address, Client, Command, Error, Pending, QueryVersion, Refusal, Request, Response, Version, curve, function,
};
use anysmp::line::{Caller, Verdict};
use anysmp::routine::{Routine, Step};
use anysmp::source::{Source, SourceFailed};
use serde_json::Value;

use crate::kit::damage;
use crate::kit::hex::hex;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/bsmp/bsmp.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

type Exchange = (Vec<u8>, Vec<u8>);

fn exchanges(vectors: &Value, call: &str) -> Vec<Exchange> {
    let calls = vectors["client_transcripts"]["calls"].as_array().unwrap();
    let call = calls.iter().find(|entry| entry["call"] == call).unwrap_or_else(|| panic!("no call {call}"));
    let field = |entry: &Value, key: &str| hex(entry[key].as_str().unwrap());
    call["exchange"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (field(entry, "request"), field(entry, "response")))
        .collect()
}

/// One request: its bytes have to be the recorded ones; returns what the master makes of the
/// recorded answer.
fn call<R: Request>(request: &R, exchange: &Exchange, check: impl FnOnce(Result<Response<'_, R>, Error>)) {
    let mut client = Client::new();
    let mut tx = vec![0; 1024];
    let (length, mut pending) = client.request(request, &mut tx).unwrap();
    assert_eq!(tx[..length], exchange.0);
    assert_eq!(Caller::<R>::receive(&mut client, &mut pending, &exchange.1, &mut tx), Verdict::Answer);
    check(Caller::<R>::decode(&client, &pending, &exchange.1));
}

/// Runs a routine against a node that is a closure: `None` is silence.
pub(crate) fn run<R: Routine<Client = Client>>(
    routine: &mut R,
    client: &mut Client,
    mut node: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    mut on_event: impl FnMut(R::Event<'_>),
) -> R::Report {
    let mut tx = vec![0; 70_000];
    let mut answer = None;
    for _ in 0..1_000_000 {
        match routine.poll(client, &mut tx) {
            Step::Send(length) => answer = node(&tx[..length]),
            Step::Wait(limit) => {
                assert_eq!(limit, client.timeout());
                match answer.take() {
                    // What is foreign changes nothing: the wait goes on.
                    Some(answer) => {
                        if let Some(event) = routine.receive(client, &answer) {
                            on_event(event);
                        }
                    }
                    None => routine.timed_out(),
                }
            }
            Step::Reopen => panic!("BSMP has nothing to reopen"),
            Step::Done => return routine.report(),
        }
    }
    panic!("the routine does not end");
}

/// A node that plays a recording: every request has to be the next one.
fn recording(exchanges: &[Exchange]) -> impl FnMut(&[u8]) -> Option<Vec<u8>> {
    let mut left = exchanges.iter();
    move |request| {
        let (expected, answer) = left.next().expect("the recording has no more requests");
        assert_eq!(request, expected);
        Some(answer.clone())
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn discovery_asks_what_libbsmp_asks_in_the_same_order_and_finds_the_same() {
    let vectors = vectors();
    let init = exchanges(&vectors, "init");
    let mut tables = Tables::new();
    let mut discovery = Discovery::new(tables.storage());
    assert_eq!(run(&mut discovery, &mut Client::new(), recording(&init), |()| {}).outcome, JobOutcome::Done);
    let directory = discovery.directory();
    assert_eq!(directory.version.to_string(), "2.30.000");
    let counts = [directory.variables.len(), directory.groups.len(), directory.curves.len(), directory.functions.len()];
    assert_eq!(counts, [9, 3, 8, 6]);
    assert_eq!(directory.checksums, [[0; 16]; 8]);
    assert_eq!(directory.variables[5], Variable::writable(128));
    assert_eq!(directory.curves[6], Curve::read_only(65_520, 65_536));
    assert_eq!(directory.functions[2], Function { input: 64, output: 32 });
    assert_eq!(directory.groups[1].members, Members::of(&[1, 4, 8]).unwrap());
    assert!(!directory.groups[0].writable && directory.groups[2].writable);

    // Each part alone, as after groups were created and removed.
    for name in ["create_group {0,2}", "remove_all_groups"] {
        let recorded = exchanges(&vectors, name);
        discovery.restart(Part::Groups);
        assert_eq!(
            run(&mut discovery, &mut Client::new(), recording(&recorded[1..]), |()| {}).outcome,
            JobOutcome::Done
        );
        let groups = discovery.directory().groups.len();
        assert_eq!(groups, if name.starts_with("create") { 4 } else { 3 });
    }
    for (part, range) in
        [(Part::Variables, 1..2), (Part::Groups, 2..6), (Part::Curves, 6..15), (Part::Functions, 15..16)]
    {
        discovery.restart(part);
        assert_eq!(run(&mut discovery, &mut Client::new(), recording(&init[range]), |()| {}).outcome, JobOutcome::Done);
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn single_requests_have_the_bytes_of_libbsmp_and_understand_its_answers() {
    let vectors = vectors();
    let recorded = |name: &str| exchanges(&vectors, name).remove(0);
    let ok = |result: Result<(), Error>| assert_eq!(result, Ok(()));
    call(&variable::Read { id: 0, size: Some(1) }, &recorded("read_var 0"), |value| assert_eq!(value, Ok(&[0x5A][..])));
    call(&variable::Write { id: 0, value: &[0x42] }, &recorded("write_var 0"), ok);
    let both = variable::WriteRead { write: 0, value: &[1], read: 1, size: Some(2) };
    call(&both, &recorded("write_read_vars 0,1"), |value| assert_eq!(value, Ok(&[0x12, 0x34][..])));
    call(&group::Read { id: 1, size: Some(132) }, &recorded("read_group 1"), |values| {
        assert_eq!(values.unwrap().len(), 132)
    });
    call(&group::Write { id: 2, values: &[0x14; 200] }, &recorded("write_group 2"), ok);
    call(&variable::Combine { id: 0, op: Op::And, mask: &[0xF0] }, &recorded("bin_op_var AND 0"), ok);
    call(&variable::Combine { id: 0, op: Op::Toggle, mask: &[0xF0] }, &recorded("bin_op_var TOGGLE 0"), ok);
    let set = group::Combine { id: 3, op: Op::Set, masks: &[0xF0, 0x14, 0x14, 0x14, 0x14] };
    call(&set, &recorded("bin_op_group SET 3"), ok);
    call(&group::RemoveAll, &recorded("remove_all_groups"), ok);
    let block = ReadBlock { id: 0, block: 1, limit: 16 };
    call(&block, &recorded("request_curve_block 0/1"), |data| assert_eq!(data.unwrap()[..2], [0x10, 0x11]));
    let refused = recorded("request_curve_block 0/4 (offset==nblocks passes the local check)");
    call(&ReadBlock { block: 4, ..block }, &refused, |data| {
        assert_eq!(data, Err(Error::Remote(Refusal::InvalidValue)))
    });
    // libbsmp calls this answer a failure.
    call(&Recalculate { id: 0 }, &recorded("recalc_checksum 0"), |digest| {
        assert_eq!(digest.unwrap()[..2], [0xEA, 0xCF])
    });
    let swap = Execute { id: 1, input: &[0x12, 0x34], output: Some(2) };
    call(&swap, &recorded("func_execute 1"), |output| assert_eq!(output, Ok(&[0x34, 0x12][..])));
    let fail = Execute { id: 3, input: &[9], output: Some(1) };
    call(&fail, &recorded("func_execute 3 (fails with 9)"), |output| assert_eq!(output, Err(Error::Function(9))));
    // Ids in any order and more than once: the set has the bytes that a node accepts.
    for ids in [&[0, 2][..], &[2, 0], &[2, 2, 0, 2]] {
        let members = Members::of(ids).unwrap();
        call(&group::Create { members }, &recorded("create_group {0,2}"), ok);
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn what_a_node_would_refuse_is_refused_with_the_help_of_the_directory() {
    let vectors = vectors();
    let mut tables = Tables::new();
    let mut discovery = Discovery::new(tables.storage());
    let report = run(&mut discovery, &mut Client::new(), recording(&exchanges(&vectors, "init")), |()| {});
    assert_eq!(report.outcome, JobOutcome::Done);
    let directory = discovery.directory();
    assert!(exchanges(&vectors, "write_var 1 (read-only: refused locally)").is_empty());
    assert_eq!(directory.write(1, &[0, 0]), Err(Refusal::ReadOnly));
    assert!(exchanges(&vectors, "write_group 0 (refused locally)").is_empty());
    assert_eq!(directory.write_group(0, &[0; 332]), Err(Refusal::ReadOnly));
    assert_eq!(directory.write(9, &[0]), Err(Refusal::InvalidId));
    assert_eq!(directory.write(0, &[0, 0]), Err(Refusal::InvalidSize));
    assert!(directory.write(0, &[0]).is_ok());
    assert_eq!(directory.write_group(3, &[0]), Err(Refusal::InvalidId));
    assert_eq!(directory.write_group(2, &[0]), Err(Refusal::InvalidSize));
    assert!(directory.write_group(2, &[0; 200]).is_ok());
    assert_eq!(directory.read(0), Some(variable::Read { id: 0, size: Some(1) }));
    assert_eq!(directory.read(9), None);
    assert_eq!(directory.read_group(0), Some(group::Read { id: 0, size: Some(332) }));
    assert_eq!(directory.read_group(3), None);
    assert_eq!(directory.execute(6, &[]), Err(Refusal::InvalidId));
    assert_eq!(directory.execute(1, &[]), Err(Refusal::InvalidSize));
    assert_eq!(directory.execute(1, &[1, 2]).unwrap().output, Some(2));
}

#[test]
fn a_static_table_takes_the_place_of_the_discovery() {
    const RACK: Directory<'static> = Directory {
        version: Version { version: 2, subversion: 20, revision: 0 },
        variables: &[Variable::read_only(2), Variable::writable(1)],
        groups: &[],
        curves: &[],
        checksums: &[],
        functions: &[],
    };
    assert_eq!(RACK.read(0), Some(variable::Read { id: 0, size: Some(2) }));
    assert_eq!(RACK.write(0, &[0, 0]), Err(Refusal::ReadOnly));
    // Ids beyond any table are possible with the bare request.
    let mut tx = [0; 8];
    assert_eq!(Client::new().post(&variable::Read { id: 0x62, size: None }, &mut tx), Ok(4));
    assert_eq!(tx[..4], [0x10, 0, 1, 0x62]);
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn a_whole_curve_is_read_like_libbsmp_does_and_written_better() {
    let vectors = vectors();
    let mut client = Client::new();
    let mut data: Vec<u8> = Vec::new();
    let mut read = ReadCurve::new(1, Curve::read_only(8, 3), ());
    let report = run(&mut read, &mut client, recording(&exchanges(&vectors, "read_curve 1")), |event| {
        if let ReadEvent::Block { data: block, .. } = event {
            data.extend(block);
        }
    });
    assert_eq!((report.blocks, report.bytes, report.outcome), (3, 21, CurveOutcome::Done { verified: false }));
    assert_eq!(data.len(), 21);

    let curve = Curve::writable(16, 4);
    let full = exchanges(&vectors, "write_curve 0, 64 bytes");
    let mut write = WriteCurve::new(0, curve, &[3; 64][..], ());
    let report = run(&mut write, &mut client, recording(&full), |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (4, 64, CurveOutcome::Done { verified: false }));

    // libbsmp goes on with empty blocks, which its own server refuses.
    let short = exchanges(&vectors, "write_curve 0, 20 of 64 bytes");
    let mut write = WriteCurve::new(0, curve, &[3; 20][..], ());
    let report = run(&mut write, &mut client, recording(&short[..2]), |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (2, 20, CurveOutcome::Done { verified: false }));

    // libbsmp cuts the data off without a word.
    let mut write = WriteCurve::new(0, curve, &[3; 70][..], ());
    let report = run(&mut write, &mut client, |_| panic!("nothing may be sent"), |_| {});
    assert_eq!((report.blocks, report.outcome), (0, CurveOutcome::Failed(Error::TooLarge)));
    let mut write = WriteCurve::new(0, curve, &[][..], ());
    assert_eq!(
        run(&mut write, &mut client, |_| panic!("nothing may be sent"), |_| {}).outcome,
        CurveOutcome::Done { verified: false }
    );
}

#[test]
fn a_curve_whose_data_cannot_be_read_fails_before_anything_is_sent() {
    struct Unreadable;
    impl Source for Unreadable {
        fn len(&self) -> u64 {
            20
        }

        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), SourceFailed> {
            Err(SourceFailed)
        }
    }
    let mut write = WriteCurve::new(0, Curve::writable(16, 4), Unreadable, ());
    let report = run(&mut write, &mut Client::new(), |_| panic!("nothing may be sent"), |_| {});
    assert_eq!((report.blocks, report.outcome), (0, CurveOutcome::Failed(Error::Source)));
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn every_answer_in_the_document_is_understood() {
    let version = |payload: &[u8]| QueryVersion::decode(&(), payload).map(|_| ());
    for example in vectors()["document_examples"].as_array().unwrap() {
        let message = hex(example["message"].as_str().unwrap());
        let section = example["section"].as_str().unwrap();
        let payload = &message[3..];
        assert_eq!(usize::from(message[2]), payload.len(), "{section}");
        let result = match message[0] {
            0x01 => version(payload),
            0x03 => {
                let sizes: Vec<_> =
                    variable::List::decode(&(), payload).unwrap().iter().map(|variable| variable.size).collect();
                assert_eq!(sizes, [3, 3, 3, 3, 1, 1]);
                Ok(())
            }
            0x05 => group::List::decode(&(), payload).map(|groups| assert_eq!(groups.len(), 3)),
            0x07 => group::Query::decode(&(), payload).map(|members| assert_eq!(members.len(), 5)),
            0x09 => {
                let curves: Vec<_> = curve::List::decode(&(), payload).unwrap().iter().collect();
                assert_eq!(curves, [Curve::read_only(16_384, 512)]);
                Ok(())
            }
            0x0B => curve::QueryChecksum::decode(&(), payload).map(|digest| assert_eq!(digest[0], 1)),
            0x0D => {
                let list: Vec<_> = function::List::decode(&Layout::Bytes, payload).unwrap().iter().collect();
                assert_eq!(list[0], Function { input: 16, output: 15 });
                Ok(())
            }
            0x11 => variable::Read::decode(&Some(3), payload).map(|_| ()),
            0x13 => group::Read::decode(&Some(13), payload).map(|_| ()),
            0x51 => Execute::decode(&Some(1), payload).map(|_| ()),
            0x53 => {
                let answer = verdict(&Execute { id: 0, input: &[], output: None }, &message);
                assert_eq!(answer, Answer::Ours(Err(Error::Function(0xBB))));
                Ok(())
            }
            _ => reproduce(&message),
        };
        assert_eq!(result, Ok(()), "{section}");
    }
}

/// The requests of the document, put together from their values.
fn reproduce(message: &[u8]) -> Result<(), Error> {
    let mut tx = [0; 64];
    let client = Client::new();
    let payload = &message[3..];
    let op = |code| Op::from_code(code).unwrap();
    let length = match (Command(message[0]), payload) {
        (Command::QUERY_GROUP, &[id]) => client.post(&group::Query { id }, &mut tx),
        (Command::QUERY_CHECKSUM, &[id]) => client.post(&curve::QueryChecksum { id }, &mut tx),
        (Command::READ_VARIABLE, &[id]) => client.post(&variable::Read { id, size: None }, &mut tx),
        (Command::READ_GROUP, &[id]) => client.post(&group::Read { id, size: None }, &mut tx),
        (Command::WRITE_VARIABLE, &[id, ref value @ ..]) => client.post(&variable::Write { id, value }, &mut tx),
        (Command::WRITE_GROUP, &[id, ref values @ ..]) => client.post(&group::Write { id, values }, &mut tx),
        (Command::COMBINE_VARIABLE, &[id, code, ref mask @ ..]) => {
            client.post(&variable::Combine { id, op: op(code), mask }, &mut tx)
        }
        (Command::COMBINE_GROUP, &[id, code, ref masks @ ..]) => {
            client.post(&group::Combine { id, op: op(code), masks }, &mut tx)
        }
        (Command::WRITE_READ, &[write, read, ref value @ ..]) => {
            client.post(&variable::WriteRead { write, value, read, size: None }, &mut tx)
        }
        (Command::CREATE_GROUP, ids) => client.post(&group::Create { members: Members::of(ids).unwrap() }, &mut tx),
        (Command::READ_BLOCK, &[id, high, low]) => {
            client.post(&ReadBlock { id, block: u16::from_be_bytes([high, low]), limit: 1 }, &mut tx)
        }
        (Command::RECALCULATE, &[id]) => client.post(&Recalculate { id }, &mut tx),
        (Command::EXECUTE, &[id, ref input @ ..]) => client.post(&Execute { id, input, output: None }, &mut tx),
        other => panic!("{other:?} is no request of the document"),
    }?;
    assert_eq!(tx[..length], *message);
    Ok(())
}

/// What a message is to a request.
#[derive(Debug, PartialEq)]
enum Answer<T> {
    /// Its answer: a response, or the node's refusal.
    Ours(Result<T, Error>),
    /// It cannot be its answer, for this reason.
    Foreign(Error),
}

/// What the master makes of a bare answer to a request: its outcome, or why it answers something
/// else.
fn verdict<R: Request>(request: &R, answer: &[u8]) -> Answer<()> {
    let (_, pending) = Client::new().request(request, &mut [0; 20_000]).unwrap();
    let response = pending.decode(answer).map(|_| ());
    if pending.accepts(answer) { Answer::Ours(response) } else { Answer::Foreign(response.unwrap_err()) }
}

/// A good answer.
const GOOD: Answer<()> = Answer::Ours(Ok(()));

#[test]
fn an_answer_of_wrong_length_kind_or_echo_is_foreign() {
    let read = variable::Read { id: 0, size: Some(2) };
    let any = variable::Read { id: 0, size: None };
    let block = ReadBlock { id: 3, block: 0x0102, limit: 4 };
    for short in [&[][..], &[0x11], &[0x11, 0], &[0x11, 0, 2, 1], &[0x11, 0, 2, 1, 2, 3], &[0x11, 0xFF, 0xFF]] {
        assert_eq!(verdict(&read, short), Answer::Foreign(Error::Malformed));
    }
    assert_eq!(verdict(&read, &[0x11, 0, 2, 1, 2]), GOOD);
    assert_eq!(verdict(&read, &[0x11, 0, 1, 1]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&read, &[0x11, 0, 3, 1, 2, 3]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&any, &[0x11, 0, 0]), Answer::Foreign(Error::WrongSize));
    let mut long = vec![0x11, 0, 129];
    long.extend([0; 129]);
    assert_eq!(verdict(&any, &long), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&read, &[0x13, 0, 0]), Answer::Foreign(Error::Unexpected(Command::GROUP_VALUES)));
    assert_eq!(verdict(&read, &[0xE0, 0, 0]), Answer::Foreign(Error::Unexpected(Command::OK)));
    assert_eq!(verdict(&read, &[0xE9, 0, 0]), Answer::Foreign(Error::Unexpected(Command(0xE9))));
    assert_eq!(verdict(&read, &[0xE3, 0, 1, 0]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&read, &[0x53, 0, 1, 9]), Answer::Foreign(Error::Unexpected(Command::FUNCTION_ERROR)));
    let execute = Execute { id: 0, input: &[], output: None };
    assert_eq!(verdict(&execute, &[0x53, 0, 0]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&execute, &[0x53, 0, 2, 9, 9]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&variable::Write { id: 0, value: &[1] }, &[0xE0, 0, 1, 0]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&QueryVersion, &[1, 0, 2, 2, 30]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&QueryVersion, &[3, 0, 3, 2, 30, 0]), Answer::Foreign(Error::Unexpected(Command::VARIABLES)));
    assert_eq!(verdict(&block, &[0x41, 0, 5, 3, 1, 2, 9, 9]), GOOD);
    for size in 0..3 {
        assert_eq!(
            verdict(&block, &[&[0x41, 0, size][..], &[3, 1, 2][..size.into()]].concat()),
            Answer::Foreign(Error::WrongSize)
        );
    }
    assert_eq!(verdict(&block, &[0x41, 0, 8, 3, 1, 2, 1, 2, 3, 4, 5]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&block, &[0x41, 0, 3, 4, 1, 2]), Answer::Foreign(Error::WrongEcho));
    assert_eq!(verdict(&block, &[0x41, 0, 3, 3, 1, 3]), Answer::Foreign(Error::WrongEcho));
    assert_eq!(verdict(&Recalculate { id: 0 }, &[0x0B, 0, 1, 0]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&curve::List, &[9, 0, 4, 0, 0, 1, 0]), Answer::Foreign(Error::WrongSize));
    assert_eq!(verdict(&function::List { layout: Layout::Bytes }, &[0xD, 0, 1, 0]), Answer::Foreign(Error::WrongSize));
    let execute = Execute { id: 0, input: &[], output: None };
    assert_eq!(verdict(&execute, &[&[0x51, 0, 32][..], &[0; 32]].concat()), GOOD, "the longest output");
    assert_eq!(verdict(&execute, &[&[0x51, 0, 33][..], &[0; 33]].concat()), Answer::Foreign(Error::WrongSize));
    let values = group::Read { id: 0, size: None };
    let too_long = [&[0x13, 0x40, 0x01][..], &[0; 16_385]].concat();
    assert_eq!(verdict(&values, &too_long), Answer::Foreign(Error::WrongSize));
}

#[test]
fn a_list_of_more_entities_than_bsmp_has_is_foreign() {
    let list = |command: u8, length: usize| {
        let mut message = vec![command, (length >> 8) as u8, length as u8];
        message.resize(3 + length, 0);
        message
    };
    assert_eq!(verdict(&variable::List, &list(3, 128)), GOOD);
    for length in [129, 32_767, 65_535] {
        assert_eq!(verdict(&variable::List, &list(3, length)), Answer::Foreign(Error::TooMany));
    }
    assert_eq!(verdict(&group::List, &list(5, 8)), GOOD);
    assert_eq!(verdict(&group::List, &list(5, 9)), Answer::Foreign(Error::TooMany));
    assert_eq!(verdict(&curve::List, &list(9, 640)), GOOD);
    assert_eq!(verdict(&curve::List, &list(9, 645)), Answer::Foreign(Error::TooMany));
    assert_eq!(verdict(&function::List { layout: Layout::Bytes }, &list(0xD, 258)), Answer::Foreign(Error::TooMany));
    assert_eq!(verdict(&function::List { layout: Layout::Nibbles }, &list(0xD, 129)), Answer::Foreign(Error::TooMany));
    assert_eq!(verdict(&group::Query { id: 0 }, &list(7, 129)), Answer::Foreign(Error::TooMany));
    assert_eq!(verdict(&group::Query { id: 0 }, &[7, 0, 2, 1, 1]), Answer::Foreign(Error::WrongOrder));
    assert_eq!(verdict(&group::Query { id: 0 }, &[7, 0, 1, 128]), Answer::Foreign(Error::UnknownId));
}

#[test]
fn every_refusal_answers_every_request_and_a_function_error_only_a_function() {
    const REFUSALS: [Refusal; 8] = [
        Refusal::Malformed,
        Refusal::Unsupported,
        Refusal::InvalidId,
        Refusal::InvalidValue,
        Refusal::InvalidSize,
        Refusal::ReadOnly,
        Refusal::Memory,
        Refusal::Busy,
    ];
    fn check<R: Request>(request: &R) {
        for (code, refusal) in (0xE1..).zip(REFUSALS) {
            assert_eq!((refusal.code(), Refusal::from_code(code)), (code, Some(refusal)));
            assert_eq!(verdict(request, &[code, 0, 0]), Answer::Ours(Err(Error::Remote(refusal))));
        }
        let error = match R::COMMAND {
            Command::EXECUTE => Answer::Ours(Err(Error::Function(8))),
            _ => Answer::Foreign(Error::Unexpected(Command::FUNCTION_ERROR)),
        };
        assert_eq!(verdict(request, &[0x53, 0, 1, 8]), error);
    }
    check(&QueryVersion);
    check(&variable::List);
    check(&variable::Read { id: 0, size: None });
    check(&variable::Write { id: 0, value: &[0] });
    check(&variable::Combine { id: 0, op: Op::And, mask: &[0] });
    check(&variable::WriteRead { write: 0, value: &[0], read: 0, size: None });
    check(&group::List);
    check(&group::Query { id: 0 });
    check(&group::Read { id: 0, size: None });
    check(&group::Write { id: 0, values: &[0] });
    check(&group::Combine { id: 0, op: Op::And, masks: &[0] });
    check(&group::Create { members: Members::one(0) });
    check(&group::RemoveAll);
    check(&curve::List);
    check(&curve::QueryChecksum { id: 0 });
    check(&Recalculate { id: 0 });
    check(&ReadBlock { id: 0, block: 0, limit: 1 });
    check(&WriteBlock { id: 0, block: 0, data: &[0] });
    check(&function::List { layout: Layout::Bytes });
    check(&Execute { id: 0, input: &[], output: None });
}

/// Each byte of a good answer to each request changed, each front of it, and garbage in front of
/// it. What is accepted has the length that it says, and one of the three codes that answer.
#[test]
fn an_answer_damaged_anywhere_is_foreign_or_an_answer_of_its_kind() {
    fn check<R: Request>(request: &R, payload: &[u8]) -> usize {
        let (_, pending) = Client::new().request(request, &mut [0; 64]).unwrap();
        let mut answer = vec![R::ANSWER.0, 0, payload.len() as u8];
        answer.extend_from_slice(payload);
        assert!(pending.accepts(&answer) && pending.decode(&answer).is_ok(), "{answer:02x?}");
        damage::each(&answer, |damaged| {
            let decoded = pending.decode(damaged).map(drop);
            if !pending.accepts(damaged) {
                assert!(decoded.is_err(), "{damaged:02x?}");
                return;
            }
            let says = usize::from(u16::from_be_bytes([damaged[1], damaged[2]]));
            assert_eq!(says, damaged.len() - 3, "{damaged:02x?}");
            let is_refusal = matches!(decoded, Err(Error::Remote(_) | Error::Function(_)));
            assert!(is_refusal || damaged[0] == R::ANSWER.0, "{damaged:02x?}");
        })
    }
    let sum = [
        check(&QueryVersion, &[2, 30, 0]),
        check(&variable::List, &[3, 0x83, 1]),
        check(&variable::Read { id: 0, size: None }, &[1, 2, 3]),
        check(&variable::Read { id: 0, size: Some(2) }, &[1, 2]),
        check(&variable::Write { id: 0, value: &[0] }, &[]),
        check(&variable::Combine { id: 0, op: Op::And, mask: &[0] }, &[]),
        check(&variable::WriteRead { write: 0, value: &[0], read: 0, size: None }, &[7]),
        check(&group::List, &[3, 2, 0x81]),
        check(&group::Query { id: 0 }, &[0, 1, 5]),
        check(&group::Read { id: 0, size: None }, &[1, 2, 3, 4]),
        check(&group::Write { id: 0, values: &[0] }, &[]),
        check(&group::Combine { id: 0, op: Op::And, masks: &[0] }, &[]),
        check(&group::Create { members: Members::one(0) }, &[]),
        check(&group::RemoveAll, &[]),
        check(&curve::List, &[0, 1, 0, 0, 2]),
        check(&curve::QueryChecksum { id: 0 }, &[9; 16]),
        check(&Recalculate { id: 0 }, &[9; 16]),
        check(&ReadBlock { id: 3, block: 1, limit: 4 }, &[3, 0, 1, 5, 6, 7, 8]),
        check(&WriteBlock { id: 0, block: 0, data: &[0] }, &[]),
        check(&function::List { layout: Layout::Bytes }, &[0x11, 0x22]),
        check(&Execute { id: 0, input: &[], output: None }, &[4]),
    ];
    assert!(sum.iter().sum::<usize>() > 30_000, "{sum:?}");
}

#[test]
fn arguments_that_no_node_could_accept_are_never_sent() {
    let mut tx = [0; 300];
    let client = Client::new();
    for value in [&[][..], &[0; 129]] {
        assert_eq!(client.post(&variable::Write { id: 0, value }, &mut tx), Err(Error::Argument));
        assert_eq!(client.post(&variable::Combine { id: 0, op: Op::Or, mask: value }, &mut tx), Err(Error::Argument));
        let both = variable::WriteRead { write: 0, value, read: 0, size: None };
        assert_eq!(client.post(&both, &mut tx), Err(Error::Argument));
    }
    assert_eq!(client.post(&group::Write { id: 0, values: &[0; 16_385] }, &mut tx), Err(Error::Argument));
    assert_eq!(client.post(&group::Create { members: Members::EMPTY }, &mut tx), Err(Error::Argument));
    assert_eq!(client.post(&WriteBlock { id: 0, block: 0, data: &[] }, &mut tx), Err(Error::Argument));
    assert_eq!(client.post(&Execute { id: 0, input: &[0; 65], output: None }, &mut tx), Err(Error::Argument));
    for room in 0..7 {
        let write = variable::Write { id: 0, value: &[1, 2, 3] };
        assert_eq!(client.post(&write, &mut tx[..room]), Err(Error::BufferFull));
    }
    assert_eq!(client.post(&variable::Write { id: 0, value: &[1, 2, 3] }, &mut tx[..7]), Ok(7));
    assert_eq!(
        Client::new().with_address(Address::BROADCAST).post(&QueryVersion, &mut tx[..3]),
        Err(Error::BufferFull)
    );
    assert_eq!(Client::new().with_address(Address::BROADCAST).post(&QueryVersion, &mut []), Err(Error::BufferFull));
}

#[test]
fn nobody_waits_for_the_answer_to_a_broadcast() {
    let mut tx = [0; 16];
    let client = Client::new().with_address(Address::BROADCAST);
    let write = variable::Write { id: 0, value: &[0x22] };
    assert_eq!(client.request(&write, &mut tx).map(|_| ()), Err(Error::NoAnswer));
    assert_eq!(client.post(&write, &mut tx), Ok(6));
    assert_eq!(tx[..6], [255, 0x20, 0, 2, 0, 0x22]);
    let client = Client::new().with_address(Address::multicast(248).unwrap());
    assert_eq!(client.request(&write, &mut tx).map(|_| ()), Err(Error::NoAnswer));
}

#[test]
fn on_a_bus_only_packets_for_the_master_are_answers() {
    let mut tx = [0; 16];
    let mut client = Client::new().with_address(Address::node(5).unwrap());
    let read = variable::Read { id: 0, size: Some(1) };
    let (length, mut pending) = client.request(&read, &mut tx).unwrap();
    let echo = tx[..length].to_vec();
    for foreign in [&echo[..], &[], &[5, 0x11, 0, 1, 7], &[255, 0x11, 0, 1, 7]] {
        let verdict = Caller::<variable::Read>::receive(&mut client, &mut pending, foreign, &mut tx);
        assert_eq!(verdict, Verdict::Foreign);
        assert_eq!(Caller::<variable::Read>::decode(&client, &pending, foreign), Err(Error::Malformed));
    }
    let answer = [0, 0x11, 0, 1, 7];
    assert_eq!(Caller::<variable::Read>::receive(&mut client, &mut pending, &answer, &mut tx), Verdict::Answer);
    assert_eq!(Caller::<variable::Read>::decode(&client, &pending, &answer), Ok(&[7][..]));
}

#[test]
fn only_requests_that_do_no_harm_are_repeated() {
    fn repeats<R: Request>(request: &R) -> usize {
        let mut client = Client::new().with_retries(3).with_timeout(Duration::from_secs(2));
        let mut tx = [0; 64];
        let (length, mut pending) = client.request(request, &mut tx).unwrap();
        assert_eq!(Caller::<R>::timeout(&client, &pending), Duration::from_secs(2));
        let again = || Caller::<R>::retry(&mut client, &mut pending, &mut tx);
        std::iter::from_fn(again).inspect(|again| assert_eq!(*again, length)).count()
    }
    assert_eq!(repeats(&variable::Read { id: 0, size: None }), 3);
    assert_eq!(repeats(&variable::Write { id: 0, value: &[0] }), 3);
    assert_eq!(repeats(&group::RemoveAll), 3);
    for (op, times) in [(Op::And, 3), (Op::Or, 3), (Op::Set, 3), (Op::Clear, 3), (Op::Xor, 0), (Op::Toggle, 0)] {
        assert_eq!(repeats(&variable::Combine { id: 0, op, mask: &[0] }), times);
        assert_eq!(repeats(&group::Combine { id: 0, op, masks: &[0] }), times);
    }
    assert_eq!(repeats(&group::Create { members: Members::one(0) }), 0);
    assert_eq!(repeats(&WriteBlock { id: 0, block: 0, data: &[0] }), 0);
    assert_eq!(repeats(&Execute { id: 0, input: &[], output: None }), 0);
}

#[test]
fn the_line_is_drained_for_a_second_or_twice_the_timeout_or_as_long_as_was_said() {
    let ms = Duration::from_millis;
    for (timeout, drain) in [(100, 1_000), (500, 1_000), (501, 1_002), (2_000, 4_000)] {
        assert_eq!(Client::new().with_timeout(ms(timeout)).drain(), ms(drain));
        assert_eq!(Client::new().with_timeout(ms(timeout)).with_drain(ms(5)).drain(), ms(5));
    }
}

#[test]
fn a_builder_gives_the_same_in_any_order_of_its_calls() {
    let (time, address) = (Duration::from_millis(7), Address::node(3).unwrap());
    let one = Client::new().with_address(address).with_timeout(time).with_drain(time * 2).with_retries(4);
    let other = Client::new().with_retries(4).with_drain(time * 2).with_timeout(time).with_address(address);
    assert_eq!(one, other);
}

#[test]
fn a_request_in_flight_is_kept_in_a_static_and_reads_only_its_own_answer() {
    struct Asked {
        write: Option<Pending<variable::Write<'static>>>,
        read: Option<Pending<variable::Read>>,
    }
    static ASKED: Mutex<Asked> = Mutex::new(Asked { write: None, read: None });
    let (client, mut tx) = (Client::new(), [0; 16]);
    {
        let value = vec![1, 2];
        let (_, pending) = client.request(&variable::Write { id: 0, value: &value }, &mut tx).unwrap();
        ASKED.lock().unwrap().write = Some(pending);
    }
    ASKED.lock().unwrap().read = Some(client.request(&variable::Read { id: 0, size: Some(2) }, &mut tx).unwrap().1);
    let asked = ASKED.lock().unwrap();
    let (write, read) = (asked.write.as_ref().unwrap(), asked.read.as_ref().unwrap());
    assert_eq!(write.decode(&[0xE0, 0, 0]), Ok(()));
    assert_eq!(read.decode(&[0x11, 0, 2, 1, 2]), Ok(&[1, 2][..]));
    assert_eq!(read.decode(&[0xE0, 0, 0]), Err(Error::Unexpected(Command::OK)));
    assert!(!write.accepts(&[0x11, 0, 2, 1, 2]) && !read.accepts(&[0xE0, 0, 0]));
}

#[test]
fn the_answer_of_each_command_is_that_of_the_table() {
    fn check<R: Request>(_: &R) {
        assert_eq!(Some(R::ANSWER), R::COMMAND.answer());
    }
    check(&QueryVersion);
    check(&variable::Write { id: 0, value: &[1] });
    check(&variable::WriteRead { write: 0, value: &[1], read: 1, size: None });
    check(&Recalculate { id: 0 });
    check(&Execute { id: 0, input: &[], output: None });
    let known = (0..=255).map(Command).filter(|command| command.answer().is_some()).count();
    assert_eq!(known, 20, "all requests of BSMP 2.30");
    for refusal in Refusal::ALL {
        assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        assert_eq!(core::error::Error::source(&Error::Remote(refusal)).unwrap().to_string(), refusal.to_string());
    }
}

/// Helpers of an application, each for all requests of one kind of answer.
mod helpers {
    use anysmp::blocking::Link;
    use anysmp::bsmp::{Client, Error, Request};
    use anysmp::framing::Framing;
    use anysmp::line::{self, Caller};
    use anysmp::port::Clock;
    use embedded_io::{Read, Write};

    /// The answer borrows nothing.
    pub(super) fn ask<P: Read + Write + Clock, F: Framing, R: Request, T>(
        link: &mut Link<'_, P, F>,
        client: &mut Client,
        request: &R,
    ) -> Result<T, line::Error<P::Error, Error>>
    where
        Client: for<'m> Caller<R, Response<'m> = T, Error = Error>,
    {
        link.call(client, request)
    }

    /// The answer is bytes.
    pub(super) fn bytes<P: Read + Write + Clock, F: Framing, R: Request>(
        link: &mut Link<'_, P, F>,
        client: &mut Client,
        request: &R,
    ) -> Result<Vec<u8>, line::Error<P::Error, Error>>
    where
        Client: for<'m> Caller<R, Response<'m> = &'m [u8], Error = Error>,
    {
        link.call(client, request).map(<[u8]>::to_vec)
    }
}

#[test]
fn one_function_of_an_application_makes_every_request_of_a_kind_of_answer() {
    use std::collections::VecDeque;

    use anysmp::blocking::Link;
    use anysmp::framing::counted::{Counted, Head3};
    use anysmp::port::Ticking;

    struct Answers(VecDeque<u8>);
    impl embedded_io::ErrorType for Answers {
        type Error = std::io::Error;
    }
    impl embedded_io::Read for Answers {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            match self.0.pop_front().zip(buf.first_mut()) {
                Some((byte, to)) => {
                    *to = byte;
                    Ok(1)
                }
                None => Err(std::io::ErrorKind::TimedOut.into()),
            }
        }
    }
    impl embedded_io::Write for Answers {
        fn write(&mut self, frame: &[u8]) -> std::io::Result<usize> {
            // Bytes that lie there before a request are no answer to it: they come behind it.
            self.0.extend(match frame[0] {
                0x00 => &[1, 0, 3, 2, 30, 0][..],
                0x10 => &[0x11, 0, 2, 7, 8],
                0x20 => &[0xE0, 0, 0],
                other => panic!("{other:#04x} was not asked for here"),
            });
            Ok(frame.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (mut message, mut memory) = ([0; 16], [0; Counted::<Head3>::sizes_of(16).memory()]);
    let port = Ticking::new(Answers(VecDeque::new()), Duration::from_millis(1));
    let mut link = Link::new(port, Counted::<Head3>::new(&mut message), &mut memory).unwrap();
    let mut client = Client::new();
    let version = helpers::ask(&mut link, &mut client, &QueryVersion).unwrap();
    assert_eq!(version, Version::V2_30);
    let write = variable::Write { id: 0, value: &[1] };
    helpers::ask(&mut link, &mut client, &write).unwrap();
    let read = variable::Read { id: 0, size: Some(2) };
    assert_eq!(helpers::bytes(&mut link, &mut client, &read).unwrap(), [7, 8]);
}
