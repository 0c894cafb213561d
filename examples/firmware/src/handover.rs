//! What passes between MCUboot and the image that it starts. The places are those of its build for the mps2; the memory
//! map has them.

use anysmp::mcuboot::shared_data::SharedData;
use anysmp::mcuboot::slots::Slot;
use anysmp::mcuboot::{Header, Version};

unsafe extern "C" {
    static _image_header: [u8; Header::LEN];
    static _shared_data: [u8; 0x100];
    static mut _boot_mode: u8;
}

/// The version of the running image, from the header that MCUboot has copied to RAM with it.
pub fn version() -> Option<Version> {
    // SAFETY: RAM that nobody writes after the start.
    let header = unsafe { &*(&raw const _image_header) };
    Header::parse(header).ok().map(|header| header.version())
}

/// The slot from which the running image was copied.
pub fn running_slot() -> Option<Slot> {
    // SAFETY: as above.
    let memory = unsafe { &*(&raw const _shared_data) };
    SharedData::parse(memory)?.running_slot()
}

/// Has MCUboot stay in serial recovery at the next reset (1), or start an image again (0).
pub fn set_boot_mode(mode: u8) {
    // SAFETY: a byte of RAM that the memory map gives to nobody else.
    unsafe { (&raw mut _boot_mode).write_volatile(mode) };
}
