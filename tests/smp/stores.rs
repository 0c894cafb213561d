//! The layer between a group and a device: the file store, the settings store, the shell runner,
//! the lists of counters and of groups. Each is asked as a client would, through `dispatch`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anysmp::cbor::Text;
use anysmp::smp::client::{self, Client};
use anysmp::smp::fs::{self, Files, HashOutput, Path, Store};
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{Error, Header, Request, enumeration, error, settings, shell, stat};

#[cfg(all(anysmp_checkout, feature = "sha2"))]
use crate::item::{Form, Item};
use crate::kit::random::Random;
use crate::kit::smp::with;

/// One exchange through both ends; the answer's payload is handed to `check` and lies in `room`
/// bytes at most.
fn exchange<R: Request, T>(
    request: &R,
    room: usize,
    handler: impl FnMut(&Incoming<'_>, Reply<'_>) -> Answer,
    check: impl FnOnce(&[u8], Result<R::Response<'_>, client::Error>) -> T,
) -> T {
    let (mut tx, mut answer) = (vec![0; 70_000], vec![0; Header::LEN + room]);
    let (len, pending) = Client::new(7).request(request, &mut tx).unwrap();
    let (len, _) = serve(handler, AllowAll, &tx[..len], &mut answer);
    assert!(pending.accepts(&answer[..len]));
    check(&answer[Header::LEN..len], pending.decode(&answer[..len]))
}

fn remote<T>(error: Error) -> Result<T, client::Error> {
    Err(client::Error::Remote(error))
}

// Files

/// A file system in a map, with a limit, a list of what was done, and an error to come.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    log: Vec<String>,
    full: Option<usize>,
    fails: Option<Error>,
}

impl Files for Disk {
    fn len(&mut self, path: Path<'_>) -> Result<u64, Error> {
        let directory = format!("{}/", path.as_str());
        match self.files.get(path.as_str()) {
            Some(file) => Ok(file.len() as u64),
            None if self.files.keys().any(|name| name.starts_with(&directory)) => Err(error::fs::FILE_IS_DIRECTORY),
            None => Err(error::fs::FILE_NOT_FOUND),
        }
    }

