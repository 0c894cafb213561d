//! The same calls over the blocking driver and the async driver, and the records of their sink.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::line::{self, Buffers, Caller, Counters, Damage, Limits, Sink};
use anysmp::routine::{Ended, Routine};
use anysmp::{asynch, blocking};
use embedded_io::ErrorKind;

use super::journal;
use super::port::Port;
use super::tally::Tally;

pub type Bytes = Rc<RefCell<Vec<u8>>>;

/// The messages that no exchange wanted, and those that passed.
#[derive(Default)]
pub struct Log {
    pub journal: journal::Shared,
    pub text: Vec<u8>,
    pub unsolicited: Vec<Vec<u8>>,
    pub dropped: u32,
    pub sent: u32,
    pub received: u32,
}

impl Sink for Log {
    fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn unsolicited(&mut self, message: &[u8]) {
        self.unsolicited.push(message.to_vec());
    }

    fn dropped(&mut self, _: Damage) {
        self.dropped += 1;
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        let mut journal = self.journal.borrow_mut();
        if sent {
            self.sent += 1;
            journal.asked = message.to_vec();
            journal.sends(message);
        } else {
            self.received += 1;
            if !journal.knows(message) {
                journal.strange_to_client += 1;
                journal.last = message.to_vec();
            }
        }
    }
}

pub enum Link<'b, 'w, F: Framing> {
    Blocking(blocking::Link<'b, Port<'w>, F, Log>),
    Async(asynch::Link<'b, Port<'w>, F, Log>),
}

pub type Error<E = std::convert::Infallible> = line::Error<ErrorKind, E>;

/// The executor: polls until it is ready.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

macro_rules! either {
    ($self:expr, $link:ident => $call:expr) => {
        match $self {
            Link::Blocking($link) => $call,
            Link::Async($link) => $call,
        }
    };
}

impl<'b, 'w, F: Framing> Link<'b, 'w, F> {
    pub fn new(
        is_async: bool,
        port: Port<'w>,
        framing: F,
        memory: impl Into<Buffers<'b>>,
        journal: journal::Shared,
    ) -> Self {
        let log = Log { journal, ..Log::default() };
        if is_async {
            Self::Async(asynch::Link::new(port, framing, memory).unwrap().with_sink(log))
        } else {
            Self::Blocking(blocking::Link::new(port, framing, memory).unwrap().with_sink(log))
        }
    }

    pub fn call<R, C, T>(
        &mut self,
        client: &mut C,
        request: &R,
        read: impl FnOnce(C::Response<'_>) -> T,
    ) -> Result<T, Error<C::Error>>
    where
        R: ?Sized,
        C: Caller<R>,
    {
        match self {
            Self::Blocking(link) => link.call(client, request).map(read),
            Self::Async(link) => block_on(link.call(client, request)).map(read),
        }
    }

    pub fn run<R: Routine>(
        &mut self,
        client: &mut R::Client,
        routine: &mut R,
        on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Result<Ended<R::Report>, Error> {
        match self {
            Self::Blocking(link) => link.run(client, routine, on_event),
            Self::Async(link) => block_on(link.run(client, routine, on_event)),
        }
    }

    pub fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        match self {
            Self::Blocking(link) => link.send(message),
            Self::Async(link) => block_on(link.send(message)),
        }
    }

    pub fn recv(&mut self, limit: Duration) -> Result<Vec<u8>, Error> {
        match self {
            Self::Blocking(link) => link.recv(limit).map(<[u8]>::to_vec),
            Self::Async(link) => block_on(link.recv(limit)).map(<[u8]>::to_vec),
        }
    }

    pub fn counters(&self) -> Counters {
        either!(self, link => link.counters())
    }

    pub fn limits(&self) -> Limits {
        either!(self, link => link.limits())
    }

    pub fn log(&mut self) -> &mut Log {
        either!(self, link => link.sink())
    }
}

impl Tally {
    /// Returns the report of a routine that ran to its end; `None` if the port broke it off.
    pub fn ended<R>(&mut self, ended: Result<Ended<R>, Error>) -> Option<R> {
        match ended {
            Ok(Ended::Done(report)) => {
                self.one("routines: done");
                Some(report)
            }
            Ok(_) => panic!("nobody stopped it"),
            Err(line::Error::TimedOut | line::Error::Port(_) | line::Error::WriteZero) => {
                self.one("routines: broken off by the port");
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
