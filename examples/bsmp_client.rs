//! A BSMP client over TCP: requests with their retries, and the three ways in which a request can
//! fail.
//!
//! `client` and `s3mp_master` are the same program in the other two protocols.
//!
//! ```sh
//! cargo run --features host --example bsmp_node &
//! cargo run --features host --example bsmp_client
//! ```

use std::error::Error;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::{self, Client, variable};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::line;
use anysmp::port::Tcp;

/// Sets the first variable of a node, and reads the second one.
pub(crate) fn regulate(address: &str, setpoint: u8) -> Result<u8, Box<dyn Error>> {
    let port = Tcp::connect(address, Duration::from_secs(3))?;
    let (mut message, mut memory) = ([0; 256], [0; Counted::<Head3>::sizes_of(256).memory()]);
    // On RS-485 the framing is `Packet`, and the client has an address: `with_address`.
    let mut link = Link::new(port, Counted::<Head3>::new(&mut message), &mut memory)?;
    let mut client = Client::new().with_timeout(Duration::from_secs(1)).with_retries(2);

    match link.call(&mut client, &variable::Write { id: 0, value: &[setpoint] }) {
        Ok(()) => println!("set"),
        // The node understood the request and refused it, for example because the variable is
        // read-only.
        Err(line::Error::Protocol(bsmp::Error::Remote(refusal))) => println!("not set: {refusal}"),
        // No answer came, not even to the retries.
        Err(line::Error::TimedOut) => return Err("nobody answers: is the framing the right one?".into()),
        // The port failed, or a size does not fit. The link may be used again after each of these.
        Err(error) => return Err(error.into()),
    }
    let value = link.call(&mut client, &variable::Read { id: 1, size: Some(1) })?;
    value.first().copied().ok_or("an empty value".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5001".into());
    println!("{}", regulate(&address, 42)?);
    Ok(())
}
