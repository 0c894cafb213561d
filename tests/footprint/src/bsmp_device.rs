//! A BSMP device whose entities are all reached through functions that are linked later, so that
//! none of them counts.
#![allow(improper_ctypes, reason = "the functions do not exist")]

use anysmp::bsmp::curve::{Curve, Digest, Md5};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Access, Entities, Refusal, Table};
use core::num::NonZeroU8;

unsafe extern "C" {
    fn device_read(id: u8, out: *mut u8, len: usize);
    fn device_write(id: u8, value: *const u8, len: usize);
    fn device_check(id: u8, value: *const u8, len: usize) -> bool;
    fn device_busy(write: bool, members: *const Members) -> bool;
    fn device_sample(members: *const Members);
    fn device_apply(members: *const Members);
    fn device_read_block(id: u8, block: u16, out: *mut u8, len: usize) -> usize;
    fn device_write_block(id: u8, block: u16, data: *const u8, len: usize) -> bool;
    fn device_checksum(id: u8) -> *mut Digest;
    fn device_digest(id: u8, digest: *mut Digest) -> bool;
    fn device_execute(id: u8, input: *const u8, input_len: usize, out: *mut u8, out_len: usize) -> u8;
}

/// The device.
pub struct Device;

// SAFETY of the calls below: the image is linked, never run.
impl Entities for Device {
    fn read(&mut self, id: u8, out: &mut [u8]) {
        unsafe { device_read(id, out.as_mut_ptr(), out.len()) }
    }

    fn write(&mut self, id: u8, value: &[u8]) {
        unsafe { device_write(id, value.as_ptr(), value.len()) }
    }

    fn check(&mut self, id: u8, value: &[u8]) -> bool {
        unsafe { device_check(id, value.as_ptr(), value.len()) }
    }

    fn is_busy(&mut self, access: Access, members: &Members) -> bool {
        unsafe { device_busy(access == Access::Write, members) }
    }

    fn sample(&mut self, members: &Members) {
        unsafe { device_sample(members) }
    }

    fn apply(&mut self, members: &Members) {
        unsafe { device_apply(members) }
    }

    fn read_block(&mut self, id: u8, block: u16, out: &mut [u8]) -> Result<usize, Refusal> {
        let len = unsafe { device_read_block(id, block, out.as_mut_ptr(), out.len()) };
        if len > 70_000 { Err(Refusal::Busy) } else { Ok(len) }
    }

    fn write_block(&mut self, id: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        if unsafe { device_write_block(id, block, data.as_ptr(), data.len()) } { Ok(()) } else { Err(Refusal::Busy) }
    }

    fn checksum(&mut self, id: u8) -> Option<&mut Digest> {
        unsafe { device_checksum(id).as_mut() }
    }

    fn digest(&mut self, id: u8, _: Curve, _: &mut [u8]) -> Result<Digest, Refusal> {
        let mut digest = [0; 16];
        if unsafe { device_digest(id, &mut digest) } { Ok(digest) } else { Err(Refusal::Busy) }
    }

    fn execute(&mut self, id: u8, input: &[u8], out: &mut [u8]) -> Result<(), NonZeroU8> {
        let error = unsafe { device_execute(id, input.as_ptr(), input.len(), out.as_mut_ptr(), out.len()) };
        match NonZeroU8::new(error) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// The same device, which calculates the checksums of its curves.
pub struct DeviceWithMd5;

impl Entities for DeviceWithMd5 {
    #[inline(always)]
    fn read(&mut self, id: u8, out: &mut [u8]) {
        Device.read(id, out);
    }

    #[inline(always)]
    fn write(&mut self, id: u8, value: &[u8]) {
        Device.write(id, value);
    }

    #[inline(always)]
    fn check(&mut self, id: u8, value: &[u8]) -> bool {
        Device.check(id, value)
    }

    #[inline(always)]
    fn is_busy(&mut self, access: Access, members: &Members) -> bool {
        Device.is_busy(access, members)
    }

    #[inline(always)]
    fn sample(&mut self, members: &Members) {
        Device.sample(members);
    }

    #[inline(always)]
    fn apply(&mut self, members: &Members) {
        Device.apply(members);
    }

    #[inline(always)]
    fn read_block(&mut self, id: u8, block: u16, out: &mut [u8]) -> Result<usize, Refusal> {
        Device.read_block(id, block, out)
    }

    #[inline(always)]
    fn write_block(&mut self, id: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        Device.write_block(id, block, data)
    }

    #[inline(always)]
    fn checksum(&mut self, id: u8) -> Option<&mut Digest> {
        unsafe { device_checksum(id).as_mut() }
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        anysmp::bsmp::curve::digest_of(self, id, curve, scratch, Md5::default())
    }

    #[inline(always)]
    fn execute(&mut self, id: u8, input: &[u8], out: &mut [u8]) -> Result<(), NonZeroU8> {
        Device.execute(id, input, out)
    }
}

/// One entity of each kind.
pub static TABLE: Table =
    match Table::new(&[Variable::writable(2)], &[Curve::writable(16, 4)], &[Function { input: 1, output: 1 }]) {
        Ok(table) => table,
        Err(_) => panic!("a table that is none"),
    };

unsafe extern "C" {
    /// What was received.
    pub static mut RECEIVED: [u8; 512];
    /// Where the answer goes.
    pub static mut ANSWER: [u8; 512];
    /// How much was received.
    pub static mut LEN: usize;
}
