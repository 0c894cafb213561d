//! The CBOR cursor compared with a slow oracle that builds a tree, for which `minicbor` reads heads
//! and integers.

use anysmp::cbor::{BufferFull, Bytes, DEPTH, Item, List, Malformed, Reader, Table, Text, Value, Writer, keys};
use anysmp::smp::{Decode, Encode, image, os};
use minicbor::Decoder;
use minicbor::data::Type;

use crate::kit::random::Random;

/// A CBOR item, as the oracle understands it.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Int(i128),
    Bytes(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tag(Box<Self>),
    Bool(bool),
    Null,
    Other,
}

/// Reads one item at the front of `bytes`, at most `depth` containers deep; returns it and its
/// length.
fn oracle(bytes: &[u8], depth: usize) -> Option<(Tree, usize)> {
    let mut decoder = Decoder::new(bytes);
    let tree = match decoder.datatype().ok()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            Tree::Int(decoder.int().ok()?.into())
        }
        Type::Bool => Tree::Bool(decoder.bool().ok()?),
        Type::Null => {
            decoder.null().ok()?;
            Tree::Null
        }
        Type::Bytes => Tree::Bytes(decoder.bytes().ok()?.to_vec()),
        Type::String => {
            // minicbor insists on UTF-8, servers do not: read it as bytes.
            let mut copy = bytes.to_vec();
            copy[0] ^= 0x20;
            let mut inner = Decoder::new(&copy);
            let text = inner.bytes().ok()?.to_vec();
            return Some((Tree::Text(text), inner.position()));
        }
        kind @ (Type::BytesIndef | Type::StringIndef) => {
            let (mut at, mut all) = (1, Vec::new());
            while *bytes.get(at)? != 0xFF {
                let (chunk, len) = oracle(&bytes[at..], 0)?;
                match (kind, chunk) {
                    (Type::BytesIndef, Tree::Bytes(piece)) | (Type::StringIndef, Tree::Text(piece))
                        if bytes[at] & 0x1F != 0x1F =>
                    {
                        all.extend(piece);
                    }
                    _ => return None,
                }
                at += len;
            }
            return Some((if kind == Type::BytesIndef { Tree::Bytes(all) } else { Tree::Text(all) }, at + 1));
        }
        kind @ (Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef | Type::Tag) => {
            let inside = depth.checked_sub(1)?;
            let count = match kind {
                Type::Array | Type::ArrayIndef => decoder.array().ok()?,
                Type::Map | Type::MapIndef => match decoder.map().ok()? {
                    Some(pairs) => Some(pairs.checked_mul(2)?),
                    None => None,
                },
                _ => {
                    decoder.tag().ok()?;
                    Some(1)
                }
            };
            let (mut at, mut items) = (decoder.position(), Vec::new());
            while count.is_none_or(|count| (items.len() as u64) < count) {
                if count.is_none() && *bytes.get(at)? == 0xFF {
                    at += 1;
                    break;
                }
                let (item, len) = oracle(bytes.get(at..)?, inside)?;
                items.push(item);
                at += len;
            }
            let tree = match kind {
                Type::Tag => Tree::Tag(Box::new(items.remove(0))),
                Type::Array | Type::ArrayIndef => Tree::Array(items),
                _ if items.len() % 2 == 1 => return None,
                _ => Tree::Map(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()),
            };
            return Some((tree, at));
        }
        // Floats, simple values: a head, nothing else. The break is none of them.
        Type::Break => return None,
        _ => {
            let len = match bytes[0] {
                0xE0..=0xF7 => 1,
                0xF8 => 2,
                0xF9 => 3,
                0xFA => 5,
                0xFB => 9,
                _ => return None,
            };
            bytes.get(..len)?;
            return Some((Tree::Other, len));
        }
    };
    Some((tree, decoder.position()))
}

/// What `Reader::skip` makes of the item at the front: its length.
fn skipped(bytes: &[u8]) -> Option<usize> {
    // An empty slice would be an empty map.
    if bytes.is_empty() {
        return None;
    }
    let mut reader = Reader::new(bytes);
    reader.skip().ok().map(|()| bytes.len() - reader.rest().len())
}

/// Whether the reader makes of these bytes what the oracle does: the same item of the same length,
/// or none.
fn agrees(bytes: &[u8]) -> bool {
    let expected = oracle(bytes, DEPTH - 1);
    let mut reader = Reader::new(bytes);
    let found = reader.item().ok().map(|item| (item, bytes.len() - reader.rest().len()));
    match (&expected, found) {
        _ if bytes.is_empty() => true, // An empty slice is an empty map.
        (Some((tree, len)), Some((item, read))) => {
            read == *len && skipped(bytes) == Some(read) && is(item, tree, &bytes[..read])
        }
        (None, None) => skipped(bytes).is_none(),
        _ => false,
    }
}

