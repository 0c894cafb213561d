//! Reads all counters of a device, or the settings that are named, one after the other.
//!
//! ```text
//!   StatWalk:      list ─▶ read the n-th set ─▶ list ─▶ read the next … until the last one listed
//!   SettingsWalk:  read ─▶ read ─▶ … until the last name
//! ```
//!
//! A set or a setting that the device refuses is reported in an event, and the walk continues.
//! Silence and a malformed response end it.
//!
//! Specification: Zephyr Project, *Statistics management* and *Settings (Config) Management Group*.
//!
//! # Interpretation
//!
//! * The list of sets is read before each set, so that only one name is kept. Sets that are
//!   registered or removed meanwhile may be reported twice or left out. A name of more than 64
//!   bytes is [`Error::BufferFull`]; Zephyr's have at most 32.
//! * SMP has no command that lists the settings of a device. The caller names them.

use heapless::Vec;

use super::{Call, Error, Heard};
use crate::cbor::Text;
use crate::routine::{Routine, Step};
use crate::shown::shown;
use crate::smp::client::{self, Client};
use crate::smp::settings::{self, Setting};
use crate::smp::{self, stat};

/// The longest name of a set in bytes.
const NAME: usize = 64;

/// The outcome of a walk. `Display` prints a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum WalkOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// Everything was read or refused.
    Done,
    /// The walk ended early, for this reason.
    Failed(Error),
}

impl core::fmt::Display for WalkOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the walk has not ended",
            Self::Done => "everything was read or refused",
            Self::Failed(error) => return error.fmt(f),
        })
    }
}

/// The result of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct WalkReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: WalkOutcome,
    /// The number of sets or settings that were read.
    pub read: u32,
    /// The number of sets or settings that the device refused.
    pub refused: u32,
    /// The number of messages that were not the response to a request in flight, such as late
    /// responses.
    pub foreign: u32,
}

impl WalkReport {
    const NEW: Self = Self { outcome: WalkOutcome::Unfinished, read: 0, refused: 0, foreign: 0 };

    /// Counts a response: a value, or a refusal, after which the walk continues. `Err` ends the
    /// walk.
    fn count<T>(&mut self, answer: Result<T, client::Error>) -> Result<Result<T, smp::Error>, Error> {
        let (counter, answer) = match answer {
            Ok(read) => (&mut self.read, Ok(read)),
            Err(client::Error::Remote(error)) => (&mut self.refused, Err(error)),
            // Not about one set or setting: the next would fail as well.
            Err(error) => return Err(error.into()),
        };
        *counter = counter.wrapping_add(1);
        Ok(answer)
    }

    const fn foreign(&mut self) {
        self.foreign = self.foreign.wrapping_add(1);
    }
}

/// The content of a message to a [`StatWalk`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum StatEvent<'m> {
    /// A set: its name and its counters.
    Set(stat::ReadResponse<'m>),
    /// The device refused the set at this index of its list.
    Refused {
        /// The index of the set, from 0.
        index: u32,
        /// The refusal.
        error: smp::Error,
    },
    /// A message with nothing for the caller.
    Other,
}

/// Reads all counters of a device.
pub struct StatWalk {
    stage: Stage,
    /// The index of the next set.
    index: u32,
    report: WalkReport,
}

shown!(StatWalk, |walk| "StatWalk({}, {:?})", walk.index, walk.report);

/// The progress of a [`StatWalk`].
enum Stage {
    /// Before the next set. Exits: `Listing`.
    Idle,
    /// Asks for the names. Exits: `Reading`, `Ended`.
    Listing(Call<stat::List>),
    /// Asks for a set. Exits: `Idle`; `Ended` if it was the last one, or without a response that
    /// can be read.
    Reading { call: Call<stat::Read<'static>>, name: Vec<u8, NAME>, last: bool },
    /// The walk has ended; the report contains the outcome. No exit.
    Ended,
}

impl Default for StatWalk {
    fn default() -> Self {
        Self::new()
    }
}

impl StatWalk {
    /// Reads all sets, in the order of the device's list.
    #[must_use]
    pub const fn new() -> Self {
        Self { stage: Stage::Idle, index: 0, report: WalkReport::NEW }
    }

