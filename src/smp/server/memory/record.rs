//! The writes of one peer and the response to the newest one, in the caller's bytes, and their
//! lifetime.

use core::num::NonZeroU16;
use core::time::Duration;

use super::Known;
use crate::bytes::copy;
use crate::smp::Header;
use crate::time::Span;

/// The time for which a write is remembered at least.
pub(super) const TIME: Duration = Duration::from_secs(10);
/// The same in units of [`UNIT`], with one more, which may have begun already.
const UNITS: u8 = 154;
const _: () = assert!(TIME.as_micros() < UNIT as u128 * 153);
/// The number of further requests of its peer for which a write is remembered.
pub(super) const REQUESTS: u8 = 128;
/// The number of writes of a peer that are remembered, a power of two, so that a mask wraps its
/// index.
pub(super) const WRITES: usize = 8;
const LAST: u8 = 7;

/// The length of a stored write in bytes: fingerprint 4, time left 1, requests left 1. The entry
/// is free when no time or no request is left.
pub(super) const WRITE: usize = 6;
/// The length of all writes of a peer in bytes. The response to the newest one comes after them.
pub(super) const ALL: usize = WRITES * WRITE;

/// The memory of one peer.
pub(super) struct Record<'m> {
    pub(super) memory: &'m mut [u8],
    /// The length of the response to the newest write, if it is stored.
    // No response is empty, so it is as short as a number: 4 to 12 bytes of flash, no RAM.
    pub(super) len: Option<NonZeroU16>,
    /// The index of the newest write. The next one replaces the oldest.
    pub(super) place: u8,
}

/// The writes of a peer that a search has found, one bit each.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Those that are stored.
    stored: u8,
    /// Those with the fingerprint that was looked for.
    same: u8,
}

impl Found {
    pub(super) const fn is_nothing(self) -> bool {
        self.stored == 0
    }
}

impl<'m> Record<'m> {
    /// Takes `units` off the lifetime of each write. If a request of this peer has come, takes one
    /// off the number of requests for which each is stored, and looks for those with its
    /// fingerprint among those that were stored until then.
    ///
    /// All in one loop, and time only when a request comes: two loops take 64 bytes more.
    // Inlined, it takes 100 bytes more in firmware; on a host an exchange takes 13 instructions
    // less with this one and `push` inlined.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn find(&mut self, units: u32, is_own: bool, fingerprint: Option<u32>) -> Found {
        let mut found = Found { stored: 0, same: 0 };
        let Some(writes) = self.memory.first_chunk_mut::<ALL>() else { return found };
        let mut bit = 1;
        for write in writes.chunks_exact_mut(WRITE) {
            let Some((stored, [time, left])) = write.split_first_chunk_mut() else { continue };
            [*time, ..] = u32::from(*time).saturating_sub(units).to_le_bytes();
            if *time > 0 && *left > 0 {
                found.stored |= bit;
                if is_own {
                    *left = left.wrapping_sub(1);
                    if Some(u32::from_le_bytes(*stored)) == fingerprint {
                        found.same |= bit;
                    }
                }
            }
            bit <<= 1;
        }
        found
    }

    /// Converts what was found of `request` to the result of a [`Memory`](super::Memory).
    pub(super) fn known(self, found: Found, request: &[u8]) -> Known<'m> {
        if found.same == 0 {
            return Known::Nothing;
        }
        // Of two writes that share a fingerprint, the older one counts: neither runs again.
        let is_newest = found.same == 1u8.wrapping_shl(self.place.into());
        let (Some(len), true) = (self.len, is_newest) else { return Known::Executed };
        // Different requests may share a fingerprint. The header of the stored response names
        // group, sequence number and command: if those differ, this is no repeat.
        match self.memory.get(ALL..ALL.saturating_add(len.get().into())) {
            Some(response) if names(response) == names(request) => Known::Response(response),
            _ => Known::Nothing,
        }
    }

    pub(super) fn again(&mut self) -> Record<'_> {
        Record { memory: self.memory, len: self.len, place: self.place }
    }

    pub(super) fn forget(&mut self) {
        self.memory.fill(0);
    }

    /// Stores a write in place of the oldest.
    pub(super) fn push(&mut self, fingerprint: u32, response: &[u8]) {
        self.place = self.place.wrapping_add(1) & LAST;
        self.len = None;
        let place = usize::from(self.place);
        let Some((writes, room)) = self.memory.split_first_chunk_mut::<ALL>() else { return };
        let [f0, f1, f2, f3] = fingerprint.to_le_bytes();
        if let Some(oldest) = writes.get_mut(place * WRITE..).and_then(<[u8]>::first_chunk_mut) {
            *oldest = [f0, f1, f2, f3, UNITS, REQUESTS];
        }
        // A response that does not fit is not stored in part: its repeat gets rc 10.
        if let (Some(room), Ok(len)) = (room.get_mut(..response.len()), u16::try_from(response.len())) {
            copy(response, room);
            self.len = NonZeroU16::new(len);
        }
    }
}

/// Returns group, sequence number and command of a message, as they are in its header.
fn names(message: &[u8]) -> Option<&[u8; 4]> {
    message.get(Header::LEN - 4..)?.first_chunk()
}

/// A unit of time, in microseconds: a power of two, since a Cortex-M0 cannot divide.
const UNIT: u32 = 1 << 16;

/// Counts time, in microseconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock(u32);

impl Clock {
    pub(super) fn pass(&mut self, elapsed: Span) {
        self.0 = self.0.saturating_add(elapsed.as_micros());
    }

    /// Returns the number of units that have ended since the last call.
    pub(super) const fn ended(&mut self) -> u32 {
        let units = self.0 / UNIT;
        self.0 %= UNIT;
        units
    }
}
