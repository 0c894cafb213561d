//! Log records: with the feature `defmt` they go to a channel that no protocol uses, without it
//! they are dropped.

/// Logs a record at level info, if there is a log.
#[macro_export]
macro_rules! info {
    ($($arguments:tt)*) => {
        #[cfg(feature = "defmt")]
        defmt::info!($($arguments)*);
    };
}

#[cfg(feature = "defmt")]
defmt::timestamp!("{=u64:ms}", crate::clock::uptime_ms());

/// The micro:bit has one UART only: its records go to the debugger, or to the emulator's standard
/// output.
#[cfg(all(feature = "defmt", board = "microbit"))]
use defmt_semihosting as _;

/// The mps2 logs to UART2.
#[cfg(all(feature = "defmt", board = "mps2"))]
mod uart2 {
    use core::cell::{Cell, UnsafeCell};

    use critical_section::RestoreState;

    use crate::board::log;

    #[defmt::global_logger]
    struct Logger;

    /// State that is used only between `acquire` and `release`, with interrupts masked.
    struct State {
        restore: Cell<Option<RestoreState>>,
        encoder: UnsafeCell<defmt::Encoder>,
    }

    // SAFETY: one core, and interrupts are masked while it is used.
    unsafe impl Sync for State {}

    static STATE: State = State { restore: Cell::new(None), encoder: UnsafeCell::new(defmt::Encoder::new()) };

    // SAFETY: `acquire` masks interrupts until `release`, so records cannot mix.
    unsafe impl defmt::Logger for Logger {
        fn acquire() {
            // SAFETY: `release` releases it; records do not nest.
            let restore = unsafe { critical_section::acquire() };
            STATE.restore.set(Some(restore));
            // SAFETY: interrupts are masked, and there is no other reference.
            unsafe { (*STATE.encoder.get()).start_frame(log) };
        }

        unsafe fn flush() {}

        unsafe fn release() {
            // SAFETY: as in `acquire`.
            unsafe { (*STATE.encoder.get()).end_frame(log) };
            if let Some(restore) = STATE.restore.take() {
                // SAFETY: the state that `acquire` has received and stored.
                unsafe { critical_section::release(restore) };
            }
        }

        unsafe fn write(bytes: &[u8]) {
            // SAFETY: as in `acquire`.
            unsafe { (*STATE.encoder.get()).write(bytes, log) };
        }
    }
}
