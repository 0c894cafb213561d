//! CBOR: every method of the reader on unknown bytes, views to their end, every method of the
//! writer in a small buffer.

use crate::{Operation, drop_in_box, flag, number, size};
use anysmp::cbor::{Bytes, Item, List, Reader, Table, Text, Value, Writer, keys};
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.unsigned())),
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.signed())),
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.boolean())),
    |bytes, _| {
        reader(bytes, |reader| {
            drop_in_box(reader.at_map());
            let _ = reader.skip();
        });
    },
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.text())),
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.bytes())),
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.skip())),
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.item())),
    |bytes, _| {
        reader(bytes, |reader| {
            let Ok(mut entries) = reader.entries() else { return };
            while let Ok(true) = entries.more(reader) {
                drop_in_box((reader.text(), reader.skip()));
            }
        });
    },
    |bytes, _| {
        reader(bytes, |reader| {
            let Ok(mut elements) = reader.elements() else { return };
            while let Ok(true) = elements.more(reader) {
                drop_in_box(reader.signed());
            }
        });
    },
    |bytes, room| {
        if let Ok(text) = Reader::new(bytes).text() {
            let other = black_box("other");
            drop_in_box((text.as_str(), text.is_empty(), text == *other, text == other));
            drop_in_box((text.is_utf8(), text.as_bytes().copy_to(room)));
            drop_in_box(text.write(&mut Writer::new(room)));
        }
    },
    |bytes, room| {
        if let Ok(string) = Reader::new(bytes).bytes() {
            let chunks = string.chunks();
            chunks.iter().for_each(drop_in_box);
            drop_in_box((string.as_slice(), string.len(), string.is_empty(), string == *bytes, string == bytes));
            drop_in_box((
                chunks.contiguous(),
                chunks.len(),
                chunks.is_empty(),
                chunks == Text::from_bytes(bytes).as_bytes(),
            ));
            drop_in_box(chunks.copy_to(room));
            drop_in_box(string.write(&mut Writer::new(room)));
        }
    },
    |bytes, room| list::<u64>(bytes, room),
    |bytes, room| list::<i32>(bytes, room),
    |bytes, room| list::<bool>(bytes, room),
    |bytes, room| list::<Text<'_>>(bytes, room),
    |bytes, room| list::<Bytes<'_>>(bytes, room),
    |bytes, room| table::<u64>(bytes, room),
    |bytes, room| table::<Text<'_>>(bytes, room),
    |bytes, room| table::<List<'_, u16>>(bytes, room),
    |bytes, _| reader(bytes, |reader| drop_in_box((u8::read(reader), u16::read(reader), u32::read(reader)))),
    |bytes, _| {
        reader(bytes, |reader| drop_in_box((i64::read(reader), bool::read(reader), Option::<u64>::read(reader))))
    },
    |bytes, _| reader(bytes, |reader| drop_in_box(reader.float())),
    |bytes, _| reader(bytes, |reader| drop_in_box((f32::read(reader), f64::read(reader)))),
    |bytes, _| {
        let mut values = [Item::Null; 2];
        drop_in_box((Reader::new(bytes).fields(keys!["off", "len"], flag(), &mut values), values));
        drop_in_box(Reader::new(bytes).value_of("off"));
    },
    |bytes, room| {
        writer(room, |writer| {
            let mut fields = writer.fields(keys!["off", "gain"]);
            fields.field(&number());
            fields.field(&f32::read(&mut Reader::new(bytes)).ok());
            drop_in_box(fields.end());
        });
    },
    |bytes, room| writer(room, |writer| drop_in_box(writer.raw(bytes))),
    |bytes, room| writer(room, |writer| drop_in_box(writer.bytes(bytes))),
    |bytes, room| {
        let text = core::str::from_utf8(bytes).unwrap_or_default();
        writer(room, |writer| drop_in_box(writer.text(text)));
    },
    |_, room| writer(room, |writer| drop_in_box(writer.unsigned(number()))),
    |_, room| writer(room, |writer| drop_in_box(writer.signed(black_box(-1)))),
    |_, room| writer(room, |writer| drop_in_box(writer.boolean(flag()))),
    |_, room| writer(room, |writer| drop_in_box((writer.bytes_head(size()), writer.reserve(size())))),
    |_, room| writer(room, |writer| drop_in_box((writer.text_head(size()), writer.reserve(size())))),
    |_, room| writer(room, |writer| drop_in_box((writer.map(number()), writer.array(number())))),
    |_, room| writer(room, |writer| drop_in_box((writer.begin_map(), writer.begin_array(), writer.end()))),
];

fn reader<'b>(bytes: &'b [u8], mut read: impl FnMut(&mut Reader<'b>)) {
    let mut reader = Reader::new(bytes);
    while !reader.rest().is_empty() {
        read(&mut reader);
        drop_in_box(reader.rest());
    }
}

fn writer(room: &mut [u8], mut write: impl FnMut(&mut Writer<'_>)) {
    let mut writer = Writer::new(room);
    drop_in_box(writer.written_mut().len());
    writer.clear();
    for _ in 0..size() {
        write(&mut writer);
        drop_in_box((writer.len(), writer.is_empty(), writer.room()));
    }
}

fn list<'b, T: Value<'b> + Copy + 'b>(bytes: &'b [u8], room: &mut [u8]) {
    let Ok(list) = List::<T>::read(&mut Reader::new(bytes)) else { return };
    list.iter().for_each(drop_in_box);
    drop_in_box((list.is_empty(), list.write(&mut Writer::new(room))));
}

fn table<'b, T: Value<'b> + Copy + 'b>(bytes: &'b [u8], room: &mut [u8]) {
    let Ok(table) = Table::<T>::read(&mut Reader::new(bytes)) else { return };
    table.iter().for_each(drop_in_box);
    drop_in_box((table.get(black_box("name")), table.write(&mut Writer::new(room))));
}
