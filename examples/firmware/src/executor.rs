//! Embassy's executor with a different idle loop.
//!
//! Embassy's own loop sleeps with `wfe`, which QEMU treats as "do nothing": its core would spin,
//! and the emulated ports would starve.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw::Executor};

/// True if a task was woken since the last poll.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Called by the executor when a task is woken.
#[unsafe(export_name = "__pender")]
fn pender(_: *mut ()) {
    WOKEN.store(true, Ordering::Relaxed);
}

/// Runs the tasks that `init` spawns.
pub fn run(init: impl FnOnce(Spawner)) -> ! {
    let executor: Option<&'static mut Executor> = cortex_m::singleton!(: Executor = Executor::new(null_mut()));
    let Some(executor) = executor.map(|executor| &*executor) else { crate::exit(false) };
    init(executor.spawner());
    loop {
        WOKEN.store(false, Ordering::Relaxed);
        // SAFETY: this is the only call, and the executor was made here.
        unsafe { executor.poll() };
        critical_section::with(|_| {
            // With interrupts masked, no task can be woken between the check and the sleep; a
            // pending interrupt ends the sleep.
            if !WOKEN.load(Ordering::Relaxed) {
                cortex_m::asm::wfi();
            }
        });
    }
}