/// Whether an item that was read from `bytes` is this tree.
fn is(item: Item<'_>, tree: &Tree, bytes: &[u8]) -> bool {
    let all = |chunks: anysmp::cbor::Chunks<'_>| chunks.iter().flatten().copied().collect::<Vec<u8>>();
    match (item, tree) {
        (Item::Unsigned(number), Tree::Int(int)) => i128::from(number) == *int,
        (Item::Negative(number), Tree::Int(int)) => -1 - i128::from(number) == *int,
        (Item::Bytes(found), Tree::Bytes(bytes)) => all(found.chunks()) == *bytes,
        (Item::Text(found), Tree::Text(text)) => all(found.as_bytes()) == *text,
        (Item::Boolean(found), Tree::Bool(value)) => found == *value,
        (Item::Null, Tree::Null) | (Item::Other(_), Tree::Other | Tree::Tag(_)) => true,
        (Item::Array(mut reader), Tree::Array(trees)) => {
            let whole = reader.rest() == bytes;
            let mut elements = reader.elements().unwrap();
            whole
                && trees.iter().all(|tree| elements.more(&mut reader) == Ok(true) && next_is(&mut reader, tree))
                && elements.more(&mut reader) == Ok(false)
                && reader.rest().is_empty()
        }
        (Item::Map(mut reader), Tree::Map(trees)) => {
            let whole = reader.rest() == bytes;
            let mut entries = reader.entries().unwrap();
            whole
                && trees.iter().all(|(key, value)| {
                    entries.more(&mut reader) == Ok(true) && next_is(&mut reader, key) && next_is(&mut reader, value)
                })
                && entries.more(&mut reader) == Ok(false)
                && reader.rest().is_empty()
        }
        _ => false,
    }
}

fn next_is(reader: &mut Reader<'_>, tree: &Tree) -> bool {
    let before = reader.rest();
    let item = reader.item().unwrap();
    is(item, tree, &before[..before.len() - reader.rest().len()])
}

/// Writes a head of the given width class: 0 the shortest, 1..=4 one, two, four, eight bytes if the
/// argument fits.
fn head(out: &mut Vec<u8>, major: u8, argument: u64, width: usize) {
    let shortest = match argument {
        0..=23 => 0,
        24..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 3,
        _ => 4,
    };
    match shortest.max(width) {
        0 => out.push(major << 5 | argument as u8),
        width => {
            out.push(major << 5 | (23 + width as u8));
            out.extend_from_slice(&argument.to_be_bytes()[8 - (1 << (width - 1))..]);
        }
    }
}

fn string(random: &mut Random, out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    if random.index(4) == 0 {
        out.push(major << 5 | 0x1F);
        let mut rest = bytes;
        while !rest.is_empty() || random.index(3) == 0 {
            let (piece, after) = rest.split_at(random.index(rest.len() + 1));
            head(out, major, piece.len() as u64, random.index(3));
            out.extend_from_slice(piece);
            rest = after;
        }
        out.push(0xFF);
    } else {
        head(out, major, bytes.len() as u64, random.index(5));
        out.extend_from_slice(bytes);
    }
}

