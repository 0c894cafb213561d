//! Every code of every table: its number, its name, its translation to version 1 and its remedy, in
//! both directions.
//!
//! The tables are those of the headers of Zephyr's groups, with one difference: Zephyr translates
//! an error of group 63 to "no error" for version 1, whereas it is 1 here.

use anysmp::cbor::Writer;
use anysmp::smp::{Error, Group, Header, HeaderError, Version};

/// Name and number in version 1 of the codes from 1 on.
const OS: [(&str, i32); 7] = [
    ("UNKNOWN", 1),
    ("INVALID_FORMAT", 3),
    ("QUERY_YIELDS_NO_ANSWER", 5),
    ("RTC_NOT_SET", 5),
    ("RTC_COMMAND_FAILED", 1),
    ("QUERY_RESPONSE_VALUE_NOT_VALID", 5),
    ("HEAP_STATS_FETCH_FAILED", 5),
];

const IMAGE: [(&str, i32); 34] = [
    ("UNKNOWN", 1),
    ("FLASH_CONFIG_QUERY_FAIL", 1),
    ("NO_IMAGE", 5),
    ("NO_TLVS", 5),
    ("INVALID_TLV", 1),
    ("TLV_MULTIPLE_HASHES_FOUND", 1),
    ("TLV_INVALID_SIZE", 1),
    ("HASH_NOT_FOUND", 1),
    ("NO_FREE_SLOT", 6),
    ("FLASH_OPEN_FAILED", 1),
    ("FLASH_READ_FAILED", 1),
    ("FLASH_WRITE_FAILED", 1),
    ("FLASH_ERASE_FAILED", 1),
    ("INVALID_SLOT", 3),
    ("NO_FREE_MEMORY", 2),
    ("FLASH_CONTEXT_ALREADY_SET", 1),
    ("FLASH_CONTEXT_NOT_SET", 1),
    ("FLASH_AREA_DEVICE_NULL", 1),
    ("INVALID_PAGE_OFFSET", 3),
    ("INVALID_OFFSET", 3),
    ("INVALID_LENGTH", 3),
    ("INVALID_IMAGE_HEADER", 3),
    ("INVALID_IMAGE_HEADER_MAGIC", 1),
    ("INVALID_HASH", 3),
    ("INVALID_FLASH_ADDRESS", 3),
    ("VERSION_GET_FAILED", 1),
    ("CURRENT_VERSION_IS_NEWER", 6),
    ("IMAGE_ALREADY_PENDING", 6),
    ("INVALID_IMAGE_VECTOR_TABLE", 1),
    ("INVALID_IMAGE_TOO_LARGE", 1),
    ("INVALID_IMAGE_DATA_OVERRUN", 1),
    ("IMAGE_CONFIRMATION_DENIED", 1),
    ("IMAGE_SETTING_TEST_TO_ACTIVE_DENIED", 1),
    ("ACTIVE_SLOT_NOT_KNOWN", 1),
];

const STAT: [(&str, i32); 5] =
    [("UNKNOWN", 1), ("INVALID_GROUP", 5), ("INVALID_STAT_NAME", 5), ("INVALID_STAT_SIZE", 3), ("WALK_ABORTED", 1)];

const SETTINGS: [(&str, i32); 8] = [
    ("UNKNOWN", 1),
    ("KEY_TOO_LONG", 3),
    ("KEY_NOT_FOUND", 5),
    ("READ_NOT_SUPPORTED", 5),
    ("ROOT_KEY_NOT_FOUND", 1),
    ("WRITE_NOT_SUPPORTED", 1),
    ("DELETE_NOT_SUPPORTED", 1),
    ("SAVE_NOT_SUPPORTED", 1),
];

const FS: [(&str, i32); 17] = [
    ("UNKNOWN", 1),
    ("FILE_INVALID_NAME", 3),
    ("FILE_NOT_FOUND", 5),
    ("FILE_IS_DIRECTORY", 1),
    ("FILE_OPEN_FAILED", 1),
    ("FILE_SEEK_FAILED", 1),
    ("FILE_READ_FAILED", 1),
    ("FILE_TRUNCATE_FAILED", 1),
    ("FILE_DELETE_FAILED", 1),
    ("FILE_WRITE_FAILED", 1),
    ("FILE_OFFSET_NOT_VALID", 1),
    ("FILE_OFFSET_LARGER_THAN_FILE", 1),
    ("CHECKSUM_HASH_NOT_FOUND", 3),
    ("MOUNT_POINT_NOT_FOUND", 5),
    ("READ_ONLY_FILESYSTEM", 1),
    ("FILE_EMPTY", 1),
    ("FILE_CLOSE_FAILED", 1),
];

