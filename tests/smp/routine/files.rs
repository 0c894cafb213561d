//! The routines for files with a store in memory, over lines that lose and double messages, and
//! with hostile servers.

use std::collections::{BTreeMap, VecDeque};

use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::fs::{
    self, DownloadResponse, Files, HashOutput, HashResponse, Path, StatusResponse, Store, UploadResponse,
};
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::{Error, FileDownload, FileDownloadReport, FileOutcome, FileUpload, FileUploadReport};
use anysmp::smp::server::{AllowAll, Incoming, Reply, serve};
use anysmp::smp::{self, Decode, error};

use crate::kit::random::Random;
use crate::kit::smp::with;
use crate::routine::scripted::{self, ok, payload, raw, refused, split};

const NAME: &str = "/lfs/log";
const FOUR: ParametersResponse = ParametersResponse::new(256, 4);
const DONE: FileOutcome = FileOutcome::Done { verified: false };
const VERIFIED: FileOutcome = FileOutcome::Done { verified: true };

/// Files in memory.
#[derive(Default)]
struct Disk(BTreeMap<String, Vec<u8>>);

impl Files for Disk {
    fn len(&mut self, path: Path<'_>) -> Result<u64, smp::Error> {
        Ok(self.0.get(path.as_str()).ok_or(error::fs::FILE_NOT_FOUND)?.len() as u64)
    }

