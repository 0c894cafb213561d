//! The number of instructions that the crate takes between two of the user's functions. In QEMU
//! with `-icount shift=7` each instruction takes 128 ns of the board's time, and SysTick counts
//! this time at 25 MHz: 16 ticks are 5 instructions.

use super::{get_register, report, set_register};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

const CONTROL: usize = 0xE000_E010;
const RELOAD: usize = 0xE000_E014;
const COUNT: usize = 0xE000_E018;
/// Counts down from there, and again.
const MOST: u32 = 0xFF_FFFF;

static LEFT: AtomicU32 = AtomicU32::new(0);
static TOTAL: AtomicU32 = AtomicU32::new(0);
static LONGEST: AtomicU32 = AtomicU32::new(0);
static BYTES: AtomicU32 = AtomicU32::new(0);

pub(super) fn start() {
    set_register(RELOAD, MOST);
    set_register(CONTROL, 0b101);
    leave();
}

/// A function of the user's is called.
#[inline(always)]
pub(super) fn enter() {
    let spent = LEFT.load(Relaxed).wrapping_sub(get_register(COUNT)) & MOST;
    TOTAL.store(TOTAL.load(Relaxed).wrapping_add(spent), Relaxed);
    LONGEST.store(LONGEST.load(Relaxed).max(spent), Relaxed);
}

/// It returns.
#[inline(always)]
pub(super) fn leave() {
    LEFT.store(get_register(COUNT), Relaxed);
}

/// Notes that this many bytes were received; at a pause, prints what all since the last pause took.
pub(super) fn received(len: usize) {
    let bytes = BYTES.load(Relaxed).wrapping_add(len as u32);
    if len == 0 && bytes > 0 {
        report(b's', [bytes, TOTAL.load(Relaxed), LONGEST.load(Relaxed)]);
        TOTAL.store(0, Relaxed);
        LONGEST.store(0, Relaxed);
    }
    BYTES.store(if len == 0 { 0 } else { bytes }, Relaxed);
}
