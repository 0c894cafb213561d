//! The codes: one table for SMP itself and one per group, and the functions derived from them.

use super::refusal::Error;
use crate::smp::Group;

/// Declares the codes of one table: number, name, number in version 1, remedy.
macro_rules! codes {
    ($(#[$doc:meta])* $table:ident, $group:expr; $($rc:literal $name:ident $v1:literal $remedy:literal)*) => {
        $(#[$doc])*
        pub mod $table {
            #[allow(unused_imports, reason = "SMP itself is no group")]
            use super::{Error, Group};

            $(
                #[doc = concat!("Code ", $rc, ". ", $remedy)]
                pub const $name: Error = Error::of($group, $rc);
            )*

            pub(super) const fn name(rc: u16) -> Option<&'static str> {
                Some(match rc {
                    $($rc => stringify!($name),)*
                    _ => return None,
                })
            }

            pub(super) const fn remedy(rc: u16) -> Option<&'static str> {
                Some(match rc {
                    $($rc => $remedy,)*
                    _ => return None,
                })
            }

            /// Codes and their numbers in version 1.
            #[allow(dead_code, reason = "the codes of SMP itself need no translation")]
            pub(super) const V1: &[(u8, u8)] = &[$(($rc, $v1)),*];
        }
    };
}

codes! {
    /// The codes of SMP itself.
    smp, None;
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 NO_MEMORY 2 "The device is out of buffers: send fewer requests at a time, or retry."
    3 INVALID 3 "The device could not read the request: check the values, or use the other SMP version."
    4 TIMEOUT 4 "The device timed out internally; retry."
    5 NOT_FOUND 5 "Nothing on the device has this name."
    6 BAD_STATE 6 "Not possible in the current state of the device: list its images to see it."
    7 TOO_LARGE 7 "The response does not fit the buffers of the device: ask for less, or enlarge them."
    8 NOT_SUPPORTED 8 "The firmware was built without this command."
    9 CORRUPT 9 "The request was damaged or cut off: use smaller messages."
    10 BUSY 10 "The device is busy: retry later, or force a reset."
    11 ACCESS_DENIED 11 "The application on the device refuses this."
    12 VERSION_TOO_OLD 12 "The device requires SMP version 2."
    13 VERSION_TOO_NEW 13 "The device requires SMP version 1."
    14 BRIDGE_UNAVAILABLE 14 "The device at the other end of the bridge is gone: connect again."
}

codes! {
    /// The codes of the OS group.
    os, Some(Group::OS);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 INVALID_FORMAT 3 "A format character is unknown: use any of \"snrvbmpioa\"."
    3 QUERY_YIELDS_NO_ANSWER 5 "The boot loader has no answer to this query."
    4 RTC_NOT_SET 5 "The clock was never set: set it first."
    5 RTC_COMMAND_FAILED 1 "The clock driver failed."
    6 QUERY_RESPONSE_VALUE_NOT_VALID 5 "The boot loader returned an invalid value."
    7 HEAP_STATS_FETCH_FAILED 5 "The heap statistics could not be read."
}

