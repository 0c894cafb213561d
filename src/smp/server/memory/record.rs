//! The writes of one peer and the response to the newest one, in the caller's bytes, and their
//! lifetime.

use core::time::Duration;

use super::Known;
use crate::bytes::copy;
use crate::smp::Header;
use crate::time::Span;

/// The time for which a write is remembered at least, in seconds.
pub(super) const SECONDS: u8 = 10;
/// The number of further requests of its peer for which a write is remembered.
pub(super) const REQUESTS: u8 = 128;
/// The number of writes of a peer that are remembered, a power of two, so that a mask wraps its
/// index.
pub(super) const WRITES: usize = 8;
pub(super) const LAST: u8 = 7;

/// The length of a stored write in bytes: fingerprint 4, seconds left 1, requests left 1. The entry
/// is free when no request is left.
pub(super) const WRITE: usize = 6;
/// The length of all writes of a peer in bytes. The response to the newest one comes after them.
pub(super) const ALL: usize = WRITES * WRITE;

/// The memory of one peer.
pub(super) struct Record<'m> {
    pub(super) memory: &'m mut [u8],
    /// The length of the response to the newest write; 0 if it is not stored, since no response is
    /// empty.
    pub(super) len: u16,
    /// The index of the newest write. The next one replaces the oldest.
    pub(super) place: u8,
}

/// The place at which an earlier request was found.
#[derive(Clone, Copy)]
pub(super) enum Found {
    Nowhere,
    /// The newest write.
    Newest,
    Older,
}

impl<'m> Record<'m> {
    /// Counts a request, and looks for an earlier one with the same fingerprint.
    #[inline(never)] // Inlined, it takes 100 bytes more.
    pub(super) fn find(&mut self, request: &[u8], fingerprint: Option<u32>) -> Found {
        let Some((writes, room)) = self.memory.split_first_chunk_mut::<ALL>() else { return Found::Nowhere };
        // Different requests may share a fingerprint. The header of the stored response names
        // group, sequence number and command: if those differ, the request is not a repeat of the
        // newest write.
        let other = self.len > 0 && what(room) != what(request);
        let (mut found, mut place) = (Found::Nowhere, 0_u8);
        for write in writes.chunks_exact_mut(WRITE) {
            let [f0, f1, f2, f3, _, requests] = write else { continue };
            if *requests > 0 {
                *requests = requests.wrapping_sub(1);
                if Some(u32::from_le_bytes([*f0, *f1, *f2, *f3])) == fingerprint {
                    if place != self.place {
                        found = Found::Older;
                    } else if !other {
                        found = Found::Newest;
                    }
                }
            }
            place = place.wrapping_add(1);
        }
        found
    }

    /// Converts the place at which a request was found to the result of a
    /// [`Memory`](super::Memory).
    pub(super) fn known(self, found: Found) -> Known<'m> {
        match (found, self.memory.get(ALL..ALL.saturating_add(self.len.into()))) {
            (Found::Nowhere, _) => Known::Nothing,
            (Found::Newest, Some(response)) if self.len > 0 => Known::Response(response),
            (Found::Newest | Found::Older, _) => Known::Executed,
        }
    }

    /// Reborrows this record.
    pub(super) fn again(&mut self) -> Record<'_> {
        Record { memory: self.memory, len: self.len, place: self.place }
    }

    /// Stores a write in place of the oldest.
    #[inline(never)]
    pub(super) fn push(&mut self, fingerprint: u32, seconds: u8, response: &[u8]) {
        self.place = self.place.wrapping_add(1) & LAST;
        self.len = 0;
        let place = usize::from(self.place);
        let Some((writes, room)) = self.memory.split_first_chunk_mut::<ALL>() else { return };
        let [f0, f1, f2, f3] = fingerprint.to_le_bytes();
        if let Some(oldest) = writes.get_mut(place * WRITE..).and_then(<[u8]>::first_chunk_mut) {
            *oldest = [f0, f1, f2, f3, seconds, REQUESTS];
        }
        if let (Some(room), Ok(len)) = (room.get_mut(..response.len()), u16::try_from(response.len())) {
            copy(response, room);
            self.len = len;
        }
    }

    /// Takes `passed` seconds off the lifetime of each write; returns `true` if any was still
    /// stored.
    #[inline(never)] // One copy: called for each tick, and to forget everything.
    pub(super) fn pass(&mut self, passed: u8) -> bool {
        let mut live = false;
        let Some(writes) = self.memory.first_chunk_mut::<ALL>() else { return live };
        for write in writes.chunks_exact_mut(WRITE) {
            let [.., seconds, requests] = write else { continue };
            live |= *requests > 0;
            *seconds = seconds.saturating_sub(passed);
            if *seconds == 0 {
                *requests = 0;
            }
        }
        live
    }
}

/// Returns group, sequence number and command of a message, as they are in its header.
pub(super) fn what(message: &[u8]) -> Option<&[u8; 4]> {
    message.split_first_chunk::<{ Header::LEN - 4 }>().and_then(|(_, rest)| rest.first_chunk())
}

/// Counts seconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    /// The part of the second that has begun.
    begun: Span,
    /// Nanoseconds that do not make up a whole microsecond yet.
    nanos: u16,
}

impl Clock {
    /// Converts a time to microseconds; keeps the remainder for the next call.
    pub(super) const fn lap(&mut self, elapsed: Duration) -> Span {
        Span::lap(elapsed, &mut self.nanos)
    }

    /// Returns the number of seconds that have ended with this tick, at most 255.
    pub(super) fn pass(&mut self, elapsed: Span) -> u8 {
        const SECOND: Span = Span::floor(Duration::from_secs(1));
        self.begun = self.begun.saturating_add(elapsed);
        let mut passed = 0_u8;
        // At most 4,294 rounds, after 71 minutes: a division would take more flash.
        while self.begun >= SECOND {
            self.begun = self.begun.saturating_sub(SECOND);
            passed = passed.saturating_add(1);
        }
        passed
    }

    /// Returns the lifetime of a write that is stored now, in seconds: one more if a second has
    /// begun, since a write must not be forgotten early.
    pub(super) fn lifetime(self) -> u8 {
        SECONDS + u8::from(!self.begun.is_zero() || self.nanos > 0)
    }
}
