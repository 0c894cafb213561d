//! Data that MCUboot and the image that it starts exchange in RAM. The memory map has the addresses
//! of its build for the mps2.

use anysmp::mcuboot::shared_data::SharedData;
use anysmp::mcuboot::slots::Slot;
use anysmp::mcuboot::{Header, Version};

unsafe extern "C" {
    static _image_header: [u8; Header::LEN];
    static _shared_data: [u8; 0x100];
    static mut _boot_mode: u8;
}

/// Returns the version of the running image, from the header that MCUboot has copied to RAM with
/// it.
pub fn version() -> Option<Version> {
    // SAFETY: nothing writes this RAM after the start.
    let header = unsafe { &*(&raw const _image_header) };
    Header::parse(header).ok().map(|header| header.version())
}

/// Returns the slot from which the running image was copied.
pub fn running_slot() -> Option<Slot> {
    // SAFETY: as above.
    let memory = unsafe { &*(&raw const _shared_data) };
    SharedData::parse(memory)?.running_slot()
}

/// Makes MCUboot stay in serial recovery at the next reset (1), or start an image again (0).
pub fn set_boot_mode(mode: u8) {
    // SAFETY: the memory map reserves this byte of RAM.
    unsafe { (&raw mut _boot_mode).write_volatile(mode) };
}
