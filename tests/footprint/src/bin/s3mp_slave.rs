//! An S3MP slave with a sensor and an actuator: framing and slave, in a loop.
#![no_std]
#![no_main]

use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing, Progress};
use anysmp::s3mp::Address;
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::Value;
use core::time::Duration;
use embedded_io::{Read, Write};
use footprint::Place;
use footprint::device::{Uart, get, put};

/// The sensor and the actuator, which are the device's.
struct Values {
    temperature: Watched<u8>,
    relay: Watched<bool>,
}

static DEVICE: Place<Values> = Place::new();

struct Plant;

impl Plant {
    fn values(&mut self) -> &mut Values {
        // SAFETY: it was put there before, and one plant borrows it.
        unsafe { DEVICE.lend() }
    }
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
            Address(1) => one(self.values().temperature.report() & 0x17, out),
            _ => one(0xF4 | u8::from(self.values().relay.report()), out),
        }
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            Address(2) => {
                self.values().relay.set(value.bool()?);
                Ok(())
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        match address {
            Address(2) => {
                let relay = !self.values().relay.value();
                self.values().relay.set(relay);
                self.get(address, out)
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            Address(1) => self.values().temperature.is_changed(),
            _ => self.values().relay.is_changed(),
        })
    }
}

static FRAMING: Place<Lrc<'static>> = Place::new();
static SLAVE: Place<Slave<Plant>> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let buffers = unsafe { footprint::buffers() };
    // SAFETY: the plant borrows it from here on.
    unsafe { DEVICE.put(Values { temperature: Watched::new(3), relay: Watched::new(false) }) };
    let Ok(slave) = Slave::new(Plant) else { loop {} };
    // SAFETY: as above.
    let (framing, slave) = unsafe { (FRAMING.put(Lrc::new(&mut buffers.message)), SLAVE.put(slave)) };
    main_loop(framing, slave, &mut buffers.chunk, &mut buffers.out, &mut buffers.line)
}

#[inline(never)]
fn main_loop(
    framing: &mut Lrc<'static>,
    slave: &mut Slave<Plant>,
    chunk: &mut [u8],
    out: &mut [u8],
    tx: &mut [u8],
) -> ! {
    loop {
        slave.resources().values().temperature.set(get() as u8);
        let len = Uart.read(chunk).unwrap_or(0);
        let mut input = chunk.get(..len).unwrap_or_default();
        loop {
            let progress =
                if len == 0 { framing.idle(Duration::from_millis(get().into())) } else { framing.push(&mut input) };
            let over = progress == Ok(Progress::More);
            let mut len = match progress {
                Ok(Progress::Message) => {
                    let (len, after) = slave.receive(framing.message(), tx);
                    put((after == After::Restart).into());
                    len
                }
                Ok(_) => 0,
                Err(error) => slave.damaged(error.into(), tx),
            };
            if len == 0 {
                len = slave.poll(tx);
            }
            while len > 0 {
                let message = tx.get(..len).unwrap_or_default();
                if let Ok(mut encoder) = framing.encode(message) {
                    loop {
                        let len = encoder.next(message, out);
                        if len == 0 {
                            break;
                        }
                        let _ = Uart.write(out.get(..len).unwrap_or_default());
                    }
                }
                len = slave.poll(tx);
            }
            if over {
                break;
            }
        }
    }
}