/// Any item, with all the freedom that CBOR gives to its encoding.
fn item(random: &mut Random, out: &mut Vec<u8>, depth: usize) {
    let width = random.index(5);
    match random.index(if depth == 0 { 6 } else { 10 }) {
        0 => head(out, 0, random.next() >> random.index(64), width),
        1 => head(out, 1, random.next() >> random.index(64), width),
        2 => out.push([0xF4, 0xF5, 0xF6, 0xF7, 0xE0][random.index(5)]),
        3 => {
            let len = random.index(30);
            let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            string(random, out, 2, &bytes);
        }
        4 => {
            let len = random.index(30);
            let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            string(random, out, 3, &bytes);
        }
        5 => {
            out.push([0xF9, 0xFA, 0xFB, 0xF8][random.index(4)]);
            let len = match out.last() {
                Some(0xF9) => 2,
                Some(0xFA) => 4,
                Some(0xFB) => 8,
                _ => 1,
            };
            out.extend((0..len).map(|_| random.next() as u8 | 0x80));
        }
        6 => {
            head(out, 6, random.next() >> random.index(64), width);
            item(random, out, depth - 1);
        }
        kind => {
            let (major, each) = if kind < 8 { (4, 1) } else { (5, 2) };
            let count = random.index(5);
            let indefinite = random.index(2) == 0;
            if indefinite {
                out.push(major << 5 | 0x1F);
            } else {
                head(out, major, count as u64, width);
            }
            for _ in 0..count * each {
                item(random, out, depth - 1);
            }
            if indefinite {
                out.push(0xFF);
            }
        }
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.index(3) {
        let at = random.index(bytes.len() + 1);
        match random.index(4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.index(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, [0xFF, 0x9F, 0xBF, 0x5F, 0x7F, 0xC0, 0xF6, 0x1B][random.index(8)]),
        }
    }
}

#[test]
fn reading_and_skipping_agree_with_minicbor_on_any_item_and_on_any_damage() {
    const SEED: u64 = 0xC0DE_0001;
    let mut random = Random::new(SEED);
    let (mut good, mut bad) = (0, 0);
    for round in 0..200_000 {
        let mut bytes = Vec::new();
        let depth = random.index(9);
        item(&mut random, &mut bytes, depth);
        if round % 2 == 1 {
            mutate(&mut random, &mut bytes);
        }
        assert!(agrees(&bytes), "seed {SEED:#x} round {round}: {bytes:02x?}");
        match skipped(&bytes) {
            Some(_) => good += 1,
            None => bad += 1,
        }
    }
    assert!(good > 100_000 && bad > 10_000, "{good} good, {bad} bad: the generator is lopsided");
}

#[test]
fn reading_and_skipping_agree_with_minicbor_on_every_string_of_up_to_three_bytes() {
    for len in 0..=3_usize {
        for number in 0..1_u32 << (8 * len) {
            let bytes = &number.to_le_bytes()[..len];
            assert!(agrees(bytes), "{bytes:02x?}");
        }
    }
}

#[test]
fn a_value_cut_off_at_any_byte_is_malformed() {
    let mut random = Random::new(7);
    for _ in 0..2_000 {
        let mut bytes = Vec::new();
        item(&mut random, &mut bytes, 5);
        for cut in 1..bytes.len() {
            assert_eq!(skipped(&bytes[..cut]), None, "cut {cut} of {bytes:02x?}");
        }
    }
}

/// An upload request as anybody might encode it: keys in any order, any widths, strangers between
/// them.
fn upload(random: &mut Random, depth: usize) -> (Vec<u8>, Vec<(&'static str, Tree)>) {
    let sha: Vec<u8> = (0..32).map(|_| random.next() as u8).collect();
    let data: Vec<u8> = (0..random.index(100)).map(|_| random.next() as u8).collect();
    let mut known = vec![
        ("image", Tree::Int((random.next() as u32).into())),
        ("len", Tree::Int((random.next() >> 1).into())),
        ("off", Tree::Int((random.next() >> random.index(64)).into())),
        ("sha", Tree::Bytes(sha)),
        ("data", Tree::Bytes(data)),
        ("upgrade", Tree::Bool(random.index(2) == 0)),
    ];
    known.retain(|_| random.index(5) > 0);
    for index in (1..known.len()).rev() {
        known.swap(index, random.index(index + 1));
    }
    let mut body = Vec::new();
    let mut count = known.len();
    for (key, value) in &mut known {
        if random.index(3) == 0 {
            let name = [&b"hashes"[..], b"of", b"", b"offset", b"\xFF\xFE"][random.index(5)];
            string(random, &mut body, 3, name);
            item(random, &mut body, depth);
            count += 1;
        }
        string(random, &mut body, 3, key.as_bytes());
        if random.index(8) == 0 {
            *value = Tree::Null;
        }
        match value {
            Tree::Int(int) => head(&mut body, 0, u64::try_from(*int).unwrap(), random.index(5)),
            Tree::Bytes(bytes) => string(random, &mut body, 2, bytes),
            Tree::Bool(flag) => body.push(0xF4 + u8::from(*flag)),
            _ => body.push(0xF6),
        }
    }
    let mut bytes = Vec::new();
    if random.index(2) == 0 {
        bytes.push(0xBF);
        bytes.extend(body);
        bytes.push(0xFF);
    } else {
        head(&mut bytes, 5, count as u64, random.index(5));
        bytes.extend(body);
    }
    (bytes, known)
}

/// What a strict reader of an upload request would make of the tree: `None` is a refusal.
fn expected_upload(bytes: &[u8]) -> Option<[Tree; 6]> {
    const KEYS: [&str; 6] = ["image", "len", "off", "sha", "data", "upgrade"];
    let Tree::Map(pairs) = oracle(bytes, DEPTH)?.0 else { return None };
    let mut found: [Option<Tree>; 6] = Default::default();
    for (key, value) in pairs {
        let Tree::Text(key) = key else { return None };
        let Some(index) = KEYS.iter().position(|known| known.as_bytes() == key) else { continue };
        let fits = match (&value, index) {
            (Tree::Null, _) => true,
            (Tree::Int(image), 0) => u32::try_from(*image).is_ok(),
            (Tree::Int(int), 1 | 2) => u64::try_from(*int).is_ok(),
            (Tree::Bytes(_), 3 | 4) => true,
            (Tree::Bool(_), 5) => true,
            _ => false,
        };
        if !fits || found[index].is_some() {
            return None;
        }
        found[index] = Some(value);
    }
    Some(found.map(|value| value.unwrap_or(Tree::Null)))
}

fn decoded_upload(bytes: &[u8]) -> Option<[Tree; 6]> {
    let upload = image::Upload::decode(bytes).ok()?;
    let int = |value: Option<u64>| value.map_or(Tree::Null, |value| Tree::Int(value.into()));
    let string = |value: Option<Bytes<'_>>| {
        value.map_or(Tree::Null, |value| Tree::Bytes(value.chunks().iter().flatten().copied().collect()))
    };
    Some([
        int(upload.image.map(u64::from)),
        int(upload.len),
        int(upload.off),
        string(upload.sha),
        string(upload.data),
        upload.upgrade.map_or(Tree::Null, Tree::Bool),
    ])
}

#[test]
fn a_request_in_any_encoding_is_read_as_minicbor_reads_it() {
    const SEED: u64 = 0xC0DE_0002;
    let mut random = Random::new(SEED);
    let (mut good, mut bad) = (0, 0);
    for round in 0..100_000 {
        let (mut bytes, _) = upload(&mut random, 3);
        if round % 2 == 1 {
            mutate(&mut random, &mut bytes);
        }
        if bytes.is_empty() {
            continue;
        }
        let expected = expected_upload(&bytes);
        assert_eq!(decoded_upload(&bytes), expected, "seed {SEED:#x} round {round}: {bytes:02x?}");
        match expected {
            Some(_) => good += 1,
            None => bad += 1,
        }
    }
    assert!(good > 50_000 && bad > 10_000, "{good} good, {bad} bad: the generator is lopsided");
}

/// Names that begin alike, of every length around the register in which a host compares them.
const ALIKE: [&str; 9] =
    ["", "rc", "version", "versions", "versions9", "versionsA", "versions9versions9-long", "verify", "r"];

/// A map of these names and others, in any order, and each value of any kind.
fn alike(random: &mut Random) -> Vec<u8> {
    let count = random.index(8);
    let is_counted = random.percent(60);
    let mut bytes = Vec::new();
    if is_counted {
        head(&mut bytes, 5, count as u64, random.index(3))
    } else {
        bytes.push(0xBF)
    }
    // In the order of the struct as often as not.
    let mut next = random.index(ALIKE.len());
    for _ in 0..count {
        next = if random.percent(50) { (next + 1) % ALIKE.len() } else { random.index(ALIKE.len()) };
        let mut name = ALIKE[next].as_bytes().to_vec();
        match random.index(12) {
            0 => drop(name.pop()),
            1 => name.push(random.pick(b"9Ars")),
            2 if !name.is_empty() => {
                let at = random.index(name.len());
                name[at] ^= 1 << random.index(8);
            }
            _ => {}
        }
        // The usual form is the one that has a short way.
        if random.percent(80) {
            head(&mut bytes, 3, name.len() as u64, 0);
            bytes.extend(name);
        } else {
            string(random, &mut bytes, 3, &name);
        }
        let depth = random.index(3);
        item(random, &mut bytes, depth);
    }
    if !is_counted {
        bytes.push(0xFF);
    }
    if random.percent(50) {
        // What is read at once must not be what follows the map.
        let len = random.index(12);
        bytes.extend(random.bytes(len));
    }
    bytes
}

/// The value of each name in the map at the front of `bytes`, and the length of the map, by the
/// oracle: of a name that comes again the first one, or none of all if it may come only `once`.
fn expected_fields(bytes: &[u8], once: bool) -> Option<([Tree; 9], usize)> {
    let (Tree::Map(pairs), len) = oracle(bytes, DEPTH)? else { return None };
    let mut found = [const { None }; 9];
    for (key, value) in pairs {
        let Tree::Text(key) = key else { return None };
        let Some(place) = ALIKE.iter().position(|name| name.as_bytes() == key) else { continue };
        match &mut found[place] {
            Some(_) if once => return None,
            Some(_) => {}
            empty @ None => *empty = Some(value),
        }
    }
    Some((found.map(|value| value.unwrap_or(Tree::Null)), len))
}

#[test]
fn keys_that_begin_alike_are_told_apart_whatever_follows_them() {
    const SEED: u64 = 0xC0DE_0005;
    let mut random = Random::new(SEED);
    let (mut good, mut bad) = (0, 0);
    for round in 0..100_000 {
        let mut bytes = alike(&mut random);
        if round % 2 == 1 {
            mutate(&mut random, &mut bytes);
        }
        if bytes.is_empty() {
            continue;
        }
        for once in [false, true] {
            let keys = keys![
                "",
                "rc",
                "version",
                "versions",
                "versions9",
                "versionsA",
                "versions9versions9-long",
                "verify",
                "r"
            ];
            let (mut values, mut reader) = ([Item::Null; 9], Reader::new(&bytes));
            let read = reader.fields(keys, once, &mut values).ok().map(|()| bytes.len() - reader.rest().len());
            let expected = expected_fields(&bytes, once);
            let context = format!("seed {SEED:#x} round {round}, once {once}: {bytes:02x?}");
            assert_eq!(read, expected.as_ref().map(|(_, len)| *len), "{context}");
            let Some((trees, _)) = expected else {
                bad += 1;
                continue;
            };
            good += 1;
            for (value, tree) in values.into_iter().zip(&trees) {
                let whole = if let Item::Array(reader) | Item::Map(reader) = value { reader.rest() } else { &[] };
                assert!(is(value, tree, whole), "{value:?} is not {tree:?}, {context}");
            }
        }
    }
    assert!(good > 50_000 && bad > 10_000, "{good} good, {bad} bad: the generator is lopsided");
}

#[test]
fn what_was_decoded_survives_our_own_encoding() {
    let mut random = Random::new(0xC0DE_0003);
    for _ in 0..20_000 {
        let (bytes, _) = upload(&mut random, 3);
        let request = image::Upload::decode(&bytes).unwrap();
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer);
        request.encode(&mut writer).unwrap();
        let len = writer.len();
        assert_eq!(image::Upload::decode(&buffer[..len]).unwrap(), request);
        assert_eq!(skipped(&buffer[..len]), Some(len));
    }
}

