//! The parts of QEMU's mps2 (AN385, AN386), for images that run: UARTs, PSRAM that plays flash, and
//! a stack that is painted.
//!
//! ```text
//!   TOP ──▶ ┌───────────────┐  the stack pointer when `main_loop` is called
//!           │ main_loop     │
//!           │ crate …       │──▶ a user's function: looks how deep the crate has come, runs, and
//!   SP  ──▶ ├───────────────┤    paints over its traces
//!           │ PAINT         │
//!           └───────────────┘  TOP − DEPTH
//! ```
//!
//! So the figure includes what the user's functions push before they can look: their own frame, of
//! a few registers. Each new figure goes to UART1 as a line that begins with `d`; the lines of
//! [`steps`] begin with `s`.

use crate::device::Fault;
use anysmp::source::SourceFailed;
use core::arch::asm;
use core::ptr::{read_volatile, write_volatile};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use core::time::Duration;

mod steps;

const LINE: usize = 0x4000_4000;
const REPORT: usize = 0x4000_5000;
// Registers of a UART, and their bits.
const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const DIVIDER: usize = 0x10;
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;
const TX_AND_RX: u32 = 3;

/// What plays flash, whose contents the emulator brings.
const FLASH: usize = 0x2100_0000;
const FLASH_LEN: usize = 0x10_0000;

const PAINT: u32 = 0xCCCC_CCCC;
/// How deep it is painted; the linker's script leaves more.
const DEPTH: usize = 4096;

static TOP: AtomicUsize = AtomicUsize::new(0);
static DEEPEST: AtomicUsize = AtomicUsize::new(0);

fn get_register(address: usize) -> u32 {
    // SAFETY: only called with registers of the board.
    unsafe { read_volatile(address as *const u32) }
}

fn set_register(address: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// A word of a device that can answer anything: often nothing, often little, and the same in every
/// run.
pub fn get() -> u32 {
    static STATE: AtomicU32 = AtomicU32::new(1);
    let mut word = STATE.load(Relaxed);
    word ^= word << 13;
    word ^= word >> 17;
    word ^= word << 5;
    STATE.store(word, Relaxed);
    match word & 7 {
        0..4 => 0,
        4..7 => word >> 24,
        _ => word,
    }
}

/// Uses a word.
pub fn put(word: u32) {
    core::hint::black_box(word);
}

/// How long the line was silent when nothing came, about.
pub fn silence() -> Duration {
    Duration::from_millis(10)
}

/// Nothing: these images are not counted.
pub fn baseline() {}

#[inline(always)]
fn stack_pointer() -> usize {
    let now;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) now, options(nomem, nostack, preserves_flags)) };
    now
}

/// Paints what is free of the stack. Inlined, as all that touches the paint: a call would leave
/// traces.
#[inline(always)]
fn paint() {
    let (mut at, end) = (TOP.load(Relaxed).wrapping_sub(DEPTH), stack_pointer());
    while at < end {
        // SAFETY: between the stack's end and its pointer is memory that nobody uses: no interrupt
        // is on.
        unsafe { write_volatile(at as *mut u32, PAINT) };
        at += 4;
    }
}

/// Measures how deep the stack has been used, and prints it if that is deeper than before.
#[inline(always)]
fn look() {
    let top = TOP.load(Relaxed);
    if top == 0 {
        // Not begun: the loop's values are being made.
        return;
    }
    let mut at = top - DEPTH;
    // SAFETY: the stack's memory, where `PAINT` ends before the top.
    while at < top && unsafe { read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    let depth = top - at;
    if depth > DEEPEST.load(Relaxed) {
        DEEPEST.store(depth, Relaxed);
        report(b'd', [depth as u32]);
    }
}

/// Letter and numbers, which are hexadecimal.
#[inline(never)]
fn report<const N: usize>(what: u8, numbers: [u32; N]) {
    transmit(REPORT, what);
    for number in numbers {
        transmit(REPORT, b' ');
        for digit in (0..8).rev().map(|at| (number >> (4 * at) & 0xF) as u8) {
            transmit(REPORT, digit + if digit < 10 { b'0' } else { b'a' - 10 });
        }
    }
    transmit(REPORT, b'\n');
}

fn transmit(uart: usize, byte: u8) {
    while get_register(uart + STATE) & TX_FULL != 0 {}
    set_register(uart + DATA, byte.into());
}

/// Before the loop whose stack is the figure: starts the UARTs and the counter, and paints.
#[inline(always)]
pub fn begin() {
    for uart in [LINE, REPORT] {
        set_register(uart + DIVIDER, 16);
        set_register(uart + CTRL, TX_AND_RX);
    }
    steps::start();
    TOP.store(stack_pointer(), Relaxed);
    paint();
}

/// Runs what a function of the user's does, which does not count.
#[inline(always)]
pub(crate) fn outside<T>(user: impl FnOnce() -> T) -> T {
    steps::enter();
    look();
    let value = user();
    paint();
    steps::leave();
    value
}

/// What comes until a pause.
#[inline(never)]
pub(crate) fn receive(into: &mut [u8]) -> Result<usize, Fault> {
    /// How often it looks whether there is a byte: some milliseconds, and within a message fewer.
    const PATIENCE: usize = 50_000;
    let mut len = 0;
    for byte in into {
        let patience = if len == 0 { PATIENCE } else { PATIENCE / 20 };
        if (0..patience).all(|_| get_register(LINE + STATE) & RX_FULL == 0) {
            break;
        }
        *byte = get_register(LINE + DATA) as u8;
        len += 1;
    }
    steps::received(len);
    if len > 0 { Ok(len) } else { Err(Fault(0)) }
}

#[inline(never)]
pub(crate) fn send(from: &[u8]) {
    from.iter().for_each(|byte| transmit(LINE, *byte));
}

fn flash(from: u32, len: usize) -> Result<&'static mut [u8], Fault> {
    // SAFETY: the memory is the board's, and nothing else refers to it: this borrow ends with
    // the operation.
    let flash = unsafe { core::slice::from_raw_parts_mut(FLASH as *mut u8, FLASH_LEN) };
    flash.get_mut(from as usize..).and_then(|rest| rest.get_mut(..len)).ok_or(Fault(1))
}

#[inline(never)]
pub(crate) fn read_flash(offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
    bytes.copy_from_slice(flash(offset, bytes.len())?);
    Ok(())
}

#[inline(never)]
pub(crate) fn erase_flash(from: u32, to: u32) -> Result<(), Fault> {
    flash(from, to.saturating_sub(from) as usize)?.fill(0xFF);
    Ok(())
}

#[inline(never)]
pub(crate) fn write_flash(offset: u32, bytes: &[u8]) -> Result<(), Fault> {
    // As a real one: bits are cleared.
    flash(offset, bytes.len())?.iter_mut().zip(bytes).for_each(|(cell, byte)| *cell &= byte);
    Ok(())
}

#[inline(always)]
pub(crate) fn file_len() -> u64 {
    3000
}

#[inline(never)]
pub(crate) fn read_file(offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
    for (byte, at) in into.iter_mut().zip(offset..) {
        *byte = (at >> 4 ^ at) as u8;
    }
    Ok(())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    b"panic\n".iter().for_each(|byte| transmit(REPORT, *byte));
    loop {}
}