codes! {
    /// The codes of the image group.
    image, Some(Group::IMAGE);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 FLASH_CONFIG_QUERY_FAIL 1 "The flash layout of the device could not be read."
    3 NO_IMAGE 5 "The slot holds no image that the device can check: upload it again. If it is encrypted, the device does not mark such images."
    4 NO_TLVS 5 "The image has no TLV area: sign or wrap it with imgtool."
    5 INVALID_TLV 1 "The TLV area of the image is damaged: upload it again."
    6 TLV_MULTIPLE_HASHES_FOUND 1 "The image has more than one hash."
    7 TLV_INVALID_SIZE 1 "The hash of the image has the wrong length."
    8 HASH_NOT_FOUND 1 "No slot holds an image with this hash: list the images and use the hash shown there."
    9 NO_FREE_SLOT 6 "The slot is in use: confirm the running image, or let a pending swap happen, first."
    10 FLASH_OPEN_FAILED 1 "The flash area could not be opened."
    11 FLASH_READ_FAILED 1 "The flash could not be read."
    12 FLASH_WRITE_FAILED 1 "The flash could not be written: start again from the beginning."
    13 FLASH_ERASE_FAILED 1 "The flash could not be erased."
    14 INVALID_SLOT 3 "There is no such slot."
    15 NO_FREE_MEMORY 2 "The device is out of memory; retry."
    16 FLASH_CONTEXT_ALREADY_SET 1 "Another upload blocks this one: restart the device."
    17 FLASH_CONTEXT_NOT_SET 1 "The upload has not begun: start at offset 0."
    18 FLASH_AREA_DEVICE_NULL 1 "The flash device is missing."
    19 INVALID_PAGE_OFFSET 3 "The flash layout of the device does not fit."
    20 INVALID_OFFSET 3 "The offset is missing from the request."
    21 INVALID_LENGTH 3 "The length is missing from the first packet."
    22 INVALID_IMAGE_HEADER 3 "The first packet is too short for an image header: use larger messages."
    23 INVALID_IMAGE_HEADER_MAGIC 1 "Not an MCUboot image: wrap or sign it with imgtool."
    24 INVALID_HASH 3 "The hash has the wrong length or is missing: use the one that the image list shows. An image that is not listed was signed with another hash than the device's (SHA-256, 384, 512)."
    25 INVALID_FLASH_ADDRESS 3 "The image was linked for another slot."
    26 VERSION_GET_FAILED 1 "The version of the running image could not be read."
    27 CURRENT_VERSION_IS_NEWER 6 "The running image is not older: upload without the upgrade check."
    28 IMAGE_ALREADY_PENDING 6 "Another image is pending, or the running one is on trial: reset, or confirm, first."
    29 INVALID_IMAGE_VECTOR_TABLE 1 "The trailer of the running image is damaged."
    30 INVALID_IMAGE_TOO_LARGE 1 "The image does not fit the slot."
    31 INVALID_IMAGE_DATA_OVERRUN 1 "More data came than the announced length."
    32 IMAGE_CONFIRMATION_DENIED 1 "This image may not be confirmed before it has run: mark it for test and reset."
    33 IMAGE_SETTING_TEST_TO_ACTIVE_DENIED 1 "This image is already running."
    34 ACTIVE_SLOT_NOT_KNOWN 1 "The device does not know which slot it runs from."
}

codes! {
    /// The codes of the statistics group.
    stat, Some(Group::STATISTICS);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 INVALID_GROUP 5 "There is no such set: list the sets first."
    3 INVALID_STAT_NAME 5 "A counter of the set has no name."
    4 INVALID_STAT_SIZE 3 "A counter of the set has an unknown size."
    5 WALK_ABORTED 1 "The set could not be read to its end."
}

codes! {
    /// The codes of the settings group.
    settings, Some(Group::SETTINGS);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 KEY_TOO_LONG 3 "The name is too long for the device."
    3 KEY_NOT_FOUND 5 "There is no such setting."
    4 READ_NOT_SUPPORTED 5 "This setting cannot be read."
    5 ROOT_KEY_NOT_FOUND 1 "There is no such subtree."
    6 WRITE_NOT_SUPPORTED 1 "This setting cannot be written."
    7 DELETE_NOT_SUPPORTED 1 "This setting cannot be deleted."
    8 SAVE_NOT_SUPPORTED 1 "The device cannot save settings."
}

