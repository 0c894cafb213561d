//! The window of a transfer: the requests in flight, and what a response means for them. Uploads of
//! images, uploads of files and downloads of files share it: the offset of each moves on only when
//! the device says so.

use core::cmp::Ordering;
use core::time::Duration;

use heapless::Deque;

use super::Error;
use super::pace::{Awaited, Pace};
use super::pacing::{MAX_WINDOW, Pacing};
use super::piece::{Piece, What, low};
use crate::cbor::{BufferFull, Writer};
use crate::smp::client::{self, Client};
use crate::smp::{self, Header, Request, Version};
use crate::source::Source;

/// The counters of a transfer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    /// The end of what was sent, or asked for, at least once.
    pub(super) reached: u64,
    pub(super) repeats: u32,
    pub(super) foreign: u32,
    /// The number of requests that were in flight at a time, at most.
    pub(super) window: u8,
}

impl Counts {
    pub(super) const fn foreign(&mut self) {
        self.foreign = self.foreign.wrapping_add(1);
    }
}

/// A piece that was sent and not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) sequence: u8,
    pub(super) off: u64,
    pub(super) len: u16,
}

impl Flight {
    pub(super) const fn end(&self) -> u64 {
        self.off.saturating_add(self.len as u64)
    }
}

/// A request in flight, without its offset: that of the oldest one is `base`, and each other begins
/// where the one before it ends.
#[derive(Debug, Clone, Copy)]
struct Sent {
    sequence: u8,
    len: u16,
}

/// The requests in flight, and what the device has reported. The pieces in flight follow one
/// another without gaps, and the last one ends at `next`.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The front of every request; number and length are not looked at.
    template: Header,
    limit: usize,
    window: usize,
    outstanding: Deque<Sent, MAX_WINDOW>,
    flow: Flow,
    pace: Pace,
    /// The offset at which it began. The piece there travels alone, as the one at 0 does.
    start: u64,
    /// The offset of the oldest request in flight; `next` if there is none.
    base: u64,
    /// The offset of the next new piece.
    next: u64,
    /// The offset that the device reported last.
    confirmed: u64,
    /// The highest offset that it has reported.
    best: u64,
    /// Consecutive responses with the same offset.
    rounds: u8,
    /// Responses with a lower offset since the highest one.
    setbacks: u8,
    /// The version of the first request.
    asked: Option<Version>,
    /// The power of two at a multiple of which each piece ends, but the last one.
    align: u16,
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    /// New pieces go out as the window allows. Exits: `Repeat`, `Pause`.
    Open,
    /// The oldest piece is to go out again. Exits: `Probing`; `Open` or `Pause`, by a response.
    Repeat,
    /// It went out; nothing else does until it is answered. Exits: `Open`, `Repeat`, `Pause`.
    Probing,
    /// The device is busy. Exits: `Open`, after one timeout or a response.
    Pause,
}

/// The piece that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    /// A new one at this offset.
    New(u64),
    /// The oldest one again, with its number.
    Again(Flight),
}

impl Due {
    pub(super) const fn off(&self) -> u64 {
        match *self {
            Self::New(off) | Self::Again(Flight { off, .. }) => off,
        }
    }
}

impl Transfer {
    /// A transfer by requests `R` that begins at `start`.
    pub(super) fn new<R: Request>((limit, window): (usize, usize), start: u64, pace: Pace) -> Self {
        let template =
            Header { op: R::OP, version: Version::V2, length: 0, group: R::GROUP, sequence: 0, command: R::COMMAND };
        Self {
            template,
            limit,
            window,
            outstanding: Deque::new(),
            flow: Flow::Open,
            pace,
            start,
            base: start,
            next: start,
            confirmed: start,
            best: start,
            rounds: 0,
            setbacks: 0,
            asked: None,
            align: 1,
        }
    }

    /// Returns the oldest request in flight.
    fn oldest(&self) -> Option<Flight> {
        let first = self.outstanding.front()?;
        Some(Flight { sequence: first.sequence, off: self.base, len: first.len })
    }