#[test]
fn a_truncated_request_is_refused_at_every_byte_and_bytes_behind_the_map_are_ignored() {
    let mut random = Random::new(0xC0DE_0004);
    for _ in 0..2_000 {
        let (mut bytes, _) = upload(&mut random, 2);
        let expected = decoded_upload(&bytes);
        for cut in 1..bytes.len() {
            assert_eq!(decoded_upload(&bytes[..cut]), None, "cut {cut} of {bytes:02x?}");
        }
        bytes.extend((0..random.index(9)).map(|_| random.next() as u8));
        assert_eq!(decoded_upload(&bytes), expected);
    }
}

#[test]
fn keys_that_are_looked_for_by_hand_nest_no_deeper() {
    let pools = |deep: usize| {
        let whole =
            [&b"\xa1\x66mpools\xa1\x610\xa3\x65nblks\x01\x65nfree\x01\x61x"[..], &vec![0x81; deep][..], b"\x00"];
        os::PoolStatisticsResponse::decode(&whole.concat()).is_ok()
    };
    assert!(pools(DEPTH - 3) && !pools(DEPTH - 2));
    let error = |deep: usize| {
        let whole = [&b"\xa1\x63err\xa3\x61x"[..], &vec![0x81; deep][..], b"\x00\x65group\x01\x62rc\x02"];
        anysmp::smp::Error::find(&whole.concat()).is_ok()
    };
    assert!(error(DEPTH - 2) && !error(DEPTH - 1));
}