    fn read(&mut self, path: Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, smp::Error> {
        let file = self.0.get(path.as_str()).ok_or(error::fs::FILE_NOT_FOUND)?;
        let rest = &file[off as usize..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn create(&mut self, path: Path<'_>) -> Result<(), smp::Error> {
        self.0.insert(path.as_str().to_string(), Vec::new());
        Ok(())
    }

    fn append(&mut self, path: Path<'_>, off: u64, data: &[u8]) -> Result<(), smp::Error> {
        let file = self.0.get_mut(path.as_str()).unwrap();
        assert_eq!(file.len() as u64, off, "a file grows at its end");
        file.extend_from_slice(data);
        Ok(())
    }
}

fn disk(file: &[u8]) -> Disk {
    Disk([(NAME.to_string(), file.to_vec())].into())
}

/// One request to a store; its answers are at most 256 bytes long.
fn answer(store: &mut Store<'_, Disk>, request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 256];
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
        smp::Group::FS => fs::dispatch(store, incoming, reply),
        _ => reply.error(smp::Error::NOT_SUPPORTED),
    };
    let (len, _) = serve(handler, AllowAll, request, &mut tx);
    tx[..len].to_vec()
}

/// How bad a line is, in percent of the messages of each direction.
#[derive(Clone, Copy)]
struct Line {
    lost: u64,
    doubled: u64,
    overtaken: u64,
}

const GOOD: Line = Line { lost: 0, doubled: 0, overtaken: 0 };
const BAD: Line = Line { lost: 8, doubled: 8, overtaken: 0 };
const WILD: Line = Line { lost: 5, doubled: 5, overtaken: 10 };

fn carry(line: Line, random: &mut Random, queue: &mut VecDeque<Vec<u8>>, message: Vec<u8>) {
    if random.percent(line.lost) {
        return;
    }
    if random.percent(line.doubled) {
        queue.push_back(message.clone());
    }
    let at = if random.percent(line.overtaken) { queue.len().saturating_sub(1) } else { queue.len() };
    queue.insert(at, message);
}

/// Runs a routine against a server over a line; `each` gets the events. Panics after 200,000 steps.
fn drive<R: Routine<Client = Client>>(
    routine: &mut R,
    (line, seed): (Line, u64),
    mut server: impl FnMut(&[u8]) -> Vec<u8>,
    mut each: impl FnMut(R::Event<'_>),
) -> R::Report {
    let (mut client, mut tx, mut random) = (Client::new(seed as u8), [0; 256], Random::new(seed));
    let (mut requests, mut answers) = (VecDeque::new(), VecDeque::new());
    for _ in 0..200_000 {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) => carry(line, &mut random, &mut requests, tx[..len].to_vec()),
            Step::Wait(_) => {
                while let Some(request) = requests.pop_front() {
                    carry(line, &mut random, &mut answers, server(&request));
                }
                match answers.pop_front() {
                    Some(message) => {
                        routine.receive(&mut client, &message).map(&mut each);
                    }
                    None => routine.timed_out(),
                }
            }
            Step::Reopen => panic!("no file needs that"),
            Step::Done => return routine.report(),
        }
    }
    panic!("seed {seed}: the routine does not end");
}

/// Lengths of files: none, one byte, around one and two pieces, many pieces.
const LENGTHS: [usize; 12] = [0, 1, 2, 100, 206, 207, 208, 211, 212, 213, 424, 65_536];

/// Downloads what the server has; the pieces must follow one another.
fn download(
    mut routine: FileDownload<'_>,
    line: (Line, u64),
    server: impl FnMut(&[u8]) -> Vec<u8>,
) -> (FileDownloadReport, Vec<u8>) {
    let (mut file, start) = (Vec::new(), routine.report().off as usize);
    let report = drive(&mut routine, line, server, |event| {
        assert!(event.data.is_empty() || event.off as usize == start + file.len(), "seed {}: a gap", line.1);
        event.data.chunks().iter().for_each(|bytes| file.extend_from_slice(bytes));
    });
    assert_eq!(report.off as usize, start + file.len());
    (report, file)
}

fn download_from_store(routine: FileDownload<'_>, line: (Line, u64), stored: &[u8]) -> (FileDownloadReport, Vec<u8>) {
    let mut buffer = [0; 1024];
    let mut store = Store::new(disk(stored), "/lfs", &mut buffer);
    download(routine, line, |request| answer(&mut store, request))
}

#[test]
fn a_file_of_any_length_comes_whole_through_any_window() {
    for len in LENGTHS {
        let stored = Random::new(len as u64).bytes(len);
        for window in 1..=3 {
            let routine = FileDownload::new(NAME).with_parameters(FOUR).with_window(window).with_verify(true);
            let (report, file) = download_from_store(routine, (GOOD, 1), &stored);
            assert!(file == stored, "{len} bytes, window {window}");
            let outcome = if len == 0 { DONE } else { VERIFIED };
            assert_eq!((report.outcome, report.len), (outcome, Some(len as u64)));
            assert_eq!((report.repeats, report.foreign), (0, 0), "{len} bytes, window {window}");
        }
    }
}

#[test]
fn a_download_survives_loss_and_doubling_and_overtaking() {
    for seed in 0..200 {
        let stored = Random::new(seed).bytes(Random::new(seed).below(20_000) as usize + 1);
        let line = if seed % 2 == 0 { BAD } else { WILD };
        let routine = FileDownload::new(NAME)
            .with_parameters(FOUR)
            .with_window(seed as usize % 3 + 1)
            .with_retries(20)
            .with_verify(true);
        let (report, file) = download_from_store(routine, (line, seed), &stored);
        assert!(matches!(report.outcome, FileOutcome::Done { .. }), "seed {seed}: {report:?}");
        assert!(file == stored, "seed {seed}");
    }
}

#[test]
fn a_download_goes_on_where_an_earlier_one_ended() {
    let stored = Random::new(1).bytes(3000);
    for start in [1, 211, 1000, 2999, 3000] {
        let (report, file) =
            download_from_store(FileDownload::new(NAME).with_offset(start).with_window(2), (GOOD, 1), &stored);
        assert!(file == stored[start as usize..], "from {start}");
        assert_eq!((report.outcome, report.off, report.len), (DONE, 3000, Some(3000)));
    }
    let (report, _) = download_from_store(FileDownload::new(NAME).with_offset(3001), (GOOD, 1), &stored);
    assert_eq!(report.outcome, FileOutcome::Failed(Error::Offset));
}

#[test]
fn a_download_that_goes_on_compares_the_beginning_too() {
    let stored = Random::new(1).bytes(3000);
    for start in [0, 1, 211, 1000, 2999, 3000] {
        let (front, back) = stored[..start].split_at(start / 3);
        let on = || FileDownload::new(NAME).with_verify(true).with_beginning(front).with_beginning(back);
        let (report, file) = download_from_store(on(), (GOOD, 1), &stored);
        assert!(file == stored[start..], "from {start}");
        assert_eq!((report.outcome, report.off, report.len), (VERIFIED, 3000, Some(3000)), "from {start}");
        // Another file begins in another way.
        if start > 0 {
            let mut other = stored.clone();
            other[start / 2] ^= 1;
            let (report, _) = download_from_store(on(), (GOOD, 1), &other);
            assert_eq!(report.outcome, FileOutcome::Failed(Error::Mismatch), "from {start}");
        }
    }
    // What is not known cannot be compared.
    let part = || FileDownload::new(NAME).with_verify(true);
    for part in [
        part().with_offset(10).with_beginning(&stored[10..20]),
        part().with_beginning(&stored[10..20]).with_offset(10),
        part().with_beginning(&stored[10..15]).with_offset(3).with_beginning(&stored[15..20]).with_offset(10),
    ] {
        let (report, file) = download_from_store(part, (GOOD, 1), &stored);
        assert!(report.outcome == DONE && file == stored[20..], "{report:?}");
    }
}

#[test]
fn a_download_that_is_refused_fails_with_what_the_device_said() {
    let (report, _) = download_from_store(FileDownload::new("/lfs/other"), (GOOD, 1), b"x");
    assert_eq!(report.outcome, FileOutcome::Failed(Error::Remote(error::fs::FILE_NOT_FOUND)));
}

#[test]
fn what_answers_no_piece_of_a_download_is_counted_and_no_event() {
    let mut routine = FileDownload::new(NAME).with_parameters(FOUR);
    let (mut client, mut tx) = (Client::new(0), [0; 256]);
    let Step::Send(len) = routine.poll(&mut client, &mut tx) else { panic!("a request") };
    let piece = ok(&tx[..len], &with(DownloadResponse::new(0, b"xyz"[..].into()), |it| it.len = Some(6)));
    let mut late = piece.clone();
    late[6] = late[6].wrapping_add(100);
    assert!(matches!(routine.poll(&mut client, &mut tx), Step::Wait(_)));
    for foreign in 1..=3 {
        assert_eq!(routine.receive(&mut client, &late), None);
        assert_eq!(routine.report().foreign, foreign);
    }
    assert_eq!(routine.receive(&mut client, &piece).unwrap().data, b"xyz"[..]);
    assert_eq!((routine.report().foreign, routine.report().off), (3, 3));
}

/// What a hostile server answers to a download at `off`.
fn download_failure(window: usize, mut piece: impl FnMut(u64) -> (u64, usize, Option<u64>)) -> FileOutcome {
    let data = [7; 200];
    let routine = FileDownload::new(NAME).with_parameters(FOUR).with_window(window).with_verify(true);
    let (report, _) = download(routine, (GOOD, 1), |request| {
        let (header, payload) = split(request);
        match header.command {
            0 => {
                let (off, n, len) = piece(fs::Download::decode(payload).unwrap().off);
                ok(request, &with(DownloadResponse::new(off, data[..n].into()), |it| it.len = len))
            }
            1 => ok(request, &StatusResponse::new(1000)),
            _ => refused(request, smp::Error::NOT_SUPPORTED),
        }
    });
    report.outcome
}

#[test]
fn hostile_downloads_end_in_typed_errors() {
    let failed = FileOutcome::Failed;
    for window in 1..=3 {
        let of = |piece: fn(u64) -> (u64, usize, Option<u64>)| download_failure(window, piece);
        assert_eq!(of(|off| (off, 0, Some(1000))), failed(Error::CutShort), "no data at all");
        assert_eq!(of(|off| (off, if off < 500 { 100 } else { 0 }, Some(1000))), failed(Error::CutShort));
        assert_eq!(of(|off| (off, 100, None)), failed(Error::Malformed), "no length");
        assert_eq!(of(|off| (off, 100, Some(99))), failed(Error::Malformed), "more than there is");
        assert_eq!(of(|_| (0, 100, Some(1000))), failed(Error::Malformed), "the same piece over and over");
        assert_eq!(of(|off| (off + 1, 100, Some(1000))), failed(Error::Malformed), "another piece");
        // Pieces of any length are fine, if they are there; and a check that the device does not
        // offer is none.
        assert_eq!(of(|off| (off, (off % 7 + 1).min(1000 - off) as usize, Some(1000))), DONE);
    }
}

#[test]
fn a_download_that_is_not_what_the_device_stores_is_a_mismatch() {
    let stored = Random::new(3).bytes(1000);
    let mut buffer = [0; 1024];
    let mut store = Store::new(disk(&stored), "/lfs", &mut buffer);
    let (report, _) = download(FileDownload::new(NAME).with_verify(true), (GOOD, 1), |request| {
        let answer = answer(&mut store, request);
        store.files().0.get_mut(NAME).unwrap()[5] ^= 1;
        answer
    });
    assert_eq!(report.outcome, FileOutcome::Failed(Error::Mismatch));
}

#[test]
fn silence_ends_a_download() {
    let mut routine = FileDownload::new(NAME).with_parameters(FOUR).with_window(2);
    let report = drive(&mut routine, (Line { lost: 100, doubled: 0, overtaken: 0 }, 1), |_| panic!("heard"), |_| ());
    assert_eq!(report.outcome, FileOutcome::Failed(Error::TimedOut));
}

/// Sizes of a device with 256-byte buffers; nothing is stored beside the message.
fn upload(file: &[u8]) -> FileUpload<'static, &[u8]> {
    FileUpload::new(NAME, file).with_overhead(0).with_parameters(ParametersResponse::new(256, 4))
}

