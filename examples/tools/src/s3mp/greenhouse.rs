//! A simulated greenhouse for S3MP: temperature, humidity and light that change by themselves, a
//! heater, a label.

#![expect(clippy::cast_possible_truncation, reason = "a simulation on a host, whose values stay in their ranges")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anysmp::blocking::Link;
use anysmp::framing::lrc::Lrc;
use anysmp::line::{Sink, SizeError};
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command, USUAL_MESSAGE};

use crate::port::{Listener, Pipe, Port, complain, is_over};

const TEMPERATURE: Address = Address(1);
const HUMIDITY: Address = Address(2);
const RELAY: Address = Address(3);
const LABEL: Address = Address(4);

/// The time from one change of the air to the next.
const BREATH: Duration = Duration::from_millis(250);

/// The label at start.
const NAME: &str = "greenhouse";

/// The longest label, in bytes.
const MAX_LABEL: usize = 16;

/// The greenhouse. A relay switches its heater; temperatures are in steps of a tenth of a degree.
pub struct Greenhouse {
    temperature: Watched<i32>,
    humidity: Watched<u8>,
    relay: Watched<bool>,
    label: Watched<String>,
    /// Seconds since 1970 at the start, which distinguish one start from another.
    boot: u64,
    started: Instant,
    debug: Option<String>,
}

impl Default for Greenhouse {
    fn default() -> Self {
        Self::new()
    }
}

impl Greenhouse {
    /// Starts a greenhouse now.
    pub fn new() -> Self {
        let boot = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            temperature: Watched::new(180),
            humidity: Watched::new(60),
            relay: Watched::new(false),
            label: Watched::new(NAME.into()),
            boot,
            started: Instant::now(),
            debug: Some("greenhouse started".into()),
        }
    }

    fn switch(&mut self, on: bool) {
        self.relay.set(on);
        self.debug = Some(format!("heater {}", if on { "on" } else { "off" }));
    }

    /// Lets the air follow the clock, the heater and a slow draught.
    pub fn breathe(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let wanted = if self.relay.value() { 300.0 } else { 180.0 } + 8.0 * (seconds * 0.9).sin();
        let now = f64::from(self.temperature.value());
        self.temperature.set((now + (wanted - now) * 0.08 + 0.5).floor() as i32);
        self.humidity.set((75.0 - 0.1 * (now - 180.0) * 1.5 + 3.0 * (seconds * 0.4).cos()).round() as u8);
    }
}

impl Resources for Greenhouse {
    fn names(&self) -> &[&str] {
        &["temperature", "humidity", "relay", "label"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            TEMPERATURE => value::encode(self.temperature.report() as f32 / 10.0, out)?,
            HUMIDITY => value::encode(self.humidity.report(), out)?,
            RELAY => value::encode(self.relay.report(), out)?,
            LABEL => value::encode(self.label.report().as_str(), out)?,
            _ => return Err(Refusal::NotFound),
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            RELAY => self.switch(value.bool()?),
            LABEL => {
                let label =
                    value.text()?.as_str().filter(|label| label.len() <= MAX_LABEL).ok_or(Refusal::BadRequest)?;
                self.label.set(label.into());
            }
            _ => return Err(Refusal::NotImplemented),
        }
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        if address != RELAY {
            return Err(Refusal::NotImplemented);
        }
        self.switch(!self.relay.value());
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            TEMPERATURE => self.temperature.is_changed(),
            HUMIDITY => self.humidity.is_changed(),
            RELAY => self.relay.is_changed(),
            _ => self.label.is_changed(),
        })
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        // Tag 1: seconds since 1970.
        Ok(value::encode(minicbor::data::Tagged::<1, u64>::new(self.boot), out)?)
    }

    fn reset(&mut self, address: Address) {
        match address {
            RELAY => self.relay.set(false),
            LABEL => self.label.set(NAME.into()),
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

/// Serves one port while it is open and `power` is on, and returns the port if it is still open
/// then; starts the greenhouse again when the master requests it.
pub fn serve(
    slave: &mut Slave<Greenhouse>,
    port: Port,
    sink: impl Sink,
    power: &AtomicBool,
) -> Result<Option<Port>, SizeError> {
    let (mut message, mut memory) = ([0; USUAL_MESSAGE], [0; Lrc::sizes_of(USUAL_MESSAGE).memory()]);
    let mut link = Link::new(port, Lrc::new(&mut message), &mut memory)?.with_sink(sink);
    let mut breath = Instant::now();
    while power.load(Ordering::Relaxed) {
        match link.serve(slave) {
            Ok(After::Restart) => *slave.resources() = Greenhouse::new(),
            Ok(After::Nothing) => {}
            Err(error) if is_over(&error) => return Ok(None),
            Err(error) => complain(&error),
        }
        if breath.elapsed() >= BREATH {
            breath = Instant::now();
            slave.resources().breathe();
        }
    }
    Ok(Some(link.into_port()))
}

/// Starts a greenhouse in this process.
pub fn simulate() -> Sender<Pipe> {
    let (mut listener, dial) = Listener::pipes();
    thread::spawn(move || {
        let Ok(mut slave) = Slave::new(Greenhouse::new()) else { return };
        while let Some(port) = listener.accept() {
            let _ = serve(&mut slave, port, (), &AtomicBool::new(true));
        }
    });
    dial
}
