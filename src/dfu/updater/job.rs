//! The job of one command.

use super::*;
use crate::checksum::Crc16;
use crate::dfu::checkpoint::Recall;
use crate::dfu::region::{down, up};
use crate::dfu::upload::{Route, route};

/// Bytes of a file that [`Loader::check`] is given when they are read back.
const HEAD: u32 = 64;

/// A running command. See [`flash::Job`] for its execution. A job that is dropped while it writes
/// ends the upload session.
pub struct Job<'j, 's, L, D> {
    updater: &'j mut Updater<'s, L, D>,
    command: Command<'j>,
    piece: Option<Piece<'j>>,
    stage: Stage,
    access: Access,
}

shown!(['j, 's, L, D] Job<'j, 's, L, D>, |job| "Job({:?})", job.command);

/// The current stage of a job. Every stage but `Done` also exits to `Done` by an error.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Reading the two pages of the record. Exits: `Sweep` for `Roles`; `Save`; the command.
    Records(u32),
    /// Reading the checkpoint log. Exits: `Sweep` for `Trust`; the way of the chunk.
    Recall(Recall),
    /// Reading a range in pieces. Exits: those of the purpose, see [`Read`].
    Sweep { address: u32, left: u32, read: Read },
    /// Reading the first bytes of the file again. Exits: see [`Head`].
    Head(Head),
    /// Writing a record: its page is erased first. Exits: see [`Saved`].
    Save { is_erased: bool, then: Saved },
    /// Erasing the spare region down to its start. Exit: `Done`.
    Wipe { end: u32 },
    /// Writing the chunk. Exits: `Sweep` for `Check` after the last byte; else `Done`.
    Stream { taken: usize, log: bool },
    /// The job has ended. No exit.
    Done(Result<Outcome, Error>),
}

/// The purpose of reading a range.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// To find out if the active region holds what the record calls the spare file. Exits: `Save`;
    /// the command.
    Roles,
    /// To check a checkpoint against its CRC. Exits: `Head`; the way of the chunk.
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
    /// An upload goes on after a restart. Exits: `Done`; the way of the chunk.
    Resume,
    /// The file is complete. Exit: `Save`.
    Store(Option<bool>),
}

/// What comes after a record.
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

impl<'j, 's, L: Loader, D: Digest> Job<'j, 's, L, D> {
    pub(super) fn new(updater: &'j mut Updater<'s, L, D>, command: Command<'j>) -> Self {
        let piece = if let Command::Upload(chunk) = &command { Some(Piece::new(chunk)) } else { None };
        let stage = Stage::Records(0);
        let mut job = Self { updater, command, piece, stage, access: Access::UNKNOWN };
        if job.updater.knowledge == Knowledge::Known {
            job.settle(Self::start);
        }
        job
    }

