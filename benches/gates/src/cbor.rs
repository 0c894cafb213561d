//! Uploads and lists of images as CBOR, beside `minicbor`.

use crate::{Meter, random};
use anysmp::cbor::Writer;
use anysmp::smp::image::{ImageState, StateResponse, Upload, UploadResponse};
use anysmp::smp::{Decode, Encode};
use core::hint::black_box;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

type Error = minicbor::decode::Error;

/// What `Upload` has, by a loop as one writes it by hand.
#[derive(Default)]
struct Theirs<'b> {
    image: Option<u32>,
    len: Option<u64>,
    off: Option<u64>,
    sha: Option<&'b [u8]>,
    data: Option<&'b [u8]>,
    upgrade: Option<bool>,
}

impl<'b> Theirs<'b> {
    #[inline(never)]
    fn decode(payload: &'b [u8]) -> Result<Self, Error> {
        let (mut found, mut decoder) = (Self::default(), Decoder::new(payload));
        let mut left = decoder.map()?;
        loop {
            match &mut left {
                Some(0) => return Ok(found),
                Some(left) => *left -= 1,
                None if decoder.datatype()? == Type::Break => return Ok(found),
                None => {}
            }
            match decoder.str()? {
                "image" => found.image = Some(decoder.u32()?),
                "len" => found.len = Some(decoder.u64()?),
                "off" => found.off = Some(decoder.u64()?),
                "sha" => found.sha = Some(decoder.bytes()?),
                "data" => found.data = Some(decoder.bytes()?),
                "upgrade" => found.upgrade = Some(decoder.bool()?),
                _ => decoder.skip()?,
            }
        }
    }
}

#[inline(never)]
fn ours(payload: &[u8]) -> bool {
    Upload::decode(payload).is_ok()
}

pub(crate) fn cases(meter: &mut impl Meter) {
    let mut data = [0; 1024];
    random(&mut data);
    let mut buffer = [0; 1200];
    let mut upload =
        |meter: &mut _, name, theirs, write: &dyn Fn(&mut Encoder<minicbor::encode::write::Cursor<&mut [u8]>>)| {
            let mut encoder = Encoder::new(minicbor::encode::write::Cursor::new(&mut buffer[..]));
            write(&mut encoder);
            let len = encoder.writer().position();
            decode(meter, name, theirs, &buffer[..len]);
        };
    let first = [("image", 0), ("len", 262_144), ("off", 0)];
    upload(meter, "upload-first", "upload-first/minicbor", &|e| {
        let _ = e.map(5);
        for (key, number) in first {
            let _ = e.str(key).and_then(|e| e.u64(number));
        }
        let _ =
            e.str("sha").and_then(|e| e.bytes(&data[..32])).and_then(|e| e.str("data")).and_then(|e| e.bytes(&data));
    });
    upload(meter, "upload-later", "upload-later/minicbor", &|e| {
        let _ = e.map(2).and_then(|e| e.str("off")).and_then(|e| e.u64(70_000));
        let _ = e.str("data").and_then(|e| e.bytes(&data));
    });
    upload(meter, "upload-data-first", "upload-data-first/minicbor", &|e| {
        let _ = e.map(5).and_then(|e| e.str("data")).and_then(|e| e.bytes(&data));
        for (key, number) in first {
            let _ = e.str(key).and_then(|e| e.u64(number));
        }
        let _ = e.str("sha").and_then(|e| e.bytes(&data[..32]));
    });
    upload(meter, "upload-reversed", "upload-reversed/minicbor", &|e| {
        let _ = e.begin_map().and_then(|e| e.str("data")).and_then(|e| e.bytes(&data));
        let _ = e.str("sha").and_then(|e| e.bytes(&data[..32]));
        for (key, number) in first.into_iter().rev() {
            let _ = e.str(key).and_then(|e| e.u64(number));
        }
        let _ = e.end();
    });
    responses(meter);
    requests(meter, &data);
    for images in [1, 8, 64] {
        list(meter, images);
    }
}