    fn read(&mut self, path: Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error> {
        let file = self.files.get(path.as_str()).ok_or(error::fs::FILE_NOT_FOUND)?;
        let rest = &file[off as usize..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn create(&mut self, path: Path<'_>) -> Result<(), Error> {
        self.log.push(format!("create {}", path.as_str()));
        self.fails.map_or(Ok(()), Err)?;
        self.files.insert(path.as_str().to_string(), Vec::new());
        Ok(())
    }

    fn append(&mut self, path: Path<'_>, off: u64, data: &[u8]) -> Result<(), Error> {
        self.log.push(format!("append {off}+{}", data.len()));
        self.fails.map_or(Ok(()), Err)?;
        let file = self.files.get_mut(path.as_str()).unwrap();
        assert_eq!(file.len() as u64, off, "a file grows at its end");
        if self.full.is_some_and(|full| file.len() + data.len() > full) {
            return Err(error::fs::FILE_WRITE_FAILED);
        }
        file.extend_from_slice(data);
        Ok(())
    }

    fn close(&mut self) {
        self.log.push("close".to_string());
    }
}

fn disk(files: &[(&str, &[u8])]) -> Disk {
    let files = files.iter().map(|(name, content)| ((*name).to_string(), content.to_vec())).collect();
    Disk { files, ..Disk::default() }
}

/// A refused piece, and the keys beside the error.
#[derive(Debug, PartialEq)]
enum Piece {
    Next(u64),
    Refused(Error, Option<u64>),
}

fn upload(store: &mut Store<'_, Disk>, name: &str, off: u64, data: &[u8], len: Option<u64>) -> Piece {
    let request = fs::Upload { name: name.into(), off, data: data.into(), len };
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(store, incoming, reply);
    exchange(&request, 100, handler, |payload, response| match response {
        Ok(response) => Piece::Next(response.off),
        Err(client::Error::Remote(error)) => Piece::Refused(error, error::beside(payload, "len")),
        Err(other) => panic!("{other:?}"),
    })
}

/// One request to a file store; `$check` sees the response.
macro_rules! ask {
    ($store:expr, $request:expr, $room:expr, $check:expr) => {
        exchange(
            &$request,
            $room,
            |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(&mut $store, incoming, reply),
            |_, response| $check(response),
        )
    };
}

const WRONG: Error = error::fs::FILE_OFFSET_NOT_VALID;

#[test]
fn a_file_arrives_piece_by_piece_and_is_closed_at_its_end() {
    let mut store = Store::new(disk(&[("/f", b"old and long")]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"hello", Some(11)), Piece::Next(5));
    assert_eq!(upload(&mut store, "/f", 5, b" wor", None), Piece::Next(9));
    assert_eq!(upload(&mut store, "/f", 9, b"ld", None), Piece::Next(11));
    assert_eq!(store.files().files["/f"], b"hello world");
    assert_eq!(store.files().log, ["create /f", "append 0+5", "append 5+4", "append 9+2", "close"]);
    // It has ended: the next piece belongs to nothing, and its answer is where the file ends.
    assert_eq!(upload(&mut store, "/f", 9, b"ld", None), Piece::Refused(WRONG, Some(11)));
    assert_eq!(upload(&mut store, "/f", 11, b"!", None), Piece::Refused(WRONG, Some(11)));
    assert_eq!(store.files().files["/f"], b"hello world");
}

#[test]
fn an_empty_file_is_whole_at_once() {
    let mut store = Store::new(disk(&[("/f", b"old")]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"", Some(0)), Piece::Next(0));
    assert_eq!(store.files().log, ["create /f", "close"]);
    assert_eq!(store.files().files["/f"], b"");
}

#[test]
fn a_first_piece_without_a_length_is_refused_and_the_old_file_stays() {
    let mut store = Store::new(disk(&[("/f", b"old")]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"new", None), Piece::Refused(Error::INVALID, None));
    assert_eq!(store.files().files["/f"], b"old");
    assert!(store.files().log.is_empty());
}

#[test]
fn more_data_than_announced_is_refused_and_nothing_of_it_is_written() {
    let mut store = Store::new(disk(&[("/f", b"old")]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"12345", Some(4)), Piece::Refused(Error::INVALID, None));
    assert_eq!(store.files().files["/f"], b"old", "not even made anew");
    assert_eq!(upload(&mut store, "/f", 0, b"123", Some(4)), Piece::Next(3));
    assert_eq!(upload(&mut store, "/f", 3, b"45", None), Piece::Refused(Error::INVALID, None));
    assert_eq!(upload(&mut store, "/f", 3, b"4", None), Piece::Next(4), "the upload is still under way");
    assert_eq!(store.files().files["/f"], b"1234");
}

#[test]
fn a_wrong_offset_is_told_the_right_one_and_the_upload_goes_on_there() {
    let mut store = Store::new(disk(&[]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 5, b"x", None), Piece::Refused(WRONG, Some(0)), "no such file");
    assert_eq!(upload(&mut store, "/f", 0, b"abc", Some(9)), Piece::Next(3));
    // Repeated, skipped, and absurd.
    for off in [1, 2, 4, 8, u64::MAX] {
        assert_eq!(upload(&mut store, "/f", off, b"abc", None), Piece::Refused(WRONG, Some(3)), "{off}");
    }
    assert_eq!(upload(&mut store, "/f", 3, b"", None), Piece::Next(3), "no data, no progress, no harm");
    assert_eq!(upload(&mut store, "/f", 3, b"defghi", None), Piece::Next(9));
    assert_eq!(store.files().files["/f"], b"abcdefghi");
}

#[test]
fn another_file_in_between_waits_or_takes_over() {
    let mut store = Store::new(disk(&[("/g", b"12")]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"abc", Some(6)), Piece::Next(3));
    assert_eq!(upload(&mut store, "/g", 2, b"3", None), Piece::Refused(WRONG, Some(2)), "not begun");
    let status = fs::Status { name: "/g".into() };
    ask!(store, status, 100, |response| assert_eq!(response, Ok(fs::StatusResponse::new(2))));
    assert_eq!(upload(&mut store, "/f", 3, b"d", None), Piece::Next(4), "reading another file does no harm");
    assert_eq!(upload(&mut store, "/g", 0, b"x", Some(2)), Piece::Next(1), "but a new upload takes over");
    assert_eq!(upload(&mut store, "/f", 4, b"e", None), Piece::Refused(WRONG, Some(4)));
    assert_eq!(upload(&mut store, "/g", 1, b"y", None), Piece::Next(2));
    assert_eq!(store.files().files["/f"], b"abcd");
    assert_eq!(store.files().files["/g"], b"xy");
}

#[test]
fn close_and_errors_of_the_file_system_end_an_upload() {
    let mut store = Store::new(disk(&[]), "", &mut []);
    assert_eq!(upload(&mut store, "/f", 0, b"abc", Some(6)), Piece::Next(3));
    ask!(store, fs::Close {}, 100, |response: Result<_, _>| assert!(response.is_ok()));
    assert_eq!(upload(&mut store, "/f", 3, b"def", None), Piece::Refused(WRONG, Some(3)));

    store.files().full = Some(4);
    assert_eq!(upload(&mut store, "/f", 0, b"abc", Some(6)), Piece::Next(3));
    store.files().log.clear();
    assert_eq!(upload(&mut store, "/f", 3, b"de", None), Piece::Refused(error::fs::FILE_WRITE_FAILED, None));
    assert_eq!(store.files().log, ["append 3+2", "close"]);
    assert_eq!(upload(&mut store, "/f", 3, b"d", None), Piece::Refused(WRONG, Some(3)), "it is over");

    store.files().fails = Some(error::fs::READ_ONLY_FILESYSTEM);
    assert_eq!(upload(&mut store, "/g", 0, b"", Some(0)), Piece::Refused(error::fs::READ_ONLY_FILESYSTEM, None));
    assert_eq!(upload(&mut store, "/g", 0, b"a", Some(1)), Piece::Refused(error::fs::READ_ONLY_FILESYSTEM, None));
}

#[test]
fn data_in_chunks_is_written_in_order() {
    let mut store = Store::new(disk(&[]), "", &mut []);
    let payload = b"\xbf\x64name\x62/f\x63off\x00\x63len\x05\x64data\x5f\x42he\x40\x43llo\xff\xff";
    let message = [&[8 | 2, 0, 0, payload.len() as u8, 0, 8, 1, 0][..], payload].concat();
    let mut tx = [0; 64];
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(&mut store, incoming, reply);
    let (len, _) = serve(handler, AllowAll, &message, &mut tx);
    assert_eq!(tx[8..len], *b"\xa1\x63off\x05");
    assert_eq!(store.files().files["/f"], b"hello");
}

#[test]
fn a_download_fills_the_answer_at_every_size_and_never_overflows_it() {
    let content = Random::new(1).bytes(3000);
    for room in 5..200 {
        let mut buffer = [0; 300];
        let mut store = Store::new(disk(&[("/f", &content)]), "", &mut buffer);
        for off in [0, 1, 300, 2999] {
            let request = fs::Download { name: "/f".into(), off };
            ask!(store, request, room, |response: Result<fs::DownloadResponse<'_>, _>| match response {
                Ok(piece) => {
                    let data = piece.data.as_slice().unwrap();
                    assert!(!data.is_empty(), "room {room}");
                    assert_eq!(*data, content[off as usize..][..data.len()]);
                    assert_eq!((piece.off, piece.len), (off, (off == 0).then_some(3000)));
                    let left = room - data.len();
                    assert!(left <= 35 || off == 2999, "room {room}: {left} bytes are not used");
                }
                Err(error) => {
                    assert!(room <= 35, "room {room}");
                    assert_eq!(remote::<()>(Error::TOO_LARGE), Err(error), "room {room}");
                }
            });
        }
    }
}

#[test]
fn a_download_in_pieces_gives_the_file() {
    for len in [0, 1, 63, 64, 65, 1000] {
        let content = Random::new(len as u64).bytes(len);
        let mut buffer = [0; 64];
        let mut store = Store::new(disk(&[("/f", &content)]), "", &mut buffer);
        let mut got = Vec::new();
        loop {
            let request = fs::Download { name: "/f".into(), off: got.len() as u64 };
            let more = ask!(store, request, 200, |response: Result<fs::DownloadResponse<'_>, _>| {
                let piece = response.unwrap();
                assert_eq!(piece.len, got.is_empty().then_some(len as u64));
                got.extend_from_slice(piece.data.as_slice().unwrap());
                got.len() < len
            });
            if !more {
                break;
            }
        }
        assert_eq!(got, content);
    }
}

#[test]
fn a_download_knows_the_ends_of_a_file() {
    let mut buffer = [0; 8];
    let mut store = Store::new(disk(&[("/f", b"abc"), ("/e", b"")]), "", &mut buffer);
    let piece =
        |off, data: &'static [u8], len| Ok(with(fs::DownloadResponse::new(off, data.into()), |it| it.len = len));
    for (name, off, expected) in [
        ("/f", 0, piece(0, b"abc", Some(3))),
        ("/f", 2, piece(2, b"c", None)),
        ("/f", 3, piece(3, b"", None)),
        ("/f", 4, remote(error::fs::FILE_OFFSET_LARGER_THAN_FILE)),
        ("/f", u64::MAX, remote(error::fs::FILE_OFFSET_LARGER_THAN_FILE)),
        ("/e", 0, piece(0, b"", Some(0))),
        ("/e", 1, remote(error::fs::FILE_OFFSET_LARGER_THAN_FILE)),
        ("/none", 0, remote(error::fs::FILE_NOT_FOUND)),
    ] {
        let request = fs::Download { name: name.into(), off };
        ask!(store, request, 100, |response| assert_eq!(response, expected, "{name} {off}"));
    }
}

#[test]
fn an_answer_is_never_longer_than_its_header_can_tell() {
    let content = vec![7; 80_000];
    let mut buffer = vec![0; 80_000];
    let mut store = Store::new(disk(&[("/f", &content)]), "", &mut buffer);
    let request = fs::Download { name: "/f".into(), off: 0 };
    ask!(store, request, 80_000, |response: Result<fs::DownloadResponse<'_>, _>| {
        assert_eq!(response.unwrap().data.len(), 65_535 - 35);
    });
}