#[test]
fn values_nested_eight_deep_are_read_past_and_nine_deep_are_refused() {
    // One map of the payload and `inner` containers as the value of an unknown key.
    // The innermost item is a number, or a string in chunks, which are a level of their own.
    for (open, close, item) in [
        (&[0x81][..], &[][..], &b"\0"[..]),
        (&[0x9F], &[0xFF], b"\0"),
        (&[0xA1, 0x61, b'k'], &[], b"\0"),
        (&[0xC1], &[], b"\0"),
        (&[0x81], &[], b"\x7f\x61a\xff"),
        (&[0x9F], &[0xFF], b"\x5f\x41a\xff"),
    ] {
        for inner in 1..=12 {
            let mut payload = vec![0xA2, 0x61, b'x'];
            for _ in 0..inner {
                payload.extend_from_slice(open);
            }
            payload.extend_from_slice(item);
            for _ in 0..inner {
                payload.extend_from_slice(close);
            }
            payload.extend_from_slice(b"\x61d\x62hi");
            let echo = os::Echo::decode(&payload);
            if inner < DEPTH {
                assert_eq!(echo.unwrap().text.unwrap(), "hi", "{inner} levels of {open:02x?}");
            } else {
                assert_eq!(echo, Err(Malformed), "{inner} levels of {open:02x?}");
            }
        }
    }
    assert_eq!(DEPTH, 8);
}

#[test]
fn a_depth_bomb_costs_an_error_and_no_time() {
    for bomb in [0x81, 0x9F, 0xA1, 0xBF, 0xC0, 0xD8, 0x5F, 0x7F] {
        let mut payload = vec![0xA1, 0x61, b'x'];
        payload.resize(60_000, bomb);
        assert_eq!(os::Echo::decode(&payload), Err(Malformed), "{bomb:#x}");
    }
    // A map inside the key of a map.
    assert_eq!(skipped(&[0xA1; 100]), None);
}

