//! Command 6: the sizes of the server's buffers. In a separate file, since a server can answer it
//! by itself.

use crate::smp::{Group, Op, Request, payload};

/// Asks for the sizes of the server's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Parameters {}

payload!(request Parameters {});

/// The sizes of the server's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ParametersResponse {
    /// The size of one receive buffer in bytes. The longest message is 4 bytes shorter than that on
    /// the console, and just as long on other transports.
    pub buf_size: u32,
    /// The number of buffers. At most `buf_count - 1` requests may be in flight: one buffer holds
    /// the response.
    pub buf_count: u32,
}

payload!(response ParametersResponse { buf_size: u32 = "buf_size", buf_count: u32 = "buf_count" });

impl Request for Parameters {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 6;
    type Kind = Self;
    type Response<'m> = ParametersResponse;
}
