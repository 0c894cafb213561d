//! The framing alone: SMP with COBS and CRC-16.
#![no_std]
#![no_main]

use anysmp::framing::delimited::Cobs;

footprint::framing!(Cobs<'static>, Cobs::new);
