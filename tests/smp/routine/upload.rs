//! The upload routine with scripted servers and a model of Zephyr's server.

use std::collections::VecDeque;
use std::time::Duration;

use anysmp::cbor::Writer;
use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::datagram::Datagram;
use anysmp::line::{Limits, Line};
use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::image::{self, UploadResponse};
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::{Error, FileDownload, FileUpload, Pacing, Upload, UploadOutcome, UploadReport};
use anysmp::smp::{self, Encode, Version};
use anysmp::source::{Source, SourceFailed};

use crate::routine::scripted::{Run, Slot, at, is_parameters, ok, parameters, piece, raw, refused, run, split};

use crate::kit::smp::with;

const SHA: [u8; 32] = [0x5A; 32];

const DONE: UploadOutcome = UploadOutcome::Done { already_present: false, verified: false };

/// An upload to a server that answers pieces like Zephyr, with buffers of this size and number.
fn upload(upload: Upload<&[u8]>, buf_size: u32, buf_count: u32) -> (Run<UploadReport>, Vec<u8>) {
    let mut slot = Slot::default();
    let mut upload = upload;
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        vec![if is_parameters(request) { parameters(request, buf_size, buf_count) } else { slot.answer(request) }]
    });
    (run, slot.flash)
}

/// Sizes that need no question.
fn known(buf_size: u32, buf_count: u32) -> ParametersResponse {
    ParametersResponse::new(buf_size, buf_count)
}

fn pieces(run: &Run<UploadReport>) -> Vec<(u64, usize)> {
    run.sent().filter_map(piece).map(|piece| (piece.off.unwrap(), piece.data.unwrap().len())).collect()
}

fn offsets(run: &Run<UploadReport>) -> Vec<u64> {
    pieces(run).into_iter().map(|(off, _)| off).collect()
}

fn sequences(run: &Run<UploadReport>) -> Vec<u8> {
    run.sent().map(|message| split(message).0.sequence).collect()
}

// Sizes.

/// The longest message of this form that is not above the limit, found by trying.
fn slow_longest(request: image::Upload<'_>, left: usize, limit: usize) -> Option<usize> {
    let data = [0; 4096];
    let mut buffer = [0; 5000];
    (1..=left.min(limit)).rev().find(|n| {
        let mut writer = Writer::new(&mut buffer);
        image::Upload { data: Some(data[..*n].into()), ..request }.encode(&mut writer).unwrap();
        8 + writer.len() <= limit
    })
}

/// The limits of a link with this framing.
fn limits(framing: impl Framing) -> Limits {
    Line::new(framing, &mut [0; 4096][..]).unwrap().limits()
}

#[test]
fn every_piece_fills_its_message_for_every_limit() {
    let file = [7; 70_000];
    for limit in 62..=4096_usize {
        let all = image::Upload {
            image: Some(3),
            len: Some(70_000),
            off: Some(0),
            sha: Some((&SHA[..]).into()),
            upgrade: Some(true),
            data: None,
        };
        let forms = [all, image::Upload { sha: None, ..all }];
        let found = forms
            .into_iter()
            .find_map(|form| slow_longest(form, 70_000, limit).filter(|n| *n >= 32).map(|n| (form, n)));
        let settings =
            Upload::new(&file[..]).with_sha(SHA).with_image(3).with_upgrade_only(true).with_overhead(4).with_window(1);
        let mut upload = settings.with_parameters(known(limit as u32 + 4, 2));
        let (mut client, mut tx) = (Client::new(0), [0; 4096]);
        let step = upload.poll(&mut client, &mut tx);
        // Image and `upgrade` are wishes: without them something else would be uploaded.
        let Some((form, first)) = found else {
            assert_eq!(upload.report().outcome, UploadOutcome::Failed(Error::BufferFull), "{limit}");
            continue;
        };
        let Step::Send(len) = step else { panic!("nothing sent at {limit}") };
        let sent = piece(&tx[..len]).unwrap();
        assert_eq!(sent.data.unwrap().len(), first, "first piece at {limit}");
        assert_eq!(image::Upload { data: None, ..sent }, form, "keys at {limit}");
        assert!(len == limit || len + 1 == limit, "{len} of {limit}");
        // None within the piece before it: that would mean that the device accepts whole flash
        // writes.
        for off in [first as u64, 65_536, 65_530, 300, 200, 20] {
            let answer = at(&tx[..len], off);
            let _ = upload.receive(&mut client, &answer);
            if !matches!(upload.poll(&mut client, &mut tx), Step::Send(_)) {
                panic!("nothing sent for {off} at {limit}");
            }
            let sent = piece(&tx).unwrap();
            let form = image::Upload { off: Some(off), image: Some(3), ..image::Upload::default() };
            let expected = slow_longest(form, 70_000 - off as usize, limit).unwrap();
            assert_eq!((sent.off, sent.data.unwrap().len()), (Some(off), expected), "limit {limit}");
            assert_eq!((sent.len, sent.sha, sent.image, sent.upgrade), (None, None, Some(3), None));
        }
    }
}

