//! The transitions between the states of automatic framing.

use super::super::console::{Line, Store};
use super::super::head::MIN_MESSAGE;
use super::super::{Error, Progress};
use super::stuffed::{decode, is_frame};
use super::{Auto, Content, Kind, State};
use crate::bytes;
use crate::checksum::Crc16;

/// The kind of frame that the first bytes at a boundary may begin.
enum Guess {
    /// Undecided: more bytes are needed.
    Open,
    /// The first byte begins neither a raw message nor a COBS frame.
    Neither,
    /// Possibly a raw message of `total` bytes.
    Raw { total: usize },
    /// Possibly a COBS frame.
    Cobs,
}

/// Guesses from the first two to four bytes, with raw messages of up to `longest` bytes.
fn guess(front: &[u8], longest: usize) -> Guess {
    let total = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])).wrapping_add(MIN_MESSAGE);
    match *front {
        [0x01, 0x01] | [0x02, 0x02 | 0x08 | 0x0A] => Guess::Cobs,
        [0x00 | 0x02 | 0x08 | 0x0A, 0x00] if MIN_MESSAGE <= longest => Guess::Open,
        // A length that cannot fit is rejected at its first byte. Holding one more byte could split
        // a start marker.
        [_, 0x00, high] if total(high, 0) <= longest => Guess::Open,
        // Two empty COBS frames and the front of a third one. As a raw read request this would have
        // a payload of 257 or 514 to 522 bytes, which no raw client sends; a COBS client sends it
        // with every retry, and would never be received.
        [0x00, 0x00, 0x01, 0x01] | [0x00, 0x00, 0x02, 0x02 | 0x08 | 0x0A] => Guess::Neither,
        [_, 0x00, high, low] if total(high, low) <= longest => Guess::Raw { total: total(high, low) },
        _ => Guess::Neither,
    }
}

