//! Groups of old Mynewt devices: logs (group 4), crash tests (group 5), run-time tests (group 7).
//!
//! Client side only; a server answers these groups with "not supported". The core dump commands of
//! the image group are in [`image`](crate::smp::image).
//!
//! | group | command | op | request | response |
//! |---|---|---|---|---|
//! | 4 | 0 | read | [`LogShow`] | [`LogShowResponse`] |
//! | 4 | 1 | write | [`LogClear`] | [`Empty`] |
//! | 4 | 3 | read | [`LogModules`] | [`LogModulesResponse`] |
//! | 4 | 4 | read | [`LogLevels`] | [`LogLevelsResponse`] |
//! | 4 | 5 | read | [`LogList`] | [`LogListResponse`] |
//! | 5 | 0 | write | [`Crash`] | [`Empty`] |
//! | 7 | 0 | write | [`RunTest`] | [`Empty`] |
//! | 7 | 1 | read | [`RunList`] | [`RunListResponse`] |
//!
//! Log command 2 (append) was never implemented by a server and is unsupported.
//!
//! # Interpretation
//!
//! * The code puts crash tests at 5 and run-time tests at 7; some texts have them the other way
//!   round.
//! * `rc` 1 together with log entries means "there is more", so a log response that has entries is
//!   not a refusal.
//! * Mynewt's logs number two errors the other way round: 7 is a damaged log, 9 one that does not
//!   fit a response. They are passed on unchanged.

use crate::cbor::{Bytes, List, Table, Text};
use crate::shown::shown;
use crate::smp::{Decode, Empty, Error, Group, Op, Request, client, error, payload};

/// Asks for log entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogShow<'b> {
    /// The name of the log; by default all.
    pub name: Option<Text<'b>>,
    /// 0 no filter, -1 the last entry only, else the earliest time.
    pub timestamp: Option<i64>,
    /// The index of the first entry to return.
    pub index: Option<u32>,
}

payload!(request LogShow<'b> { name: "log_name", timestamp: "ts", index: "index" });

/// Log entries, as many as fit one message.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LogShowResponse<'b> {
    /// The index of the entry after the last one.
    pub next_index: Option<u32>,
    /// One entry per log.
    pub logs: List<'b, Log<'b>>,
    /// 0 this is all, 1 ask again from `next_index`.
    pub rc: Option<i32>,
}

payload!(response LogShowResponse<'b> {
    next_index: "next_index",
    logs: List<'b, Log<'b>> = "logs",
    rc: "rc",
});

/// The entries of one log.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Log<'b> {
    /// The name of the log.
    pub name: Text<'b>,
    /// 1 in memory, 2 in storage.
    pub kind: u32,
    /// The entries, as many as fit the response.
    pub entries: List<'b, LogEntry<'b>>,
}

payload!(response Log<'b> {
    name: Text<'b> = "name",
    kind: u32 = "type",
    entries: List<'b, LogEntry<'b>> = "entries",
});

/// One log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LogEntry<'b> {
    /// The form of the message: `str`, `bin` or `cbor`.
    pub kind: Text<'b>,
    /// The time at which the entry was written, in microseconds.
    pub timestamp: i64,
    /// The severity of the entry: the number of a level in [`LogLevelsResponse`].
    pub level: u32,
    /// The number of the entry, which rises with each one.
    pub index: u32,
    /// The number of the module that wrote the entry.
    pub module: u32,
    /// The hash of the image that wrote the entry.
    pub image_hash: Option<Bytes<'b>>,
    /// The message, in the form that `kind` names.
    pub message: Bytes<'b>,
}

payload!(response LogEntry<'b> {
    kind: Text<'b> = "type",
    timestamp: i64 = "ts",
    level: u32 = "level",
    index: u32 = "index",
    module: u32 = "module",
    image_hash: "imghash",
    message: Bytes<'b> = "msg",
});