#[test]
fn only_a_longer_data_head_leaves_a_byte_unused() {
    let file = [7; 70_000];
    let mut short = Vec::new();
    for limit in 62..=4096_usize {
        let mut upload = Upload::new(&file[..]).with_parameters(known(limit as u32 + 4, 2));
        let (mut client, mut tx) = (Client::new(0), [0; 4096]);
        let step = upload.poll(&mut client, &mut tx);
        if step != Step::Send(limit) {
            assert_eq!(step, Step::Send(limit - 1));
            short.push(limit);
        }
    }
    assert_eq!(short, [28 + 258], "28 bytes beside the data and its head, and room for 258");
}

#[test]
fn limits_below_62_are_an_error() {
    for limit in 0..62 {
        let file = [7; 1000];
        let mut upload = Upload::new(&file[..]).with_parameters(known(limit + 4, 2));
        let run = run(&mut upload, &mut Client::new(0), 4096, |_| panic!("sent"));
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::BufferFull));
    }
}

#[test]
fn the_buffer_for_sending_limits_the_message_too() {
    let file = [7; 1000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(2048, 2));
    assert_eq!(upload.poll(&mut Client::new(0), &mut [0; 100]), Step::Send(100));
}

#[test]
fn a_file_shorter_than_an_image_header_is_sent_as_it_is() {
    let file = [7; 5];
    let mut upload = Upload::new(&file[..]);
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        vec![if is_parameters(request) { parameters(request, 384, 4) } else { at(request, 5) }]
    });
    assert_eq!((run.report.outcome, pieces(&run)), (DONE, vec![(0, 5)]));
}

#[test]
fn an_empty_file_is_an_error() {
    let mut upload = Upload::new(&[][..]);
    let run = run(&mut upload, &mut Client::new(0), 512, |_| panic!("sent"));
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Empty));
}

#[test]
fn the_overhead_is_subtracted_from_the_buffer_of_the_device() {
    let file = [7; 2000];
    for (overhead, longest) in [(0, 384), (4, 380)] {
        let (run, stored) = upload(Upload::new(&file[..]).with_overhead(overhead), 384, 4);
        assert_eq!(run.sent().map(<[u8]>::len).max(), Some(longest));
        assert_eq!((run.report.outcome, stored), (DONE, file.to_vec()));
    }
}

#[test]
fn the_framing_says_the_overhead_and_how_many_requests_are_usual() {
    let file = [7; 20_000];
    let (console, datagram) = (
        Upload::new(&file[..]).with_limits(limits(Console::new(&mut [0; 384]))).with_parameters(known(384, 4)),
        Upload::new(&file[..]).with_limits(limits(Datagram::new(&mut [0; 384]))).with_parameters(known(384, 4)),
    );
    for (mut upload, longest) in [(console, 380), (datagram, 384)] {
        assert_eq!(upload.poll(&mut Client::new(0), &mut [0; 512]), Step::Send(longest));
    }
    for (buffers, console, datagram) in [(4, 3, 3), (20, 8, 4), (1, 1, 1)] {
        let upload = |limits| most_outstanding(Upload::new(&file[..]).with_limits(limits), buffers);
        assert_eq!(upload(limits(Console::new(&mut [0; 384]))), console);
        assert_eq!(upload(limits(Datagram::new(&mut [0; 384]))), datagram);
    }
}

#[test]
fn nothing_of_the_file_is_printed() {
    let file = *b"a secret that is long enough for a piece";
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let _ = upload.poll(&mut Client::new(0), &mut [0; 512]);
    let printed = format!("{upload:?}");
    assert!(printed.contains("40") && !printed.contains("101, 99, 114") && !printed.contains("secret"), "{printed}");
}

#[test]
fn a_device_without_parameters_gets_small_messages_one_at_a_time() {
    let file = [7; 2000];
    for answers in [true, false] {
        let mut slot = Slot::default();
        let mut upload = Upload::new(&file[..]);
        let run = run(&mut upload, &mut Client::new(0), 4096, |request| match (is_parameters(request), answers) {
            (true, true) => vec![refused(request, smp::Error::NOT_SUPPORTED)],
            (true, false) => vec![],
            _ => vec![slot.answer(request)],
        });
        assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
        assert_eq!(run.sent().map(<[u8]>::len).max(), Some(169));
    }
}

