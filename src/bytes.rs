//! Copies and cuts byte slices without a panic, and computes their fingerprints.

/// Copies `from` to the front of `to`, up to the shorter length. `copy_from_slice` panics if the
/// lengths differ, and the compiler cannot see that they never do when it optimises for size. This
/// loop becomes the same `memcpy`.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    // The shorter of the two ends the loop, so no length is compared.
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Returns the first `len` bytes, for callers that have counted them.
///
/// If there are fewer, a debug build stops and a release build continues with no bytes. Not for
/// lengths from the wire.
#[inline]
pub(crate) fn front(bytes: &[u8], len: usize) -> &[u8] {
    debug_assert!(len <= bytes.len(), "{len} of {} bytes", bytes.len());
    bytes.get(..len).unwrap_or_default()
}

/// Returns the bytes from `at` on, by the rule of [`front`].
#[inline]
pub(crate) fn after(bytes: &[u8], at: usize) -> &[u8] {
    debug_assert!(at <= bytes.len(), "from {at} of {} bytes", bytes.len());
    bytes.get(at..).unwrap_or_default()
}

/// Computes FNV-1a, which needs no table and one multiplication per byte. A CRC-32 without a table
/// takes 13 times as long on a Cortex-M3.
pub(crate) fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Returns `N` bytes of `bytes` at `offset`; `None` if `bytes` is too short.
#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}
