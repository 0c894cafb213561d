//! Time, as coarse as the protocols need it.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

/// The time between two interrupts of the board's timer, after which `Uart::read` gives up.
pub const TICK: Duration = Duration::from_millis(10);

static TICKS: AtomicU32 = AtomicU32::new(0);

/// Ticks since the start. Wraps after 497 days.
pub fn ticks() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

/// Milliseconds since the start, in steps of a tick.
pub fn uptime_ms() -> u64 {
    u64::from(ticks()) * 10
}

/// Sleeps for at least `ticks` ticks.
pub fn sleep(ticks: u32) {
    let began = self::ticks();
    while self::ticks().wrapping_sub(began) <= ticks {
        cortex_m::asm::wfi();
    }
}

/// For the timer's interrupt, and nobody else. A load and a store, as Cortex-M0 knows no more.
pub(crate) fn advance() {
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
