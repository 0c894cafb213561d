//! Every code of every table: its number, its name, its translation to version 1 and its remedy, in both directions.
//!
//! The tables are those of Zephyr's `mgmt_defines.h`, `os_mgmt.h` and `img_mgmt.h`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use anysmp::cbor::Writer;
use anysmp::smp::{Error, Group, Version};

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
    let ok = Error::Group { group, rc: 0 };
    assert_eq!((ok.name(), ok.remedy()), (None, None), "0 is no error");
}

#[test]
fn every_code_of_a_group_has_its_name_its_translation_and_a_remedy() {
    check(Group::OS, &OS);
    check(Group::IMAGE, &IMAGE);
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
    let errors: [&dyn std::error::Error; 6] = [
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
    let text = |error: anysmp::link::Error<anysmp::framing::Error, client::Error>| error.to_string();
    assert_eq!(text(anysmp::link::Error::Protocol(client::Error::Remote(Error::BUSY))), Error::BUSY.to_string());
    assert_eq!(text(anysmp::link::Error::TimedOut), "no answer in time");
}
