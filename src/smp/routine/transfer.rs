//! The window of an upload: which requests are outstanding, and what an answer means for them.

use core::cmp::Ordering;

use heapless::Deque;

use super::upload::UploadOutcome;
use super::{Error, NOISE};
use crate::smp::client::{self, Client};
use crate::smp::image::{self, UploadResponse};
use crate::smp::{self, Header, Request, Version};

/// The most requests outstanding.
pub const MAX_WINDOW: usize = 8;

/// A request that is outstanding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) sequence: u8,
    pub(super) off: u64,
    pub(super) len: u16,
}

impl Flight {
    const fn end(&self) -> u64 {
        self.off.saturating_add(self.len as u64)
    }
}

/// The requests that are outstanding, and what the device has told. The outstanding pieces follow one another without
/// gaps, and the last one ends at `next`.
#[derive(Debug)]
pub(super) struct Transfer {
    limit: usize,
    window: usize,
    outstanding: Deque<Flight, MAX_WINDOW>,
    flow: Flow,
    /// The offset of the next new piece.
    next: u64,
    /// The offset that the device named last.
    confirmed: u64,
    /// Answers in a row that named the same offset.
    rounds: u8,
    /// Answers that named a lower offset.
    setbacks: u8,
    /// Time-outs in a row.
    silences: u8,
    /// Messages in a row that answered nothing.
    noise: u8,
    /// The version of the first request.
    asked: Option<Version>,
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    /// New pieces go out as the window allows. Out: `Repeat`, `Pause`.
    Open,
    /// The oldest piece is to go out again. Out: `Probing`.
    Repeat,
    /// It went out; nothing else does until it is answered. Out: `Open`, `Repeat`, `Pause`.
    Probing,
    /// The device is busy. Out: `Open`, after one time-out.
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

/// What is waited for when no piece is due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    /// The answer to the first piece.
    First,
    /// The answer to the last piece.
    Last,
    /// Any other answer, or nothing.
    Other,
}

impl Transfer {
    pub(super) const fn new(limit: usize, window: usize) -> Self {
        Self {
            limit,
            window,
            outstanding: Deque::new(),
            flow: Flow::Open,
            next: 0,
            confirmed: 0,
            rounds: 0,
            setbacks: 0,
            silences: 0,
            noise: 0,
            asked: None,
        }
    }

    /// The piece that is to be sent, or what to wait for.
    pub(super) fn due(&self, len: u64) -> Result<Due, Awaited> {
        let oldest = self.outstanding.front();
        let first = oldest.is_some_and(|flight| flight.off == 0);
        match (&self.flow, oldest) {
            (Flow::Repeat, Some(oldest)) => Ok(Due::Again(*oldest)),
            (Flow::Open, _) if self.outstanding.len() < self.window && self.next < len && !first => {
                Ok(Due::New(self.next))
            }
            _ if first => Err(Awaited::First),
            _ if self.outstanding.back().is_some_and(|flight| flight.end() >= len) => Err(Awaited::Last),
            _ => Err(Awaited::Other),
        }
    }

    /// Which of the outstanding requests this message answers.
    pub(super) fn index(&self, message: &[u8]) -> Option<usize> {
        let answered = |flight: &Flight| client::answers(&header(flight.sequence, Version::V2), message);
        self.outstanding.iter().position(answered)
    }

    pub(super) const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn sent(&mut self, flight: Flight, version: Version) {
        self.asked.get_or_insert(version);
        match self.flow {
            Flow::Repeat => self.flow = Flow::Probing,
            _ => {
                self.next = flight.end();
                // There is room: `next` said so.
                let _ = self.outstanding.push_back(flight);
            }
        }
    }

    /// Reads the answer to the request at `index`; returns the outcome if it was the last one.
    pub(super) fn answer(
        &mut self,
        index: usize,
        message: &[u8],
        client: &mut Client,
        len: u64,
        limit: u8,
    ) -> Result<Option<UploadOutcome>, Error> {
        (self.silences, self.noise, self.flow) = (0, 0, Flow::Open);
        let written = client.version();
        if client.take_version(written, self.asked.unwrap_or(written), message) {
            self.go_to(self.confirmed);
            return Ok(None);
        }
        let mut answered = None;
        for _ in 0..=index {
            answered = self.outstanding.pop_front();
        }
        let first = answered.filter(|flight| flight.off == 0);
        let response = client::payload(message).map_err(client::Error::from).and_then(image::Upload::response);
        let UploadResponse { off, matches } = match response {
            Ok(response) => response,
            Err(client::Error::Remote(error @ (smp::Error::BUSY | smp::Error::NO_MEMORY))) if first.is_none() => {
                self.rounds = self.rounds.saturating_add(1);
                if self.rounds >= limit {
                    return Err(Error::Remote(error));
                }
                self.go_to(self.confirmed);
                (self.window, self.flow) = (1, Flow::Pause);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if matches == Some(false) {
            return Err(Error::Mismatch);
        }
        match off.cmp(&len) {
            Ordering::Greater => return Err(Error::Offset),
            Ordering::Equal => {
                let already_present = first.is_some_and(|flight| flight.end() < len);
                return Ok(Some(UploadOutcome::Done { already_present, verified: matches == Some(true) }));
            }
            Ordering::Less => {}
        }
        match off.cmp(&self.confirmed) {
            Ordering::Greater => self.rounds = 0,
            Ordering::Equal => self.rounds = self.rounds.saturating_add(1),
            Ordering::Less => (self.rounds, self.setbacks) = (0, self.setbacks.saturating_add(1)),
        }
        self.confirmed = off;
        if self.rounds >= limit || self.setbacks >= limit {
            return Err(Error::NoProgress);
        }
        if self.outstanding.front().is_none_or(|flight| flight.off != off) {
            self.go_to(off);
        }
        Ok(None)
    }

    /// Gives up what is outstanding and goes on at `off`.
    fn go_to(&mut self, off: u64) {
        self.outstanding.clear();
        self.next = off;
    }

    pub(super) fn noise(&mut self, limit: u8) -> Result<(), Error> {
        self.noise = self.noise.saturating_add(1);
        if self.noise >= NOISE { self.timed_out(limit) } else { Ok(()) }
    }

    pub(super) fn timed_out(&mut self, limit: u8) -> Result<(), Error> {
        self.noise = 0;
        let Some(oldest) = self.outstanding.pop_front() else {
            self.flow = Flow::Open;
            return Ok(());
        };
        if self.silences >= limit {
            return Err(Error::TimedOut);
        }
        self.silences = self.silences.saturating_add(1);
        self.go_to(oldest.end());
        let _ = self.outstanding.push_front(oldest);
        self.flow = Flow::Repeat;
        Ok(())
    }
}

/// What the answer to an upload request is compared with, and the front of a repeat.
pub(super) const fn header(sequence: u8, version: Version) -> Header {
    Header {
        op: image::Upload::OP,
        version,
        length: 0,
        group: image::Upload::GROUP,
        sequence,
        command: image::Upload::COMMAND,
    }
}