fn crc32(bytes: &[u8]) -> u64 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 0 { 0 } else { 0xEDB8_8320 })
    });
    u64::from(!crc)
}

#[test]
fn a_hash_covers_the_range_that_was_asked_for() {
    let content = Random::new(3).bytes(500);
    for size in [32, 33, 64, 1000] {
        let mut buffer = vec![0; size];
        let mut store = Store::new(disk(&[("/f", &content)]), "", &mut buffer);
        for (off, len) in [(None, None), (Some(0), None), (Some(1), Some(1)), (Some(499), None), (Some(32), Some(33))] {
            let from = off.unwrap_or(0) as usize;
            let range = &content[from..len.map_or(500, |len: u64| from + len as usize)];
            #[cfg(feature = "sha2")]
            let sum = <sha2::Sha256 as sha2::Digest>::digest(range);
            for (kind, output) in [
                (None, HashOutput::Number(crc32(range))),
                (Some("crc32"), HashOutput::Number(crc32(range))),
                #[cfg(feature = "sha2")]
                (Some("sha256"), HashOutput::Bytes(sum.as_slice().into())),
            ] {
                let request = fs::Hash { name: "/f".into(), kind: kind.map(Text::from), off, len };
                let expected =
                    with(fs::HashResponse::new(kind.unwrap_or("crc32").into(), range.len() as u64, output), |it| {
                        it.off = off.filter(|off| *off > 0)
                    });
                ask!(store, request, 100, |response| assert_eq!(response, Ok(expected), "{kind:?} {off:?} {len:?}"));
            }
        }
    }
}

