//! Counts what readers do, for tests: time would depend on the machine and on what else it does.

use core::cell::Cell;

std::thread_local! {
    static HEADS: Cell<u64> = const { Cell::new(0) };
}

/// A reader of this thread has come to the head of an item.
pub(super) fn head() {
    HEADS.set(HEADS.get() + 1);
}

/// How many heads of items `work` reads. Whatever is read again counts again.
pub(crate) fn heads(work: impl FnOnce()) -> u64 {
    let before = HEADS.get();
    work();
    HEADS.get() - before
}
