//! The application's part in an upgrade: a gate that may refuse, and the events that it gets.
//!
//! ```text
//!   Command::Upload    first chunk, or a resume ─▶ Gate::upload ─▶ erase and write
//!                        ─▶ Event::Started, Resumed, Chunk …, Stored or Stopped
//!   Command::SetState  hash checked in flash ─▶ Gate::tlv, for each entry ─▶ Gate::mark
//!                        ─▶ write the trailer, read it again ─▶ Event::Marked, Confirmed
//!   Command::Erase     ─▶ Event::Erased
//!   each of them       ─▶ Event::Ended
//! ```
//!
//! A rule about the images that may run has to be applied on every path: checking uploads is not
//! enough, because every swap leaves the older image in the other slot, where a client can mark it.
//! [`DowngradeProtection`](super::DowngradeProtection) is such a rule.

use super::{Outcome, Slot};
use crate::dfu::Error;
use crate::mcuboot::tlv::Kind;
use crate::mcuboot::{Header, Version};
use crate::shown::shown;

/// Allows or refuses the changes that clients make to the slots. `()` is the gate that is always
/// open.
///
/// It is an object of the application, so it can check a battery, a motor, a hardware revision.
/// Every function allows by default, so a gate implements only those that it needs. A refusal is
/// any [`Error`]; [`Error::Refused`] has a number of the application's own.
///
/// ```
/// use anysmp::mcuboot::slots::{Candidate, Error, Event, Gate, Offer};
///
/// struct Product {
///     battery_percent: u8,
///     updates: u32,
/// }
///
/// impl Gate for Product {
///     fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
///         // `err: {group: 64, rc: 1}`: this product's own group, "charge me first".
///         let charged = self.battery_percent > 30 || offer.len < 10_000;
///         if charged { Ok(()) } else { Err(Error::Refused { group: 64, rc: 1 }) }
///     }
///
///     fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
///         let is_older = candidate.running.is_some_and(|runs| candidate.header.version() < runs);
///         if is_older { Err(Error::NotNewer) } else { Ok(()) }
///     }
///
///     fn event(&mut self, event: Event) {
///         if let Event::Marked { .. } = event {
///             self.updates += 1; // show it on the display, or ask for a reset
///         }
///     }
/// }
/// ```
pub trait Gate {
    /// False for a gate that never refuses and ignores events. Then the TLVs of an image are not
    /// read before a mark, and no code for it is linked.
    const IS_ASKED: bool = true;
    /// True for a gate that accepts padded files: see [`PaddedFiles`](super::PaddedFiles).
    /// Otherwise no code for it is linked.
    const TAKES_PADDED: bool = false;

    /// Decides on an upload, before anything is erased, and again when an upload continues: after a
    /// restart, or when a client starts the same file again.
    ///
    /// # Errors
    ///
    /// The application: the response to the client.
    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        let _ = offer;
        Ok(())
    }

    /// Called before the TLVs of an image. Data recorded for an earlier image do not count for this
    /// one; the earlier series may have ended in the middle, by a damaged entry or a failed read.
    fn begin(&mut self) {}

    /// Receives a TLV of the image for which [`mark`](Self::mark) is called next, read from flash.
    /// Protected entries come first. A value that is longer than the scratch slice comes in pieces.
    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        let _ = piece;
    }

    /// Decides on a mark, after the hash of the image in flash was checked and all its TLVs were
    /// seen. It is not called for a mark that is already set.
    ///
    /// # Errors
    ///
    /// The application: the response to the client.
    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        let _ = candidate;
        Ok(())
    }

    /// Receives an event, after it has happened and before the response to the client.
    fn event(&mut self, event: Event) {
        let _ = event;
    }
}

/// The gate that is always open.
impl Gate for () {
    const IS_ASKED: bool = false;
}

impl<G: Gate> Gate for &mut G {
    const IS_ASKED: bool = G::IS_ASKED;
    const TAKES_PADDED: bool = G::TAKES_PADDED;

    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        (**self).upload(offer)
    }

    fn begin(&mut self) {
        (**self).begin();
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        (**self).tlv(piece);
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        (**self).mark(candidate)
    }

    fn event(&mut self, event: Event) {
        (**self).event(event);
    }
}

/// An upload that a client offers.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Offer<'a> {
    /// The number of the image pair.
    pub image: u32,
    /// The header of the file; when an upload continues after a restart, as it is in flash.
    pub header: &'a Header,
    /// The length of the whole file in bytes.
    pub len: u32,
    /// The `sha` of the client; empty for none. It need not be a hash.
    pub sha: &'a [u8],
    /// True for a padded file, which will be marked when it is complete.
    pub padded: bool,
    /// The version of the running image, if it is known; for a loader, that of the image that the
    /// upload replaces.
    pub running: Option<Version>,
}

