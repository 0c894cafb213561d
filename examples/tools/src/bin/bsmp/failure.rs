//! Errors of BSMP in words, with what to do next.

use std::io;

use anysmp::bsmp::{Error, Refusal};
use anysmp::line;
use anysmp_tools::failure::Failure;

/// The remedy for a node that does not answer.
const SILENT: &str = "Check endpoint, --baud of a serial line, --framing and --address, or give it more time with \
                      --timeout and --retries; `bsmp scan` shows who is on the bus.";

const fn remedy(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::InvalidId => "`bsmp discover` lists the entities of the node.",
        Refusal::InvalidSize => "`bsmp discover` shows the sizes of the node's entities.",
        Refusal::ReadOnly => "`bsmp vars` shows which variables can be written (rw).",
        Refusal::Busy => "Try again later, or change the state of the node.",
        Refusal::Unsupported => "The node was built without this command.",
        Refusal::Malformed | Refusal::InvalidValue | Refusal::Memory => "",
    }
}

/// An error of the protocol.
pub fn of_protocol(error: &Error) -> Failure {
    match error {
        Error::Remote(refusal) => Failure::refused(format!("the node refused: {refusal}"), remedy(*refusal)),
        Error::Function(_) => {
            Failure::refused(error.to_string(), "The documentation of the device explains its errors.")
        }
        Error::TimedOut => Failure::silent("the node does not answer", SILENT),
        Error::BufferFull | Error::TooLarge => Failure::usage(error.to_string(), "Send less at a time."),
        Error::NoAnswer => Failure::usage(error.to_string(), "Give --address the number of a node."),
        Error::Argument | Error::Source => Failure::usage(error.to_string(), ""),
        _ => Failure::nonsense(error.to_string()),
    }
}

/// An error of the line, or of the protocol over it.
pub fn of_line<E>(error: line::Error<io::Error, E>, of: impl FnOnce(E) -> Failure) -> Failure {
    match error {
        line::Error::Protocol(error) => of(error),
        line::Error::Port(error) => Failure::port(&error),
        line::Error::TimedOut => Failure::silent("the node does not answer", SILENT),
        line::Error::WriteZero => Failure::port(&io::ErrorKind::WriteZero.into()),
        line::Error::Closed => Failure::closed(),
        error => Failure::usage(
            line::Error::<io::Error>::to_string(&match error {
                line::Error::Framing(error) => line::Error::Framing(error),
                line::Error::Size(error) => line::Error::Size(error),
                _ => line::Error::BufferFull,
            }),
            "Send less at a time.",
        ),
    }
}

/// An error of one exchange.
pub fn of(error: line::Error<io::Error, Error>) -> Failure {
    of_line(error, |error| of_protocol(&error))
}

/// An error of a link that runs a routine, or sends.
pub fn of_link(error: line::Error<io::Error>) -> Failure {
    of_line(error, |never| match never {})
}
