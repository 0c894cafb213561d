//! Any bytes as messages to one server: at most one answer each, well-formed, and an echo works
//! afterwards.
//!
//! Each message of the input is preceded by its length in one byte, so that repeated and mixed
//! messages occur.
#![no_main]

use std::time::Duration;

use anysmp::cbor::Reader;
use anysmp::line::{Peer, Serve};
use anysmp::smp::server::{AllowAll, Answer, DenyWrites, Handler, Incoming, Policy, Reply, Server};
use anysmp::smp::{Empty, Error, Group, Header, Op, image, os};
use libfuzzer_sys::fuzz_target;

/// Does everything and remembers nothing.
struct Device;

impl os::Commands for Device {
    fn console_echo(&mut self, _: os::ConsoleEcho) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        if request.datetime.as_str().is_some() { Ok(Empty {}) } else { Err(Error::INVALID) }
    }

    fn reset(&mut self, request: os::Reset) -> Result<Empty, Error> {
        if request.force.is_some() { Ok(Empty {}) } else { Err(Error::BUSY) }
    }

    fn info<'r>(&'r mut self, request: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        request.format.map(os::InfoResponse::new).ok_or(anysmp::smp::error::os::INVALID_FORMAT)
    }

    fn boot_loader<'r>(&'r mut self, request: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        let mut response = os::BootLoaderResponse::default();
        response.bootloader = request.query;
        Ok(response)
    }
}

impl image::Commands for Device {
    fn upload(&mut self, request: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        let data = request.data.map_or(0, |data| data.len() as u64);
        let mut response = image::UploadResponse::new(request.off.unwrap_or(0).saturating_add(data));
        response.matches = request.upgrade;
        Ok(response)
    }

    fn write_state(&mut self, request: image::WriteState<'_>) -> Result<image::StateResponse<'_>, Error> {
        if request.confirm {
            Ok(image::StateResponse::new([][..].into()))
        } else {
            Err(anysmp::smp::error::image::INVALID_HASH)
        }
    }

    fn erase(&mut self, _: image::Erase) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

fn check(request: &[u8], answer: &[u8], room: usize) {
    // Every request has an answer where the smallest error fits.
    if answer.is_empty() {
        assert!(request.len() < 8 || request[0] & 1 == 1 && request[0] & 7 < 4 || room < 32);
        return;
    }
    let (header, payload) = Header::parse(answer).unwrap();
    assert!(matches!(header.op, Op::ReadResponse | Op::WriteResponse));
    assert_eq!(usize::from(header.length), payload.len());
    assert_eq!(answer[4..8], request[4..8]);
    assert_eq!(answer[1], 0);
    let mut reader = Reader::new(payload);
    assert!(reader.at_map());
    reader.skip().unwrap();
    assert!(reader.rest().is_empty());
}

fn run<P: Policy>(server: Server<Device, P>, room: usize, mut input: &[u8]) {
    let mut memory = [0; 40];
    let mut server = server.with_memory(&mut memory);
    let mut tx = [0; 300];
    while let Some((len, rest)) = input.split_first() {
        let (request, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        let (len, _) = server.receive(request, Peer(0), &mut tx[..room]);
        check(request, &tx[..len], room);
        server.tick(Duration::from_secs(1));
    }
    let (len, _) = server.receive(b"\x02\0\0\x06\0\0\x01\0\xa1\x61d\x62hi", Peer(0), &mut tx);
    assert_eq!(tx[..len], *b"\x03\0\0\x06\0\0\x01\0\xa1\x61r\x62hi");
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let room = if choice & 1 == 0 { 300 } else { usize::from(choice >> 2) };
    match choice & 2 {
        0 => run(Server::new(Device, AllowAll), room, input),
        _ => run(Server::new(Device, DenyWrites), room, input),
    }
});
