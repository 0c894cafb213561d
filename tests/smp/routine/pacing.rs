//! The pace that all transfers share: when they repeat, how many requests they have in flight, and
//! when they give up.

use std::collections::VecDeque;
use std::time::Duration;

use anysmp::line::Limits;
use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::fs::{self, DownloadResponse, UploadResponse};
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::{Error, FileDownload, FileOutcome, FileUpload, Pacing, Upload, UploadOutcome};
use anysmp::smp::{Decode, image};
use anysmp::source::{Source, SourceFailed};

use crate::routine::scripted::{Slot, at, is_parameters, ok, parameters, piece, run, split};

const FILE: [u8; 3000] = [7; 3000];
const UDP: Limits = Limits { overhead: 0, datagram: true, tx: 2048, rx: 2048 };
const SERIAL: Limits = Limits { overhead: 4, datagram: false, tx: 2048, rx: 2048 };

const fn known(buf_size: u32, buf_count: u32) -> ParametersResponse {
    ParametersResponse::new(buf_size, buf_count)
}

fn millis(times: &[Duration]) -> u128 {
    times.iter().sum::<Duration>().as_millis()
}

#[test]
fn a_lost_first_piece_is_repeated_after_the_clients_timeout_with_its_number() {
    // Without a hash a device would take each repeat for another upload, and erase again.
    for (sha, waits) in [(true, [300, 300]), (false, [300, 600])] {
        let (mut slot, mut seen) = (Slot::default(), 0);
        let mut client = Client::new(0).with_timeout(Duration::from_millis(300)).with_retries(8);
        let mut upload = Upload::new(&FILE[..]);
        upload = if sha { upload.with_sha([1; 32]) } else { upload };
        let run = run(&mut upload, &mut client, 512, |request| {
            seen += u32::from(piece(request).is_some());
            match () {
                () if is_parameters(request) => vec![parameters(request, 384, 4)],
                () if seen <= 2 => vec![],
                () => vec![slot.answer(request)],
            }
        });
        assert_eq!(run.report.outcome, UploadOutcome::Done { already_present: false, verified: false });
        assert_eq!(run.waited(), waits.map(Duration::from_millis));
        let sent: Vec<_> = run.sent().collect();
        assert!(sent[1] == sent[2] && sent[2] == sent[3], "the same message, with the same number");
    }
}

#[test]
fn a_dead_device_is_known_after_the_timeout_times_one_more_than_the_retries() {
    for (timeout, retries) in [(2500, 2), (300, 8), (1000, 1)] {
        let client = || Client::new(0).with_timeout(Duration::from_millis(timeout)).with_retries(retries);
        let expected = u128::from(timeout) * (u128::from(retries) + 1);
        let upload = run(&mut Upload::new(&FILE[..]), &mut client(), 512, |_| vec![]);
        assert_eq!(upload.report.outcome, UploadOutcome::Failed(Error::TimedOut));
        let file = run(&mut FileUpload::new("/f", &FILE[..]), &mut client(), 512, |_| vec![]);
        assert_eq!(file.report.outcome, FileOutcome::Failed(Error::TimedOut));
        let download = run(&mut FileDownload::new("/f"), &mut client(), 512, |_| vec![]);
        assert_eq!(download.report.outcome, FileOutcome::Failed(Error::TimedOut));
        for waited in [upload.waited(), file.waited(), download.waited()].map(|waited| millis(&waited)) {
            assert!((expected..=expected + u128::from(timeout)).contains(&waited), "{waited} of {expected} ms");
        }
    }
}

#[test]
fn a_device_that_was_heard_may_be_silent_for_half_a_minute() {
    let (mut slot, mut seen) = (Slot::default(), 0);
    let run = run(&mut Upload::new(&FILE[..]), &mut Client::new(0), 512, |request| {
        seen += 1;
        match () {
            () if is_parameters(request) => vec![parameters(request, 384, 4)],
            () if seen > 4 => vec![],
            () => vec![slot.answer(request)],
        }
    });
    assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::TimedOut));
    assert!((30_000..=33_000).contains(&millis(&run.waited())), "{:?}", run.waited());
}

