//! The decisions of a job: each chooses the next stage.

use super::{Job, Read, Stage, Then, Wiped, receive};
use crate::dfu::checkpoint::{Known, Recall};
use crate::dfu::flash::Failed;
use crate::dfu::region::Region;
use crate::dfu::upload::{Piece, Session};
use crate::mcuboot::digest::Digest;
use crate::mcuboot::slots::look::{self, Look};
use crate::mcuboot::slots::state::Mark;
use crate::mcuboot::slots::walk::Walk;
use crate::mcuboot::slots::{Candidate, Command, Error, Event, Gate, Outcome, Setup, Slots};
use crate::mcuboot::trailer::Trailer;

impl<'j, D: Digest, G: Gate, C: Setup> Job<'j, '_, D, G, C> {
    /// Chooses the first stage of a command.
    pub(super) fn begin(&mut self, command: &Command<'j>) -> Result<(), Error> {
        let all = Look::new(0, self.slots.last());
        let (look, then) = match command {
            Command::List => (all, Then::List),
            Command::SetState { hash, confirm } => {
                // Without marks, boot loaders ignore trailers: a mark would promise a start that
                // never happens.
                if !self.slots.config().mode.kind.has_marks() {
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
                let image = number.map_or(self.slots.config().active_image, |number| number >> 1);
                let running = look::pair(self.slots.pairs, image).ok_or(Error::InvalidSlot)?.running();
                if number.is_some_and(|number| number & 1 == running.number()) {
                    return Err(Error::NoFreeSlot);
                }
                (Look::new(image, image), Then::Erase)
            }
            Command::Upload(_) => {
                let piece = self.piece()?;
                // Before the log is read: a chunk that is refused must not cost a search.
                if piece.off == 0 {
                    receive::check_first(&piece)?;
                }
                if self.slots.config().has_log()
                    && let Known::Unread { resume } = self.slots.log.known
                {
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
    pub(super) fn piece(&self) -> Result<Piece<'j>, Error> {
        self.piece.ok_or(Error::Unknown)
    }

    /// Chooses the stage after one that has finished its flash work.
    // Inlined together with `begin_upload`, 40 to 90 bytes more, and up to 60 of stack.
    #[inline(never)]
    pub(super) fn follow(&mut self) -> Result<(), Error> {
        // Stages that this device never has are left out of its program.
        let has_log = self.slots.config().has_log();
        match self.stage {
            Stage::Recall(recall) if has_log => {
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
                // A write can fail silently: only the contents of flash count.
                Then::Marked(mark) => {
                    if !mark.is_set(self.slots.pairs) {
                        return Err(Error::FlashWrite);
                    }
                    let (image, slot, permanent) = (mark.image, mark.slot, mark.is_permanent());
                    let is_running = look::pair(self.slots.pairs, image).is_some_and(|pair| pair.running() == slot);
                    let marked = Event::Marked { image, slot, permanent };
                    self.slots.gate.event(if is_running { Event::Confirmed { image } } else { marked });
                    self.stage = Stage::Done(Ok(Outcome::States));
                    if G::TAKES_PADDED && self.piece.is_some() {
                        // A repeat of the last chunk gets the first response again.
                        let matched = Slots::<D, G, C>::is_file_hash(self.slots.upload.key.as_bytes()).then_some(true);
                        self.slots.session = Session::Complete { matched };
                        self.uploaded(self.slots.upload.len, matched);
                    }
                }
                Then::List => self.stage = Stage::Done(Ok(Outcome::States)),
                Then::SetState { hash, confirm } => return self.set_state(hash, confirm),
                Then::Erase => return self.erase(look.last()),
                Then::Upload => return self.begin_upload(look.last()),
                Then::Resume if has_log => return self.trust(),
                Then::Resume => return self.route(),
            },
            Stage::Wipe { then, .. } => {
                if matches!(then, Wiped::Erased) {
                    let Region { start, len } = self.slots.upload.target.region();
                    self.stage = Stage::Sweep { address: start, left: len, read: Read::Gone };
                    return Ok(());
                }
                let tail = self.slots.tail(self.slots.upload.target);
                self.slots.upload.tail_cleared(tail);
                match then {
                    Wiped::Compare => self.compare(Read::CompareWiped),
                    Wiped::Continue if has_log => {
                        let Slots { session, upload, gate, .. } = &mut *self.slots;
                        *session = Session::Receiving;
                        let off = upload.off();
                        gate.event(Event::Resumed { image: upload.image, off });
                        // The gate was asked about a first chunk when the checkpoint was found.
                        if self.piece()?.off > 0 {
                            return self.route();
                        }
                        self.uploaded(off, None);
                    }
                    Wiped::Begin | Wiped::Erased | Wiped::Continue => self.stream(),
                }
            }
            Stage::Stream(stream) => {
                stream.end(has_log.then_some(&mut self.slots.log));
                if G::TAKES_PADDED {
                    self.compare_trailer(stream)?;
                }
                let Slots { upload, gate, .. } = &mut *self.slots;
                gate.event(Event::Chunk { image: upload.image, off: upload.off() });
                // The session exists again only now, after the last write has succeeded.
                if !upload.is_complete() {
                    let off = upload.off();
                    self.slots.session = Session::Receiving;
                    self.uploaded(off, None);
                } else if Slots::<D, G, C>::is_file_hash(upload.key.as_bytes()) {
                    self.compare(Read::Check);
                } else {
                    // Without a SHA-256 of the file there is nothing to compare.
                    self.complete(None);
                }
            }
            Stage::Walk { walk, mark } if G::IS_ASKED => {
                walk.result()?;
                self.ask(mark)?;
                self.mark(mark);
            }
            Stage::Mark(mark) => {
                // The response lists all slots as they are now.
                self.stage = Stage::Look { look: Look::new(0, self.slots.last()), then: Then::Marked(mark) };
            }
            // `judge` decides as soon as the range has been read, and no range is empty. The others
            // have a log, or a gate.
            Stage::Sweep { .. } | Stage::Recall(_) | Stage::Walk { .. } => return Err(Error::Unknown),
            Stage::Done(_) => {}
        }
        Ok(())
    }

    /// Decides after a read that failed. Bytes that cannot be read count as missing: flash with
    /// error correction reports an error for bytes that a power cut has torn, until they are
    /// erased.
    // Inlined, it takes 50 to 70 more bytes.
    #[inline(never)]
    pub(super) fn unreadable(&mut self) -> Result<(), Error> {
        let has_log = self.slots.config().has_log();
        match self.stage {
            Stage::Recall(_) if has_log => {}
            // Without the trailer of the running slot it is unknown whether the other slot is
            // needed to revert.
            Stage::Look { look, .. } if !look.is_vital(self.slots.pairs) => {}
            // The slot has changed since the record.
            Stage::Sweep { read: Read::Trust(_), .. } if has_log => return self.route(),
            Stage::Sweep { read: Read::Compare, .. } => {
                self.clear(Wiped::Begin);
                return Ok(());
            }
            Stage::Sweep { read: Read::CompareWiped, .. } => {
                self.stream();
                return Ok(());
            }
            // Not by way of `judge`, which would add the stack of a hash.
            Stage::Sweep { read: Read::Blank, .. } => {
                self.used();
                return Ok(());
            }
            Stage::Sweep { read: Read::Tail(mark), .. } => return self.torn(mark),
            _ => return Err(Error::FlashRead),
        }
        self.advance(Err(Failed));
        Ok(())
    }

    /// Erases a slot that is not blank.
    fn used(&mut self) {
        let target = self.slots.upload.target;
        self.stage = Stage::Wipe { target, from: 0, end: target.region().len, then: Wiped::Erased };
    }

    /// Decides on a tail that is not erased as a whole: it is erased, unless a mark has to be
    /// written there.
    fn torn(&mut self, mark: Option<Mark>) -> Result<(), Error> {
        if mark.is_some() {
            return Err(Error::DamagedTrailer);
        }
        self.clear_tail();
        Ok(())
    }

    /// Decides after a range was read.
    // Inlined, it takes 70 to 90 bytes more.
    #[inline(never)]
    pub(super) fn judge(&mut self, read: Read) -> Result<(), Error> {
        let has_log = self.slots.config().has_log();
        match read {
            // The slot has changed since the record: without a session the client starts again.
            Read::Trust(crc) if !has_log || self.slots.upload.crc.value() != crc => return self.route(),
            // The tail may have been written since, by a swap for example.
            Read::Trust(_) => self.clear(Wiped::Continue),
            // Erasing it again would only wear it out.
            Read::Blank | Read::Gone => self.erased(),
            Read::Kept => return Err(Error::FlashErase),
            Read::Used => self.used(),
            Read::Tail(None) => self.compare(Read::Compare),
            Read::Tail(Some(mark)) => self.stage = Stage::Mark(mark),
            Read::Torn(mark) => return self.torn(mark),
            Read::Compare | Read::CompareWiped | Read::Check | Read::Verify(_) => {
                if G::TAKES_PADDED && !matches!(read, Read::Verify(_)) {
                    self.hash_trailer();
                }
                let as_expected = self.is_hash(read)?;
                match read {
                    // A damaged image must never be marked: the boot loader would at best refuse
                    // it.
                    Read::Verify(_) if !as_expected => return Err(Error::NoImage),
                    Read::Verify(mark) => return self.verified(mark),
                    // Another file with the same header: the upload begins.
                    Read::Compare if !as_expected => self.clear(Wiped::Begin),
                    Read::CompareWiped if !as_expected => self.stream(),
                    _ => self.complete(Some(as_expected)),
                }
            }
        }
        Ok(())
    }

    /// Returns true if the bytes read have the hash of the image that is to be marked, or of the
    /// file that was announced.
    // With few locals: the hash function takes more stack than anything else here.
    fn is_hash(&mut self, read: Read) -> Result<bool, Error> {
        let Slots { digest, pairs, upload, .. } = &mut *self.slots;
        Ok(digest.is(match read {
            Read::Verify(mark) => {
                look::pair(pairs, mark.image).ok_or(Error::Unknown)?.seen(mark.slot).hash()?.as_bytes()
            }
            _ => upload.key.as_bytes(),
        }))
    }

    /// Decides on a state write, after a look at all slots.
    fn set_state(&mut self, hash: &[u8], confirm: bool) -> Result<(), Error> {
        // The state is already as requested: a repeat of a lost request must succeed.
        let mark = if G::TAKES_PADDED && self.piece.is_some() {
            self.plan_padded(confirm)
        } else {
            self.slots.plan(hash, confirm)
        };
        let Some(mark) = mark? else {
            // The tail was erased before the upload, so the mark cannot be there.
            if G::TAKES_PADDED && self.piece.is_some() {
                return Err(Error::Unknown);
            }
            self.stage = Stage::Done(Ok(Outcome::States));
            return Ok(());
        };
        match self.slots.to_verify(&mark)? {
            Some((address, left)) => {
                self.slots.digest.reset();
                self.stage = Stage::Sweep { address, left, read: Read::Verify(mark) };
            }
            // Encrypted, and the configuration accepts the check of the boot loader alone.
            None => return self.verified(mark),
        }
        Ok(())
    }

    /// Passes the TLVs of an image whose hash is right to the gate, or begins to mark the image.
    fn verified(&mut self, mark: Mark) -> Result<(), Error> {
        if !G::IS_ASKED {
            self.mark(mark);
            return Ok(());
        }
        let pair = look::pair(self.slots.pairs, mark.image).ok_or(Error::Unknown)?;
        let seen = pair.seen(mark.slot);
        let header = seen.header.as_ref().ok_or(Error::NoImage)?;
        let walk = Walk::new(pair.region(mark.slot).start.wrapping_add(seen.base), header);
        self.slots.gate.begin();
        self.stage = Stage::Walk { walk, mark };
        Ok(())
    }

    fn ask(&mut self, mark: Mark) -> Result<(), Error> {
        let running = look::pair(self.slots.pairs, mark.image).and_then(|pair| self.slots.version(pair));
        let Slots { pairs, gate, .. } = &mut *self.slots;
        let pair = look::pair(pairs, mark.image).ok_or(Error::Unknown)?;
        let (header, hash) = pair.seen(mark.slot).image().ok_or(Error::NoImage)?;
        gate.mark(&Candidate {
            image: mark.image,
            slot: mark.slot,
            header,
            hash: hash.as_bytes(),
            running,
            active: mark.slot == pair.running(),
            permanent: mark.is_permanent(),
        })
    }

    fn erased(&mut self) {
        let Slots { upload, gate, .. } = &mut *self.slots;
        gate.event(Event::Erased { image: upload.image });
        self.stage = Stage::Done(Ok(Outcome::Erased));
    }

    /// Decides on an erase, after a look at the slots of the image.
    fn erase(&mut self, image: u32) -> Result<(), Error> {
        let pair = look::pair(self.slots.pairs, image).ok_or(Error::InvalidSlot)?;
        if self.slots.in_use(pair) {
            return Err(Error::NoFreeSlot);
        }
        let target = pair.spare();
        // An upload into the slot loses the bytes that it has written.
        self.stop(false);
        (self.slots.upload.image, self.slots.upload.target) = (image, target);
        self.stage = Stage::Sweep { address: target.region().start, left: target.region().len, read: Read::Blank };
        Ok(())
    }

    /// Begins to write a mark, and ends an upload into its slot.
    fn mark(&mut self, mark: Mark) {
        if self.slots.upload.image == mark.image {
            self.stop(false);
        }
        let pair = look::pair(self.slots.pairs, mark.image);
        let new = pair.filter(|pair| pair.running() != mark.slot && pair.seen(mark.slot).trailer == Trailer::BLANK);
        match new.map(|pair| pair.region(mark.slot)) {
            Some(region) => self.check_tail(region, Some(mark)),
            None => self.stage = Stage::Mark(mark),
        }
    }
}
