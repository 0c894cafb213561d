//! The decisions of a job: each chooses the next stage.

use super::{Job, Read, Stage, Then, tail};
use crate::checksum::Crc16;
use crate::mcuboot::digest::Digest;
use crate::mcuboot::slots::checkpoint::{Known, Recall};
use crate::mcuboot::slots::layout::down;
use crate::mcuboot::slots::look::{self, Look};
use crate::mcuboot::slots::receiving::Key;
use crate::mcuboot::slots::state::Mark;
use crate::mcuboot::slots::upload::{Piece, Session};
use crate::mcuboot::slots::{BootMode, Command, Error, Outcome, Pair, Slots, Uploaded};
use crate::mcuboot::trailer::Trailer;
use crate::mcuboot::{Error as ImageError, Header, Version};

impl<'j, D: Digest> Job<'j, '_, D> {
    /// Chooses the first stage of a command.
    pub(super) fn begin(&mut self, command: &Command<'j>) -> Result<(), Error> {
        let all = Look::new(0, self.slots.last());
        let (look, then) = match command {
            Command::List => (all, Then::List),
            Command::SetState { hash, confirm } => {
                // Boot loaders in other modes ignore trailers: a mark would promise something that
                // never happens.
                if self.slots.config.mode != BootMode::Swap {
                    return Err(Error::NotSupported);
                }
                // Without a hash a confirmation means the running image, but a test means nothing.
                let (hash, confirm) = (hash.unwrap_or(&[]), *confirm);
                if hash.len() != D::KIND.len() && !(hash.is_empty() && confirm) {
                    return Err(Error::InvalidHash);
                }
                (all, Then::SetState { hash, confirm })
            }
            Command::Erase { slot } => {
                let number = slot.map(|slot| u32::try_from(slot).or(Err(Error::InvalidSlot))).transpose()?;
                // Checked before any flash access: the running slot must never be erased.
                let image = number.unwrap_or(0) >> 1;
                let running = look::pair(self.slots.pairs, image).ok_or(Error::InvalidSlot)?.running();
                if number.is_some_and(|number| number & 1 == running.number()) {
                    return Err(Error::NoFreeSlot);
                }
                (Look::new(image, image), Then::Erase)
            }
            Command::Upload(_) => {
                let piece = self.piece()?;
                // In front of the log: a chunk that is refused must not cost a search.
                if piece.off == 0 {
                    check_first(&piece)?;
                }
                if let Known::Unread { resume } = self.slots.log.known {
                    self.stage = Stage::Recall(Recall::new(&mut self.slots.log, resume));
                    return Ok(());
                }
                return self.route();
            }
        };
        self.stage = Stage::Look { look, then };
        Ok(())
    }

    /// Returns the chunk, in the stages that only an upload has.
    fn piece(&self) -> Result<Piece<'j>, Error> {
        self.piece.ok_or(Error::Unknown)
    }

    /// Chooses the first stage of a chunk, once the session is known.
    fn route(&mut self) -> Result<(), Error> {
        let piece = self.piece()?;
        // Clients of a device with a single image may send any number.
        let image = if self.slots.pairs.len() == 1 { 0 } else { piece.image };
        let upload = &self.slots.upload;
        match self.slots.session {
            // It continues the upload, up to the length that the first chunk announced.
            Session::Receiving if piece.off == upload.off() && piece.off > 0 => {
                if piece.end().is_none_or(|end| end > upload.len) {
                    return Err(Error::Overrun);
                }
                self.stream();
            }
            // A repeat, a gap, or a client that starts the same file again: the expected offset
            // makes it continue. To start from scratch would erase what is already in flash.
            Session::Receiving if piece.off > 0 || (upload.image == image && upload.key.is(piece.sha)) => {
                self.uploaded(upload.off(), None);
            }
            // The response to the last chunk was lost: without this, the client would see an upload
            // that starts again at 0.
            Session::Complete { matched } if piece.off > 0 && piece.end() == Some(upload.len) => {
                self.uploaded(upload.len, matched);
            }
            // No session, for example after a restart: the client must send the first chunk.
            _ if piece.off > 0 => self.uploaded(0, None),
            _ => self.stage = Stage::Look { look: Look::new(image, image), then: Then::Upload },
        }
        Ok(())
    }

    /// Chooses the stage after one that has finished its flash work.
    #[inline(never)]
    pub(super) fn follow(&mut self) -> Result<(), Error> {
        match self.stage {
            Stage::Recall(recall) => {
                self.slots.log.known = Known::Read;
                // A first chunk continues only the same file. A later one does so without proof:
                // its offset is compared in `route`.
                let (piece, upload) = (self.piece()?, &self.slots.upload);
                if !recall.is_usable() || !(piece.off > 0 || upload.key.is(piece.sha)) {
                    return self.route();
                }
                self.stage = Stage::Look { look: Look::new(upload.image, upload.image), then: Then::Resume };
            }
            Stage::Look { look, then } => match then {
                Then::List => self.stage = Stage::Done(Ok(Outcome::States)),
                Then::SetState { hash, confirm } => return self.set_state(hash, confirm),
                Then::Erase => return self.erase(look.last()),
                Then::Upload => return self.begin_upload(look.last()),
                Then::Resume => return self.trust(),
            },
            // `judge` decides as soon as the range has been read, and no range is empty.
            Stage::Sweep { .. } => return Err(Error::Unknown),
            Stage::Wipe { .. } => {
                if self.piece.is_none() {
                    self.stage = Stage::Done(Ok(Outcome::Erased));
                    return Ok(());
                }
                let Slots { upload, reserved, config, .. } = &mut *self.slots;
                upload.tail_cleared(tail(upload.target, *reserved, config.geometry.erase));
                // Only an upload that continues has a different offset than 0.
                if upload.off() > 0 {
                    self.slots.session = Session::Receiving;
                    return self.route();
                }
                self.stream();
            }
            Stage::Stream { log: is_logged, .. } => {
                let Slots { upload, digest, log, .. } = &mut *self.slots;
                // The job got here, so the log is as it was left in memory.
                if is_logged {
                    log.known = Known::Read;
                }
                // The session exists again only now, after the last write has succeeded.
                if !upload.is_complete() {
                    let off = upload.off();
                    self.slots.session = Session::Receiving;
                    self.uploaded(off, None);
                } else if Slots::<D>::is_file_hash(upload.key.as_bytes()) {
                    digest.reset();
                    self.stage =
                        Stage::Sweep { address: upload.target.region().start, left: upload.len, read: Read::Check };
                } else {
                    // Without a SHA-256 of the file there is nothing to compare.
                    self.complete(None);
                }
            }
            Stage::Mark(_) => {
                // The response lists all slots as they are now.
                self.stage = Stage::Look { look: Look::new(0, self.slots.last()), then: Then::List };
            }
            Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Decides after a range was read.
    #[inline(never)]
    pub(super) fn judge(&mut self, read: Read) -> Result<(), Error> {
        if let Read::Trust(crc) = read {
            // The slot has changed since the record: without a session the client starts again.
            if self.slots.upload.crc.value() != crc {
                return self.route();
            }
            // The tail may have been written since, by a swap for example.
            self.clear();
            return Ok(());
        }
        let as_expected = self.is_hash(read)?;
        match read {
            // A damaged image must never be marked: the boot loader would at best refuse it.
            Read::Verify(_) if !as_expected => return Err(Error::NoImage),
            Read::Verify(mark) => self.mark(mark),
            // Another file with the same header: the upload begins.
            Read::Compare if !as_expected => self.clear(),
            _ => self.complete(Some(as_expected)),
        }
        Ok(())
    }

    /// Returns true if the bytes read have the hash of the image that is to be marked, or of the
    /// file that was announced.
    // Not inlined, and with few locals: the hash function takes more stack than anything else here.
    #[inline(never)]
    fn is_hash(&mut self, read: Read) -> Result<bool, Error> {
        let Slots { digest, pairs, upload, .. } = &mut *self.slots;
        let hash = digest.finish();
        Ok(match read {
            Read::Verify(mark) => *look::pair(pairs, mark.image).ok_or(Error::Unknown)?.seen(mark.slot).hash()? == hash,
            _ => upload.key.is(hash.as_bytes()),
        })
    }

    /// Decides on a state write, after a look at all slots.
    fn set_state(&mut self, hash: &[u8], confirm: bool) -> Result<(), Error> {
        // The state is already as requested: a repeat of a lost request must succeed.
        let Some(mark) = self.slots.plan(hash, confirm)? else {
            self.stage = Stage::Done(Ok(Outcome::States));
            return Ok(());
        };
        match self.slots.to_verify(&mark)? {
            Some((address, left)) => {
                self.slots.digest.reset();
                self.stage = Stage::Sweep { address, left, read: Read::Verify(mark) };
            }
            // Encrypted, and the configuration accepts the check of the boot loader alone.
            None => self.mark(mark),
        }
        Ok(())
    }

    /// Decides on an erase, after a look at the slots of the image.
    fn erase(&mut self, image: u32) -> Result<(), Error> {
        let pair = look::pair(self.slots.pairs, image).ok_or(Error::InvalidSlot)?;
        if self.slots.in_use(pair, self.slots.config.erase_pending) {
            return Err(Error::NoFreeSlot);
        }
        let target = pair.spare();
        // An upload into the slot loses what it has written.
        self.slots.session = Session::Idle;
        self.stage = Stage::Wipe { target, from: 0, end: target.region().len };
        Ok(())
    }

    /// Decides on a first chunk, after a look at the slots of its image.
    #[inline(never)]
    fn begin_upload(&mut self, image: u32) -> Result<(), Error> {
        let piece = self.piece()?;
        let pair = look::pair(self.slots.pairs, image).ok_or(Error::NoFreeSlot)?;
        if self.slots.in_use(pair, false) {
            return Err(Error::NoFreeSlot);
        }
        let len = piece.len.ok_or(Error::InvalidLength)?;
        if len > self.slots.max_image(pair) {
            return Err(Error::TooLarge);
        }
        let header = Header::parse(piece.data).map_err(|error| match error {
            ImageError::Magic => Error::InvalidMagic,
            _ => Error::InvalidHeader,
        })?;
        // Such a file ends before its image: it could never be booted.
        if header.hashed_len() > len {
            return Err(Error::InvalidHeader);
        }
        let (running, spare) = (pair.seen(pair.running()), pair.seen(pair.running().other()));
        let version = running.header.as_ref().map(Header::version);
        if piece.upgrade {
            let compare_build = self.slots.config.compare_build;
            let build = |version: Version| if compare_build { version } else { version.release() };
            if build(header.version()) <= build(version.ok_or(Error::VersionUnknown)?) {
                return Err(Error::NotNewer);
            }
        }
        // The device's own rule comes after those of the protocol, which it may rely on.
        if !(self.slots.config.accept)(&header, version) {
            return Err(Error::NotNewer);
        }
        if piece.end().is_none_or(|end| end > len) {
            return Err(Error::Overrun);
        }
        // With any trailer the slot counts as different: a mark must not survive a new upload.
        let there = spare.header == Some(header) && spare.trailer == Trailer::BLANK;
        let target = pair.spare();
        self.slots.session = Session::Idle;
        self.slots.upload.begin(image, target, len, piece.sha).ok_or(Error::InvalidHash)?;
        if there && Slots::<D>::is_file_hash(piece.sha) {
            self.slots.digest.reset();
            self.stage = Stage::Sweep { address: target.region().start, left: len, read: Read::Compare };
        } else {
            self.clear();
        }
        Ok(())
    }

    /// Decides if a checkpoint can describe the slot, after a look at the slots of its image.
    fn trust(&mut self) -> Result<(), Error> {
        let Slots { config, pairs, reserved, upload, .. } = &*self.slots;
        let (erase, off) = (config.geometry.erase, upload.off());
        let possible = look::pair(pairs, upload.image).filter(|pair| {
            let inside = off > 0 && off < upload.len && upload.len <= self.slots.max_image(pair);
            // Records are written at the ends of erase pages, in front of the tail.
            let page = down(off, erase) == off && off <= tail(pair.spare(), *reserved, erase);
            inside && page && !self.slots.in_use(pair, false)
        });
        let Some(target) = possible.map(Pair::spare) else {
            return self.route();
        };
        let read = Read::Trust(upload.crc.value());
        self.slots.upload.target = target;
        self.slots.upload.crc = Crc16::new();
        self.stage = Stage::Sweep { address: target.region().start, left: off, read };
        Ok(())
    }

    /// Ends any session and erases the tail of the slot, which contains the trailer.
    fn clear(&mut self) {
        let Slots { config, reserved, upload, session, .. } = &mut *self.slots;
        // Trailer first: a half-written image must never carry an old mark.
        *session = Session::Idle;
        let target = upload.target;
        let from = tail(target, *reserved, config.geometry.erase);
        self.stage = Stage::Wipe { target, from, end: target.region().len };
    }

    /// Begins to write the chunk. There is no session until it is written.
    fn stream(&mut self) {
        self.slots.session = Session::Idle;
        self.stage = Stage::Stream { taken: 0, log: self.slots.log.begin() };
    }

    /// Begins to write a mark, and ends an upload into its slot.
    fn mark(&mut self, mark: Mark) {
        if self.slots.session == Session::Receiving && self.slots.upload.image == mark.image {
            self.slots.session = Session::Idle;
        }
        self.stage = Stage::Mark(mark);
    }

    /// Ends an upload whose whole file is in flash.
    fn complete(&mut self, matched: Option<bool>) {
        self.slots.session = Session::Complete { matched };
        self.uploaded(self.slots.upload.len, matched);
    }

    /// Ends the job with the response to a chunk.
    fn uploaded(&mut self, off: u32, matched: Option<bool>) {
        self.stage = Stage::Done(Ok(Outcome::Upload(Uploaded { off: off.into(), matched })));
    }
}

/// Checks a first chunk as far as possible without the flash, in Zephyr's order.
fn check_first(piece: &Piece<'_>) -> Result<(), Error> {
    if piece.data.len() < Header::LEN {
        return Err(Error::InvalidHeader);
    }
    if piece.len.is_none() {
        return Err(Error::InvalidLength);
    }
    if !piece.data.starts_with(&Header::MAGIC) {
        return Err(Error::InvalidMagic);
    }
    if piece.sha.len() > Key::MAX_LEN { Err(Error::InvalidHash) } else { Ok(()) }
}
