//! The buffer of an answer: room for the header in front of the payload, and the flat `rc: 0` of old servers.

use crate::bytes::copy;
use crate::cbor::{BufferFull, Reader, Writer};
use crate::smp::Header;

/// The entry that MCUboot's recovery puts in front of all others.
const RC: [u8; 4] = *b"\x62rc\x00";

/// Where an answer is written: the payload first, then the header in front of it.
pub(super) struct AnswerBuffer<'t> {
    /// Nothing if there is no room for it; then there is none for a payload either.
    header: Option<&'t mut [u8; Header::LEN]>,
    /// Never more payload than a header can tell.
    pub(super) writer: Writer<'t>,
    /// Whether the payload begins with room for `RC`.
    has_gap: bool,
}

impl<'t> AnswerBuffer<'t> {
    pub(super) fn new(tx: &'t mut [u8]) -> Self {
        let (header, payload) = match tx.split_first_chunk_mut() {
            Some((header, payload)) => (Some(header), payload),
            None => (None, &mut [][..]),
        };
        let room = payload.len().min(u16::MAX.into());
        Self { header, writer: Writer::new(payload.get_mut(..room).unwrap_or_default()), has_gap: false }
    }

    /// Leaves room for `rc: 0`, which is put into the payload when it is complete. An error has a code of its own.
    pub(super) fn leave_gap(&mut self) {
        self.has_gap = self.writer.raw(&RC).is_ok();
    }

    /// Drops the payload and the gap.
    pub(super) fn restart(&mut self) {
        self.writer.truncate(0);
        self.has_gap = false;
    }

    /// Writes an answer that has its header, in place of all that was written.
    pub(super) fn replace(&mut self, answer: &[u8]) -> Result<(), BufferFull> {
        self.restart();
        let (Some(header), Some((front, payload))) = (&mut self.header, answer.split_first_chunk()) else {
            return Err(BufferFull);
        };
        **header = *front;
        self.writer.raw(payload)
    }

    /// Writes the header in front of the payload; returns the length of both.
    pub(super) fn complete(&mut self, request: &Header) -> usize {
        if self.has_gap {
            self.fill_gap();
        }
        let Some(header) = &mut self.header else { return 0 };
        #[expect(clippy::cast_possible_truncation, reason = "`new` has no room for more")]
        let length = self.writer.len() as u16;
        **header = Header { length, ..request.response() }.emit();
        Header::LEN.saturating_add(length.into())
    }

    /// Puts `rc: 0` into the gap if a map comes after it, else closes the gap: a vendor's group may send what it likes.
    ///
    /// The head of the map moves to the front, and the entry over the old one. A map of 23 keys or more, whose head would
    /// grow, stays as it is: none of the commands that old clients know has one.
    fn fill_gap(&mut self) {
        let written = self.writer.written_mut();
        let payload = written.get(RC.len()..).unwrap_or_default();
        let mut reader = Reader::new(payload);
        let is_whole = reader.skip().is_ok() && reader.rest().is_empty();
        let head = match payload.first() {
            Some(head @ 0xA0..=0xB6) if is_whole => head.wrapping_add(1),
            Some(head @ 0xBF) if is_whole => *head, // Of a map that ends with a break.
            _ => {
                let len = payload.len();
                for at in 0..len {
                    let byte = written.get(at.wrapping_add(RC.len())).copied().unwrap_or_default();
                    if let Some(place) = written.get_mut(at) {
                        *place = byte;
                    }
                }
                self.writer.truncate(len);
                return;
            }
        };
        let [r0, r1, r2, r3] = RC;
        copy(&[head, r0, r1, r2, r3], written);
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
        let with_rc = |map: &[u8], head: u8| [&[head], &RC[..], &map[1..]].concat();
        for (payload, expected) in [
            (map(0, &[0xA0], &[]), with_rc(&[0xA0], 0xA1)),
            (map(2, &[0xA2], &[]), with_rc(&map(2, &[0xA2], &[]), 0xA3)),
            (map(22, &[0xB6], &[]), with_rc(&map(22, &[0xB6], &[]), 0xB7)),
            (map(2, &[0xBF], &[0xFF]), with_rc(&map(2, &[0xBF], &[0xFF]), 0xBF)),
            // A map whose head would grow, and payloads that are no map, or not only.
            (map(23, &[0xB7], &[]), map(23, &[0xB7], &[])),
            (map(24, &[0xB8, 24], &[]), map(24, &[0xB8, 24], &[])),
            (std::vec![], std::vec![]),
            (std::vec![0x80], std::vec![0x80]),
            (std::vec![0xA1], std::vec![0xA1]),
            (std::vec![0xA0, 0], std::vec![0xA0, 0]),
            (std::vec![1, 2, 3, 4, 5, 6, 7], std::vec![1, 2, 3, 4, 5, 6, 7]),
        ] {
            assert_eq!(answer(200, true, &payload), Ok(expected));
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