/// Runs an upload whose responses take this long, and loses the response number `lost`. Returns the
/// waits that passed.
fn measured(response: Duration, lost: u32) -> Vec<Duration> {
    let mut upload = Upload::new(&FILE[..]).with_sha([1; 32]).with_window(1);
    let (mut client, mut tx, mut slot) = (Client::new(0), [0; 512], Slot::default());
    let (mut answer, mut seen, mut waited) = (None, 0, Vec::new());
    loop {
        match upload.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                seen += 1;
                let request = &tx[..len];
                answer = if is_parameters(request) {
                    Some(parameters(request, 384, 4))
                } else {
                    (!(lost..lost + 3).contains(&seen)).then(|| slot.answer(request))
                };
            }
            Step::Wait(limit) => match answer.take() {
                Some(message) => {
                    upload.tick(response);
                    let _ = upload.receive(&mut client, &message);
                }
                None => {
                    upload.tick(limit);
                    waited.push(limit);
                    upload.timed_out();
                }
            },
            Step::Reopen => panic!("no upload needs that"),
            Step::Done => {
                assert!(matches!(upload.report().outcome, UploadOutcome::Done { .. }));
                return waited;
            }
        }
    }
}

#[test]
fn a_repeat_comes_after_four_times_the_measured_response_time_and_then_later() {
    let waits = |response, lost| -> Vec<_> {
        measured(Duration::from_millis(response), lost).iter().map(Duration::as_millis).collect()
    };
    // Never below the floor; each further repeat waits twice as long, up to a second.
    assert_eq!(waits(10, 4), [250, 500, 1000]);
    assert_eq!(waits(100, 4), [400, 800, 1000]);
    // A slow device is not asked faster than it answers.
    assert_eq!(waits(400, 4), [1600, 1600, 1600]);
    // For the first piece a device erases: the client's timeout.
    assert_eq!(waits(10, 2), [2500, 2500, 2500]);
}

#[test]
fn the_image_goes_with_each_piece_unless_it_is_0() {
    for (number, later) in [(None, None), (Some(0), None), (Some(2), Some(2))] {
        let mut slot = Slot::default();
        let mut upload = Upload::new(&FILE[..]).with_parameters(known(384, 4));
        if let Some(number) = number {
            upload = upload.with_image(number);
        }
        let run = run(&mut upload, &mut Client::new(0), 512, |request| vec![slot.answer(request)]);
        let images: Vec<_> = run.sent().map(|sent| piece(sent).unwrap().image).collect();
        assert_eq!(images[0], number);
        assert!(images.len() > 3 && images[1..].iter().all(|image| *image == later), "{images:?}");
        assert_eq!(slot.flash, FILE);
    }
}

#[test]
fn a_message_without_room_for_a_wish_is_an_error_and_not_another_upload() {
    // 60 bytes hold this first piece without any key, 67 one with `image`.
    for (limit, image, upgrade) in [(62, 3, false), (66, 3, false), (67, 3, true)] {
        let mut upload = Upload::new(&FILE[..]).with_image(image).with_upgrade_only(upgrade);
        upload = upload.with_parameters(known(limit + 4, 2));
        let run = run(&mut upload, &mut Client::new(0), 512, |_| panic!("sent"));
        assert_eq!(run.report.outcome, UploadOutcome::Failed(Error::BufferFull), "{limit}");
    }
}

/// The most requests that were in flight at once, with a server that answers only when the client
/// waits, and the number that the routine reports.
fn most<R: Routine<Client = Client>>(
    mut routine: R,
    buffers: Option<u32>,
    mut answer: impl FnMut(&[u8]) -> Vec<u8>,
) -> (usize, R::Report) {
    let (mut client, mut tx, mut queue, mut most) = (Client::new(0), [0; 512], VecDeque::new(), 0);
    loop {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                queue.push_back(tx[..len].to_vec());
                most = most.max(queue.len());
            }
            Step::Wait(_) => {
                let request = queue.pop_front().expect("nothing is lost");
                let message = match (is_parameters(&request), buffers) {
                    (true, Some(count)) => parameters(&request, 260, count),
                    (true, None) => crate::routine::scripted::refused(&request, anysmp::smp::Error::NOT_SUPPORTED),
                    _ => answer(&request),
                };
                let _ = routine.receive(&mut client, &message);
            }
            Step::Reopen => panic!("no transfer needs that"),
            Step::Done => return (most, routine.report()),
        }
    }
}

