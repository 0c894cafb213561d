//! What the images of this workspace share: two boards, and a serial port for `anysmp` on either.
//!
//! ```text
//!   UART interrupt ─▶ queue ─▶ Uart::read ─▶ anysmp Link        timer interrupt ─▶ clock ─▶ ticks
//!   UART interrupt ◀─ queue ◀─ Uart::write ◀─ anysmp Link
//! ```
//!
//! The target chooses the board: thumbv6m is the BBC micro:bit (nRF51822, Cortex-M0), everything else the Arm MPS2+ with
//! the Cortex-M3 image AN385. QEMU emulates both.
#![no_std]

#[cfg(board = "microbit")]
#[path = "board/microbit.rs"]
pub mod board;
#[cfg(board = "mps2")]
#[path = "board/mps2.rs"]
pub mod board;

pub mod boot;
pub mod clock;
pub mod device;
pub mod log;
pub mod settings;
pub mod uart;
pub mod vendor;

/// Resets the board as its reset button would, but for the contents of its RAM.
pub fn reset() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// Ends the emulator with success or failure. On a real board this needs a debugger.
pub fn exit(success: bool) -> ! {
    use cortex_m_semihosting::debug;
    debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::nop();
    }
}

/// Firmware in the field would reset here. A test wants to see it.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if let Ok(mut out) = cortex_m_semihosting::hio::hstderr() {
        use core::fmt::Write as _;
        let _ = writeln!(out, "{info}");
    }
    exit(false)
}
