//! An SMP client over TCP: requests with their retries, and the three ways in which a request can
//! fail.
//!
//! `bsmp_client` and `s3mp_master` are the same program in the other two protocols.
//!
//! ```sh
//! cargo run --features host --example server &
//! cargo run --features host --example client
//! ```

use std::error::Error;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line::{self, Text};
use anysmp::port::Tcp;
use anysmp::smp::client;
use anysmp::smp::{Client, os};

/// Asks a device for the sizes of its buffers, and for an echo.
pub(crate) fn greet(address: &str, text: &str) -> Result<String, Box<dyn Error>> {
    let port = Tcp::connect(address, Duration::from_secs(3))?;
    // The framing's buffer holds a received message; the link's memory holds a message to send, and
    // the bytes in transit.
    let (mut message, mut memory) = ([0; 512], [0; Console::sizes_of(512).memory()]);
    // A console device prints text between its frames: it goes to the sink.
    let mut link = Link::new(port, Console::new(&mut message), &mut memory)?
        .with_sink(Text(|text: &[u8]| print!("{}", String::from_utf8_lossy(text))));
    let mut client = Client::new(0).with_timeout(Duration::from_secs(1)).with_retries(2);

    match link.call(&mut client, &os::Parameters {}) {
        Ok(sizes) => println!("{} buffers of {} bytes", sizes.buf_count, sizes.buf_size),
        // The device understood the request and refused it, here because it does not have the
        // command.
        Err(line::Error::Protocol(client::Error::Remote(refusal))) => println!("no sizes: {refusal}"),
        // No response came, not even to the retries.
        Err(line::Error::TimedOut) => return Err("nobody answers: is the framing the right one?".into()),
        // The port failed, or a size does not fit. The link may be used again after each of these.
        Err(error) => return Err(error.into()),
    }
    let echo = link.call(&mut client, &os::Echo::new(text))?;
    Ok(echo.text.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".into());
    println!("{}", greet(&address, "hi")?);
    Ok(())
}