#[test]
fn the_message_limit_is_the_size_for_a_device_without_parameters() {
    let file = [7; 2000];
    let mut slot = Slot::default();
    let mut upload = Upload::new(&file[..]).with_max_message(900);
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        vec![if is_parameters(request) { refused(request, smp::Error::NOT_SUPPORTED) } else { slot.answer(request) }]
    });
    assert_eq!(run.sent().map(<[u8]>::len).max(), Some(900));
}

// The window.

/// The most requests that were outstanding at once, with a server that answers only when the client
/// waits.
fn most_outstanding(upload: Upload<&[u8]>, buf_count: u32) -> usize {
    let (mut client, mut tx, mut slot) = (Client::new(250), [0; 512], Slot::default());
    let mut upload = upload.with_parameters(known(384, buf_count));
    let (mut queue, mut most) = (VecDeque::new(), 0);
    loop {
        match upload.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                queue.push_back(tx[..len].to_vec());
                most = most.max(queue.len());
            }
            Step::Wait(_) => {
                let answer = slot.answer(&queue.pop_front().unwrap());
                let _ = upload.receive(&mut client, &answer);
            }
            Step::Reopen => panic!(),
            Step::Done => {
                assert_eq!(upload.report().outcome, DONE);
                assert_eq!(upload.report().repeats, 0);
                return most;
            }
        }
    }
}

#[test]
fn one_buffer_of_the_device_stays_free() {
    let file = [7; 20_000];
    for (window, buf_count, most) in
        [(8, 4, 3), (2, 4, 2), (8, 1, 1), (8, 0, 1), (8, 2, 1), (8, 20, 8), (99, 20, 8), (0, 4, 1)]
    {
        assert_eq!(
            most_outstanding(Upload::new(&file[..]).with_window(window), buf_count),
            most,
            "{window} of {buf_count}"
        );
    }
}

#[test]
fn the_first_piece_travels_alone() {
    let file = [7; 2000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let (mut client, mut tx) = (Client::new(0), [0; 512]);
    let Step::Send(len) = upload.poll(&mut client, &mut tx) else { panic!() };
    assert_eq!(upload.poll(&mut client, &mut [0; 512]), Step::Wait(Client::TIMEOUT));
    let _ = upload.receive(&mut client, &at(&tx[..len], 100));
    assert!(matches!(upload.poll(&mut client, &mut tx), Step::Send(_)));
    assert!(matches!(upload.poll(&mut client, &mut tx), Step::Send(_)));
}

#[test]
fn a_lost_piece_takes_the_upload_back_to_the_named_offset() {
    let file: Vec<u8> = (0..3000).map(|n| (n / 7) as u8).collect();
    let mut slot = Slot::default();
    let mut seen = 0;
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        seen += 1;
        if seen == 3 { vec![] } else { vec![slot.answer(request)] }
    });
    assert_eq!((run.report.outcome, &slot.flash), (DONE, &file));
    assert_eq!(run.waited(), [], "the answers to the other pieces tell of the loss at once");
    assert!(run.report.repeats > 0 && run.report.foreign > 0, "{:?}", run.report);
    let mut numbers = sequences(&run);
    numbers.dedup();
    assert_eq!(numbers.len(), run.sent().count(), "new numbers after a step back");
}

#[test]
fn a_lost_answer_in_a_window_costs_nothing() {
    let file: Vec<u8> = (0..6000).map(|n| (n / 7) as u8).collect();
    let (mut slot, mut seen) = (Slot::default(), 0);
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        seen += 1;
        let answer = slot.answer(request);
        if seen == 5 { vec![] } else { vec![answer] }
    });
    assert_eq!((run.report.outcome, &slot.flash), (DONE, &file));
    assert_eq!((run.report.repeats, run.waited()), (0, vec![]));
}

