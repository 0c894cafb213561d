//! Unit tests of `src/smp/server/answer.rs`.

use super::super::*;
use std::vec::Vec;

fn answer(room: usize, legacy: bool, payload: &[u8]) -> Result<Vec<u8>, BufferFull> {
    let request = Header { op: Op::Read, version: Version::V1, length: 0, group: Group::OS, sequence: 7, command: 0 };
    let mut tx = std::vec![0xEE; room];
    let mut buffer = AnswerBuffer::new(&mut tx);
    if legacy {
        buffer.leave_gap();
    }
    buffer.writer.raw(payload)?;
    let len = buffer.complete(&request);
    if legacy {
        fill_gap(&mut tx[..len])?;
    }
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
        // Refused: maps whose head would grow, and payloads that are not maps.
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
