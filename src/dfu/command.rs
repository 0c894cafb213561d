//! The image commands, decoded, and their outcomes.

use super::chunk::Chunk;

/// A command of the image group, decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'c> {
    /// State read: looks at all slots.
    List,
    /// State write: tests an image, or confirms one.
    SetState {
        /// The hash of the image; `None` or empty for the running one.
        hash: Option<&'c [u8]>,
        /// True to confirm, false to test.
        confirm: bool,
    },
    /// A chunk of an upload.
    Upload(Chunk<'c>),
    /// Erases a slot.
    Erase {
        /// Image number x 2 + slot number; `None` for the spare slot of the first image.
        slot: Option<u64>,
    },
}

impl core::fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::List => f.write_str("List"),
            Self::SetState { hash, confirm } => {
                write!(f, "SetState({} bytes of hash, confirm: {})", hash.map_or(0, <[u8]>::len), confirm)
            }
            Self::Upload(chunk) => write!(f, "Upload({:?})", chunk),
            Self::Erase { slot } => write!(f, "Erase({:?})", slot),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Command<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::List => defmt::write!(f, "List"),
            Self::SetState { hash, confirm } => {
                defmt::write!(f, "SetState({} bytes of hash, confirm: {})", hash.map_or(0, <[u8]>::len), confirm)
            }
            Self::Upload(chunk) => defmt::write!(f, "Upload({:?})", chunk),
            Self::Erase { slot } => defmt::write!(f, "Erase({:?})", slot),
        }
    }
}

/// The result of a command that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Outcome {
    /// The list of slots is up to date.
    States,
    /// The chunk was handled.
    Upload(Uploaded),
    /// The slot is erased.
    Erased,
}

impl core::fmt::Display for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::States => f.write_str("the list of slots is up to date"),
            Self::Upload(uploaded) => write!(f, "{uploaded}"),
            Self::Erased => f.write_str("the slot is erased"),
        }
    }
}

/// The response to a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller may make one to compare with")]
pub struct Uploaded {
    /// The expected offset of the next chunk.
    pub off: u64,
    /// At the end, true if the file in flash has the `sha` of the first chunk; `None` if it cannot
    /// be checked.
    pub matched: Option<bool>,
}

impl core::fmt::Display for Uploaded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.matched {
            None => write!(f, "the upload has reached offset {}", self.off),
            Some(true) => write!(f, "all {} bytes are stored, with the hash that was announced", self.off),
            Some(false) => write!(f, "all {} bytes are stored, but their hash is another one", self.off),
        }
    }
}
