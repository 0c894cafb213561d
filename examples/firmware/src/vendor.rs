//! A vendor group with one lamp. `{"on": true}` switches it on; every response contains its state.

use anysmp::cbor::{BufferFull, Malformed, Reader, Value as _, Writer};
use anysmp::smp::server::{Answer, Incoming, Reply};
use anysmp::smp::{Decode, Encode, Error, Group, Op};

/// The number of the group: the first one for applications.
pub const LAMP: Group = Group::PER_USER;

/// The lamp, and its payload in both directions.
#[derive(Clone, Copy, Default)]
pub struct Lamp {
    on: bool,
}

impl Encode for Lamp {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.map(1)?;
        writer.text("on")?;
        writer.boolean(self.on)
    }
}

impl Decode<'_> for Lamp {
    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (mut on, mut reader) = (None, Reader::new(payload));
        let mut entries = reader.entries()?;
        while entries.more(&mut reader)? {
            if reader.text()? == "on" { on = Some(bool::read(&mut reader)?) } else { reader.skip()? }
        }
        Ok(Self { on: on.ok_or(Malformed)? })
    }
}

impl Lamp {
    /// Serves the group.
    pub fn dispatch(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match (incoming.op(), incoming.command()) {
            (Op::Read, 0) => reply.ok(self),
            (Op::Write, 0) => incoming.answer(reply, |lamp| {
                *self = lamp;
                Ok(*self)
            }),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}
