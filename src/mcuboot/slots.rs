//! The image commands of a device, over a NOR flash.
//!
//! [`Slots`] keeps the places of the images and the progress of an upload. [`Slots::begin`] turns a
//! [`Command`] into a [`Job`], a list of flash operations; an executor
//! ([`flash::run`](super::flash::run) or `flash::asynch::run`) performs them; [`Job::finish`]
//! returns the outcome. This module depends on no CBOR, port or flash driver.
//!
//! ```text
//!   Command::Upload ─▶ checks ─▶ [recall the checkpoint] ─▶ look at the pair ─▶ checks
//!       ─▶ [compare: is the file there already?] ─▶ erase the tail ─▶ (erase a page, write …)
//!       ─▶ [hash the file in flash] ─▶ Outcome::Upload
//!   Command::SetState ─▶ look at all slots ─▶ rules ─▶ hash the image in flash
//!       ─▶ write the trailer ─▶ look again ─▶ Outcome::States
//!   Command::List ─▶ look at all slots ─▶ Outcome::States
//!   Command::Erase ─▶ look ─▶ erase ─▶ Outcome::Erased
//! ```
//!
//! # Guarantees
//!
//! * The running slot is never erased or written, except for its one `image_ok` flag when it is
//!   confirmed; no value exists that could request more.
//! * Nothing is erased before the first chunk has passed every check.
//! * No image is marked to be booted, or confirmed, unless the hash of what is *in flash* equals
//!   its hash TLV.
//! * Power may fail at any moment. The trailer of a slot is erased before its first byte is
//!   written, so a half-written image is never marked; with a checkpoint region the upload
//!   continues at the last full erase page.
//! * After a flash error in an upload, and after a job that failed or was dropped while it changed
//!   a slot, the upload session has ended: the next offset is 0.
//!
//! # Upload rules
//!
//! These are the rules of the Zephyr server, in the same order. A first chunk (`off` = 0) is
//! refused without the image header (22), without `len` (21), with a wrong magic (23) or a `sha`
//! beyond 32 bytes (24). If its `sha` is that of the session, the session continues and the data
//! are dropped. It is refused if the slot is in use (9), the file too large (30), its version
//! refused (27). If the slot already holds exactly this file, the response reports it as complete.
//! A later chunk at another offset than the expected one is dropped; the response has the expected
//! offset. All bytes of a chunk are accepted; those that do not fill a write unit wait in the
//! scratch slice, and the last unit is padded with the erased value.
//!
//! # Interpretation
//!
//! * A header whose lengths contradict each other, or whose image is longer than the announced
//!   file, is refused with 22 at the first chunk: such a file could never be booted.
//! * There is one session per device. `image` counts in the first chunk only; with a single pair it
//!   is ignored.
//! * The response has `match` if the `sha` has 32 bytes and [`Digest`] is SHA-256. For it the file
//!   in flash is hashed, also before an upload whose header equals the one in the slot.
//! * A repeat of the last chunk gets the first response again. Any other later chunk without a
//!   session gets offset 0.
//! * In modes without state writes only the running slot is in use. If the newer image were in use
//!   too, a broken upload could lock its slot.
//! * State writes refuse a slot whose trailer is damaged (23), for example by a power cut while it
//!   was marked. Such a slot never counts as one that already holds the file: the next upload
//!   erases the trailer.
//! * Confirming is refused (28) as long as another image is scheduled, also without a hash.
//! * Marking a slot ends an upload into it.
//! * The hash of an encrypted image covers the plain body, so it cannot be checked in the other
//!   slot: a mark is refused (3) unless [`Config::encrypted`] declares the check of the bootloader
//!   sufficient.
//!
//! **Not supported:** direct XIP with revert, firmware-updater mode, swap-using-offset, upload into
//! a chosen slot.

mod access;
mod checkpoint;
mod chunk;
mod config;
mod error;
mod job;
mod layout;
mod look;
mod receiving;
mod seen;
mod state;
mod upload;

use super::digest::Digest;
use super::trailer::Layout;
use crate::shown::shown;
use checkpoint::Log;
use receiving::Receiving;
use upload::Session;

pub use super::flash::Geometry;
pub use chunk::Chunk;
pub use config::{BootMode, Config, ConfigError};
pub use error::Error;
pub use job::Job;
pub use layout::{Pair, Region, Slot, scratch_len};
pub use state::{Info, State};

/// The slots of a device, and the upload into one of them.
pub struct Slots<'s, D> {
    config: Config,
    layout: Layout,
    /// Bytes at the end of a slot that no image may use.
    reserved: u32,
    pairs: &'s mut [Pair],
    scratch: &'s mut [u8],
    digest: D,
    session: Session,
    upload: Receiving,
    log: Log,
}

shown!(['s, D] Slots<'s, D>, |slots| "Slots({:?})", slots.config);

impl<'s, D: Digest> Slots<'s, D> {
    /// Manages the slots of these image pairs. `scratch` has at least [`scratch_len`] bytes and
    /// belongs to this value: it keeps received bytes between chunks.
    ///
    /// # Errors
    ///
    /// The caller: a [`ConfigError`] if the configuration cannot work.
    pub fn new(config: Config, pairs: &'s mut [Pair], scratch: &'s mut [u8], digest: D) -> Result<Self, ConfigError> {
        let layout = Layout::new(config.align).filter(|_| config.align >= config.geometry.write);
        let layout = layout.ok_or(ConfigError::Alignment)?;
        let reserved = config.reserved.max(layout.len());
        let log = Log::new(config::check(&config, pairs, reserved, scratch.len())?);
        let (session, upload) = (Session::Idle, Receiving::new());
        Ok(Self { config, layout, reserved, pairs, scratch, digest, session, upload, log })
    }

    /// Begins a command. The job does nothing until an executor runs it; a job that is dropped
    /// while it erases or writes a slot ends the upload session.
    #[must_use = "a job does nothing until it is run"]
    pub fn begin<'j>(&'j mut self, command: Command<'j>) -> Job<'j, 's, D> {
        self.begin_by(&command)
    }

    /// Begins a command that the caller keeps, because a copy would take stack while the job runs.
    // Not inlined: see `smp::server`, on the stack.
    #[inline(never)]
    pub(crate) fn begin_by<'j>(&'j mut self, command: &Command<'j>) -> Job<'j, 's, D> {
        Job::new(self, command)
    }
}

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

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Outcome {
    /// [`Slots::states`] is up to date.
    States,
    /// The chunk was handled.
    Upload(Uploaded),
    /// The slot is erased.
    Erased,
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

impl<D: Digest> Slots<'_, D> {
    /// Returns the maximum bytes of an upload into the spare slot of this pair. In swap modes the
    /// file must fit both slots.
    fn max_image(&self, pair: &Pair) -> u32 {
        let spare = pair.spare().region().len;
        let len = match self.config.mode {
            BootMode::Swap => spare.min(pair.region(pair.running()).len),
            BootMode::DirectXip | BootMode::RamLoad => spare,
        };
        len.saturating_sub(self.reserved)
    }

    /// Returns the number of the last pair.
    fn last(&self) -> u32 {
        u32::try_from(self.pairs.len()).unwrap_or(0).saturating_sub(1)
    }

    /// Returns true if `hash` can be the digest of a whole file.
    fn is_file_hash(hash: &[u8]) -> bool {
        D::KIND == super::HashKind::Sha256 && hash.len() == D::KIND.len()
    }
}
