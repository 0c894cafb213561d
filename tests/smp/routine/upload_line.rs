//! The upload routine with peers that misbehave, and with a model of Zephyr's server over a lossy
//! line.

use std::collections::VecDeque;

use anysmp::routine::{Routine, Step};
use anysmp::smp;
use anysmp::smp::client::Client;
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::{Error, Upload, UploadOutcome, UploadReport};

use crate::kit::random::Random;
use crate::routine::scripted::{Slot, at, is_parameters, parameters, raw, refused, run};

const SHA: [u8; 32] = [0x5A; 32];

/// Sizes that need no question.
fn known(buf_size: u32, buf_count: u32) -> ParametersResponse {
    ParametersResponse::new(buf_size, buf_count)
}

// Peers that misbehave.

#[test]
fn a_peer_that_always_wants_offset_0_is_given_up_after_sixteen_rounds() {
    let file = [7; 3000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![at(request, 0)]);
    assert_eq!((run.report.outcome, run.sent().count()), (UploadOutcome::Failed(Error::NoProgress), 16));
}

#[test]
fn a_peer_that_never_goes_on_is_given_up_after_sixteen_rounds() {
    let file = [7; 3000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![at(request, 100)]);
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::NoProgress));
    assert!(run.sent().count() <= 1 + 3 * 17, "{}", run.sent().count());
}

#[test]
fn a_peer_that_falls_back_again_and_again_is_given_up() {
    let file = [7; 3000];
    let (mut slot, mut upload) = (Slot::default(), Upload::new(&file[..]).with_parameters(known(384, 4)));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        if slot.flash.len() > 2000 {
            slot = Slot::default();
        }
        vec![slot.answer(request)]
    });
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::NoProgress));
}

#[test]
fn an_offset_beyond_the_file_is_an_error() {
    let file = [7; 3000];
    for off in [3001, u64::MAX] {
        let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
        let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![at(request, off)]);
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Offset));
    }
}

#[test]
fn answers_that_make_no_sense_are_an_error() {
    let file = [7; 3000];
    for payload in [&b"\xa0"[..], b"", b"\x01", b"\xa1\x63off\x20", b"\xa1\x63off\x63abc", b"\xff\xff"] {
        let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
        let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![raw(request, payload)]);
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Malformed), "{payload:02x?}");
    }
}

