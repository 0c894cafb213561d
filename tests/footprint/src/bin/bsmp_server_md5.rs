//! The BSMP server with the MD5 of its curves in software.
#![no_std]
#![no_main]
#![allow(static_mut_refs, reason = "linked, never run")]

use anysmp::bsmp::Server;
use footprint::bsmp_device::{ANSWER, DeviceWithMd5, LEN, RECEIVED, TABLE};

static mut SERVER: Server<'static, DeviceWithMd5> = Server::new(DeviceWithMd5, &TABLE);

#[unsafe(no_mangle)]
extern "C" fn _start() -> usize {
    footprint::baseline();
    // SAFETY: linked, never run.
    unsafe { main_loop(&mut SERVER, RECEIVED.get(..LEN).unwrap_or_default(), &mut ANSWER) }
}

#[inline(never)]
fn main_loop(server: &mut Server<'static, DeviceWithMd5>, received: &[u8], answer: &mut [u8]) -> usize {
    server.receive(received, answer)
}
