//! The window of a transfer: the requests in flight, and the effect of a response on them. Uploads
//! of images, uploads of files and downloads of files share it: the offset of each advances only
//! when the device reports it.

use core::cmp::Ordering;

use heapless::Vec;

use super::Error;
use super::course::Course;
use super::pace::Awaited;
use super::pacing::MAX_WINDOW;
use super::piece::{Piece, What, low};
use crate::cbor::BufferFull;
use crate::shown::shown;
use crate::smp::client::{self, Client};
use crate::smp::{self, Group, Header, Op, Request, Version};
use crate::source::Source;

#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) off: u64,
    pub(super) len: u16,
    /// Its response is late: it may have been sent twice.
    is_late: bool,
}

impl Flight {
    /// The end of the piece, which lies within the file.
    pub(super) const fn end(&self) -> u64 {
        self.off.wrapping_add(self.len as u64)
    }
}

/// A request in flight, without its offset: that of the oldest one is `base`, and each other begins
/// where the one before it ends.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    sequence: u8,
    /// In bytes, so that eight of them take 8 bytes less.
    len: [u8; 2],
}

impl Sent {
    pub(super) const fn len(self) -> u16 {
        u16::from_ne_bytes(self.len)
    }
}

shown!(Sent, |sent| "Sent({}, {} bytes)", sent.sequence, sent.len());

#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    op: Op,
    command: u8,
    group: Group,
}

impl Kind {
    pub(super) const fn of<R: Request>() -> Self {
        Self { op: R::OP, command: R::COMMAND, group: R::GROUP }
    }

    const fn header(self, version: Version, sequence: u8) -> Header {
        let Self { op, command, group } = self;
        // The length is that of the message.
        Header { op, version, length: 0, group, sequence, command }
    }
}

/// The number of consecutive responses without progress after which one request is in flight at a
/// time: half of those that end a transfer. Random loss of a third gives as many once in 6,500.
const LONE: u8 = 8;

/// Returns true if nothing else may be in flight with the request at `off` of a transfer that began
/// at `start`: at offset 0 a device erases flash, and where the transfer began, the response shows
/// the length of a piece.
pub(super) const fn is_first(off: u64, start: u64) -> bool {
    off == 0 || off == start
}

/// The requests in flight, and the offsets that the device has reported. The pieces in flight
/// follow one another without gaps.
///
/// The methods are given the kind of the requests and the offset at which the transfer began: the
/// upload of an image need not keep these 12 bytes in RAM. As type parameters they would take 3,032
/// more bytes of flash in a client with all three transfers on a Cortex-M0, since each would have
/// its own copy of this code.
pub(super) struct Transfer {
    window: u8,
    /// The requests in flight, the oldest one first.
    outstanding: Vec<Sent, MAX_WINDOW, u8>,
    flow: Flow,
    /// The offset that the device reported last, at which the oldest request in flight begins.
    base: u64,
    /// The highest offset that the device has reported.
    best: u64,
    /// Consecutive responses with the same offset.
    rounds: u8,
    /// Responses with a lower offset since the highest one.
    setbacks: u8,
    /// The version of the first request.
    asked: Option<Version>,
    /// A power of two: each piece but the last one ends at a multiple of it.
    align: u16,
}

shown!(Transfer, |it| "Transfer({} in flight after {}, {:?})", it.outstanding.len(), it.base, it.flow);

#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Flow {
    /// New pieces go out as the window allows. Exits: `Repeat`, `Pause`.
    Open,
    /// The oldest piece must be sent again. Exits: `Probing`; `Open` or `Pause`, by a response.
    Repeat,
    /// The oldest piece was sent again; nothing else is sent until it is answered. Exits: `Open`,
    /// `Repeat`, `Pause`.
    Probing,
    /// The device is busy, and nothing is in flight. Exit: `Open`, after one timeout.
    Pause,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) off: u64,
    /// The request that it repeats, with its number; `None` for a new piece.
    pub(super) again: Option<Sent>,
}

impl Due {
    pub(super) fn header(&self, kind: Kind, client: &Client) -> Header {
        kind.header(client.version(), self.again.map_or(client.sequence(), |sent| sent.sequence))
    }
}

impl Transfer {
    /// A transfer that begins at `start`, with up to `window` requests in flight.
    pub(super) const fn new(window: u8, start: u64) -> Self {
        Self {
            window,
            outstanding: Vec::new(),
            flow: Flow::Open,
            base: start,
            best: start,
            rounds: 0,
            setbacks: 0,
            asked: None,
            align: 1,
        }
    }