#[test]
fn a_device_that_is_further_is_followed_at_once() {
    let file = [7; 9000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let (mut client, mut tx) = (Client::new(0), [0; 512]);
    assert!(matches!(upload.poll(&mut client, &mut tx), Step::Send(_)));
    let first = piece(&tx).unwrap().data.unwrap().len() as u64;
    let _ = upload.receive(&mut client, &at(&tx, first));
    let mut window = vec![];
    while let Step::Send(len) = upload.poll(&mut client, &mut tx) {
        window.push(tx[..len].to_vec());
    }
    let _ = upload.receive(&mut client, &at(&window[0], 5000));
    for request in &window[1..] {
        let Step::Send(len) = upload.poll(&mut client, &mut tx) else { panic!("the window is not open") };
        assert!(piece(&tx[..len]).unwrap().off >= Some(5000));
        let _ = upload.receive(&mut client, &at(request, 5000));
    }
    assert_eq!((upload.report().foreign, upload.report().repeats, upload.report().off), (2, 0, 5000));
}

#[test]
fn a_repeat_carries_what_the_piece_carried_whatever_buffer_is_given() {
    let file = [7; 9000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let (mut client, mut small, mut large) = (Client::new(0), [0; 200], [0; 512]);
    assert_eq!(upload.poll(&mut client, &mut small), Step::Send(200));
    upload.timed_out();
    assert_eq!(upload.poll(&mut client, &mut large), Step::Send(200));
    assert_eq!(small, large[..200]);
}

// Offsets.

#[test]
fn an_interrupted_upload_goes_on_where_it_stopped() {
    let file: Vec<u8> = (0..5000).map(|n| (n / 7) as u8).collect();
    let mut slot = Slot::default();
    let mut lost = 0;
    let mut first = Upload::new(&file[..]).with_sha(SHA).with_parameters(known(384, 4));
    let mut server = |request: &[u8]| {
        lost += 1;
        if lost > 5 { vec![] } else { vec![slot.answer(request)] }
    };
    assert_eq!(
        run(&mut first, &mut Client::new(0), 512, &mut server).report.outcome,
        UploadOutcome::Failed(Error::TimedOut)
    );
    let reached = slot.flash.len();
    let mut second = Upload::new(&file[..]).with_sha(SHA).with_parameters(known(384, 4));
    let run = run(&mut second, &mut Client::new(0), 512, |request| vec![slot.answer(request)]);
    assert_eq!((run.report.outcome, slot.erased, &slot.flash), (DONE, 1, &file));
    assert_eq!(offsets(&run)[..2], [0, reached as u64]);
}

#[test]
fn a_file_that_is_there_already_is_reported() {
    let file = [7; 5000];
    let mut upload = Upload::new(&file[..]).with_sha(SHA).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        vec![ok(request, &with(UploadResponse::new(5000), |it| it.matches = Some(true)))]
    });
    assert_eq!(run.report.outcome, UploadOutcome::Done { already_present: true, verified: true });
    assert_eq!((run.sent().count(), run.report.off), (1, 5000));
}

#[test]
fn a_device_that_takes_less_is_followed() {
    let file: Vec<u8> = (0..3000).map(|n| (n / 7) as u8).collect();
    let mut stored = Vec::new();
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 1));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        let piece = piece(request).unwrap();
        let data = piece.data.unwrap().as_slice().unwrap();
        assert_eq!(piece.off, Some(stored.len() as u64));
        let last = stored.len() + data.len() == 3000;
        stored.extend_from_slice(if last { data } else { &data[..data.len() / 16 * 16] });
        vec![at(request, stored.len() as u64)]
    });
    assert_eq!((run.report.outcome, stored), (DONE, file));
}

/// A device that stores only what fills its flash writes, and what is last; returns the report and
/// the lengths of the pieces.
fn upload_in_writes(len: usize, limit: usize, window: u32, write: u64) -> (UploadReport, Vec<usize>) {
    let file: Vec<u8> = (0..len).map(|n| (n / 7) as u8).collect();
    let mut stored = Vec::new();
    let mut upload = Upload::new(&file[..]).with_max_message(limit);
    if window > 1 {
        upload = upload.with_parameters(known(limit as u32 + 4, window + 1));
    }
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        if is_parameters(request) {
            return vec![refused(request, smp::Error::NOT_SUPPORTED)];
        }
        let piece = piece(request).unwrap();
        let data = piece.data.unwrap().as_slice().unwrap();
        if piece.off == Some(stored.len() as u64) {
            let end = stored.len() + data.len();
            let end = if end == len { end } else { end / write as usize * write as usize };
            stored.extend_from_slice(&data[..end - stored.len()]);
        }
        vec![at(request, stored.len() as u64)]
    });
    assert_eq!((run.report.outcome, &stored), (DONE, &file), "{limit} {window} {write}");
    let lengths = pieces(&run).iter().map(|(_, len)| *len).collect();
    (run.report, lengths)
}

#[test]
fn pieces_end_where_the_device_writes_once_it_has_cut_some() {
    for write in [1, 2, 4, 8, 16, 32] {
        for limit in [100, 128, 169, 200, 252, 380, 508, 1020, 1024] {
            for window in [1, 3] {
                let (report, lengths) = upload_in_writes(31_000, limit, window, write);
                let what = format!("writes of {write}, messages of {limit}, window {window}: {report:?}");
                // A cut may show only a part of how long the writes are, and each gives up a
                // window.
                assert!(report.repeats <= 3 * window, "{what}");
                // The pieces that the device itself would have made of them; an eighth may go
                // beyond.
                let longest = *lengths.iter().max().unwrap();
                let usual = lengths[lengths.len() / 2];
                assert!(usual >= (longest / write as usize * write as usize).min(longest * 7 / 8), "{what}: {usual}");
                assert!(lengths.len() <= 31_000 / usual + 3 + 3 * window as usize, "{what}: {}", lengths.len());
            }
        }
    }
}

