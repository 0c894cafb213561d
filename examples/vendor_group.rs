//! A group of your own: typed commands at both ends, without a change to the crate.
//!
//! Groups from 64 on belong to the application. A command is a struct, its codec (one line of
//! `payload!`), and the seven lines of `impl Request`; the server is one line in the `match`. This
//! one has two commands: one in CBOR, one whose payload is plain bytes.
//!
//! ```sh
//! cargo run --example vendor_group
//! ```

#![expect(clippy::indexing_slicing, reason = "lengths that the library has just returned")]

use anysmp::cbor::{BufferFull, Malformed, Writer};
use anysmp::smp::client;
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{self, Client, Decode, Empty, Encode, Error, Group, Op, Request};

const LAMPS: Group = Group::PER_USER;
/// The first code of this group's own table.
const NO_SUCH_LAMP: Error = Error::Group { group: LAMPS, rc: 2 };

// ---- a command in CBOR: {"lamp": 3, "on": true}, answered by {} ----

#[derive(Debug)]
struct Switch {
    lamp: u8,
    on: bool,
}

smp::payload!(request Switch { lamp: "lamp", on: "on" });

impl Request for Switch {
    const OP: Op = Op::Write;
    const GROUP: Group = LAMPS;
    const COMMAND: u8 = 0;
    type Kind = Self;
    type Response<'m> = Empty;
}

// ---- a command in plain bytes: nothing, answered by one byte per lamp ----

#[derive(Debug)]
struct States;

impl Encode for States {
    fn encode(&self, _: &mut Writer<'_>) -> Result<(), BufferFull> {
        Ok(())
    }
}

#[derive(Debug)]
struct StatesResponse<'m>(&'m [u8]);

impl Encode for StatesResponse<'_> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.raw(self.0)
    }
}

impl<'m> Decode<'m> for StatesResponse<'m> {
    fn decode(payload: &'m [u8]) -> Result<Self, Malformed> {
        Ok(Self(payload))
    }
}

impl Request for States {
    const OP: Op = Op::Read;
    const GROUP: Group = LAMPS;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = StatesResponse<'m>;

    /// Errors are maps, as everywhere; a state is 0 or 1, which no map begins with.
    fn response(payload: &[u8]) -> Result<StatesResponse<'_>, client::Error> {
        match Error::find(payload) {
            Ok(Some(error)) => Err(client::Error::Remote(error)),
            _ => Ok(StatesResponse::decode(payload)?),
        }
    }
}

// ---- the server ----

/// The state of the device: one byte per lamp.
struct Lamps([u8; 4]);

impl Lamps {
    fn switch(&mut self, Switch { lamp, on }: Switch) -> Result<Empty, Error> {
        *self.0.get_mut(usize::from(lamp)).ok_or(NO_SUCH_LAMP)? = on.into();
        Ok(Empty {})
    }

    fn dispatch(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match (incoming.group(), incoming.op(), incoming.command()) {
            (LAMPS, Op::Write, Switch::COMMAND) => incoming.answer(reply, |request| self.switch(request)),
            (LAMPS, Op::Read, States::COMMAND) => reply.ok(&StatesResponse(&self.0)),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

// ---- both ends in one process ----

/// Makes one exchange: `show` is given the decoded response.
fn call<R: Request>(
    lamps: &mut Lamps,
    client: &mut Client,
    request: &R,
    show: impl FnOnce(Result<R::Response<'_>, client::Error>) -> String,
) -> Result<String, client::Error> {
    let (mut sent, mut response) = ([0; 64], [0; 64]);
    let (len, pending) = client.request(request, &mut sent)?;
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| lamps.dispatch(incoming, reply);
    let (answered, _after) = serve(handler, AllowAll, &sent[..len], &mut response);
    assert!(pending.accepts(&response[..answered]));
    Ok(show(pending.decode(&response[..answered])))
}

/// Switches a lamp that exists and one that does not, and reads the states.
pub(crate) fn talk() -> Result<[String; 3], client::Error> {
    let (mut lamps, mut client) = (Lamps([0; 4]), Client::new(0));
    let switched = |result| match result {
        Ok(Empty {}) => "switched".to_string(),
        Err(error) => format!("not switched: {error}"),
    };
    Ok([
        call(&mut lamps, &mut client, &Switch { lamp: 2, on: true }, switched)?,
        call(&mut lamps, &mut client, &Switch { lamp: 9, on: true }, switched)?,
        call(&mut lamps, &mut client, &States, |result| format!("{result:?}"))?,
    ])
}

fn main() -> Result<(), client::Error> {
    for line in talk()? {
        println!("{line}");
    }
    Ok(())
}
