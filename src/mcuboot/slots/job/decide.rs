//! Which stage follows which: every decision of a job, made on what is known by then.

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
    /// The stage in which a command begins.
    pub(super) fn begin(&mut self, command: &Command<'j>) -> Result<(), Error> {
        let all = Look::new(0, self.slots.last());
        let (look, then) = match command {
            Command::List => (all, Then::List),
            Command::SetState { hash, confirm } => {
                if self.slots.config.mode != BootMode::Swap {
                    return Err(Error::NotSupported);
                }
                let (hash, confirm) = (hash.unwrap_or(&[]), *confirm);
                if hash.len() != D::KIND.len() && !(hash.is_empty() && confirm) {
                    return Err(Error::InvalidHash);
                }
                (all, Then::SetState { hash, confirm })
            }
            Command::Erase { slot } => {
                let number = slot.map(|slot| u32::try_from(slot).or(Err(Error::InvalidSlot))).transpose()?;
                let image = number.unwrap_or(0) >> 1;
                let running = look::pair(self.slots.pairs, image).ok_or(Error::InvalidSlot)?.running();
                if number.is_some_and(|number| number & 1 == running.number()) {
                    return Err(Error::NoFreeSlot);
                }
                (Look::new(image, image), Then::Erase)
            }
            Command::Upload(_) => {
                let piece = self.piece()?;
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

    /// The chunk, in the stages that only an upload has.
    fn piece(&self) -> Result<Piece<'j>, Error> {
        self.piece.ok_or(Error::Unknown)
    }

    /// The first stage of a chunk, once the session is known.
    fn route(&mut self) -> Result<(), Error> {
        let piece = self.piece()?;
        let image = if self.slots.pairs.len() == 1 { 0 } else { piece.image };
        let upload = &self.slots.upload;
        match self.slots.session {
            Session::Receiving if piece.off == upload.off() && piece.off > 0 => {
                if piece.end().is_none_or(|end| end > upload.len) {
                    return Err(Error::Overrun);
                }
                self.stream();
            }
            Session::Receiving if piece.off > 0 || (upload.image == image && upload.key.is(piece.sha)) => {
                self.uploaded(upload.off(), None);
            }
            Session::Complete { matched } if piece.off > 0 && piece.end() == Some(upload.len) => {
                self.uploaded(upload.len, matched);
            }
            _ if piece.off > 0 => self.uploaded(0, None),
            _ => self.stage = Stage::Look { look: Look::new(image, image), then: Then::Upload },
        }
        Ok(())
    }

    /// The stage after one that needs the flash no more.
    #[inline(never)]
    pub(super) fn follow(&mut self) -> Result<(), Error> {
        match self.stage {
            Stage::Recall(recall) => {
                self.slots.log.known = Known::Read;
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
            // Judged as soon as it was read, and no range is empty.
            Stage::Sweep { .. } => return Err(Error::Unknown),
            Stage::Wipe { .. } => {
                if self.piece.is_none() {
                    self.stage = Stage::Done(Ok(Outcome::Erased));
                    return Ok(());
                }
                let Slots { upload, reserved, config, .. } = &mut *self.slots;
                upload.tail_cleared(tail(upload.target, *reserved, config.geometry.erase));
                // Only an upload that goes on is anywhere else than at 0.
                if upload.off() > 0 {
                    self.slots.session = Session::Receiving;
                    return self.route();
                }
                self.stream();
            }
            Stage::Stream { log: is_logged, .. } => {
                let Slots { upload, digest, log, .. } = &mut *self.slots;
                if is_logged {
                    log.known = Known::Read;
                }
                if !upload.is_complete() {
                    let off = upload.off();
                    self.slots.session = Session::Receiving;
                    self.uploaded(off, None);
                } else if Slots::<D>::is_file_hash(upload.key.as_bytes()) {
                    digest.reset();
                    self.stage =
                        Stage::Sweep { address: upload.target.region().start, left: upload.len, read: Read::Check };
                } else {
                    self.complete(None);
                }
            }
            Stage::Mark(_) => {
                self.stage = Stage::Look { look: Look::new(0, self.slots.last()), then: Then::List };
            }
            Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Decides on what was read.
    #[inline(never)]
    pub(super) fn judge(&mut self, read: Read) -> Result<(), Error> {
        if let Read::Trust(crc) = read {
            if self.slots.upload.crc.value() != crc {
                return self.route();
            }
            self.clear();
            return Ok(());
        }
        let as_expected = self.is_hash(read)?;
        match read {
            Read::Verify(_) if !as_expected => return Err(Error::NoImage),
            Read::Verify(mark) => self.mark(mark),
            Read::Compare if !as_expected => self.clear(),
            _ => self.complete(Some(as_expected)),
        }
        Ok(())
    }

    /// Whether the hash of what was read is that of the image that is to be marked, or of the file
    /// that was announced. A call of its own, and one that keeps little: the hash function takes
    /// more stack than anything else here.
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
        let Some(mark) = self.slots.plan(hash, confirm)? else {
            self.stage = Stage::Done(Ok(Outcome::States));
            return Ok(());
        };
        match self.slots.to_verify(&mark)? {
            Some((address, left)) => {
                self.slots.digest.reset();
                self.stage = Stage::Sweep { address, left, read: Read::Verify(mark) };
            }
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
        if !(self.slots.config.accept)(&header, version) {
            return Err(Error::NotNewer);
        }
        if piece.end().is_none_or(|end| end > len) {
            return Err(Error::Overrun);
        }
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

    /// Decides whether a checkpoint can be what the slot holds, after a look at the slots of its
    /// image.
    fn trust(&mut self) -> Result<(), Error> {
        let Slots { config, pairs, reserved, upload, .. } = &*self.slots;
        let (erase, off) = (config.geometry.erase, upload.off());
        let possible = look::pair(pairs, upload.image).filter(|pair| {
            let inside = off > 0 && off < upload.len && upload.len <= self.slots.max_image(pair);
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

    /// Ends any session and erases the tail of the slot, in which the trailer is.
    fn clear(&mut self) {
        let Slots { config, reserved, upload, session, .. } = &mut *self.slots;
        *session = Session::Idle;
        let target = upload.target;
        let from = tail(target, *reserved, config.geometry.erase);
        self.stage = Stage::Wipe { target, from, end: target.region().len };
    }

    /// Begins to write the chunk. Until it is written there is no session.
    fn stream(&mut self) {
        self.slots.session = Session::Idle;
        self.stage = Stage::Stream { taken: 0, log: self.slots.log.begin() };
    }

    /// Ends an upload into the slot that is to be marked.
    fn mark(&mut self, mark: Mark) {
        if self.slots.session == Session::Receiving && self.slots.upload.image == mark.image {
            self.slots.session = Session::Idle;
        }
        self.stage = Stage::Mark(mark);
    }

    /// The whole file is there.
    fn complete(&mut self, matched: Option<bool>) {
        self.slots.session = Session::Complete { matched };
        self.uploaded(self.slots.upload.len, matched);
    }

    fn uploaded(&mut self, off: u32, matched: Option<bool>) {
        self.stage = Stage::Done(Ok(Outcome::Upload(Uploaded { off: off.into(), matched })));
    }
}

/// What can be said of a first chunk without the flash.
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
