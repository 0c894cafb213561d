//! What a server says of its buffers by itself: command 6 of group 0.

use super::answer::AnswerBuffer;
use crate::smp::os::ParametersResponse;
use crate::smp::{Decode, Empty, Encode, Error, Group, Header, Op};

/// What a server says of its buffers by itself: nothing, which is `()`, or [`ParametersResponse`].
///
/// A type of its own, since a server that says nothing should take neither flash nor RAM for it.
pub trait Parameters {
    /// The answer to command 6 of group 0; `None` leaves that to the handler.
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

/// Writes the answer to command 6 of group 0.
pub(super) fn say(parameters: ParametersResponse, payload: &[u8], buffer: &mut AnswerBuffer<'_>) -> Result<(), Error> {
    let Empty {} = Empty::decode(payload).or(Err(Error::INVALID))?;
    parameters.encode(&mut buffer.writer).and_then(|()| buffer.fill_gap()).or(Err(Error::TOO_LARGE))
}
