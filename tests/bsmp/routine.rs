//! The routines of BSMP with nodes that lie, or that lose or repeat messages.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::curve::{Curve, Md5};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group;
use anysmp::bsmp::routine::{
    CurveOutcome, Discovery, JobOutcome, ReadCurve, ReadEvent, Storage, Tables, WriteCurve, WriteEvent,
};
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Client, Command, Error, Refusal, Version, curve};
use anysmp::routine::{Routine, Step};

use crate::client::run;

/// A node with the given answers to version, variables, groups, members, curves and functions.
fn lists(answers: [&'static [u8]; 6]) -> impl FnMut(&[u8]) -> Option<Vec<u8>> {
    move |request| {
        let place = match request[0] {
            0x00 => 0,
            0x02 => 1,
            0x04 => 2,
            0x06 => 3,
            0x08 => 4,
            0x0A => return Some(vec![0xE8, 0, 0]),
            _ => 5,
        };
        Some(answers[place].to_vec())
    }
}

const GOOD: [&[u8]; 6] = [
    &[1, 0, 3, 2, 30, 0],
    &[3, 0, 1, 1],
    &[5, 0, 1, 0x81],
    &[7, 0, 1, 0],
    &[9, 0, 5, 1, 0, 4, 0, 2],
    &[13, 0, 2, 1, 1],
];

fn discover(answers: [&'static [u8]; 6]) -> JobOutcome {
    let mut tables = Tables::new();
    run(&mut Discovery::new(tables.storage()), &mut Client::new(), lists(answers), |()| {}).outcome
}

#[test]
fn discovery_ends_with_a_typed_error_whatever_a_hostile_node_lists() {
    assert_eq!(discover(GOOD), JobOutcome::Done);
    let with = |place: usize, answer: &'static [u8]| {
        let mut answers = GOOD;
        answers[place] = answer;
        discover(answers)
    };
    assert_eq!(
        with(0, &[1, 0, 3, 1, 10, 0]),
        JobOutcome::Failed(Error::Version(Version { version: 1, subversion: 10, revision: 0 }))
    );
    assert_eq!(with(0, &[0xE2, 0, 0]), JobOutcome::Failed(Error::Remote(Refusal::Unsupported)));
    assert_eq!(with(0, &[1, 0]), JobOutcome::Failed(Error::Malformed));
    assert_eq!(with(1, &[0x53, 0, 1, 1]), JobOutcome::Failed(Error::Unexpected(Command::FUNCTION_ERROR)));
    assert_eq!(with(2, &[5, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]), JobOutcome::Failed(Error::TooMany));
    assert_eq!(with(3, &[7, 0, 1, 1]), JobOutcome::Failed(Error::UnknownId));
    assert_eq!(with(4, &[9, 0, 1, 1]), JobOutcome::Failed(Error::WrongSize));
    assert_eq!(with(5, &[13, 0, 1, 1]), JobOutcome::Failed(Error::WrongSize));
    // A node of 2.20 lists its functions in nibbles.
    let mut old = GOOD;
    old[0] = &[1, 0, 3, 2, 20, 0];
    old[5] = &[13, 0, 1, 0x52];
    let mut tables = Tables::new();
    let mut discovery = Discovery::new(tables.storage());
    assert_eq!(run(&mut discovery, &mut Client::new(), lists(old), |()| {}).outcome, JobOutcome::Done);
    assert_eq!(discovery.directory().functions, [Function { input: 5, output: 2 }]);
    assert_eq!(discovery.directory().checksums, [[0; 16]]);
    // The first group is read-only, whatever the node reports.
    assert!(!discovery.directory().groups[0].writable);
}

#[test]
fn storage_that_is_too_small_is_an_error_and_none_for_checksums_asks_for_none() {
    let storage = || Storage {
        variables: Vec::leak(vec![Variable::read_only(0); 1]),
        groups: Vec::leak(vec![group::Group::default(); 1]),
        curves: Vec::leak(vec![Curve::read_only(0, 0); 1]),
        checksums: &mut [],
        functions: Vec::leak(vec![Function { input: 0, output: 0 }; 1]),
    };
    let mut asked = Vec::new();
    let mut node = lists(GOOD);
    let mut discovery = Discovery::new(storage());
    let result = run(
        &mut discovery,
        &mut Client::new(),
        |request| {
            asked.push(request[0]);
            node(request)
        },
        |()| {},
    );
    assert_eq!(result.outcome, JobOutcome::Done);
    assert_eq!(asked, [0, 2, 4, 6, 8, 0xC]);
    for place in [1, 2, 4, 5] {
        let mut answers = GOOD;
        answers[place] = match place {
            1 => &[3, 0, 2, 1, 1],
            2 => &[5, 0, 2, 1, 1],
            4 => &[9, 0, 10, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1],
            _ => &[13, 0, 4, 1, 1, 1, 1],
        };
        let mut discovery = Discovery::new(storage());
        assert_eq!(
            run(&mut discovery, &mut Client::new(), lists(answers), |()| {}).outcome,
            JobOutcome::Failed(Error::TooMany)
        );
    }
}

#[test]
fn a_group_of_all_128_variables_is_as_writable_as_its_members_whatever_the_list_says() {
    for (kind, writable) in [(0x81, true), (1, false)] {
        for listed in [0x00, 0x80] {
            let node = move |request: &[u8]| {
                let all: Vec<u8> = (0..128).collect();
                Some(match request[0] {
                    0 => vec![1, 0, 3, 2, 30, 0],
                    2 => [&[3, 0, 128][..], &[kind; 128]].concat(),
                    4 => vec![5, 0, 4, 0, 0x80, 0x80, listed],
                    6 if request[3] == 0 || request[3] == 3 => [&[7, 0, 128][..], &all].concat(),
                    6 => vec![7, 0, 0],
                    code => vec![code + 1, 0, 0],
                })
            };
            let mut tables = Tables::new();
            let mut discovery = Discovery::new(tables.storage());
            assert_eq!(run(&mut discovery, &mut Client::new(), node, |()| {}).outcome, JobOutcome::Done);
            let groups = discovery.directory().groups;
            assert_eq!([groups[0].members.len(), groups[1].members.len(), groups[3].members.len()], [128, 0, 128]);
            assert_eq!(groups.iter().map(|group| group.writable).collect::<Vec<_>>(), [false, false, true, writable]);
        }
    }
}

#[test]
fn a_curve_of_65536_blocks_ends_and_one_short_block_ends_it_early() {
    let curve = Curve::read_only(2, 65_536);
    let blocks = |short: Option<u16>| {
        move |request: &[u8]| {
            let block = u16::from_be_bytes([request[4], request[5]]);
            let length = if Some(block) == short { 4 } else { 5 };
            Some([&[0x41, 0, length][..], &request[3..6], &[7, 7][..usize::from(length) - 3]].concat())
        }
    };
    let mut client = Client::new();
    let report = run(&mut ReadCurve::new(0, curve, ()), &mut client, blocks(None), |_| {});
    assert_eq!(
        (report.blocks, report.bytes, report.outcome),
        (65_536, 131_072, CurveOutcome::Done { verified: false })
    );
    let report = run(&mut ReadCurve::new(0, curve, Md5::default()), &mut client, blocks(Some(9)), |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (10, 19, CurveOutcome::Done { verified: false }));
    let report = run(&mut ReadCurve::new(0, curve, ()).with_all_blocks(), &mut client, blocks(Some(9)), |_| {});
    assert_eq!((report.blocks, report.bytes), (65_536, 131_071));
}

#[test]
fn the_checksum_of_a_transferred_curve_is_compared() {
    let curve = Curve::writable(2, 2);
    let md5_of_1234 = [0x08, 0xD6, 0xC0, 0x5A, 0x21, 0x51, 0x2A, 0x79, 0xA1, 0xDF, 0xEB, 0x9D, 0x2A, 0x8F, 0x26, 0x2F];
    let node = |answer: Vec<u8>| {
        move |request: &[u8]| {
            Some(match request[0] {
                0x40 => [&[0x41, 0, 5][..], &request[3..6], &[1 + 2 * request[5], 2 + 2 * request[5]]].concat(),
                0x41 => vec![0xE0, 0, 0],
                _ => answer.clone(),
            })
        }
    };
    let mut wrong = md5_of_1234;
    wrong[15] ^= 1;
    let mut client = Client::new();
    for (answer, expected) in [
        ([&[0xB, 0, 16][..], &md5_of_1234].concat(), CurveOutcome::Done { verified: true }),
        ([&[0xB, 0, 16][..], &wrong].concat(), CurveOutcome::Failed(Error::Checksum)),
        (vec![0xE2, 0, 0], CurveOutcome::Done { verified: false }),
        (vec![0xE8, 0, 0], CurveOutcome::Failed(Error::Remote(Refusal::Busy))),
    ] {
        let mut read = ReadCurve::new(0, curve, Md5::default());
        assert_eq!(run(&mut read, &mut client, node(answer.clone()), |_| {}).outcome, expected);
        let mut write = WriteCurve::new(0, curve, &[1, 2, 3, 4][..], Md5::default());
        assert_eq!(run(&mut write, &mut client, node(answer), |_| {}).outcome, expected);
    }
    // Of half a curve we do not know the rest.
    let mut write = WriteCurve::new(0, curve, &[1, 2][..], Md5::default());
    assert_eq!(run(&mut write, &mut client, node(vec![]), |_| {}).outcome, CurveOutcome::Done { verified: false });
}

/// A node as Sirius' power supplies are: the blocks that it returns are always whole, and its
/// checksum covers them.
fn whole_blocks(curve: Curve, content: Rc<RefCell<Vec<u8>>>) -> impl FnMut(&[u8]) -> Option<Vec<u8>> {
    use curve::Checksum;
    move |request| {
        let mut content = content.borrow_mut();
        let block = usize::from(curve.block);
        let at =
            usize::from(u16::from_be_bytes([*request.get(4).unwrap_or(&0), *request.get(5).unwrap_or(&0)])) * block;
        Some(match request[0] {
            0x40 => {
                let length = u16::try_from(block + 3).unwrap().to_be_bytes();
                [&[0x41][..], &length, &request[3..6], &content[at..at + block]].concat()
            }
            0x41 => {
                content[at..at + request.len() - 6].copy_from_slice(&request[6..]);
                vec![0xE0, 0, 0]
            }
            _ => {
                let mut md5 = Md5::default();
                md5.update(&content);
                [&[0xB, 0, 16][..], &md5.digest().unwrap()].concat()
            }
        })
    }
}

/// 1,000 floats into a curve for 1,024, as siriuspy writes them.
#[test]
fn a_good_write_of_a_short_last_block_is_good_on_a_node_whose_blocks_are_whole() {
    let curve = Curve::writable(1024, 4);
    let content = Rc::new(RefCell::new(vec![0xAA; 4096]));
    let data: Vec<u8> = (0..1000).flat_map(|n: u16| f32::from(n).to_le_bytes()).collect();
    let mut client = Client::new();
    let mut write = WriteCurve::new(0, curve, &data[..], Md5::default());
    let report = run(&mut write, &mut client, whole_blocks(curve, content.clone()), |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (4, 4000, CurveOutcome::Done { verified: true }));
    assert_eq!(content.borrow()[..4000], data);
    assert_eq!(content.borrow()[4000..], [0xAA; 96]);
    // And a bad one is bad.
    for spoilt in [0, 3999] {
        let mut node = whole_blocks(curve, content.clone());
        let mut write = WriteCurve::new(0, curve, &data[..], Md5::default());
        let spoil = |request: &[u8]| {
            let answer = node(request);
            if request[0] == 0x41 && request[5] == 3 {
                content.borrow_mut()[spoilt] ^= 1;
            }
            answer
        };
        assert_eq!(run(&mut write, &mut client, spoil, |_| {}).outcome, CurveOutcome::Failed(Error::Checksum));
    }
    // A node that will not show the block has stored it all the same.
    let mut node = whole_blocks(curve, content.clone());
    let refuse = |request: &[u8]| if request[0] == 0x40 { Some(vec![0xE8, 0, 0]) } else { node(request) };
    let mut write = WriteCurve::new(0, curve, &data[..], Md5::default());
    assert_eq!(run(&mut write, &mut client, refuse, |_| {}).outcome, CurveOutcome::Done { verified: false });
}

#[test]
fn a_part_of_a_curve_is_read_and_written() {
    let curve = Curve::writable(4, 8);
    let content = Rc::new(RefCell::new((0..32).collect::<Vec<u8>>()));
    let mut client = Client::new();
    for (first, count, blocks) in [(0, 8, 0..8), (0, 3, 0..3), (2, 3, 2..5), (6, 9, 6..8), (3, 0, 3..3), (9, 1, 0..0)] {
        let mut seen = Vec::new();
        let mut read = ReadCurve::new(0, curve, Md5::default()).with_blocks(first, count);
        let report = run(&mut read, &mut client, whole_blocks(curve, content.clone()), |event| {
            if let ReadEvent::Block { block, data } = event {
                seen.push((u32::from(block), data.to_vec()));
            }
        });
        let expected: Vec<_> =
            blocks.clone().map(|n: u32| (n, content.borrow()[n as usize * 4..][..4].to_vec())).collect();
        assert_eq!(seen, expected);
        let verified = blocks == (0..8);
        assert_eq!((report.blocks, report.outcome), (expected.len() as u32, CurveOutcome::Done { verified }));
    }
    let mut write = WriteCurve::new(0, curve, &[0xFF; 7][..], Md5::default()).with_first_block(3);
    let report = run(&mut write, &mut client, whole_blocks(curve, content.clone()), |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (2, 7, CurveOutcome::Done { verified: false }));
    let now = content.borrow();
    assert_eq!((now[11], &now[12..19], now[19]), (11, &[0xFF; 7][..], 19));
    drop(now);
    // To the last block, but not from the first: the checksum covers blocks that we have not seen.
    let mut write = WriteCurve::new(0, curve, &[0xFE; 8][..], Md5::default()).with_first_block(6);
    let report = run(&mut write, &mut client, whole_blocks(curve, content.clone()), |_| {});
    assert_eq!((report.blocks, report.outcome), (2, CurveOutcome::Done { verified: false }));
    // From the sixth block on there is room for two.
    let mut tx = [0; 16];
    for (len, fits) in [(8, true), (9, false)] {
        let data = vec![0; len];
        let mut write = WriteCurve::new(0, curve, &data[..], ()).with_first_block(6);
        assert_eq!(write.poll(&mut client, &mut tx) != Step::Done, fits);
        let outcome = if fits { CurveOutcome::Unfinished } else { CurveOutcome::Failed(Error::TooLarge) };
        assert_eq!(write.report().outcome, outcome);
    }
}

#[test]
fn a_routine_repeats_after_silence_and_gives_up_with_a_time_out() {
    let mut client = Client::new().with_retries(2);
    let curve = Curve::writable(2, 3);
    // Every first try is lost; the digest still counts each block once.
    let mut sent = Vec::new();
    let mut write = WriteCurve::new(0, curve, &[1, 2, 3, 4, 5][..], Md5::default());
    let digest = {
        use curve::Checksum;
        let mut md5 = Md5::default();
        md5.update(&[1, 2, 3, 4, 5]);
        md5.digest().unwrap()
    };
    let node = |request: &[u8]| {
        sent.push(request.to_vec());
        let again = sent.iter().filter(|earlier| *earlier == request).count() > 1;
        again.then(|| match request[0] {
            0x42 => [&[0xB, 0, 16][..], &digest].concat(),
            0x40 => vec![0x41, 0, 4, 0, 0, 2, 5],
            _ => vec![0xE0, 0, 0],
        })
    };
    let report = run(&mut write, &mut client, node, |_| {});
    assert_eq!((report.blocks, report.bytes, report.outcome), (3, 5, CurveOutcome::Done { verified: true }));
    assert_eq!(sent.len(), 10);

    let mut asked = 0;
    let mut tables = Tables::new();
    let mut discovery = Discovery::new(tables.storage());
    let result = run(
        &mut discovery,
        &mut client,
        |_| {
            asked += 1;
            None
        },
        |()| {},
    );
    assert_eq!((result.outcome, asked), (JobOutcome::Failed(Error::TimedOut), 3));
}

#[test]
fn what_cannot_be_the_answer_ends_no_wait_and_is_named_if_none_comes() {
    let mut client = Client::new().with_retries(1).with_drain(Duration::from_millis(300));
    let mut tx = [0; 64];
    let mut write = WriteCurve::new(0, Curve::writable(2, 2), &[1, 2, 3, 4][..], ());
    assert_eq!(write.drain(&client), Duration::from_millis(300));
    // Nothing was asked yet.
    assert_eq!(write.receive(&mut client, &[0xE0, 0, 0]), None);
    assert_eq!(write.poll(&mut client, &mut tx), Step::Send(8));
    // Five zeros, the answer to a read, an answer that is too long, half of one.
    for foreign in [&[0, 0, 0][..], &[0x11, 0, 1, 7], &[0xE0, 0, 1, 0], &[0xE0, 0], &[]] {
        assert_eq!(write.poll(&mut client, &mut tx), Step::Wait(client.timeout()));
        assert_eq!(write.receive(&mut client, foreign), None, "{foreign:02x?}");
    }
    assert_eq!(write.receive(&mut client, &[0xE0, 0, 0]), Some(WriteEvent::Block(0)));
    // The retry forgets what came before it.
    for last in [None, Some(&[0x11, 0, 1, 7][..])] {
        let mut write = WriteCurve::new(0, Curve::writable(2, 2), &[1, 2, 3, 4][..], ());
        for message in [Some(&[0, 0, 0][..]), last] {
            assert_eq!(write.poll(&mut client, &mut tx), Step::Send(8));
            assert_eq!(write.poll(&mut client, &mut tx), Step::Wait(client.timeout()));
            assert!(message.is_none_or(|message| write.receive(&mut client, message).is_none()));
            write.timed_out();
        }
        assert_eq!(write.poll(&mut client, &mut tx), Step::Done);
        let reason = last.map_or(Error::TimedOut, |_| Error::Unexpected(Command::VARIABLE_VALUE));
        assert_eq!(write.report().outcome, CurveOutcome::Failed(reason));
    }
}

#[test]
fn reports_say_what_happened_in_words() {
    let mut tables = Tables::new();
    let discovery = Discovery::new(tables.storage());
    assert_eq!(discovery.report().to_string(), "the discovery is not finished");
    let failed = CurveOutcome::Failed(Error::Remote(Refusal::Busy));
    assert_eq!(failed.to_string(), "the node refuses: resource busy");
    let read = ReadCurve::new(0, Curve::read_only(2, 2), ());
    assert_eq!(read.report().to_string(), "0 bytes in 0 blocks; not finished");
    assert_eq!(CurveOutcome::Done { verified: true }.to_string(), "the checksums are the same");
}