    /// The piece that is to be sent, or what to wait for.
    pub(super) fn due(&self, len: u64) -> Result<Due, Awaited> {
        let oldest = self.oldest();
        let first = oldest.is_some_and(|flight| self.is_first(&flight));
        // An empty file is one piece without a byte.
        let more = self.next < len || (len == 0 && oldest.is_none());
        match (&self.flow, oldest) {
            (Flow::Repeat, Some(oldest)) => Ok(Due::Again(oldest)),
            (Flow::Open, _) if self.outstanding.len() < self.window && more && !first => Ok(Due::New(self.next)),
            (_, None) => Err(Awaited::None),
            _ if first => Err(Awaited::First),
            _ if self.next >= len => Err(Awaited::Last),
            _ => Err(Awaited::Other),
        }
    }

    /// Returns the time to wait for this response.
    pub(super) fn wait(&mut self, awaited: Awaited, client: &Client, pacing: &Pacing) -> Duration {
        self.pace.wait(awaited, client, pacing)
    }

    pub(super) fn tick(&mut self, elapsed: Duration) {
        self.pace.tick(elapsed);
    }

    /// The place of the request in flight that this message answers.
    pub(super) fn index(&self, message: &[u8]) -> Option<usize> {
        let answered = |sent: &Sent| client::answers(&self.header(sent.sequence, Version::V2), message);
        self.outstanding.iter().position(answered)
    }

    pub(super) const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Returns true if nothing else may be in flight with this request: at offset 0 a device erases
    /// flash, and where the transfer began its answer says how long a piece is.
    pub(super) const fn is_first(&self, flight: &Flight) -> bool {
        flight.off == 0 || flight.off == self.start
    }

    const fn header(&self, sequence: u8, version: Version) -> Header {
        Header { version, sequence, ..self.template }
    }