fn upload_to_store(
    mut routine: FileUpload<'_, &[u8]>,
    line: (Line, u64),
    stored: Option<&[u8]>,
) -> (FileUploadReport, Option<Vec<u8>>) {
    let mut buffer = [0; 1024];
    let mut store = Store::new(stored.map(disk).unwrap_or_default(), "/lfs", &mut buffer);
    let report = drive(&mut routine, line, |request| answer(&mut store, request), |_| ());
    (report, store.files().0.remove(NAME))
}

#[test]
fn a_file_of_any_length_goes_whole_through_any_window() {
    for len in (0..=1000).chain([65_535, 65_536]) {
        let file = Random::new(len as u64).bytes(len);
        for window in 1..=3 {
            let routine = upload(&file).with_window(window).with_verify(true);
            let (report, stored) = upload_to_store(routine, (GOOD, 1), Some(b"an older file"));
            assert!(stored.as_deref() == Some(&file), "{len} bytes, window {window}");
            let outcome = if len == 0 { DONE } else { VERIFIED };
            assert_eq!((report.outcome, report.sent, report.off), (outcome, len as u64, len as u64));
            assert_eq!((report.repeats, report.foreign), (0, 0), "{len} bytes, window {window}");
        }
    }
}

#[test]
fn every_piece_of_a_file_fills_its_message() {
    let file = Random::new(1).bytes(3000);
    let (mut store_buffer, mut lengths) = ([0; 1024], Vec::new());
    let mut store = Store::new(Disk::default(), "/lfs", &mut store_buffer);
    let mut routine = upload(&file);
    let _ = drive(
        &mut routine,
        (GOOD, 1),
        |request| {
            lengths.push(request.len());
            answer(&mut store, request)
        },
        |_| (),
    );
    lengths.pop();
    assert!(lengths.iter().all(|len| *len == 256), "{lengths:?}");
}

