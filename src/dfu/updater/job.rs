//! The job of one command: its stages, and the flash operations of each. `decide` chooses the next
//! stage.

mod decide;

use super::{Knowledge, Updater};
use crate::dfu::access::{self, Access, Kind, size};
use crate::dfu::checkpoint::Recall;
use crate::dfu::flash::{self, Device, Failed, Geometries, Geometry, Operation};
use crate::dfu::record::{self, Pages};
use crate::dfu::region::{Target, up};
use crate::dfu::state::{Info, State};
use crate::dfu::upload::{Piece, Session, Stream};
use crate::dfu::{self, Command, Error, Loader, Outcome, Record, Work};
use crate::mcuboot::digest::Digest;
use crate::shown::shown;

/// The number of bytes of a file that are read back for [`Loader::check`].
const HEAD: u32 = 64;

/// A running command. See [`flash::Job`] for its execution. A job that is dropped while it writes
/// ends the upload session.
pub struct Job<'j, 's, L, D, F = Geometry> {
    updater: &'j mut Updater<'s, L, D, F>,
    command: Command<'j>,
    piece: Option<Piece<'j>>,
    stage: Stage,
    access: Access,
}

shown!(['j, 's, L, D, F] Job<'j, 's, L, D, F>, |job| "Job({:?})", job.command);

/// The current stage of a job. Every stage but `Done` also exits to `Done` by an error.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Reading the two pages of the record. Exits: `Sweep` for `Roles`; the command.
    Records(u32),
    /// Reading the checkpoint log. Exits: `Sweep` for `Trust`; the first stage of the chunk.
    Recall(Recall),
    /// Reading a range in pieces. Exits: those of the purpose, see [`Read`].
    Sweep { address: u32, left: u32, read: Read },
    /// Reading the first bytes of the file again. Exits: see [`Head`].
    Head(Head),
    /// Saving a record. Exits: see [`Saved`].
    Save { turn: Turn, then: Saved },
    /// Erasing the spare region down to its start. Exit: `Done`.
    Wipe { end: u32 },
    /// Writing the chunk. Exits: `Sweep` for `Check` after the last byte; else `Done`.
    Stream(Stream),
    /// The job has ended. No exit.
    Done(Result<Outcome, Error>),
}

/// The next operation of saving a record.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Its page is erased. Exit: `Write`.
    Erase,
    /// The record is written. No exit: the stage ends.
    Write,
}

/// The purpose of reading a range.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// To find out if the active region holds the file that the record lists as the spare one.
    /// Exits: `Save`; the command.
    Roles,
    /// To check a checkpoint against its CRC. Exits: `Head`; the first stage of the chunk.
    Trust(u16),
    /// To find out if the file is there already. Exits: `Done`; `Save`.
    Compare,
    /// To learn the hash of the received file. Exit: `Head`.
    Check,
    /// To check the file that is to be marked. Exit: `Save`.
    Verify,
}

/// The purpose of reading the first bytes again.
#[derive(Debug, Clone, Copy)]
enum Head {
    /// An upload continues after a restart. Exits: `Done`; the first stage of the chunk.
    Resume,
    /// The file is complete. Exit: `Save`.
    Store(Option<bool>),
}

/// The next step after a record is written.
#[derive(Debug, Clone, Copy)]
enum Saved {
    /// The command itself.
    Start,
    /// The first bytes of an upload. Exit: `Stream`.
    Stream,
    /// The response to the last chunk. Exit: `Done`.
    Stored(Option<bool>),
    /// The mark. Exit: `Done`.
    Mark,
    /// The erase. Exit: `Wipe`.
    Wipe,
    /// The response to a confirmation. Exit: `Done`.
    Listed,
}

impl Stage {
    /// Returns the flash device that the stage reads, and erases or writes unless that is the
    /// checkpoint log.
    fn device<F: Geometries>(&self, geometry: &F) -> Device {
        match self {
            Self::Records(_) | Self::Recall(_) | Self::Save { .. } => geometry.records(),
            Self::Sweep { read: Read::Roles, .. } => Device::Active,
            Self::Sweep { .. } | Self::Head(_) | Self::Wipe { .. } | Self::Stream(_) | Self::Done(_) => Device::Spare,
        }
    }
}

impl<'s, L: Loader, D: Digest, F: Geometries> Updater<'s, L, D, F> {
    /// Begins a command. The job does nothing until an executor runs it.
    #[must_use = "a job does nothing until it is run"]
    pub fn begin<'j>(&'j mut self, command: Command<'j>) -> Job<'j, 's, L, D, F> {
        Job::new(self, command)
    }
}