    /// Writes the piece that is due, with its data straight from the source.
    pub(super) fn send<S: Source>(
        &mut self,
        due: Due,
        (source, total, what): (&mut S, u64, What<'_>),
        counts: &mut Counts,
        client: &mut Client,
        tx: &mut [u8],
    ) -> Result<usize, Error> {
        let mut piece = Piece::fill(due.off(), total, what, self.limit.min(tx.len()))?;
        piece = match due {
            Due::Again(Flight { len, .. }) => piece.with_len(len),
            Due::New(_) => piece.aligned(self.align, total),
        };
        let mut failed = Ok(());
        let emitted = self.emit(due, piece.len(), counts, client, tx, |writer| {
            piece.write(source, writer).map_err(|error| {
                failed = Err(error);
                BufferFull
            })
        });
        failed?;
        let bytes = emitted?;
        counts.sent = counts.sent.saturating_add(piece.len().into());
        Ok(bytes)
    }

    /// Writes the request that is due, for `len` bytes.
    pub(super) fn emit(
        &mut self,
        due: Due,
        len: u16,
        counts: &mut Counts,
        client: &mut Client,
        tx: &mut [u8],
        payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
    ) -> Result<usize, Error> {
        let Header { op, group, command, .. } = self.template;
        let (bytes, header) = match due {
            Due::Again(Flight { sequence, .. }) => client::emit(self.header(sequence, client.version()), tx, payload),
            Due::New(_) => client.emit(op, group, command, tx, payload),
        }?;
        let flight = Flight { sequence: header.sequence, off: due.off(), len };
        if flight.off < counts.reached {
            counts.repeats = counts.repeats.wrapping_add(1);
        }
        counts.reached = counts.reached.max(flight.end());
        self.sent(&flight, header.version);
        counts.window = counts.window.max(u8::try_from(self.outstanding.len()).unwrap_or(u8::MAX));
        Ok(bytes)
    }

    fn sent(&mut self, flight: &Flight, version: Version) {
        self.asked.get_or_insert(version);
        match self.flow {
            Flow::Repeat => self.flow = Flow::Probing,
            _ => {
                self.next = flight.end();
                // There is room: `due` has checked the window.
                let _ = self.outstanding.push_back(Sent { sequence: flight.sequence, len: flight.len });
                // The time that a device needs to erase does not show how fast it responds.
                if !self.is_first(flight) {
                    self.pace.begins(flight.sequence);
                }
            }
        }
    }

    /// Removes the request at `index`, which `message` answers, and those before it from the
    /// window. `None` if all have to be sent again in the other version.
    pub(super) fn take(&mut self, index: usize, message: &[u8], client: &mut Client) -> Option<Flight> {
        let mut answered = None;
        // Any response ends the silence, the probing and the pause.
        self.flow = Flow::Open;
        for place in 0..=index {
            let Some(flight) = self.oldest() else { break };
            let _ = self.outstanding.pop_front();
            self.base = flight.end();
            if place == index {
                self.pace.heard(flight.sequence);
            } else {
                self.pace.skipped(flight.sequence);
            }
            answered = Some(flight);
        }
        let written = client.version();
        let asked = self.asked.unwrap_or(written);
        let refusal = client::payload(message).ok().and_then(client::of_version);
        if refusal.is_some_and(|refusal| client.adopt_version(written, asked, refusal)) {
            self.go_to(self.confirmed);
            return None;
        }
        answered
    }

    /// The device refused `flight`: pauses if it is only busy, or fails.
    pub(super) fn refused(&mut self, flight: &Flight, error: client::Error, pacing: &Pacing) -> Result<(), Error> {
        match error {
            client::Error::Remote(smp::Error::BUSY | smp::Error::NO_MEMORY) if !self.is_first(flight) => {
                self.rounds = self.rounds.saturating_add(1);
                if self.rounds >= pacing.rounds() {
                    return Err(error.into());
                }
                // It has fewer buffers free than it reported: from here on one at a time.
                self.go_to(self.confirmed);
                (self.window, self.flow) = (1, Flow::Pause);
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// The device accepted only the part of `flight` before `off`, as MCUboot does, which writes
    /// whole units of its flash: later pieces end where such a unit ends.
    ///
    /// The unit is longer than the rest that was left over, and `off` is a multiple of it, so it is
    /// one of a few powers of two. The largest of them is right for sure; it is taken unless pieces
    /// of a multiple of it were shorter by more than an eighth. One that turns out to be too small
    /// is corrected by the next cut.
    pub(super) fn cut(&mut self, flight: &Flight, off: u64) {
        // Within a piece the lowest 16 bits tell offsets apart.
        let rest = low(flight.off).wrapping_add(flight.len).wrapping_sub(low(off));
        if off <= flight.off || off >= flight.end() {
            return;
        }
        // The largest power of two that divides the offset. If the device does not cut at multiples
        // of it, more bytes are left over than that.
        let place = low(off) | 0x8000;
        let mut align = place & place.wrapping_neg();
        while align >> 1 > rest && flight.len & align.wrapping_sub(1) > flight.len >> 3 {
            align >>= 1;
        }
        self.align = if align > rest { align } else { 1 };
    }

    /// The device expects `off` next.
    pub(super) fn wanted(&mut self, off: u64, pacing: &Pacing) -> Result<(), Error> {
        match off.cmp(&self.confirmed) {
            Ordering::Greater => self.rounds = 0,
            Ordering::Equal => self.rounds = self.rounds.saturating_add(1),
            // It lost what it had confirmed, which a device may do a few times, for example at a
            // restart.
            Ordering::Less => (self.rounds, self.setbacks) = (0, self.setbacks.saturating_add(1)),
        }
        // Only an offset that it never had before is progress: a device that forgets again and
        // again would have some after each time.
        if off > self.best {
            (self.best, self.setbacks) = (off, 0);
        }
        self.confirmed = off;
        if self.rounds >= pacing.rounds() || self.setbacks >= pacing.rounds() {
            return Err(Error::NoProgress);
        }
        // Requests in flight that continue there stay valid.
        if self.oldest().is_none_or(|flight| flight.off != off) {
            self.go_to(off);
        }
        Ok(())
    }

    /// Gives up what is in flight and continues at `off`.
    fn go_to(&mut self, off: u64) {
        self.outstanding.clear();
        self.pace.forget();
        (self.base, self.next) = (off, off);
    }

    pub(super) fn timed_out(&mut self, pacing: &Pacing) -> Result<(), Error> {
        let Some(oldest) = self.oldest() else {
            // Nothing was in flight: the pause has ended.
            self.flow = Flow::Open;
            return Ok(());
        };
        self.pace.timed_out(pacing.retries())?;
        // The oldest one alone: its response says where the device is, and the others may have been
        // lost because of it.
        self.go_to(oldest.end());
        self.base = oldest.off;
        let _ = self.outstanding.push_back(Sent { sequence: oldest.sequence, len: oldest.len });
        self.flow = Flow::Repeat;
        Ok(())
    }
}