fn decode(meter: &mut impl Meter, name: &'static str, theirs: &'static str, payload: &[u8]) {
    assert!(ours(payload) && Theirs::decode(payload).is_ok());
    meter.case(name, 1024, || {
        black_box(ours(black_box(payload)));
    });
    meter.case(theirs, 1024, || {
        // By reference: the other one returns nothing either.
        black_box(&Theirs::decode(black_box(payload)));
    });
}

fn responses(meter: &mut impl Meter) {
    let mut out = [0; 64];
    meter.case("off-encode", 0, || {
        let mut writer = Writer::new(black_box(&mut out));
        black_box(UploadResponse::new(black_box(70_000)).encode(&mut writer).is_ok());
    });
    meter.case("off-encode/minicbor", 0, || {
        let mut encoder = Encoder::new(minicbor::encode::write::Cursor::new(black_box(&mut out[..])));
        black_box(encoder.map(1).and_then(|e| e.str("off")).and_then(|e| e.u64(black_box(70_000))).is_ok());
    });
}

fn requests(meter: &mut impl Meter, data: &[u8]) {
    let mut out = [0; 1200];
    meter.case("upload-encode", 1024, || {
        let mut writer = Writer::new(black_box(&mut out));
        let upload = Upload { off: Some(black_box(70_000)), data: Some(black_box(data).into()), ..Upload::default() };
        black_box(upload.encode(&mut writer).is_ok());
    });
    meter.case("upload-encode/minicbor", 1024, || {
        let mut encoder = Encoder::new(minicbor::encode::write::Cursor::new(black_box(&mut out[..])));
        let written = encoder.map(2).and_then(|e| e.str("off")).and_then(|e| e.u64(black_box(70_000)));
        black_box(written.and_then(|e| e.str("data")).and_then(|e| e.bytes(black_box(data))).is_ok());
    });
}

/// Writes the response to a state request of a device with this many images.
pub(crate) fn images<'o>(count: usize, out: &'o mut [u8]) -> &'o [u8] {
    let mut state = ImageState::new(0, "1.2.3".into());
    state.hash = Some((&[0x55; 32][..]).into());
    (state.bootable, state.confirmed, state.active) = (true, true, true);
    let states = [state; 64];
    let mut writer = Writer::new(out);
    let written = StateResponse::new(states[..count].into()).encode(&mut writer);
    assert!(written.is_ok());
    let len = writer.len();
    &out[..len]
}

#[inline(never)]
fn walk(payload: &[u8]) -> u32 {
    StateResponse::decode(payload).map_or(0, |state| state.images.iter().map(|image| image.slot + 1).sum())
}

#[inline(never)]
fn theirs(payload: &[u8]) -> Result<u32, Error> {
    let mut decoder = Decoder::new(payload);
    let mut sum = 0;
    for _ in 0..decoder.map()?.unwrap_or_default() {
        if decoder.str()? != "images" {
            decoder.skip()?;
            continue;
        }
        for _ in 0..decoder.array()?.unwrap_or_default() {
            let (mut slot, mut version, mut hash, mut flags) = (0, "", &[][..], [false; 5]);
            for _ in 0..decoder.map()?.unwrap_or_default() {
                match decoder.str()? {
                    "image" => {
                        black_box(decoder.u32()?);
                    }
                    "slot" => slot = decoder.u32()?,
                    "version" => version = decoder.str()?,
                    "hash" => hash = decoder.bytes()?,
                    "bootable" => flags[0] = decoder.bool()?,
                    "pending" => flags[1] = decoder.bool()?,
                    "confirmed" => flags[2] = decoder.bool()?,
                    "active" => flags[3] = decoder.bool()?,
                    "permanent" => flags[4] = decoder.bool()?,
                    _ => decoder.skip()?,
                }
            }
            black_box((version, hash, flags));
            sum += slot + 1;
        }
    }
    Ok(sum)
}

fn list(meter: &mut impl Meter, count: usize) {
    let mut payload = [0; 8192];
    let payload = images(count, &mut payload);
    assert!(walk(payload) == count as u32 && theirs(payload).is_ok_and(|sum| sum == count as u32));
    meter.case("images-walk", count, || {
        black_box(walk(black_box(payload)));
    });
    meter.case("images-walk/minicbor", count, || {
        black_box(theirs(black_box(payload)).is_ok());
    });
}
