//! The forms of a host and of firmware, compared with each other.

use std::vec::Vec;

use super::super::value::{Fields, Value};
use super::super::{Item, Keys, Reader, Text, Writer, keys};
use crate::smp::{Decode, Empty, Encode, Error, client, fs, image, os, shell, stat};

/// Keys, and their names for the oracle.
macro_rules! known {
    ($($key:literal),*) => { (keys![$($key),*], &[$($key),*]) };
}

/// Keys shorter and longer than a register and than two, among them two with the same first bytes.
const KEYS: (Keys, &[&str]) =
    known!["off", "", "bootable", "firmware_a", "firmware_b", "sixteen_and_more_a", "sixteen_and_more_b"];

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

/// Whether a map that both forms read has a key that none of `known` is, or one without a place.
fn has_others(payload: &[u8], known: &[&str]) -> bool {
    let mut reader = Reader::new(payload);
    let mut entries = reader.entries().unwrap();
    while entries.more(&mut reader).unwrap() {
        let key = reader.text().unwrap();
        if !known.iter().any(|known| key == **known) {
            return true;
        }
        reader.skip().unwrap();
    }
    false
}

/// Asserts that both forms read a payload into `places` alike; returns true if they can read it.
fn read_alike(payload: &[u8], (keys, names): (Keys, &[&str]), once: bool, places: usize) -> bool {
    let (mut narrow, mut wide, mut others) = (std::vec![Item::Null; places], std::vec![Item::Null; places], false);
    let reader = Reader::new(payload);
    let (mut plain, mut skipped, mut rest) = (Item::Null, Item::Null, (reader, reader));
    assert_eq!(rest.0.item_by::<false>(&mut plain), rest.1.item_by::<true>(&mut skipped), "{payload:02x?}");
    assert_eq!((printed(&plain), rest.0.rest()), (printed(&skipped), rest.1.rest()), "{payload:02x?}");
    let expected = reader.narrow_fields(keys, once, &mut narrow);
    let found = reader.wide_fields(keys, (!once).then_some(&mut others), &mut wide);
    assert_eq!(found, expected, "{places} places, {payload:02x?}");
    let printed = |items: &[Item<'_>]| items.iter().map(printed).collect::<Vec<_>>();
    assert_eq!(printed(&wide), printed(&narrow), "{places} places, {payload:02x?}");
    if found.is_ok() && !once {
        let known = &names[..names.len().min(places)];
        assert_eq!(others, has_others(payload, known), "{places} places, {payload:02x?}");
    }
    found.is_ok()
}

/// A response as it is written again, or the error in place of it.
fn again<T: Encode>(read: Result<T, client::Error>) -> Result<Vec<u8>, client::Error> {
    let (value, mut out) = (read?, [0; 512]);
    let mut writer = Writer::new(&mut out);
    value.encode(&mut writer).unwrap();
    Ok(writer.written_mut().to_vec())
}

/// Asserts that a host, which looks for a refusal only where there may be one, reads the same
/// response or refusal as firmware, which always looks first.
fn answers_alike<'m, T: Decode<'m> + Encode>(payload: &'m [u8]) -> bool {
    let firmware = || match Error::find(payload)? {
        Some(error) => Err(client::Error::Remote(error)),
        None => Ok(T::decode(payload)?),
    };
    let expected = again(firmware());
    assert_eq!(again(T::decode_response(payload)), expected, "{payload:02x?}");
    expected.is_ok()
}

/// The keys of most requests and responses of SMP.
const SMP: (Keys, &[&str]) =
    known!["off", "rc", "data", "len", "sha", "image", "d", "r", "group", "err", "buf_size", "format"];

/// The payloads of the golden messages and of the commands of all groups.
fn vectors() -> Vec<Vec<u8>> {
    // By hand: `serde_json` in a unit test would make types of the library ambiguous.
    let messages = include_str!("../../vectors/smp/messages.json").split("\"message\": \"").skip(1);
    let payloads = include_str!("../../vectors/smp/groups.json").split("\"payload\": \"").skip(1);
    let all = messages.map(|message| &message[16..]).chain(payloads);
    let digits = all.map(|rest| rest.split('"').next().unwrap().as_bytes().as_chunks::<2>().0);
    let byte = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(|pairs| pairs.iter().map(byte).collect()).collect()
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
        // More places than keys, and fewer, as a caller may give.
        let places = if below(4) > 0 { KEYS.1.len() } else { below(12) };
        *(if read_alike(&payload, KEYS, once, places) { &mut read } else { &mut refused }) += 1;
    }
    assert!(read > 20_000 && refused > 20_000, "{read} read, {refused} refused");
}

#[test]
fn a_place_without_a_key_keeps_its_item() {
    for payload in [&b"\xa1\x61x\x05"[..], b"\xa1\x64none\x05", b"\xbf\x7f\x61x\xff\x05\xff"] {
        let mut values = [Item::Null; 3];
        Reader::new(payload).narrow_fields(keys!["off", "len"], false, &mut values).unwrap();
        assert!(values.iter().all(|value| matches!(value, Item::Null)), "{payload:02x?}");
        assert!(read_alike(payload, known!["off", "len"], false, 3));
    }
}

