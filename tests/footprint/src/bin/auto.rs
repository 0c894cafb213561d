//! The framing alone: SMP on a console, raw or with COBS, recognised by its first bytes.
#![no_std]
#![no_main]

use anysmp::framing::auto::Auto;

footprint::framing!(Auto<'static>, Auto::new);
