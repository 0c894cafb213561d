//! A chunk of an upload, as a client sends it.

use crate::shown::shown;

/// A chunk of an upload, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Chunk<'c> {
    /// The number of the image pair; used in the first chunk.
    pub image: u64,
    /// The length of the whole file in bytes; used in the first chunk.
    pub len: Option<u64>,
    /// The offset of the data in the file. The chunk at offset 0 is the first one.
    pub off: u64,
    /// The bytes from `off` on.
    pub data: &'c [u8],
    /// SHA-256 of the whole file, or any other key of up to 32 bytes; used in the first chunk.
    pub sha: Option<&'c [u8]>,
    /// True to refuse an image that is not newer than the running one; used in the first chunk.
    pub upgrade: bool,
}

shown!(
    Chunk<'_>,
    |chunk| "Chunk({} bytes at {} of {:?} for image {}, {:?} bytes of sha, upgrade: {})",
    chunk.data.len(),
    chunk.off,
    chunk.len,
    chunk.image,
    chunk.sha.map(<[u8]>::len),
    chunk.upgrade
);
