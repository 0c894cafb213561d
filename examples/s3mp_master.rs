//! An S3MP master over TCP: requests with their retries, and the three ways in which a request can
//! fail.
//!
//! `client` and `bsmp_client` are the same program in the other two protocols.
//!
//! ```sh
//! cargo run --features host --example s3mp_slave &
//! cargo run --features host --example s3mp_master
//! ```

use std::error::Error;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::lrc::Lrc;
use anysmp::line;
use anysmp::port::Tcp;
use anysmp::s3mp::master::{Get, Set};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{self, Address, Counter, Master};

/// Sets the first address of a slave, and reads the second one.
pub(crate) fn heat(address: &str, on: bool) -> Result<u64, Box<dyn Error>> {
    let port = Tcp::connect(address, Duration::from_secs(3))?;
    let (mut message, mut memory) = ([0; 256], [0; Lrc::sizes_of(256).memory()]);
    // A slave may push values at any time: `with_sink` receives them.
    let mut link = Link::new(port, Lrc::new(&mut message), &mut memory)?;
    let mut master = Master::new(Counter::FIRST).with_timeout(Duration::from_secs(1)).with_retries(2);

    let mut item = [0; 8];
    let value = Value::encode(on, &mut item)?;
    match link.call(&mut master, &Set { address: Address(1), value }) {
        Ok(()) => println!("set"),
        // The slave understood the request and refused it, for example because it is a sensor.
        Err(line::Error::Protocol(s3mp::Error::Remote(refusal))) => println!("not set: {refusal}"),
        // No response came, not even to the retries.
        Err(line::Error::TimedOut) => return Err("nobody answers: is the framing the right one?".into()),
        // The port failed, or a size does not fit. The link may be used again after each of these.
        Err(error) => return Err(error.into()),
    }
    let value = link.call(&mut master, &Get { address: Address(2) })?;
    Ok(value.u64()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5002".into());
    println!("{}", heat(&address, true)?);
    Ok(())
}
