//! The digest of a curve.

/// The MD5 of all bytes of a curve; 16 zeros if nobody has calculated it since the last write.
pub type Digest = [u8; 16];

/// The digest of a curve whose checksum is not known.
pub(in crate::bsmp) const UNKNOWN: Digest = [0; 16];
