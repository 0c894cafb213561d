//! A BSMP server with every command, without MD5: a message in, an answer out.
#![no_std]
#![no_main]
#![allow(static_mut_refs, reason = "linked, never run")]

use anysmp::bsmp::Server;
use footprint::bsmp_device::{ANSWER, Device, LEN, RECEIVED, TABLE};

static mut SERVER: Server<'static, Device> = Server::new(&TABLE, Device);

/// README's table: RAM beside the buffers and the device's own values.
const _: () = assert!(size_of::<Server<'static, Device>>() == 88);

#[unsafe(no_mangle)]
extern "C" fn _start() -> usize {
    let mut buffer = [0; 64];
    footprint::baseline(&mut buffer);
    // SAFETY: linked, never run.
    unsafe { SERVER.serve(RECEIVED.get(..LEN).unwrap_or_default(), &mut ANSWER) }
}
