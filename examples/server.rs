//! An SMP server over TCP: echo, the sizes of its buffers, and a reset.
//!
//! `bsmp_node` and `s3mp_slave` are the same program in the other two protocols;
//! `dfu_server` is one with images, on any port; `superloop_server` is one that never waits.
//!
//! ```sh
//! cargo run --features host --example server
//! ```

use std::error::Error as StdError;
use std::net::{TcpListener, TcpStream};

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line;
use anysmp::port::Tcp;
use anysmp::smp::server::{After, AllowAll, Answer, Answers, Handler, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Server, os};

/// The application. Echo works by itself; a command that is not implemented is refused with "not
/// supported".
pub(crate) struct Device;

impl os::Commands for Device {
    /// Permits a reset. It happens after the response has left: see `After::Reset` below.
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

/// Serves one client, until it leaves or asks for a reset.
pub(crate) fn serve(stream: TcpStream) -> Result<After, Box<dyn StdError + Send + Sync>> {
    let (mut message, mut memory) = ([0; 512], [0; Console::sizes_of(512).memory()]);
    // A client whose response was lost repeats its request; with this memory the write does not run
    // twice.
    let mut answers = [0; Answers::memory_len(1, 32)];
    let mut server = Server::new(Device, AllowAll).with_parameters(1, 512).with_memory(&mut answers);
    let mut link = Link::new(Tcp::new(stream)?, Console::new(&mut message), &mut memory)?;
    loop {
        match link.serve(&mut server) {
            Ok(After::Nothing) => {}
            Ok(reset @ After::Reset { .. }) => return Ok(reset),
            Err(line::Error::Closed) => return Ok(After::Nothing),
            Err(error) => eprintln!("the link goes on: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".into());
    let listener = TcpListener::bind(address)?;
    loop {
        println!("{:?}", serve(listener.accept()?.0)?);
    }
}