/// Windows by default and by wish, for any and an unknown number of buffers.
const WINDOWS: [(Limits, Option<usize>, Option<u32>, usize); 15] = [
    (SERIAL, None, Some(u32::MAX), 8),
    (SERIAL, None, Some(256), 8),
    (SERIAL, None, Some(0), 1),
    (SERIAL, None, Some(20), 8),
    (SERIAL, None, Some(4), 3),
    (SERIAL, None, Some(1), 1),
    (SERIAL, None, None, 1),
    (UDP, None, Some(20), 4),
    (UDP, None, Some(4), 3),
    (UDP, None, None, 1),
    (SERIAL, Some(2), Some(20), 2),
    (UDP, Some(8), Some(20), 8),
    (UDP, Some(1), Some(20), 1),
    (SERIAL, Some(5), Some(4), 3),
    (UDP, Some(5), None, 1),
];

#[test]
fn no_transfer_has_more_in_flight_than_the_device_has_buffers_less_one() {
    for (limits, window, buffers, expected) in WINDOWS {
        let what = format!("{limits:?}, window {window:?}, {buffers:?} buffers");
        // In either order, and with the window chosen at the transfer, before and after its pacing.
        for order in 0..4 {
            let set = |pacing: Pacing| match window {
                Some(window) if order == 0 => pacing.with_window(window).with_limits(limits),
                Some(window) if order == 1 => pacing.with_limits(limits).with_window(window),
                _ => pacing.with_limits(limits),
            };
            let pacing = set(Pacing::new());
            let mut slot = Slot::default();
            let upload = match window {
                Some(window) if order == 2 => Upload::new(&FILE[..]).with_window(window).with_pacing(pacing),
                Some(window) if order == 3 => Upload::new(&FILE[..]).with_pacing(pacing).with_window(window),
                _ => Upload::new(&FILE[..]).with_pacing(pacing),
            };
            let (in_flight, report) = most(upload, buffers, |request| slot.answer(request));
            assert_eq!((in_flight, usize::from(report.window)), (expected, expected), "upload: {what}");

            let mut stored = 0;
            let upload = match window {
                // What was set nowhere changes nothing.
                Some(window) if order > 1 => {
                    FileUpload::new("/f", &FILE[..]).with_window(window).with_limits(limits).with_pacing(Pacing::new())
                }
                _ => FileUpload::new("/f", &FILE[..]).with_pacing(pacing),
            };
            let (in_flight, report) = most(upload, buffers, |request| {
                let upload = fs::Upload::decode(split(request).1).unwrap();
                assert_eq!(upload.off, stored, "in order");
                stored += upload.data.len() as u64;
                ok(request, &UploadResponse::new(stored))
            });
            assert_eq!((in_flight, usize::from(report.window)), (expected, expected), "file upload: {what}");

            let download = match window {
                Some(window) if order > 1 => FileDownload::new("/f").with_window(window).with_pacing(pacing),
                _ => FileDownload::new("/f").with_pacing(pacing),
            };
            let (in_flight, report) = most(download, buffers, |request| {
                let fs::Download { off, .. } = fs::Download::decode(split(request).1).unwrap();
                let data = &FILE[..100.min(3000 - off as usize)];
                let mut response = DownloadResponse::new(off, data.into());
                response.len = (off == 0).then_some(3000);
                ok(request, &response)
            });
            assert_eq!((in_flight, usize::from(report.window)), (expected, expected), "file download: {what}");
        }
    }
}

