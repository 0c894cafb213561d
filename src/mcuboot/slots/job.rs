//! The job of one command: which stage follows which.

use super::access::{self, Access, Kind, size};
use super::checkpoint::{Known, Recall};
use super::layout::{Target, down};
use super::look::{self, Look};
use super::state::Mark;
use super::upload::{Key, Piece, Session};
use super::{BootMode, Command, Error, Outcome, Slots, Uploaded};
use crate::checksum::Crc16;
use crate::mcuboot::digest::Digest;
use crate::mcuboot::flash::{self, Failed, Operation};
use crate::mcuboot::trailer::Trailer;
use crate::mcuboot::{Error as ImageError, Header, Version};
use crate::shown::shown;

/// A command under way. See [`flash::Job`] for how it is run.
///
/// While it changes the slot of an upload it leaves no session behind, but at its end: a job that is dropped, or whose flash
/// fails, takes the upload session with it.
pub struct Job<'j, 's, D> {
    slots: &'j mut Slots<'s, D>,
    /// The chunk of an upload.
    piece: Option<Piece<'j>>,
    stage: Stage<'j>,
    /// What the stage wants of the flash.
    access: Access,
}

shown!(['j, 's, D] Job<'j, 's, D>, |job| "Job({:?})", job.slots);

/// What a job is at. Each variant says which stage follows. They are small, and the upload is none of what they hold: it is
/// always that of the slots.
#[derive(Clone, Copy)]
enum Stage<'c> {
    /// Reading the checkpoint log. Then a look for `Resume`, or the chunk's own first stage.
    Recall(Recall),
    /// Looking at slots. Then what the look was for.
    Look { look: Look, then: Then<'c> },
    /// Reading a range in pieces. Then what it was read for.
    Sweep { address: u32, left: u32, read: Read },
    /// Erasing a slot from its end down to `from`, so that its trailer goes first. For an upload the tail only, then `Stream`, or, if
    /// it goes on, the chunk's own first stage; else `Done`.
    Wipe { target: Target, from: u32, end: u32 },
    /// Writing the chunk. Then `Done`, or after the last chunk `Sweep`. `log`: whether there is a checkpoint log.
    Stream { taken: usize, log: bool },
    /// Writing a trailer. Then a look for `List`.
    Mark(Mark),
    /// The end.
    Done(Result<Outcome, Error>),
}

/// What a look is for.
#[derive(Clone, Copy)]
enum Then<'c> {
    List,
    SetState { hash: &'c [u8], confirm: bool },
    Erase,
    Upload,
    Resume,
}

/// What a range is read for.
#[derive(Clone, Copy)]
enum Read {
    /// A checkpoint says that this was written, with this CRC. Then `Wipe`, or the chunk's own first stage.
    Trust(u16),
    /// Is it the file already? Then `Done`, or `Wipe`.
    Compare,
    /// Did the file arrive as it was announced? Then `Done`.
    Check,
    /// Is it the image that is to be marked? Then `Mark`, or `Done` with an error.
    Verify(Mark),
}

impl<'j, 's, D: Digest> Job<'j, 's, D> {
    pub(super) fn new(slots: &'j mut Slots<'s, D>, command: &Command<'j>) -> Self {
        let piece = if let Command::Upload(chunk) = command { Some(Piece::new(chunk)) } else { None };
        let mut job = Self { slots, piece, stage: Stage::Done(Ok(Outcome::States)), access: Access::UNKNOWN };
        if let Err(error) = job.begin(command) {
            job.stage = Stage::Done(Err(error));
        }
        job
    }

    /// What came of the command.
    ///
    /// # Errors
    ///
    /// Whatever refused it; [`Error::Unknown`] if the job was not run to its end.
    pub fn finish(self) -> Result<Outcome, Error> {
        self.outcome()
    }

