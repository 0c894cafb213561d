//! The decisions on a chunk of an upload.

use super::{Job, Read, Stage, Then, Wiped};
use crate::checksum::Crc16;
use crate::dfu::flash::Geometries;
use crate::dfu::receiving::Key;
use crate::dfu::region::{Region, down};
use crate::dfu::upload::{self, Piece, Route, Session, Stream};
use crate::mcuboot::digest::Digest;
use crate::mcuboot::slots::look::{self, Look};
use crate::mcuboot::slots::state::Mark;
use crate::mcuboot::slots::{
    BootMode, Error, Event, Gate, Offer, Outcome, Pair, Setup, Slots, Uploaded, padded, spare_device,
};
use crate::mcuboot::trailer::{Field, SwapType, Trailer};
use crate::mcuboot::{Error as ImageError, Header};

impl<D: Digest, G: Gate, C: Setup> Job<'_, '_, D, G, C> {
    /// Chooses the first stage of a chunk, once the session is known.
    pub(super) fn route(&mut self) -> Result<(), Error> {
        let piece = self.piece()?;
        let image = match piece.image.checked_sub(1) {
            Some(number) if self.slots.config().direct_upload => {
                let running = look::pair(self.slots.pairs, number >> 1).map(|pair| pair.running().number());
                if piece.off == 0 && running.is_none_or(|running| running == number & 1) {
                    return Err(Error::NoFreeSlot);
                }
                number >> 1
            }
            // Clients of a device with a single image may send any number.
            _ if self.slots.pairs.len() == 1 => 0,
            _ => piece.image,
        };
        let upload = &self.slots.upload;
        match upload::route(self.slots.session, upload, &piece, image)? {
            Route::Stream => self.stream(),
            Route::Answer { off, matched } => self.uploaded(off, matched),
            Route::Again => {
                let (off, len) = (upload.off(), upload.len);
                self.offer(image, Header::parse(piece.data).ok(), len, piece.sha)?;
                self.uploaded(off, None);
            }
            Route::New => self.stage = Stage::Look { look: Look::new(image, image), then: Then::Upload },
        }
        Ok(())
    }

    /// Decides on a first chunk, after a look at the slots of its image.
    // Inlined, 60 bytes more where one configuration is fixed, and 40 to 56 of stack less.
    #[inline(never)]
    pub(super) fn begin_upload(&mut self, image: u32) -> Result<(), Error> {
        let piece = self.piece()?;
        let pair = look::pair(self.slots.pairs, image).ok_or(Error::NoFreeSlot)?;
        if self.slots.in_use(pair) {
            return Err(Error::NoFreeSlot);
        }
        let len = piece.len.ok_or(Error::InvalidLength)?;
        let stored = self.stored(pair, len).ok_or(Error::TooLarge)?;
        let header = Header::parse(piece.data).map_err(|error| match error {
            ImageError::Magic => Error::InvalidMagic,
            _ => Error::InvalidHeader,
        })?;
        // Such a file ends before its image: it could never be booted.
        if header.hashed_len() > len {
            return Err(Error::InvalidHeader);
        }
        // All of the image is written to flash, and only the rest is left out.
        if G::TAKES_PADDED && header.hashed_len() > stored {
            return Err(Error::TooLarge);
        }
        if !self.slots.is_at_home(pair.spare().region(), &header) {
            return Err(Error::MismatchedSlot);
        }
        let version = self.slots.version(pair);
        if piece.upgrade {
            let runs = self.slots.compared(version.ok_or(Error::VersionUnknown)?);
            if self.slots.compared(header.version()) <= runs {
                return Err(Error::NotNewer);
            }
        }
        if piece.end().is_none_or(|end| end > len) {
            return Err(Error::Overrun);
        }
        let spare = pair.seen(pair.running().other());
        let (target, shift) = (pair.upload(self.slots.config().shift()), self.slots.config().shift());
        let mut there =
            spare.header == Some(header) && spare.base == shift && Slots::<D, G, C>::is_file_hash(piece.sha);
        // The hash of a padded file covers its trailer, which is not in flash.
        if G::TAKES_PADDED && stored < len {
            there = false;
        }
        let is_unmarked = spare.trailer == Trailer::BLANK;
        // The device's own rule comes after those of the protocol, on which it may rely.
        self.offer(image, Some(header), len, piece.sha)?;
        self.stop(false);
        self.slots.upload.begin(image, target, len, piece.sha).ok_or(Error::InvalidHash)?;
        if there && is_unmarked {
            self.check_tail(target.region(), None);
        } else if there {
            self.clear_tail();
        } else {
            self.clear(Wiped::Begin);
        }
        Ok(())
    }