    /// The request at this index of the window; beyond its last one, an empty piece at the end of
    /// the bytes in flight.
    fn flight(&self, index: usize) -> Flight {
        let mut flight = Flight { off: self.base, len: 0, is_late: !matches!(self.flow, Flow::Open) };
        for sent in self.outstanding.iter().take(index.saturating_add(1)) {
            flight = Flight { off: flight.end(), len: sent.len(), ..flight };
        }
        flight
    }

    /// Returns the piece that must be sent, or the response to wait for.
    pub(super) fn due(&self, start: u64, len: u64) -> Result<Due, Awaited> {
        let oldest = self.outstanding.first();
        let is_first = oldest.is_some() && is_first(self.base, start);
        let next = self.flight(MAX_WINDOW).end();
        // An empty file is one piece without a byte.
        let more = next < len || (len == 0 && oldest.is_none());
        match (self.flow, oldest) {
            (Flow::Repeat, Some(oldest)) => Ok(Due { off: self.base, again: Some(*oldest) }),
            (Flow::Open, _) if self.outstanding.len() < self.window.into() && more && !is_first => {
                Ok(Due { off: next, again: None })
            }
            (_, None) => Err(Awaited::None),
            _ if is_first => Err(Awaited::First),
            _ if next >= len => Err(Awaited::Last),
            _ => Err(Awaited::Other),
        }
    }

    /// Returns true if one more request may be in flight while the last piece is awaited.
    pub(super) fn has_room(&self) -> bool {
        matches!(self.flow, Flow::Open) && self.outstanding.len() < self.window.into()
    }

    /// Returns the index of the request in flight that this message answers.
    pub(super) fn index(&self, kind: Kind, message: &[u8]) -> Option<usize> {
        let (Header { sequence, .. }, _) = Header::parse(message).ok()?;
        // The version is not compared.
        client::answers(&kind.header(Version::V2, sequence), message)
            .then(|| self.outstanding.iter().position(|sent| sent.sequence == sequence))?
    }

    pub(super) const fn confirmed(&self) -> u64 {
        self.base
    }

