//! The framing alone, both ways, between a port and a loop of one's own.
#![no_std]
#![no_main]

use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing, Progress};
use core::time::Duration;
use embedded_io::{Read, Write};
use footprint::{Uart, get, put};

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut buffer = [0; 64];
    footprint::baseline(&mut buffer);
    let (mut message, mut chunk, mut out) = ([0; 512], [0; 64], [0; 128]);
    let mut framing = Console::new(&mut message);
    loop {
        let Ok(len) = Uart.read(&mut chunk) else {
            put(framing.idle(Duration::from_millis(get().into())).is_err().into());
            continue;
        };
        let mut input = chunk.get(..len).unwrap_or_default();
        loop {
            match framing.push(&mut input) {
                Ok(Progress::More) => break,
                Ok(Progress::Text(text)) => put(text.len() as u32),
                Ok(Progress::Message) => {
                    let Ok(mut encoder) = framing.encode(framing.message()) else { continue };
                    loop {
                        let len = encoder.next(&mut out);
                        if len == 0 {
                            break;
                        }
                        let _ = Uart.write(out.get(..len).unwrap_or_default());
                    }
                }
                Err(_) => put(2),
            }
        }
    }
}
