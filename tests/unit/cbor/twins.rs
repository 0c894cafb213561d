//! The forms of a host and of firmware, compared with each other.

use std::vec::Vec;

use super::super::value::{Fields, Value};
use super::super::{Item, Keys, Reader, Text, Writer, keys};

/// Keys shorter and longer than a register and than two, among them two with the same first bytes.
const KEYS: Keys = keys!["off", "", "bootable", "firmware_a", "firmware_b", "sixteen_and_more_a", "sixteen_and_more_b"];

/// What payloads are put together from: keys and values in all encodings, and parts of them.
const PARTS: [&[u8]; 30] = [
    b"\x63off",
    b"\x60",
    b"\x68bootable",
    b"\x6afirmware_a",
    b"\x6afirmware_b",
    b"\x6afirmware_c",
    b"\x72sixteen_and_more_a",
    b"\x72sixteen_and_more_b",
    b"\x72sixteen_and_more_c",
    b"\x78\x03off",
    b"\x7f\x62of\x61f\xff",
    b"\x62rc",
    b"\x00",
    b"\x17",
    b"\x18\xff",
    b"\x1a\0\x01\0\0",
    b"\x1b\0\0\0\0\0\0\0\x01",
    b"\x20",
    b"\x43abc",
    b"\x58\x20ABCDEFGHABCDEFGHABCDEFGHABCDEFGH",
    b"\x5f\x41a\xff",
    b"\xf4",
    b"\xf5",
    b"\xf6",
    b"\xfa\0\0\0\0",
    b"\x82\x01\x02",
    b"\xa1\x61a\x80",
    b"\xff",
    b"\x1c",
    b"\x78",
];

/// An item as text, its content included.
fn printed(item: &Item<'_>) -> std::string::String {
    match item {
        Item::Unsigned(number) | Item::Negative(number) => std::format!("{item:?} {number}"),
        Item::Bytes(bytes) => std::format!("{item:?} {:x?}", bytes.chunks().iter().collect::<Vec<_>>()),
        Item::Text(text) => std::format!("{item:?} {text:?}"),
        Item::Boolean(flag) => std::format!("{item:?} {flag}"),
        Item::Array(reader) | Item::Map(reader) | Item::Other(reader) => std::format!("{item:?} {:x?}", reader.rest()),
        Item::Null => "Null".into(),
    }
}

#[test]
fn both_forms_read_the_same() {
    let (mut state, mut read, mut refused) = (0x9E37_79B9_7F4A_7C15_u64, 0, 0);
    let mut below = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % most as u64).unwrap()
    };
    for _ in 0..200_000 {
        let entries = below(9);
        let mut payload = Vec::from([if below(3) == 0 { 0xBF } else { 0xA0 | u8::try_from(entries).unwrap() }]);
        for _ in 0..entries {
            let odd = below(40) == 0;
            payload.extend_from_slice(PARTS[if odd { below(PARTS.len()) } else { below(12) }]);
            payload.extend_from_slice(PARTS[if odd { below(PARTS.len()) } else { 12 + below(15) }]);
        }
        payload.extend_from_slice(PARTS[if below(4) > 0 { 27 } else { below(PARTS.len()) }]);
        if below(8) == 0 {
            payload.truncate(below(payload.len()));
        }
        let once = below(2) == 0;
        let (mut narrow, mut wide, mut others) = ([Item::Null; 7], [Item::Null; 7], false);
        let reader = Reader::new(&payload);
        let expected = reader.narrow_fields(KEYS, once, &mut narrow);
        let found = reader.wide_fields(KEYS, (!once).then_some(&mut others), &mut wide);
        assert_eq!(found, expected, "{payload:02x?}");
        assert_eq!(wide.each_ref().map(printed), narrow.each_ref().map(printed), "{payload:02x?}");
        *(if found.is_ok() { &mut read } else { &mut refused }) += 1;
    }
    assert!(read > 20_000 && refused > 20_000, "{read} read, {refused} refused");
}

#[test]
fn both_forms_write_the_same() {
    let widths = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([23, 24, u64::MAX]);
    let numbers = widths.collect::<Vec<_>>();
    for room in 0..40 {
        for number in &numbers {
            let (mut one, mut other) = (Vec::from([0xEE; 40]), Vec::from([0xEE; 40]));
            let mut wide = Writer::new(&mut one[..room]);
            let mut narrow = Writer::new(&mut other[..room]);
            let written = wide.head(0x40, *number);
            assert_eq!(written, narrow.narrow_head(0x40, *number), "{number} in {room} bytes");
            let mut fields = wide.fields(keys!["off", "absent", "bootable"]);
            fields.field(number);
            fields.field(&None::<u32>);
            fields.field(&Some(Text::from("x")));
            let ended = fields.end();
            let at = narrow.open_map();
            let mut fields = Fields { writer: &mut narrow, keys: keys!["off", "absent", "bootable"], at, head: 0 };
            let _ = fields.key(false) && number.write(fields.writer).is_ok();
            fields.key(true);
            let _ = fields.key(false) && Text::from("x").write(fields.writer).is_ok();
            assert_eq!(ended.is_err(), narrow.is_full(), "{number} in {room} bytes");
            if ended.is_ok() {
                assert_eq!(wide.written_mut(), narrow.written_mut(), "{number} in {room} bytes");
            }
        }
    }
}