#[test]
fn an_upload_survives_loss_and_doubling() {
    for seed in 0..200 {
        let file = Random::new(seed).bytes(Random::new(seed).below(20_000) as usize + 1);
        let routine = upload(&file).with_window(seed as usize % 3 + 1).with_retries(20).with_verify(true);
        let (report, stored) = upload_to_store(routine, (BAD, seed), None);
        assert!(matches!(report.outcome, FileOutcome::Done { .. }), "seed {seed}: {report:?}");
        assert!(stored.as_deref() == Some(&file), "seed {seed}");
    }
}

#[test]
fn an_upload_in_version_1_survives_loss_too() {
    for seed in 0..200 {
        let file = Random::new(seed).bytes(Random::new(seed).below(20_000) as usize + 1);
        let mut routine = upload(&file).with_window(seed as usize % 3 + 1).with_retries(20).with_verify(true);
        let (mut buffer, mut random) = ([0; 1024], Random::new(seed + 1000));
        let mut store = Store::new(Disk::default(), "/lfs", &mut buffer);
        let (mut client, mut tx) = (Client::new(seed as u8).with_version(smp::Version::V1), [0; 256]);
        let mut arriving = VecDeque::new();
        let report = loop {
            match routine.poll(&mut client, &mut tx) {
                Step::Send(_) if random.percent(8) => {}
                Step::Send(len) => {
                    let response = answer(&mut store, &tx[..len]);
                    // As Zephyr's: a code alone, and "unknown" for another offset.
                    assert!(!response.windows(3).any(|key| key == b"len") || piece_at(&tx[..len]).is_none());
                    arriving.extend((!random.percent(8)).then_some(response));
                }
                Step::Wait(_) => match arriving.pop_front() {
                    Some(message) => drop(routine.receive(&mut client, &message)),
                    None => routine.timed_out(),
                },
                Step::Reopen => panic!("no file needs that"),
                Step::Done => break routine.report(),
            }
        };
        assert!(matches!(report.outcome, FileOutcome::Done { .. }), "seed {seed}: {report:?}");
        assert!(store.files().0.remove(NAME).as_deref() == Some(&file), "seed {seed}");
    }
}

#[test]
fn a_device_that_refuses_each_repeat_without_a_reason_is_given_up() {
    let file = Random::new(1).bytes(3000);
    let mut buffer = [0; 1024];
    let mut store = Store::new(Disk::default(), "/lfs", &mut buffer);
    let mut last = Vec::new();
    let report = drive(
        &mut upload(&file).with_window(1),
        (GOOD, 1),
        |request| match piece_at(request) {
            // The first time silence, then a refusal.
            Some(at) if at > 1000 => {
                let is_repeat = std::mem::replace(&mut last, request.to_vec()) == request;
                if is_repeat { refused(request, smp::Error::UNKNOWN) } else { vec![] }
            }
            _ => answer(&mut store, request),
        },
        |_| (),
    );
    assert_eq!(report.outcome, FileOutcome::Failed(Error::NoProgress));
    assert!(report.repeats < 100, "{report:?}");
}

/// The offset of a piece of a file.
fn piece_at(request: &[u8]) -> Option<u64> {
    let (header, payload) = split(request);
    (header.command == 0).then(|| fs::Upload::decode(payload).unwrap().off)
}