#[test]
fn a_peer_that_chatters_without_answering_is_given_up() {
    let file = [7; 3000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let (mut client, mut tx) = (Client::new(0), [0; 512]);
    for _ in 0..2000 {
        match upload.poll(&mut client, &mut tx) {
            Step::Send(_) => {}
            Step::Wait(_) => {
                // None of its messages makes the wait begin again, which is the line's to measure.
                let mut foreign = at(&tx, 100);
                foreign[6] ^= 0x80;
                assert_eq!(upload.receive(&mut client, &foreign), None);
                upload.timed_out();
            }
            Step::Reopen => panic!(),
            Step::Done => {
                assert_eq!(upload.report().outcome, UploadOutcome::Failed(Error::TimedOut));
                return;
            }
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn random_answers_end_in_a_bounded_number_of_steps() {
    let file = [7; 3000];
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut upload = Upload::new(&file[..]);
        let _ = run(&mut upload, &mut Client::new(0), 512, |request| {
            (0..random.below(3))
                .map(|_| match random.below(6) {
                    0 => at(request, random.below(3100)),
                    1 => at(request, random.below(60) * 50),
                    2 => parameters(request, random.next() as u32 >> random.below(32), random.below(9) as u32),
                    3 => refused(request, smp::Error::Smp(random.below(15) as i32)),
                    4 => {
                        let len = random.below(40) as usize;
                        raw(request, &random.bytes(len))
                    }
                    _ => {
                        let len = random.below(60) as usize;
                        random.bytes(len)
                    }
                })
                .collect()
        });
    }
}

// A lossy line.

/// One upload over a line that loses and doubles messages both ways and now and then delivers an
/// answer late, to a server with this many buffers.
fn lossy(seed: u64, file: &[u8], window: usize, retries: Option<u8>, buf_count: usize) -> (UploadReport, Vec<u8>) {
    let mut random = Random::new(seed);
    let mut client = Client::new(random.next() as u8);
    let mut upload = Upload::new(file).with_sha(SHA).with_window(window);
    if let Some(retries) = retries {
        upload = upload.with_retries(retries);
    }
    let mut tx = [0; 512];
    let (mut slot, mut queue, mut answers, mut late) = (Slot::default(), VecDeque::new(), VecDeque::new(), Vec::new());
    let mut cross = |message: Vec<u8>, random: &mut Random| {
        let copies = if random.percent(20) { 0 } else { 1 + usize::from(random.percent(5)) };
        vec![message; copies]
    };
    for _ in 0..500_000 {
        while !queue.is_empty() && random.percent(30) {
            serve(&mut queue, &mut answers, &mut late, &mut slot, &mut random, &mut cross);
        }
        match upload.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                assert!(len <= 380);
                for message in cross(tx[..len].to_vec(), &mut random) {
                    // A duplicate takes a buffer too, which no client can see.
                    if queue.len() < buf_count {
                        queue.push_back(message);
                    }
                }
            }
            Step::Wait(_) => {
                while answers.is_empty() && !queue.is_empty() {
                    serve(&mut queue, &mut answers, &mut late, &mut slot, &mut random, &mut cross);
                }
                match answers.pop_front() {
                    Some(answer) => drop(upload.receive(&mut client, &answer)),
                    None => {
                        upload.timed_out();
                        answers.extend(late.drain(..));
                    }
                }
            }
            Step::Reopen => panic!("seed {seed}"),
            Step::Done => return (upload.report(), slot.flash),
        }
    }
    panic!("seed {seed} does not end");
}

fn serve(
    queue: &mut VecDeque<Vec<u8>>,
    answers: &mut VecDeque<Vec<u8>>,
    late: &mut Vec<Vec<u8>>,
    slot: &mut Slot,
    random: &mut Random,
    cross: &mut impl FnMut(Vec<u8>, &mut Random) -> Vec<Vec<u8>>,
) {
    let request = queue.pop_front().unwrap();
    let answer = if is_parameters(&request) { parameters(&request, 384, 4) } else { slot.answer(&request) };
    for answer in cross(answer, random) {
        if random.percent(2) { late.push(answer) } else { answers.push_back(answer) }
    }
}

#[test]
fn a_lossy_line_delivers_every_byte() {
    let file = Random::new(1).bytes(65_536);
    let (mut sent, mut repeats) = ([0; 4], [0; 4]);
    for seed in 0..1000 {
        let window = 1 + seed as usize % 3;
        let (report, stored) = lossy(seed, &file, window, Some(32), 4);
        assert!(matches!(report.outcome, UploadOutcome::Done { .. }), "seed {seed}: {report:?}");
        assert!(stored == file, "seed {seed} stored something else");
        sent[window] += report.sent;
        repeats[window] += u64::from(report.repeats);
    }
    for window in 1..=3 {
        println!(
            "window {window}: {:.2} times the file sent, {} pieces twice",
            sent[window] as f64 / 65_536. / 333.,
            repeats[window] / 333
        );
    }
}

#[test]
fn with_default_settings_every_upload_over_a_lossy_line_succeeds() {
    let file = Random::new(1).bytes(65_536);
    for window in 1..=3 {
        for seed in 0..100 {
            let (report, stored) = lossy(seed, &file, window, None, 4);
            assert!(matches!(report.outcome, UploadOutcome::Done { .. }), "seed {seed}, window {window}: {report:?}");
            assert!(stored == file, "seed {seed} stored something else");
        }
    }
}