const SHELL: [(&str, i32); 3] = [("UNKNOWN", 1), ("COMMAND_TOO_LONG", 3), ("EMPTY_COMMAND", 3)];

const ENUMERATION: [(&str, i32); 4] =
    [("UNKNOWN", 1), ("TOO_MANY_GROUP_ENTRIES", 3), ("INSUFFICIENT_HEAP_FOR_ENTRIES", 1), ("INDEX_TOO_LARGE", 1)];

const TRANSPORT: [(&str, i32); 17] = [
    ("UNKNOWN", 1),
    ("MISSING_FUNCTIONS", 1),
    ("MISSING_INFO_FUNCTIONS", 1),
    ("INVALID_TRANSPORT", 1),
    ("INVALID_MODE", 1),
    ("NO_CONTEXT", 1),
    ("TRANSPORT_AND_ALL", 1),
    ("NOT_BRIDGED", 1),
    ("SAME_DEVICE", 1),
    ("INCOMING_NOT_SUPPORTED", 1),
    ("OUTGOING_NOT_SUPPORTED", 1),
    ("INCOMING_ALREADY_BRIDGED", 1),
    ("OUTGOING_ALREADY_BRIDGED", 1),
    ("MISSING_PARAMETER", 1),
    ("INVALID_PARAMETER", 1),
    ("UNSUPPORTED_PARAMETER", 1),
    ("CONNECT_FAILED", 1),
];

const ZEPHYR: [(&str, i32); 4] =
    [("UNKNOWN", 1), ("FLASH_OPEN_FAILED", 5), ("FLASH_CONFIG_QUERY_FAIL", 1), ("FLASH_ERASE_FAILED", 1)];

/// The codes of SMP itself, from 1 on.
const SMP: [&str; 14] = [
    "UNKNOWN",
    "NO_MEMORY",
    "INVALID",
    "TIMEOUT",
    "NOT_FOUND",
    "BAD_STATE",
    "TOO_LARGE",
    "NOT_SUPPORTED",
    "CORRUPT",
    "BUSY",
    "ACCESS_DENIED",
    "VERSION_TOO_OLD",
    "VERSION_TOO_NEW",
    "BRIDGE_UNAVAILABLE",
];

fn written(error: Error, version: Version) -> Vec<u8> {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    error.write(version, &mut writer).unwrap();
    let len = writer.len();
    buffer[..len].to_vec()
}

fn check(group: Group, table: &[(&str, i32)]) {
    for (rc, (name, v1)) in (1..).zip(table) {
        let error = Error::Group { group, rc };
        assert_eq!(error.name(), Some(*name), "{group} {rc}");
        assert_eq!(error.to_v1(), *v1, "{group} {rc}");
        assert!(error.remedy().is_some_and(|remedy| remedy.ends_with('.')), "{group} {rc}");
        assert_eq!(Error::find(&written(error, Version::V2)), Ok(Some(error)));
        assert_eq!(Error::find(&written(error, Version::V1)), Ok(Some(Error::Smp(*v1))));
    }
    let beyond = Error::Group { group, rc: u16::try_from(table.len()).unwrap() + 1 };
    assert_eq!((beyond.name(), beyond.remedy(), beyond.to_v1()), (None, None, 1), "{group}");
    for rc in (64..2048).chain([u16::MAX]) {
        assert_eq!(Error::Group { group, rc }.to_v1(), 1, "{group} {rc}");
    }
    let ok = Error::Group { group, rc: 0 };
    assert_eq!((ok.name(), ok.remedy()), (None, None), "0 is no error");
}

#[test]
fn every_code_of_a_group_has_its_name_its_translation_and_a_remedy() {
    check(Group::OS, &OS);
    check(Group::IMAGE, &IMAGE);
    check(Group::STATISTICS, &STAT);
    check(Group::SETTINGS, &SETTINGS);
    check(Group::FS, &FS);
    check(Group::SHELL, &SHELL);
    check(Group::ENUMERATION, &ENUMERATION);
    check(Group::TRANSPORT, &TRANSPORT);
    check(Group::ZEPHYR, &ZEPHYR);
}