#[test]
fn a_hash_of_nothing_or_of_an_unknown_kind_is_refused() {
    let mut buffer = [0; 32];
    let mut store = Store::new(disk(&[("/f", b"abc"), ("/e", b"")]), "", &mut buffer);
    let mut check = |name: &str, kind: Option<&str>, off, len, expected| {
        let request = fs::Hash { name: name.into(), kind: kind.map(Text::from), off, len };
        ask!(store, request, 100, |response| assert_eq!(response, remote(expected), "{name} {kind:?} {off:?} {len:?}"));
    };
    check("/f", None, None, Some(0), Error::INVALID);
    check("/f", None, Some(3), None, error::fs::FILE_OFFSET_LARGER_THAN_FILE);
    check("/f", None, Some(u64::MAX), Some(u64::MAX), error::fs::FILE_OFFSET_LARGER_THAN_FILE);
    check("/e", None, None, None, error::fs::FILE_EMPTY);
    #[cfg(feature = "sha2")]
    check("/e", Some("sha256"), None, None, error::fs::FILE_EMPTY);
    check("/none", None, None, None, error::fs::FILE_NOT_FOUND);
    check("/../f", Some("md5"), None, None, error::fs::FILE_INVALID_NAME);
    check("/f", Some("md5"), None, None, error::fs::CHECKSUM_HASH_NOT_FOUND);
    check("/f", Some(""), None, None, error::fs::CHECKSUM_HASH_NOT_FOUND);
    let too_far = fs::Hash { name: "/f".into(), kind: None, off: Some(1), len: Some(u64::MAX) };
    ask!(store, too_far, 100, |response: Result<fs::HashResponse<'_>, _>| {
        assert_eq!(response.map(|hash| hash.len), Ok(2), "a length beyond the end means the end");
    });
    // No room for the result, or to read into.
    #[cfg(feature = "sha2")]
    {
        let mut small = [0; 31];
        let mut store = Store::new(disk(&[("/f", b"abc")]), "", &mut small);
        let sha = fs::Hash { name: "/f".into(), kind: Some("sha256".into()), off: None, len: None };
        ask!(store, sha, 100, |response| assert_eq!(response, remote(Error::NO_MEMORY)));
    }
    let mut store = Store::new(disk(&[("/f", b"abc")]), "", &mut []);
    let crc = fs::Hash { name: "/f".into(), kind: None, off: None, len: None };
    ask!(store, crc, 100, |response| assert_eq!(response, remote(error::fs::FILE_READ_FAILED)));
}

#[test]
fn the_kinds_of_hashes_are_listed_as_zephyr_lists_them() {
    let mut store = Store::new(disk(&[]), "", &mut []);
    ask!(store, fs::HashTypes {}, 100, |response: Result<fs::HashTypesResponse<'_>, _>| {
        let types = response.unwrap().types;
        assert_eq!(types.get("crc32"), Some(fs::HashType::new(0, 4)));
        let sha256 = cfg!(feature = "sha2").then_some(fs::HashType::new(1, 32));
        assert_eq!(types.get("sha256"), sha256);
        assert_eq!(types.iter().count(), if sha256.is_some() { 2 } else { 1 });
    });
}