#[test]
fn a_count_that_the_payload_cannot_hold_is_refused_at_once() {
    for width in
        [&[0xBA, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], &[0xB8, 9]]
    {
        assert_eq!(os::Echo::decode(width), Err(Malformed));
    }
    assert_eq!(skipped(&[0xBB, 0x80, 0, 0, 0, 0, 0, 0, 0]), None, "twice the count overflows");
    assert_eq!(skipped(&[0x5B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]), None);
}

#[test]
fn a_key_that_comes_twice_is_refused_in_a_request_and_read_once_in_a_response() {
    for twice in [&b"\xa2\x61d\x61a\x61d\x61b"[..], b"\xa2\x61d\xf6\x61d\x61b", b"\xbf\x61d\x61a\x7f\x61d\xff\x61b\xff"]
    {
        assert_eq!(os::Echo::decode(twice), Err(Malformed));
    }
    assert_eq!(os::EchoResponse::decode(b"\xa2\x61r\x61a\x61r\x61b").unwrap().text, "a");
    // The second one is skipped, whatever it holds.
    assert_eq!(os::EchoResponse::decode(b"\xa2\x61r\x61a\x61r\x82\x01\x02").unwrap().text, "a");
    assert_eq!(os::EchoResponse::decode(b"\xa2\x61r\x61a\x61r"), Err(Malformed));
}

#[test]
fn null_for_an_optional_key_means_absent() {
    assert_eq!(os::Echo::decode(b"\xa1\x61d\xf6").unwrap().text, None);
    let state = image::WriteState::decode(b"\xa2\x64hash\xf6\x67confirm\xf6").unwrap();
    assert_eq!(state, image::WriteState { hash: None, confirm: false });
    assert_eq!(os::Reset::decode(b"\xa1\x65force\xf6").unwrap(), os::Reset::default());
    assert_eq!(os::EchoResponse::decode(b"\xa1\x61r\xf6"), Err(Malformed), "a required one");
}

#[test]
fn no_bytes_are_an_empty_map() {
    assert_eq!(os::Echo::decode(b"").unwrap().text, None);
    assert_eq!(os::EchoResponse::decode(b""), Err(Malformed));
}

#[test]
fn a_key_that_is_no_text_spoils_the_map() {
    for key in [&b"\xa1\x00\x00"[..], b"\xa1\x41d\x61x", b"\xa1\xf6\x00", b"\xa1\x80\x00", b"\xbf\x00\xff"] {
        assert_eq!(os::Echo::decode(key), Err(Malformed), "{key:02x?}");
    }
}

#[test]
fn what_is_no_map_is_no_request() {
    for payload in [&b"\x82\x01\x02"[..], b"\x00", b"\xf6", b"\x61d", b"\xff", b"\x9f\xff", b"\xc0\xa0"] {
        assert_eq!(os::Echo::decode(payload), Err(Malformed), "{payload:02x?}");
    }
}