impl Auto<'_> {
    /// Returns true if a byte may begin a raw message or a COBS frame, and the buffer can hold one.
    const fn may_begin(&self, byte: u8) -> bool {
        match byte {
            0x01 | 0x02 => self.console.store.bytes.len() >= MIN_MESSAGE,
            0x00 | 0x08 | 0x0A => self.raw && self.console.store.bytes.len() >= MIN_MESSAGE,
            _ => false,
        }
    }

    /// Returns the first `have` bytes of the buffer.
    pub(super) fn stored(&self, have: usize) -> &[u8] {
        bytes::front(self.console.store.bytes, have)
    }

    /// Returns to listening, with the console decoder at this position in a line and nothing in the
    /// buffer.
    pub(super) fn listen_again(&mut self, line: Line) {
        self.state = State::Listening;
        self.console.store.content = Content::Packet;
        self.console.restart(line);
    }

    /// Returns to listening, because the first `have` wire bytes are not the frame that they might
    /// have been. A console packet that began in them continues: it is decoded in place, which
    /// works because the decoded bytes are always fewer than the wire bytes that they come from.
    ///
    /// If no packet began there, or it was damaged, the decoder is left at `line`.
    pub(super) fn hand_over(&mut self, have: usize, line: Line) {
        self.listen_again(line);
        let stored = self.stored(have);
        // Begins at the last start marker, since each begins a new packet, and a zero ends one.
        // Without a whole marker, half a marker at the end counts: its second byte may be next.
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

    /// Passes one byte to the console decoder. Text and errors are dropped: they are part of
    /// damage.
    fn feed(&mut self, byte: u8) {
        let byte = [byte];
        let mut input = &byte[..];
        while !matches!(self.console.push(&mut input), Ok(Progress::More)) {}
    }

    /// Handles input while listening: looks for the front of another frame at a boundary of the
    /// console decoder, else passes everything to it.
    pub(super) fn listen<'i>(&mut self, input: &mut &'i [u8], first: u8) -> Result<Progress<'i>, Error> {
        let idle = self.console.is_idle();
        let mut len = input.len();
        if idle {
            if self.may_begin(first) {
                // The last message ends here, because this byte overwrites it.
                self.console.restart(Line::Outside);
                self.state = State::Head { have: 1 };
                if let Some(place) = self.console.store.bytes.first_mut() {
                    *place = first;
                }
                *input = bytes::after(input, 1);
                return Ok(Progress::More);
            }
            if first == 0 {
                // An empty COBS frame: neither text nor an error.
                *input = bytes::after(input, 1);
                return Ok(Progress::More);
            }
            len = input.iter().position(|byte| *byte == 0 || self.may_begin(*byte)).unwrap_or(len);
        } else {
            if first == 0 {
                // No console line contains a zero, but all frames of COBS and raw clients do:
                // without this exit, noise that looks like a start marker would lock them out. The
                // zero stays in the input, because it may begin a raw message.
                let open = self.console.is_open();
                self.console.restart(Line::Outside);
                return if open { Err(Error::Malformed) } else { Ok(Progress::More) };
            }
            // Passes bytes only up to the next place where the decoder may be at a boundary again.
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

    /// Handles one more byte at the front of a COBS or raw candidate. `Some` is text that was held.
    pub(super) fn head(&mut self, input: &mut &[u8], have: usize, first: u8) -> Option<&'static [u8]> {
        if let Some(place) = self.console.store.bytes.get_mut(have) {
            *place = first;
        }
        let now = have.wrapping_add(1);
        // A limit of 0 excludes raw messages: none is that short.
        let longest = if self.raw { self.console.store.capacity() } else { 0 };
        self.state = match guess(self.stored(now), longest) {
            Guess::Neither => return self.release(have),
            Guess::Open => State::Head { have: now },
            Guess::Cobs => State::Cobs { have: now },
            Guess::Raw { total } => State::Raw { have: now, total },
        };
        *input = bytes::after(input, 1);
        if !matches!(self.state, State::Head { .. }) {
            self.console.store.content = Content::Wire { announced: [0; 2], crc: Crc16::new() };
            // After zeros or noise, the length may contain the first byte of a start marker, so the
            // console decoder must see these bytes too.
            for at in 0..now {
                self.feed(self.stored(now).get(at).copied().unwrap_or_default());
            }
        }
        None
    }

    /// Releases the first of `have` held bytes, which begins no frame. Returns it if it is text.
    /// Zeros are empty COBS frames, not text; a byte that followed a zero is noise, unless it
    /// begins a marker.
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

    /// Drops the first `count` of `have` bytes in the buffer, and moves the rest to the front.
    fn drop_front(&mut self, have: usize, count: usize) {
        // `copy_within` panics if the bounds are wrong, which the compiler cannot exclude when it
        // optimises for size.
        for at in count..have {
            let byte = self.stored(have).get(at).copied().unwrap_or_default();
            if let Some(place) = self.console.store.bytes.get_mut(at.wrapping_sub(count)) {
                *place = byte;
            }
        }
    }

    /// Stores the first `count` bytes of the input, which must fit, after the `have` in the buffer,
    /// and passes them to the console decoder. Returns the number in the buffer.
    ///
    /// A console packet that they complete wins: its line feed stays in the input, and completes
    /// the packet again after the error.
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
                // Text and damage here are part of a candidate that is still undecided.
                Ok(Progress::Text(_)) | Err(_) => {}
            }
        }
        *input = bytes::after(input, run.len());
        Ok(have.wrapping_add(run.len()))
    }

    pub(super) fn cobs(&mut self, input: &mut &[u8], have: usize) -> Result<Progress<'static>, Error> {
        let room = self.console.store.capacity().saturating_sub(have);
        match input.iter().take(room.saturating_add(1)).position(|byte| *byte == 0) {
            Some(0) => {
                *input = bytes::after(input, 1);
                return self.unstuff(have);
            }
            None if room == 0 => {
                // The rest of the frame is not text: it is skipped to a line feed or a zero.
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

    pub(super) fn raw(&mut self, input: &mut &[u8], have: usize, total: usize) -> Result<Progress<'static>, Error> {
        let left = total.saturating_sub(have);
        let count = match input.iter().take(left).position(|byte| *byte == 0) {
            Some(0) => {
                // Noise that looks like a raw header must not swallow COBS frames up to its length.
                let start =
                    self.stored(have).iter().rposition(|byte| *byte == 0).map_or(0, |zero| zero.wrapping_add(1));
                let frame = self.stored(have).get(start..).unwrap_or_default();
                // A run of ones decodes to zeros, whose CRC is zero. Uploaded data contain such
                // runs, and no client sends them as a frame.
                if frame.iter().any(|byte| *byte != 1) && is_frame(frame) {
                    self.drop_front(have, start);
                    // The zero stays in the input, and ends the frame in `cobs`.
                    self.state = State::Cobs { have: have.saturating_sub(start) };
                    return Err(Error::Truncated);
                }
                // As in `listen`, a zero ends a console packet.
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

    /// Decodes a COBS frame of `have` bytes in place, whose zero has arrived. Returns to listening
    /// if it is damaged.
    fn unstuff(&mut self, have: usize) -> Result<Progress<'static>, Error> {
        // The zero also breaks a console packet that has begun in the frame.
        self.listen_again(Line::Outside);
        // Nothing else can use these bytes, so decoding may overwrite them.
        let len = decode(self.console.store.bytes.get_mut(..have).unwrap_or_default())?;
        self.state = State::CobsMessage { len };
        self.last = Kind::Cobs;
        Ok(Progress::Message)
    }

    /// Leaves a raw message of `len` bytes. It may have been noise in front of a console packet, or
    /// its end may only look like one.
    pub(super) fn leave_raw(&mut self, input: &mut &[u8], len: usize) {
        let (begins, ends_line) = match input.first() {
            // No console line contains these bytes, but other frames begin with them.
            Some(0x00 | 0x01 | 0x02 | 0x06 | 0x08) => (true, false),
            // Most requests begin with a line feed too.
            Some(0x0A) => (!self.console.may_end_line(), self.console.may_end_line()),
            _ => (false, false),
        };
        let half = input.first() == Some(&0x09) && self.stored(len).last() == Some(&0x06);
        if ends_line && !self.console.may_complete() {
            // The next byte decides. It may not have arrived yet, so nothing else may depend on it.
            *input = bytes::after(input, 1);
            self.state = State::RawLine { len };
        } else if half || self.console.is_open() && !begins {
            self.hand_over(len, Line::Outside);
        } else {
            self.listen_again(Line::Outside);
        }
    }

    /// Leaves a raw message of `len` bytes and the line feed after it. A zero comes next, or
    /// another byte or silence.
    pub(super) fn leave_line(&mut self, len: usize, zero: bool) -> Result<Progress<'static>, Error> {
        if zero {
            // No console line contains a zero: the line feed begins a request.
            self.listen_again(Line::Outside);
        } else {
            self.hand_over(len, Line::Outside);
        }
        self.listen(&mut &b"\n"[..], b'\n')
    }
}
