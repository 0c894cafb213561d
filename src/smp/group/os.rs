//! Group 0, operating system: echo, statistics of tasks and memory pools, date and time, reset,
//! parameters, information.
//!
//! Specification: Zephyr Project, *Default / OS Management Group*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read, write | [`Echo`] | [`EchoResponse`] |
//! | 1 | write | [`ConsoleEcho`] | [`Empty`] |
//! | 2 | read | [`TaskStatistics`] | [`TaskStatisticsResponse`] |
//! | 3 | read | [`PoolStatistics`] | [`PoolStatisticsResponse`] |
//! | 4 | read | [`ReadDateTime`] | [`DateTimeResponse`] |
//! | 4 | write | [`WriteDateTime`] | [`Empty`] |
//! | 5 | write | [`Reset`] | [`Empty`] |
//! | 6 | read | [`Parameters`] | [`ParametersResponse`] |
//! | 7 | read | [`Info`] | [`InfoResponse`] |
//! | 8 | read | [`BootLoader`] | [`BootLoaderResponse`] |
//!
//! # Interpretation
//!
//! * An echo is answered with either op: some clients read, most write. A missing text is an empty
//!   one. A text that is not UTF-8 is sent back unchanged, as by other servers, although CBOR does
//!   not allow it: its sender has to expect that. An implementation of [`Commands`] that must never
//!   send such a text, or that puts `format` or `query` into its response, has to check
//!   [`Text::is_utf8`], which takes 216 bytes of flash on a Cortex-M0.
//! * `force` of a reset is sent as a boolean and read as a boolean or an integer, since both are in
//!   use.
//! * Pools come as `mpools` (newtmgr, and future versions of Zephyr), as `tasks` (Zephyr until
//!   April 2026, by mistake) or as one key per pool (Zephyr and its documentation since). All are
//!   read; the last is written, since released clients of Zephyr accept no other form.

use crate::cbor::{BufferFull, Item, Malformed, Text, Value, Writer};
use crate::smp::server::{After, Answer, Incoming, Reply};
use crate::smp::{Empty, Error, Group, Op, Request, payload};

mod information;
mod parameters;
mod statistics;

pub use information::{BootLoader, BootLoaderResponse, Info, InfoResponse, mode_name};
pub use parameters::{Parameters, ParametersResponse};
pub use statistics::{
    Pool, PoolStatistics, PoolStatisticsResponse, PoolsIter, Task, TaskStatistics, TaskStatisticsResponse,
};

/// Asks for the same text back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Echo<'b> {
    /// The text; `None` counts as an empty one.
    pub text: Option<Text<'b>>,
}

payload!(request Echo<'b> { text: "d" });

impl<'b> Echo<'b> {
    /// Asks for `text` back.
    #[must_use]
    pub fn new(text: &'b str) -> Self {
        Self { text: Some(text.into()) }
    }
}

/// The text of an [`Echo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct EchoResponse<'b> {
    /// The text that was sent.
    pub text: Text<'b>,
}

payload!(response EchoResponse<'b> { text: Text<'b> = "r" });

impl Request for Echo<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 0;
    type Kind = Echo<'static>;
    type Response<'m> = EchoResponse<'m>;
}

/// Asks a text console to echo its input, or to stop that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConsoleEcho {
    /// 1 on, 0 off.
    pub echo: Option<i32>,
}

payload!(request ConsoleEcho { echo: "echo" });

impl Request for ConsoleEcho {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Asks for date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadDateTime {}

payload!(request ReadDateTime {});

/// Date and time of the device, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DateTimeResponse<'b> {
    /// `2026-11-20T21:53:18`, with a fraction if the device has one, without a zone on Zephyr.
    pub datetime: Text<'b>,
}

payload!(response DateTimeResponse<'b> { datetime: Text<'b> = "datetime" });

impl Request for ReadDateTime {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 4;
    type Kind = Self;
    type Response<'m> = DateTimeResponse<'m>;
}

/// Sets date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WriteDateTime<'b> {
    /// `YYYY-MM-DDTHH:MM:SS`, 19 to 26 characters; Zephyr ignores a zone.
    pub datetime: Text<'b>,
}

payload!(request WriteDateTime<'b> { datetime: "datetime" });

impl Request for WriteDateTime<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 4;
    type Kind = WriteDateTime<'static>;
    type Response<'m> = Empty;
}

/// Resets the device after the response has left.
///
/// The connection often ends with the reset, so a missing response probably means success. The
/// request is therefore [not repeated](Request::is_idempotent) unless the caller asks for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reset {
    /// Reset even if the application would refuse.
    pub force: Option<Force>,
    /// 0 the application, 1 the boot loader's recovery; other numbers belong to the application.
    pub boot_mode: Option<u8>,
}

