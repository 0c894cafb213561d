//! Reading a message as a response.

use crate::cbor::Malformed;
use crate::smp::{Error as Refusal, Header};

/// Returns the payload of a message, with the length in its header. Bytes after it are ignored.
///
/// # Errors
///
/// [`Malformed`] if the message has no valid header, or is shorter than the length in its header.
pub fn payload(message: &[u8]) -> Result<&[u8], Malformed> {
    let (header, rest) = Header::parse(message).or(Err(Malformed))?;
    rest.get(..usize::from(header.length)).ok_or(Malformed)
}

/// Returns the refusal in a message, if it has one that follows the common rule for `rc`.
#[must_use]
pub fn refusal(message: &[u8]) -> Option<Refusal> {
    payload(message).ok().and_then(|payload| Refusal::find(payload).ok()).flatten()
}

/// Returns the refusal in a payload if it refuses the version of the request and comes first, as
/// every server writes it. Looking further would read each response twice.
pub(in crate::smp) fn of_version(payload: &[u8]) -> Option<Refusal> {
    match payload {
        // A map, the text "rc", and the number.
        [0xA1..=0xBF, 0x62, b'r', b'c', 12, ..] => Some(Refusal::VERSION_TOO_OLD),
        [0xA1..=0xBF, 0x62, b'r', b'c', 13, ..] => Some(Refusal::VERSION_TOO_NEW),
        _ => None,
    }
}

/// Returns true if `message` is the response to the request with this header: see
/// [Responses](super#responses).
#[must_use]
pub fn answers(header: &Header, message: &[u8]) -> bool {
    payload_of(header, message).is_some()
}

/// Returns the payload of the response to the request with this header; an empty one if it is
/// shorter than the length in its header, which [`payload`] detects. `None` for any other message.
pub(in crate::smp) fn payload_of<'m>(header: &Header, message: &'m [u8]) -> Option<&'m [u8]> {
    let (answer, rest) = Header::parse(message).ok()?;
    // Not the version: see *Responses*.
    let is = answer.op == header.op.response()
        && answer.sequence == header.sequence
        && answer.group == header.group
        && answer.command == header.command;
    is.then(|| rest.get(..usize::from(answer.length)).unwrap_or_default())
}
