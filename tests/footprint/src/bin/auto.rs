//! The framing alone: SMP on a console, raw or with COBS, told apart.
#![no_std]
#![no_main]

use anysmp::framing::auto::Auto;

footprint::framing!(Auto<'static>, Auto::new);