#[test]
fn a_group_without_a_table_has_numbers_and_no_names() {
    for group in [Group::LOG, Group::CRASH, Group::RUN, Group::SPLIT, Group(12), Group(64), Group(u16::MAX)] {
        for rc in [0, 1, 2, 300] {
            let error = Error::Group { group, rc };
            assert_eq!((error.name(), error.remedy(), error.to_v1()), (None, None, 1));
            assert!(error.to_string().contains(&rc.to_string()) && error.to_string().contains(&group.to_string()));
        }
    }
}

#[test]
fn the_constants_are_the_codes_that_their_names_say() {
    use anysmp::smp::error;
    for (constant, group, rc) in [
        (error::stat::INVALID_GROUP, Group::STATISTICS, 2),
        (error::settings::KEY_NOT_FOUND, Group::SETTINGS, 3),
        (error::fs::FILE_OFFSET_NOT_VALID, Group::FS, 11),
        (error::shell::EMPTY_COMMAND, Group::SHELL, 3),
        (error::enumeration::INDEX_TOO_LARGE, Group::ENUMERATION, 4),
        (error::transport::CONNECT_FAILED, Group::TRANSPORT, 17),
        (error::zephyr::FLASH_ERASE_FAILED, Group::ZEPHYR, 4),
    ] {
        assert_eq!(constant, Error::Group { group, rc });
    }
}

#[test]
fn every_code_of_smp_itself_is_the_same_in_both_versions() {
    for (rc, name) in (1..).zip(SMP) {
        let error = Error::Smp(rc);
        assert_eq!((error.name(), error.to_v1()), (Some(name), rc));
        assert!(error.remedy().is_some_and(|remedy| remedy.ends_with('.')), "{rc}");
        for version in [Version::V1, Version::V2] {
            assert_eq!(Error::find(&written(error, version)), Ok(Some(error)));
        }
    }
    for stranger in [-1, 0, 15, 256, i32::MAX, i32::MIN] {
        assert_eq!((Error::Smp(stranger).name(), Error::Smp(stranger).remedy()), (None, None));
    }
}

#[test]
fn a_flat_code_of_any_sign_and_size_comes_back() {
    for rc in [-1, -22, 15, 256, 65_536, i32::MAX, i32::MIN] {
        assert_eq!(Error::find(&written(Error::Smp(rc), Version::V1)), Ok(Some(Error::Smp(rc))));
    }
    for (group, rc) in [(0, 1), (63, 255), (64, 256), (u16::MAX, u16::MAX)] {
        let error = Error::Group { group: Group(group), rc };
        assert_eq!(Error::find(&written(error, Version::V2)), Ok(Some(error)));
    }
}

#[test]
fn every_error_of_the_crate_says_something() {
    use anysmp::smp::client;
    let (short, op, version) = (&[0; 7], &[4, 0, 0, 0, 0, 0, 0, 0], &[0x10, 0, 0, 0, 0, 0, 0, 0]);
    let (short, op, version) = (Header::parse(short), Header::parse(op), Header::parse(version));
    assert_eq!(short, Err(HeaderError::Short));
    assert!(matches!((op, version), (Err(HeaderError::Op(_)), Err(HeaderError::Version(_)))));
    let errors: [&dyn std::error::Error; 9] = [
        &short.unwrap_err(),
        &op.unwrap_err(),
        &version.unwrap_err(),
        &anysmp::cbor::Malformed,
        &anysmp::cbor::BufferFull,
        &client::Error::BufferFull,
        &client::Error::Malformed,
        &client::Error::Remote(Error::BUSY),
        &Error::BUSY,
    ];
    for error in errors {
        assert!(error.to_string().len() > 10, "{error:?}");
    }
    let text = |error: anysmp::line::Error<anysmp::framing::Error, client::Error>| error.to_string();
    assert_eq!(text(anysmp::line::Error::Protocol(client::Error::Remote(Error::BUSY))), Error::BUSY.to_string());
    assert_eq!(text(anysmp::line::Error::TimedOut), "no response in time");
}