#[test]
fn a_unit_of_which_just_half_was_left_over_is_kept_to() {
    const UNIT: usize = 64;
    let (file, mut seen) = (vec![7; 3000], 0);
    for limit in 100..400 {
        let mut off = 0;
        let run = run(&mut Upload::new(&file[..]).with_max_message(limit), &mut Client::new(0), 4096, |request| {
            if is_parameters(request) {
                return vec![refused(request, smp::Error::NOT_SUPPORTED)];
            }
            let piece = piece(request).unwrap();
            let end = piece.off.unwrap() as usize + piece.data.unwrap().len();
            // It takes whole units, but of the first piece all, whatever that is.
            off = if off == 0 || end == file.len() { end } else { off.max(end / UNIT * UNIT) };
            vec![at(request, off as u64)]
        });
        assert_eq!(run.report.outcome, DONE);
        let pieces = pieces(&run);
        let ends: Vec<usize> = pieces.iter().map(|(off, len)| *off as usize + len).collect();
        // A unit above a quarter of the piece, or a larger one would do as well.
        if ends[1] % UNIT == UNIT / 2 && pieces[1].1 < 4 * UNIT {
            assert_eq!(ends[2] % UNIT, 0, "{limit}: {pieces:?}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_device_that_cuts_at_odd_places_gets_everything_in_pieces_of_a_good_length() {
    let file: Vec<u8> = (0..31_000).map(|n| (n / 7) as u8).collect();
    for seed in 0..200 {
        let (mut random, mut stored) = (crate::kit::random::Random::new(seed), Vec::new());
        let mut upload = Upload::new(&file[..]);
        let run = run(&mut upload, &mut Client::new(0), 512, |request| {
            if is_parameters(request) {
                return vec![refused(request, smp::Error::NOT_SUPPORTED)];
            }
            let piece = piece(request).unwrap();
            let data = piece.data.unwrap().as_slice().unwrap();
            assert_eq!(piece.off, Some(stored.len() as u64));
            let last = stored.len() + data.len() == file.len();
            let taken = if last { data.len() } else { data.len() - random.below(data.len() as u64 / 2) as usize };
            stored.extend_from_slice(&data[..taken]);
            vec![at(request, stored.len() as u64)]
        });
        assert_eq!((run.report.outcome, &stored), (DONE, &file), "seed {seed}");
        let lengths: Vec<_> = pieces(&run).iter().map(|(_, len)| *len).collect();
        let (longest, mean) = (*lengths.iter().max().unwrap(), lengths.iter().sum::<usize>() / lengths.len());
        assert!(mean >= longest * 7 / 8, "seed {seed}: {mean} of {longest}");
    }
}

#[test]
fn a_device_that_forgot_gets_the_first_piece_with_all_keys_again() {
    let file = [7; 3000];
    let mut slot = Slot::default();
    let mut seen = 0;
    let mut upload =
        Upload::new(&file[..]).with_sha(SHA).with_image(1).with_upgrade_only(true).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        seen += 1;
        if seen == 5 {
            slot = Slot::default();
        }
        vec![slot.answer(request)]
    });
    assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
    let firsts: Vec<_> = run.sent().filter_map(piece).filter(|piece| piece.off == Some(0)).collect();
    assert_eq!(firsts.len(), 2);
    assert_eq!(firsts[0], firsts[1]);
    assert_eq!(
        (firsts[1].sha, firsts[1].image, firsts[1].upgrade, firsts[1].len),
        (Some((&SHA[..]).into()), Some(1), Some(true), Some(3000))
    );
}

#[test]
fn a_mismatch_is_a_failure_and_no_verdict_is_none() {
    let file = [7; 100];
    for (matches, outcome) in [
        (Some(false), UploadOutcome::Failed(Error::Mismatch)),
        (None, DONE),
        (Some(true), UploadOutcome::Done { already_present: false, verified: true }),
    ] {
        let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
        let run = run(&mut upload, &mut Client::new(0), 512, |request| {
            vec![ok(request, &with(UploadResponse::new(100), |it| it.matches = matches))]
        });
        assert_eq!(run.report.outcome, outcome);
    }
}

// Time.

#[test]
fn first_and_last_piece_get_more_time() {
    let file = [7; 1000];
    let late = |which: usize, timeouts: Option<(Duration, Duration)>| {
        let mut upload = Upload::new(&file[..]).with_sha(SHA).with_window(1).with_parameters(known(384, 4));
        if let Some((first, last)) = timeouts {
            upload = upload.with_timeouts(first, last);
        }
        let mut slot = Slot::default();
        let run = run(&mut upload, &mut Client::new(0), 512, |request| {
            let off = piece(request).unwrap().off.unwrap();
            if [off == 0, off > 600][which] { vec![] } else { vec![slot.answer(request)] }
        });
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::TimedOut));
        let waited = run.waited();
        assert!(waited.iter().all(|wait| *wait == Client::TIMEOUT), "asked again in between: {waited:?}");
        waited.into_iter().sum::<Duration>().as_secs()
    };
    assert_eq!((late(0, None), late(1, None)), (40, 30));
    let times = Some((Duration::from_secs(5), Duration::from_secs(10)));
    assert_eq!((late(0, times), late(1, times)), (5, 10));
}

