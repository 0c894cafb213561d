//! The job of one command: its stages, and the flash operations of each. `decide` chooses the next
//! stage, `receive` that of a chunk.

mod decide;
mod receive;

use super::look::{self, Look};
use super::state::Mark;
use super::walk::Walk;
use super::{Command, Error, Event, Gate, Outcome, Pair, Setup, Slots, padded, spare_device, tail};
use crate::dfu::access::{self, Access, Kind};
use crate::dfu::checkpoint::Recall;
use crate::dfu::flash::{self, Device, Failed, Geometries, Operation};
use crate::dfu::region::Target;
use crate::dfu::upload::{Piece, Stream};
use crate::dfu::{self, Info, State, Work};
use crate::mcuboot::digest::Digest;
use crate::shown::shown;

/// A running command. See [`flash::Job`] for its execution. While a job changes the slot of an
/// upload there is no session; the job restores it at its end. So a job that is dropped, or whose
/// flash fails, ends the upload session.
pub struct Job<'j, 's, D, G = (), C = super::Config> {
    slots: &'j mut Slots<'s, D, G, C>,
    /// The chunk of an upload.
    piece: Option<Piece<'j>>,
    stage: Stage<'j>,
    /// The current flash operation of the stage.
    access: Access,
}

shown!(['j, 's, D, G, C: Setup] Job<'j, 's, D, G, C>, |job| "Job({:?})", job.slots);

/// The current stage of a job. Every stage but `Done` also exits to `Done` by an error. Stages are
/// small: the upload stays in the slots.
#[derive(Clone, Copy)]
enum Stage<'c> {
    /// Reading the checkpoint log. Exits: `Look` for `Resume`; the first stage of the chunk
    /// (`Look`, `Stream` or `Done`).
    Recall(Recall),
    /// Looking at slots. Exits: those of the purpose, see [`Then`].
    Look { look: Look, then: Then<'c> },
    /// Reading a range in pieces. Exits: those of the purpose, see [`Read`].
    Sweep { address: u32, left: u32, read: Read },
    /// Erasing a slot from its end down to `from`, so that its trailer goes first. Exits: those of
    /// the purpose, see [`Wiped`].
    Wipe { target: Target, from: u32, end: u32, then: Wiped },
    /// Writing the chunk. Exits: `Done`; after the last byte `Sweep` to check the file, or `Look`
    /// to mark a padded file without a `sha`.
    Stream(Stream),
    /// Reading the TLVs of the image that is to be marked, for the gate. Exits: `Mark`; `Sweep`
    /// for `Tail`, if the slot has no mark yet; `Done`.
    Walk { walk: Walk, mark: Mark },
    /// Writing a trailer. Exit: `Look` for `Marked`.
    Mark(Mark),
    /// The job has ended. No exit.
    Done(Result<Outcome, Error>),
}

/// The purpose of a look at the slots, and so the next stage.
#[derive(Clone, Copy)]
enum Then<'c> {
    /// A state read. Exit: `Done`.
    List,
    /// To see the mark that was written, for the response to a state write, or to the last chunk of
    /// a padded file. Exit: `Done`.
    Marked(Mark),
    /// A state write, or a padded file whose trailer asks for a mark. Exits: `Sweep` to verify the
    /// image; those of `Verify` if that is not possible and allowed; `Done`.
    SetState { hash: &'c [u8], confirm: bool },
    /// An erase. Exits: `Sweep` to find out if anything is there; `Done`.
    Erase,
    /// A new upload. Exits: `Sweep` for `Tail`, if the slot may hold the file; `Wipe`; `Done`.
    Upload,
    /// An upload that may continue from a checkpoint. Exits: `Sweep` to check it; the first stage
    /// of the chunk.
    Resume,
}

/// The purpose of erasing a range.
#[derive(Clone, Copy)]
enum Wiped {
    /// An erase command. Exit: `Sweep` to see that it was done.
    Erased,
    /// A new upload, whose tail only is erased. Exit: `Stream`.
    Begin,
    /// A new upload of a file that may be there already, after the erase of a trailer that was in
    /// its way. Exit: `Sweep` to compare.
    Compare,
    /// An upload that continues. Exit: the first stage of the chunk.
    Continue,
}

