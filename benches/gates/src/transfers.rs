//! What whole exchanges cost beside instructions, on a host: requests and bytes of an upload, round
//! trips with several requests in flight, and echoes whose system calls valgrind counts.

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing};
use anysmp::port::Tcp;
use anysmp::routine::{Routine, Step};
use anysmp::smp::fs::{self, Files, Path, Store};
use anysmp::smp::os::{self, Echo, ParametersResponse};
use anysmp::smp::routine::{FileOutcome, FileUpload};
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server, serve};
use anysmp::smp::{Client, Error};
use std::net::TcpListener;
use std::time::Duration;

/// A device with the buffers of the recorded one: four, for messages of 380 bytes on a console.
const BUFFERS: ParametersResponse = ParametersResponse::new(384, 4);
const MESSAGE: usize = 380;

/// A device's file system, which counts what arrives.
struct Disk(u64);

impl Files for Disk {
    fn len(&mut self, _: Path<'_>) -> Result<u64, Error> {
        Ok(self.0)
    }

    fn read(&mut self, _: Path<'_>, _: u64, _: &mut [u8]) -> Result<usize, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    fn create(&mut self, _: Path<'_>) -> Result<(), Error> {
        self.0 = 0;
        Ok(())
    }

    fn append(&mut self, _: Path<'_>, off: u64, data: &[u8]) -> Result<(), Error> {
        assert_eq!(off, self.0, "a file grows at its end");
        self.0 += data.len() as u64;
        Ok(())
    }
}

/// Uploads a file of this length and prints its requests, their bytes on a console, the bytes that
/// requests before the last leave unused, and the round trips: how often the client waits.
pub(crate) fn upload(len: usize) {
    let file = vec![0xA5; len];
    let (mut name, mut answer) = ([0; 64], [0; MESSAGE]);
    let mut store = Store::new(Disk(0), "/lfs1", &mut name);
    let (mut buffer, mut wire) = ([0; 512], [0; 1024]);
    let console = Console::new(&mut buffer);
    let mut routine = FileUpload::new("/lfs1/p.bin", &file[..]).with_parameters(BUFFERS);
    let (mut client, mut tx, mut flying) = (Client::new(0), [0; MESSAGE], Vec::new());
    let (mut lengths, mut bytes, mut trips) = (Vec::new(), 0, 0);
    loop {
        match routine.poll(&mut client, &mut tx) {
            Step::Send(sent) => {
                let message = &tx[..sent];
                bytes += console.encode(message).map_or(0, |mut encoder| encoder.next(message, &mut wire));
                lengths.push(sent);
                flying.push(message.to_vec());
            }
            Step::Wait(_) => {
                trips += 1;
                for request in core::mem::take(&mut flying) {
                    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(&mut store, incoming, reply);
                    let (len, _) = serve(handler, AllowAll, &request, &mut answer);
                    let _ = routine.receive(&mut client, &answer[..len]);
                }
            }
            Step::Reopen => panic!("no file needs that"),
            Step::Done => break,
        }
    }
    assert_eq!(routine.report().outcome, FileOutcome::Done { verified: false });
    lengths.pop();
    println!("requests {len} {}", lengths.len() + 1);
    println!("unused {len} {}", lengths.iter().map(|sent| MESSAGE - sent).sum::<usize>());
    println!("wire {len} {bytes}");
    println!("trips {len} {trips}");
}

/// A device that knows echo only.
struct Device;

impl os::Commands for Device {}

/// Serves one connection until it ends; prints its port first.
pub(crate) fn server() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (mut message, mut memory) = ([0; 512], [0; 1024]);
    let port = Tcp::new(listener.accept()?.0)?;
    let mut link = Link::new(port, Console::new(&mut message), &mut memory)?;
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Device, incoming, reply);
    let mut server = Server::new(handler, AllowAll);
    while link.serve(&mut server).is_ok() {}
    Ok(())
}

/// Sends this many echoes, one after the other.
pub(crate) fn echoes(address: &str, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (mut message, mut memory) = ([0; 512], [0; 1024]);
    let port = Tcp::connect(address, Duration::from_secs(3))?;
    let mut link = Link::new(port, Console::new(&mut message), &mut memory)?;
    let mut client = Client::new(0);
    for _ in 0..count {
        link.call(&mut client, &Echo::new("ten bytes."))?;
    }
    Ok(())
}