payload!(request Reset { force: "force", boot_mode: "boot_mode" });

/// The `force` of a [`Reset`]: a boolean that may come as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Force(pub bool);

impl Value<'_> for Force {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Boolean(force) => Ok(Self(force)),
            item => i64::of(item).map(|force| Self(force != 0)),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.boolean(self.0)
    }
}

impl Request for Reset {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 5;
    type Kind = Self;
    type Response<'m> = Empty;

    /// Returns false: the second request would interrupt the boot that the first one began.
    fn is_idempotent(&self) -> bool {
        false
    }
}

/// The device's side of this group. By default echo returns its text, and the rest is not
/// supported.
pub trait Commands {
    /// Returns the text.
    ///
    /// # Errors
    ///
    /// None by default. [`Error::INVALID`] for a text that is not UTF-8, if the device is strict:
    /// see [`Text::is_utf8`].
    fn echo<'r>(&'r mut self, request: Echo<'r>) -> Result<EchoResponse<'r>, Error> {
        Ok(EchoResponse { text: request.text.unwrap_or("".into()) })
    }

    /// Switches the echo of a text console.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn console_echo(&mut self, request: ConsoleEcho) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Lists the tasks.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn task_statistics(&mut self) -> Result<TaskStatisticsResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Lists the memory pools.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn pool_statistics(&mut self) -> Result<PoolStatisticsResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Returns date and time.
    ///
    /// # Errors
    ///
    /// [`error::os::RTC_NOT_SET`](crate::smp::error::os::RTC_NOT_SET) if the clock was never set.
    fn read_datetime(&mut self) -> Result<DateTimeResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Sets date and time.
    ///
    /// # Errors
    ///
    /// [`Error::INVALID`] for a text that is not a date.
    fn write_datetime(&mut self, request: WriteDateTime<'_>) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Succeeds if the device may be reset now. Do not reset it here: the server's [`After::Reset`]
    /// asks for that once the response has left.
    ///
    /// # Errors
    ///
    /// [`Error::BUSY`] to refuse the reset. A request with `force` must not be refused.
    fn reset(&mut self, request: Reset) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Returns the size of the framing's buffer, and the number of messages that port and framing
    /// can hold.
    ///
    /// Not called by a server that answers this command itself: see
    /// [`Server::with_parameters`](crate::smp::Server::with_parameters), whose sizes are
    /// compared with those of the framing.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn parameters(&mut self) -> Result<ParametersResponse, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Describes the firmware.
    ///
    /// # Errors
    ///
    /// [`error::os::INVALID_FORMAT`](crate::smp::error::os::INVALID_FORMAT) for an unknown
    /// character.
    fn info<'r>(&'r mut self, request: Info<'r>) -> Result<InfoResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Describes the boot loader.
    ///
    /// # Errors
    ///
    /// [`error::os::QUERY_YIELDS_NO_ANSWER`](crate::smp::error::os::QUERY_YIELDS_NO_ANSWER) for an
    /// unknown query.
    fn boot_loader<'r>(&'r mut self, request: BootLoader<'r>) -> Result<BootLoaderResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    let (mut reply, mut after) = (reply, After::Nothing);
    let written = match (incoming.op(), incoming.command()) {
        // Some clients read, most write.
        (_, Echo::COMMAND) => incoming.write(&mut reply, |request| commands.echo(request)),
        (Op::Write, ConsoleEcho::COMMAND) => incoming.write(&mut reply, |request| commands.console_echo(request)),
        (Op::Read, TaskStatistics::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.task_statistics()),
        (Op::Read, PoolStatistics::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.pool_statistics()),
        (Op::Read, ReadDateTime::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.read_datetime()),
        (Op::Write, WriteDateTime::COMMAND) => incoming.write(&mut reply, |request| commands.write_datetime(request)),
        (Op::Write, Reset::COMMAND) => incoming.write(&mut reply, |request: Reset| {
            // First, so that a refusal leaves no reset to do.
            let done = commands.reset(request)?;
            let Reset { force, boot_mode } = request;
            after = After::Reset { force: force == Some(Force(true)), mode: boot_mode.unwrap_or(0) };
            Ok(done)
        }),
        (Op::Read, Parameters::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.parameters()),
        (Op::Read, Info::COMMAND) => incoming.write(&mut reply, |request| commands.info(request)),
        (Op::Read, BootLoader::COMMAND) => incoming.write(&mut reply, |request| commands.boot_loader(request)),
        _ => Err(Error::NOT_SUPPORTED),
    };
    reply.done(written).then(after)
}