/// The purpose of reading a range.
#[derive(Clone, Copy)]
enum Read {
    /// To check a checkpoint against its CRC. Exits: `Wipe`; the first stage of the chunk.
    Trust(u16),
    /// To find out if the slot is erased already. Exits: `Done`; `Used` at the first byte that is
    /// not; `Wipe` if it cannot be read.
    Blank,
    /// The slot is not erased. Exit: `Wipe`.
    Used,
    /// To see that the slot was erased: flash can fail silently. Exits: `Done`; `Kept` at the
    /// first byte that is not erased.
    Gone,
    /// A byte has survived the erase. Exit: `Done`.
    Kept,
    /// To find out if the trailer is erased as a whole: after a torn erase its flags can look
    /// erased although the bytes beside them are not, and a mark is written in whole units. Exits:
    /// with a mark `Mark`; else `Sweep` to compare; `Torn` at the first byte that is not erased, or
    /// the exits of `Torn` if it cannot be read.
    Tail(Option<Mark>),
    /// The trailer is not erased. Exits: with a mark `Done`; else `Wipe`.
    Torn(Option<Mark>),
    /// To find out if the slot already holds the file. Exits: `Done`; `Wipe`.
    Compare,
    /// The same, after the tail was erased. Exits: `Done`; `Stream`.
    CompareWiped,
    /// To check the received file against its `sha`. Exits: of a padded file `Look` to mark it;
    /// `Done`.
    Check,
    /// To verify the image that is to be marked. Exits: `Walk` if there is a gate; else those of
    /// `Walk`.
    Verify(Mark),
}

impl Stage<'_> {
    /// Returns the flash device of the stage's reads, and of its erases and writes except those of
    /// the checkpoint log.
    fn device<F: Geometries>(&self, geometry: &F, pairs: &[Pair], image: u32) -> Device {
        if !F::ARE_TWO {
            return Device::Active;
        }
        match self {
            Stage::Recall(_) => geometry.records(),
            Stage::Look { look, .. } => look.slot().device(),
            Stage::Walk { mark, .. } | Stage::Mark(mark) => mark.slot.device(),
            Stage::Sweep { read: Read::Verify(mark) | Read::Tail(Some(mark)) | Read::Torn(Some(mark)), .. } => {
                mark.slot.device()
            }
            Stage::Sweep { .. } | Stage::Wipe { .. } | Stage::Stream(_) | Stage::Done(_) => {
                spare_device::<F>(pairs, image)
            }
        }
    }
}

impl<'s, D: Digest, G: Gate, C: Setup> Slots<'s, D, G, C> {
    /// Begins a command. The job does nothing until an executor runs it; a job that is dropped
    /// while it erases or writes a slot ends the upload session.
    #[must_use = "a job does nothing until it is run"]
    pub fn begin<'j>(&'j mut self, command: Command<'j>) -> Job<'j, 's, D, G, C> {
        dfu::Device::begin(self, &command)
    }
}

impl<'s, D: Digest, G: Gate, C: Setup> dfu::Device for Slots<'s, D, G, C> {
    type Job<'j>
        = Job<'j, 's, D, G, C>
    where
        Self: 'j;

    // Not inlined: see *Stack* in `smp::server`. It saves 90 to 140 bytes of stack, for up to 150
    // of flash.
    #[inline(never)]
    fn begin<'j>(&'j mut self, command: &Command<'j>) -> Job<'j, 's, D, G, C> {
        Job::new(self, command)
    }

    fn slots(&self) -> u32 {
        self.count()
    }

    fn state(&self, slot: u32) -> Option<State<'_>> {
        self.state_of(slot)
    }

    fn info(&self, slot: u32) -> Option<Info> {
        self.info_of(slot)
    }
}

impl<'j, 's, D: Digest, G: Gate, C: Setup> Job<'j, 's, D, G, C> {
    pub(super) fn new(slots: &'j mut Slots<'s, D, G, C>, command: &Command<'j>) -> Self {
        let piece = if let Command::Upload(chunk) = command { Some(Piece::new(chunk)) } else { None };
        let mut job = Self { slots, piece, stage: Stage::Done(Ok(Outcome::States)), access: Access::UNKNOWN };
        if let Err(error) = job.begin(command) {
            job.stage = Stage::Done(Err(error));
        }
        job
    }

    /// Returns the outcome of the command.
    ///
    /// # Errors
    ///
    /// The reason for a refusal; [`Error::Unknown`] if the job was not run to its end.
    pub fn finish(self) -> Result<Outcome, Error> {
        self.outcome()
    }