    /// Returns the updater, for what it knows of its regions.
    #[must_use]
    pub const fn updater(&self) -> &Updater<'s, L, D> {
        self.updater
    }

    /// Returns the outcome of the command so far.
    ///
    /// # Errors
    ///
    /// The reason of a refusal; [`Error::Unknown`] if the job was not run to its end.
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

    /// Chooses the first stage of the command, once the record is known.
    fn start(&mut self) -> Result<(), Error> {
        match self.command {
            Command::List => self.done(Outcome::States),
            Command::SetState { hash, confirm } => return self.set_state(hash.unwrap_or(&[]), confirm),
            Command::Erase { slot } => {
                match slot {
                    None | Some(1) if self.updater.next == Next::Stay => {}
                    None | Some(0 | 1) => return Err(Error::NoFreeSlot),
                    Some(_) => return Err(Error::InvalidSlot),
                }
                self.updater.session = Session::Idle;
                self.forget(Saved::Wipe);
            }
            Command::Upload(_) => {
                if let Known::Unread { resume } = self.updater.log.known {
                    self.stage = Stage::Recall(Recall::new(&mut self.updater.log, resume));
                    return Ok(());
                }
                return self.route();
            }
        }
        Ok(())
    }

    fn done(&mut self, outcome: Outcome) {
        self.stage = Stage::Done(Ok(outcome));
    }

    /// Ends the job with the response to a chunk.
    fn uploaded(&mut self, off: u32, matched: Option<bool>) {
        self.done(Outcome::Upload(super::super::Uploaded { off: off.into(), matched }));
    }

    /// Decides on a state write.
    fn set_state(&mut self, hash: &[u8], confirm: bool) -> Result<(), Error> {
        let Updater { record, next, loader, regions, .. } = &mut *self.updater;
        if hash.len() != 32 && !(hash.is_empty() && confirm) {
            return Err(Error::InvalidHash);
        }
        let is = |entry: &Entry| entry.len > 0 && entry.hash == hash;
        if hash.is_empty() || is(&record.active) {
            match (*next, confirm) {
                (_, false) => return Err(Error::TestOfActive),
                (Next::Test, true) => return Err(Error::AlreadyPending),
                (Next::Stay, true) => self.done(Outcome::States),
                (Next::Revert, true) => {
                    loader.confirm().or(Err(Error::FlashWrite))?;
                    *next = Next::Stay;
                    record.marked = false;
                    self.save(Saved::Listed);
                }
            }
        } else if is(&record.spare) {
            match (*next, confirm) {
                (Next::Revert, true) | (Next::Test, false) => self.done(Outcome::States),
                (Next::Revert, false) | (Next::Test, true) => return Err(Error::AlreadyPending),
                (Next::Stay, true) => return Err(Error::ConfirmationDenied),
                (Next::Stay, false) => {
                    let (address, left) = (regions.spare.start, record.spare.len);
                    self.sweep(address, left, Read::Verify);
                }
            }
        } else {
            return Err(Error::HashNotFound);
        }
        Ok(())
    }

    /// Begins to read a range.
    fn sweep(&mut self, address: u32, left: u32, read: Read) {
        self.updater.digest.reset_for_file();
        self.stage = Stage::Sweep { address, left, read };
    }

    /// Begins to write the record, as it is in memory, with the next number.
    fn save(&mut self, then: Saved) {
        self.updater.record.number = self.updater.record.number.wrapping_add(1);
        self.stage = Stage::Save { is_erased: false, then };
    }

    /// Forgets the file in the spare region, before it changes.
    fn forget(&mut self, then: Saved) {
        (self.updater.record.spare, self.updater.record.marked) = (Entry::NONE, false);
        self.save(then);
    }

    /// Chooses the way of a chunk.
    fn route(&mut self) -> Result<(), Error> {
        let piece = self.piece.ok_or(Error::Unknown)?;
        match route(self.updater.session, &self.updater.upload, &piece, 0)? {
            Route::Stream => self.stream(),
            Route::Answer { off, matched } => self.uploaded(off, matched),
            Route::Again => {
                let (off, len) = (self.updater.upload.off(), self.updater.upload.len);
                // Its refusal ends the upload.
                if let Err(error) = self.updater.loader.check(piece.data, len) {
                    self.updater.session = Session::Idle;
                    return Err(error);
                }
                self.uploaded(off, None);
            }
            Route::New => return self.begin_upload(&piece),
        }
        Ok(())
    }

    /// Decides on a first chunk.
    fn begin_upload(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        let max = self.updater.max();
        let Updater { loader, next, regions, version, upload, session, record, .. } = &mut *self.updater;
        let len = piece.len.filter(|len| *len > 0).ok_or(Error::InvalidLength)?;
        if *next != Next::Stay {
            return Err(Error::NoFreeSlot);
        }
        if len > max {
            return Err(Error::TooLarge);
        }
        if piece.end().is_none_or(|end| end > len) {
            return Err(Error::Overrun);
        }
        let offered = loader.check(piece.data, len)?;
        if piece.upgrade && offered <= *version {
            return Err(Error::NotNewer);
        }
        *session = Session::Idle;
        upload.begin(0, Target::new(regions.spare), len, piece.sha).ok_or(Error::InvalidHash)?;
        if record.spare.len == len && record.spare.hash == piece.sha {
            let start = regions.spare.start;
            self.sweep(start, len, Read::Compare);
        } else if record.spare.len > 0 {
            self.forget(Saved::Stream);
        } else {
            self.stream();
        }
        Ok(())
    }

    /// Begins to write the chunk. There is no session until it is written.
    fn stream(&mut self) {
        self.updater.session = Session::Idle;
        self.stage = Stage::Stream { taken: 0, log: self.updater.log.begin() };
    }

    /// Decides after a range was read, or could not be read.
    fn judge(&mut self, read: Read, is_read: bool) -> Result<(), Error> {
        let Updater { digest, record, upload, next, knowledge, .. } = &mut *self.updater;
        match read {
            Read::Roles => {
                // A program that cannot be read does not run, so what runs is the other one.
                if is_read && digest.finish().as_bytes() == record.spare.hash {
                    *record = record.swapped();
                }
                *knowledge = Knowledge::Known;
                // On trial the boot loader may still swap back.
                if *next == Next::Revert {
                    return self.start();
                }
                record.marked = false;
                self.save(Saved::Start);
            }
            Read::Trust(crc) if is_read && upload.crc.value() == crc => self.stage = Stage::Head(Head::Resume),
            Read::Trust(_) => return self.route(),
            Read::Compare if is_read && upload.key.is(digest.finish().as_bytes()) => {
                let len = upload.len;
                self.updater.session = Session::Complete { matched: Some(true) };
                self.uploaded(len, Some(true));
            }
            Read::Compare => self.forget(Saved::Stream),
            _ if !is_read => return Err(Error::FlashRead),
            Read::Check => {
                let hash = digest.finish();
                let (key, len) = (upload.key.as_bytes(), upload.len);
                let matched = (key.len() == 32).then(|| key == hash.as_bytes());
                let hash = crate::bytes::take(hash.as_bytes(), 0).ok_or(Error::Unknown)?;
                record.spare = Entry { len, version: Version::default(), hash };
                self.stage = Stage::Head(Head::Store(matched));
            }
            Read::Verify if digest.finish().as_bytes() != record.spare.hash => return Err(Error::NoImage),
            Read::Verify => {
                record.marked = true;
                self.save(Saved::Mark);
            }
        }
        Ok(())
    }

    /// Chooses the stage after one that has finished its flash work.
    fn follow(&mut self) -> Result<(), Error> {
        match self.stage {
            Stage::Records(_) => {
                let Updater { loader, record, next, knowledge, regions, .. } = &mut *self.updater;
                let is_trial = loader.is_trial().or(Err(Error::FlashRead))?;
                *next = if is_trial { Next::Revert } else { Next::Stay };
                // Only a mark lets the regions be swapped.
                if record.marked && record.spare.len > 0 {
                    let (start, len) = (regions.active.start, record.spare.len.min(regions.active.len));
                    self.sweep(start, len, Read::Roles);
                    return Ok(());
                }
                *knowledge = Knowledge::Known;
                return self.start();
            }
            Stage::Recall(recall) => {
                let max = self.updater.max();
                let Updater { log, upload, regions, next, geometry, record, .. } = &mut *self.updater;
                log.known = Known::Read;
                let piece = self.piece.ok_or(Error::Unknown)?;
                let (off, len) = (upload.off(), upload.len);
                let is_page = off > 0 && off < len && len <= max && down(off, geometry.erase) == off;
                // A whole file is there, so nothing is left to go on.
                let is_part = record.spare.len == 0 && is_page;
                let is_same = piece.off > 0 || upload.key.is(piece.sha);
                if !(recall.is_usable() && is_part && is_same && *next == Next::Stay) {
                    return self.route();
                }
                let crc = upload.crc.value();
                (upload.target, upload.crc) = (Target::new(regions.spare), Crc16::new());
                let start = regions.spare.start;
                self.sweep(start, off, Read::Trust(crc));
            }
            Stage::Save { then, .. } => match then {
                Saved::Start => return self.start(),
                Saved::Stream => self.stream(),
                Saved::Stored(matched) => {
                    let len = self.updater.upload.len;
                    self.updater.session = Session::Complete { matched };
                    self.uploaded(len, matched);
                }
                Saved::Mark => {
                    self.updater.loader.mark().or(Err(Error::FlashWrite))?;
                    (self.updater.next, self.updater.session) = (Next::Test, Session::Idle);
                    self.done(Outcome::States);
                }
                Saved::Wipe => self.stage = Stage::Wipe { end: self.updater.regions.spare.len },
                Saved::Listed => self.done(Outcome::States),
            },
            Stage::Wipe { .. } => self.done(Outcome::Erased),
            Stage::Stream { log: is_logged, .. } => {
                let Updater { upload, log, session, regions, .. } = &mut *self.updater;
                if is_logged {
                    log.known = Known::Read;
                }
                if upload.is_complete() {
                    let (start, len) = (regions.spare.start, upload.len);
                    self.sweep(start, len, Read::Check);
                } else {
                    *session = Session::Receiving;
                    let off = upload.off();
                    self.uploaded(off, None);
                }
            }
            // They decide as soon as they have read.
            Stage::Sweep { .. } | Stage::Head(_) | Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Returns the next access of the stage; nothing if the stage has ended.
    fn wanted(&mut self) -> Access {
        let Updater { geometry, regions, scratch, upload, log, record, .. } = &mut *self.updater;
        let pages = Pages::new(regions.record, geometry.erase);
        let piece = crate::dfu::access::fill(scratch.len(), geometry);
        let (carry, work) = halves(scratch, geometry);
        let record_len = up(u32::try_from(record::LEN).unwrap_or(0), geometry.write);
        match &mut self.stage {
            Stage::Records(page) if *page < 2 => {
                Access::read(pages.address(*page), u32::try_from(record::LEN).unwrap_or(0))
            }
            Stage::Recall(recall) => recall.access(log, geometry),
            Stage::Sweep { address, left, .. } if *left > 0 => Access::read(*address, piece.min(*left)),
            Stage::Head(_) => Access::read(regions.spare.start, HEAD.min(upload.len).min(piece)),
            Stage::Save { is_erased: false, .. } => {
                Access::change(Kind::EraseLog, pages.place(record.number), geometry.erase)
            }
            Stage::Save { is_erased: true, .. } if record_len > 0 => {
                work.get_mut(..size(record_len)).unwrap_or_default().fill(geometry.erased);
                record.emit(work);
                Access::change(Kind::Work, pages.place(record.number), record_len)
            }
            Stage::Wipe { end } => match end.checked_sub(geometry.erase) {
                Some(start) => Access::change(Kind::Erase, Target::new(regions.spare).at(start), geometry.erase),
                None => Access::NOTHING,
            },
            Stage::Stream { taken, log: is_logged } => {
                let rest = self.piece.and_then(|piece| piece.data.get(*taken..)).unwrap_or(&[]);
                let moved = upload.gather(rest, carry, geometry);
                *taken = taken.saturating_add(moved);
                upload.access(rest.len().saturating_sub(moved), is_logged.then_some(log), geometry, work)
            }
            _ => Access::NOTHING,
        }
    }

    /// Handles a completed access, with the bytes of a read; none if it failed.
    fn advance(&mut self, result: Result<(), Failed>) -> Result<(), Error> {
        let Updater { geometry, scratch, digest, upload, log, record, loader, .. } = &mut *self.updater;
        let (carry, work) = halves(scratch, geometry);
        let bytes = if result.is_ok() { self.access.bytes(geometry, work) } else { &[] };
        match &mut self.stage {
            Stage::Records(page) => {
                // Numbers wrap around; what cannot be read is no record.
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
                    Read::Trust(_) => upload.crc.update(bytes),
                    _ => digest.update(bytes),
                }
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
            Stage::Save { is_erased: false, then } => self.stage = Stage::Save { is_erased: true, then: *then },
            Stage::Save { then, .. } => {
                // The write is over: what comes next has no more to write.
                let then = *then;
                self.stage = Stage::Save { is_erased: true, then };
                return self.saved();
            }
            Stage::Wipe { end } => *end = end.saturating_sub(geometry.erase),
            Stage::Stream { taken, .. } => {
                let mut bytes: &[u8] = carry.get(..size(upload.carried())).unwrap_or(&[]);
                if self.access.kind == Kind::Chunk {
                    let rest = self.piece.and_then(|piece| piece.data.get(*taken..));
                    bytes = rest.and_then(|rest| rest.get(..size(self.access.len))).unwrap_or(&[]);
                    *taken = taken.saturating_add(bytes.len());
                }
                // There is no trailer: no tail was erased before.
                upload.done(self.access.kind, bytes, log, u32::MAX, geometry);
            }
            Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Goes on after a record was written.
    fn saved(&mut self) -> Result<(), Error> {
        self.follow()
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

impl<L: Loader, D: Digest> flash::Job for Job<'_, '_, L, D> {
    fn next(&mut self) -> Option<Operation<'_>> {
        if self.access.kind == Kind::Unknown {
            self.advance_stages(Ok(()));
        }
        let mut chunk: &[u8] = &[];
        if let (Stage::Stream { taken, .. }, Some(piece)) = (&self.stage, &self.piece) {
            chunk = piece.data.get(*taken..).unwrap_or(&[]);
        }
        self.access.operation(&self.updater.geometry, self.updater.scratch, chunk)
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        let outcome = match (result, self.access.kind) {
            (_, Kind::Nothing | Kind::Unknown | Kind::Outside) => return,
            // What cannot be read is not there; each stage knows what that means.
            (_, Kind::Read) | (Ok(()), _) => self.advance(result),
            (Err(Failed), Kind::Erase | Kind::EraseLog) => Err(Error::FlashErase),
            (Err(Failed), Kind::Carry | Kind::Chunk | Kind::Work) => Err(Error::FlashWrite),
        };
        if outcome.is_err() && self.piece.is_some() {
            self.updater.session = Session::Idle;
        }
        self.advance_stages(outcome);
    }
}

impl<'s, L: Loader, D: Digest> Work<Updater<'s, L, D>> for Job<'_, 's, L, D> {
    fn outcome(&self) -> Result<Outcome, Error> {
        Job::outcome(self)
    }

    fn device(&self) -> &Updater<'s, L, D> {
        self.updater
    }
}
