//! Command 6: the sizes of the server's buffers. Apart from the group, since a server answers it by itself.

use crate::smp::{Group, Op, Request, payload};

/// Asks for the sizes of the server's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Parameters {}

payload!(request Parameters {});

/// The sizes of the server's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ParametersResponse {
    /// Bytes of one receive buffer. On the console a message may have 4 bytes less, on other transports all of it.
    pub buf_size: u32,
    /// Number of buffers. At most one less may be outstanding: one holds the answer.
    pub buf_count: u32,
}

payload!(response ParametersResponse { buf_size: "buf_size", buf_count: "buf_count" });

impl Request for Parameters {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 6;
    type Kind = Self;
    type Response<'m> = ParametersResponse;
}
