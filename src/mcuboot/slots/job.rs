//! The job of one command: which stage follows which.

use super::access::{self, Access};
use super::checkpoint::{Log, Recall, Record};
use super::layout::{Target, down};
use super::look::{self, Look};
use super::state::Mark;
use super::upload::{Key, Receiving, Session};
use super::{Chunk, Command, Error, Outcome, Slots, Uploaded};
use crate::checksum::Crc16;
use crate::mcuboot::digest::{Digest, Hash};
use crate::mcuboot::flash::{self, Failed, Operation};
use crate::mcuboot::{Error as ImageError, Header};
use crate::shown::shown;

/// A command under way. See [`flash::Job`] for how it is run.
///
/// What a stage needs it holds: a job that is dropped, or whose flash fails, takes the upload session with it.
pub struct Job<'j, 's, D> {
    slots: &'j mut Slots<'s, D>,
    stage: Stage<'j>,
}

shown!(['j, 's, D] Job<'j, 's, D>, |job| "Job({:?})", job.slots);

/// What a job is at. Each variant says which stage follows.
enum Stage<'c> {
    /// Reading the checkpoint log. Then a look for `Resume`, or the chunk's own first stage.
    Recall { chunk: Chunk<'c>, recall: Recall },
    /// Looking at slots. Then what the look was for.
    Look { look: Look, then: Then<'c> },
    /// Reading again what a checkpoint says was written. Then `Clear`, or the chunk's own first stage.
    Trust { chunk: Chunk<'c>, sweep: Sweep, target: Target, record: Record, crc: Crc16 },
    /// Hashing what the slot holds: is it the file already? Then `Done`, or `Clear`.
    Compare { chunk: Chunk<'c>, sweep: Sweep, upload: Receiving },
    /// Erasing the tail of the slot. Then `Stream`, or for an upload that goes on the chunk's own first stage.
    Clear { chunk: Chunk<'c>, wipe: Wipe, upload: Receiving },
    /// Writing the chunk. Then `Done`, or after the last chunk `Check`.
    Stream { chunk: Chunk<'c>, taken: usize, upload: Receiving, log: Log },
    /// Hashing the file in flash. Then `Done`.
    Check { sweep: Sweep, len: u32, key: Key },
    /// Hashing the image that is to be marked. Then `Mark`, or `Done` with an error.
    Verify { sweep: Sweep, mark: Mark },
    /// Writing a trailer. Then a look for `List`.
    Mark(Mark),
    /// Erasing a slot. Then `Done`.
    Wipe(Wipe),
    /// The end.
    Done(Result<Outcome, Error>),
}

/// What a look is for.
enum Then<'c> {
    List,
    SetState { hash: &'c [u8], confirm: bool },
    Erase { image: u32 },
    Upload { chunk: Chunk<'c>, image: u32 },
    Resume { chunk: Chunk<'c>, record: Record },
}

/// Reading a range in pieces.
#[derive(Debug)]
struct Sweep {
    address: u32,
    left: u32,
}

impl Sweep {
    fn access(&self, piece: u32) -> Option<Access> {
        let len = usize::try_from(self.left.min(piece)).ok()?;
        if len == 0 { None } else { Some(Access::Read(self.address, len)) }
    }

    fn advance(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.address = self.address.wrapping_add(len);
        self.left = self.left.saturating_sub(len);
    }
}

/// Erasing a slot from its end down to `from`, so that its trailer goes first.
#[derive(Debug)]
struct Wipe {
    target: Target,
    from: u32,
    end: u32,
}

impl Wipe {
    fn access(&self, page: u32) -> Option<Access> {
        let start = self.end.checked_sub(page).filter(|start| *start >= self.from)?;
        Some(Access::Erase(self.target.at(start)))
    }
}

impl<'j, 's, D: Digest> Job<'j, 's, D> {
    pub(super) fn new(slots: &'j mut Slots<'s, D>, command: Command<'j>) -> Self {
        let stage = first(slots, command).unwrap_or_else(|error| Stage::Done(Err(error)));
        let mut job = Self { slots, stage };
        job.settle();
        job
    }

    /// What came of the command.
    ///
    /// # Errors
    ///
    /// Whatever refused it; [`Error::Unknown`] if the job was not run to its end.
    pub fn finish(self) -> Result<Outcome, Error> {
        self.finish_with_slots().0
    }

    /// What came of the command, and the slots, to be asked for what they hold.
    pub(crate) fn finish_with_slots(self) -> (Result<Outcome, Error>, &'j Slots<'s, D>) {
        let outcome = match self.stage {
            Stage::Done(outcome) => outcome,
            _ => Err(Error::Unknown),
        };
        (outcome, self.slots)
    }

    /// Goes on to the first stage that wants the flash, or to the end.
    fn settle(&mut self) {
        self.gather();
        while !matches!(self.stage, Stage::Done(_)) && self.access().is_none() {
            let stage = core::mem::replace(&mut self.stage, Stage::Done(Err(Error::Unknown)));
            self.stage = follow(self.slots, stage).unwrap_or_else(|error| Stage::Done(Err(error)));
            self.gather();
        }
    }

    /// Moves what a chunk has for the carry into the carry.
    fn gather(&mut self) {
        if let Stage::Stream { chunk, taken, upload, .. } = &mut self.stage {
            let (carry, _) = access::halves(self.slots.scratch, &self.slots.config.geometry);
            upload.gather(chunk, taken, carry, &self.slots.config.geometry);
        }
    }

    fn access(&self) -> Option<Access> {
        let Slots { config, layout, pairs, scratch, .. } = &*self.slots;
        let geometry = &config.geometry;
        let work = scratch.len().saturating_sub(usize::try_from(geometry.write).unwrap_or(0));
        let piece = access::fill(work, geometry);
        match &self.stage {
            Stage::Recall { recall, .. } => recall.read(geometry).map(|(address, len)| Access::Read(address, len)),
            Stage::Look { look, .. } => {
                look.read(pairs, *layout, D::KIND).map(|(address, len)| Access::Read(address, len))
            }
            Stage::Trust { sweep, .. }
            | Stage::Compare { sweep, .. }
            | Stage::Check { sweep, .. }
            | Stage::Verify { sweep, .. } => sweep.access(piece),
            Stage::Clear { wipe, .. } | Stage::Wipe(wipe) => wipe.access(geometry.erase),
            Stage::Stream { chunk, taken, upload, log } => upload.access(chunk, *taken, log, geometry),
            Stage::Mark(mark) => mark.access(self.slots),
            Stage::Done(_) => None,
        }
    }

    /// Takes the result of the access: the bytes of a read.
    fn advance(&mut self, access: &Access) {
        let Slots { config, layout, reserved, pairs, scratch, digest, .. } = &mut *self.slots;
        let geometry = &config.geometry;
        let (carry, work) = access::halves(scratch, geometry);
        let bytes = access.bytes(geometry, work);
        match &mut self.stage {
            Stage::Recall { recall, .. } => recall.advance(bytes, geometry),
            Stage::Look { look, .. } => look.advance(bytes, pairs, *layout, D::KIND, geometry.erased),
            Stage::Trust { sweep, crc, .. } => {
                crc.update(bytes);
                sweep.advance(bytes);
            }
            Stage::Compare { sweep, .. } | Stage::Check { sweep, .. } | Stage::Verify { sweep, .. } => {
                digest.update(bytes);
                sweep.advance(bytes);
            }
            Stage::Clear { wipe, .. } | Stage::Wipe(wipe) => wipe.end = wipe.end.saturating_sub(geometry.erase),
            Stage::Stream { chunk, taken, upload, log } => {
                let tail = tail(upload.target, *reserved, geometry.erase);
                upload.done(chunk, taken, log, carry, tail, geometry);
            }
            Stage::Mark(mark) => mark.done(pairs),
            Stage::Done(_) => {}
        }
        self.settle();
    }

    fn fail(&mut self, error: Error) {
        if self.stage.chunk().is_some() {
            self.slots.session = Session::Idle;
        }
        self.stage = Stage::Done(Err(error));
    }
}

impl<D: Digest> flash::Job for Job<'_, '_, D> {
    fn next(&mut self) -> Option<Operation<'_>> {
        let access = self.access()?;
        let Slots { config, scratch, .. } = &mut *self.slots;
        access.operation(&config.geometry, scratch, self.stage.chunk())
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        let Some(access) = self.access() else {
            return;
        };
        match (result, &access) {
            (Ok(()), access) => self.advance(access),
            (Err(Failed), Access::Read(..)) => self.fail(Error::FlashRead),
            (Err(Failed), Access::Write(..)) => self.fail(Error::FlashWrite),
            (Err(Failed), Access::Erase(_)) => self.fail(Error::FlashErase),
        }
    }
}

impl<'c> Stage<'c> {
    /// The chunk of an upload.
    const fn chunk(&self) -> Option<&Chunk<'c>> {
        match self {
            Self::Recall { chunk, .. }
            | Self::Trust { chunk, .. }
            | Self::Compare { chunk, .. }
            | Self::Clear { chunk, .. }
            | Self::Stream { chunk, .. }
            | Self::Look { then: Then::Upload { chunk, .. } | Then::Resume { chunk, .. }, .. } => Some(chunk),
            _ => None,
        }
    }
}

/// The stage in which a command begins.
fn first<'c, D: Digest>(slots: &mut Slots<'_, D>, command: Command<'c>) -> Result<Stage<'c>, Error> {
    let last = slots.last();
    match command {
        Command::List => Ok(Stage::Look { look: Look::new(0, last), then: Then::List }),
        Command::SetState { hash, confirm } => {
            if slots.config.mode != super::BootMode::Swap {
                return Err(Error::NotSupported);
            }
            let hash = hash.unwrap_or(&[]);
            if hash.len() != D::KIND.len() && !(hash.is_empty() && confirm) {
                return Err(Error::InvalidHash);
            }
            Ok(Stage::Look { look: Look::new(0, last), then: Then::SetState { hash, confirm } })
        }
        Command::Erase { slot } => {
            let number = slot.map(|slot| u32::try_from(slot).or(Err(Error::InvalidSlot))).transpose()?;
            let image = number.unwrap_or(0) >> 1;
            let running = look::pair(slots.pairs, image).ok_or(Error::InvalidSlot)?.running();
            if number.is_some_and(|number| number & 1 == running.number()) {
                return Err(Error::NoFreeSlot);
            }
            Ok(Stage::Look { look: Look::new(image, image), then: Then::Erase { image } })
        }
        Command::Upload(chunk) => {
            if chunk.off == 0 {
                check_first(&chunk)?;
            }
            match slots.log {
                Log::Unread { region, resume } => Ok(Stage::Recall { chunk, recall: Recall::new(region, resume) }),
                Log::Known(_) | Log::Absent => Ok(route(slots, chunk)),
            }
        }
    }
}

/// What can be said of a first chunk without the flash.
fn check_first(chunk: &Chunk<'_>) -> Result<(), Error> {
    if chunk.data.len() < Header::LEN {
        return Err(Error::InvalidHeader);
    }
    if chunk.len.is_none() {
        return Err(Error::InvalidLength);
    }
    if !chunk.data.starts_with(&Header::MAGIC) {
        return Err(Error::InvalidMagic);
    }
    chunk.sha.map_or(Ok(()), |sha| if sha.len() > 32 { Err(Error::InvalidHash) } else { Ok(()) })
}

/// The first stage of a chunk, once the session is known.
fn route<'c, D: Digest>(slots: &mut Slots<'_, D>, chunk: Chunk<'c>) -> Stage<'c> {
    let image = if slots.pairs.len() == 1 { 0 } else { u32::try_from(chunk.image).unwrap_or(u32::MAX) };
    let end = chunk.off.checked_add(u64::try_from(chunk.data.len()).unwrap_or(u64::MAX));
    match core::mem::replace(&mut slots.session, Session::Idle) {
        Session::Receiving(upload) if chunk.off == u64::from(upload.off()) && chunk.off > 0 => {
            if end.is_none_or(|end| end > upload.len.into()) {
                slots.session = Session::Receiving(upload);
                return Stage::Done(Err(Error::Overrun));
            }
            Stage::Stream { chunk, taken: 0, upload, log: slots.log.take() }
        }
        Session::Receiving(upload) if chunk.off > 0 || upload.image == image && is_key(&upload.key, &chunk) => {
            let off = upload.off();
            slots.session = Session::Receiving(upload);
            uploaded(off, None)
        }
        Session::Complete { len, matched } if chunk.off > 0 && end == Some(len.into()) => {
            slots.session = Session::Complete { len, matched };
            uploaded(len, matched)
        }
        session => {
            slots.session = session;
            if chunk.off > 0 {
                return uploaded(0, None);
            }
            Stage::Look { look: Look::new(image, image), then: Then::Upload { chunk, image } }
        }
    }
}

/// The stage after one that needs the flash no more.
fn follow<'c, D: Digest>(slots: &mut Slots<'_, D>, stage: Stage<'c>) -> Result<Stage<'c>, Error> {
    match stage {
        Stage::Recall { chunk, recall } => {
            let (record, position) = recall.finish();
            slots.log = Log::Known(position);
            match record.filter(|record| chunk.off > 0 || is_key(&record.key, &chunk)) {
                Some(record) => {
                    let look = Look::new(record.image, record.image);
                    Ok(Stage::Look { look, then: Then::Resume { chunk, record } })
                }
                None => Ok(route(slots, chunk)),
            }
        }
        Stage::Look { then, .. } => after_look(slots, then),
        Stage::Trust { chunk, target, record, crc, .. } => {
            if crc.value() != record.crc {
                return Ok(route(slots, chunk));
            }
            let upload = Receiving::resumed(record, target, crc);
            Ok(clear(slots, chunk, upload))
        }
        Stage::Compare { chunk, upload, .. } => {
            let hash = slots.digest.finish();
            if !is_hash(&upload.key, &hash) {
                return Ok(clear(slots, chunk, upload));
            }
            slots.session = Session::Complete { len: upload.len, matched: Some(true) };
            Ok(uploaded(upload.len, Some(true)))
        }
        Stage::Clear { chunk, mut upload, .. } => {
            upload.tail_cleared(tail(upload.target, slots.reserved, slots.config.geometry.erase));
            // Only an upload that goes on is anywhere else than at 0.
            if upload.off() > 0 {
                slots.session = Session::Receiving(upload);
                return Ok(route(slots, chunk));
            }
            Ok(Stage::Stream { chunk, taken: 0, upload, log: slots.log.take() })
        }
        Stage::Stream { upload, log, .. } => {
            slots.log = log;
            let off = upload.off();
            if !upload.is_complete() {
                slots.session = Session::Receiving(upload);
                return Ok(uploaded(off, None));
            }
            match upload.key.filter(|key| Slots::<D>::is_file_hash(key)) {
                Some(key) => {
                    let sweep = Sweep { address: upload.target.region().start, left: upload.len };
                    slots.digest.reset();
                    Ok(Stage::Check { sweep, len: upload.len, key })
                }
                None => {
                    slots.session = Session::Complete { len: upload.len, matched: None };
                    Ok(uploaded(upload.len, None))
                }
            }
        }
        Stage::Check { len, key, .. } => {
            let matched = Some(is_hash(&Some(key), &slots.digest.finish()));
            slots.session = Session::Complete { len, matched };
            Ok(uploaded(len, matched))
        }
        Stage::Verify { mark, .. } => {
            let hash = slots.digest.finish();
            let seen = look::pair(slots.pairs, mark.image).ok_or(Error::Unknown)?.seen(mark.slot);
            if seen.hash? == hash { Ok(begin_mark(slots, mark)) } else { Err(Error::NoImage) }
        }
        Stage::Mark(_) => Ok(Stage::Look { look: Look::new(0, slots.last()), then: Then::List }),
        Stage::Wipe(_) => Ok(Stage::Done(Ok(Outcome::Erased))),
        Stage::Done(outcome) => Ok(Stage::Done(outcome)),
    }
}

fn after_look<'c, D: Digest>(slots: &mut Slots<'_, D>, then: Then<'c>) -> Result<Stage<'c>, Error> {
    match then {
        Then::List => Ok(Stage::Done(Ok(Outcome::States))),
        Then::SetState { hash, confirm } => {
            let Some(mark) = slots.plan(hash, confirm)? else {
                return Ok(Stage::Done(Ok(Outcome::States)));
            };
            let Some((address, left)) = slots.to_verify(&mark)? else {
                return Ok(begin_mark(slots, mark));
            };
            slots.digest.reset();
            Ok(Stage::Verify { sweep: Sweep { address, left }, mark })
        }
        Then::Erase { image } => {
            let pair = look::pair(slots.pairs, image).ok_or(Error::InvalidSlot)?;
            if slots.in_use(pair, slots.config.erase_pending) {
                return Err(Error::NoFreeSlot);
            }
            let target = pair.spare();
            slots.session = Session::Idle;
            Ok(Stage::Wipe(Wipe { target, from: 0, end: target.region().len }))
        }
        Then::Resume { chunk, record } => Ok(trust(slots, chunk, record)),
        Then::Upload { chunk, image } => begin_upload(slots, chunk, image),
    }
}

/// Decides on a first chunk, after a look at the slots of its image.
fn begin_upload<'c, D: Digest>(slots: &mut Slots<'_, D>, chunk: Chunk<'c>, image: u32) -> Result<Stage<'c>, Error> {
    let pair = look::pair(slots.pairs, image).ok_or(Error::NoFreeSlot)?;
    if slots.in_use(pair, false) {
        return Err(Error::NoFreeSlot);
    }
    let announced = chunk.len.ok_or(Error::InvalidLength)?;
    let len = u32::try_from(announced).ok().filter(|len| *len <= slots.max_image(pair)).ok_or(Error::TooLarge)?;
    let header = Header::parse(chunk.data).map_err(|error| match error {
        ImageError::Magic => Error::InvalidMagic,
        _ => Error::InvalidHeader,
    })?;
    if header.hashed_len() > len {
        return Err(Error::InvalidHeader);
    }
    let (running, spare) = (pair.seen(pair.running()), pair.seen(pair.running().other()));
    let version = running.header.map(|header| header.version());
    if chunk.upgrade {
        let build =
            |version: crate::mcuboot::Version| if slots.config.compare_build { version } else { version.release() };
        if build(header.version()) <= build(version.ok_or(Error::VersionUnknown)?) {
            return Err(Error::NotNewer);
        }
    }
    if !(slots.config.accept)(&header, version) {
        return Err(Error::NotNewer);
    }
    if u32::try_from(chunk.data.len()).map_or(true, |taken| taken > len) {
        return Err(Error::Overrun);
    }
    let key = chunk.sha.filter(|sha| !sha.is_empty()).map(Key::from_slice).transpose().or(Err(Error::InvalidHash))?;
    let there = spare.header == Some(header) && spare.trailer == crate::mcuboot::trailer::Trailer::BLANK;
    let compare = there && key.as_ref().is_some_and(|key| Slots::<D>::is_file_hash(key));
    let upload = Receiving::new(image, pair.spare(), len, key);
    if !compare {
        return Ok(clear(slots, chunk, upload));
    }
    slots.digest.reset();
    let sweep = Sweep { address: upload.target.region().start, left: len };
    Ok(Stage::Compare { chunk, sweep, upload })
}

/// Decides whether a checkpoint can be what the slot holds, after a look at the slots of its image.
fn trust<'c, D: Digest>(slots: &mut Slots<'_, D>, chunk: Chunk<'c>, record: Record) -> Stage<'c> {
    let erase = slots.config.geometry.erase;
    let possible = look::pair(slots.pairs, record.image).filter(|pair| {
        let inside = record.off > 0 && record.off < record.len && record.len <= slots.max_image(pair);
        let page = down(record.off, erase) == record.off && record.off <= tail(pair.spare(), slots.reserved, erase);
        inside && page && !slots.in_use(pair, false)
    });
    match possible.map(super::Pair::spare) {
        Some(target) => {
            let sweep = Sweep { address: target.region().start, left: record.off };
            Stage::Trust { chunk, sweep, target, record, crc: Crc16::new() }
        }
        None => route(slots, chunk),
    }
}

/// Ends any session and erases the tail of the slot, in which the trailer is.
fn clear<'c, D: Digest>(slots: &mut Slots<'_, D>, chunk: Chunk<'c>, upload: Receiving) -> Stage<'c> {
    slots.session = Session::Idle;
    let target = upload.target;
    let from = tail(target, slots.reserved, slots.config.geometry.erase);
    Stage::Clear { chunk, wipe: Wipe { target, from, end: target.region().len }, upload }
}

/// Ends an upload into the slot that is to be marked.
fn begin_mark<'c, D: Digest>(slots: &mut Slots<'_, D>, mark: Mark) -> Stage<'c> {
    if matches!(&slots.session, Session::Receiving(upload) if upload.image == mark.image) {
        slots.session = Session::Idle;
    }
    Stage::Mark(mark)
}

/// The first erase page that holds a part of the trailer.
fn tail(target: Target, reserved: u32, erase: u32) -> u32 {
    down(target.region().len.saturating_sub(reserved), erase)
}

fn is_key(key: &Option<Key>, chunk: &Chunk<'_>) -> bool {
    matches!((key, chunk.sha), (Some(key), Some(sha)) if key.as_slice() == sha)
}

fn is_hash(key: &Option<Key>, hash: &Hash) -> bool {
    key.as_ref().is_some_and(|key| key.as_slice() == hash.as_bytes())
}

fn uploaded<'c>(off: u32, matched: Option<bool>) -> Stage<'c> {
    Stage::Done(Ok(Outcome::Upload(Uploaded { off: off.into(), matched })))
}
