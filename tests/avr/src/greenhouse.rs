//! A greenhouse on an Arduino Uno: a thermometer at pin A0, a heater at pin 13, the line at
//! 115,200 baud.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::lrc::Lrc;
use anysmp::port::Ticking;
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command};
use core::time::Duration;
use embedded_io::{ErrorKind, ErrorType, Read, Write};

/// The longest message, which S3MP asks for.
const MESSAGE: usize = 64;

const PORT_B: usize = 0x25;
const DIRECTION_B: usize = 0x24;
const HEATER_BIT: u8 = 1 << 5;
const ADC_HIGH: usize = 0x79;
const ADC_CONTROL: usize = 0x7A;
const ADC_CHOICE: usize = 0x7C;
const STATUS: usize = 0xC0;
const CONTROL: usize = 0xC1;
const BAUD_LOW: usize = 0xC4;
const DATA: usize = 0xC6;

const RECEIVED: u8 = 1 << 7;
const SENT: u8 = 1 << 6;
const FREE: u8 = 1 << 5;

fn get(register: usize) -> u8 {
    // SAFETY: the registers above are always readable, and nothing else uses them.
    unsafe { core::ptr::with_exposed_provenance::<u8>(register).read_volatile() }
}

fn put(register: usize, value: u8) {
    // SAFETY: as above; none of them moves memory.
    unsafe { core::ptr::with_exposed_provenance_mut::<u8>(register).write_volatile(value) }
}

/// The UART of the board.
struct Uart;

impl Uart {
    fn new() -> Self {
        // Twice the speed, 16 MHz / 8 / 17 = 117,647 baud; receiver and transmitter on.
        put(STATUS, 1 << 1);
        put(BAUD_LOW, 16);
        put(CONTROL, 0b0001_1000);
        Self
    }
}

impl ErrorType for Uart {
    type Error = ErrorKind;
}

impl Read for Uart {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        // About 5 ms.
        for _ in 0..8_000 {
            if get(STATUS) & RECEIVED != 0
                && let Some(place) = buf.first_mut()
            {
                *place = get(DATA);
                return Ok(1);
            }
        }
        Err(ErrorKind::TimedOut)
    }
}

impl Write for Uart {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let Some(byte) = buf.first() else { return Ok(0) };
        while get(STATUS) & FREE == 0 {}
        // Writing a one clears the mark of the last stop bit.
        put(STATUS, SENT | 1 << 1);
        put(DATA, *byte);
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        while get(STATUS) & SENT == 0 {}
        Ok(())
    }
}

const TEMPERATURE: Address = Address(1);
const HEATER: Address = Address(2);

struct Greenhouse {
    temperature: Watched<u8>,
    heater: Watched<bool>,
}

impl Greenhouse {
    fn switch(&mut self, on: bool) {
        let others = get(PORT_B) & !HEATER_BIT;
        put(PORT_B, if on { others | HEATER_BIT } else { others });
        self.heater.set(on);
    }
}

impl Resources for Greenhouse {
    fn names(&self) -> &[&str] {
        &["temperature", "heater"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            TEMPERATURE => value::encode(self.temperature.report(), out)?,
            _ => value::encode(self.heater.report(), out)?,
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            HEATER => {
                self.switch(value.bool()?);
                Ok(())
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        match address {
            HEATER => {
                self.switch(!self.heater.value());
                self.get(address, out)
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            TEMPERATURE => self.temperature.is_changed(),
            _ => self.heater.is_changed(),
        })
    }

    fn reset(&mut self, address: Address) {
        if address == HEATER {
            self.switch(false);
        }
    }

    fn serves_all(&self, _: Command) -> bool {
        true
    }
}

/// Where avr-libc's start-up code jumps to.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    put(DIRECTION_B, HEATER_BIT);
    // The supply as reference, the result left-adjusted, channel 0; runs freely at 125 kHz.
    put(ADC_CHOICE, 0b0110_0000);
    put(ADC_CONTROL, 0b1110_0111);
    let greenhouse = Greenhouse { temperature: Watched::new(0), heater: Watched::new(false) };
    let (mut message, mut memory) = ([0; MESSAGE], [0; Lrc::sizes_of(MESSAGE).memory()]);
    let port = Ticking::new(Uart::new(), Duration::from_millis(5)).with_byte_time(Duration::from_micros(85));
    let (Ok(mut slave), Ok(mut link)) = (Slave::new(greenhouse), Link::new(port, Lrc::new(&mut message), &mut memory))
    else {
        loop {}
    };
    loop {
        if let Ok(After::Restart) = link.serve(&mut slave) {
            slave.resources().switch(false);
        }
        slave.resources().temperature.set(get(ADC_HIGH));
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
