//! An S3MP slave over TCP: one actuator, and one sensor.
//!
//! `server` and `bsmp_node` are the same program in the other two protocols.
//!
//! ```sh
//! cargo run --features host --example s3mp_slave
//! ```

use std::error::Error as StdError;
use std::net::{TcpListener, TcpStream};

use anysmp::blocking::Link;
use anysmp::framing::lrc::Lrc;
use anysmp::line;
use anysmp::port::Tcp;
use anysmp::s3mp::slave::After;
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Refusal, Resources, Slave};

/// The application: a heater, which is on or off, and the temperature that it produces.
pub(crate) struct Heater {
    is_on: bool,
}

impl Resources for Heater {
    fn names(&self) -> &[&str] {
        &["heater", "temperature"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        match address {
            Address(1) => Ok(value::encode(self.is_on, out)?),
            _ => Ok(value::encode(if self.is_on { 60_u8 } else { 20 }, out)?),
        }
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        self.is_on = if address == Address(1) { value.bool()? } else { return Err(Refusal::NotImplemented) };
        Ok(())
    }
}

/// Serves one master, until it leaves or asks for a restart.
pub(crate) fn serve(stream: TcpStream) -> Result<After, Box<dyn StdError + Send + Sync>> {
    let (mut message, mut memory) = ([0; 256], [0; Lrc::sizes_of(256).memory()]);
    let mut slave = Slave::new(Heater { is_on: false })?;
    let mut link = Link::new(Tcp::new(stream)?, Lrc::new(&mut message), &mut memory)?;
    loop {
        match link.serve(&mut slave) {
            Ok(After::Nothing) => {}
            Ok(After::Restart) => return Ok(After::Restart),
            Err(line::Error::Closed) => return Ok(After::Nothing),
            Err(error) => eprintln!("the link goes on: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5002".into());
    let listener = TcpListener::bind(address)?;
    loop {
        println!("{:?}", serve(listener.accept()?.0)?);
    }
}