/// Reads `payload` with every byte in every place.
fn with_every_byte(payload: &[u8], mut read: impl FnMut(&[u8])) {
    let mut changed = Vec::from(payload);
    for at in 0..payload.len() {
        for byte in 0..=0xFF {
            changed[at] = byte;
            read(&changed);
        }
        changed[at] = payload[at];
    }
}

#[test]
fn both_forms_read_every_vector_cut_at_every_byte_and_with_every_byte_in_every_place() {
    let (mut inputs, mut read) = (0, 0);
    for payload in vectors() {
        for once in [false, true] {
            let mut alike = |payload: &[u8]| {
                inputs += 1;
                read += usize::from(read_alike(payload, SMP, once, SMP.1.len()));
            };
            (0..payload.len()).for_each(|end| alike(&payload[..end]));
            with_every_byte(&payload, alike);
        }
    }
    assert!(inputs > 500_000 && read > 100_000, "{read} of {inputs} read");
}

#[test]
fn a_host_reads_the_response_or_the_refusal_that_firmware_reads() {
    let (mut inputs, mut read) = (0, 0);
    let mut alike = |payload: &[u8]| {
        inputs += 9;
        read += usize::from(answers_alike::<Empty>(payload))
            + usize::from(answers_alike::<os::ParametersResponse>(payload))
            + usize::from(answers_alike::<os::EchoResponse<'_>>(payload))
            + usize::from(answers_alike::<image::UploadResponse>(payload))
            + usize::from(answers_alike::<image::StateResponse<'_>>(payload))
            + usize::from(answers_alike::<fs::DownloadResponse<'_>>(payload))
            + usize::from(answers_alike::<fs::HashResponse<'_>>(payload))
            + usize::from(answers_alike::<shell::ExecuteResponse<'_>>(payload))
            + usize::from(answers_alike::<stat::ReadResponse<'_>>(payload));
    };
    for payload in vectors() {
        (0..=payload.len()).for_each(|end| alike(&payload[..end]));
        // Refusals of both versions behind the keys that are there, and in front of them.
        for refusal in
            [&b"\x62rc\x06"[..], b"\x62rc\x00", b"\x63err\xa2\x65group\x01\x62rc\x02", b"\x63ret\x01", b"\x62rc\x61"]
        {
            let [head, entries @ ..] = &payload[..] else { continue };
            let head = if *head == 0xBF { *head } else { head.wrapping_add(1) };
            alike(&[&[head], refusal, entries].concat());
            let end = entries.len() - usize::from(head == 0xBF);
            alike(&[&[head], &entries[..end], refusal, &entries[end..]].concat());
        }
        with_every_byte(&payload, &mut alike);
    }
    assert!(inputs > 2_000_000 && read > 50_000, "{read} of {inputs} read");
}

#[test]
fn both_forms_refuse_lengths_that_no_memory_has_and_read_strings_in_any_chunks() {
    let most = [23, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000, i64::MAX as u64];
    for argument in most.into_iter().chain((0..12).map(|less| u64::MAX - less)) {
        for major in 2..8 {
            // As a value, as a key, as the map itself, in a chunk, in an array and after a tag.
            let first = major << 5 | 27;
            let item = [&[first][..], &argument.to_be_bytes()].concat();
            let shapes: [&[&[u8]]; 6] = [
                &[b"\xa1\x63off", &item, b"abcdefghijkl"],
                &[b"\xa1", &item, b"abcdefghijkl"],
                &[&item, b"\x63off\x01abcdefgh"],
                &[b"\xa1\x63off\x5f", &item, b"abcdefgh\xff"],
                &[b"\xbf\x63off\x9f", &item, b"abcdefgh\xff\xff"],
                &[b"\xa2\x64data\xc1", &item, b"\x63off\x01abcdefgh"],
            ];
            for shape in shapes {
                for once in [false, true] {
                    read_alike(&shape.concat(), SMP, once, SMP.1.len());
                }
            }
        }
    }
    // A key and a value in every division into chunks.
    for cuts in 0..0x100_u32 {
        for (open, chunk) in [(0x7F, 0x60), (0x5F, 0x40)] {
            let chunked = |text: &[u8], cuts: u32| {
                let mut out = Vec::from([open]);
                let mut rest = text;
                while !rest.is_empty() {
                    let len = 1 + (cuts >> (text.len() - rest.len())).trailing_ones() as usize;
                    let (piece, after) = rest.split_at(len.min(rest.len()));
                    out.push(chunk | u8::try_from(piece.len()).unwrap());
                    out.extend_from_slice(piece);
                    out.push(chunk);
                    rest = after;
                }
                out.push(0xFF);
                out
            };
            let payload =
                [b"\xa2", &chunked(b"buf_size", cuts)[..], &chunked(b"payload", cuts >> 1), b"\x62rc\x00"].concat();
            assert_eq!(read_alike(&payload, SMP, cuts & 1 == 0, SMP.1.len()), chunk == 0x60);
        }
    }
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
