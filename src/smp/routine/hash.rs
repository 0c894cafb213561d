//! Hashes of files: the routines ask for the device's default one and compute the same, so that one exchange is enough.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::smp::client;
use crate::smp::fs::{HashOutput, HashResponse};

/// No table: 68 bytes of code instead of many times that.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The checksum that servers call `crc32`, of bytes that pass by.
#[derive(Clone)]
pub(super) struct Crc32(crc::Digest<'static, u32, NoTable>);

impl Crc32 {
    pub(super) fn new() -> Self {
        Self(CRC.digest())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether the device has the same; `None` if it answered with another kind, or none.
    pub(super) fn compare(self, len: u64, answer: Result<HashResponse<'_>, client::Error>) -> Option<bool> {
        let HashResponse { len: theirs, output: HashOutput::Number(output), .. } = known(answer, "crc32")? else {
            return Some(false);
        };
        Some(theirs == len && output == self.0.finalize().into())
    }
}

/// An answer of this kind.
fn known<'m>(answer: Result<HashResponse<'m>, client::Error>, kind: &str) -> Option<HashResponse<'m>> {
    answer.ok().filter(|answer| answer.kind == *kind)
}