#[test]
fn what_version_1_refuses_for_good_is_final_at_once() {
    for window in 1..=3 {
        let file = Random::new(1).bytes(3000);
        let mut pieces = 0;
        let mut routine = upload(&file).with_window(window);
        let (mut client, mut tx) = (Client::new(0).with_version(smp::Version::V1), [0; 256]);
        let mut arriving = VecDeque::new();
        let report = loop {
            match routine.poll(&mut client, &mut tx) {
                Step::Send(len) => {
                    let at = piece_at(&tx[..len]).unwrap();
                    pieces += 1;
                    // The file system is full.
                    let full = refused(&tx[..len], error::fs::FILE_WRITE_FAILED);
                    arriving.push_back(if at > 1000 { full } else { ok(&tx[..len], &UploadResponse::new(at + 200)) });
                    tx[..].fill(0);
                }
                Step::Wait(_) => drop(routine.receive(&mut client, &arriving.pop_front().unwrap())),
                step => {
                    assert_eq!(step, Step::Done);
                    break routine.report();
                }
            }
        };
        assert_eq!(report.outcome, FileOutcome::Failed(Error::Remote(smp::Error::UNKNOWN)), "{window}");
        assert!(pieces < 30, "{window}: {pieces}");
    }
}

#[test]
fn a_message_that_is_too_short_for_the_name_is_an_error() {
    let mut routine =
        FileUpload::new(NAME, &[1, 2, 3][..]).with_max_message(30).with_parameters(ParametersResponse::new(256, 4));
    let report = drive(&mut routine, (GOOD, 1), |_| panic!("sent"), |_| ());
    assert_eq!(report.outcome, FileOutcome::Failed(Error::BufferFull));
}

/// A server like Zephyr's: it accepts a piece at the end of the file, whoever wrote the rest.
#[derive(Default)]
struct Appending {
    file: Vec<u8>,
    asked: Vec<u64>,
    kind: &'static str,
}

impl Appending {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let (header, body) = split(request);
        match header.command {
            0 => {
                let fs::Upload { off, data, .. } = fs::Upload::decode(body).unwrap();
                self.asked.push(off);
                if off == 0 {
                    self.file.clear();
                }
                if off != self.file.len() as u64 {
                    return beside(request, Some(11), "len", self.file.len() as u64);
                }
                self.file.extend_from_slice(data.as_slice().unwrap());
                ok(request, &UploadResponse::new(self.file.len() as u64))
            }
            1 => ok(request, &StatusResponse::new(self.file.len() as u64)),
            2 if !self.kind.is_empty() => {
                let len = fs::Hash::decode(body).unwrap().len.unwrap_or(self.file.len() as u64);
                let part = &self.file[..len as usize];
                #[cfg(feature = "sha2")]
                let sha = <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(part));
                #[cfg(not(feature = "sha2"))]
                let sha = [0; 32];
                let output = match self.kind {
                    "crc32" => HashOutput::Number(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(part).into()),
                    _ => HashOutput::Bytes(sha[..].into()),
                };
                ok(request, &HashResponse::new(self.kind.into(), len, output))
            }
            _ => refused(request, smp::Error::NOT_SUPPORTED),
        }
    }
}

/// A refusal with a number beside it: of the file group, or MCUmgr's older `rc` 3.
fn beside(request: &[u8], group: Option<u16>, key: &str, value: u64) -> Vec<u8> {
    raw(
        request,
        &payload(|writer| {
            writer.map(2).unwrap();
            match group {
                Some(rc) => {
                    writer.text("err").unwrap();
                    writer.map(2).unwrap();
                    writer.text("group").unwrap();
                    writer.unsigned(8).unwrap();
                    writer.text("rc").unwrap();
                    writer.unsigned(rc.into()).unwrap();
                }
                None => {
                    writer.text("rc").unwrap();
                    writer.unsigned(3).unwrap();
                }
            }
            writer.text(key).unwrap();
            writer.unsigned(value).unwrap();
        }),
    )
}

/// The hashes that the routine can compute.
const KNOWN: &[&str] = if cfg!(feature = "sha2") { &["crc32", "sha256"] } else { &["crc32"] };

#[test]
fn an_upload_goes_on_behind_what_a_hash_proves_to_be_ours() {
    let file = Random::new(1).bytes(2000);
    let mut other = file.clone();
    other[3] ^= 1;
    let longer = [&file[..], b"x"].concat();
    for kind in ["crc32", "sha256", "md5", ""] {
        let known = KNOWN.contains(&kind);
        for (held, first) in
            [(&file[..700], Some(700)), (&file, None), (&other[..700], Some(0)), (&longer, Some(0)), (&[], Some(0))]
        {
            let mut server = Appending { file: held.to_vec(), kind, asked: vec![] };
            let mut routine = upload(&file).with_resume(true);
            let report = drive(&mut routine, (GOOD, 1), |request| server.answer(request), |_| ());
            let first = if known { first } else { Some(0) };
            assert_eq!((server.asked.first().copied(), server.file == file), (first, true), "{kind} {}", held.len());
            assert_eq!(report.outcome, if first.is_none() { VERIFIED } else { DONE }, "{kind} {}", held.len());
        }
    }
}

#[test]
fn a_server_that_cannot_resume_gets_the_file_from_the_start() {
    let file = Random::new(1).bytes(2000);
    let (report, stored) =
        upload_to_store(upload(&file).with_resume(true).with_verify(true), (GOOD, 1), Some(&file[..700]));
    assert_eq!((report.outcome, stored), (VERIFIED, Some(file)));
}