shown!(
    Offer<'_>,
    |it| "Offer(image {}, {:?}, {} bytes, {} bytes of sha, running {:?})",
    it.image,
    it.header.version(),
    it.len,
    it.sha.len(),
    it.running
);

/// A piece of a TLV of an image that is to be marked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TlvPiece<'a> {
    /// True if the image hash covers the entry.
    pub protected: bool,
    /// The type of the entry.
    pub kind: Kind,
    /// The length of the whole value in bytes.
    pub len: u16,
    /// The offset of `bytes` in the value.
    pub offset: u16,
    /// The bytes; the whole value unless it is longer than the scratch slice.
    pub bytes: &'a [u8],
}

shown!(TlvPiece<'_>, |it| "TlvPiece({:?}, {} bytes at {} of {})", it.kind, it.bytes.len(), it.offset, it.len);

/// An image that is to be marked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The number of the image pair.
    pub image: u32,
    /// The slot of the pair.
    pub slot: Slot,
    /// The header of the image.
    pub header: &'a Header,
    /// The image hash. The bytes in flash have it, unless the image is encrypted.
    pub hash: &'a [u8],
    /// The version of the running image, if it is known.
    pub running: Option<Version>,
    /// True if the image is the running one, which is to be confirmed.
    pub active: bool,
    /// True if the image will run from then on, false for a test.
    pub permanent: bool,
}

shown!(
    Candidate<'_>,
    |it| "Candidate(image {}, {:?}, {:?}, running {:?}, active: {}, permanent: {})",
    it.image,
    it.slot,
    it.header.version(),
    it.running,
    it.active,
    it.permanent
);

/// A change that a command made to the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// A new upload has begun: its slot is about to be written.
    Started {
        /// The number of the image pair.
        image: u32,
        /// The length of the whole file in bytes.
        len: u32,
    },
    /// An upload that a restart of the device had interrupted continues.
    Resumed {
        /// The number of the image pair.
        image: u32,
        /// The offset at which the upload continues.
        off: u32,
    },
    /// A chunk is in flash, or waits for the rest of its write unit.
    Chunk {
        /// The number of the image pair.
        image: u32,
        /// The expected offset of the next chunk.
        off: u32,
    },
    /// An upload has ended before its last byte: by an error, a refusal, an erase, a mark or
    /// another upload. A job that is dropped ends one without this event.
    Stopped {
        /// The number of the image pair.
        image: u32,
    },
    /// The whole file is in flash.
    Stored {
        /// The number of the image pair.
        image: u32,
        /// True if the file has the `sha` of the first chunk; `None` if it cannot be checked.
        matched: Option<bool>,
    },
    /// An image will be started next; its mark was read again.
    Marked {
        /// The number of the image pair.
        image: u32,
        /// The slot of the pair.
        slot: Slot,
        /// True if the image will run from then on, false for a test.
        permanent: bool,
    },
    /// The running image was confirmed; its mark was read again.
    Confirmed {
        /// The number of the image pair.
        image: u32,
    },
    /// A slot is erased.
    Erased {
        /// The number of the image pair.
        image: u32,
    },
    /// A command has ended with this outcome, which is also reported to the client.
    Ended(Result<Outcome, Error>),
}

impl core::fmt::Display for Event {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Started { image, len } => write!(f, "image {image}: an upload of {len} bytes has begun"),
            Self::Resumed { image, off } => write!(f, "image {image}: the upload continues at offset {off}"),
            Self::Chunk { image, off } => write!(f, "image {image}: the upload has reached offset {off}"),
            Self::Stopped { image } => write!(f, "image {image}: the upload has ended before its last byte"),
            Self::Stored { image, matched: Some(false) } => {
                write!(f, "image {image}: the file is stored, but does not have the hash that was announced")
            }
            Self::Stored { image, .. } => write!(f, "image {image}: the file is stored"),
            Self::Marked { image, slot, permanent } => {
                let what = if *permanent { "permanently" } else { "for a test" };
                write!(f, "image {image}: slot {} is started next, {what}", slot.number())
            }
            Self::Confirmed { image } => write!(f, "image {image}: the running image is confirmed"),
            Self::Erased { image } => write!(f, "image {image}: the slot is erased"),
            Self::Ended(Ok(outcome)) => write!(f, "{outcome}"),
            Self::Ended(Err(error)) => write!(f, "{error}"),
        }
    }
}
