//! Counts in QEMU: with `-icount shift=7` an instruction takes 128 ns of the board's time, and
//! SysTick counts 25 MHz of it: 16 ticks are 5 instructions.

use crate::Meter;
use core::fmt::{self, Write};
use core::ptr::{read_volatile, write_volatile};

const UART: usize = 0x4000_4000;
const STATE: usize = UART + 0x04;
const CTRL: usize = UART + 0x08;
const DIVIDER: usize = UART + 0x10;
const TX_FULL: u32 = 1;
const TX: u32 = 1;

const SYSTICK: usize = 0xE000_E010;
const RELOAD: usize = 0xE000_E014;
const COUNT: usize = 0xE000_E018;
const MOST: u32 = 0xFF_FFFF;

fn get(address: usize) -> u32 {
    // SAFETY: only called with registers of the board.
    unsafe { read_volatile(address as *const u32) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile(address as *mut u32, value) }
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while get(STATE) & TX_FULL != 0 {}
            set(UART, byte.into());
        }
        Ok(())
    }
}

struct SysTick {
    /// Ticks of a case that does nothing.
    empty: u32,
}

impl SysTick {
    #[inline(always)]
    fn ticks(&self, mut work: impl FnMut()) -> u32 {
        let before = get(COUNT);
        work();
        before.wrapping_sub(get(COUNT)) & MOST
    }
}

impl Meter for SysTick {
    // One copy for each case, so that none is inlined into a function of all.
    #[inline(never)]
    fn case(&mut self, name: &'static str, len: usize, mut work: impl FnMut()) {
        work();
        let ticks = self.ticks(work).saturating_sub(self.empty);
        let _ = writeln!(Uart, "{name} {len} {}", u64::from(ticks) * 5 / 16);
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    set(DIVIDER, 16);
    set(CTRL, TX);
    set(RELOAD, MOST);
    set(SYSTICK, 0b101);
    let mut meter = SysTick { empty: 0 };
    meter.empty = meter.ticks(|| {
        core::hint::black_box(0);
    });
    crate::all(&mut meter);
    let _ = writeln!(Uart, "end 0 0");
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart, "panic {info}");
    loop {}
}