#[test]
fn a_file_that_is_not_what_was_sent_is_a_mismatch() {
    let file = Random::new(1).bytes(2000);
    for &kind in KNOWN {
        let mut server = Appending { kind, ..Appending::default() };
        let report = drive(
            &mut upload(&file).with_verify(true),
            (GOOD, 1),
            |request| {
                let answer = server.answer(request);
                server.file[0] = !file[0];
                answer
            },
            |_| (),
        );
        assert_eq!(report.outcome, FileOutcome::Failed(Error::Mismatch));
    }
}

/// Zephyr after a pause between two pieces: it has closed the file, opens it again for the next
/// piece, no longer has its length, and what it hashes is what was there when it was
/// closed.
#[derive(Default)]
struct Forgetful {
    open: Appending,
    closed: Appending,
    commands: Vec<u8>,
}

impl Forgetful {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let command = split(request).0.command;
        self.commands.push(command);
        match command {
            0 => self.open.answer(request),
            4 => {
                self.closed.file.clone_from(&self.open.file);
                ok(request, &smp::Empty {})
            }
            _ => self.closed.answer(request),
        }
    }
}

#[test]
fn an_upload_has_the_file_closed_before_it_is_compared() {
    let file = Random::new(1).bytes(500);
    for &kind in KNOWN {
        let mut server = Forgetful::default();
        server.closed.kind = kind;
        let report = drive(&mut upload(&file).with_verify(true), (GOOD, 1), |request| server.answer(request), |_| ());
        assert_eq!((report.outcome, &server.commands[..]), (VERIFIED, &[0, 0, 0, 2, 4, 2][..]));
    }
    // Nothing is closed, and nothing asked, that is not to be compared.
    let mut server = Forgetful::default();
    let report = drive(&mut upload(&file), (GOOD, 1), |request| server.answer(request), |_| ());
    assert_eq!((report.outcome, &server.commands[..]), (DONE, &[0, 0, 0][..]));
}

/// The commands of `routine` in groups, each sent before any response to it came; the server's
/// answers to the hash in front of those before it if `overtaken`.
fn groups<R: Routine<Client = Client>>(
    routine: &mut R,
    mut server: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    overtaken: bool,
) -> (R::Report, Vec<Vec<u8>>) {
    let (mut client, mut tx, mut answers) = (Client::new(0).with_retries(1), [0; 256], VecDeque::new());
    let mut groups = vec![vec![]];
    loop {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) => {
                let command = split(&tx[..len]).0.command;
                groups.last_mut().unwrap().push(command);
                let at = if command == 2 && overtaken { 0 } else { answers.len() };
                server(&tx[..len]).into_iter().for_each(|answer| answers.insert(at, answer));
            }
            Step::Wait(_) => {
                match answers.pop_front() {
                    Some(answer) => drop(routine.receive(&mut client, &answer)),
                    None => {
                        assert!(!overtaken, "no answer is lost, only early");
                        routine.timed_out();
                    }
                }
                groups.push(vec![]);
            }
            Step::Reopen => panic!("no file needs that"),
            Step::Done => break,
        }
    }
    groups.retain(|group| !group.is_empty());
    (routine.report(), groups)
}

#[test]
fn the_first_piece_goes_alone_where_a_transfer_goes_on() {
    let file = Random::new(1).bytes(2000);
    let mut buffer = [0; 1024];
    let mut store = Store::new(disk(&file), "/lfs", &mut buffer);
    let mut routine = FileDownload::new(NAME).with_parameters(FOUR).with_offset(300);
    let (report, sent) = groups(&mut routine, |request| Some(answer(&mut store, request)), false);
    assert_eq!((report.outcome, &sent[..3]), (DONE, &[vec![1], vec![0], vec![0; 3]][..]));
    let mut server = Appending { file: file[..300].to_vec(), kind: "crc32", asked: vec![] };
    let mut routine = upload(&file).with_resume(true);
    let (report, sent) = groups(&mut routine, |request| Some(server.answer(request)), false);
    assert_eq!((report.outcome, &sent[..4]), (DONE, &[vec![1], vec![2], vec![0], vec![0; 3]][..]));
}

#[test]
fn an_upload_is_compared_in_the_round_trip_of_its_last_pieces() {
    let file = Random::new(1).bytes(1000);
    for &kind in KNOWN {
        let mut server = Appending { kind, ..Appending::default() };
        let (report, sent) =
            groups(&mut upload(&file).with_verify(true), |request| Some(server.answer(request)), false);
        assert_eq!(report.outcome, VERIFIED);
        assert_eq!(sent, [&[0][..], &[0, 0, 0], &[0], &[2]], "{kind}: the hash with the last two pieces in flight");
        assert!(server.file == file);
    }
    // One request at a time: the file is closed, then compared.
    let mut server = Appending { kind: "crc32", ..Appending::default() };
    let routine = &mut upload(&file).with_verify(true).with_window(1);
    let (report, sent) = groups(routine, |request| Some(server.answer(request)), false);
    assert_eq!((report.outcome, sent.concat()), (VERIFIED, vec![0, 0, 0, 0, 0, 4, 2]));
}

