//! The digest of a curve.

/// The MD5 of all bytes of a curve; 16 zeros if it has not been calculated since the last write.
pub type Digest = [u8; 16];

/// The digest of a curve whose checksum is unknown.
pub(in crate::bsmp) const UNKNOWN: Digest = [0; 16];
