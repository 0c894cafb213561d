//! Every request and every response that no recorded exchange contains, at both ends: the bytes,
//! which are in `vectors/smp/groups.json`; every form that CBOR allows for them; missing, doubled
//! and cut-off parts; and the habits of real servers.

use anysmp::cbor::{Bytes, Malformed, Text, Writer};
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{
    Decode, Empty, Encode, Error, Group, Header, Op, Request, Version, client, enumeration, error, fs, image, legacy,
    os, settings, shell, stat, transport, zephyr,
};

use crate::item::{Form, Item};
use crate::kit::hex::hex;
use crate::kit::smp::with;

const FORMS: [Form; 4] = [Form::Shortest, Form::Indefinite, Form::Chunked, Form::Wide];

fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    value.encode(&mut writer).unwrap();
    let len = writer.len();
    buffer[..len].to_vec()
}

fn is(key: &Item, name: &str) -> bool {
    *key == Item::Text(name.as_bytes().to_vec())
}

/// An unknown entry, with something nested.
fn stranger() -> (Item, Item) {
    let nested = Item::Map(vec![(Item::Unsigned(7), Item::Array(vec![Item::Simple(22), Item::Bytes(vec![1])]))]);
    (Item::Text(b"stranger".to_vec()), nested)
}

/// The payload of the vector with this name.
fn vector(name: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = json["vectors"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["name"] == name).unwrap_or_else(|| panic!("no vector {name}"));
    hex(vector["payload"].as_str().unwrap())
}

const VECTORS: &str = include_str!("../vectors/smp/groups.json");

#[test]
fn every_vector_of_the_groups_is_checked() {
    let json: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    for vector in json["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        assert_eq!(include_str!("groups.rs").matches(&format!("\"{name}\"")).count(), 1, "{name}");
    }
}

/// Checks one type of payload: `$value` is written as the bytes of the vector `$name`, and these
/// are read in every form; keys named in `required` must be there, others may be missing.
macro_rules! payload {
    ($kind:ident $type:ty, $value:expr, $vector:literal, required: $required:expr) => {{
        let (value, bytes, required): ($type, &[u8], &[&str]) = ($value, &vector($vector), &$required);
        let name = stringify!($type);
        assert_eq!(encoded(&value), bytes, "{name}");
        let item = Item::parse(bytes);
        for form in FORMS {
            let mut changed = item.clone();
            assert_eq!(<$type>::decode(&changed.written(form)), Ok(value), "{name} {form:?}");
            changed.entries().insert(0, stranger());
            changed.entries().reverse();
            assert_eq!(<$type>::decode(&changed.written(form)), Ok(value), "{name} {form:?}, in another order");
            let whole = item.written(form);
            for cut in 1..whole.len() {
                assert_eq!(<$type>::decode(&whole[..cut]), Err(Malformed), "{name} {form:?}, cut at {cut}");
            }
        }
        for at in 0..item.clone().entries().len() {
            let (mut without, mut null, mut twice, mut wrong) =
                (item.clone(), item.clone(), item.clone(), item.clone());
            let (key, _) = without.entries().remove(at);
            null.entries()[at].1 = Item::Simple(22);
            twice.entries().push(stranger());
            let double = twice.entries()[at].clone();
            twice.entries().push(double);
            wrong.entries()[at].1 = Item::Simple(0);
            let (without, null) = (without.written(Form::Shortest), null.written(Form::Shortest));
            let needed = required.iter().any(|name| is(&key, name));
            let absent = <$type>::decode(&without);
            assert_eq!(absent.is_err(), needed, "{name} without {key:?}");
            assert_ne!(absent, Ok(value), "{name} without {key:?}");
            assert_eq!(<$type>::decode(&null), absent, "{name}: null means missing, {key:?}");
            let expected = if stringify!($kind) == "request" { Err(Malformed) } else { Ok(value) };
            assert_eq!(<$type>::decode(&twice.written(Form::Shortest)), expected, "{name}: {key:?} twice");
            assert_eq!(<$type>::decode(&wrong.written(Form::Shortest)), Err(Malformed), "{name}: {key:?} is no value");
        }
    }};
}

fn text(text: &str) -> Text<'_> {
    text.into()
}

fn bytes(bytes: &[u8]) -> Bytes<'_> {
    bytes.into()
}

