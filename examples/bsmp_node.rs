//! A BSMP node over TCP: one variable to write, and one to read.
//!
//! `server` and `s3mp_slave` are the same program in the other two protocols.
//!
//! ```sh
//! cargo run --features host --example bsmp_node
//! ```

use std::error::Error as StdError;
use std::net::{TcpListener, TcpStream};

use anysmp::blocking::Link;
use anysmp::bsmp::{Entities, Server, Table, variable::Variable};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::line;
use anysmp::port::Tcp;

/// The entities of the node, by number; checked by the compiler.
const VARIABLES: [Variable; 2] = [Variable::writable(1), Variable::read_only(1)];
static TABLE: Table = match Table::new(&VARIABLES, &[], &[]) {
    Ok(table) => table,
    Err(_) => panic!("the table breaks a limit"),
};

/// The application: a supply whose output follows its setpoint at once.
pub(crate) struct Supply {
    setpoint: u8,
}

impl Entities for Supply {
    fn read(&mut self, _: u8, value: &mut [u8]) {
        value.fill(self.setpoint);
    }

    fn write(&mut self, _: u8, value: &[u8]) {
        self.setpoint = value.first().copied().unwrap_or_default();
    }
}

/// Serves one client, until it leaves.
pub(crate) fn serve(stream: TcpStream) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let (mut message, mut memory) = ([0; 256], [0; Counted::<Head3>::sizes_of(256).memory()]);
    // On RS-485 a `Node` holds the server, with its address.
    let mut server = Server::new(Supply { setpoint: 0 }, &TABLE);
    let mut link = Link::new(Tcp::new(stream)?, Counted::<Head3>::new(&mut message), &mut memory)?;
    loop {
        match link.serve(&mut server) {
            Ok(()) => {}
            Err(line::Error::Closed) => return Ok(()),
            Err(error) => eprintln!("the link goes on: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5001".into());
    let listener = TcpListener::bind(address)?;
    loop {
        serve(listener.accept()?.0)?;
    }
}
