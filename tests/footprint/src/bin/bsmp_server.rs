//! A BSMP server with every command, without MD5: a message in, an answer out.
#![no_std]
#![no_main]
#![allow(static_mut_refs, reason = "linked, never run")]

use anysmp::bsmp::Server;
use footprint::bsmp_device::{ANSWER, Device, LEN, RECEIVED, TABLE};

static mut SERVER: Server<'static, Device> = Server::new(Device, &TABLE);

#[unsafe(no_mangle)]
extern "C" fn _start() -> usize {
    footprint::baseline();
    // SAFETY: linked, never run.
    unsafe { main_loop(&mut SERVER, RECEIVED.get(..LEN).unwrap_or_default(), &mut ANSWER) }
}

#[inline(never)]
fn main_loop(server: &mut Server<'static, Device>, received: &[u8], answer: &mut [u8]) -> usize {
    server.receive(received, answer)
}