    /// Begins to find out if the trailer at the end of a slot is erased as a whole.
    pub(super) fn check_tail(&mut self, region: Region, mark: Option<Mark>) {
        let Slots { setup, pairs, upload, .. } = &*self.slots;
        let config = setup.config();
        let layout = config.layout();
        let device = mark.map_or_else(|| spare_device::<C::Flash>(pairs, upload.image), |mark| mark.slot.device());
        // Without a swap there is no `swap_size`, and the largest images reach into its place.
        let trailer = match config.mode.kind {
            BootMode::SwapMove | BootMode::SwapScratch | BootMode::SwapOffset => layout.len(),
            _ => layout.from_end(Field::SwapInfo(SwapType::None)),
        };
        let from = down(region.len.saturating_sub(trailer), config.geometry.of(device).write);
        let (address, left) = (region.start.wrapping_add(from), region.len.saturating_sub(from));
        self.stage = Stage::Sweep { address, left, read: Read::Tail(mark) };
    }

    /// Erases the tail of a slot that may hold the file. A mark must not survive a new upload, but
    /// the file in front of it may.
    pub(super) fn clear_tail(&mut self) {
        let is_behind = self.slots.upload.len <= self.slots.tail(self.slots.upload.target);
        self.clear(if is_behind { Wiped::Compare } else { Wiped::Begin });
    }

    pub(super) fn compare(&mut self, read: Read) {
        let Slots { digest, upload, .. } = &mut *self.slots;
        digest.reset_for_file();
        let (address, left) =
            (upload.target.region().start, if G::TAKES_PADDED { self.stored_part() } else { upload.len });
        self.stage = Stage::Sweep { address, left, read };
    }

    /// Decides if a checkpoint can describe the slot, after a look at the slots of its image.
    pub(super) fn trust(&mut self) -> Result<(), Error> {
        let Slots { pairs, upload, .. } = &*self.slots;
        let shift = self.slots.config().shift();
        let (erase, off) = (self.slots.spare_flash().erase, upload.off());
        let possible = look::pair(pairs, upload.image).filter(|pair| {
            let inside = off > 0 && self.stored(pair, upload.len).is_some_and(|stored| off < stored);
            // Records are written at the ends of erase pages, in front of the tail.
            let page = down(off, erase) == off && off <= self.slots.tail(pair.upload(shift));
            inside && page && !self.slots.in_use(pair)
        });
        let Some(pair) = possible else {
            return self.route();
        };
        let target = pair.upload(shift);
        // The header of the file is in flash already, and the device's rule may have changed.
        let (header, image, len) = (pair.seen(pair.running().other()).header, upload.image, upload.len);
        let key = upload.key;
        self.offer(image, header, len, key.as_bytes())?;
        let upload = &self.slots.upload;
        let read = Read::Trust(upload.crc.value());
        self.slots.upload.target = target;
        self.slots.upload.crc = Crc16::new();
        self.stage = Stage::Sweep { address: target.region().start, left: off, read };
        Ok(())
    }

    /// Ends any session and erases the tail of the slot, which contains the trailer.
    pub(super) fn clear(&mut self, then: Wiped) {
        // Trailer first: a half-written image must never carry an old mark.
        self.stop(false);
        let target = self.slots.upload.target;
        let from = self.slots.tail(target);
        self.stage = Stage::Wipe { target, from, end: target.region().len, then };
    }

    /// Asks the gate about an upload. Its refusal ends the session, whatever file it is for.
    fn offer(&mut self, image: u32, header: Option<Header>, len: u32, sha: &[u8]) -> Result<(), Error> {
        // A header that cannot be read is refused elsewhere.
        let Some(header) = &header else { return Ok(()) };
        let running = look::pair(self.slots.pairs, image).and_then(|pair| self.slots.version(pair));
        let padded = G::TAKES_PADDED && look::pair(self.slots.pairs, image).is_some_and(|pair| len > pair.max());
        let answer = self.slots.gate.upload(&Offer { image, header, len, sha, padded, running });
        if answer.is_err() {
            self.stop(false);
        }
        answer
    }

