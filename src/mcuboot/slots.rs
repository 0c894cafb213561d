//! The image commands of a device, over a NOR flash.
//!
//! [`Slots`] keeps the places of the images and the progress of an upload. [`Slots::begin`] turns a
//! [`Command`] into a [`Job`], a list of flash operations; an executor
//! ([`flash::run`] or `flash::asynch::run`) performs them; [`Job::finish`]
//! returns the outcome. This module depends on no CBOR, port or flash driver.
//! A program whose configuration is a constant ([`Setup`]) does not contain the code of modes and
//! options that it does not choose.
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
//! * No image is marked to be booted, or confirmed, unless the hash of the bytes *in flash* equals
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
//! are dropped. It is refused if the slot is in use (9), the file is too large (30), or its version
//! is refused (27). If the slot already holds exactly this file, the response reports it as
//! complete. A later chunk at another offset than the expected one is dropped; the response
//! contains the expected offset. All bytes of a chunk are accepted; those that do not fill a write
//! unit wait in the scratch slice, and the last unit is padded with the erased value.
//!
//! # Interpretation
//!
//! * A header whose lengths contradict each other, or whose image is longer than the announced
//!   file, is refused with 22 at the first chunk: such a file could never be booted.
//! * There is one session per device. `image` counts in the first chunk only; with a single pair it
//!   is ignored.
//! * The response contains `match` if the `sha` has 32 bytes and the [`Digest`] hashes files. For
//!   that, the file in flash is hashed, also before an upload whose header equals the one in the
//!   slot.
//! * A repeat of the last chunk gets the first response again. Any other later chunk without a
//!   session gets offset 0.
//! * In modes without state writes only the running slot is in use. If the newer image were in use
//!   too, a broken upload could lock its slot.
//! * A slot that is marked may be erased and uploaded over, as by default in Zephyr: the mark is
//!   erased first. Otherwise a mark on which the boot loader does not act would stay forever.
//!   [`Config::erase_pending`] = false refuses both (9).
//! * Bytes that cannot be read count as missing or damaged: flash with error correction reports an
//!   error for bytes that a power cut has torn, until they are erased. Only the trailer of a
//!   running slot has to be readable (11): without it, it is unknown whether the other slot is
//!   needed to revert, and MCUboot would not start either.
//! * State writes refuse a slot whose trailer is damaged (23), for example by a power cut while it
//!   was marked. The next upload erases the trailer; if the file is there and does not reach into
//!   the trailer's pages, it is not written again.
//! * A permanent mark that a power cut left without `image_ok` reads as a test. Confirming the same
//!   image again completes it, unless the swap info of the mark is that of a test.
//! * A mark is read again after it was written: if flash does not contain it, the response is 12.
//! * A damaged `image_ok` or magic of the running slot counts as confirmed, since MCUboot keeps
//!   such an image. (With direct XIP or RAM load and revert it does not: 29.)
//! * With two images MCUboot postpones a revert as long as the other image is marked: the list does
//!   not show that.
//! * With revert in place (direct XIP, RAM load) a mark of an image that is not newer than the
//!   running one is refused (27): the boot loader would never start it.
//! * In swap-offset the old image lies at the start of the secondary slot after a swap, where the
//!   boot loader only looks for an image to revert to. It is listed there, and a mark is refused
//!   (3).
//! * Confirming is refused (28) as long as another image is scheduled, also without a hash.
//! * Marking a slot ends an upload into it.
//! * The hash of an encrypted image covers the plain body, so it cannot be checked in the other
//!   slot: a mark is refused (3, [`Error::Encrypted`]) unless [`Config::encrypted`] declares the
//!   check of the boot loader sufficient. In the RAM load modes it is encrypted in the running slot
//!   too, and a confirmation relies on the boot loader, which has decrypted and checked it.
//! * Padded files (`imgtool --pad`, with or without `--confirm`) are as long as their slot and end
//!   with a trailer. They are refused (30) unless the gate accepts them ([`PaddedFiles`]). Then the
//!   trailer is compared and not written. When the file is complete and has its `sha`, the image is
//!   marked as by a state write: its hash is checked in flash, the gate is asked, the trailer is
//!   written and read again. A refusal is the response to the last chunk; the image stays unmarked.
//!   After the largest image that the slot can hold, only erased bytes and a trailer are accepted;
//!   other bytes are refused (30). In modes without marks the trailer is dropped.
//!
//! **Not supported:** a third flash device: all primary slots are in one flash, all secondary ones
//! in the same or in another one ([`Config::with_spare_flash`]). Sectors of unequal size within a
//! slot: a geometry has one erase size. Give the largest sector of all slots; a region that is not
//! made of whole ones is refused ([`ConfigError::Region`]). A padded file for a slot of another
//! length is refused (30).

