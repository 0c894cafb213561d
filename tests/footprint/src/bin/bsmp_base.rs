//! The base from which the BSMP server is counted: its device and its table.
#![no_std]
#![no_main]
#![allow(static_mut_refs, reason = "linked, never run")]

use anysmp::bsmp::curve::Curve;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::{Access, Entities};
use footprint::bsmp_device::{ANSWER, Device, LEN, RECEIVED, TABLE};

#[unsafe(no_mangle)]
extern "C" fn _start() -> usize {
    footprint::baseline();
    let (mut device, members) = (Device, Members::EMPTY);
    // SAFETY: linked, never run.
    let (received, answer) = unsafe { (RECEIVED.get(..LEN).unwrap_or_default(), &mut ANSWER) };
    footprint::device::put(core::ptr::from_ref(&TABLE).addr() as u32);
    device.read(0, answer);
    device.write(0, received);
    device.sample(&members);
    device.apply(&members);
    [
        device.check(0, received),
        device.is_busy(Access::Read, &members),
        device.read_block(0, 0, answer).is_ok(),
        device.write_block(0, 0, received).is_ok(),
        device.checksum(0).is_some(),
        device.digest(0, Curve::writable(1, 1), answer).is_ok(),
        device.execute(0, received, answer).is_ok(),
    ]
    .iter()
    .filter(|done| **done)
    .count()
}