    /// The slots, to be asked for what they hold.
    pub(crate) const fn slots(&self) -> &Slots<'s, D> {
        self.slots
    }

    /// What came of the command so far.
    pub(crate) const fn outcome(&self) -> Result<Outcome, Error> {
        match self.stage {
            Stage::Done(outcome) => outcome,
            _ => Err(Error::Unknown),
        }
    }

    /// Goes on to the first stage that wants the flash, or to the end.
    #[inline(never)]
    fn settle(&mut self, begun: Result<(), Error>) {
        self.access = match begun.and_then(|()| self.next_access()) {
            Ok(access) => access,
            Err(error) => {
                self.stage = Stage::Done(Err(error));
                Access::NOTHING
            }
        };
    }

    /// Goes from stage to stage until one wants the flash; nothing at the end.
    fn next_access(&mut self) -> Result<Access, Error> {
        loop {
            let wanted = self.wanted();
            if wanted.kind != Kind::Nothing || matches!(self.stage, Stage::Done(_)) {
                return Ok(wanted);
            }
            self.follow()?;
        }
    }

    /// What the stage wants of the flash; nothing if it is over. A call of its own, so that its stack is free when the next
    /// stage is decided.
    #[inline(never)]
    fn wanted(&mut self) -> Access {
        let Slots { config, layout, pairs, scratch, upload, log, .. } = &mut *self.slots;
        let geometry = &config.geometry;
        let piece = access::fill(scratch.len(), geometry);
        let (carry, work) = access::halves(scratch, geometry);
        match &mut self.stage {
            Stage::Recall(recall) => recall.access(log, geometry),
            Stage::Look { look, .. } => look.access(pairs, *layout, D::KIND).unwrap_or(Access::NOTHING),
            Stage::Sweep { left: 0, .. } => Access::NOTHING,
            Stage::Sweep { address, left, .. } => Access::read(*address, piece.min(*left)),
            Stage::Wipe { target, from, end } => match end.checked_sub(geometry.erase) {
                Some(start) if start >= *from => Access::change(Kind::Erase, target.at(start), geometry.erase),
                _ => Access::NOTHING,
            },
            Stage::Stream { taken, log: is_logged } => {
                let rest = self.piece.and_then(|piece| piece.data.get(*taken..)).unwrap_or(&[]);
                let moved = upload.gather(rest, carry, geometry);
                *taken = taken.saturating_add(moved);
                upload.access(rest.len().saturating_sub(moved), is_logged.then_some(log), geometry, work)
            }
            Stage::Mark(mark) => mark.access(pairs, *layout, geometry, work),
            Stage::Done(_) => Access::NOTHING,
        }
    }

    /// Takes the result of the access: the bytes of a read.
    #[inline(never)]
    fn advance(&mut self) {
        let Slots { config, layout, pairs, scratch, digest, upload, log, reserved, .. } = &mut *self.slots;
        let geometry = &config.geometry;
        let (carry, work) = access::halves(scratch, geometry);
        let bytes = self.access.bytes(geometry, work);
        match &mut self.stage {
            Stage::Recall(recall) => recall.advance(bytes, log, upload, geometry),
            Stage::Look { look, .. } => look.advance(bytes, pairs, *layout, D::KIND, geometry.erased),
            Stage::Sweep { address, left, read } => {
                match read {
                    Read::Trust(_) => upload.crc.update(bytes),
                    Read::Compare | Read::Check | Read::Verify(_) => digest.update(bytes),
                }
                *address = address.wrapping_add(self.access.len);
                *left = left.saturating_sub(self.access.len);
            }
            Stage::Wipe { end, .. } => *end = end.saturating_sub(geometry.erase),
            Stage::Stream { taken, .. } => {
                let mut bytes: &[u8] = carry.get(..size(upload.carried())).unwrap_or(&[]);
                if self.access.kind == Kind::Chunk {
                    let rest = self.piece.and_then(|piece| piece.data.get(*taken..));
                    bytes = rest.and_then(|rest| rest.get(..size(self.access.len))).unwrap_or(&[]);
                    *taken = taken.saturating_add(bytes.len());
                }
                let tail = tail(upload.target, *reserved, geometry.erase);
                upload.done(self.access.kind, bytes, log, tail, geometry);
            }
            Stage::Mark(mark) => mark.done(pairs),
            Stage::Done(_) => {}
        }
    }

    /// The stage in which a command begins.
    fn begin(&mut self, command: &Command<'j>) -> Result<(), Error> {
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
    fn follow(&mut self) -> Result<(), Error> {
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
    fn judge(&mut self, read: Read) -> Result<(), Error> {
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

    /// Whether the hash of what was read is that of the image that is to be marked, or of the file that was announced. A
    /// call of its own, and one that keeps little: the hash function takes more stack than anything else here.
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

    /// Decides whether a checkpoint can be what the slot holds, after a look at the slots of its image.
    fn trust(&mut self) -> Result<(), Error> {
        let Slots { config, pairs, reserved, upload, .. } = &*self.slots;
        let (erase, off) = (config.geometry.erase, upload.off());
        let possible = look::pair(pairs, upload.image).filter(|pair| {
            let inside = off > 0 && off < upload.len && upload.len <= self.slots.max_image(pair);
            let page = down(off, erase) == off && off <= tail(pair.spare(), *reserved, erase);
            inside && page && !self.slots.in_use(pair, false)
        });
        let Some(target) = possible.map(super::Pair::spare) else {
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

impl<D: Digest> flash::Job for Job<'_, '_, D> {
    fn next(&mut self) -> Option<Operation<'_>> {
        // Not when the job is made, where the request is still being decoded: the stack of both would add up.
        if self.access.kind == Kind::Unknown {
            self.settle(Ok(()));
        }
        let mut chunk: &[u8] = &[];
        if let (Stage::Stream { taken, .. }, Some(piece)) = (&self.stage, &self.piece) {
            chunk = piece.data.get(*taken..).unwrap_or(&[]);
        }
        self.access.operation(&self.slots.config.geometry, self.slots.scratch, chunk)
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        let outcome = match (result, self.access.kind) {
            (_, Kind::Nothing | Kind::Unknown | Kind::Outside) => return,
            (Ok(()), _) => {
                self.advance();
                // Not among the other stages: the hash is what needs most stack.
                if let Stage::Sweep { left: 0, read, .. } = self.stage { self.judge(read) } else { Ok(()) }
            }
            (Err(Failed), Kind::Read) => Err(Error::FlashRead),
            (Err(Failed), Kind::Erase | Kind::EraseLog) => Err(Error::FlashErase),
            (Err(Failed), Kind::Carry | Kind::Chunk | Kind::Work) => Err(Error::FlashWrite),
        };
        if outcome.is_err() && self.piece.is_some() {
            self.slots.session = Session::Idle;
        }
        self.settle(outcome);
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

/// The first erase page that holds a part of the trailer.
fn tail(target: Target, reserved: u32, erase: u32) -> u32 {
    down(target.region().len.saturating_sub(reserved), erase)
}