#[test]
fn a_repeat_is_the_same_message_with_the_same_number_until_the_silence_is_too_long() {
    let file = [7; 3000];
    // By default silence ends it, else the number of repeats.
    for (retries, waits) in [(None, 12), (Some(5), 6)] {
        let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
        if let Some(retries) = retries {
            upload = upload.with_retries(retries);
        }
        let mut slot = Slot::default();
        let run = run(&mut upload, &mut Client::new(9), 512, |request| {
            if piece(request).unwrap().off == Some(0) { vec![slot.answer(request)] } else { vec![] }
        });
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::TimedOut));
        let sent: Vec<_> = run.sent().collect();
        assert_eq!(sent.len(), 1 + 3 + waits - 1, "the first, a window, repeats of the oldest");
        assert!(sent[4..].iter().all(|repeat| *repeat == sent[1]));
        let report = (run.report.repeats as usize, run.waited().len(), run.report.off);
        assert_eq!(report, (waits - 1, waits, slot.flash.len() as u64));
        // Nothing was measured, since no time has passed: the client's timeout.
        assert!(run.waited().iter().all(|wait| *wait == Client::TIMEOUT), "{:?}", run.waited());
    }
}

#[test]
fn a_late_answer_is_a_right_answer() {
    let file = [7; 3000];
    let mut upload = Upload::new(&file[..]).with_window(1).with_parameters(known(384, 4));
    let (mut slot, mut late) = (Slot::default(), None);
    let run = run(&mut upload, &mut Client::new(9), 512, |request| {
        let answer = slot.answer(request);
        match late.take() {
            None if piece(request).unwrap().off != Some(0) => {
                late = Some(answer);
                vec![]
            }
            None => vec![answer],
            Some(late) => vec![late, answer],
        }
    });
    assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
    assert!(run.report.foreign > 0);
}

#[test]
fn it_can_be_stopped_between_two_steps_and_run_on() {
    let file = [7; 3000];
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let (mut client, mut tx, mut slot) = (Client::new(0), [0; 512], Slot::default());
    for _ in 0..3 {
        if let Step::Send(len) = upload.poll(&mut client, &mut tx) {
            let answer = slot.answer(&tx[..len]);
            let _ = upload.receive(&mut client, &answer);
        }
    }
    // The program does something else, and messages are lost meanwhile.
    let _ = upload.poll(&mut client, &mut tx);
    assert_eq!(upload.report().outcome, UploadOutcome::Unfinished);
    let run = run(&mut upload, &mut client, 512, |request| vec![slot.answer(request)]);
    assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
}

// Errors and versions.

#[test]
fn an_error_of_the_server_is_final() {
    let file = [7; 3000];
    for error in [smp::error::image::NO_FREE_SLOT, smp::Error::BUSY, smp::Error::Smp(-5)] {
        let mut upload = Upload::new(&file[..]);
        let run = run(&mut upload, &mut Client::new(0), 512, |request| {
            vec![if is_parameters(request) { parameters(request, 384, 4) } else { refused(request, error) }]
        });
        assert_eq!((run.report.outcome, run.sent().count()), (UploadOutcome::Failed(Error::Remote(error)), 2));
    }
}

/// Without a framing, when a UART loses a byte of the first copy, the second one completes it: seen
/// at the real MCUboot.
#[test]
fn a_refusal_of_what_was_sent_twice_is_not_believed_before_a_single_copy_is_refused() {
    let file = [7; 3000];
    for (lost, is_final) in [(0, false), (1, false), (0, true), (1, true)] {
        let (mut slot, mut seen) = (Slot::default(), 0);
        let mut upload = Upload::new(&file[..]).with_parameters(known(1024, 1));
        let run = run(&mut upload, &mut Client::new(0), 1024, |request| {
            seen += 1;
            match seen - 1 - lost {
                0 => vec![],
                1 => vec![refused(request, smp::Error::INVALID)],
                2 if is_final => vec![refused(request, smp::Error::INVALID)],
                _ => vec![slot.answer(request)],
            }
        });
        let numbers: Vec<_> =
            run.sent().skip(lost as usize).map(|message| message[6] as usize - lost as usize).collect();
        assert_eq!(numbers[..3], [0, 0, 1], "a repeat has its number, what is sent anew a new one");
        if is_final {
            let refused = UploadOutcome::Failed(Error::Remote(smp::Error::INVALID));
            assert_eq!((run.report.outcome, numbers.len()), (refused, 3));
        } else {
            assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
        }
    }
}

