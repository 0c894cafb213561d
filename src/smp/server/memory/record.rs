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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No write is stored at all.
    Empty,
    Nowhere,
    /// The newest write.
    Newest,
    Older,
}

impl<'m> Record<'m> {
    /// Takes `seconds` off the lifetime of each write, and `requests` off the number of requests
    /// for which it is stored; looks for one with this fingerprint among those that were stored
    /// until then.
    ///
    /// All in one loop, and time only when a request comes: two loops take 64 bytes more.
    #[inline(never)] // Inlined, it takes 100 bytes more.
    pub(super) fn find(&mut self, seconds: u8, requests: u8, fingerprint: Option<u32>) -> Found {
        let mut found = Found::Empty;
        let Some(writes) = self.memory.first_chunk_mut::<ALL>() else { return found };
        for (place, write) in (0_u8..).zip(writes.chunks_exact_mut(WRITE)) {
            let Some((stored, [time, left])) = write.split_first_chunk_mut() else { continue };
            *time = time.saturating_sub(seconds);
            if *time == 0 {
                *left = 0;
            }
            if *left > 0 {
                *left = left.wrapping_sub(requests);
                if Some(u32::from_le_bytes(*stored)) == fingerprint {
                    // Of two writes that share it, the older one counts: neither runs again.
                    let is_older = place != self.place || found == Found::Older;
                    found = if is_older { Found::Older } else { Found::Newest };
                } else if found == Found::Empty {
                    found = Found::Nowhere;
                }
            }
        }
        found
    }

    /// Converts the place at which `request` was found to the result of a
    /// [`Memory`](super::Memory).
    pub(super) fn known(self, found: Found, request: &[u8]) -> Known<'m> {
        match (found, self.memory.get(ALL..ALL.saturating_add(self.len.into()))) {
            (Found::Empty | Found::Nowhere, _) => Known::Nothing,
            (Found::Newest, Some(response)) if self.len > 0 => {
                // Different requests may share a fingerprint. The header of the stored response
                // names group, sequence number and command: if those differ, this is no repeat.
                if names(response) == names(request) { Known::Response(response) } else { Known::Nothing }
            }
            (Found::Newest | Found::Older, _) => Known::Executed,
        }
    }

    /// Reborrows this record.
    pub(super) fn again(&mut self) -> Record<'_> {
        Record { memory: self.memory, len: self.len, place: self.place }
    }

    /// Makes every entry free.
    pub(super) fn forget(&mut self) {
        self.memory.fill(0);
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
}

/// Returns group, sequence number and command of a message, as they are in its header.
fn names(message: &[u8]) -> Option<&[u8; 4]> {
    message.get(Header::LEN - 4..)?.first_chunk()
}

/// Counts seconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    /// The time that has not been taken off the lifetime of writes yet.
    passed: Span,
    /// Nanoseconds that do not make up a whole microsecond yet.
    nanos: u16,
}

impl Clock {
    /// Converts a time to microseconds; keeps the remainder for the next call.
    pub(super) const fn lap(&mut self, elapsed: Duration) -> Span {
        Span::lap(elapsed, &mut self.nanos)
    }

    /// Adds time.
    pub(super) fn pass(&mut self, elapsed: Span) {
        self.passed = self.passed.saturating_add(elapsed);
    }

    /// Returns the number of seconds that have ended since the last call, at most 255.
    pub(super) fn ended(&mut self) -> u8 {
        const SECOND: Span = Span::floor(Duration::from_secs(1));
        let mut ended = 0_u8;
        // At most 4,294 times, after 71 minutes: a division takes more flash.
        while self.passed >= SECOND {
            self.passed = self.passed.saturating_sub(SECOND);
            ended = ended.saturating_add(1);
        }
        ended
    }

    /// Returns the lifetime of a write that is stored now, in seconds: one more if a second has
    /// begun, since a write must not be forgotten early. [`ended`](Self::ended) was called before.
    pub(super) fn lifetime(self) -> u8 {
        SECONDS + u8::from(!self.passed.is_zero() || self.nanos > 0)
    }
}
