//! Lengths on the wire that a 16-bit `usize` cannot hold once a header is added: no receiver may
//! take a few bytes for a whole message of such a length. The outcome goes to the UART.
#![no_std]
#![no_main]

use anysmp::bsmp::{Entities, Server, Table, variable::Variable};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::packet::{Packet, gap};
use anysmp::framing::{Framing, Progress};

const STATUS: usize = 0xC0;
const CONTROL: usize = 0xC1;
const DATA: usize = 0xC6;
const FREE: u8 = 1 << 5;

fn put(register: usize, value: u8) {
    // SAFETY: the registers of the UART, which nothing else uses; none of them moves memory.
    unsafe { core::ptr::with_exposed_provenance_mut::<u8>(register).write_volatile(value) }
}

fn say(text: &str) {
    for byte in text.bytes() {
        // SAFETY: as above, and it is always readable.
        while unsafe { core::ptr::with_exposed_provenance::<u8>(STATUS).read_volatile() } & FREE == 0 {}
        put(DATA, byte);
    }
}

/// Two bytes of value for variable 0.
struct Two;

impl Entities for Two {
    fn read(&mut self, _: u8, value: &mut [u8]) {
        value.fill(7);
    }
}

/// The number of messages that a framing makes of these bytes.
fn messages(framing: &mut impl Framing, bytes: &[u8]) -> usize {
    let (mut input, mut count) = (bytes, 0);
    for _ in 0..16 {
        match framing.push(&mut input) {
            Ok(Progress::Message) => count += 1,
            Ok(Progress::More) if input.is_empty() => break,
            _ => {}
        }
    }
    count
}

/// Packets of a bus, delivered as soon as they are complete.
fn packets() -> bool {
    let mut buffer = [0; 16];
    (65_520..=u16::MAX).all(|len| {
        let mut framing = Packet::new(&mut buffer, gap(115_200)).with_early_delivery();
        let [high, low] = len.to_be_bytes();
        // Each prefix has a sum of zero, so that only its length says that it is none.
        let command = 0_u8.wrapping_sub(1).wrapping_sub(high).wrapping_sub(low);
        let bytes = [1, command, high, low, 0, 0, 0, 0, 0, 0];
        messages(&mut framing, &bytes) == 0 && {
            framing.reset();
            messages(&mut framing, &[1, 0x10, 0, 1, 0, 0xEE]) == 1
        }
    })
}

/// Bare messages, as over TCP.
fn counted() -> bool {
    let mut buffer = [0; 16];
    (65_520..=u16::MAX).all(|len| {
        let mut framing = Counted::<Head3>::new(&mut buffer);
        let [high, low] = len.to_be_bytes();
        messages(&mut framing, &[0x10, high, low, 0, 0, 0, 0, 0]) == 0
    })
}

/// A node: every length but the right one is malformed.
fn server() -> bool {
    const VARIABLES: [Variable; 1] = [Variable::read_only(2)];
    let Ok(table) = Table::new(&VARIABLES, &[], &[]) else { return false };
    let mut server = Server::new(Two, &table);
    let mut tx = [0; 16];
    let is_refused = (2..=u16::MAX).all(|len| {
        let [high, low] = len.to_be_bytes();
        let length = server.receive(&[0x10, high, low, 0], &mut tx);
        tx.get(..length) == Some(&[0xE1, 0, 0])
    });
    let length = server.receive(&[0x10, 0, 1, 0], &mut tx);
    is_refused && tx.get(..length) == Some(&[0x11, 0, 2, 7, 7])
}

/// Where avr-libc's start-up code jumps to.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    put(CONTROL, 0b0000_1000);
    for (name, holds) in [("packets", packets as fn() -> bool), ("counted", counted), ("server", server)] {
        say(name);
        say(if holds() { " ok\n" } else { " WRONG\n" });
    }
    say("end\n");
    loop {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
