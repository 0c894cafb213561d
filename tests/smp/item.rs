//! A slow and obvious model of CBOR in its shortest form: parse it, change it, write it in any form
//! that is allowed.

use std::vec::Vec;

/// One data item.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Unsigned(u64),
    /// -1 - n.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// `false`, `true`, `null`.
    Simple(u8),
}

/// How an item is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As short as can be.
    Shortest,
    /// Maps and arrays without a length, as Zephyr and MCUboot send them.
    Indefinite,
    /// Strings one character at a time as well, as Mynewt may send them.
    Chunked,
    /// All numbers and lengths in eight bytes.
    Wide,
}

impl Item {
    pub fn parse(bytes: &[u8]) -> Self {
        let (item, rest) = Self::split(bytes);
        assert!(rest.is_empty(), "{rest:02x?} behind the item");
        item
    }

    fn split(bytes: &[u8]) -> (Self, &[u8]) {
        let (info, rest) = (bytes[0] & 0x1F, &bytes[1..]);
        let width = if info < 24 { 0 } else { 1 << (info - 24) };
        let (argument, rest) = rest.split_at(width);
        let value = argument.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let value = if width == 0 { u64::from(info) } else { value };
        let len = value as usize;
        match bytes[0] >> 5 {
            0 => (Self::Unsigned(value), rest),
            1 => (Self::Negative(value), rest),
            2 => (Self::Bytes(rest[..len].to_vec()), &rest[len..]),
            3 => (Self::Text(rest[..len].to_vec()), &rest[len..]),
            4 => {
                let (items, rest) = Self::several(rest, len);
                (Self::Array(items), rest)
            }
            5 => {
                let (items, rest) = Self::several(rest, 2 * len);
                (Self::Map(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()), rest)
            }
            7 => (Self::Simple(info), rest),
            other => panic!("major type {other}"),
        }
    }

    fn several(mut rest: &[u8], count: usize) -> (Vec<Self>, &[u8]) {
        let mut items = Vec::new();
        for _ in 0..count {
            let (item, behind) = Self::split(rest);
            items.push(item);
            rest = behind;
        }
        (items, rest)
    }

    pub fn entries(&mut self) -> &mut Vec<(Self, Self)> {
        match self {
            Self::Map(entries) => entries,
            other => panic!("{other:?} is no map"),
        }
    }

    pub fn written(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(form, &mut out);
        out
    }

    fn write(&self, form: Form, out: &mut Vec<u8>) {
        match self {
            Self::Unsigned(value) => head(form, 0, *value, out),
            Self::Negative(value) => head(form, 1, *value, out),
            Self::Bytes(bytes) | Self::Text(bytes) => {
                let major = if matches!(self, Self::Text(_)) { 3 } else { 2 };
                if form == Form::Chunked {
                    out.push(major << 5 | 31);
                    for byte in bytes {
                        out.extend_from_slice(&[major << 5 | 1, *byte]);
                    }
                    out.push(0xFF);
                } else {
                    head(form, major, bytes.len() as u64, out);
                    out.extend_from_slice(bytes);
                }
            }
            Self::Array(items) => {
                container(form, 4, items.len(), out, |out| items.iter().for_each(|item| item.write(form, out)));
            }
            Self::Map(entries) => container(form, 5, entries.len(), out, |out| {
                for (key, value) in entries {
                    key.write(form, out);
                    value.write(form, out);
                }
            }),
            Self::Simple(value) => out.push(7 << 5 | value),
        }
    }
}

fn container(form: Form, major: u8, len: usize, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    if matches!(form, Form::Indefinite | Form::Chunked) {
        out.push(major << 5 | 31);
        content(out);
        out.push(0xFF);
    } else {
        head(form, major, len as u64, out);
        content(out);
    }
}

fn head(form: Form, major: u8, value: u64, out: &mut Vec<u8>) {
    let width = match value {
        _ if form == Form::Wide => 8,
        0..24 => 0,
        24..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8_usize,
    };
    let info = if width == 0 { value as u8 } else { 24 + width.trailing_zeros() as u8 };
    out.push(major << 5 | info);
    out.extend_from_slice(&value.to_be_bytes()[8 - width..]);
}
