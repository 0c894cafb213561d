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
//! * Servers have leaked driver errors into `rc`, so it is read as a signed number; one that no
//!   table knows keeps its number.

use super::{Group, Version};
use crate::cbor::{BufferFull, Malformed, Reader, Value, Writer};

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
        let mut flat = None;
        let mut reader = Reader::new(payload);
        let mut entries = reader.entries()?;
        while entries.more(&mut reader)? {
            let key = reader.text()?;
            // A host takes the time to look at no longer keys than those of errors.
            if cfg!(not(target_os = "none")) && key.as_bytes().len() > 3 {
                reader.skip()?;
            } else if key == "err" || (key == "ret" && reader.at_map()) {
                let Details { group, rc } = Details::of(reader.item()?)?;
                if rc != 0 {
                    return Ok(Some(Self::Group { group: Group(group), rc }));
                }
            } else if key == "rc" && flat.is_none() {
                flat = Some(i32::read(&mut reader)?);
            } else {
                reader.skip()?;
            }
        }
        Ok(flat.filter(|rc| *rc != 0).map(Self::Smp))
    }

    /// Writes the payload that reports this error to a client of that version.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    pub fn write(self, version: Version, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.raw(b"\xa1")?;
        self.write_entry(version, writer)
    }

    /// Writes the key and the value that report this error.
    pub(crate) fn write_entry(self, version: Version, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Self::Group { group, rc } if version == Version::V2 => {
                // The parts that never change are written as bytes: 49 bytes of flash less than
                // `Details` (smp_boot, thumbv6m).
                writer.raw(b"\x63err\xa2\x65group")?;
                writer.unsigned(group.0.into())?;
                writer.raw(b"\x62rc")?;
                writer.unsigned(rc.into())
            }
            error => {
                writer.raw(b"\x62rc")?;
                writer.signed(error.to_v1().into())
            }
        }
    }
}

/// The value of `err`.
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
    let mut reader = Reader::new(payload);
    let mut entries = reader.entries().ok()?;
    while entries.more(&mut reader).ok()? {
        if reader.text().ok()? == *key {
            return T::read(&mut reader).ok();
        }
        reader.skip().ok()?;
    }
    None
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