/// A response to `R` as the client takes it.
fn response<R: Request>(payload: &[u8]) -> Result<R::Response<'_>, client::Error> {
    R::response(payload)
}

fn remote<T>(error: Error) -> Result<T, client::Error> {
    Err(client::Error::Remote(error))
}

#[test]
fn statistics_are_read_and_written() {
    payload!(request stat::Read<'_>, stat::Read { name: text("os") }, "stat::Read", required: ["name"]);
    payload!(request stat::List, stat::List {}, "stat::List", required: []);
    let fields = [(text("rx"), 5), (text("s1"), u64::MAX)];
    payload!(
        response stat::ReadResponse<'_>,
        stat::ReadResponse::new(text("os"), fields[..].into()),
        "stat::ReadResponse",
        required: ["name", "fields"]
    );
    let names = [text("os"), text("net")];
    payload!(
        response stat::ListResponse<'_>,
        stat::ListResponse::new(names[..].into()),
        "stat::ListResponse",
        required: ["stat_list"]
    );
}

#[test]
fn settings_are_read_and_written() {
    use settings::Setting;
    payload!(
        request settings::Read<'_>,
        settings::Read { name: text("a/b"), max_size: Some(32) },
        "settings::Read",
        required: ["name"]
    );
    payload!(
        response settings::ReadResponse<'_>,
        with(settings::ReadResponse::new(Setting::Bytes(bytes(b"\x01\x02"))), |it| it.max_size = Some(16)),
        "settings::ReadResponse",
        required: ["val"]
    );
    payload!(
        response settings::ReadResponse<'_>,
        settings::ReadResponse::new(Setting::Text(text("on"))),
        "settings::ReadResponse 2",
        required: ["val"]
    );
    payload!(
        request settings::Write<'_>,
        settings::Write { name: text("a/b"), value: Setting::Text(text("7")), save: Some(true) },
        "settings::Write",
        required: ["name", "val"]
    );
    payload!(
        request settings::Write<'_>,
        settings::Write { name: text("a/b"), value: b""[..].into(), save: None },
        "settings::Write 2",
        required: ["name", "val"]
    );
    payload!(request settings::Delete<'_>, settings::Delete { name: text("x") }, "settings::Delete", required: ["name"]);
    payload!(request settings::Commit, settings::Commit {}, "settings::Commit", required: []);
    payload!(request settings::Load, settings::Load {}, "settings::Load", required: []);
    payload!(request settings::Save<'_>, settings::Save { name: None }, "settings::Save", required: []);
    payload!(request settings::Save<'_>, settings::Save { name: Some(text("a")) }, "settings::Save 2", required: []);
    assert_eq!(Setting::Text(text("ab")).chunks(), Setting::Bytes(bytes(b"ab")).chunks());
}

#[test]
fn files_are_read_and_written() {
    let far = 1 << 32;
    payload!(
        request fs::Download<'_>,
        fs::Download { name: text("/f"), off: far },
        "fs::Download",
        required: ["name", "off"]
    );
    payload!(
        response fs::DownloadResponse<'_>,
        with(fs::DownloadResponse::new(0, bytes(b"hi")), |it| it.len = Some(far)),
        "fs::DownloadResponse",
        required: ["off", "data"]
    );
    payload!(
        request fs::Upload<'_>,
        fs::Upload { name: text("/f"), off: 0, data: bytes(b"hi"), len: Some(2) },
        "fs::Upload",
        required: ["name", "off", "data"]
    );
    payload!(response fs::UploadResponse, fs::UploadResponse::new(far), "fs::UploadResponse", required: ["off"]);
    payload!(request fs::Status<'_>, fs::Status { name: text("/f") }, "fs::Status", required: ["name"]);
    payload!(response fs::StatusResponse, fs::StatusResponse::new(24), "fs::StatusResponse", required: ["len"]);
    payload!(
        request fs::Hash<'_>,
        fs::Hash { name: text("/f"), kind: Some(text("crc32")), off: Some(1), len: Some(2) },
        "fs::Hash",
        required: ["name"]
    );
    payload!(
        response fs::HashResponse<'_>,
        fs::HashResponse::new(text("crc32"), 9, fs::HashOutput::Number(0xCBF4_3926)),
        "fs::HashResponse",
        required: ["type", "len", "output"]
    );
    payload!(
        response fs::HashResponse<'_>,
        with(fs::HashResponse::new(text("x"), 9, fs::HashOutput::Bytes(bytes(b"\x01\x02"))), |it| it.off = Some(3)),
        "fs::HashResponse 2",
        required: ["type", "len", "output"]
    );
    payload!(request fs::HashTypes, fs::HashTypes {}, "fs::HashTypes", required: []);
    let types = [(text("crc32"), fs::HashType::new(0, 4))];
    payload!(
        response fs::HashTypesResponse<'_>,
        fs::HashTypesResponse::new(types[..].into()),
        "fs::HashTypesResponse",
        required: ["types"]
    );
    payload!(request fs::Close, fs::Close {}, "fs::Close", required: []);
}

#[test]
fn shell_lines_are_read_and_written() {
    let argv = [text("kernel"), text("version")];
    payload!(
        request shell::Execute<'_>,
        shell::Execute { argv: argv[..].into() },
        "shell::Execute",
        required: ["argv"]
    );
    payload!(
        response shell::ExecuteResponse<'_>,
        with(shell::ExecuteResponse::new(text("ok\r\n")), |it| it.result = Some(-22)),
        "shell::ExecuteResponse",
        required: ["o"]
    );
}

#[test]
fn groups_are_read_and_written() {
    payload!(request enumeration::Count, enumeration::Count {}, "enumeration::Count", required: []);
    payload!(response enumeration::CountResponse, enumeration::CountResponse::new(8), "enumeration::CountResponse", required: ["count"]);
    payload!(request enumeration::List, enumeration::List {}, "enumeration::List", required: []);
    let numbers = [10, 0, 0xFFFF];
    payload!(
        response enumeration::ListResponse<'_>,
        enumeration::ListResponse::new(numbers[..].into()),
        "enumeration::ListResponse",
        required: ["groups"]
    );
    payload!(request enumeration::Single, enumeration::Single { index: Some(3) }, "enumeration::Single", required: []);
    payload!(
        response enumeration::SingleResponse,
        with(enumeration::SingleResponse::new(63), |it| it.end = Some(true)),
        "enumeration::SingleResponse",
        required: ["group"]
    );
    payload!(request enumeration::Details<'_>, enumeration::Details { groups: None }, "enumeration::Details", required: []);
    payload!(
        request enumeration::Details<'_>,
        enumeration::Details { groups: Some(numbers[..2].into()) },
        "enumeration::Details 2",
        required: []
    );
    let details = [
        with(enumeration::Detail::new(0), |it| {
            it.name = Some(text("os mgmt"));
            it.handlers = Some(9);
        }),
        enumeration::Detail::new(64),
    ];
    payload!(
        response enumeration::DetailsResponse<'_>,
        enumeration::DetailsResponse::new(details[..].into()),
        "enumeration::DetailsResponse",
        required: ["groups"]
    );
}

#[test]
fn bridges_are_read_and_written() {
    payload!(
        request transport::Connect<'_>,
        transport::Connect {
            transport: 2,
            mode: Some(1),
            address: Some(text("aa:bb")),
            address_type: Some(1),
            le_coded: Some(true),
        },
        "transport::Connect",
        required: ["transport"]
    );
    payload!(
        request transport::Disconnect,
        transport::Disconnect { transport: Some(2), all: Some(true) },
        "transport::Disconnect",
        required: []
    );
    payload!(request transport::Status, transport::Status {}, "transport::Status", required: []);
    payload!(
        response transport::StatusResponse,
        with(transport::StatusResponse::new(2, 1), |it| { it.bridged = Some(true); it.transport = Some(4); }),
        "transport::StatusResponse",
        required: ["supported", "active"]
    );
    payload!(request transport::List, transport::List {}, "transport::List", required: []);
    let transports =
        [with(transport::Transport::new(2), |it| it.name = Some(text("bt"))), transport::Transport::new(64)];
    payload!(
        response transport::ListResponse<'_>,
        transport::ListResponse::new(transports[..].into()),
        "transport::ListResponse",
        required: ["transports"]
    );
    payload!(request transport::Modes, transport::Modes { transport: 2 }, "transport::Modes", required: ["transport"]);
    let modes = [with(transport::Mode::new(0), |it| {
        it.description = Some(text("x"));
        it.incoming = true;
    })];
    payload!(
        response transport::ModesResponse<'_>,
        transport::ModesResponse::new(modes[..].into()),
        "transport::ModesResponse",
        required: ["modes"]
    );
    let sparse = response::<transport::Modes>(b"\xa1\x65modes\x81\xa2\x62id\x00\x6bdescription\x61x").unwrap();
    assert_eq!(sparse.modes.iter().next().map(|mode| (mode.incoming, mode.outgoing)), Some((false, false)));
    payload!(
        request transport::Configuration,
        transport::Configuration { transport: 2, mode: 1 },
        "transport::Configuration",
        required: ["transport", "mode"]
    );
    let keys = [with(transport::Key::new(text("address"), 3), |it| it.required = true)];
    payload!(
        response transport::ConfigurationResponse<'_>,
        transport::ConfigurationResponse::new(keys[..].into()),
        "transport::ConfigurationResponse",
        required: ["configs"]
    );
}

/// What no recorded exchange has a response to.
#[test]
fn dates_pools_and_core_dumps_are_read_and_written() {
    payload!(request os::ReadDateTime, os::ReadDateTime {}, "os::ReadDateTime", required: []);
    payload!(
        response os::DateTimeResponse<'_>,
        os::DateTimeResponse::new(text("2026-11-20T10:30:00")),
        "os::DateTimeResponse",
        required: ["datetime"]
    );
    payload!(
        request os::WriteDateTime<'_>,
        os::WriteDateTime { datetime: text("2026-11-20T10:30:00") },
        "os::WriteDateTime",
        required: ["datetime"]
    );
    payload!(request os::PoolStatistics, os::PoolStatistics {}, "os::PoolStatistics", required: []);
    let pool = with(os::Pool::new(12, 9), |it| (it.block_size, it.min) = (Some(292), Some(7)));
    let payload = vector("os::PoolStatisticsResponse");
    for form in FORMS {
        let payload = Item::parse(&payload).written(form);
        let pools = response::<os::PoolStatistics>(&payload).unwrap();
        assert_eq!(pools, os::PoolStatisticsResponse::new(&[("msys_1".into(), pool)]), "{form:?}");
    }
    payload!(request image::CoreList, image::CoreList {}, "image::CoreList", required: []);
    payload!(request image::CoreLoad, image::CoreLoad { off: 512 }, "image::CoreLoad", required: ["off"]);
    payload!(
        response image::CoreLoadResponse<'_>,
        with(image::CoreLoadResponse::new(512, bytes(&[1, 2, 3])), |it| it.len = Some(4096)),
        "image::CoreLoadResponse",
        required: ["off", "data"]
    );
    payload!(request image::CoreErase, image::CoreErase {}, "image::CoreErase", required: []);
}

#[test]
fn what_mynewt_left_is_read_and_written() {
    payload!(
        request legacy::LogShow<'_>,
        legacy::LogShow { name: Some(text("boot")), timestamp: Some(-1), index: Some(3) },
        "legacy::LogShow",
        required: []
    );
    let entries = [with(legacy::LogEntry::new(text("str"), -5, 1, 2, 3, bytes(b"hi")), |it| {
        it.image_hash = Some(bytes(b"\xAA"))
    })];
    let logs = [legacy::Log::new(text("boot"), 1, entries[..].into())];
    payload!(
        response legacy::LogShowResponse<'_>,
        with(legacy::LogShowResponse::new(logs[..].into()), |it| { it.next_index = Some(4); it.rc = Some(0); }),
        "legacy::LogShowResponse",
        required: ["logs"]
    );
    payload!(request legacy::LogClear<'_>, legacy::LogClear { name: Some(text("x")) }, "legacy::LogClear", required: []);
    payload!(request legacy::LogModules, legacy::LogModules {}, "legacy::LogModules", required: []);
    payload!(request legacy::LogLevels, legacy::LogLevels {}, "legacy::LogLevels", required: []);
    payload!(request legacy::LogList, legacy::LogList {}, "legacy::LogList", required: []);
    let table = [(text("os"), 0), (text("x"), 255)];
    payload!(
        response legacy::LogModulesResponse<'_>,
        legacy::LogModulesResponse::new(table[..].into()),
        "legacy::LogModulesResponse",
        required: ["module_map"]
    );
    payload!(
        response legacy::LogLevelsResponse<'_>,
        legacy::LogLevelsResponse::new(table[..].into()),
        "legacy::LogLevelsResponse",
        required: ["level_map"]
    );
    let names = [text("boot"), text("crash")];
    payload!(
        response legacy::LogListResponse<'_>,
        legacy::LogListResponse::new(names[..].into()),
        "legacy::LogListResponse",
        required: ["log_list"]
    );
    payload!(request legacy::Crash<'_>, legacy::Crash { how: text("div0") }, "legacy::Crash", required: ["t"]);
    payload!(
        request legacy::RunTest<'_>,
        legacy::RunTest { name: Some(text("all")), token: Some(text("x")) },
        "legacy::RunTest",
        required: []
    );
    payload!(request legacy::RunList, legacy::RunList {}, "legacy::RunList", required: []);
    payload!(
        response legacy::RunListResponse<'_>,
        legacy::RunListResponse::new(names[..].into()),
        "legacy::RunListResponse",
        required: ["run_list"]
    );
    payload!(request os::ConsoleEcho, os::ConsoleEcho { echo: Some(0) }, "os::ConsoleEcho", required: []);
    payload!(request zephyr::EraseStorage, zephyr::EraseStorage {}, "zephyr::EraseStorage", required: []);
    payload!(response Empty, Empty {}, "Empty", required: []);
}

/// `rc: 0` in front of every success, which old servers send.
macro_rules! with_rc {
    ($($request:ty: $bytes:expr;)*) => {$({
        let plain = response::<$request>($bytes).unwrap();
        for form in FORMS {
            let mut item = Item::parse($bytes);
            item.entries().insert(0, (Item::Text(b"rc".to_vec()), Item::Unsigned(0)));
            assert_eq!(response::<$request>(&item.written(form)), Ok(plain), "{} {form:?}", stringify!($request));
            item.entries()[0].1 = Item::Negative(4);
            let refused = item.written(form);
            if !matches!(<$request>::GROUP, Group::SHELL) {
                let name = stringify!($request);
                assert_eq!(response::<$request>(&refused), remote(Error::Smp(-5)), "{name} {form:?}");
            }
        }
    })*};
}

#[test]
fn every_success_may_come_with_rc_0_and_no_success_with_another() {
    with_rc! {
        stat::Read<'_>: b"\xa2\x64name\x62os\x66fields\xa1\x62rx\x05";
        stat::List: b"\xa1\x69stat_list\x81\x62os";
        settings::Read<'_>: b"\xa1\x63val\x41\x01";
        settings::Write<'_>: b"\xa0";
        settings::Delete<'_>: b"\xa0";
        settings::Commit: b"\xa0";
        settings::Load: b"\xa0";
        settings::Save<'_>: b"\xa0";
        fs::Download<'_>: b"\xa2\x63off\x00\x64data\x41a";
        fs::Upload<'_>: b"\xa1\x63off\x00";
        fs::Status<'_>: b"\xa1\x63len\x00";
        fs::Hash<'_>: b"\xa3\x64type\x61x\x63len\x00\x66output\x00";
        fs::HashTypes: b"\xa1\x65types\xa0";
        fs::Close: b"\xa0";
        shell::Execute<'_>: b"\xa2\x61o\x61x\x63ret\x00";
        enumeration::Count: b"\xa1\x65count\x00";
        enumeration::List: b"\xa1\x66groups\x80";
        enumeration::Single: b"\xa1\x65group\x00";
        enumeration::Details<'_>: b"\xa1\x66groups\x80";
        transport::Connect<'_>: b"\xa0";
        transport::Disconnect: b"\xa0";
        transport::Status: b"\xa2\x69supported\x00\x66active\x00";
        transport::List: b"\xa1\x6atransports\x80";
        transport::Modes: b"\xa1\x65modes\x80";
        transport::Configuration: b"\xa1\x67configs\x80";
        zephyr::EraseStorage: b"\xa0";
        legacy::LogClear<'_>: b"\xa0";
        legacy::LogModules: b"\xa1\x6amodule_map\xa0";
        legacy::LogLevels: b"\xa1\x69level_map\xa0";
        legacy::LogList: b"\xa1\x68log_list\x80";
        legacy::Crash<'_>: b"\xa0";
        legacy::RunTest<'_>: b"\xa0";
        legacy::RunList: b"\xa1\x68run_list\x80";
    }
}

#[test]
fn statistics_errors_that_come_as_group_63_are_those_of_statistics() {
    for rc in 1..6 {
        let payload = [&b"\xa1\x63err\xa2\x65group\x18\x3f\x62rc"[..], &[rc]].concat();
        let error = Error::Group { group: Group::STATISTICS, rc: rc.into() };
        assert_eq!(response::<stat::Read<'_>>(&payload), remote(error));
        assert_eq!(response::<stat::List>(&payload), remote(error));
        let other = Error::Group { group: Group::ZEPHYR, rc: rc.into() };
        assert_eq!(response::<zephyr::EraseStorage>(&payload), remote(other), "there it is what it says");
    }
    let own = b"\xa1\x63err\xa2\x65group\x02\x62rc\x02";
    assert_eq!(response::<stat::Read<'_>>(own), remote(error::stat::INVALID_GROUP));
    assert_eq!(response::<stat::Read<'_>>(b"\xa1\x62rc\x08"), remote(Error::NOT_SUPPORTED));
    assert_eq!(response::<stat::Read<'_>>(b"\xa0"), Err(client::Error::Malformed), "no error and no counters");
}

#[test]
fn the_rc_of_a_shell_command_is_no_error_of_the_request() {
    let result = |payload: &'static [u8]| response::<shell::Execute<'_>>(payload);
    let ran = |output, result| Ok(with(shell::ExecuteResponse::new(text(output)), |it| it.result = result));
    assert_eq!(result(b"\xa2\x61o\x62ok\x63ret\x00"), ran("ok", Some(0)));
    assert_eq!(result(b"\xa2\x61o\x62ok\x62rc\x2d"), ran("ok", Some(-14)));
    assert_eq!(result(b"\xa2\x62rc\x01\x61o\x60"), ran("", Some(1)));
    assert_eq!(result(b"\xa3\x62rc\x00\x61o\x60\x63ret\x05"), ran("", Some(5)), "legacy rc beside the result");
    assert_eq!(result(b"\xbf\x61o\x7f\x62he\x63llo\xff\x62rc\x00\xff"), ran("hello", Some(0)));
    assert_eq!(result(b"\xa1\x61o\x62ok"), ran("ok", None));
    assert_eq!(result(b"\xa1\x62rc\x08"), remote(Error::NOT_SUPPORTED));
    assert_eq!(result(b"\xa1\x63err\xa2\x65group\x09\x62rc\x03"), remote(error::shell::EMPTY_COMMAND));
    for nonsense in [&b"\xa0"[..], b"", b"\xa1\x62rc\x00", b"\xa1\x61o\x05", b"\xa1\x63ret\x00"] {
        assert_eq!(response::<shell::Execute<'_>>(nonsense), Err(client::Error::Malformed), "{nonsense:02x?}");
    }
}

#[test]
fn a_refused_piece_of_a_file_still_tells_where_to_go_on() {
    let zephyr = b"\xbf\x63err\xbf\x65group\x08\x62rc\x0b\xff\x63len\x19\x02\x00\xff";
    assert_eq!(response::<fs::Upload<'_>>(zephyr), remote(error::fs::FILE_OFFSET_NOT_VALID));
    assert_eq!(error::beside::<u64>(zephyr, "len"), Some(512));
    let mynewt = b"\xbf\x62rc\x03\x63off\x18\x40\xff";
    assert_eq!(response::<fs::Upload<'_>>(mynewt), remote(Error::INVALID));
    assert_eq!(error::beside::<u64>(mynewt, "off"), Some(64));
    assert_eq!(error::beside::<u64>(b"\xa1\x62rc\x01", "len"), None);
}

#[test]
fn log_entries_may_come_in_pieces_and_with_a_promise_of_more() {
    let payload = b"\xbf\x6anext_index\x05\x64logs\x9f\xbf\x64name\x64boot\x64type\x02\x67entries\x9f\xbf\x63msg\x5f\x42he\x43llo\xff\
                    \x62ts\x19\x03\xe8\x65level\x02\x65index\x04\x66module\x00\x64type\x63str\xff\xff\xff\xff\x62rc\x01\xff";
    let shown = response::<legacy::LogShow<'_>>(payload).unwrap();
    assert_eq!((shown.next_index, shown.rc), (Some(5), Some(1)));
    let log = shown.logs.iter().next().unwrap();
    let entry = log.entries.iter().next().unwrap();
    assert_eq!((log.kind, entry.timestamp, entry.image_hash), (2, 1000, None));
    assert_eq!(entry.message, b"hello"[..]);
    assert_eq!(entry.message.as_slice(), None, "it is not in one piece");
    for (nothing, rc) in [
        (&b"\xa1\x62rc\x05"[..], 5),
        (b"\xa2\x64logs\x80\x62rc\x05", 5),
        (b"\xa2\x64logs\x81\xa3\x64name\x60\x64type\x01\x67entries\x80\x62rc\x09", 9),
    ] {
        assert_eq!(response::<legacy::LogShow<'_>>(nothing), remote(Error::Smp(rc)), "an error without entries");
    }
}

#[test]
fn an_empty_answer_is_an_empty_map_and_other_nonsense_is_malformed() {
    assert_eq!(response::<zephyr::EraseStorage>(b""), Ok(Empty {}));
    assert_eq!(response::<fs::Status<'_>>(b""), Err(client::Error::Malformed));
    for nonsense in [&b"\x80"[..], b"\x00", b"\xff", b"\xbf", b"\xa1\x62rc", b"\xa1\x01\x02", b"\xa1\x63err\x05"] {
        assert_eq!(response::<zephyr::EraseStorage>(nonsense), Err(client::Error::Malformed), "{nonsense:02x?}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_malformed_and_not_cut() {
    let beyond = |key: &str| {
        Item::Map(vec![(Item::Text(key.as_bytes().to_vec()), Item::Unsigned(1 << 32))]).written(Form::Shortest)
    };
    assert_eq!(enumeration::Single::decode(&beyond("index")), Err(Malformed));
    assert_eq!(transport::Modes::decode(&beyond("transport")), Err(Malformed));
    assert_eq!(response::<enumeration::Count>(&beyond("count")), Err(client::Error::Malformed));
    assert_eq!(response::<zephyr::EraseStorage>(&beyond("rc")), Err(client::Error::Malformed));
    assert_eq!(fs::Download::decode(b"\xa2\x64name\x61f\x63off\x20"), Err(Malformed), "no offset is negative");
}

/// What a group answers with the given handler, header and payload.
fn asked(
    group: Group,
    (op, command): (Op, u8),
    version: Version,
    payload: &[u8],
    handler: impl FnMut(&Incoming<'_>, Reply<'_>) -> Answer,
) -> Vec<u8> {
    let header = Header { op, version, length: payload.len() as u16, group, sequence: 1, command };
    let (mut tx, message) = ([0; 256], [&header.emit(), payload].concat());
    let (len, _) = serve(handler, AllowAll, &message, &mut tx);
    let (answer, payload) = Header::parse(&tx[..len]).unwrap();
    assert_eq!(answer, Header { length: payload.len() as u16, ..header.response() });
    payload.to_vec()
}

/// A device that does nothing: the default of each command.
struct Nothing;
impl stat::Commands for Nothing {}
impl settings::Commands for Nothing {}
impl fs::Commands for Nothing {}
impl shell::Commands for Nothing {}
impl zephyr::Commands for Nothing {}

fn nothing(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match incoming.group() {
        Group::STATISTICS => stat::dispatch(&mut Nothing, incoming, reply),
        Group::SETTINGS => settings::dispatch(&mut Nothing, incoming, reply),
        Group::FS => fs::dispatch(&mut Nothing, incoming, reply),
        Group::SHELL => shell::dispatch(&mut Nothing, incoming, reply),
        Group::ZEPHYR => zephyr::dispatch(&mut Nothing, incoming, reply),
        _ => reply.error(Error::UNKNOWN),
    }
}

#[test]
fn what_a_device_does_not_implement_is_not_supported() {
    let argv = b"\xa1\x64argv\x81\x61x";
    let full = b"\xa5\x64name\x62/f\x63off\x00\x64data\x40\x63len\x00\x63val\x40";
    for version in [Version::V1, Version::V2] {
        for group in [Group::STATISTICS, Group::SETTINGS, Group::FS, Group::SHELL, Group::ZEPHYR] {
            for command in 0..8 {
                for op in [Op::Read, Op::Write] {
                    let payload = if group == Group::SHELL { &argv[..] } else { full };
                    let answer = asked(group, (op, command), version, payload, nothing);
                    assert_eq!(answer, b"\xa1\x62rc\x08", "{group} {op:?} {command}");
                }
            }
        }
    }
}

/// A device on which everything fails with the code of its group.
struct Failing(u16);

impl Failing {
    fn error(&self, group: Group) -> Error {
        Error::Group { group, rc: self.0 }
    }
}

impl stat::Commands for Failing {
    fn read<'r>(&'r mut self, _: stat::Read<'r>) -> Result<stat::ReadResponse<'r>, Error> {
        Err(self.error(Group::STATISTICS))
    }
    fn list(&mut self) -> Result<stat::ListResponse<'_>, Error> {
        Err(self.error(Group::STATISTICS))
    }
}

impl fs::Commands for Failing {
    fn upload(&mut self, _: fs::Upload<'_>) -> Result<fs::UploadResponse, (Error, Option<u64>)> {
        Err((self.error(Group::FS), Some(0x200)))
    }
    fn status(&mut self, _: fs::Status<'_>) -> Result<fs::StatusResponse, Error> {
        Err(self.error(Group::FS))
    }
}

impl zephyr::Commands for Failing {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        Err(self.error(Group::ZEPHYR))
    }
}

#[test]
fn group_errors_are_named_in_version_2_and_translated_in_version_1() {
    let failing = |rc: u16| {
        move |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
            Group::STATISTICS => stat::dispatch(&mut Failing(rc), incoming, reply),
            Group::FS => fs::dispatch(&mut Failing(rc), incoming, reply),
            _ => zephyr::dispatch(&mut Failing(rc), incoming, reply),
        }
    };
    let check = |group, command, payload: &[u8], rc: u16, v2: &[u8], v1: u8| {
        assert_eq!(asked(group, command, Version::V2, payload, failing(rc)), v2);
        assert_eq!(asked(group, command, Version::V1, payload, failing(rc)), [&b"\xa1\x62rc"[..], &[v1]].concat());
    };
    let name = b"\xa1\x64name\x62/f";
    check(Group::STATISTICS, (Op::Read, 0), name, 2, b"\xa1\x63err\xa2\x65group\x02\x62rc\x02", 5);
    check(Group::STATISTICS, (Op::Read, 1), b"", 5, b"\xa1\x63err\xa2\x65group\x02\x62rc\x05", 1);
    check(Group::FS, (Op::Read, 1), name, 3, b"\xa1\x63err\xa2\x65group\x08\x62rc\x03", 5);
    let piece = b"\xa3\x64name\x62/f\x63off\x09\x64data\x40";
    // The length is beside the error in version 2 only.
    check(Group::FS, (Op::Write, 0), piece, 11, b"\xa2\x63err\xa2\x65group\x08\x62rc\x0b\x63len\x19\x02\x00", 1);
    // Zephyr translates 3 and 4 to "no error"; an error stays an error here.
    check(Group::ZEPHYR, (Op::Write, 0), b"", 4, b"\xa1\x63err\xa2\x65group\x18\x3f\x62rc\x04", 1);
}

#[test]
fn a_group_without_a_table_is_unknown_to_version_1() {
    let handler = |_: &Incoming<'_>, reply: Reply<'_>| reply.error(Error::Group { group: Group(64), rc: 300 });
    assert_eq!(asked(Group(64), (Op::Write, 7), Version::V1, b"", handler), b"\xa1\x62rc\x01");
    let v2 = asked(Group(64), (Op::Write, 7), Version::V2, b"", handler);
    assert_eq!(v2, b"\xa1\x63err\xa2\x65group\x18\x40\x62rc\x19\x01\x2c");
}

#[test]
fn contents_are_never_printed_and_names_are() {
    let secret = "hunter2";
    for (printed, name) in [
        (format!("{:?}", settings::Write { name: text("wifi"), value: secret.as_bytes().into(), save: None }), "wifi"),
        (format!("{:?}", settings::ReadResponse::new(settings::Setting::Text(text(secret)))), "7 bytes"),
        (format!("{:?}", fs::Upload { name: text("/f"), off: 0, data: bytes(secret.as_bytes()), len: None }), "/f"),
        (format!("{:?}", shell::Execute { argv: [text(secret)][..].into() }), "1 arguments"),
        (format!("{:?}", shell::ExecuteResponse::new(text(secret))), "7 bytes"),
        (format!("{:?}", fs::Path::parse(text("/f"), "").unwrap()), "/f"),
        (format!("{:?}", legacy::Crash { how: text("div0") }), "div0"),
        (format!("{:?}", legacy::RunTest { name: Some(text("all")), token: Some(text(secret)) }), "all"),
    ] {
        assert!(!printed.contains(secret) && !printed.contains("104, 117"), "{printed}");
        assert!(printed.contains(name), "{printed}");
    }
}