#[test]
fn an_upload_that_lost_a_last_piece_is_closed_and_compared_again() {
    let file = Random::new(1).bytes(1000);
    for lost in [3, 4] {
        let (mut server, mut pieces) = (Appending { kind: "crc32", ..Appending::default() }, 0);
        let (report, sent) = groups(
            &mut upload(&file).with_verify(true),
            |request| {
                let is_piece = split(request).0.command == 0;
                let is_lost = is_piece && pieces == lost;
                pieces += i32::from(is_piece);
                (!is_lost).then(|| server.answer(request))
            },
            false,
        );
        assert_eq!(report.outcome, VERIFIED, "{sent:?}");
        assert!(server.file == file);
        assert!(sent.concat().ends_with(&[0, 4, 2]), "{sent:?}");
    }
    // The answer to the first question is lost.
    let (mut server, mut asked) = (Appending { kind: "crc32", ..Appending::default() }, 0);
    let (report, sent) = groups(
        &mut upload(&file).with_verify(true),
        |request| {
            let answer = server.answer(request);
            asked += i32::from(split(request).0.command == 2);
            (split(request).0.command != 2 || asked > 1).then_some(answer)
        },
        false,
    );
    assert_eq!((report.outcome, sent.concat()), (VERIFIED, vec![0, 0, 0, 0, 0, 2, 4, 2]));
}

#[test]
fn a_hash_that_overtakes_the_last_pieces_ends_an_upload_only_if_it_is_the_same() {
    let file = Random::new(1).bytes(1000);
    let mut server = Appending { kind: "crc32", ..Appending::default() };
    let (report, _) = groups(&mut upload(&file).with_verify(true), |request| Some(server.answer(request)), true);
    assert_eq!((report.outcome, report.off, server.file == file), (VERIFIED, 1000, true));
    let mut server = Appending { kind: "crc32", ..Appending::default() };
    let (report, sent) = groups(
        &mut upload(&file).with_verify(true),
        |request| {
            let answer = server.answer(request);
            server.file[0] = if server.file.len() == file.len() { !file[0] } else { file[0] };
            Some(answer)
        },
        true,
    );
    assert_eq!(report.outcome, FileOutcome::Failed(Error::Mismatch), "{sent:?}");
}

#[test]
fn a_download_is_compared_in_the_round_trip_of_its_last_pieces() {
    let stored = Random::new(1).bytes(1000);
    for overtaken in [false, true] {
        let mut buffer = [0; 1024];
        let mut store = Store::new(disk(&stored), "/lfs", &mut buffer);
        let mut routine = FileDownload::new(NAME).with_parameters(FOUR).with_verify(true);
        let (report, sent) = groups(&mut routine, |request| Some(answer(&mut store, request)), overtaken);
        assert_eq!(report.outcome, VERIFIED, "{sent:?}");
        // An answer that came too early is dropped, and the question repeated.
        let all = if overtaken { vec![0, 0, 0, 0, 0, 2, 2] } else { vec![0, 0, 0, 0, 0, 2] };
        assert_eq!(sent.concat(), all, "{sent:?}");
    }
}

#[test]
fn a_device_that_is_silent_when_it_shall_close_the_file_is_not_said_to_have_another() {
    let file = Random::new(1).bytes(500);
    let mut server = Forgetful::default();
    server.closed.kind = "crc32";
    let (mut client, mut tx) = (Client::new(0).with_retries(1), [0; 256]);
    let mut routine = upload(&file).with_verify(true);
    let mut heard = Vec::new();
    loop {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(len) if split(&tx[..len]).0.command == 4 => heard.push(None),
            Step::Send(len) => heard.push(Some(server.answer(&tx[..len]))),
            Step::Wait(_) => match heard.pop().flatten() {
                Some(answer) => {
                    let _ = routine.receive(&mut client, &answer);
                }
                None => routine.timed_out(),
            },
            Step::Reopen => panic!("no file needs that"),
            Step::Done => break,
        }
    }
    assert_eq!((routine.report().outcome, &server.commands[..]), (DONE, &[0, 0, 0, 2][..]));
}

