//! The image commands of a device with any boot loader that swaps two regions.
//!
//! ```text
//!   any command  ─▶ [read the record; which region is which?] ─▶
//!   Upload       ─▶ [recall the checkpoint] ─▶ Loader::check ─▶ (erase a page, write …)
//!                     ─▶ hash the file in flash ─▶ record its identity
//!   SetState     ─▶ test: hash the file in flash ─▶ record ─▶ Loader::mark
//!                   confirm: Loader::confirm ─▶ record
//!   Erase        ─▶ record ─▶ erase
//! ```
//!
//! The rules of an upload are those of `mcuboot::slots`. A file may have any content; its identity,
//! by which clients mark it, is the SHA-256 of the whole file. It is kept with length and version
//! in a [`Record`], since the boot loader keeps none.
//!
//! # Guarantees
//!
//! * The region of the running program is never written.
//! * No file is marked unless its bytes in flash have its hash.
//! * While another program is marked, or the running one is on trial, the spare region is not
//!   changed (9): such boot loaders check nothing, and would start a half-written program.
//! * Power may fail at any moment. After a swap the regions are identified by hashing, never by a
//!   flag, which a power cut may leave in its old state.
//!
//! The spare region may lie in another flash device: [`Updater::new`] is given
//! [`TwoGeometries`](super::flash::TwoGeometries) then, and the executor
//! [`Two`](super::flash::Two) flashes.
//!
//! **Not supported:** a permanent mark (32): these boot loaders try every program first. Erase
//! pages of unequal size within a region: give the largest; a region that is not made of whole ones
//! is refused ([`RegionError::Region`]).

use super::access::size;
use super::checkpoint::Log;
use super::flash::{self, Geometries, Geometry};
use super::loader::Loader;
use super::receiving::Receiving;
use super::record::Record;
use super::region::{LogRegion, Region};
use super::state::State;
use super::upload::Session;
use crate::mcuboot::Version;
use crate::mcuboot::digest::{Digest, HashKind};
use crate::shown::shown;

mod job;

pub use job::Job;

/// The regions of a device. The fields are public.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Regions {
    /// The region from which programs run. It is only read.
    pub active: Region,
    /// The region to which uploads are written. A boot loader may need one page more there than the
    /// largest file; see its documentation.
    pub spare: Region,
    /// Two erase pages or more for the [`Record`]; of two flash devices, in the one that
    /// [`TwoGeometries::records`](super::flash::TwoGeometries::records) names.
    pub record: Region,
    /// The region that keeps the progress of an upload across a restart, if there is one; in the
    /// same flash device.
    pub checkpoint: Option<Region>,
}

/// The caller: the regions, the scratch slice or the digest cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RegionError {
    /// A size of a flash is not a power of two, or reads or writes are larger than 512 bytes or
    /// than the erase size.
    Geometry,
    /// A region is empty, not made of whole erase pages, ends past the flash, or is too short.
    Region,
    /// Two regions overlap.
    Overlap,
    /// The scratch slice is shorter than [`scratch_len`].
    Scratch,
    /// The digest has no SHA-256 for whole files.
    Digest,
}

impl core::fmt::Display for RegionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Geometry => "the sizes of the flash are not supported",
            Self::Region => "a region does not fit the flash",
            Self::Overlap => "two regions overlap",
            Self::Scratch => "the scratch slice is too short",
            Self::Digest => "the digest has no SHA-256 for files",
        })
    }
}

impl core::error::Error for RegionError {}

/// Returns the minimum length of the scratch slice of [`Updater::new`], for these smallest sizes of
/// read and write; of two flash devices, for the larger of each.
#[must_use]
pub const fn scratch_len(read: usize, write: usize) -> usize {
    let record = if write > 128 { write } else { 128 };
    record + write + 2 * read
}

/// The state of the record in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// It has not been read since the start. Exit: the first command for which the boot loader's
    /// state can be read, to `Known`.
    Unread,
    /// It was read, and the regions were identified. No exit.
    Known,
}

/// The action of the boot loader at the next reset. A mark that no reset has followed is found when
/// the program starts again: the state of the boot loader is the same as on trial, but the regions
/// have not been swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It starts the running program again. Exits: a mark, to `Test`; the first command, to
    /// `Revert` during a trial.
    Stay,
    /// It starts the file in the spare region. No exit but a reset.
    Test,
    /// It starts the program that ran before. Exits: a confirmation, to `Stay`; the first command,
    /// to `Test`, if it finds the regions as they were.
    Revert,
}