mod config;
mod error;
mod gate;
mod job;
mod layout;
mod look;
mod mode;
mod next;
mod padded;
mod protection;
mod seen;
mod setup;
mod state;
mod walk;

use super::digest::Digest;
use super::trailer::Layout;
use super::{Header, Version};
use crate::dfu::checkpoint::Log;
use crate::dfu::flash::{self, Geometries};
use crate::dfu::receiving::Receiving;
use crate::dfu::region::{Target, down};
use crate::dfu::upload::Session;
use crate::shown::shown;

pub use crate::dfu::flash::Geometry;
pub use crate::dfu::{Chunk, Command, Error, Info, Outcome, Region, State, Uploaded};
pub use config::{Config, ConfigError};
pub use gate::{Candidate, Event, Gate, Offer, TlvPiece};
pub use job::Job;
pub use layout::{Pair, Slot, scratch_len};
pub use mode::{BootMode, Mode};
pub use protection::{DowngradeProtection, PaddedFiles, SignatureCheck, Verifier};
pub use setup::Setup;

/// The slots of a device, and the upload into one of them. `G` is the application's [`Gate`], `C`
/// has the configuration: a [`Config`], or a [`Setup`] of the device, which takes less flash.
pub struct Slots<'s, D, G = (), C = Config> {
    setup: C,
    pairs: &'s mut [Pair],
    scratch: &'s mut [u8],
    digest: D,
    session: Session,
    upload: Receiving,
    log: Log,
    gate: G,
}

