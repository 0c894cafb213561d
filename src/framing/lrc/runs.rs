//! Runs of bytes without a zero.
//!
//! Searching by words pays only where flash is plentiful.

use crate::checksum::Sum;
#[cfg(not(target_os = "none"))]
use crate::{bytes, cobs};

/// Returns the index of the first zero, or the length.
pub(super) fn zero_at(bytes: &[u8]) -> usize {
    #[cfg(not(target_os = "none"))]
    return cobs::zero_at(bytes);
    #[cfg(target_os = "none")]
    bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())
}

/// True if [`carry`] sums the bytes that it copies. A host sums a frame at once instead, since many
/// short sums take twice the instructions of one. Its tests run the form of firmware too.
pub(super) const IS_SUMMED: bool = cfg!(target_os = "none");

/// Copies `from` to the front of `to` up to the first zero or the shorter length, and adds it to
/// `sum` if runs are summed; returns the number of bytes.
pub(super) fn carry<const SUMS: bool>(from: &[u8], to: &mut [u8], sum: &mut Sum) -> usize {
    #[cfg(not(target_os = "none"))]
    if !SUMS {
        // Nearly always the case.
        if to.get_mut(..from.len()).is_some_and(|to| cobs::copy_clear(from, to)) {
            return from.len();
        }
        return cobs::copy_to_zero(from, to);
    }
    // One loop does all of this: each byte is loaded once, and both directions share the loop.
    let (mut total, mut count) = (*sum, 0_usize);
    for (place, byte) in to.iter_mut().zip(from) {
        if *byte == 0 {
            break;
        }
        *place = *byte;
        total.update(&[*byte]);
        count = count.wrapping_add(1);
    }
    *sum = total;
    count
}

/// Does the same as `carry` for bytes that are known to have no zero.
pub(super) fn carry_clear<const SUMS: bool>(from: &[u8], to: &mut [u8], sum: &mut Sum) -> usize {
    #[cfg(not(target_os = "none"))]
    if !SUMS {
        bytes::copy(from, to);
        return from.len().min(to.len());
    }
    carry::<SUMS>(from, to, sum)
}

#[cfg(test)]
mod tests {
    use super::{Sum, carry};

    #[test]
    fn both_forms_stop_at_a_zero_and_at_the_end_of_either_slice() {
        for (len, zero, room) in (0..40).flat_map(|at| (0..1600).map(move |rest| (at, rest / 40, rest % 40))) {
            let mut from = core::array::from_fn::<u8, 40, _>(|at| 0xFF - u8::try_from(at).unwrap());
            from[zero] = 0;
            let (from, count) = (&from[..len], len.min(zero).min(room));
            let (mut one, mut other, mut sum, mut expected) = ([0xEE; 40], [0xEE; 40], Sum::new(), Sum::new());
            assert_eq!(carry::<false>(from, &mut one[..room], &mut Sum::new()), count);
            assert_eq!(carry::<true>(from, &mut other[..room], &mut sum), count);
            assert_eq!((&one[..count], &other[..count]), (&from[..count], &from[..count]));
            expected.update(&from[..count]);
            assert_eq!(sum.value(), expected.value(), "{len} bytes, a zero at {zero}, {room} bytes of room");
        }
    }
}