#[test]
fn no_command_touches_a_file_outside_of_the_root() {
    let mut buffer = [0; 64];
    let mut store =
        Store::new(disk(&[("/secret", b"abc"), ("/pub/f", b"abc"), ("/public", b"abc")]), "/pub", &mut buffer);
    for name in
        ["/secret", "/pub", "/pub/", "/public", "/pub/../secret", "/pub/./f", "/pub//f", "pub/f", "", "/pub/f\0"]
    {
        let refused = error::fs::FILE_INVALID_NAME;
        assert_eq!(upload(&mut store, name, 0, b"x", Some(1)), Piece::Refused(refused, None), "{name}");
        ask!(store, fs::Download { name: name.into(), off: 0 }, 100, |r| assert_eq!(r, remote(refused), "{name}"));
        ask!(store, fs::Status { name: name.into() }, 100, |r| assert_eq!(r, remote(refused), "{name}"));
        let hash = fs::Hash { name: name.into(), kind: None, off: None, len: None };
        ask!(store, hash, 100, |r| assert_eq!(r, remote(refused), "{name}"));
    }
    assert!(store.files().log.is_empty());
    let status = fs::Status { name: "/pub/f".into() };
    ask!(store, status, 100, |response| assert_eq!(response, Ok(fs::StatusResponse::new(3))));
}

// Settings

#[derive(Default)]
struct Values {
    values: BTreeMap<String, Vec<u8>>,
    saved: Vec<Option<String>>,
}

impl settings::Settings for Values {
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        let value = self.values.get(name).ok_or(error::settings::KEY_NOT_FOUND)?;
        into.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Ok(value.len())
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.values.insert(name.to_string(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        self.values.remove(name).map(drop).ok_or(error::settings::KEY_NOT_FOUND)
    }

    fn save(&mut self, name: Option<&str>) -> Result<(), Error> {
        self.saved.push(name.map(str::to_string));
        Ok(())
    }
}

/// A store that can be read and set, and nothing else.
struct Sparse;

impl settings::Settings for Sparse {
    fn get(&mut self, _: &str, _: &mut [u8]) -> Result<usize, Error> {
        Ok(0)
    }