codes! {
    /// The codes of the file system group.
    fs, Some(Group::FS);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 FILE_INVALID_NAME 3 "The path is not allowed: use an absolute path without dots, below the mount point."
    3 FILE_NOT_FOUND 5 "There is no such file."
    4 FILE_IS_DIRECTORY 1 "This is a directory."
    5 FILE_OPEN_FAILED 1 "The file could not be opened."
    6 FILE_SEEK_FAILED 1 "The offset could not be reached."
    7 FILE_READ_FAILED 1 "The file could not be read."
    8 FILE_TRUNCATE_FAILED 1 "The file could not be truncated."
    9 FILE_DELETE_FAILED 1 "The file could not be deleted."
    10 FILE_WRITE_FAILED 1 "The file could not be written: the file system may be full."
    11 FILE_OFFSET_NOT_VALID 1 "The device expects another offset: continue there, or start again."
    12 FILE_OFFSET_LARGER_THAN_FILE 1 "The offset is after the end of the file."
    13 CHECKSUM_HASH_NOT_FOUND 3 "The device has no such hash: list the types first."
    14 MOUNT_POINT_NOT_FOUND 5 "Nothing is mounted there."
    15 READ_ONLY_FILESYSTEM 1 "The file system is read-only."
    16 FILE_EMPTY 1 "The file is empty."
    17 FILE_CLOSE_FAILED 1 "The file could not be closed."
}

codes! {
    /// The codes of the shell group.
    shell, Some(Group::SHELL);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 COMMAND_TOO_LONG 3 "The command line is too long for the device."
    3 EMPTY_COMMAND 3 "The command line is empty."
}

codes! {
    /// The codes of the enumeration group.
    enumeration, Some(Group::ENUMERATION);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 TOO_MANY_GROUP_ENTRIES 3 "The request names, or the device serves, more groups than it can list: ask for fewer."
    3 INSUFFICIENT_HEAP_FOR_ENTRIES 1 "The device is out of memory."
    4 INDEX_TOO_LARGE 1 "There are not that many groups."
}

codes! {
    /// The codes of the transport group.
    transport, Some(Group::TRANSPORT);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 MISSING_FUNCTIONS 1 "The transport cannot be bridged."
    3 MISSING_INFO_FUNCTIONS 1 "The transport cannot describe itself."
    4 INVALID_TRANSPORT 1 "There is no such transport: list them first."
    5 INVALID_MODE 1 "The transport has no such mode: list its modes first."
    6 NO_CONTEXT 1 "All bridges are in use: disconnect one."
    7 TRANSPORT_AND_ALL 1 "Name one transport or all, not both."
    8 NOT_BRIDGED 1 "There is no bridge."
    9 SAME_DEVICE 1 "Both ends would be the same device."
    10 INCOMING_NOT_SUPPORTED 1 "The transport cannot be the end of a bridge."
    11 OUTGOING_NOT_SUPPORTED 1 "The transport cannot start a bridge."
    12 INCOMING_ALREADY_BRIDGED 1 "The near end is already bridged."
    13 OUTGOING_ALREADY_BRIDGED 1 "The far end is already bridged."
    14 MISSING_PARAMETER 1 "The transport needs another parameter: list its configuration."
    15 INVALID_PARAMETER 1 "A parameter has a wrong value."
    16 UNSUPPORTED_PARAMETER 1 "A parameter is unknown."
    17 CONNECT_FAILED 1 "The far end could not be reached."
}

codes! {
    /// The codes of the Zephyr basic group.
    zephyr, Some(Group::ZEPHYR);
    1 UNKNOWN 1 "The device gave no reason; look at its log."
    2 FLASH_OPEN_FAILED 5 "The storage partition could not be opened."
    3 FLASH_CONFIG_QUERY_FAIL 1 "The flash layout of the device could not be read."
    4 FLASH_ERASE_FAILED 1 "The storage partition could not be erased."
}

/// Picks one function of the table of a group.
macro_rules! look_up {
    ($group:expr, $function:ident, $rc:expr, $unknown:expr) => {
        match $group {
            Group::OS => os::$function($rc),
            Group::IMAGE => image::$function($rc),
            Group::STATISTICS => stat::$function($rc),
            Group::SETTINGS => settings::$function($rc),
            Group::FS => fs::$function($rc),
            Group::SHELL => shell::$function($rc),
            Group::ENUMERATION => enumeration::$function($rc),
            Group::TRANSPORT => transport::$function($rc),
            Group::ZEPHYR => zephyr::$function($rc),
            _ => $unknown,
        }
    };
}