/// The two regions of a device, and the upload into one of them. `F` has the sizes of one flash
/// device or of two.
pub struct Updater<'s, L, D, F = Geometry> {
    geometry: F,
    regions: Regions,
    version: Version,
    loader: L,
    scratch: &'s mut [u8],
    digest: D,
    session: Session,
    upload: Receiving,
    log: Log,
    record: Record,
    knowledge: Knowledge,
    next: Next,
}

shown!(['s, L, D, F] Updater<'s, L, D, F>, |it| "Updater({:?}, {:?})", it.regions, it.record);

impl<'s, L: Loader, D: Digest, F: Geometries> Updater<'s, L, D, F> {
    /// Manages these regions, from the program that runs in the active one and has this version.
    /// `scratch` has at least [`scratch_len`] bytes and belongs to this value.
    ///
    /// # Errors
    ///
    /// The caller: a [`RegionError`].
    pub fn new(
        geometry: F,
        regions: Regions,
        version: Version,
        loader: L,
        scratch: &'s mut [u8],
        digest: D,
    ) -> Result<Self, RegionError> {
        let is_valid = |device| geometry.of(device).is_valid();
        if !is_valid(flash::Device::Active) || F::ARE_TWO && !is_valid(flash::Device::Spare) {
            return Err(RegionError::Geometry);
        }
        let Regions { active, spare, record, checkpoint } = regions;
        let log = checkpoint.unwrap_or(Region::new(0, 0));
        let records = geometry.records();
        let all = [(active, flash::Device::Active), (spare, flash::Device::Spare), (record, records), (log, records)];
        let page = geometry.of(records).erase;
        let two = page.checked_mul(2).ok_or(RegionError::Geometry)?;
        // A record has 112 bytes, rounded up to whole write units.
        let short = record.len < two || page < 128 || active.len.min(spare.len) == 0;
        // A checkpoint region that is absent has no bytes.
        if short || all.iter().any(|(region, device)| region.len > 0 && !region.fits(geometry.of(*device))) {
            return Err(RegionError::Region);
        }
        let mut rest = &all[..];
        while let Some(((one, device), others)) = rest.split_first() {
            // Regions of different flash devices cannot overlap.
            let is_near = |other: &flash::Device| !F::ARE_TWO || other == device;
            if others.iter().any(|(other, device)| is_near(device) && one.overlaps(*other)) {
                return Err(RegionError::Overlap);
            }
            rest = others;
        }
        let widest = geometry.widest();
        if scratch.len() < scratch_len(size(widest.read), size(widest.write)) {
            return Err(RegionError::Scratch);
        }
        // Records and marks identify a file by its SHA-256.
        if D::FILE_KIND != Some(HashKind::Sha256) {
            return Err(RegionError::Digest);
        }
        let (log, upload, record) = (Log::new(LogRegion(log)), Receiving::new(), Record::NONE);
        let (session, knowledge, next) = (Session::Idle, Knowledge::Unread, Next::Stay);
        Ok(Self { geometry, regions, version, loader, scratch, digest, session, upload, log, record, knowledge, next })
    }
}

impl<L, D, F> Updater<'_, L, D, F> {
    /// Returns the boot loader.
    #[must_use]
    pub const fn loader(&self) -> &L {
        &self.loader
    }

    fn max(&self) -> u32 {
        self.regions.active.len.min(self.regions.spare.len)
    }

    /// Returns the two slots, once a command has read the record: first the active one, then the
    /// spare one if it holds a file.
    pub fn states(&self) -> impl Iterator<Item = State<'_>> {
        [0, 1].into_iter().filter_map(|slot| self.entry(slot))
    }

    fn entry(&self, slot: u32) -> Option<State<'_>> {
        let Record { active, spare, .. } = &self.record;
        let is_active = slot == 0;
        let entry = if is_active { active } else { spare };
        // The running program is listed even if its hash is unknown, because it was written by a
        // programming tool.
        let is_known = entry.len > 0;
        (slot < 2 && (is_active || is_known)).then_some(State {
            image: 0,
            slot,
            version: if is_active { self.version } else { entry.version },
            hash: if is_known { &entry.hash } else { &[] },
            bootable: true,
            pending: !is_active && self.next == Next::Test,
            // During a trial the program that ran before is the confirmed one.
            confirmed: is_active != (self.next == Next::Revert),
            active: is_active,
            permanent: false,
        })
    }
}
