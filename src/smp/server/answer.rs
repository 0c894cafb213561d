//! The buffer of a response: room for the header in front of the payload, and the `rc: 0` of old
//! servers.

use crate::cbor::{BufferFull, Writer};
use crate::smp::Header;

/// The buffer of a response: the payload is written after room for the header, which is written
/// last.
pub(super) struct AnswerBuffer<'t> {
    pub(super) writer: Writer<'t>,
    /// `true` if the payload begins with room for the entry `rc: 0`.
    has_gap: bool,
}

impl<'t> AnswerBuffer<'t> {
    /// A buffer in `tx`, of which at most as much is used as the length in a header can express.
    /// Without room for a header there is no room at all.
    pub(super) fn new(tx: &'t mut [u8]) -> Self {
        let room = tx.len().min(Header::LEN + usize::from(u16::MAX));
        let tx = tx.get_mut(..room).filter(|tx| tx.len() >= Header::LEN).unwrap_or_default();
        let mut buffer = Self { writer: Writer::new(tx), has_gap: false };
        buffer.restart();
        buffer
    }

    /// Leaves room for `rc: 0`: see [`fill_gap`](Self::fill_gap). An error, which has its own code,
    /// drops it.
    pub(super) fn leave_gap(&mut self) {
        self.has_gap = self.writer.raw(b"\x00\x62rc").is_ok();
    }

    /// Puts `rc: 0` in front of the keys of the map that was written. The gap holds the key
    /// already: the head of the map moves to its front, and the byte that the head leaves becomes
    /// the zero.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] for a map of 23 keys or more, whose head would grow, and for a payload that
    /// is not a map. No command of old clients has such a response.
    pub(super) fn fill_gap(&mut self) -> Result<(), BufferFull> {
        if !self.has_gap {
            return Ok(());
        }
        match self.writer.written_mut().get_mut(Header::LEN..) {
            Some([front, _, _, _, head @ (0xA0..=0xB6 | 0xBF), ..]) => {
                // A map that ends with a break has no number of keys.
                *front = head.wrapping_add(u8::from(*head != 0xBF));
                *head = 0;
            }
            _ => return Err(BufferFull),
        }
        Ok(())
    }

    /// Drops the payload and the gap.
    pub(super) fn restart(&mut self) {
        self.writer.clear();
        // This fails only in an empty buffer, where every later write fails as well.
        let _ = self.writer.reserve(Header::LEN);
        self.has_gap = false;
    }

    /// Writes a whole response with its header, in place of everything written so far.
    pub(super) fn replace(&mut self, answer: &[u8]) -> Result<(), BufferFull> {
        self.writer.clear();
        self.writer.raw(answer)
    }

    /// Writes the header in front of the payload; returns the length of both.
    pub(super) fn complete(&mut self, request: &Header) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "`new` has no room for more")]
        let length = self.writer.len().wrapping_sub(Header::LEN) as u16;
        if let Some(header) = self.writer.written_mut().first_chunk_mut() {
            *header = Header { length, ..request.response() }.emit();
        }
        self.writer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smp::{Group, Op, Version};
    use std::vec::Vec;

    fn answer(room: usize, legacy: bool, payload: &[u8]) -> Result<Vec<u8>, BufferFull> {
        let request =
            Header { op: Op::Read, version: Version::V1, length: 0, group: Group::OS, sequence: 7, command: 0 };
        let mut tx = std::vec![0xEE; room];
        let mut buffer = AnswerBuffer::new(&mut tx);
        if legacy {
            buffer.leave_gap();
        }
        buffer.writer.raw(payload)?;
        buffer.fill_gap()?;
        let len = buffer.complete(&request);
        let (header, payload) = tx[..len].split_at(Header::LEN);
        assert_eq!(usize::from(Header::parse(header).unwrap().0.length), payload.len());
        Ok(payload.to_vec())
    }

    #[test]
    fn rc_comes_first_in_a_map_and_nowhere_else() {
        let map = |keys: u8, head: &[u8], end: &[u8]| {
            let entries = (0..keys).flat_map(|key| [0x61, b'a' + key, key.min(23)]);
            [head, &entries.collect::<Vec<_>>(), end].concat()
        };
        let with_rc = |map: &[u8], head: u8| [&[head], &b"\x62rc\x00"[..], &map[1..]].concat();
        for (payload, expected) in [
            (map(0, &[0xA0], &[]), Ok(with_rc(&[0xA0], 0xA1))),
            (map(2, &[0xA2], &[]), Ok(with_rc(&map(2, &[0xA2], &[]), 0xA3))),
            (map(22, &[0xB6], &[]), Ok(with_rc(&map(22, &[0xB6], &[]), 0xB7))),
            (map(2, &[0xBF], &[0xFF]), Ok(with_rc(&map(2, &[0xBF], &[0xFF]), 0xBF))),
            // A map whose head would grow, and payloads that are no map.
            (map(23, &[0xB7], &[]), Err(BufferFull)),
            (map(24, &[0xB8, 24], &[]), Err(BufferFull)),
            (std::vec![], Err(BufferFull)),
            (std::vec![0x80], Err(BufferFull)),
        ] {
            assert_eq!(answer(200, true, &payload), expected);
            assert_eq!(answer(200, false, &payload), Ok(payload));
        }
    }

    #[test]
    fn the_room_of_a_payload_is_what_header_and_rc_leave() {
        assert_eq!(answer(13, true, &[0xA0]), Ok(b"\xa1\x62rc\x00".to_vec()));
        assert_eq!(answer(12, true, &[0xA0]), Err(BufferFull));
        assert_eq!(answer(9, false, &[0xA0]), Ok(std::vec![0xA0]));
        assert_eq!(answer(8, false, &[0xA0]), Err(BufferFull));
        assert_eq!(AnswerBuffer::new(&mut [0; 7]).writer.room(), 0);
        assert_eq!(AnswerBuffer::new(&mut std::vec![0; 70_000]).writer.room(), 65_535);
    }
}
