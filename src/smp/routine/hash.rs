//! Hashes of files: the routines ask for the device's default hash and compute the same, so that
//! one exchange is enough.

use core::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use super::{Call, Error};
use crate::routine::Step;
use crate::smp::client::{self, Client};
use crate::smp::fs::{Hash, HashOutput, HashResponse};
use crate::source::{Source, SourceFailed};

/// Computed without a table, in 68 bytes of code: a table would take many times that.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The checksum that servers call `crc32`, of the bytes of a transfer.
#[derive(Clone)]
pub(super) struct Crc32(crc::Digest<'static, u32, NoTable>);

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(CRC.digest())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns true if the device has the same checksum; `None` if its response has another kind of
    /// hash, or there is no response.
    pub(super) fn compare(self, len: u64, answer: Result<HashResponse<'_>, client::Error>) -> Option<bool> {
        let HashResponse { len: theirs, output: HashOutput::Number(output), .. } = known(answer, "crc32")? else {
            return Some(false);
        };
        Some(theirs == len && output == self.0.finalize().into())
    }
}

fn known<'m>(answer: Result<HashResponse<'m>, client::Error>, kind: &str) -> Option<HashResponse<'m>> {
    answer.ok().filter(|answer| answer.kind == *kind)
}

/// Asks for the hash while the last pieces are in flight, once; the caller has seen that the window
/// has room for it.
pub(super) fn ask_early(
    early: &mut Option<Call<Hash<'static>>>,
    request: &Hash<'_>,
    timeout: Duration,
    client: &mut Client,
    tx: &mut [u8],
) -> Option<Step> {
    let call = early.as_mut().filter(|call| call.is_new())?;
    let step = call.poll(client, request, timeout, tx).ok();
    if step.is_none() {
        *early = None; // It does not fit `tx`.
    }
    step
}

/// Returns true if the device's hash is that of the first `len` bytes of the source, which are read
/// once; `None` if its response has none of the hashes that we can compute.
pub(super) fn compare<S: Source>(
    source: &mut S,
    len: u64,
    answer: Result<HashResponse<'_>, client::Error>,
) -> Result<Option<bool>, Error> {
    #[cfg(feature = "sha2")]
    if let Some(HashResponse { len: theirs, output, .. }) = known(answer, "sha256") {
        let ours = sha256(source, len)?;
        let same = matches!(output, HashOutput::Bytes(output) if output == ours[..]);
        return Ok(Some(theirs == len && same));
    }
    if known(answer, "crc32").is_none() {
        return Ok(None);
    }
    let mut crc = Crc32::new();
    read(source, len, |bytes| crc.update(bytes))?;
    Ok(crc.compare(len, answer))
}

/// Computes the SHA-256 of the first `len` bytes of a source: for
/// [`Upload::with_sha`](super::Upload::with_sha).
///
/// # Errors
///
/// [`SourceFailed`] if they cannot be read.
#[cfg(feature = "sha2")]
pub fn sha256<S: Source>(source: &mut S, len: u64) -> Result<[u8; 32], SourceFailed> {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    read(source, len, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().into())
}

/// Feeds the first `len` bytes of the source to `each`.
pub(super) fn read<S: Source>(source: &mut S, len: u64, mut each: impl FnMut(&[u8])) -> Result<(), SourceFailed> {
    let mut block = [0; 128];
    let mut off = 0;
    while off < len {
        let left = usize::try_from(len.saturating_sub(off)).unwrap_or(usize::MAX);
        let block = block.get_mut(..left.min(128)).unwrap_or_default();
        source.read(off, block)?;
        each(block);
        off = off.saturating_add(block.len() as u64);
    }
    Ok(())
}
