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

/// `N` bytes of `bytes` at `offset`.
#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}
