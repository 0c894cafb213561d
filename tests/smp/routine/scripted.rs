//! The parts that the tests of the routines share: messages from a server, and drivers without a
//! port.

use std::collections::VecDeque;
use std::time::Duration;

use anysmp::cbor::Writer;
use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::image::{self, UploadResponse};
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::{Decode, Encode, Error, Header, Version};

use crate::kit::smp::with;

/// Header and payload of a request.
pub fn split(message: &[u8]) -> (Header, &[u8]) {
    Header::parse(message).unwrap()
}

/// The answer to `request` with this payload.
pub fn raw(request: &[u8], payload: &[u8]) -> Vec<u8> {
    let (header, _) = split(request);
    let length = payload.len() as u16;
    let mut answer = Header { op: header.op.response(), length, ..header }.emit().to_vec();
    answer.extend_from_slice(payload);
    answer
}

pub fn payload(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer);
    let len = writer.len();
    buffer[..len].to_vec()
}

pub fn ok(request: &[u8], response: &impl Encode) -> Vec<u8> {
    raw(request, &payload(|writer| response.encode(writer).unwrap()))
}

pub fn refused(request: &[u8], error: Error) -> Vec<u8> {
    let version = if request[0] & 0x08 == 0 { Version::V1 } else { Version::V2 };
    raw(request, &payload(|writer| error.write(version, writer).unwrap()))
}

pub fn at(request: &[u8], off: u64) -> Vec<u8> {
    ok(request, &UploadResponse::new(off))
}

/// Offset and data of an upload request; `None` if it is another request.
pub fn piece(request: &[u8]) -> Option<image::Upload<'_>> {
    let (header, payload) = split(request);
    ((header.group.0, header.command) == (1, 1)).then(|| image::Upload::decode(payload).unwrap())
}

pub fn is_parameters(request: &[u8]) -> bool {
    let (header, _) = split(request);
    (header.group.0, header.command) == (0, 6)
}

pub fn parameters(request: &[u8], buf_size: u32, buf_count: u32) -> Vec<u8> {
    ok(request, &ParametersResponse::new(buf_size, buf_count))
}

/// What happened in a run.
#[derive(Debug, PartialEq, Clone)]
pub enum Happened {
    Sent(Vec<u8>),
    Waited(Duration),
    Reopened,
}

pub struct Run<R> {
    pub report: R,
    pub log: Vec<Happened>,
}

impl<R> Run<R> {
    pub fn sent(&self) -> impl Iterator<Item = &[u8]> {
        self.log.iter().filter_map(|happened| match happened {
            Happened::Sent(message) => Some(&message[..]),
            _ => None,
        })
    }

    pub fn waited(&self) -> Vec<Duration> {
        self.log
            .iter()
            .filter_map(|happened| if let Happened::Waited(time) = happened { Some(*time) } else { None })
            .collect()
    }
}

/// Runs a routine against a function from a request to the messages that follow it. A driver waits
/// only when nothing is left to be delivered; then time passes at once.
pub fn run<R: Routine<Client = Client>>(
    routine: &mut R,
    client: &mut Client,
    tx: usize,
    mut server: impl FnMut(&[u8]) -> Vec<Vec<u8>>,
) -> Run<R::Report> {
    let mut tx = vec![0; tx];
    let mut log = Vec::new();
    let mut arriving = VecDeque::new();
    for _ in 0..200_000 {
        match routine.poll(client, &mut tx) {
            Step::Send(len) => {
                arriving.extend(server(&tx[..len]));
                log.push(Happened::Sent(tx[..len].to_vec()));
                tx.fill(0xEE);
            }
            Step::Wait(time) => match arriving.pop_front() {
                Some(message) => drop(routine.receive(client, &message)),
                None => {
                    log.push(Happened::Waited(time));
                    routine.timed_out();
                }
            },
            Step::Reopen => {
                arriving.clear();
                log.push(Happened::Reopened);
            }
            Step::Done => return Run { report: routine.report(), log },
        }
    }
    panic!("the routine does not end");
}

/// The upload command of a Zephyr server: a session in memory, keyed by `sha`.
#[derive(Debug, Default)]
pub struct Slot {
    pub flash: Vec<u8>,
    session: Option<Session>,
    /// Whether the stored file is known to be this one (image check).
    pub checks: bool,
    pub complete: bool,
    pub erased: u32,
}

#[derive(Debug)]
struct Session {
    len: u64,
    sha: Option<Vec<u8>>,
}

impl Slot {
    pub fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let image::Upload { len, off, sha, data, .. } = piece(request).unwrap();
        let sha = sha.map(|sha| sha.as_slice().unwrap().to_vec());
        let data = data.unwrap().as_slice().unwrap();
        if off == Some(0) {
            if data.len() < 32 {
                return refused(request, anysmp::smp::error::image::INVALID_IMAGE_HEADER);
            }
            let Some(len) = len else { return refused(request, anysmp::smp::error::image::INVALID_LENGTH) };
            if let Some(session) = &self.session
                && sha.is_some()
                && session.sha == sha
            {
                return at(request, self.flash.len() as u64);
            }
            if self.checks && self.complete && sha.is_some() {
                return ok(request, &with(UploadResponse::new(len), |it| it.matches = Some(true)));
            }
            self.flash.clear();
            self.erased += 1;
            self.complete = false;
            self.session = Some(Session { len, sha });
        }
        let Some(session) = &self.session else { return at(request, 0) };
        if off != Some(self.flash.len() as u64) {
            return at(request, self.flash.len() as u64);
        }
        self.flash.extend_from_slice(data);
        let now = self.flash.len() as u64;
        if now > session.len {
            self.session = None;
            return refused(request, anysmp::smp::error::image::INVALID_IMAGE_DATA_OVERRUN);
        }
        if now == session.len {
            self.session = None;
            self.complete = true;
            return ok(request, &with(UploadResponse::new(now), |it| it.matches = self.checks.then_some(true)));
        }
        at(request, now)
    }
}
