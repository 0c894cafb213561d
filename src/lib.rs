//! Device management protocols for firmware and hosts, both ends of each: SMP (MCUmgr, MCUboot),
//! BSMP and S3MP. The name is a pun on the three: `any` of SMP, BSMP and S3MP.
//!
//! | module | protocol | for |
//! |---|---|---|
//! | [`smp`] | Simple Management Protocol | firmware upgrade, files, settings, shell of devices with Zephyr's MCUmgr, MCUboot's serial recovery or Mynewt |
//! | [`bsmp`] | Basic Small Messages Protocol 2.30 | variables, groups, curves and functions of power supplies and the like, on RS-485, TCP and UDP |
//! | [`s3mp`] | Simple Serial Slave-Master Protocol | sensors and actuators of a microcontroller on a serial line, with values pushed as they change |
//!
//! Firmware on a Cortex-M and tools on a host use the same types and the same state machines,
//! without allocation, without `unsafe`, and without a panic that received bytes can reach.
//!
//! # A client
//!
#![cfg_attr(feature = "std", doc = "```no_run")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! # fn greet() -> Result<(), Box<dyn std::error::Error>> {
//! use anysmp::smp::{Client, os};
//! use anysmp::{blocking::Link, framing::console::Console, port::Tcp};
//! use std::time::Duration;
//!
//! let port = Tcp::connect("192.0.2.7:5000", Duration::from_secs(3))?;
//! let (mut message, mut memory) = ([0; 512], [0; Console::sizes_of(512).memory()]);
//! let mut link = Link::new(port, Console::new(&mut message), &mut memory)?;
//! let mut client = Client::new(0).with_timeout(Duration::from_secs(1)).with_retries(2);
//! let echo = link.call(&mut client, &os::Echo::new("hi"))?;
//! println!("{}", echo.text);
//! # Ok(())
//! # }
//! ```
//!
//! # A server
//!
//! ```no_run
//! use anysmp::smp::server::{AllowAll, Incoming, Reply};
//! use anysmp::smp::{Error, Group, Server, os};
//! use anysmp::{blocking::Link, framing::console::Console, line::SizeError, port::Ticking};
//! use core::time::Duration;
//! use embedded_io::{Read, Write};
//!
//! struct Device;
//! impl os::Commands for Device {} // echo works by itself
//!
//! fn serve(uart: impl Read + Write) -> Result<(), SizeError> {
//!     let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
//!         Group::OS => os::dispatch(&mut Device, incoming, reply),
//!         _ => reply.error(Error::NOT_SUPPORTED),
//!     };
//!     let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
//!     let port = Ticking::new(uart, Duration::from_millis(10)); // a `read` gives up after 10 ms
//!     let mut link = Link::new(port, Console::new(&mut message), &mut memory)?;
//!     let mut server = Server::new(handler, AllowAll).with_parameters(1, 256);
//!     loop {
//!         let _ = link.serve(&mut server); // a reset to do, or an error: continue
//!     }
//! }
//! ```
//!
//! `examples/` of the repository has these and more, each at most 40 lines: a DFU server with
//! slots, an upload, a superloop, Bluetooth LE, a vendor's group, a framing.
//!
//! # Why this crate, and when not
//!
//! * **Both ends in one crate.** A device and its tool cannot disagree about a field: there is one
//!   type.
//! * **It survives bad lines.** Bytes may be lost, doubled, delayed or changed: the next good
//!   message arrives, a late response never passes for another one (BSMP: see [Limits](#limits)),
//!   and with answer memory a write does not run twice.
//! * **It fits.** Bytes in, values out: it runs without a driver in an interrupt, or with one on a
//!   UART, in async code or on a host. README lists the flash, RAM and stack of each image.
//! * **Tested against the others**: Zephyr, MCUboot, smpclient, smpmgr, mcumgrctl, and recorded
//!   exchanges.
//!
//! Use something else if
//!
//! * a host needs only a command-line tool or Python: there are smpmgr, mcumgrctl and smpclient;
//! * the device runs Zephyr: it has its own server, to which this crate's client can talk;
//! * you design a protocol for two ends that you both control: a serialisation crate with RPC gives
//!   you types for less;
//! * the peers are not trusted: none of the three protocols has authentication or encryption.
//!
//! # The pipe
//!
//! ```text
//!  port          line                        smp | bsmp | s3mp                application
//!
//!  Read  ─bytes▶ Line::received ─ message ─▶ Header::parse ─┬▶ Pending::decode ─▶ R::Response
//!  Clock ─time─▶ Line::elapsed                              └▶ Service::receive ─▶ Handler
//!                                                                └▶ os::dispatch ─▶ Commands::echo
//!
//!  Write ◀bytes─ Line::pending  ◀─ message ─ Header::emit  ◀┬─ Client::request ◀─ R: Request
//!                                                           └─ Reply ◀─ Result<R::Response, Error>
//! ```
//!
//! Nothing points backwards, and every arrow is a function that can be called alone. The three
//! protocols have one dialect:
//!
//! ```no_run
//! # use anysmp::{blocking::Link, framing::Framing, port::Clock};
//! # fn three<P: embedded_io::Read + embedded_io::Write + Clock>(
//! #     smp: &mut Link<'_, P, impl Framing>,
//! #     bsmp: &mut Link<'_, P, impl Framing>,
//! #     s3mp: &mut Link<'_, P, impl Framing>,
//! # ) -> Option<()> {
//! use anysmp::{bsmp::variable, s3mp::master, smp::os};
//!
//! let mut client = anysmp::smp::Client::new(0); // its first sequence number
//! let echo = smp.call(&mut client, &os::Echo::new("hi")).ok()?.text;
//!
//! let mut client = anysmp::bsmp::Client::new(); // with_address(…) on a bus
//! let bytes = bsmp.call(&mut client, &variable::Read { id: 1, size: Some(4) }).ok()?;
//!
//! let mut master = anysmp::s3mp::Master::new(anysmp::s3mp::Counter::FIRST);
//! let value = s3mp.call(&mut master, &master::Get { address: anysmp::s3mp::Address(1) }).ok()?;
//! # let _ = (echo, bytes, value);
//! # Some(())
//! # }
//! ```
//!
//! # Modules
//!
//! | you want | start at |
//! |---|---|
//! | find messages in a byte stream, or write a framing | [`framing`] |
//! | a client or a server of MCUmgr's protocol, an upgrade | [`smp`] |
//! | a node on RS-485 or Ethernet, or its master | [`bsmp`] |
//! | a slave on a serial line, or its master | [`s3mp`] |
//! | one of these on a port | [`blocking`], `asynch` (feature `async`) |
//! | make a port, choose its tick, RS-485, USB | [`port`] |
//! | one of these in a loop of your own, an interrupt, RTIC | [`line`](mod@line) |
//! | jobs of many exchanges | [`routine`] |
//! | read or make MCUboot images | [`mcuboot`] |
//! | receive an upgrade on a device | `mcuboot::slots` (feature `mcuboot`) |
//! | a NOR flash in RAM, a boot loader to test against | `testing` (feature `testing`) |
//! | the least flash for SMP on a console | [`framing::console`], feature `small` |
//!
//! The [guide](guide) has pages on buffers, on ports, on errors and retries, and on adding your own
//! groups and framings.
//!
//! # Features
//!
//! None is on by default. Firmware picks the ones that it needs; a program on a host uses `host`.
//!
//! | feature | in `host` | adds |
//! |---|---|---|
//! | `std` | yes | ports of a host with a real clock: `port::{Io, Tcp, Udp}` |
//! | `async` | yes | `asynch`, the driver over `embedded-io-async` |
//! | `hal` | yes | `port::Timed`, over the delays of `embedded-hal` |
//! | `dfu` | yes | flash over `embedded-storage` |
//! | `mcuboot` | yes | slots of a device with MCUboot; brings `dfu` |
//! | `sha2` | yes | SHA-256 for `mcuboot` and uploads |
//! | `md5` | yes | MD5 for the checksums of BSMP curves |
//! | `testing` | yes | a NOR flash in RAM with the rules of a real one, a boot loader to test against |
//! | `small` | no | nothing: less flash for more time; the bytes are the same |
//! | `defmt` | no | `defmt::Format` on every public type, and a log line for each dropped frame |
//!
//! Features are additive. A transport is not a feature: a port is any type that implements
//! `embedded_io` and a clock.
//!
//! # Limits
//!
//! * No authentication, no encryption: the protocols have none. A server demands a
//!   [`Policy`](smp::server::Policy); MCUboot judges images by their signature, this crate by their
//!   hash.
//! * A frame check is not a proof. Of 333 million console frames with bit errors 19 passed their
//!   CRC-16; BSMP and S3MP have a sum of 8 bits.
//! * A BSMP answer does not identify its request. An answer that comes after the drain time may
//!   pass for the next one.
//! * Buffers and messages have at most 65,535 bytes.
//! * A server without [answer memory](smp::Server::with_memory) runs a repeated write
//!   twice.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

// The test kit refers to this crate by its name.
#[cfg(all(test, anysmp_checkout))]
extern crate self as anysmp;

#[cfg(feature = "async")]
pub mod asynch;
pub mod blocking;
pub mod bsmp;
mod bytes;
pub mod cbor;
pub mod checksum;
pub mod cobs;
mod codes;
#[cfg(feature = "dfu")]
pub mod dfu;
mod envelope;
pub mod framing;
#[cfg(any(
    all(doc, not(doctest)),
    all(doctest, feature = "std", feature = "mcuboot", feature = "sha2", feature = "testing")
))]
pub mod guide;
pub mod line;
pub mod mcuboot;
pub mod port;
pub mod routine;
pub mod s3mp;
mod shown;
pub mod smp;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
