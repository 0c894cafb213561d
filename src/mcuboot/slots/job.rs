//! The job of one command: its stages, and what each wants of the flash. Which one follows is
//! decided in `decide`.

mod decide;

use super::access::{self, Access, Kind, size};
use super::checkpoint::Recall;
use super::layout::{Target, down};
use super::look::Look;
use super::state::Mark;
use super::upload::{Piece, Session};
use super::{Command, Error, Outcome, Slots};
use crate::mcuboot::digest::Digest;
use crate::mcuboot::flash::{self, Failed, Operation};
use crate::shown::shown;

/// A command under way. See [`flash::Job`] for how it is run.
///
/// While it changes the slot of an upload it leaves no session behind, but at its end: a job that
/// is dropped, or whose flash fails, takes the upload session with it.
pub struct Job<'j, 's, D> {
    slots: &'j mut Slots<'s, D>,
    /// The chunk of an upload.
    piece: Option<Piece<'j>>,
    stage: Stage<'j>,
    /// What the stage wants of the flash.
    access: Access,
}

shown!(['j, 's, D] Job<'j, 's, D>, |job| "Job({:?})", job.slots);

/// What a job is at. Each variant says which stage follows. They are small, and the upload is none
/// of what they hold: it is always that of the slots.
#[derive(Clone, Copy)]
enum Stage<'c> {
    /// Reading the checkpoint log. Then a look for `Resume`, or the chunk's own first stage.
    Recall(Recall),
    /// Looking at slots. Then what the look was for.
    Look { look: Look, then: Then<'c> },
    /// Reading a range in pieces. Then what it was read for.
    Sweep { address: u32, left: u32, read: Read },
    /// Erasing a slot from its end down to `from`, so that its trailer goes first. For an upload
    /// the tail only, then `Stream`, or, if it goes on, the chunk's own first stage; else `Done`.
    Wipe { target: Target, from: u32, end: u32 },
    /// Writing the chunk. Then `Done`, or after the last chunk `Sweep`. `log`: whether there is a
    /// checkpoint log.
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
    /// A checkpoint says that this was written, with this CRC. Then `Wipe`, or the chunk's own
    /// first stage.
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

    /// What the stage wants of the flash; nothing if it is over. A call of its own, so that its
    /// stack is free when the next stage is decided.
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
}

impl<D: Digest> flash::Job for Job<'_, '_, D> {
    fn next(&mut self) -> Option<Operation<'_>> {
        // Not when the job is made, where the request is still being decoded: the stack of both
        // would add up.
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

/// The first erase page that holds a part of the trailer.
fn tail(target: Target, reserved: u32, erase: u32) -> u32 {
    down(target.region().len.saturating_sub(reserved), erase)
}
