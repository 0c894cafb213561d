//! The parts of a board that does nothing: one register that can hold any value. Images that use it
//! are linked, never run.

use crate::device::Fault;
use anysmp::source::SourceFailed;
use core::time::Duration;

const REGISTER: *mut u32 = 0x4000_4000 as *mut u32;

/// A word that the compiler cannot know.
pub fn get() -> u32 {
    // SAFETY: the images are linked, never run.
    unsafe { REGISTER.read_volatile() }
}

/// Uses a word.
pub fn put(word: u32) {
    // SAFETY: as above.
    unsafe { REGISTER.write_volatile(word) }
}

unsafe extern "Rust" {
    /// How much time has passed, or for how long the line was silent: linked later, so that no
    /// arithmetic of a clock counts.
    pub safe fn silence() -> Duration;
}

/// Uses everything of the device, `memcpy`, `memset` and `memcmp`: the images are counted from
/// here.
pub fn baseline() {
    use crate::device::{Nor, Uart};
    use embedded_io::{Read, Write};
    use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
    let buffer = &mut [0; 64];
    let mut uart = Uart;
    let _ = uart.read(buffer).map(|len| put(len as u32));
    let _ = uart.write(buffer);
    let mut nor = Nor;
    let failed =
        [nor.read(get(), buffer).is_err(), nor.write(get(), buffer).is_err(), nor.erase(get(), get()).is_err()];
    put(failed.iter().filter(|failed| **failed).count() as u32);
    // SAFETY: the images are linked, never run.
    unsafe {
        memset(buffer.as_mut_ptr(), 0, get() as usize);
        memcpy(buffer.as_mut_ptr(), REGISTER.cast(), get() as usize);
        put(memcmp(buffer.as_ptr(), REGISTER.cast(), get() as usize) as u32);
        put(buffer.iter().map(|byte| u32::from(*byte)).sum());
    }
}

unsafe extern "C" {
    fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8;
    fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8;
    fn memcmp(one: *const u8, other: *const u8, len: usize) -> i32;
}

/// Before the loop whose stack is the figure.
#[inline(always)]
pub fn begin() {}

/// Runs what a function of the user's does.
#[inline(always)]
pub(crate) fn outside<T>(user: impl FnOnce() -> T) -> T {
    user()
}

#[inline(always)]
pub(crate) fn receive(into: &mut [u8]) -> Result<usize, Fault> {
    let read = get() as usize;
    if read > into.len() {
        return Err(Fault(get()));
    }
    into.iter_mut().for_each(|byte| *byte = get() as u8);
    Ok(read)
}

#[inline(always)]
pub(crate) fn send(from: &[u8]) {
    from.iter().for_each(|byte| put((*byte).into()));
}

#[inline(always)]
pub(crate) fn read_flash(offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
    bytes.iter_mut().for_each(|byte| *byte = get() as u8);
    if offset == get() { Err(Fault(1)) } else { Ok(()) }
}

#[inline(always)]
pub(crate) fn erase_flash(from: u32, to: u32) -> Result<(), Fault> {
    if from.wrapping_add(to) == get() { Err(Fault(1)) } else { Ok(()) }
}

#[inline(always)]
pub(crate) fn write_flash(offset: u32, bytes: &[u8]) -> Result<(), Fault> {
    bytes.iter().for_each(|byte| put((*byte).into()));
    if offset == get() { Err(Fault(1)) } else { Ok(()) }
}

#[inline(always)]
pub(crate) fn file_len() -> u64 {
    get().into()
}

#[inline(always)]
pub(crate) fn read_file(offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
    into.iter_mut().for_each(|byte| *byte = get() as u8);
    if offset == u64::from(get()) { Err(SourceFailed) } else { Ok(()) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