    /// Writes the piece that is due, with its data straight from the source.
    pub(super) fn send<S: Source>(
        &mut self,
        due: Due,
        (kind, start): (Kind, u64),
        (source, total, what): (&mut S, u64, What<'_>),
        course: &mut Course,
        client: &mut Client,
        tx: &mut [u8],
    ) -> Result<usize, Error> {
        let (limit, _) = course.pacing.settle();
        let mut piece = Piece::fill(due.off, total, what, limit.min(tx.len()))?;
        piece = match due.again {
            Some(sent) => piece.with_len(sent.len()),
            None => piece.aligned(self.align, total),
        };
        let mut failed = Ok(());
        let header = due.header(kind, client);
        let emitted = client.emit_as(header, tx, |writer| {
            piece.write(source, writer).map_err(|error| {
                failed = Err(error);
                BufferFull
            })
        });
        failed?;
        let (bytes, _) = emitted?;
        course.counts.sends(piece.len());
        self.sent(&due, start, piece.len(), &header, course);
        Ok(bytes)
    }

    /// Notes that the request that was due, for `len` bytes, leaves with this header.
    pub(super) fn sent(&mut self, due: &Due, start: u64, len: u16, header: &Header, course: &mut Course) {
        let Header { version, sequence, .. } = *header;
        let counts = &mut course.counts;
        if due.off < counts.reached {
            counts.repeats = counts.repeats.wrapping_add(1);
        }
        counts.reached = counts.reached.max(due.off.wrapping_add(len.into()));
        self.asked.get_or_insert(version);
        if due.again.is_some() {
            self.flow = Flow::Probing;
            return;
        }
        // There is room: `due` has checked the window.
        let _ = self.outstanding.push(Sent { sequence, len: len.to_ne_bytes() });
        counts.window = counts.window.max(u8::try_from(self.outstanding.len()).unwrap_or(u8::MAX));
        // The time that a device needs to erase does not show its response time.
        if !is_first(due.off, start) {
            course.pace.begins(sequence);
        }
    }

    /// Removes the request at `index`, which `message` answers, and those before it from the
    /// window; [`wanted`](Self::wanted) or [`refused`](Self::refused) is called next. `None` if
    /// all have to be sent again in the other version.
    pub(super) fn take(
        &mut self,
        index: usize,
        message: &[u8],
        course: &mut Course,
        client: &mut Client,
    ) -> Option<Flight> {
        let flight = self.flight(index);
        // Any response ends the silence, the probing and the pause.
        self.flow = Flow::Open;
        for (place, sent) in self.outstanding.iter().enumerate().take(index.saturating_add(1)) {
            if place == index {
                course.pace.heard(sent.sequence);
            } else {
                course.pace.skipped(sent.sequence);
            }
        }
        let rest = self.outstanding.get(index.saturating_add(1)..).unwrap_or_default();
        self.outstanding = Vec::from_slice(rest).unwrap_or_default();
        let written = client.version();
        let asked = self.asked.unwrap_or(written);
        let refusal = client::payload(message).ok().and_then(client::of_version);
        if refusal.is_some_and(|refusal| client.adopt_version(written, asked, refusal)) {
            self.go_to(self.base, course);
            return None;
        }
        Some(flight)
    }

    /// Handles the refusal of `flight`: pauses if the device is only busy, sends it again if its
    /// copies may have been mixed, else fails.
    pub(super) fn refused(
        &mut self,
        flight: &Flight,
        start: u64,
        error: client::Error,
        course: &mut Course,
    ) -> Result<(), Error> {
        let is_busy = match error {
            client::Error::Remote(smp::Error::BUSY | smp::Error::NO_MEMORY) if !is_first(flight.off, start) => true,
            // Without a checksum, a lost byte makes the next copy complete the one before it. The
            // refusal of a request that was sent once is final.
            client::Error::Remote(smp::Error::INVALID) if flight.is_late => false,
            error => return Err(error.into()),
        };
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds >= course.pacing.rounds() {
            return Err(error.into());
        }
        self.go_to(self.base, course);
        if is_busy {
            // The device has fewer free buffers than it reported: from here on one request at a
            // time.
            (self.window, self.flow) = (1, Flow::Pause);
        }
        Ok(())
    }

    /// Handles a device that accepted only the part of `flight` before `off`, as MCUboot does,
    /// which writes whole units of its flash: later pieces end where such a unit ends.
    ///
    /// The unit is longer than the rest that was left over, and `off` is a multiple of it, so it is
    /// one of a few powers of two. The largest of them is always right; it is used unless it would
    /// shorten the pieces by more than an eighth. If a smaller one turns out to be too small, the
    /// next cut corrects it.
    pub(super) fn cut(&mut self, flight: &Flight, off: u64) {
        // Within a piece the lowest 16 bits distinguish offsets.
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

    /// Continues at `off`, which the device expects next, by its response to `flight`.
    pub(super) fn wanted(&mut self, flight: &Flight, off: u64, course: &mut Course) -> Result<(), Error> {
        match off.cmp(&self.base) {
            Ordering::Greater => self.rounds = 0,
            Ordering::Equal => self.rounds = self.rounds.saturating_add(1),
            // The device lost bytes that it had confirmed, which may happen a few times, for
            // example at a restart.
            Ordering::Less => (self.rounds, self.setbacks) = (0, self.setbacks.saturating_add(1)),
        }
        // Only an offset that the device never had before is progress: one that keeps forgetting
        // would otherwise make progress after each loss.
        if off > self.best {
            (self.best, self.setbacks) = (off, 0);
        }
        // A line that loses every third message may lose the first of each three: the responses to
        // the other two would pass for a device that does not go on. One at a time shows it.
        if self.rounds >= LONE {
            self.window = 1;
        }
        // Requests in flight that continue there stay valid.
        if off == flight.end() {
            self.base = off;
        } else {
            self.go_to(off, course);
        }
        if self.rounds.max(self.setbacks) >= course.pacing.rounds() { Err(Error::NoProgress) } else { Ok(()) }
    }

    /// Gives up the requests in flight and continues at `off`.
    fn go_to(&mut self, off: u64, course: &mut Course) {
        self.outstanding.clear();
        course.pace.forget();
        self.base = off;
    }

    pub(super) fn timed_out(&mut self, course: &mut Course) -> Result<(), Error> {
        if self.outstanding.is_empty() {
            // Nothing was in flight: the pause has ended.
            self.flow = Flow::Open;
            return Ok(());
        }
        course.timed_out()?;
        // Only the oldest one is kept: its response shows where the device is, and the others may
        // have been lost because of it.
        self.outstanding.truncate(1);
        self.flow = Flow::Repeat;
        Ok(())
    }
}
