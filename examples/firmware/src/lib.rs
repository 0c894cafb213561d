//! The shared part of the images of this workspace: two boards, and a serial port for `anysmp` on
//! either.
//!
//! ```text
//!   UART interrupt ─▶ queue ─▶ Uart::read ─▶ anysmp Link        timer interrupt ─▶ clock ─▶ ticks
//!   UART interrupt ◀─ queue ◀─ Uart::write ◀─ anysmp Link
//! ```
//!
//! | image | what it is |
//! |---|---|
//! | `smp_server` | an SMP server with every group but files, and two slots |
//! | `smp_server_async` | the same as a task of an executor; flash and port work at the same time |
//! | `smp_client` | upgrades another board from its own flash |
//! | `bsmp_node` | a BSMP node on RS-485: variables, groups, a curve, functions |
//! | `s3mp_slave` | an S3MP slave: sensors, actuators, and values that are pushed on change |
//! | `under_mcuboot` | OS commands and images, under a real MCUboot (feature `mcuboot`) |
//!
//! The target chooses the board: thumbv6m is the BBC micro:bit (nRF51822, Cortex-M0), every other
//! target is the Arm MPS2+ with the Cortex-M3 image AN385. QEMU emulates both.
#![no_std]

#[cfg(board = "microbit")]
#[path = "board/microbit.rs"]
pub mod board;
#[cfg(board = "mps2")]
#[path = "board/mps2.rs"]
pub mod board;

pub mod asynch;
pub mod boot;
pub mod clock;
pub mod device;
pub mod executor;
#[cfg(feature = "mcuboot")]
pub mod handover;
pub mod log;
pub mod settings;
pub mod uart;
pub mod vendor;

/// Resets the board like its reset button, but keeps the contents of its RAM.
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

/// Prints a line to the emulator's standard error. On a real board this needs a debugger.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => { $crate::print(format_args!($($arguments)*)) };
}

/// Does the work of [`say!`].
pub fn print(line: core::fmt::Arguments<'_>) {
    if let Ok(mut out) = cortex_m_semihosting::hio::hstderr() {
        use core::fmt::Write as _;
        let _ = writeln!(out, "{line}");
    }
}

/// Prints a panic and ends the emulator. Firmware in the field would reset instead.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say!("{info}");
    exit(false)
}