    /// Returns the slots, with the contents that were last read from flash.
    #[must_use]
    pub const fn slots(&self) -> &Slots<'s, D, G, C> {
        self.slots
    }

    /// Returns the outcome of the command so far.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub const fn outcome(&self) -> Result<Outcome, Error> {
        match self.stage {
            // Only in this stage: the outcome of an unfinished job would be a guess.
            Stage::Done(outcome) => outcome,
            _ => Err(Error::Unknown),
        }
    }

    /// Advances to the first stage that needs the flash, or to the end.
    fn advance_stages(&mut self, begun: Result<(), Error>) {
        self.access = match begun.and_then(|()| self.next_access()) {
            Ok(access) => access,
            Err(error) => {
                self.stage = Stage::Done(Err(error));
                Access::NOTHING
            }
        };
        if let Stage::Done(outcome) = self.stage {
            self.slots.gate.event(Event::Ended(outcome));
        }
    }

    /// Advances until a stage needs the flash, and returns its access; nothing at the end.
    fn next_access(&mut self) -> Result<Access, Error> {
        loop {
            let wanted = self.wanted();
            if wanted.kind != Kind::Nothing || matches!(self.stage, Stage::Done(_)) {
                return Ok(wanted);
            }
            self.follow()?;
        }
    }

    /// Returns the next access of the stage; nothing if the stage has ended.
    // Not inlined, so that its stack is free when the next stage is chosen: up to 128 bytes of it,
    // and 110 to 150 of flash.
    #[inline(never)]
    fn wanted(&mut self) -> Access {
        let Slots { setup, pairs, scratch, upload, log, .. } = &mut *self.slots;
        let config = setup.config();
        let device = self.stage.device(&config.geometry, pairs, upload.image);
        let (geometry, unit) = (config.geometry.of(device), config.geometry.largest_write());
        let piece = access::fill(scratch.len(), unit, geometry);
        let (carry, work) = access::halves(scratch, unit);
        match &mut self.stage {
            Stage::Recall(recall) if config.has_log() => recall.access(log, geometry),
            Stage::Look { look, .. } => look.access(pairs, config.layout(), D::KIND).unwrap_or(Access::NOTHING),
            // `judge` has decided already when the last piece was read.
            Stage::Sweep { left: 0, .. } => Access::NOTHING,
            Stage::Sweep { address, left, .. } => Access::read(*address, piece.min(*left)),
            Stage::Wipe { target, from, end, .. } => match end.checked_sub(geometry.erase) {
                // From the end, so that the trailer is erased first.
                Some(start) if start >= *from => Access::change(Kind::Erase, target.at(start), geometry.erase),
                _ => Access::NOTHING,
            },
            Stage::Stream(stream) => {
                let mut rest = stream.rest(self.piece.as_ref());
                if G::TAKES_PADDED
                    && let Some(pair) = look::pair(pairs, upload.image)
                {
                    let stored = padded::stored::<G>(pair, config.shift(), geometry.write, upload.len);
                    rest = padded::cut(rest, upload, stored.unwrap_or(0));
                }
                stream.access(rest, upload, config.has_log().then_some(log), (&config.geometry, device), (carry, work))
            }
            Stage::Walk { walk, .. } if G::IS_ASKED => walk.access(piece),
            Stage::Mark(mark) => mark.access(pairs, config.layout(), geometry, work),
            Stage::Recall(_) | Stage::Walk { .. } | Stage::Done(_) => Access::NOTHING,
        }
    }

    /// Handles a completed access, with the bytes of a read; none if it failed.
    fn advance(&mut self, result: Result<(), Failed>) {
        let Slots { setup, pairs, scratch, digest, upload, log, gate, .. } = &mut *self.slots;
        let config = setup.config();
        let device = self.stage.device(&config.geometry, pairs, upload.image);
        let geometry = config.geometry.of(device);
        let (carry, work) = access::halves(scratch, config.geometry.largest_write());
        let bytes = if result.is_ok() { self.access.bytes(geometry, work) } else { &[] };
        match &mut self.stage {
            Stage::Recall(recall) if config.has_log() => recall.advance(bytes, log, upload, geometry),
            Stage::Look { look, .. } => {
                look.advance(bytes, pairs, (config.layout(), config.shift()), D::KIND, geometry.erased);
            }
            Stage::Sweep { address, left, read } => {
                *address = address.wrapping_add(self.access.len);
                *left = left.saturating_sub(self.access.len);
                match *read {
                    Read::Trust(_) if config.has_log() => upload.crc.update(bytes),
                    Read::Blank | Read::Gone | Read::Tail(_) if bytes.iter().all(|byte| *byte == geometry.erased) => {}
                    Read::Blank | Read::Used => (*read, *left) = (Read::Used, 0),
                    Read::Gone | Read::Kept => (*read, *left) = (Read::Kept, 0),
                    Read::Tail(mark) | Read::Torn(mark) => (*read, *left) = (Read::Torn(mark), 0),
                    Read::Trust(_) => {}
                    Read::Compare | Read::CompareWiped | Read::Check | Read::Verify(_) => digest.update(bytes),
                }
            }
            Stage::Wipe { end, .. } => *end = end.saturating_sub(geometry.erase),
            Stage::Stream(stream) => {
                let tail = tail(upload.target, config.layout(), geometry.erase);
                stream.done(
                    self.access,
                    (self.piece.as_ref(), carry),
                    upload,
                    config.has_log().then_some(log),
                    tail,
                    (&config.geometry, device),
                );
            }
            Stage::Walk { walk, .. } if G::IS_ASKED => walk.advance(bytes, gate),
            Stage::Mark(mark) => mark.done(pairs),
            Stage::Recall(_) | Stage::Walk { .. } | Stage::Done(_) => {}
        }
    }
}