    /// Ends the session. `is_writing`: an upload was running without one.
    // Inlined, it takes 50 bytes more where all of the slots are linked.
    #[inline(never)]
    pub(super) fn stop(&mut self, is_writing: bool) {
        let Slots { session, upload, gate, .. } = &mut *self.slots;
        if is_writing || *session == Session::Receiving {
            gate.event(Event::Stopped { image: upload.image });
        }
        *session = Session::Idle;
    }

    /// Begins to write the chunk. There is no session until it is written.
    pub(super) fn stream(&mut self) {
        let Slots { setup, session, upload, log, gate, .. } = &mut *self.slots;
        if upload.off() == 0 {
            gate.event(Event::Started { image: upload.image, len: upload.len });
        }
        *session = Session::Idle;
        self.stage = Stage::Stream(Stream::new(setup.config().has_log().then_some(log)));
    }

    /// Ends an upload whose whole file is in flash.
    pub(super) fn complete(&mut self, matched: Option<bool>) {
        let Slots { session, upload, gate, .. } = &mut *self.slots;
        *session = Session::Complete { matched };
        gate.event(Event::Stored { image: upload.image, matched });
        self.uploaded(self.slots.upload.len, matched);
        if G::TAKES_PADDED && matched != Some(false) {
            self.mark_padded();
        }
    }

    /// Returns the number of bytes of a file of this length that are written to flash; `None` if it
    /// is too large.
    fn stored(&self, pair: &Pair, len: u32) -> Option<u32> {
        padded::stored::<G>(pair, self.slots.config().shift(), self.slots.spare_flash().write, len)
    }

    /// Returns the number of bytes of the current upload that are written to flash.
    fn stored_part(&self) -> u32 {
        let Slots { pairs, upload, .. } = &*self.slots;
        look::pair(pairs, upload.image).and_then(|pair| self.stored(pair, upload.len)).unwrap_or(upload.len)
    }

    /// Compares the rest of a chunk, which is a part of the trailer of a padded file. Other bytes
    /// end the upload.
    pub(super) fn compare_trailer(&mut self, stream: Stream) -> Result<(), Error> {
        let piece = self.piece()?;
        let erased = self.slots.spare_flash().erased;
        let Slots { setup, upload, .. } = &mut *self.slots;
        let result = padded::compare(upload, stream.rest(Some(&piece)), setup.config().layout(), erased);
        if result.is_err() {
            self.stop(true);
        }
        result
    }

    /// Hashes the trailer of a padded file, of which nothing is in flash.
    pub(super) fn hash_trailer(&mut self) {
        let (stored, erased) = (self.stored_part(), self.slots.spare_flash().erased);
        let Slots { setup, digest, upload, .. } = &mut *self.slots;
        padded::hash(digest, upload, stored, setup.config().layout(), erased);
    }

    /// Begins to mark the image of a padded file that is complete, in the modes that have marks.
    fn mark_padded(&mut self) {
        let upload = &self.slots.upload;
        if self.stored_part() < upload.len && self.slots.config().mode.kind.has_marks() {
            let then = Then::SetState { hash: &[], confirm: upload.confirmed };
            self.stage = Stage::Look { look: Look::new(upload.image, upload.image), then };
            // If the mark is refused, so is a repeat of the chunk.
            self.slots.session = Session::Idle;
        }
    }

    /// Returns the mark for which the trailer of a padded file asks.
    pub(super) fn plan_padded(&self, confirm: bool) -> Result<Option<Mark>, Error> {
        let image = self.slots.upload.image;
        let pair = look::pair(self.slots.pairs, image).ok_or(Error::Unknown)?;
        self.slots.plan_for(image, pair.running().other(), confirm)
    }

    /// Ends the job with the response to a chunk.
    pub(super) fn uploaded(&mut self, off: u32, matched: Option<bool>) {
        self.stage = Stage::Done(Ok(Outcome::Upload(Uploaded { off: off.into(), matched })));
    }
}

/// Checks a first chunk as far as possible without the flash, in Zephyr's order.
pub(super) fn check_first(piece: &Piece<'_>) -> Result<(), Error> {
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
