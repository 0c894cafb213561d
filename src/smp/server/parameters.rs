//! Command 6 of group 0, which a server can answer by itself: the sizes of its buffers.

use super::answer::AnswerBuffer;
use crate::smp::os::ParametersResponse;
use crate::smp::{Decode, Empty, Encode, Error, Group, Header, Op};

/// The sizes of its buffers that a server reports: none (`()`), or a [`ParametersResponse`].
///
/// A type parameter, so that a server that reports none spends neither flash nor RAM on it.
pub trait Parameters {
    /// The response to command 6 of group 0; `None` leaves it to the handler.
    fn parameters(&self) -> Option<ParametersResponse>;
}

impl Parameters for () {
    fn parameters(&self) -> Option<ParametersResponse> {
        None
    }
}

impl Parameters for ParametersResponse {
    fn parameters(&self) -> Option<ParametersResponse> {
        Some(*self)
    }
}

pub(super) fn is_parameters(header: &Header) -> bool {
    header.op == Op::Read && header.group == Group::OS && header.command == 6
}

/// Writes the response to command 6 of group 0.
pub(super) fn say(parameters: ParametersResponse, payload: &[u8], buffer: &mut AnswerBuffer<'_>) -> Result<(), Error> {
    let Empty {} = Empty::decode(payload).or(Err(Error::INVALID))?;
    parameters.encode(&mut buffer.writer).or(Err(Error::TOO_LARGE))
}
