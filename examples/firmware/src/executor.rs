//! Embassy's executor with a loop of our own.
//!
//! The one that comes with it sleeps with `wfe`. QEMU takes that for "nothing to do here": its core would spin, and the ports
//! that it emulates would starve.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw::Executor};

/// Whether a task was woken since the executor looked.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// What the executor calls when a task is woken.
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
        // SAFETY: here is the only call, and the executor was made here.
        unsafe { executor.poll() };
        critical_section::with(|_| {
            // With interrupts masked nobody can be woken between the look and the sleep; a pending interrupt ends it.
            if !WOKEN.load(Ordering::Relaxed) {
                cortex_m::asm::wfi();
            }
        });
    }
}
