//! Moving bytes without a path to a panic.

/// Copies `from` to the front of `to`, as far as both go.
///
/// `copy_from_slice` panics if the lengths differ, and a compiler that saves space does not see
/// that they never do; this loop becomes the same `memcpy`.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The first `len` bytes, of which a caller knows that they are there: it has counted them itself.
///
/// Where that is wrong after all, a debug build stops, and a release build goes on with no bytes.
/// Not for lengths that anybody else names.
#[inline]
pub(crate) fn front(bytes: &[u8], len: usize) -> &[u8] {
    debug_assert!(len <= bytes.len(), "{len} of {} bytes", bytes.len());
    bytes.get(..len).unwrap_or_default()
}

/// The bytes from `at` on, in the same way as [`front`].
#[inline]
pub(crate) fn behind(bytes: &[u8], at: usize) -> &[u8] {
    debug_assert!(at <= bytes.len(), "from {at} of {} bytes", bytes.len());
    bytes.get(at..).unwrap_or_default()
}

/// `N` bytes of `bytes` at `offset`.
#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}