impl<'s, L: Loader, D: Digest, F: Geometries> dfu::Device for Updater<'s, L, D, F> {
    type Job<'j>
        = Job<'j, 's, L, D, F>
    where
        Self: 'j;

    fn begin<'j>(&'j mut self, command: &Command<'j>) -> Job<'j, 's, L, D, F> {
        Job::new(self, *command)
    }

    fn slots(&self) -> u32 {
        2
    }

    fn state(&self, slot: u32) -> Option<State<'_>> {
        self.entry(slot)
    }

    fn info(&self, slot: u32) -> Option<Info> {
        let max_image_size = self.max();
        let (size, upload_image_id) = match slot {
            0 => (self.regions.active.len, None),
            1 => (self.regions.spare.len, Some(0)),
            _ => return None,
        };
        Some(Info { image: 0, slot, size, upload_image_id, max_image_size })
    }
}

impl<'j, 's, L: Loader, D: Digest, F: Geometries> Job<'j, 's, L, D, F> {
    pub(super) fn new(updater: &'j mut Updater<'s, L, D, F>, command: Command<'j>) -> Self {
        let piece = if let Command::Upload(chunk) = &command { Some(Piece::new(chunk)) } else { None };
        let stage = Stage::Records(0);
        let mut job = Self { updater, command, piece, stage, access: Access::UNKNOWN };
        if job.updater.knowledge == Knowledge::Known {
            job.settle(Self::start);
        }
        job
    }

