//! The decisions of a job: each chooses the next stage.

use super::{Head, Job, Read, Saved, Stage, Turn};
use crate::checksum::Crc16;
use crate::dfu::checkpoint::{Known, Recall};
use crate::dfu::flash::{Device, Geometries};
use crate::dfu::receiving::Key;
use crate::dfu::region::{Target, down};
use crate::dfu::updater::{Knowledge, Next, Updater};
use crate::dfu::upload::{Piece, Route, Session, Stream, route};
use crate::dfu::{Command, Entry, Error, Loader, Outcome, Uploaded};
use crate::mcuboot::Version;
use crate::mcuboot::digest::Digest;

impl<L: Loader, D: Digest, F: Geometries> Job<'_, '_, L, D, F> {
    /// Chooses the first stage of the command, once the record is known.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        match self.command {
            Command::List => self.done(Outcome::States),
            Command::SetState { hash, confirm } => return self.set_state(hash.unwrap_or(&[]), confirm),
            Command::Erase { slot } => {
                match slot {
                    None | Some(1) if self.updater.next == Next::Stay => {}
                    // The running program, or one that the boot loader may still start.
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

    pub(super) fn done(&mut self, outcome: Outcome) {
        self.stage = Stage::Done(Ok(outcome));
    }

    /// Ends the job with the response to a chunk.
    pub(super) fn uploaded(&mut self, off: u32, matched: Option<bool>) {
        self.done(Outcome::Upload(Uploaded { off: off.into(), matched }));
    }

    pub(super) fn set_state(&mut self, hash: &[u8], confirm: bool) -> Result<(), Error> {
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
                // It is confirmed, or marked, already.
                (Next::Revert, true) | (Next::Test, false) => self.done(Outcome::States),
                (Next::Revert, false) | (Next::Test, true) => return Err(Error::AlreadyPending),
                // These boot loaders try every program first.
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

    pub(super) fn sweep(&mut self, address: u32, left: u32, read: Read) {
        self.updater.digest.reset_for_file();
        self.stage = Stage::Sweep { address, left, read };
    }

    /// Begins to write the record, as it is in memory, with the next number.
    pub(super) fn save(&mut self, then: Saved) {
        self.updater.record.number = self.updater.record.number.wrapping_add(1);
        self.stage = Stage::Save { turn: Turn::Erase, then };
    }

    /// Forgets the file in the spare region, before it changes.
    pub(super) fn forget(&mut self, then: Saved) {
        (self.updater.record.spare, self.updater.record.marked) = (Entry::NONE, false);
        self.save(then);
    }

    /// Chooses the first stage of a chunk.
    pub(super) fn route(&mut self) -> Result<(), Error> {
        let piece = self.piece.ok_or(Error::Unknown)?;
        match route(self.updater.session, &self.updater.upload, &piece, 0)? {
            Route::Stream => self.stream(),
            Route::Answer { off, matched } => self.uploaded(off, matched),
            Route::Again => {
                let (off, len) = (self.updater.upload.off(), self.updater.upload.len);
                // A refusal by the application ends the upload.
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

    pub(super) fn begin_upload(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        let max = self.updater.max();
        let Updater { loader, next, regions, version, upload, session, record, .. } = &mut *self.updater;
        let len = piece.len.filter(|len| *len > 0).ok_or(Error::InvalidLength)?;
        // The boot loader would start a half-written file: it checks nothing.
        if *next != Next::Stay {
            return Err(Error::NoFreeSlot);
        }
        if len > max {
            return Err(Error::TooLarge);
        }
        if piece.end().is_none_or(|end| end > len) {
            return Err(Error::Overrun);
        }
        // Checked before the session ends: a chunk that is refused leaves the upload as it is.
        if piece.sha.len() > Key::MAX_LEN {
            return Err(Error::InvalidHash);
        }
        let offered = loader.check(piece.data, len)?;
        if piece.upgrade && offered <= *version {
            return Err(Error::NotNewer);
        }
        *session = Session::Idle;
        upload.begin(0, Target::new(regions.spare), len, piece.sha).ok_or(Error::InvalidHash)?;
        // The record alone does not prove that the bytes are still there.
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
    pub(super) fn stream(&mut self) {
        self.updater.session = Session::Idle;
        self.stage = Stage::Stream(Stream::new(self.updater.log.there()));
    }

    /// Decides after a range was read, or could not be read.
    pub(super) fn judge(&mut self, read: Read, is_read: bool) -> Result<(), Error> {
        let Updater { digest, record, upload, next, knowledge, .. } = &mut *self.updater;
        match read {
            Read::Roles => {
                // A program that cannot be read does not run, so the other one does.
                let is_swapped = is_read && digest.is(&record.spare.hash);
                if is_swapped {
                    *record = record.swapped();
                } else if is_read && *next == Next::Revert {
                    // The program was started again without a reset, so its mark is still there.
                    *next = Next::Test;
                }
                *knowledge = Knowledge::Known;
                // The boot loader may still swap, or swap back.
                if *next != Next::Stay {
                    return self.start();
                }
                record.marked = false;
                self.save(Saved::Start);
            }
            Read::Trust(crc) if is_read && upload.crc.value() == crc => self.stage = Stage::Head(Head::Resume),
            // The part has changed since its record, or cannot be read.
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
                // A shorter key identifies an upload, but is not a hash.
                let matched = (key.len() == 32).then(|| key == hash.as_bytes());
                let hash = crate::bytes::take(hash.as_bytes(), 0).ok_or(Error::Unknown)?;
                record.spare = Entry { len, version: Version::default(), hash };
                self.stage = Stage::Head(Head::Store(matched));
            }
            // The bytes have changed since they were received.
            Read::Verify if digest.finish().as_bytes() != record.spare.hash => return Err(Error::NoImage),
            Read::Verify => {
                // Before the mark itself: a swap without this record would not be noticed.
                record.marked = true;
                self.save(Saved::Mark);
            }
        }
        Ok(())
    }

    /// Chooses the stage after one that has finished its flash work.
    pub(super) fn follow(&mut self) -> Result<(), Error> {
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
                let page = geometry.of(Device::Spare).erase;
                let is_page = off > 0 && off < len && len <= max && down(off, page) == off;
                // The whole file is there, so no upload can be resumed.
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
            Stage::Stream(stream) => {
                let Updater { upload, log, session, regions, .. } = &mut *self.updater;
                stream.end(log.there());
                if upload.is_complete() {
                    let (start, len) = (regions.spare.start, upload.len);
                    self.sweep(start, len, Read::Check);
                } else {
                    *session = Session::Receiving;
                    let off = upload.off();
                    self.uploaded(off, None);
                }
            }
            // These stages decide as soon as the read has ended.
            Stage::Sweep { .. } | Stage::Head(_) | Stage::Done(_) => {}
        }
        Ok(())
    }
}
