//! Failures of commands: their texts for the user, and their exit codes.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::PathBuf;

use anysmp::line;
use anysmp::smp::{Error as Refusal, Group, Request, client, routine};
#[cfg(feature = "ble")]
use anysmp_tools::ble::Trouble;
use anysmp_tools::failure::{CLOSED, NONSENSE, local_remedy, port_remedy};

/// The reason why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The device refused a request.
    Refused {
        /// The group of the request.
        group: Group,
        /// The command of the request.
        command: u8,
        /// The error in the response.
        refusal: Refusal,
        /// The device's own words about it, if it sent any.
        reason: Option<String>,
    },
    /// A shell command did not return 0.
    Command {
        /// Its output.
        output: String,
        /// Its return value.
        result: i32,
    },
    /// The command line is not valid for this device; with a remedy.
    Usage(String, &'static str),
    /// No answer arrived.
    TimedOut,
    /// The response is malformed.
    Nonsense(String),
    /// The request is too long.
    TooLong,
    /// The port cannot be opened, or failed.
    Port(io::Error),
    /// The connection was closed by the other side.
    Closed,
    /// A file is not an image, or contradicts itself; with a remedy.
    File(PathBuf, String, &'static str),
    /// An unknown outcome: the device may or may not have done what was requested.
    Unknown(String, &'static str),
    /// A file on this computer cannot be read or written.
    Local(PathBuf, io::Error),
    /// A signal ended the program; with a remedy, and the exit code.
    Stopped(String, &'static str, u8),
    /// The failure was shown when it happened; only the exit code is left.
    Shown(u8),
    /// The new image does not run, or is not confirmed.
    NotConfirmed(String),
    /// The failure of one of several images, or a failure whose cause is more exact than the
    /// device's report: the number of the image, the failure, and a better remedy.
    Of(Option<u32>, Box<Self>, Option<&'static str>),
}

/// The errors of a link without a protocol.
impl From<line::Error<io::Error, Infallible>> for Failure {
    fn from(error: line::Error<io::Error, Infallible>) -> Self {
        match error {
            line::Error::Port(error) => Self::Port(error),
            line::Error::TimedOut => Self::TimedOut,
            line::Error::WriteZero => Self::Port(io::ErrorKind::WriteZero.into()),
            line::Error::BufferFull | line::Error::Framing(_) | line::Error::Size(_) => Self::TooLong,
            _ => Self::Closed,
        }
    }
}

impl Failure {
    /// Converts the error of a request.
    pub fn of<R: Request>(error: line::Error<io::Error, client::Error>) -> Self {
        Self::of_request(R::GROUP, R::COMMAND, error)
    }

    /// Converts the error of a request of this group and command.
    pub fn of_request(group: Group, command: u8, error: line::Error<io::Error, client::Error>) -> Self {
        match error {
            line::Error::Protocol(client::Error::Remote(refusal)) => {
                Self::Refused { group, command, refusal, reason: None }
            }
            line::Error::Protocol(client::Error::BufferFull) => Self::TooLong,
            line::Error::Protocol(error) => Self::Nonsense(error.to_string()),
            line::Error::Port(error) => Self::Port(error),
            line::Error::TimedOut => Self::TimedOut,
            line::Error::WriteZero => Self::Port(io::ErrorKind::WriteZero.into()),
            line::Error::BufferFull | line::Error::Framing(_) | line::Error::Size(_) => Self::TooLong,
            _ => Self::Closed,
        }
    }

    /// Converts the error of a job whose requests are of this kind.
    pub fn of_job<R: Request>(error: routine::Error) -> Self {
        match error {
            routine::Error::Remote(refusal) => {
                Self::Refused { group: R::GROUP, command: R::COMMAND, refusal, reason: None }
            }
            routine::Error::BufferFull => Self::Usage(error.to_string(), "Use a larger --message, or a shorter path."),
            routine::Error::NoSuchImage => Self::Usage(error.to_string(), "`image slots` and `image list` show them."),
            routine::Error::TooLarge => {
                Self::Usage(error.to_string(), "`image slots` shows how large an image may be.")
            }
            routine::Error::NotNewer => Self::Usage(error.to_string(), "Without --upgrade-only any image is accepted."),
            routine::Error::TimedOut => Self::TimedOut,
            routine::Error::Source | routine::Error::Empty => Self::Usage(error.to_string(), "Check the file."),
            _ => Self::Nonsense(error.to_string()),
        }
    }

    /// Adds the cause to a refusal, after the device's own words about it.
    pub fn because(self, cause: String) -> Self {
        match self {
            Self::Refused { group, command, refusal, reason } => {
                let reason = Some(reason.map_or_else(|| cause.clone(), |reason| format!("{reason}; {cause}")));
                Self::Refused { group, command, refusal, reason }
            }
            failure => failure,
        }
    }

    /// The exit code, as `--help` lists them.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::Command { .. } => 1,
            Self::Usage(..) | Self::TooLong => 2,
            Self::TimedOut | Self::Nonsense(_) | Self::Unknown(..) => 3,
            Self::Port(_) | Self::Closed => 4,
            Self::File(..) | Self::Local(..) => 5,
            Self::NotConfirmed(_) => 6,
            Self::Shown(code) | Self::Stopped(.., code) => *code,
            Self::Of(_, failure, _) => failure.code(),
        }
    }

    /// Returns the remedy, if there is one.
    pub fn remedy(&self) -> Option<&'static str> {
        #[cfg(feature = "ble")]
        if let Self::Port(error) = self
            && let Some(trouble) = Trouble::of(error)
        {
            return Some(trouble.remedy);
        }
        Some(match self {
            Self::Refused { refusal, .. } => return refusal.remedy(),
            Self::Command { .. } | Self::Shown(_) => return None,
            Self::Of(_, failure, remedy) => return remedy.or_else(|| failure.remedy()),
            Self::Usage(_, "") => return None,
            Self::Usage(_, remedy)
            | Self::File(_, _, remedy)
            | Self::Unknown(_, remedy)
            | Self::Stopped(_, remedy, _) => remedy,
            Self::TimedOut => {
                "Check endpoint, --baud of a serial line and --framing (`--framing auto` finds it, except over UDP), or give it \
                 more time with --timeout and --retries; a receiver that loses bursts needs --pace."
            }
            Self::Nonsense(_) => NONSENSE,
            Self::TooLong => "Send less at a time.",
            Self::Port(error) => port_remedy(error),
            Self::Closed => CLOSED,
            Self::Local(_, error) => local_remedy(error),
            Self::NotConfirmed(_) => "See what runs with `image list`.",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { group, command, refusal, reason } => {
                let name = refusal.name().unwrap_or("an unknown code");
                write!(f, "the device refused: {name}, ")?;
                match refusal {
                    Refusal::Smp(rc) => write!(f, "rc {rc}")?,
                    Refusal::Group { group, rc } => write!(f, "rc {rc} of group {}", Named(*group))?,
                }
                write!(f, " (request: group {}, command {command})", Named(*group))?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::Command { result, .. } => write!(f, "the command returned {result}"),
            Self::Usage(text, _)
            | Self::Unknown(text, _)
            | Self::Stopped(text, ..)
            | Self::NotConfirmed(text)
            | Self::Nonsense(text) => f.write_str(text),
            Self::TimedOut => f.write_str("the device does not answer"),
            Self::TooLong => f.write_str("the request is too long"),
            Self::Port(error) => write!(f, "port error: {error}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Shown(_) => f.write_str("the last command failed"),
            Self::Local(path, error) => write!(f, "{}: {error}", path.display()),
            Self::File(path, error, _) => write!(f, "{}: {error}", path.display()),
            Self::Of(Some(image), failure, _) => write!(f, "image {image}: {failure}"),
            Self::Of(None, failure, _) => failure.fmt(f),
        }
    }
}

/// Number and name of a group.
struct Named(Group);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "{} {name}", self.0.0),
            None => write!(f, "{}", self.0.0),
        }
    }
}
