//! CBOR alone: an upload request is decoded, and its response encoded.
#![no_std]
#![no_main]

use anysmp::cbor::Writer;
use anysmp::smp::image::{Upload, UploadResponse};
use anysmp::smp::{Decode, Encode};
use core::hint::black_box;
use footprint::Buffers;
use footprint::device::{get, put};

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let Buffers { message, out, .. } = unsafe { footprint::buffers() };
    main_loop(message, out)
}

#[inline(never)]
fn main_loop(message: &mut [u8], out: &mut [u8]) -> ! {
    loop {
        let payload = message.get(..get() as usize).unwrap_or_default();
        let Ok(request) = Upload::decode(payload) else { continue };
        black_box(&request);
        let data = request.data.and_then(|data| data.as_slice()).unwrap_or_default();
        let off = request.off.unwrap_or_default() + data.len() as u64;
        let mut writer = Writer::new(out);
        put(UploadResponse::new(off).encode(&mut writer).is_ok().into());
    }
}
