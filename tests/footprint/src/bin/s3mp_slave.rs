//! An S3MP slave with a sensor and an actuator: framing and slave, in a loop of one's own.
#![no_std]
#![no_main]

use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing, Progress};
use anysmp::s3mp::Address;
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::Value;
use core::time::Duration;
use embedded_io::{Read, Write};
use footprint::{Uart, get, put};

struct Plant {
    temperature: Watched<u8>,
    relay: Watched<bool>,
}

/// One byte is the CBOR of a small number, and of a boolean.
fn one(byte: u8, out: &mut [u8]) -> Result<usize, Refusal> {
    *out.first_mut().ok_or(Refusal::Failed("too long"))? = byte;
    Ok(1)
}

impl Resources for Plant {
    fn names(&self) -> &[&str] {
        &["temp", "relay"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        match address {
            Address(1) => one(self.temperature.tell() & 0x17, out),
            _ => one(0xF4 | u8::from(self.relay.tell()), out),
        }
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            Address(2) => {
                self.relay.set(value.bool()?);
                Ok(())
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        match address {
            Address(2) => {
                self.relay.set(!self.relay.value());
                self.get(address, out)
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn changed(&mut self, address: Address) -> bool {
        match address {
            Address(1) => self.temperature.is_changed(),
            _ => self.relay.is_changed(),
        }
    }
}

/// README's table: RAM beside the buffers and the device's own values.
const RAM: usize = size_of::<Lrc<'static>>() + size_of::<Slave<Plant>>() - size_of::<Plant>();
const _: () = assert!(RAM == 81);

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut buffer = [0; 64];
    footprint::baseline(&mut buffer);
    let (mut message, mut tx, mut chunk, mut out) = ([0; 64], [0; 64], [0; 16], [0; 16]);
    let mut framing = Lrc::new(&mut message);
    let plant = Plant { temperature: Watched::new(3), relay: Watched::new(false) };
    let Ok(mut slave) = Slave::new(plant) else { loop {} };
    loop {
        slave.resources().temperature.set(get() as u8);
        let len = Uart.read(&mut chunk).unwrap_or(0);
        let mut input = chunk.get(..len).unwrap_or_default();
        loop {
            let progress =
                if len == 0 { framing.idle(Duration::from_millis(get().into())) } else { framing.push(&mut input) };
            let over = progress == Ok(Progress::More);
            let mut len = match progress {
                Ok(Progress::Message) => {
                    let (len, after) = slave.receive(framing.message(), &mut tx);
                    put((after == After::Restart).into());
                    len
                }
                Ok(_) => 0,
                Err(error) => slave.damaged(error, &mut tx),
            };
            if len == 0 {
                len = slave.poll(&mut tx);
            }
            while len > 0 {
                if let Ok(mut encoder) = framing.encode(tx.get(..len).unwrap_or_default()) {
                    loop {
                        let len = encoder.next(&mut out);
                        if len == 0 {
                            break;
                        }
                        let _ = Uart.write(out.get(..len).unwrap_or_default());
                    }
                }
                len = slave.poll(&mut tx);
            }
            if over {
                break;
            }
        }
    }
}