    fn set(&mut self, _: &str, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

fn setting<R: Request, S: settings::Settings, T>(
    store: &mut settings::Store<'_, S>,
    request: &R,
    check: impl FnOnce(Result<R::Response<'_>, client::Error>) -> T,
) -> T {
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| settings::dispatch(store, incoming, reply);
    exchange(request, 200, handler, |_, response| check(response))
}

fn read<'b>(name: &'b str, max_size: Option<u32>) -> settings::Read<'b> {
    settings::Read { name: name.into(), max_size }
}

fn write<'b>(name: &'b str, value: &'b [u8]) -> settings::Write<'b> {
    settings::Write { name: name.into(), value: value.into(), save: None }
}

#[test]
fn a_setting_is_set_read_saved_and_deleted() {
    let mut buffer = [0; 32];
    let mut store = settings::Store::new(Values::default(), &mut buffer);
    let store = &mut store;
    assert!(setting(store, &write("a/b", b"\x01\x02"), |response| response.is_ok()));
    let value = |value: &'static [u8], max_size| {
        Ok(with(settings::ReadResponse::new(value.into()), |it| it.max_size = max_size))
    };
    setting(store, &read("a/b", None), |response| assert_eq!(response, value(b"\x01\x02", None)));
    assert!(store.settings().saved.is_empty(), "set is not saved");
    let text = settings::Write { value: settings::Setting::Text("on".into()), save: Some(true), ..write("m", b"") };
    assert!(setting(store, &text, |response| response.is_ok()));
    setting(store, &read("m", None), |response| assert_eq!(response, value(b"on", None)));
    let save = |name: Option<&'static str>| settings::Save { name: name.map(Text::from) };
    assert!(setting(store, &save(None), |response| response.is_ok()));
    assert!(setting(store, &save(Some("a")), |response| response.is_ok()));
    assert_eq!(store.settings().saved, [Some("m".to_string()), None, Some("a".to_string())]);
    assert!(setting(store, &settings::Delete { name: "a/b".into() }, |response| response.is_ok()));
    setting(store, &read("a/b", None), |response| assert_eq!(response, remote(error::settings::KEY_NOT_FOUND)));
    assert!(setting(store, &settings::Commit {}, |response| response.is_ok()));
}

#[test]
fn a_value_is_as_long_as_asked_for_and_fits() {
    let mut buffer = [0; 4];
    let mut store = settings::Store::new(Values::default(), &mut buffer);
    let store = &mut store;
    for (len, max_size, expected, told) in [
        (4, None, 4, None),
        (4, Some(4), 4, None),
        (4, Some(2), 2, None),
        (4, Some(0), 0, None),
        (4, Some(5), 4, Some(4)),
        (4, Some(u32::MAX), 4, Some(4)),
        (9, None, 4, None),
        (0, None, 0, None),
    ] {
        store.settings().values.insert("x".to_string(), b"123456789"[..len].to_vec());
        setting(store, &read("x", max_size), |response| {
            let response = response.unwrap();
            assert_eq!((response.value.chunks().len(), response.max_size), (expected, told), "{len} {max_size:?}");
        });
    }
    setting(store, &write("x", b"12345"), |response| assert_eq!(response, remote(Error::NO_MEMORY)));
    assert_eq!(store.settings().values["x"], b"", "what does not fit changes nothing");
}

#[test]
fn names_of_settings_are_checked_before_anything_happens() {
    let mut buffer = [0; 8];
    let mut store = settings::Store::new(Values::default(), &mut buffer);
    let store = &mut store;
    let longest = "n".repeat(31);
    assert!(setting(store, &write(&longest, b"1"), |response| response.is_ok()));
    let too_long = "n".repeat(32);
    for (name, expected) in [
        (too_long.as_str(), error::settings::KEY_TOO_LONG),
        ("", Error::INVALID),
        ("a\0b", Error::INVALID),
        ("a\nb", Error::INVALID),
    ] {
        setting(store, &read(name, None), |response| assert_eq!(response, remote(expected)));
        setting(store, &write(name, b"1"), |response| assert_eq!(response, remote(expected)));
        setting(store, &settings::Delete { name: name.into() }, |response| assert_eq!(response, remote(expected)));
        setting(store, &settings::Save { name: Some(name.into()) }, |r| assert_eq!(r, remote(expected)));
    }
    let bad = settings::Read { name: Text::from_bytes(b"\xFF"), max_size: None };
    setting(store, &bad, |response| assert_eq!(response, remote(Error::INVALID)));
    assert_eq!((store.settings().values.len(), store.settings().saved.len()), (1, 0));
}

#[test]
fn what_a_settings_store_cannot_do_it_says() {
    let mut store = settings::Store::new(Sparse, &mut []);
    let store = &mut store;
    let delete = settings::Delete { name: "x".into() };
    setting(store, &delete, |response| assert_eq!(response, remote(error::settings::DELETE_NOT_SUPPORTED)));
    setting(store, &settings::Load {}, |r| assert_eq!(r, remote(error::settings::READ_NOT_SUPPORTED)));
    setting(store, &settings::Save { name: None }, |r| assert_eq!(r, remote(error::settings::SAVE_NOT_SUPPORTED)));
    let save = settings::Write { save: Some(true), ..write("x", b"") };
    setting(store, &save, |response| assert_eq!(response, remote(error::settings::SAVE_NOT_SUPPORTED)));
    assert!(setting(store, &settings::Commit {}, |response| response.is_ok()));
}

// Shell

fn run<T>(
    argv: &[Text<'_>],
    (line, output): (usize, usize),
    shell: impl shell::Shell,
    check: impl FnOnce(Result<shell::ExecuteResponse<'_>, client::Error>) -> T,
) -> T {
    let (mut line, mut output) = (vec![0; line], vec![0; output]);
    let mut runner = shell::Runner::new(shell, &mut line, &mut output);
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| shell::dispatch(&mut runner, incoming, reply);
    exchange(&shell::Execute { argv: argv.into() }, 200, handler, |_, response| check(response))
}

#[test]
fn arguments_become_one_line_and_its_output_and_result_come_back() {
    let shell = |line: &str, output: &mut shell::Output<'_>| {
        write!(output, "<{line}>").unwrap();
        -7
    };
    for (argv, line) in [(&["kernel".into(), "version".into()][..], "kernel version"), (&["a b".into()], "a b")] {
        run(argv, (20, 20), shell, |response| {
            let response = response.unwrap();
            assert_eq!((response.output.to_string(), response.result), (format!("<{line}>"), Some(-7)));
        });
    }
}

#[test]
fn a_line_without_a_command_is_empty_and_a_line_beyond_the_buffer_is_too_long() {
    let never = |_: &str, _: &mut shell::Output<'_>| panic!("nothing may run");
    let empty: [&[Text<'_>]; 4] = [&[], &["".into()], &[" ".into(), "\t".into()], &["".into(), "".into()]];
    for argv in empty {
        run(argv, (20, 20), never, |response| assert_eq!(response, remote(error::shell::EMPTY_COMMAND)));
    }
    for line in 0..7 {
        run(&["abc".into(), "def".into()], (line, 20), never, |response| {
            assert_eq!(response, remote(error::shell::COMMAND_TOO_LONG), "{line}");
        });
    }
    let fits = |line: &str, _: &mut shell::Output<'_>| i32::from(line != "abc def");
    run(&["abc".into(), "def".into()], (7, 0), fits, |response| assert_eq!(response.unwrap().result, Some(0)));
    run(&[Text::from_bytes(b"\xFF")], (20, 20), never, |response| assert_eq!(response, remote(Error::INVALID)));
}

#[test]
fn output_is_cut_between_characters_and_what_comes_later_does_not_fill_the_gap() {
    let shell = |_: &str, output: &mut shell::Output<'_>| {
        write!(output, "aäöü").unwrap();
        write!(output, "x").unwrap();
        0
    };
    for (room, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "aä"), (4, "aä"), (7, "aäöü"), (8, "aäöüx")] {
        run(&["x".into()], (9, room), shell, |response| assert_eq!(response.unwrap().output, expected, "{room}"));
    }
}

// Statistics

#[test]
fn counters_are_served_from_a_list_of_sets() {
    let uart = [("rx".into(), 5), ("tx".into(), u64::MAX)];
    let sets = [stat::Set { name: "uart", fields: &uart }, stat::Set { name: "none", fields: &[] }];
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| stat::answer(&sets, incoming, reply);
    exchange(&stat::List {}, 100, handler, |payload, response| {
        assert_eq!(payload, b"\xa1\x69stat_list\x82\x64uart\x64none", "nothing that a strict client refuses");
        assert!(response.unwrap().names.iter().eq(["uart", "none"].map(Text::from)));
    });
    exchange(&stat::Read { name: "uart".into() }, 100, handler, |_, response| {
        let response = response.unwrap();
        assert_eq!((response.name, response.fields.get("tx")), ("uart".into(), Some(u64::MAX)));
        assert!(response.fields.iter().eq(uart));
    });
    exchange(&stat::Read { name: "none".into() }, 100, handler, |_, response| {
        assert_eq!(response.unwrap().fields.iter().count(), 0);
    });
    exchange(&stat::Read { name: "uar".into() }, 100, handler, |_, response| {
        assert_eq!(response, remote(error::stat::INVALID_GROUP));
    });
    exchange(&stat::Read { name: "uart".into() }, 20, handler, |_, response| {
        assert_eq!(response, remote(Error::TOO_LARGE));
    });
}

// Enumeration

#[test]
fn the_groups_are_served_from_one_list() {
    let detail = |group, name: Option<&'static str>| {
        with(enumeration::Detail::new(group), |it| {
            it.name = name.map(Text::from);
            it.handlers = Some(u32::from(group) + 1);
        })
    };
    let served = [detail(10, Some("enum mgmt")), detail(0, None), detail(64, Some("lamps"))];
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| enumeration::dispatch(&served, incoming, reply);
    exchange(&enumeration::Count {}, 100, handler, |_, response| assert_eq!(response.unwrap().count, 3));
    exchange(&enumeration::List {}, 100, handler, |_, response| {
        assert!(response.unwrap().groups.iter().eq([10, 0, 64]));
    });
    for (index, group, end) in [(None, 10, None), (Some(0), 10, None), (Some(1), 0, None), (Some(2), 64, Some(true))] {
        exchange(&enumeration::Single { index }, 100, handler, |_, response| {
            assert_eq!(response, Ok(with(enumeration::SingleResponse::new(group), |it| it.end = end)));
        });
    }
    for index in [3, u16::MAX] {
        exchange(&enumeration::Single { index: Some(index) }, 100, handler, |_, response| {
            assert_eq!(response, remote(error::enumeration::INDEX_TOO_LARGE));
        });
    }
    let details = |wanted: Option<&[u16]>, expected: &[enumeration::Detail<'_>]| {
        let request = enumeration::Details { groups: wanted.map(Into::into) };
        exchange(&request, 100, handler, |_, response| {
            assert!(response.unwrap().groups.iter().eq(expected.iter().copied()), "{wanted:?}");
        });
    };
    details(None, &served);
    details(Some(&[]), &[]);
    details(Some(&[64, 10, 99]), &[served[0], served[2]]);
    // The last group of the longest request counts, and one more is refused.
    let mut longest = [99; 65];
    longest[63] = 64;
    details(Some(&longest[..64]), &[served[2]]);
    exchange(&enumeration::Details { groups: Some(longest[..].into()) }, 100, handler, |_, response| {
        assert_eq!(response, remote(error::enumeration::TOO_MANY_GROUP_ENTRIES));
    });
    exchange(&enumeration::Details { groups: None }, 30, handler, |_, response| {
        assert_eq!(response, remote(Error::TOO_LARGE));
    });
}

#[test]
fn a_device_without_groups_says_so() {
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| enumeration::dispatch(&[], incoming, reply);
    exchange(&enumeration::Count {}, 100, handler, |_, response| assert_eq!(response.unwrap().count, 0));
    exchange(&enumeration::Single { index: None }, 100, handler, |_, response| {
        assert_eq!(response, remote(error::enumeration::INDEX_TOO_LARGE));
    });
}

// Paths

/// Slow and obvious: a path that the standard library takes apart and puts together again to the
/// same, below the root.
fn reference(bytes: &[u8], root: &str) -> Option<String> {
    use std::path::{Component, Path, PathBuf};
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    if text.len() > 64 || text.chars().any(|c| c.is_control() || c == '\\') {
        return None;
    }
    let mut resolved = PathBuf::new();
    for component in Path::new(&text).components() {
        match component {
            Component::RootDir | Component::Normal(_) => resolved.push(component),
            _ => return None,
        }
    }
    let root = if root.is_empty() { "/" } else { root };
    let below = resolved.strip_prefix(root).ok()?;
    let same = resolved.to_str() == Some(&text) && resolved.is_absolute() && !below.as_os_str().is_empty();
    same.then(|| below.to_str().unwrap().to_string())
}

#[test]
fn a_path_is_let_through_exactly_if_a_slow_resolver_finds_it_clean_and_below_the_root() {
    const SEED: u64 = 0x9A77;
    const PARTS: [&[u8]; 22] = [
        b"/",
        b"/",
        b"/",
        b"/",
        b"/",
        b".",
        b"..",
        b"...",
        b"a",
        b"lfs1",
        b"/lfs1",
        b"/lfs1/",
        b".a",
        b"a.",
        b" ",
        b"\\",
        b"\0",
        b"\x7F",
        b"\xC2\x85",
        b"\xC3\xA4",
        b"\xFF",
        b"0123456789abcdef0123456789abcdef",
    ];
    let mut random = Random::new(SEED);
    let (mut passed, mut refused) = (0, 0);
    for round in 0..1_000_000 {
        let mut path = Vec::new();
        if random.index(8) > 0 {
            path.extend_from_slice(b"/");
        }
        for _ in 0..random.index(7) {
            match random.index(12) {
                0 => path.push(random.byte()),
                1..=5 => path.extend_from_slice([&b"/a"[..], b"/bc", b"/lfs1", b"/x.bin", b"a"][random.index(5)]),
                _ => path.extend_from_slice(PARTS[random.index(PARTS.len())]),
            }
        }
        let root = ["", "/lfs1", "/lfs1/a"][random.index(3)];
        let parsed = Path::parse(Text::from_bytes(&path), root);
        let expected = reference(&path, root);
        match (parsed, expected) {
            (Ok(path), Some(below)) => {
                assert_eq!(path.below_root(), below, "seed {SEED:#x} round {round}");
                passed += 1;
            }
            (Err(error), None) => {
                assert_eq!(error, error::fs::FILE_INVALID_NAME);
                refused += 1;
            }
            (parsed, expected) => {
                let text = String::from_utf8_lossy(&path);
                panic!("seed {SEED:#x} round {round}: {text:?} below {root:?}: {parsed:?}, expected {expected:?}")
            }
        }
    }
    assert!(passed > 40_000 && refused > 300_000, "{passed} {refused}");
}

#[test]
fn a_path_may_be_64_bytes_long_and_in_one_piece() {
    let longest = format!("/{}", "a".repeat(63));
    assert_eq!(Path::parse(longest.as_str().into(), "").map(|path| path.as_str().len()), Ok(64));
    assert!(Path::parse(format!("{longest}a").as_str().into(), "").is_err());
}

// Beside a real server

/// The exchanges of one recorded run with the file group, in order: version 2 requests and their
/// answers.
#[cfg(all(anysmp_checkout, feature = "sha2"))]
fn recorded_files() -> Vec<(Vec<u8>, Vec<u8>)> {
    let lines = include_str!("../vectors/smp/pairs.jsonl").lines();
    let pairs = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of_run = pairs
        .filter(|pair| pair["server"] == "native_sim.serial_fs" && pair["step"].as_str().unwrap().starts_with("fs "));
    let bytes = |pair: &serde_json::Value, key: &str| crate::kit::hex::hex(pair[key].as_str().unwrap());
    let files = of_run.map(|pair| (bytes(&pair, "req"), bytes(&pair, "rsp")));
    files.filter(|(request, _)| request[0] & 8 != 0 && request[5] == 8).collect()
}

#[test]
#[cfg(all(anysmp_checkout, feature = "sha2"))]
fn the_store_answers_a_recorded_run_byte_for_byte_as_zephyr_did() {
    let mut buffer = [0; 512];
    let mut store = Store::new(Disk::default(), "", &mut buffer);
    let mut same = 0;
    for (request, theirs) in recorded_files() {
        let mut tx = [0; 1024];
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(&mut store, incoming, reply);
        let (len, _) = serve(handler, AllowAll, &request, &mut tx);
        let ours = &tx[Header::LEN..len];
        if request.ends_with(b"\x63off\x19\x02\x58\x64name\x6b/lfs1/t.bin") {
            assert_eq!(Error::find(ours), Ok(Some(error::fs::FILE_OFFSET_LARGER_THAN_FILE)), "an empty piece there");
            continue;
        }
        // Zephyr sends maps without a length; all else is equal.
        assert_eq!(Item::parse(ours).written(Form::Indefinite), theirs[Header::LEN..], "{request:02x?}");
        same += 1;
    }
    assert_eq!(same, 26);
}