impl<D: Digest, G: Gate, C: Setup> flash::Job for Job<'_, '_, D, G, C> {
    const ARE_TWO: bool = C::Flash::ARE_TWO;

    fn flash_device(&mut self) -> Device {
        if self.access.kind == Kind::Unknown {
            self.advance_stages(Ok(()));
        }
        let Slots { setup, pairs, upload, .. } = &*self.slots;
        let config = setup.config();
        match (&self.stage, self.access.kind) {
            (Stage::Stream(_), Kind::EraseLog | Kind::Work) => config.geometry.records(),
            (stage, _) => stage.device(&config.geometry, pairs, upload.image),
        }
    }

    fn next(&mut self) -> Option<Operation<'_>> {
        // The stages begin here and not when the job is made, because the stack then still holds
        // the decoded request.
        if self.access.kind == Kind::Unknown {
            self.advance_stages(Ok(()));
        }
        let chunk = if let Stage::Stream(stream) = &self.stage { stream.rest(self.piece.as_ref()) } else { &[] };
        let Slots { setup, pairs, upload, scratch, .. } = &mut *self.slots;
        let config = setup.config();
        let device = self.stage.device(&config.geometry, pairs, upload.image);
        let (geometry, unit) = (config.geometry.of(device), config.geometry.largest_write());
        self.access.operation(unit, geometry, scratch, chunk)
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        let outcome = match (result, self.access.kind) {
            // Nothing was requested, so there is nothing to complete.
            (_, Kind::Nothing | Kind::Unknown | Kind::Outside) => return,
            (Ok(()), _) => {
                self.advance(result);
                // Handled here because hashing has the largest stack frame.
                if let Stage::Sweep { left: 0, read, .. } = self.stage { self.judge(read) } else { Ok(()) }
            }
            (Err(Failed), Kind::Read) => self.unreadable(),
            (Err(Failed), Kind::Erase | Kind::EraseLog) => Err(Error::FlashErase),
            (Err(Failed), Kind::Carry | Kind::Chunk | Kind::Work) => Err(Error::FlashWrite),
        };
        // The slot may be half changed now, so the upload cannot continue.
        if outcome.is_err() && self.piece.is_some() {
            // While a chunk is written there is an upload, but no session.
            let is_writing = matches!(self.stage, Stage::Stream(_) | Stage::Sweep { read: Read::Check, .. });
            self.stop(is_writing);
        }
        self.advance_stages(outcome);
    }
}

impl<'s, D: Digest, G: Gate, C: Setup> Work<Slots<'s, D, G, C>> for Job<'_, 's, D, G, C> {
    fn outcome(&self) -> Result<Outcome, Error> {
        Job::outcome(self)
    }

    fn device(&self) -> &Slots<'s, D, G, C> {
        self.slots
    }
}