/// The translations to version 1 other than "unknown": group (6 bits), code (6), code in version 1
/// (4). As data they take a fraction of the flash of nine `match`.
#[expect(clippy::indexing_slicing, reason = "runs in the compiler, which checks it")]
static TRANSLATIONS: [u16; translated().1] = {
    let (all, len) = translated();
    let mut used = [0; translated().1];
    let mut at = 0;
    while at < len {
        used[at] = all[at];
        at += 1;
    }
    used
};

/// Returns the translations in a longer array, and their number.
#[expect(clippy::indexing_slicing, clippy::panic, reason = "runs in the compiler, which checks it")]
const fn translated() -> ([u16; 128], usize) {
    const TABLES: [(Group, &[(u8, u8)]); 9] = [
        (Group::OS, os::V1),
        (Group::IMAGE, image::V1),
        (Group::STATISTICS, stat::V1),
        (Group::SETTINGS, settings::V1),
        (Group::FS, fs::V1),
        (Group::SHELL, shell::V1),
        (Group::ENUMERATION, enumeration::V1),
        (Group::TRANSPORT, transport::V1),
        (Group::ZEPHYR, zephyr::V1),
    ];
    let (mut all, mut len, mut table) = ([0; 128], 0, 0);
    while table < TABLES.len() {
        let (group, codes) = TABLES[table];
        let mut at = 0;
        while at < codes.len() {
            let (code, v1) = codes[at];
            // Without an entry, `to_v1` returns 1.
            if v1 != 1 {
                assert!(v1 < 16, "a code of four bits");
                let Some(line) = line(group, code as u16) else { panic!("a group and a code of six bits") };
                all[len] = line | v1 as u16;
                len += 1;
            }
            at += 1;
        }
        table += 1;
    }
    (all, len)
}

/// Group and code of a translation, above the four bits of the code in version 1.
const fn line(group: Group, code: u16) -> Option<u16> {
    if group.0 < 64 && code < 64 { Some(group.0 << 10 | code << 4) } else { None }
}

impl Error {
    /// No reason given.
    pub const UNKNOWN: Self = smp::UNKNOWN;
    /// No buffer is free.
    pub const NO_MEMORY: Self = smp::NO_MEMORY;
    /// The payload could not be read, or a value makes no sense.
    pub const INVALID: Self = smp::INVALID;
    /// Nothing has this name.
    pub const NOT_FOUND: Self = smp::NOT_FOUND;
    /// The response does not fit.
    pub const TOO_LARGE: Self = smp::TOO_LARGE;
    /// The group or the command is unknown.
    pub const NOT_SUPPORTED: Self = smp::NOT_SUPPORTED;
    /// The header announces more than arrived.
    pub const CORRUPT: Self = smp::CORRUPT;
    /// The device is busy: the same request may succeed later.
    pub const BUSY: Self = smp::BUSY;
    /// Refused by policy.
    pub const ACCESS_DENIED: Self = smp::ACCESS_DENIED;
    /// The version of the request is too new.
    pub const VERSION_TOO_NEW: Self = smp::VERSION_TOO_NEW;
    /// The version of the request is too old.
    pub const VERSION_TOO_OLD: Self = smp::VERSION_TOO_OLD;

    /// The name of the code, as Zephyr spells it without its prefix; `None` if no table has it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Smp(rc) => smp::name(u16::try_from(rc).ok()?),
            Self::Group { group, rc } => look_up!(group, name, rc, None),
        }
    }

    /// Returns the remedy in one line; `None` if no table has the code.
    #[must_use]
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Smp(rc) => smp::remedy(u16::try_from(rc).ok()?),
            Self::Group { group, rc } => look_up!(group, remedy, rc, None),
        }
    }

    /// The flat code for a version 1 client; a group without a table gives 1, "unknown".
    #[must_use]
    pub fn to_v1(self) -> i32 {
        match self {
            Self::Smp(rc) => rc,
            Self::Group { group, rc } => {
                let Some(wanted) = line(group, rc) else { return 1 };
                for entry in &TRANSLATIONS {
                    // XOR with the entry of the same group and code leaves four bits: the code in
                    // version 1.
                    if let rest @ ..16 = entry ^ wanted {
                        return rest.into();
                    }
                }
                1
            }
        }
    }
}