shown!(['s, D, G, C: Setup] Slots<'s, D, G, C>, |slots| "Slots({:?})", slots.setup.config());

impl<'s, D: Digest, C: Setup> Slots<'s, D, (), C> {
    /// Manages the slots of these image pairs, from the firmware that runs in one of them.
    /// `scratch` has at least [`scratch_len`] bytes and belongs to this value: it keeps received
    /// bytes between chunks.
    ///
    /// # Errors
    ///
    /// The caller: a [`ConfigError`] if the configuration cannot work.
    pub fn new(setup: C, pairs: &'s mut [Pair], scratch: &'s mut [u8], digest: D) -> Result<Self, ConfigError> {
        if setup.config().mode.kind == BootMode::SingleSlot {
            Err(ConfigError::Mode)
        } else {
            Self::make(setup, pairs, scratch, digest)
        }
    }

    /// Manages single slots ([`Pair::single`]) for a recovery loader, which runs from elsewhere: an
    /// upload replaces the image in slot 0 at once, and there is nothing to go back to. This is the
    /// only way to write slot 0 of a device whose boot loader has no other slot.
    ///
    /// The rules are those of MCUboot's serial recovery, and more: an upload can be resumed by its
    /// `sha`, and its hash is checked. State writes are refused (8).
    ///
    /// ```
    /// # #[cfg(feature = "sha2")] {
    /// use anysmp::mcuboot::digest::Sha256;
    /// use anysmp::mcuboot::slots::{Config, Geometry, Pair, Region, Slots, scratch_len};
    ///
    /// let config = Config::single_slot(Geometry::new(1, 4, 4096, 1 << 20));
    /// let mut slots = [Pair::single(Region::new(0x1_0000, 0xE_0000))];
    /// let mut scratch = [0; scratch_len(1, 4)];
    /// assert!(Slots::recovery(config, &mut slots, &mut scratch, Sha256::new()).is_ok());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The caller: [`ConfigError::Mode`] unless the mode is [`BootMode::SingleSlot`]; otherwise as
    /// [`new`](Self::new).
    pub fn recovery(setup: C, slots: &'s mut [Pair], scratch: &'s mut [u8], digest: D) -> Result<Self, ConfigError> {
        if setup.config().mode.kind == BootMode::SingleSlot {
            Self::make(setup, slots, scratch, digest)
        } else {
            Err(ConfigError::Mode)
        }
    }

    fn make(setup: C, pairs: &'s mut [Pair], scratch: &'s mut [u8], digest: D) -> Result<Self, ConfigError> {
        let log = Log::new(config::check(setup.config(), pairs, scratch.len())?);
        let (session, upload) = (Session::Idle, Receiving::new());
        Ok(Self { setup, pairs, scratch, digest, session, upload, log, gate: () })
    }
}

impl<'s, D: Digest, G: Gate, C: Setup> Slots<'s, D, G, C> {
    /// Puts a gate in front of uploads and marks, which also receives the events. Pass the gate
    /// itself or a `&mut` reference to it. Without a gate everything is allowed.
    #[must_use]
    pub fn with_gate<H: Gate>(self, gate: H) -> Slots<'s, D, H, C> {
        let Self { setup, pairs, scratch, digest, session, upload, log, .. } = self;
        Slots { setup, pairs, scratch, digest, session, upload, log, gate }
    }

    /// Returns the gate.
    #[must_use]
    pub const fn gate(&self) -> &G {
        &self.gate
    }

    /// Returns the gate, to change it.
    pub const fn gate_mut(&mut self) -> &mut G {
        &mut self.gate
    }
}

impl<D: Digest, G, C: Setup> Slots<'_, D, G, C> {
    fn config(&self) -> &Config<C::Flash> {
        self.setup.config()
    }

    /// Returns the sizes of the flash that holds the slot of an upload or an erase.
    fn spare_flash(&self) -> &Geometry {
        self.config().geometry.of(spare_device::<C::Flash>(self.pairs, self.upload.image))
    }

    /// Returns the version that an upload for this pair would replace, if it is known: that of the
    /// running image, or for a loader that of the image in the slot.
    fn version(&self, pair: &Pair) -> Option<Version> {
        let slot = if self.config().mode.kind.is_loader() { Slot::Primary } else { pair.running() };
        pair.seen(slot).header.as_ref().map(Header::version)
    }

    /// Returns the version as far as the boot loader compares it.
    fn compared(&self, version: Version) -> Version {
        if self.config().compare_build { version } else { version.release() }
    }

    /// Returns the offset in an upload of the first erase page that holds a part of the trailer.
    fn tail(&self, target: Target) -> u32 {
        tail(target, self.config().layout(), self.spare_flash().erase)
    }

    fn last(&self) -> u32 {
        u32::try_from(self.pairs.len()).unwrap_or(0).saturating_sub(1)
    }

    fn is_file_hash(hash: &[u8]) -> bool {
        D::FILE_KIND.is_some_and(|kind| hash.len() == kind.len())
    }
}

/// Returns the offset of the first erase page that holds a part of the trailer.
fn tail(target: Target, layout: Layout, erase: u32) -> u32 {
    down(target.region().len.saturating_sub(layout.len()), erase)
}

/// Returns the flash device of the spare slot of an image.
fn spare_device<F: Geometries>(pairs: &[Pair], image: u32) -> flash::Device {
    // An image that does not exist has no slot to work on.
    let pair = look::pair(pairs, image).filter(|_| F::ARE_TWO);
    pair.map_or(flash::Device::Active, |pair| pair.running().other().device())
}
