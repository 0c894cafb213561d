//! The framing alone: BSMP on RS-485.
#![no_std]
#![no_main]

use anysmp::framing::packet::{Packet, gap};

footprint::framing!(Packet<'static>, |buffer| Packet::new(buffer, gap(115_200)));
