//! The steps between the states of automatic framing.

use super::super::console::{Line, Store};
use super::super::head::SMP_HEADER;
use super::super::{Error, Progress};
use super::stuffed::{decode, is_frame};
use super::{Auto, Content, Kind, State};
use crate::bytes;
use crate::checksum::Crc16;

/// What the first bytes at a boundary are.
enum Guess {
    /// Not decided: more bytes are needed.
    Open,
    /// The first one begins neither a raw message nor a COBS frame.
    Neither,
    /// A raw message of `total` bytes, if it is one.
    Raw { total: usize },
    /// A COBS frame, if it is one.
    Cobs,
}

/// Guesses from two to four bytes, the last of which is new, with raw messages of up to `longest`
/// bytes.
fn guess(front: &[u8], longest: usize) -> Guess {
    let total = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])).wrapping_add(SMP_HEADER);
    match *front {
        [0x01, 0x01] | [0x02, 0x02 | 0x08 | 0x0A] => Guess::Cobs,
        [0x00 | 0x02 | 0x08 | 0x0A, 0x00] if SMP_HEADER <= longest => Guess::Open,
        // A length that cannot fit is seen at its first byte: held for one byte less, a start
        // marker there is not torn apart.
        [_, 0x00, high] if total(high, 0) <= longest => Guess::Open,
        // Two empty COBS frames and the front of a third one. A client that repeats it sends them
        // each time, so it would never be heard if this were a raw read request with a payload of
        // 257 or 514 to 522 bytes, which nobody sends.
        [0x00, 0x00, 0x01, 0x01] | [0x00, 0x00, 0x02, 0x02 | 0x08 | 0x0A] => Guess::Neither,
        [_, 0x00, high, low] if total(high, low) <= longest => Guess::Raw { total: total(high, low) },
        _ => Guess::Neither,
    }
}