#[test]
fn hostile_servers_of_uploads_end_them_in_typed_errors() {
    let file = Random::new(1).bytes(2000);
    let failed = FileOutcome::Failed;
    for window in 1..=3 {
        let of = |hostile: fn(&[u8], u64) -> Vec<u8>| {
            let server = |request: &[u8]| hostile(request, fs::Upload::decode(split(request).1).unwrap().off);
            drive(&mut upload(&file).with_window(window), (GOOD, 1), server, |_| ()).outcome
        };
        assert_eq!(of(|request, _| ok(request, &UploadResponse::new(0))), failed(Error::NoProgress));
        assert_eq!(of(|request, off| ok(request, &UploadResponse::new(off))), failed(Error::NoProgress));
        assert_eq!(of(|request, _| ok(request, &UploadResponse::new(2000))), failed(Error::Malformed), "not sent");
        assert_eq!(of(|request, _| ok(request, &UploadResponse::new(u64::MAX))), failed(Error::Malformed));
        for len in [0_u64, 1, 2000, u64::MAX] {
            let server = |request: &[u8]| beside(request, Some(11), "len", len);
            let report = drive(&mut upload(&file).with_window(window), (GOOD, 1), server, |_| ());
            assert_eq!(report.outcome, failed(Error::NoProgress), "{len}");
            let server = |request: &[u8]| beside(request, None, "off", len);
            let report = drive(&mut upload(&file).with_window(window), (GOOD, 1), server, |_| ());
            assert_eq!(report.outcome, failed(Error::NoProgress), "{len}");
        }
        assert_eq!(of(|request, _| beside(request, None, "rsn", 1)), failed(Error::Remote(smp::Error::INVALID)));
        assert_eq!(of(|request, _| refused(request, smp::Error::BUSY)), failed(Error::Remote(smp::Error::BUSY)));
    }
}

/// A server behind a line that loses every `nth` request or every `nth` response.
fn periodic(nth: usize, loses: Loses, mut server: impl FnMut(&[u8]) -> Vec<u8>) -> impl FnMut(&[u8]) -> Vec<Vec<u8>> {
    let mut count = 0;
    move |request| {
        count += 1;
        match (count % nth == 0, loses) {
            (true, Loses::Requests) => vec![],
            (true, Loses::Responses) => {
                server(request);
                vec![]
            }
            (false, _) => vec![server(request)],
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Loses {
    Requests,
    Responses,
}

#[test]
fn a_line_that_loses_every_nth_message_slows_a_transfer_and_ends_none() {
    let file = Random::new(7).bytes(20_000);
    for (nth, window) in (2..10).flat_map(|nth| (1..=8).map(move |window| (nth, window))) {
        for loses in [Loses::Requests, Loses::Responses] {
            let parameters = || ParametersResponse::new(256, 9);
            let mut buffer = [0; 1024];
            let mut store = Store::new(disk(&file), "/lfs", &mut buffer);
            let mut routine = FileDownload::new(NAME).with_parameters(parameters()).with_window(window);
            let server = periodic(nth, loses, |request| answer(&mut store, request));
            let run = scripted::run(&mut routine, &mut Client::new(0), 256, server);
            assert_eq!(run.report.outcome, DONE, "download, {nth}, {window} at a time, {loses:?}");

            let mut store = Store::new(Disk::default(), "/lfs", &mut buffer);
            let mut routine = upload(&file).with_parameters(parameters()).with_window(window);
            let server = periodic(nth, loses, |request| answer(&mut store, request));
            let run = scripted::run(&mut routine, &mut Client::new(0), 256, server);
            assert_eq!(run.report.outcome, DONE, "upload, {nth}, {window} at a time, {loses:?}");
            assert!(store.files().0[NAME] == file);
        }
    }
}

/// A server behind a UART that loses a byte of each fourth request, without a framing: the repeat
/// completes it, and the mixture of both is refused.
fn mixing(mut server: impl FnMut(&[u8]) -> Vec<u8>) -> impl FnMut(&[u8]) -> Vec<u8> {
    let (mut count, mut lost) = (0, Vec::new());
    move |request| {
        if lost == request {
            return refused(request, smp::Error::INVALID);
        }
        count += 1;
        if count % 4 != 0 {
            return server(request);
        }
        lost = request.to_vec();
        vec![]
    }
}

#[test]
fn a_refused_mixture_of_two_copies_ends_no_transfer() {
    let file = Random::new(3).bytes(3000);
    for window in 1..=3 {
        let mut buffer = [0; 1024];
        let mut store = Store::new(disk(&file), "/lfs", &mut buffer);
        let routine = FileDownload::new(NAME).with_parameters(ParametersResponse::new(256, 4)).with_window(window);
        let (report, got) = download(routine, (GOOD, 1), mixing(|request| answer(&mut store, request)));
        assert_eq!((report.outcome, got == file), (DONE, true), "{window} at a time");
        assert!(report.repeats > 0);

        let mut store = Store::new(Disk::default(), "/lfs", &mut buffer);
        let server = mixing(|request| answer(&mut store, request));
        let report = drive(&mut upload(&file).with_window(window), (GOOD, 1), server, |_| ());
        assert_eq!((report.outcome, store.files().0[NAME] == file), (DONE, true), "{window} at a time");
    }
}
