//! The user's side, which no stack figure includes: a serial port, a flash, files, settings, a
//! shell. By itself all of it does nothing, but it cannot be optimised away; with the feature
//! `board` the port and the flash are those of an emulated board.

use anysmp::mcuboot::digest::{Digest, Hash, HashKind};
use anysmp::port::Clock;
use anysmp::smp::{Error, fs, settings, shell};
use anysmp::source::{Source, SourceFailed};
use core::time::Duration;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use parts::outside;

pub use parts::{baseline, begin, get, put, silence};

#[cfg_attr(feature = "board", path = "board.rs")]
#[cfg_attr(not(feature = "board"), path = "nothing.rs")]
mod parts;

/// A serial port.
pub struct Uart;

/// Its error.
#[derive(Debug, Clone, Copy)]
pub struct Fault(pub(crate) u32);

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
        outside(|| parts::receive(into))
    }
}

impl embedded_io::Write for Uart {
    #[inline(never)]
    fn write(&mut self, from: &[u8]) -> Result<usize, Fault> {
        outside(|| parts::send(from));
        Ok(from.len())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl Clock for Uart {
    #[inline(always)]
    fn elapsed(&mut self) -> Duration {
        silence()
    }
}

/// Bytes of the flash.
pub const CAPACITY: usize = 0x10_0000;

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
        outside(|| parts::read_flash(offset, bytes))
    }

    #[inline(always)]
    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    #[inline(never)]
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        outside(|| parts::erase_flash(from, to))
    }

    #[inline(never)]
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        outside(|| parts::write_flash(offset, bytes))
    }
}

/// A block that computes SHA-256.
pub struct Hardware;

impl Digest for Hardware {
    const KIND: HashKind = HashKind::Sha256;

    #[inline(never)]
    fn reset(&mut self) {
        put(1);
    }

    #[inline(never)]
    fn update(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| put((*byte).into()));
    }

    #[inline(never)]
    fn finish(&mut self) -> Hash {
        let mut hash = [0; 32];
        hash.iter_mut().for_each(|byte| *byte = get() as u8);
        let Some(hash) = Hash::new(&hash) else { loop {} };
        hash
    }
}

/// An image file.
pub struct File;

impl Source for File {
    #[inline(never)]
    fn len(&self) -> u64 {
        outside(parts::file_len)
    }

    #[inline(never)]
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        outside(|| parts::read_file(offset, into))
    }
}

/// Settings.
pub struct Values;

impl settings::Settings for Values {
    #[inline(never)]
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        outside(|| {
            into.iter_mut().for_each(|byte| *byte = get() as u8);
            if name.len() == get() as usize { Err(Error::UNKNOWN) } else { Ok(get() as usize) }
        })
    }

    #[inline(never)]
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        outside(|| {
            value.iter().for_each(|byte| put((*byte).into()));
            if name.len() == get() as usize { Err(Error::UNKNOWN) } else { Ok(()) }
        })
    }

    #[inline(never)]
    fn delete(&mut self, name: &str) -> Result<(), Error> {
        outside(|| if name.len() == get() as usize { Err(Error::UNKNOWN) } else { Ok(()) })
    }
}

/// A file system.
pub struct Files;

impl fs::Files for Files {
    #[inline(never)]
    fn len(&mut self, path: fs::Path<'_>) -> Result<u64, Error> {
        outside(|| if path.as_str().len() == get() as usize { Err(Error::UNKNOWN) } else { Ok(get().into()) })
    }

    #[inline(never)]
    fn read(&mut self, path: fs::Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error> {
        outside(|| {
            into.iter_mut().for_each(|byte| *byte = get() as u8);
            if path.as_str().len() as u64 == off { Err(Error::UNKNOWN) } else { Ok(get() as usize) }
        })
    }

    #[inline(never)]
    fn create(&mut self, path: fs::Path<'_>) -> Result<(), Error> {
        outside(|| if path.as_str().len() == get() as usize { Err(Error::UNKNOWN) } else { Ok(()) })
    }

    #[inline(never)]
    fn append(&mut self, path: fs::Path<'_>, off: u64, data: &[u8]) -> Result<(), Error> {
        outside(|| {
            data.iter().for_each(|byte| put((*byte).into()));
            if path.as_str().len() as u64 == off { Err(Error::UNKNOWN) } else { Ok(()) }
        })
    }
}

/// A shell.
pub struct Lines;

impl shell::Shell for Lines {
    #[inline(never)]
    fn run(&mut self, line: &str, output: &mut shell::Output<'_>) -> i32 {
        // Through a pointer, as `write!` does it: what is called so is the crate's, and counts.
        let write: fn(&mut _, &str) -> _ = <shell::Output<'_> as core::fmt::Write>::write_str;
        let _ = core::hint::black_box(write)(output, line);
        line.len() as i32
    }
}