    fn end(&mut self, outcome: WalkOutcome) {
        (self.stage, self.report.outcome) = (Stage::Ended, outcome);
    }

    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        if let Stage::Idle = self.stage {
            self.stage = Stage::Listing(Call::new(client.retries()));
        }
        match &mut self.stage {
            Stage::Listing(call) => call.poll(client, &stat::List {}, client.timeout(), tx),
            Stage::Reading { call, name, .. } => {
                // By a copy of the name: the list went with its message.
                call.poll(client, &stat::Read { name: Text::from_bytes(name) }, client.timeout(), tx)
            }
            Stage::Idle | Stage::Ended => Ok(Step::Done),
        }
    }

    fn hear<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Result<StatEvent<'m>, Error> {
        match &mut self.stage {
            Stage::Listing(call) => match call.receive(client, message) {
                Heard::Foreign => self.report.foreign(),
                Heard::Again => {}
                Heard::Response(list) => {
                    // The list is read again for each set: to keep all names would take memory that
                    // grows with the device's.
                    let mut names = list?.names.iter().skip(usize::try_from(self.index).unwrap_or(usize::MAX));
                    match names.next() {
                        Some(text) => {
                            let mut name = Vec::new();
                            for piece in text.as_bytes().iter() {
                                // A name that is cut short would name another set, or none.
                                name.extend_from_slice(piece).or(Err(Error::BufferFull))?;
                            }
                            let last = names.next().is_none();
                            self.stage = Stage::Reading { call: Call::new(client.retries()), name, last };
                        }
                        // There is no set, or the list has become shorter.
                        None => self.end(WalkOutcome::Done),
                    }
                }
            },
            Stage::Reading { call, last, .. } => match call.receive(client, message) {
                Heard::Foreign => self.report.foreign(),
                Heard::Again => {}
                Heard::Response(response) => {
                    // Also after a refusal, or the walk would ask for the same set forever.
                    let (answer, index) = (self.report.count(response)?, self.index);
                    self.index = index.wrapping_add(1);
                    // Another list would only show the end again.
                    if *last {
                        self.end(WalkOutcome::Done);
                    } else {
                        self.stage = Stage::Idle;
                    }
                    return Ok(match answer {
                        Ok(set) => StatEvent::Set(set),
                        Err(error) => StatEvent::Refused { index, error },
                    });
                }
            },
            Stage::Idle | Stage::Ended => self.report.foreign(),
        }
        Ok(StatEvent::Other)
    }
}

impl Routine for StatWalk {
    type Client = Client;
    type Event<'m> = StatEvent<'m>;
    type Report = WalkReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(client, tx).unwrap_or_else(|error| {
            self.end(WalkOutcome::Failed(error));
            Step::Done
        })
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<StatEvent<'m>> {
        let foreign = self.report.foreign;
        let event = self.hear(client, message).unwrap_or_else(|error| {
            self.end(WalkOutcome::Failed(error));
            StatEvent::Other
        });
        (self.report.foreign == foreign).then_some(event)
    }

    fn timed_out(&mut self) {
        match &mut self.stage {
            Stage::Listing(call) => call.timed_out(),
            Stage::Reading { call, .. } => call.timed_out(),
            Stage::Idle | Stage::Ended => {}
        }
    }

    fn report(&self) -> WalkReport {
        self.report
    }
}

/// The content of a message to a [`SettingsWalk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum SettingEvent<'n, 'm> {
    /// A setting.
    Value {
        /// The name of the setting, as the caller gave it.
        name: &'n str,
        /// The value of the setting.
        value: Setting<'m>,
    },
    /// The device refused a setting.
    Refused {
        /// The name of the setting, as the caller gave it.
        name: &'n str,
        /// The refusal.
        error: smp::Error,
    },
    /// A message with nothing for the caller.
    Other,
}