    /// Returns the updater, to read the state of its regions.
    #[must_use]
    pub const fn updater(&self) -> &Updater<'s, L, D, F> {
        self.updater
    }

    /// Returns the outcome of the command so far.
    ///
    /// # Errors
    ///
    /// The reason for a refusal; [`Error::Unknown`] if the job was not run to its end.
    pub const fn outcome(&self) -> Result<Outcome, Error> {
        match self.stage {
            Stage::Done(outcome) => outcome,
            _ => Err(Error::Unknown),
        }
    }

    /// Returns the outcome of the command.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub fn finish(self) -> Result<Outcome, Error> {
        self.outcome()
    }

    /// Makes a decision; its error ends the job.
    fn settle(&mut self, decide: impl FnOnce(&mut Self) -> Result<(), Error>) {
        if let Err(error) = decide(self) {
            self.stage = Stage::Done(Err(error));
        }
    }

    /// Returns the next access of the stage; nothing if the stage has ended.
    fn wanted(&mut self) -> Access {
        let Updater { geometry, regions, scratch, upload, log, record, .. } = &mut *self.updater;
        let (flash, unit) = (&*geometry, geometry.largest_write());
        let geometry = flash.of(self.stage.device(flash));
        let pages = Pages::new(regions.record, flash.of(flash.records()).erase);
        let piece = access::fill(scratch.len(), unit, geometry);
        let (carry, work) = access::halves(scratch, unit);
        let record_len = up(u32::try_from(record::LEN).unwrap_or(0), geometry.write);
        match &mut self.stage {
            Stage::Records(page) if *page < 2 => {
                Access::read(pages.address(*page), u32::try_from(record::LEN).unwrap_or(0))
            }
            Stage::Recall(recall) => recall.access(log, geometry),
            Stage::Sweep { address, left, .. } if *left > 0 => Access::read(*address, piece.min(*left)),
            Stage::Head(_) => Access::read(regions.spare.start, HEAD.min(upload.len).min(piece)),
            Stage::Save { turn: Turn::Erase, .. } => {
                Access::change(Kind::EraseLog, pages.place(record.number), geometry.erase)
            }
            Stage::Save { turn: Turn::Write, .. } => {
                work.get_mut(..size(record_len)).unwrap_or_default().fill(geometry.erased);
                record.emit(work);
                Access::change(Kind::Work, pages.place(record.number), record_len)
            }
            Stage::Wipe { end } => match end.checked_sub(geometry.erase) {
                Some(start) => Access::change(Kind::Erase, Target::new(regions.spare).at(start), geometry.erase),
                None => Access::NOTHING,
            },
            Stage::Stream(stream) => {
                let rest = stream.rest(self.piece.as_ref());
                stream.access(rest, upload, log.there().as_deref(), (flash, Device::Spare), (carry, work))
            }
            _ => Access::NOTHING,
        }
    }

    /// Handles a completed access, with the bytes of a read; none if it failed.
    fn advance(&mut self, result: Result<(), Failed>) -> Result<(), Error> {
        let Updater { geometry, scratch, digest, upload, log, record, loader, .. } = &mut *self.updater;
        let (flash, unit) = (&*geometry, geometry.largest_write());
        let geometry = flash.of(self.stage.device(flash));
        let (carry, work) = access::halves(scratch, unit);
        let bytes = if result.is_ok() { self.access.bytes(geometry, work) } else { &[] };
        match &mut self.stage {
            Stage::Records(page) => {
                // Numbers wrap around; a record that cannot be read counts as none.
                if let Some(found) = Record::parse(bytes)
                    && (*record == Record::NONE || found.number.wrapping_sub(record.number) < u32::MAX / 2)
                {
                    *record = found;
                }
                *page = page.saturating_add(1);
            }
            Stage::Recall(recall) => recall.advance(bytes, log, upload, geometry),
            Stage::Sweep { address, left, read } => {
                *address = address.wrapping_add(self.access.len);
                *left = left.saturating_sub(self.access.len);
                match read {
                    // The log has only the CRC of the part.
                    Read::Trust(_) => upload.crc.update(bytes),
                    _ => digest.update(bytes),
                }
                // The rest of a range that cannot be read does not change the judgement.
                if result.is_err() || *left == 0 {
                    let read = *read;
                    return self.judge(read, result.is_ok());
                }
            }
            Stage::Head(head) => {
                if result.is_err() {
                    return Err(Error::FlashRead);
                }
                let version = loader.check(bytes, upload.len)?;
                match *head {
                    Head::Resume => {
                        self.updater.session = Session::Receiving;
                        return self.route();
                    }
                    Head::Store(matched) => {
                        record.spare.version = version;
                        self.save(Saved::Stored(matched));
                    }
                }
            }
            Stage::Save { turn: turn @ Turn::Erase, .. } => *turn = Turn::Write,
            Stage::Save { .. } => return self.follow(),
            Stage::Wipe { end } => *end = end.saturating_sub(geometry.erase),
            Stage::Stream(stream) => {
                // There is no trailer: no tail was erased before.
                stream.done(
                    self.access,
                    (self.piece.as_ref(), carry),
                    upload,
                    log.there(),
                    u32::MAX,
                    (flash, Device::Spare),
                );
            }
            Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Advances to the first stage that needs the flash, or to the end.
    fn advance_stages(&mut self, begun: Result<(), Error>) {
        let mut outcome = begun;
        self.access = loop {
            if let Err(error) = outcome {
                self.stage = Stage::Done(Err(error));
            }
            if let Stage::Done(_) = self.stage {
                break Access::NOTHING;
            }
            let wanted = self.wanted();
            if wanted.kind != Kind::Nothing {
                break wanted;
            }
            outcome = self.follow();
        };
    }
}

impl<L: Loader, D: Digest, F: Geometries> flash::Job for Job<'_, '_, L, D, F> {
    const ARE_TWO: bool = F::ARE_TWO;

    fn flash_device(&mut self) -> Device {
        if self.access.kind == Kind::Unknown {
            self.advance_stages(Ok(()));
        }
        match self.access.kind {
            // Also while a chunk is written: the log may be in another device than the chunk.
            Kind::EraseLog | Kind::Work => self.updater.geometry.records(),
            _ => self.stage.device(&self.updater.geometry),
        }
    }

    fn next(&mut self) -> Option<Operation<'_>> {
        if self.access.kind == Kind::Unknown {
            self.advance_stages(Ok(()));
        }
        let chunk = if let Stage::Stream(stream) = &self.stage { stream.rest(self.piece.as_ref()) } else { &[] };
        let Updater { geometry, scratch, .. } = &mut *self.updater;
        self.access.operation(geometry.largest_write(), geometry.of(self.stage.device(geometry)), scratch, chunk)
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        let outcome = match (result, self.access.kind) {
            (_, Kind::Nothing | Kind::Unknown | Kind::Outside) => return,
            // Bytes that cannot be read count as missing; each stage decides on the consequence.
            (_, Kind::Read) | (Ok(()), _) => self.advance(result),
            (Err(Failed), Kind::Erase | Kind::EraseLog) => Err(Error::FlashErase),
            (Err(Failed), Kind::Carry | Kind::Chunk | Kind::Work) => Err(Error::FlashWrite),
        };
        // The next piece is answered with offset 0, where the upload begins again.
        if outcome.is_err() && self.piece.is_some() {
            self.updater.session = Session::Idle;
        }
        self.advance_stages(outcome);
    }
}

impl<'s, L: Loader, D: Digest, F: Geometries> Work<Updater<'s, L, D, F>> for Job<'_, 's, L, D, F> {
    fn outcome(&self) -> Result<Outcome, Error> {
        Job::outcome(self)
    }

    fn device(&self) -> &Updater<'s, L, D, F> {
        self.updater
    }
}