impl Auto<'_> {
    /// Whether a byte may begin a raw message or a COBS frame, in a buffer that may hold one.
    const fn may_begin(&self, byte: u8) -> bool {
        match byte {
            0x01 | 0x02 => self.console.store.bytes.len() >= SMP_HEADER,
            0x00 | 0x08 | 0x0A => self.raw && self.console.store.bytes.len() >= SMP_HEADER,
            _ => false,
        }
    }

    /// The first bytes of the buffer.
    pub(super) fn stored(&self, have: usize) -> &[u8] {
        self.console.store.bytes.get(..have).unwrap_or_default()
    }

    /// Back to listening, with the console decoder at this place in a line and nothing in the
    /// buffer.
    pub(super) fn listen_again(&mut self, line: Line) {
        self.state = State::Listening;
        self.console.store.content = Content::Packet;
        self.console.restart(line);
    }

    /// Back to listening, because the first `have` bytes, which are on the wire like that, are not
    /// the frame that they may have been. A console packet that began in them goes on: it is
    /// decoded in place, since it is always behind what is decoded of it.
    ///
    /// Behind a packet that was damaged in there, and where there was none, the decoder is at
    /// `line`.
    pub(super) fn hand_over(&mut self, have: usize, line: Line) {
        self.listen_again(line);
        let stored = self.stored(have);
        // The last start marker: each begins a packet, wherever it is, and a zero ends it. Half of
        // one counts if there is no whole one.
        let none = have.wrapping_sub(usize::from(stored.last() == Some(&0x06)));
        let mut from = none;
        for (at, pair) in stored.windows(2).enumerate() {
            match pair {
                [0x06, 0x09] => from = at,
                [_, 0x00] => from = none,
                _ => {}
            }
        }
        for at in from..have {
            let Some(byte) = self.console.store.bytes.get(at).copied() else { break };
            self.feed(byte);
        }
    }

    /// Gives the console decoder one byte that is no text any more.
    fn feed(&mut self, byte: u8) {
        let byte = [byte];
        let mut input = &byte[..];
        while !matches!(self.console.push(&mut input), Ok(Progress::More)) {}
    }

    /// Listening: looks for the front of another frame where the console decoder is at a boundary,
    /// else gives it all.
    pub(super) fn listen<'i>(&mut self, input: &mut &'i [u8], first: u8) -> Result<Progress<'i>, Error> {
        let idle = self.console.is_idle();
        let mut len = input.len();
        if idle {
            if self.may_begin(first) {
                // A message that was complete until now ends here: its bytes are overwritten.
                self.console.restart(Line::Outside);
                self.state = State::Head { have: 1 };
                if let Some(place) = self.console.store.bytes.first_mut() {
                    *place = first;
                }
                *input = input.get(1..).unwrap_or_default();
                return Ok(Progress::More);
            }
            if first == 0 {
                // An empty COBS frame.
                *input = input.get(1..).unwrap_or_default();
                return Ok(Progress::More);
            }
            len = input.iter().position(|byte| *byte == 0 || self.may_begin(*byte)).unwrap_or(len);
        } else {
            if first == 0 {
                // No console line contains a zero, but all that COBS and raw clients send does:
                // without this exit they would not be heard behind noise that looks like a start
                // marker. What the zero begins is examined at the boundary.
                let open = self.console.is_open();
                self.console.restart(Line::Outside);
                return if open { Err(Error::Malformed) } else { Ok(Progress::More) };
            }
            // To where the decoder may be at a boundary again.
            if let Some(end) = input.iter().position(|byte| matches!(byte, 0 | b'\n')) {
                len = end.wrapping_add(usize::from(input.get(end) == Some(&b'\n')));
            }
        }
        let (mut part, rest) = input.split_at_checked(len).unwrap_or((*input, &[]));
        let progress = self.console.push(&mut part);
        let left = part.len().saturating_add(rest.len());
        *input = input.get(input.len().saturating_sub(left)..).unwrap_or_default();
        if progress == Ok(Progress::Message) {
            self.last = Kind::Console;
        }
        progress
    }

    /// At the front of a frame that may be COBS or raw. `Some` is text that was held.
    pub(super) fn head(&mut self, input: &mut &[u8], have: usize, first: u8) -> Option<&'static [u8]> {
        if let Some(place) = self.console.store.bytes.get_mut(have) {
            *place = first;
        }
        let now = have.wrapping_add(1);
        // Without raw messages none fits.
        let longest = if self.raw { self.console.store.capacity() } else { 0 };
        self.state = match guess(self.stored(now), longest) {
            Guess::Neither => return self.release(have),
            Guess::Open => State::Head { have: now },
            Guess::Cobs => State::Cobs { have: now },
            Guess::Raw { total } => State::Raw { have: now, total },
        };
        *input = input.get(1..).unwrap_or_default();
        if !matches!(self.state, State::Head { .. }) {
            self.console.store.content = Content::Wire { announced: [0; 2], crc: Crc16::new() };
            // Zeros, or noise, may be in front of a start marker, whose first byte is part of this
            // length then.
            for at in 0..now {
                self.feed(self.stored(now).get(at).copied().unwrap_or_default());
            }
        }
        None
    }

    /// Releases the first of `have` held bytes, which begins no frame. Zeros are empty COBS frames
    /// and no text; and what follows a zero here was noise, unless it begins a marker.
    pub(super) fn release(&mut self, have: usize) -> Option<&'static [u8]> {
        let first = self.stored(1).first().copied().unwrap_or_default();
        self.drop_front(have, 1);
        self.state = match have {
            0 | 1 => State::Listening,
            _ => State::Head { have: have.wrapping_sub(1) },
        };
        match first {
            0x01 => Some(&[0x01]),
            0x02 => Some(&[0x02]),
            0x08 => Some(&[0x08]),
            0x0A => Some(&[0x0A]),
            other => {
                self.feed(other);
                None
            }
        }
    }

    /// Moves the first `have` bytes of the buffer to the front by `count`.
    fn drop_front(&mut self, have: usize, count: usize) {
        // `copy_within` panics where the bounds do not fit, which a compiler that saves space
        // cannot exclude.
        for at in count..have {
            let byte = self.stored(have).get(at).copied().unwrap_or_default();
            if let Some(place) = self.console.store.bytes.get_mut(at.wrapping_sub(count)) {
                *place = byte;
            }
        }
    }

    /// Stores the first `count` bytes of the input behind the `have` that are there, which have to
    /// fit, and shows them to the console decoder; returns how many there are now.
    ///
    /// A console packet that they complete wins: its line feed stays in the input, and completes it
    /// once more behind the error.
    fn store(&mut self, input: &mut &[u8], have: usize, count: usize) -> Result<usize, Error> {
        let (run, _) = input.split_at_checked(count).unwrap_or((*input, &[]));
        bytes::copy(run, self.console.store.bytes.get_mut(have..).unwrap_or_default());
        let mut unread = run;
        loop {
            match self.console.push(&mut unread) {
                Ok(Progress::More) => break,
                Ok(Progress::Message) => {
                    let read = run.len().wrapping_sub(unread.len()).saturating_sub(1);
                    *input = input.get(read..).unwrap_or_default();
                    self.hand_over(have.wrapping_add(read), Line::Outside);
                    return Err(Error::Truncated);
                }
                // Text here, and damage, are part of the frame, or of the noise, that is not
                // decided yet.
                Ok(Progress::Text(_)) | Err(_) => {}
            }
        }
        *input = input.get(run.len()..).unwrap_or_default();
        Ok(have.wrapping_add(run.len()))
    }

    /// In what may be a COBS frame.
    pub(super) fn cobs(&mut self, input: &mut &[u8], have: usize) -> Result<Progress<'static>, Error> {
        let room = self.console.store.capacity().saturating_sub(have);
        match input.iter().take(room.saturating_add(1)).position(|byte| *byte == 0) {
            Some(0) => {
                *input = input.get(1..).unwrap_or_default();
                return self.unstuff(have);
            }
            None if room == 0 => {
                // The rest of the frame is no text: skipped to the line feed or the zero.
                self.hand_over(have, Line::Skip);
                return Err(Error::TooLong);
            }
            end => {
                let count = end.unwrap_or(room.min(input.len()));
                self.state = State::Cobs { have: self.store(input, have, count)? };
            }
        }
        Ok(Progress::More)
    }

    /// In what may be a raw message.
    pub(super) fn raw(&mut self, input: &mut &[u8], have: usize, total: usize) -> Result<Progress<'static>, Error> {
        let left = total.saturating_sub(have);
        let count = match input.iter().take(left).position(|byte| *byte == 0) {
            Some(0) => {
                // COBS frames after noise that looks like a raw header would be lost up to its
                // length.
                let start =
                    self.stored(have).iter().rposition(|byte| *byte == 0).map_or(0, |zero| zero.wrapping_add(1));
                let frame = self.stored(have).get(start..).unwrap_or_default();
                // A run of ones is a message of zeros, whose CRC is zero: data hold such runs, and
                // no client sends that.
                if frame.iter().any(|byte| *byte != 1) && is_frame(frame) {
                    self.drop_front(have, start);
                    // Its zero stays in the input.
                    self.state = State::Cobs { have: have.saturating_sub(start) };
                    return Err(Error::Truncated);
                }
                // As in `listen`: a zero ends a console packet.
                self.console.restart(Line::Outside);
                1
            }
            end => end.unwrap_or(left.min(input.len())),
        };
        let have = self.store(input, have, count)?;
        if have < total {
            self.state = State::Raw { have, total };
            return Ok(Progress::More);
        }
        self.state = State::RawMessage { len: total };
        self.last = Kind::Raw;
        Ok(Progress::Message)
    }

    /// The zero that ends a COBS frame of `have` bytes is there: decodes it in place. Back to
    /// listening if it is none.
    fn unstuff(&mut self, have: usize) -> Result<Progress<'static>, Error> {
        // A console packet that has begun in it is broken by the zero.
        self.listen_again(Line::Outside);
        // Nothing else can be made of these bytes, so they may go.
        let len = decode(self.console.store.bytes.get_mut(..have).unwrap_or_default())?;
        self.state = State::CobsMessage { len };
        self.last = Kind::Cobs;
        Ok(Progress::Message)
    }

    /// Behind a raw message of `len` bytes. It may have been noise in front of a console packet, or
    /// may only look like one at its end.
    pub(super) fn leave_raw(&mut self, input: &[u8], len: usize) {
        let begins = match *input {
            // No line contains these bytes, but other frames begin with them.
            [0x00 | 0x01 | 0x02 | 0x06 | 0x08, ..] | [0x0A, 0x00, ..] => true,
            // Most requests begin with a line feed, and the zero behind it is not there yet: only a
            // packet that has got somewhere may be meant.
            [0x0A, ..] => !self.console.may_end_line(),
            _ => false,
        };
        let half = input.first() == Some(&0x09) && self.stored(len).last() == Some(&0x06);
        if half || self.console.is_open() && !begins {
            self.hand_over(len, Line::Outside);
        } else {
            self.listen_again(Line::Outside);
        }
    }
}
