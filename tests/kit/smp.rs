//! Messages of SMP.

use std::vec::Vec;

use anysmp::cbor::Reader;
use anysmp::smp::{Header, Op};

use super::random::Random;

/// A response with optional fields, which only `set` can fill in.
pub fn with<T>(mut response: T, set: impl FnOnce(&mut T)) -> T {
    set(&mut response);
    response
}

/// A message: first byte, group, sequence, command, payload.
pub fn message(first: u8, group: u16, sequence: u8, command: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let group = group.to_be_bytes();
    [&[first, 0, length[0], length[1], group[0], group[1], sequence, command], payload].concat()
}

/// Returns true if the header parses, the length is exact, the op is that of a response, and the
/// payload is one map in its shortest form.
pub fn is_well_formed(message: &[u8]) -> bool {
    let Ok((header, payload)) = Header::parse(message) else { return false };
    let mut reader = Reader::new(payload);
    matches!(header.op, Op::ReadResponse | Op::WriteResponse)
        && usize::from(header.length) == payload.len()
        && reader.at_map()
        && reader.skip().is_ok()
        && reader.rest().is_empty()
}

/// An SMP message with the right length field.
pub fn random(random: &mut Random, len: usize) -> Vec<u8> {
    let mut message = random.bytes(len.max(8));
    message[0] &= 0x1B;
    let payload = u16::try_from(message.len() - 8).unwrap();
    message[2..4].copy_from_slice(&payload.to_be_bytes());
    message
}
