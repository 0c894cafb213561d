//! Counts the work of readers, for tests: a time would depend on the machine and its load.

use core::cell::Cell;

std::thread_local! {
    static HEADS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the head of an item that a reader of this thread has reached.
pub(super) fn head() {
    HEADS.set(HEADS.get() + 1);
}

/// Returns the number of item heads that `work` reads. A head that is read again counts again.
pub(crate) fn heads(work: impl FnOnce()) -> u64 {
    let before = HEADS.get();
    work();
    HEADS.get() - before
}