#[test]
fn a_datagram_crosses_every_ipv6_path_in_one_piece_unless_told_otherwise() {
    static LONG: [u8; 9000] = [7; 9000];
    for (limits, limit, longest) in
        [(UDP, None, 1232), (UDP, Some(1500), 1500), (UDP, Some(800), 800), (SERIAL, None, 2044)]
    {
        let mut pacing = Pacing::new().with_limits(limits).with_parameters(known(2048, 4));
        if let Some(limit) = limit {
            pacing = pacing.with_max_message(limit);
        }
        let mut slot = Slot::default();
        let mut upload = Upload::new(&LONG[..]).with_pacing(pacing);
        let run = run(&mut upload, &mut Client::new(0), 4096, |request| vec![slot.answer(request)]);
        assert_eq!(run.sent().map(<[u8]>::len).max(), Some(longest), "{limits:?} {limit:?}");
    }
    // Without a report of its buffers a device gets what every server can hold.
    let mut slot = Slot::default();
    let mut upload = Upload::new(&LONG[..]).with_limits(UDP);
    let run = run(&mut upload, &mut Client::new(0), 4096, |request| {
        let refusal = anysmp::smp::Error::NOT_SUPPORTED;
        vec![if is_parameters(request) {
            crate::routine::scripted::refused(request, refusal)
        } else {
            slot.answer(request)
        }]
    });
    assert_eq!(run.sent().map(<[u8]>::len).max(), Some(169));
}

#[test]
fn a_device_may_report_buffers_of_any_size() {
    static LONG: [u8; 140_000] = [7; 140_000];
    for (buf_size, longest) in [(65_537, 65_533), (65_540, 65_535), (1 << 24, 65_535), (u32::MAX, 65_535)] {
        let mut slot = Slot::default();
        let mut upload = Upload::new(&LONG[..]).with_parameters(known(buf_size, 4));
        let run = run(&mut upload, &mut Client::new(0), 70_000, |request| vec![slot.answer(request)]);
        assert_eq!(run.sent().map(<[u8]>::len).max(), Some(longest), "{buf_size}");
    }
}

/// A file of any length, whose bytes nobody reads.
struct Unread(u64);

impl Source for Unread {
    fn len(&self) -> u64 {
        self.0
    }

    fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), SourceFailed> {
        Ok(())
    }
}

#[test]
fn every_byte_of_a_file_of_more_than_4_gib_is_counted() {
    let len = (9 << 30) + 1;
    let mut upload = Upload::new(Unread(len)).with_parameters(known(u32::MAX, 2));
    let (mut client, mut tx, mut sent) = (Client::new(0), vec![0; 70_000], 0);
    let mut message = Vec::new();
    loop {
        match upload.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                let image::Upload { off, data, .. } = piece(&tx[..len]).unwrap();
                let bytes = data.unwrap().as_slice().unwrap().len() as u64;
                sent += bytes;
                message = at(&tx[..len], off.unwrap() + bytes);
            }
            Step::Wait(_) => assert!(upload.receive(&mut client, &message).is_some()),
            Step::Reopen => panic!("no upload needs that"),
            Step::Done => break,
        }
    }
    let report = upload.report();
    assert_eq!(report.outcome, UploadOutcome::Done { already_present: false, verified: false });
    assert_eq!((report.off, report.sent, report.repeats), (len, sent, 0));
    assert_eq!(sent, len);
}

#[test]
fn steps_back_count_until_there_is_progress() {
    // It forgets everything each time that it has got further: any number of times.
    let (mut slot, mut seen, mut further) = (Slot::default(), 0, 400);
    let mut upload = Upload::new(&FILE[..]).with_window(1).with_parameters(known(104, 4));
    let run = run(&mut upload, &mut Client::new(0), 512, |request| {
        if slot.flash.len() > further {
            slot = Slot::default();
            further += 100;
            seen += 1;
        }
        vec![slot.answer(request)]
    });
    assert_eq!(run.report.outcome, UploadOutcome::Done { already_present: false, verified: false });
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_hash_of_more_bytes_than_are_uploaded_is_left_out() {
    for (len, sha) in [(3000, true), (5000, true), (2999, false)] {
        let mut upload = Upload::new(&FILE[..]).with_sha([1; 32]).with_len(len).with_parameters(known(384, 4));
        let mut tx = [0; 512];
        let Step::Send(sent) = upload.poll(&mut Client::new(0), &mut tx) else { panic!("nothing sent") };
        let image::Upload { sha: found, len: total, .. } = piece(&tx[..sent]).unwrap();
        assert_eq!((found.is_some(), total), (sha, Some(len.min(3000))));
    }
}
