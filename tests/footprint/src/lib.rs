//! What every image stands on: a serial port and a flash that do nothing but cannot be optimised away.
#![no_std]

pub mod bsmp_device;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

const DEVICE: *mut u32 = 0x4000_4000 as *mut u32;

/// A word that the compiler cannot know.
pub fn get() -> u32 {
    // SAFETY: the images are linked, never run.
    unsafe { DEVICE.read_volatile() }
}

/// Uses a word.
pub fn put(word: u32) {
    // SAFETY: as above.
    unsafe { DEVICE.write_volatile(word) }
}

/// A serial port.
pub struct Uart;

/// Its error.
#[derive(Debug, Clone, Copy)]
pub struct Fault(u32);

impl core::fmt::Display for Fault {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ok(())
    }
}

impl core::error::Error for Fault {}

impl embedded_io::Error for Fault {
    fn kind(&self) -> embedded_io::ErrorKind {
        if self.0 == 0 { embedded_io::ErrorKind::TimedOut } else { embedded_io::ErrorKind::Other }
    }
}

impl embedded_io::ErrorType for Uart {
    type Error = Fault;
}

impl embedded_io::Read for Uart {
    #[inline(never)]
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let read = get() as usize;
        if read > into.len() {
            return Err(Fault(get()));
        }
        into.iter_mut().for_each(|byte| *byte = get() as u8);
        Ok(read)
    }
}

impl embedded_io::Write for Uart {
    #[inline(never)]
    fn write(&mut self, from: &[u8]) -> Result<usize, Fault> {
        from.iter().for_each(|byte| put((*byte).into()));
        Ok(from.len())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// A flash.
pub struct Nor;

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Nor {
    type Error = Fault;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 4;

    #[inline(never)]
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        bytes.iter_mut().for_each(|byte| *byte = get() as u8);
        if offset == get() { Err(Fault(1)) } else { Ok(()) }
    }

    fn capacity(&self) -> usize {
        0x10_0000
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    #[inline(never)]
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        if from.wrapping_add(to) == get() { Err(Fault(1)) } else { Ok(()) }
    }

    #[inline(never)]
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        bytes.iter().for_each(|byte| put((*byte).into()));
        if offset == get() { Err(Fault(1)) } else { Ok(()) }
    }
}

/// Uses everything of the above, `memcpy`, `memset` and `memcmp`: the images are counted from here.
pub fn baseline(buffer: &mut [u8; 64]) {
    use embedded_io::{Read, Write};
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
        memcpy(buffer.as_mut_ptr(), DEVICE.cast(), get() as usize);
        put(memcmp(buffer.as_ptr(), DEVICE.cast(), get() as usize) as u32);
        put(buffer.iter().map(|byte| u32::from(*byte)).sum());
    }
}

unsafe extern "C" {
    fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8;
    fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8;
    fn memcmp(one: *const u8, other: *const u8, len: usize) -> i32;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