impl Request for LogShow<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::LOG;
    const COMMAND: u8 = 0;
    type Kind = LogShow<'static>;
    type Response<'m> = LogShowResponse<'m>;

    fn response(payload: &[u8]) -> Result<LogShowResponse<'_>, client::Error> {
        match Error::find(payload)? {
            // With entries, `rc` 1 only means that there are more.
            Some(error) if !has_entries(payload) => Err(client::Error::Remote(error)),
            _ => Ok(Decode::decode(payload)?),
        }
    }
}

fn has_entries(payload: &[u8]) -> bool {
    error::beside::<List<'_, Log<'_>>>(payload, "logs")
        .is_some_and(|logs| logs.iter().any(|log| !log.entries.is_empty()))
}

/// Empties the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogClear<'b> {
    /// The name of the log; by default all.
    pub name: Option<Text<'b>>,
}

payload!(request LogClear<'b> { name: "log_name" });

impl Request for LogClear<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::LOG;
    const COMMAND: u8 = 1;
    type Kind = LogClear<'static>;
    type Response<'m> = Empty;
}

/// Asks for the modules that write logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogModules {}

payload!(request LogModules {});

/// The modules that write logs, which are numbers in an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LogModulesResponse<'b> {
    /// The number of each module, by its name.
    pub modules: Table<'b, u32>,
}

payload!(response LogModulesResponse<'b> { modules: Table<'b, u32> = "module_map" });

impl Request for LogModules {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::LOG;
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = LogModulesResponse<'m>;
}

/// Asks for the log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogLevels {}

payload!(request LogLevels {});

/// The levels of log entries, which are numbers in an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LogLevelsResponse<'b> {
    /// The number of each level, by its name.
    pub levels: Table<'b, u32>,
}

payload!(response LogLevelsResponse<'b> { levels: Table<'b, u32> = "level_map" });

impl Request for LogLevels {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::LOG;
    const COMMAND: u8 = 4;
    type Kind = Self;
    type Response<'m> = LogLevelsResponse<'m>;
}

/// Asks for the names of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LogList {}

payload!(request LogList {});

/// The names of the logs that the device keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LogListResponse<'b> {
    /// One name per log.
    pub logs: List<'b, Text<'b>>,
}

payload!(response LogListResponse<'b> { logs: List<'b, Text<'b>> = "log_list" });

impl Request for LogList {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::LOG;
    const COMMAND: u8 = 5;
    type Kind = Self;
    type Response<'m> = LogListResponse<'m>;
}

/// Makes the device crash, to test its recovery. Usually there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Crash<'b> {
    /// The kind of crash: `div0`, `jump0`, `ref0`, `assert` or `wdog`.
    pub how: Text<'b>,
}

payload!(request Crash<'b> { how: "t" });

impl Request for Crash<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::CRASH;
    const COMMAND: u8 = 0;
    type Kind = Crash<'static>;
    type Response<'m> = Empty;

    /// Returns false: the second request would crash the device again.
    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Runs a test on the device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RunTest<'b> {
    /// The name of the test; by default all.
    pub name: Option<Text<'b>>,
    /// A word that the device puts into its log.
    pub token: Option<Text<'b>>,
}

// The token is not printed: going by its name, it may be a secret.
shown!(RunTest<'_>, |test| "RunTest({:?})", test.name);

payload!(request RunTest<'b> { name: "testname", token: "token" });

impl Request for RunTest<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::RUN;
    const COMMAND: u8 = 0;
    type Kind = RunTest<'static>;
    type Response<'m> = Empty;

    /// Returns false: the device would run the test again.
    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Asks for the names of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RunList {}

payload!(request RunList {});

/// The names of the tests that the device can run.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct RunListResponse<'b> {
    /// One name per test.
    pub tests: List<'b, Text<'b>>,
}

payload!(response RunListResponse<'b> { tests: List<'b, Text<'b>> = "run_list" });

impl Request for RunList {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::RUN;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = RunListResponse<'m>;
}
