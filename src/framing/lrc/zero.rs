//! The search for zeros.

/// Returns the index of the first zero, or the length.
pub(super) fn zero_at(bytes: &[u8]) -> usize {
    // The search by words is worth its flash where there is plenty of that.
    #[cfg(not(target_os = "none"))]
    return crate::cobs::zero_at(bytes);
    #[cfg(target_os = "none")]
    bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())
}