#[test]
fn integers_of_every_width_and_sign_are_read_and_what_does_not_fit_is_refused() {
    fn read<'b, T: Value<'b>>(bytes: &'b [u8]) -> Result<T, Malformed> {
        T::read(&mut Reader::new(bytes))
    }
    for bytes in
        [&b"\x05"[..], b"\x18\x05", b"\x19\x00\x05", b"\x1a\x00\x00\x00\x05", b"\x1b\x00\x00\x00\x00\x00\x00\x00\x05"]
    {
        assert_eq!(read::<u8>(bytes), Ok(5));
        assert_eq!(read::<u64>(bytes), Ok(5));
        assert_eq!(read::<i32>(bytes), Ok(5));
    }
    assert_eq!(read::<u8>(b"\x19\x01\x00"), Err(Malformed));
    assert_eq!(read::<u32>(b"\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), Err(Malformed));
    assert_eq!(read::<u64>(b"\x20"), Err(Malformed));
    assert_eq!(read::<u64>(b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(u64::MAX));
    assert_eq!(read::<i64>(b"\x20"), Ok(-1));
    assert_eq!(read::<i64>(b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"), Ok(i64::MIN));
    assert_eq!(read::<i64>(b"\x3b\x80\x00\x00\x00\x00\x00\x00\x00"), Err(Malformed));
    assert_eq!(read::<i64>(b"\x1b\x80\x00\x00\x00\x00\x00\x00\x00"), Err(Malformed));
    assert_eq!(read::<i32>(b"\x3a\x7f\xff\xff\xff"), Ok(i32::MIN));
    assert_eq!(read::<i32>(b"\x3a\x80\x00\x00\x00"), Err(Malformed));
    for reserved in [0x1C, 0x1D, 0x1E, 0x1F, 0x3F] {
        assert_eq!(read::<i64>(&[reserved, 0, 0]), Err(Malformed));
    }
    assert_eq!(read::<bool>(b"\x01"), Err(Malformed), "an integer is no boolean");
    assert_eq!(read::<u8>(b"\xf5"), Err(Malformed), "and the other way round");
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>) -> Vec<u8> {
    let mut buffer = vec![0xEE; 4096];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer).unwrap();
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

#[test]
fn the_writer_writes_the_shortest_form_of_everything() {
    assert_eq!(written(|w| w.unsigned(23)), [0x17]);
    assert_eq!(written(|w| w.unsigned(24)), [0x18, 24]);
    assert_eq!(written(|w| w.unsigned(65_536)), [0x1A, 0, 1, 0, 0]);
    assert_eq!(written(|w| w.unsigned(u64::MAX)), [0x1B, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert_eq!(written(|w| w.signed(-1)), [0x20]);
    assert_eq!(written(|w| w.signed(-25)), [0x38, 24]);
    assert_eq!(written(|w| w.signed(5)), [0x05]);
    assert_eq!(written(|w| w.boolean(true)), [0xF5]);
    assert_eq!(written(|w| w.text("rc")), *b"\x62rc");
    assert_eq!(written(|w| w.bytes(&[1, 2])), [0x42, 1, 2]);
    assert_eq!(written(|w| w.map(2)), [0xA2]);
    assert_eq!(written(|w| w.array(24)), [0x98, 24]);
    assert_eq!(
        written(|w| w.begin_map().and_then(|()| w.begin_array()).and_then(|()| w.end()).and_then(|()| w.end())),
        [0xBF, 0x9F, 0xFF, 0xFF]
    );
    assert_eq!(written(|w| w.raw(&[9, 8, 7])), [9, 8, 7]);
    for len in [0, 1, 23, 24, 255, 256, 2000] {
        let bytes = vec![7; len];
        assert_eq!(written(|w| w.bytes_head(len).and_then(|()| w.raw(&bytes))), written(|w| w.bytes(&bytes)));
        let text = "x".repeat(len);
        assert_eq!(written(|w| w.text_head(len).and_then(|()| w.raw(text.as_bytes()))), written(|w| w.text(&text)));
    }
}

#[test]
fn the_writer_reports_a_full_buffer_at_every_length_and_never_writes_past_it() {
    let request = image::Upload {
        image: Some(1),
        len: Some(70_000),
        off: Some(0),
        sha: Some((&[3; 32][..]).into()),
        data: Some((&[4; 40][..]).into()),
        upgrade: Some(true),
    };
    let whole = written(|w| request.encode(w));
    for len in 0..whole.len() + 2 {
        let mut buffer = vec![0; len];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(request.encode(&mut writer).is_ok(), len >= whole.len(), "{len}");
        assert!(writer.len() <= len);
        assert_eq!(writer.room(), len - writer.len());
    }
    let mut buffer = [0; 4];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(writer.reserve(5).err(), Some(BufferFull));
    assert_eq!(writer.reserve(usize::MAX).err(), Some(BufferFull));
    writer.reserve(4).unwrap().fill(9);
    assert_eq!(writer.room(), 0);
    assert_eq!(buffer, [9; 4]);
}

fn read_text(bytes: &[u8]) -> Text<'_> {
    Reader::new(bytes).text().unwrap()
}

#[test]
fn text_in_chunks_is_the_same_text() {
    let (whole, chunked) = (read_text(b"\x65hello"), read_text(b"\x7f\x62he\x60\x63llo\xff"));
    assert_eq!(whole, chunked);
    assert_eq!(chunked, "hello");
    assert_ne!(chunked, "hellO");
    assert_ne!(chunked, "hell");
    assert_ne!(chunked, "hello!");
    assert_eq!(whole.as_str(), Some("hello"));
    assert_eq!(chunked.as_str(), None, "it stands in two pieces");
    assert_eq!(read_text(b"\x7f\x60\x65hello\x60\xff").as_str(), Some("hello"), "only one of them holds something");
    assert_eq!(read_text(b"\x7f\xff").as_str(), Some(""));
    assert!(read_text(b"\x7f\x60\xff").is_empty());
    assert_eq!(chunked.to_string(), "hello");
    assert_eq!(written(|w| chunked.write(w)), *b"\x65hello");
    assert_eq!(chunked.as_bytes().iter().collect::<Vec<_>>(), [&b"he"[..], b"llo"]);
    assert_eq!(format!("{chunked:?}"), format!("{:?}", chunked.to_string()), "chunked or not");
}

#[test]
fn chunks_of_another_kind_or_nested_chunks_are_refused() {
    for bytes in [&b"\x7f\x42he\xff"[..], b"\x7f\x7f\x61x\xff\xff", b"\x7f\x05\xff", b"\x7f\x61", b"\x7f"] {
        assert!(Reader::new(bytes).text().is_err(), "{bytes:02x?}");
    }
}

#[test]
fn text_that_is_no_utf8_is_text_all_the_same() {
    let text = read_text(b"\x64a\xff\xc3z");
    assert_eq!(text.as_str(), None);
    assert_eq!(text.to_string(), "a\u{FFFD}\u{FFFD}z");
    assert_eq!(text.as_bytes().contiguous(), Some(&b"a\xff\xc3z"[..]));
    assert_eq!(written(|w| text.write(w)), b"\x64a\xff\xc3z");
    assert_eq!(Text::from_bytes(b"a\xff\xc3z"), text);
}

#[test]
fn bytes_are_copied_only_where_they_fit() {
    let bytes = Reader::new(b"\x5f\x42\x01\x02\x41\x03\xff").bytes().unwrap();
    assert_eq!(bytes.len(), 3);
    assert_eq!(bytes, &[1, 2, 3][..]);
    assert_eq!(bytes.as_slice(), None);
    let mut room = [0; 4];
    assert_eq!(bytes.chunks().copy_to(&mut room).unwrap(), &[1, 2, 3]);
    assert_eq!(bytes.chunks().copy_to(&mut [0; 2]), None);
    assert_eq!(format!("{bytes:?}"), "Bytes(3 bytes)");
    assert!(!bytes.is_empty());
    assert!(Bytes::from(&[][..]).is_empty());
}

#[test]
fn a_list_is_the_same_from_a_slice_and_from_any_encoding() {
    let numbers = [1_u32, 500, 70_000];
    let list = List::from(&numbers[..]);
    let definite = written(|w| list.write(w));
    assert_eq!(definite, [0x83, 1, 0x19, 1, 0xF4, 0x1A, 0, 1, 0x11, 0x70]);
    let indefinite = [&[0x9F][..], &definite[1..], &[0xFF]].concat();
    for bytes in [&definite, &indefinite] {
        let read = List::<u32>::read(&mut Reader::new(bytes)).unwrap();
        assert_eq!(read, list);
        assert_eq!(read.iter().collect::<Vec<_>>(), numbers);
        for cut in 1..bytes.len() {
            assert!(List::<u32>::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
    for empty in [&[0x80][..], &[0x9F, 0xFF]] {
        assert!(List::<u32>::read(&mut Reader::new(empty)).unwrap().is_empty());
    }
    assert!(List::<u32>::read(&mut Reader::new(&[0x82, 1, 0x61, b'x'])).is_err(), "one wrong element spoils the list");
}

#[test]
fn a_table_is_the_same_from_a_slice_and_from_any_encoding() {
    let rows = [("one".into(), 1_i64), ("".into(), -2), ("three".into(), 3)];
    let table = Table::from(&rows[..]);
    let definite = written(|w| table.write(w));
    assert_eq!(definite, b"\xa3\x63one\x01\x60\x21\x65three\x03");
    let indefinite = [&[0xBF][..], &definite[1..], &[0xFF]].concat();
    for bytes in [&definite, &indefinite] {
        let read = Table::<i64>::read(&mut Reader::new(bytes)).unwrap();
        assert_eq!(read, table);
        assert_eq!(read.get("three"), Some(3));
        assert_eq!(read.get("four"), None);
        for cut in 1..bytes.len() {
            assert!(Table::<i64>::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
    assert_eq!(format!("{:?}", Table::<i64>::read(&mut Reader::new(&[0xA0])).unwrap()), "{}");
}

#[test]
fn text_is_utf_8_where_the_standard_library_says_so() {
    let check = |bytes: &[u8]| {
        assert_eq!(Text::from_bytes(bytes).is_utf8(), std::str::from_utf8(bytes).is_ok(), "{bytes:02x?}");
    };
    // Everything of up to three bytes, and of four where it may be a character.
    for number in 0..1_u32 << 24 {
        let [a, b, c, _] = number.to_le_bytes();
        check(&[a, b, c]);
        if number < 1 << 16 {
            check(&[a, b]);
            check(&[a][..usize::from(b & 1)]);
        }
    }
    for (lead, second) in (0xEF..=0xF7).flat_map(|lead| (0..=255).map(move |second| (lead, second))) {
        for third in [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF] {
            for fourth in [0x00, 0x7F, 0x80, 0x8F, 0xBF, 0xC0, 0xFF] {
                check(&[lead, second, third, fourth]);
                check(&[b'a', lead, second, third, fourth, b'b']);
            }
        }
    }
}
