//! Checksums.

use crate::Operation;
use anysmp::checksum::{Crc16, Sum};
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    |bytes, _| {
        let mut crc = Crc16::new();
        crc.update(bytes);
        black_box((crc.value(), Crc16::of(bytes)));
    },
    |bytes, _| {
        let mut sum = Sum::new();
        sum.update(bytes);
        black_box((sum.value(), Sum::of(bytes)));
    },
];