#[test]
fn a_device_that_never_understands_what_is_repeated_is_given_up() {
    let file = [7; 3000];
    let (mut slot, mut seen) = (Slot::default(), 0);
    let mut upload = Upload::new(&file[..]).with_parameters(known(1024, 1));
    let run = run(&mut upload, &mut Client::new(0), 1024, |request| {
        seen += 1;
        match seen {
            1 => vec![slot.answer(request)],
            _ if seen % 2 == 0 => vec![],
            _ => vec![refused(request, smp::Error::INVALID)],
        }
    });
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Remote(smp::Error::INVALID)));
    assert!((5..100).contains(&seen), "{seen}");
}

#[test]
fn a_device_that_is_out_of_buffers_is_given_a_rest() {
    let file = [7; 3000];
    let (mut slot, mut seen) = (Slot::default(), 0);
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        seen += 1;
        vec![if seen == 3 { refused(request, smp::Error::NO_MEMORY) } else { slot.answer(request) }]
    });
    assert_eq!((run.report.outcome, &slot.flash[..], run.waited()), (DONE, &file[..], vec![Client::TIMEOUT]));
}

#[test]
fn a_device_that_stays_busy_is_given_up() {
    let file = [7; 3000];
    let mut slot = Slot::default();
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        let first = piece(request).unwrap().off == Some(0);
        vec![if first { slot.answer(request) } else { refused(request, smp::Error::BUSY) }]
    });
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Remote(smp::Error::BUSY)));
}

#[test]
fn the_other_version_is_taken_once() {
    let file = [7; 3000];
    for (start, refusal, wanted) in
        [(Version::V2, smp::Error::VERSION_TOO_NEW, 0x00), (Version::V1, smp::Error::VERSION_TOO_OLD, 0x08)]
    {
        for knows_parameters in [false, true] {
            let mut slot = Slot::default();
            let mut upload = Upload::new(&file[..]);
            if knows_parameters {
                upload = upload.with_parameters(known(384, 4));
            }
            let mut client = Client::new(0).with_version(start);
            let run = run(&mut upload, &mut client, 512, |request| {
                vec![if request[0] & 0x18 != wanted {
                    refused(request, refusal)
                } else if is_parameters(request) {
                    parameters(request, 384, 4)
                } else {
                    slot.answer(request)
                }]
            });
            assert_eq!((run.report.outcome, &slot.flash[..]), (DONE, &file[..]));
            assert_eq!(run.sent().filter(|message| message[0] & 0x18 != wanted).count(), 1);
        }
    }
    let mut upload = Upload::new(&file[..]).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        let refusal = if request[0] & 0x18 == 0 { smp::Error::VERSION_TOO_OLD } else { smp::Error::VERSION_TOO_NEW };
        vec![refused(request, refusal)]
    });
    assert!(matches!(run.report.outcome, UploadOutcome::Failed(Error::Remote(_))), "{:?}", run.report);
    assert_eq!(run.sent().count(), 2);
}

#[test]
fn a_recovery_loader_with_flat_codes_is_served() {
    let file = [7; 3000];
    let mut off = 0;
    let mut upload = Upload::new(&file[..]);
    let run = run(&mut upload, &mut Client::new(0), 2048, |request| {
        if is_parameters(request) {
            return vec![raw(request, b"\xbf\x62rc\x08\xff")];
        }
        off += piece(request).unwrap().data.unwrap().len();
        let mut payload = b"\xbf\x62rc\x00\x63off\x19".to_vec();
        payload.extend_from_slice(&(off as u16).to_be_bytes());
        payload.push(0xFF);
        vec![raw(request, &payload)]
    });
    assert_eq!((run.report.outcome, off), (DONE, 3000));
}

struct Broken;

impl Source for Broken {
    fn len(&self) -> u64 {
        5000
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        into.fill(7);
        if offset > 1000 { Err(SourceFailed) } else { Ok(()) }
    }
}

#[test]
fn a_source_that_fails_ends_the_upload() {
    let mut slot = Slot::default();
    let mut upload = Upload::new(Broken).with_parameters(known(384, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![slot.answer(request)]);
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::Source));
}

#[cfg(feature = "sha2")]
#[test]
fn the_sha_is_that_of_the_whole_file() {
    use anysmp::smp::routine::sha256;

    let file: Vec<u8> = (0..1000).map(|n| n as u8).collect();
    let sha = sha256(&mut &file[..], file.len() as u64).unwrap();
    let mut upload = Upload::new(&file[..]).with_sha(sha).with_parameters(known(384, 4));
    let mut tx = [0; 512];
    let Step::Send(len) = upload.poll(&mut Client::new(0), &mut tx) else { panic!() };
    use sha2::Digest;
    let expected: [u8; 32] = sha2::Sha256::digest(&file).into();
    assert_eq!(piece(&tx[..len]).unwrap().sha, Some((&expected[..]).into()));
}

