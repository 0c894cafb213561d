//! The refusals of a server: one table for SMP itself and one per group, used in both directions.
//!
//! | form on the wire | version | here |
//! |---|---|---|
//! | `{"rc": n}` | v1 and v2 | [`Error::Smp`] |
//! | `{"err": {"group": g, "rc": n}}` | v2 | [`Error::Group`] |
//! | `{"rc": n}` with n translated | v1 | [`Error::Group`] at the server, [`Error::Smp`] at the client |
//!
//! Each code is written once, in `codes!`: from that line come its constant, its name, its
//! translation to version 1 and its remedy. The functions are separate so that firmware which only
//! sends errors carries no text.
//!
//! # Interpretation
//!
//! * A client decides by the key that is present. `rc: 0` is success, an absent `rc` is success, an
//!   empty map is success.
//! * Zephyr 3.4 called the map `ret`; that name is read too where its value is a map.
//! * Servers have leaked driver errors into `rc`, so it is read as a signed number; a number that
//!   is in no table is kept.

use super::{Group, Version};
use crate::cbor::{BufferFull, Item, Malformed, Reader, Value, Writer, keys};

mod codes;
mod refusal;

pub use codes::{enumeration, fs, image, os, settings, shell, smp, stat, transport, zephyr};
pub use refusal::Error;

impl Error {
    /// Looks for an error in the payload of a response; `None` means success.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the payload is not a map, or its error keys hold something else.
    pub fn find(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        // The items before the first malformed one count: `fields` has put them there.
        let mut values = [Item::Null; 3];
        let read = Reader::new(payload).fields(keys!["err", "ret", "rc"], false, &mut values);
        let [err, ret, flat] = values;
        // Zephyr 3.4 called the map `ret`; a number there is the result of a command.
        let ret = if let Item::Map(_) = ret { ret } else { Item::Null };
        for details in [err, ret] {
            if let Some(Details { group, rc: rc @ 1.. }) = Value::of(details)? {
                return Ok(Some(Self::Group { group: Group(group), rc }));
            }
        }
        read?;
        let flat: Option<i32> = Value::of(flat)?;
        Ok(flat.filter(|rc| *rc != 0).map(Self::Smp))
    }

    /// Writes the payload that reports this error to a client of that version.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    pub fn write(self, version: Version, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        // The writer remembers a write that does not fit.
        let _ = writer.raw(b"\xa1");
        self.write_entry(version, writer)
    }

    /// Writes the key and the value that report this error.
    pub(crate) fn write_entry(self, version: Version, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        // The parts that never change are written as bytes, which takes 49 bytes less flash than
        // `Details` (smp_boot, thumbv6m).
        let rc = match self {
            Self::Group { group, rc } if version == Version::V2 => {
                let _ = writer.raw(b"\x63err\xa2\x65group");
                let _ = writer.unsigned(group.0.into());
                rc.into()
            }
            error => error.to_v1().into(),
        };
        // Both forms end with this key.
        let _ = writer.raw(b"\x62rc");
        let _ = writer.signed(rc);
        if writer.is_full() { Err(BufferFull) } else { Ok(()) }
    }
}

/// The map under the key `err`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Details {
    group: u16,
    rc: u16,
}

super::payload!(response Details { group: "group", rc: "rc" });

/// Reads a key that is sent with an error: `rsn` (text), `off` or `len` (numbers).
///
/// ```
/// use anysmp::cbor::Text;
/// use anysmp::smp::error;
///
/// let payload = b"\xa2\x62rc\x06\x63rsn\x69downgrade";
/// assert_eq!(error::beside::<Text<'_>>(payload, "rsn").unwrap(), "downgrade");
/// ```
#[must_use]
pub fn beside<'m, T: Value<'m>>(payload: &'m [u8], key: &str) -> Option<T> {
    T::of(Reader::new(payload).value_of(key).ok()??).ok()
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = self.name().unwrap_or("unknown code");
        match self {
            Self::Smp(rc) => write!(f, "the device refused: {name} (rc {rc})"),
            Self::Group { group, rc } => write!(f, "the device refused: {name} (group {group}, rc {rc})"),
        }
    }
}

impl core::error::Error for Error {}
