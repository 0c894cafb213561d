//! Time: ticks that wake sleeping code, and microseconds that measure silence.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;
use core::time::Duration;

use critical_section::{CriticalSection, Mutex};
use heapless::Vec;

use crate::board;

/// The time between two interrupts of the board's timer, unless an image chooses another.
/// `Uart::read` gives up after one tick.
pub const TICK: Duration = Duration::from_millis(10);

static TICKS: AtomicU32 = AtomicU32::new(0);
static MICROS: AtomicU32 = AtomicU32::new(10_000);
/// Tasks to wake at the next tick.
static WAITING: Mutex<RefCell<Vec<Waker, 4>>> = Mutex::new(RefCell::new(Vec::new()));

/// Returns the ticks since the start. With ticks of 10 ms, wraps after 497 days.
pub fn ticks() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

/// Returns the microseconds since the start. Wraps after 71 minutes.
pub fn micros() -> u32 {
    // Interrupts are masked, or a tick could end between the two reads.
    let (ticks, since) = critical_section::with(|_| {
        let (missed, since) = board::since_tick();
        (ticks().wrapping_add(missed), since)
    });
    ticks.wrapping_mul(MICROS.load(Ordering::Relaxed)).wrapping_add(since)
}

/// Returns the milliseconds since the start, in steps of a tick.
pub fn uptime_ms() -> u64 {
    u64::from(ticks()) * u64::from(MICROS.load(Ordering::Relaxed)) / 1000
}

/// Sleeps for at least `ticks` ticks.
pub fn sleep(ticks: u32) {
    let began = self::ticks();
    while self::ticks().wrapping_sub(began) <= ticks {
        cortex_m::asm::wfi();
    }
}

/// Wakes a task at the next tick, or immediately if too many others are waiting.
pub fn wake_at_tick(cs: CriticalSection<'_>, waker: &Waker) {
    let mut waiting = WAITING.borrow_ref_mut(cs);
    if !waiting.iter().any(|other| other.will_wake(waker)) && waiting.push(waker.clone()).is_err() {
        waker.wake_by_ref();
    }
}

/// Sets the tick, and returns the microseconds between two interrupts, for a board that starts its
/// timer.
pub(crate) fn start(tick: Duration) -> u32 {
    let micros = tick.as_micros().clamp(1, 100_000) as u32;
    MICROS.store(micros, Ordering::Relaxed);
    micros
}

/// Counts a tick. Only for the interrupt of the timer: it uses a load and a store, because a
/// Cortex-M0 has no atomic addition.
pub(crate) fn advance() {
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    critical_section::with(|cs| core::mem::take(&mut *WAITING.borrow_ref_mut(cs)).into_iter().for_each(Waker::wake));
}
