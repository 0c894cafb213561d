//! The framing alone: SMP over a console.
#![no_std]
#![no_main]

use anysmp::framing::console::Console;

footprint::framing!(Console<'static>, Console::new);