/// Reads the settings that the caller names.
pub struct SettingsWalk<'n> {
    state: Naming<'n>,
    max_size: Option<u32>,
    report: WalkReport,
}

shown!(SettingsWalk<'_>, |walk| "SettingsWalk({} names, {:?})", walk.state.names().len(), walk.report);

/// The progress of a [`SettingsWalk`]. `names` are the remaining ones.
enum Naming<'n> {
    /// Before the next setting. Exits: `Reading`, `Ended` if none is left.
    Idle { names: &'n [&'n str] },
    /// Asks for `name`. Exits: `Idle`, `Ended`.
    Reading { call: Call<settings::Read<'static>>, name: &'n str, names: &'n [&'n str] },
    /// The walk has ended; the report contains the outcome. No exit.
    Ended,
}

impl<'n> Naming<'n> {
    /// The remaining settings, without the one that is being read.
    const fn names(&self) -> &'n [&'n str] {
        match self {
            Self::Idle { names } | Self::Reading { names, .. } => names,
            Self::Ended => &[],
        }
    }
}

impl<'n> SettingsWalk<'n> {
    /// Reads these settings, in order.
    #[must_use]
    pub const fn new(names: &'n [&'n str]) -> Self {
        Self { state: Naming::Idle { names }, max_size: None, report: WalkReport::NEW }
    }

    /// Sets the longest value that is requested, in bytes; the device may set a lower limit.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u32) -> Self {
        self.max_size = Some(bytes);
        self
    }

    fn end(&mut self, outcome: WalkOutcome) {
        (self.state, self.report.outcome) = (Naming::Ended, outcome);
    }

    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        loop {
            match &mut self.state {
                Naming::Idle { names } => match names.split_first() {
                    Some((name, names)) => {
                        self.state = Naming::Reading { call: Call::new(client.retries()), name, names };
                    }
                    None => self.end(WalkOutcome::Done),
                },
                Naming::Reading { call, name, .. } => {
                    let request = settings::Read { name: (*name).into(), max_size: self.max_size };
                    return call.poll(client, &request, client.timeout(), tx);
                }
                Naming::Ended => return Ok(Step::Done),
            }
        }
    }

    fn hear<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Result<SettingEvent<'n, 'm>, Error> {
        let Naming::Reading { call, name, names } = &mut self.state else {
            self.report.foreign();
            return Ok(SettingEvent::Other);
        };
        let (name, names) = (*name, *names);
        match call.receive(client, message) {
            Heard::Foreign => self.report.foreign(),
            Heard::Again => {}
            Heard::Response(response) => {
                let response = self.report.count(response)?;
                // Also after a refusal, as for sets.
                self.state = Naming::Idle { names };
                return Ok(match response {
                    Ok(settings::ReadResponse { value, .. }) => SettingEvent::Value { name, value },
                    Err(error) => SettingEvent::Refused { name, error },
                });
            }
        }
        Ok(SettingEvent::Other)
    }
}

impl<'n> Routine for SettingsWalk<'n> {
    type Client = Client;
    type Event<'m> = SettingEvent<'n, 'm>;
    type Report = WalkReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(client, tx).unwrap_or_else(|error| {
            self.end(WalkOutcome::Failed(error));
            Step::Done
        })
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<SettingEvent<'n, 'm>> {
        let foreign = self.report.foreign;
        let event = self.hear(client, message).unwrap_or_else(|error| {
            self.end(WalkOutcome::Failed(error));
            SettingEvent::Other
        });
        (self.report.foreign == foreign).then_some(event)
    }

    fn timed_out(&mut self) {
        if let Naming::Reading { call, .. } = &mut self.state {
            call.timed_out();
        }
    }

    fn report(&self) -> WalkReport {
        self.report
    }
}