#[test]
fn the_state_is_small() {
    // Without the source, and without the digest of the file, at most 128 bytes.
    let len = size_of::<Upload<&[u8]>>();
    assert!(len <= size_of::<&[u8]>() + 128 + 32, "{len}");
}

/// Calls `each` with all orders of the numbers from 0 to `rest.len()`.
fn orders(first: &mut Vec<usize>, rest: &[usize], each: &mut impl FnMut(&[usize])) {
    if rest.is_empty() {
        each(first);
    }
    for (at, next) in rest.iter().enumerate() {
        first.push(*next);
        orders(first, &[&rest[..at], &rest[at + 1..]].concat(), each);
        first.pop();
    }
}

/// Makes the same settings in all orders, and compares what the routine prints and what it sends
/// first.
fn in_all_orders<R: Routine<Client = Client> + core::fmt::Debug>(new: impl Fn() -> R, set: &[fn(R) -> R]) -> String {
    let mut known = None;
    orders(&mut Vec::new(), &(0..set.len()).collect::<Vec<_>>(), &mut |order| {
        let mut routine = order.iter().fold(new(), |routine, at| set[*at](routine));
        let (printed, mut tx) = (format!("{routine:?}"), [0; 512]);
        let step = routine.poll(&mut Client::new(0), &mut tx);
        let both = (printed, step, tx);
        assert_eq!(*known.get_or_insert_with(|| both.clone()), both, "{order:?}");
    });
    known.unwrap().0
}

/// Asserts that all of these were printed.
fn shows(printed: &str, all: [&str; 3]) {
    assert!(all.iter().all(|text| printed.contains(text)), "{all:?} in {printed}");
}

#[test]
fn the_settings_of_a_transfer_do_not_depend_on_the_order_in_which_they_are_made() {
    static FILE: [u8; 900] = [7; 900];
    let datagram = |upload: Upload<&'static [u8]>| upload.with_limits(limits(Datagram::new(&mut [0; 384])));
    let printed = in_all_orders(
        || Upload::new(&FILE[..]),
        &[
            datagram,
            |upload| upload.with_window(3),
            |upload| upload.with_overhead(9),
            |upload| upload.with_sha(SHA),
            |upload| upload.with_len(700),
            |upload| upload.with_parameters(known(384, 4)),
            |upload| upload.with_max_message(300),
        ],
    );
    shows(&printed, ["window: 3,", "overhead: 9,", "chosen: {Overhead, Window, MaxMessage},"]);
    let printed = in_all_orders(|| Upload::new(&FILE[..]), &[datagram, |upload| upload.with_retries(2)]);
    shows(&printed, ["window: 4,", "overhead: 0,", "chosen: {}, suggested: true"]);
    // A pacing changes what was set in it, and nothing else.
    let time = Duration::from_secs(3);
    let printed = in_all_orders(
        || Upload::new(&FILE[..]),
        &[
            datagram,
            |upload| upload.with_window(3),
            |upload| upload.with_pacing(Pacing::new().with_overhead(9)),
            |upload| upload.with_parameters(known(384, 4)),
            |upload| upload.with_timeouts(Duration::from_secs(3), Duration::from_secs(3)),
        ],
    );
    shows(&printed, ["window: 3,", "overhead: 9,", "chosen: {Overhead, Window, Timeouts},"]);
    assert!(printed.contains(&format!("first: Span({})", time.as_micros())), "{printed}");

    let file = || FileUpload::new("/f", &FILE[..]);
    let printed = in_all_orders(
        file,
        &[
            |upload| upload.with_limits(limits(Datagram::new(&mut [0; 384]))),
            |upload| upload.with_window(3),
            |upload| upload.with_overhead(9),
            |upload| upload.with_parameters(known(384, 4)),
            |upload| upload.with_max_message(300),
            |upload| upload.with_resume(true),
            |upload| upload.with_verify(true),
        ],
    );
    shows(&printed, ["window: 3,", "overhead: 9,", "chosen: {Overhead, Window, MaxMessage},"]);
    in_all_orders(
        || FileDownload::new("/f"),
        &[
            |download: FileDownload<'_>| download.with_offset(4),
            |download| download.with_beginning(b"four"),
            |download| download.with_limits(limits(Datagram::new(&mut [0; 384]))),
            |download| download.with_window(3),
            |download| download.with_parameters(known(384, 4)),
            |download| download.with_retries(2),
            |download| download.with_verify(true),
        ],
    );
}
