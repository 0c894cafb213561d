//! An S3MP slave on UART0: a greenhouse with a thermometer, a heater and a label.
//!
//! The temperature changes by itself, so a master that subscribes to it receives pushes.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::lrc::{Lrc, max_encoded_len};
use anysmp::line::Buffers;
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command};
use anysmp::smp::settings::Settings as _;
use firmware::board::Board;
use firmware::settings::{Store, Values};
use firmware::{clock, info};
use heapless::String;

/// The longest message.
const MESSAGE: usize = 64;
/// The ticks between two changes of the temperature.
const BREATH: u32 = 25;

const TEMPERATURE: Address = Address(1);
const HEATER: Address = Address(2);
const LABEL: Address = Address(3);

struct Greenhouse {
    /// The temperature in tenths of a degree Celsius.
    temperature: Watched<i32>,
    heater: Watched<bool>,
    label: Watched<String<16>>,
    /// The number of starts of the board, so that a master can recognise a restart.
    starts: u32,
    debug: Option<&'static str>,
}

impl Greenhouse {
    fn new(starts: u32) -> Self {
        Self {
            temperature: Watched::new(180),
            heater: Watched::new(false),
            label: Watched::new(String::new()),
            starts,
            debug: Some("greenhouse started"),
        }
    }

    fn switch(&mut self, on: bool) {
        info!("heater: {=bool}", on);
        self.heater.set(on);
        self.debug = Some(if on { "heater on" } else { "heater off" });
    }

    /// Moves the temperature a tenth of the way to its target, at least one step.
    fn breathe(&mut self) {
        let (now, goal) = (self.temperature.value(), if self.heater.value() { 300 } else { 180 });
        self.temperature.set(now + (goal - now) / 10 + (goal - now).signum());
    }
}

impl Resources for Greenhouse {
    fn names(&self) -> &[&str] {
        &["temperature", "heater", "label"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            TEMPERATURE => value::encode(self.temperature.report(), out)?,
            HEATER => value::encode(self.heater.report(), out)?,
            _ => value::encode(self.label.report().as_str(), out)?,
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            HEATER => self.switch(value.bool()?),
            LABEL => {
                let label = value.text()?.as_str().and_then(|label| String::try_from(label).ok());
                self.label.set(label.ok_or(Refusal::BadRequest)?);
            }
            _ => return Err(Refusal::NotImplemented),
        }
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        if address != HEATER {
            return Err(Refusal::NotImplemented);
        }
        self.switch(!self.heater.value());
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            TEMPERATURE => self.temperature.is_changed(),
            HEATER => self.heater.is_changed(),
            _ => self.label.is_changed(),
        })
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.starts, out)?)
    }

    fn reset(&mut self, address: Address) {
        match address {
            HEATER => self.heater.set(false),
            LABEL => self.label.set(String::new()),
            _ => {}
        }
    }

    fn debug(&mut self, out: &mut [u8]) -> usize {
        let text = self.debug.take().unwrap_or_default();
        out.iter_mut().zip(text.bytes()).map(|(to, from)| *to = from).count()
    }

    fn serves_all(&self, _: Command) -> bool {
        true
    }
}

/// Counts the starts of the board, in its flash.
fn count(store: &mut Store<'_>) -> u32 {
    const NAME: &str = "starts";
    let mut starts = [0; 4];
    let _ = store.get(NAME, &mut starts);
    let starts = u32::from_le_bytes(starts).wrapping_add(1);
    // If the flash fails, the master cannot recognise this start.
    let _ = store.set(NAME, &starts.to_le_bytes()).and_then(|()| store.save(None));
    starts
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(Board { uart0, mut flash, .. }) = Board::take() else { firmware::exit(false) };
    let mut values = Values::new(&mut flash);
    let starts = count(&mut Store { values: &mut values, flash: &mut flash });
    let Ok(mut slave) = Slave::new(Greenhouse::new(starts)) else { firmware::exit(false) };
    info!("start {=u32}", starts);

    const OUT: usize = max_encoded_len(MESSAGE);
    let (mut message, mut memory) = ([0; MESSAGE], [0; MESSAGE + OUT + 32]);
    let buffers = Buffers::split(&mut memory).with_tx(MESSAGE).with_out(OUT);
    let Ok(mut link) = Link::new(uart0, Lrc::new(&mut message), buffers) else { firmware::exit(false) };
    let mut breath = clock::ticks();
    loop {
        match link.serve(&mut slave) {
            Ok(After::Restart) => firmware::reset(),
            Ok(After::Nothing) => {}
            // An overrun costs a message; the link continues.
            Err(_) => {
                info!("port failed {=u32} times", link.counters().failures);
            }
        }
        if clock::ticks().wrapping_sub(breath) >= BREATH {
            breath = clock::ticks();
            slave.resources().breathe();
        }
    }
}
