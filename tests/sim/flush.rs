//! The driver flushes each frame before the next one is sent, whatever the port does.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::datagram::Datagram;
use anysmp::port::Clock;
use anysmp::routine::{Ended, Routine, Step};
use anysmp::{asynch, blocking};
use embedded_io::ErrorKind;

use crate::kit::link::block_on;

/// Writes down each call; every second flush is interrupted, and each takes time.
#[derive(Clone, Default)]
struct Calls(Rc<RefCell<String>>);

impl embedded_io::ErrorType for Calls {
    type Error = ErrorKind;
}

impl embedded_io::Read for Calls {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        Err(ErrorKind::TimedOut)
    }
}

impl embedded_io::Write for Calls {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.borrow_mut().push('w');
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        let mut calls = self.0.borrow_mut();
        let is_first = !calls.ends_with('i');
        calls.push(if is_first { 'i' } else { 'f' });
        if is_first { Err(ErrorKind::Interrupted) } else { Ok(()) }
    }
}

impl embedded_io_async::Read for Calls {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        embedded_io::Read::read(self, buf)
    }
}

impl embedded_io_async::Write for Calls {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        embedded_io::Write::write(self, buf)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        embedded_io::Write::flush(self)
    }
}

impl Clock for Calls {
    fn elapsed(&mut self) -> Duration {
        Duration::from_millis(1)
    }
}

/// Sends three messages in a row.
struct Three(u8);

impl Routine for Three {
    type Client = ();
    type Event<'m> = Infallible;
    type Report = ();

    fn poll(&mut self, (): &mut (), tx: &mut [u8]) -> Step {
        match self.0 {
            3 => Step::Wait(Duration::from_millis(3)),
            4 => Step::Done,
            _ => {
                self.0 += 1;
                tx[0] = self.0;
                Step::Send(1)
            }
        }
    }

    fn receive(&mut self, (): &mut (), _: &[u8]) -> Option<Infallible> {
        None
    }

    fn timed_out(&mut self) {
        self.0 = 4;
    }

    fn report(&self) {}
}

#[test]
fn each_frame_is_flushed_before_the_next_one_leaves_even_if_the_flush_was_interrupted() {
    let (mut buffer, mut memory) = ([0; 8], [0; 64]);
    let calls = Calls::default();
    let mut link = blocking::Link::new(calls.clone(), Datagram::new(&mut buffer), &mut memory).unwrap();
    assert_eq!(link.run(&mut (), &mut Three(0), |_| Continue(())), Ok(Ended::Done(())));
    assert_eq!(*calls.0.borrow(), "wifwifwif");

    let calls = Calls::default();
    let mut link = asynch::Link::new(calls.clone(), Datagram::new(&mut buffer), &mut memory).unwrap();
    assert_eq!(block_on(link.run(&mut (), &mut Three(0), |_| Continue(()))), Ok(Ended::Done(())));
    assert_eq!(*calls.0.borrow(), "wifwifwif");
}

/// Every second read is interrupted, the others are in vain.
struct Restless(bool);

impl embedded_io::ErrorType for Restless {
    type Error = ErrorKind;
}

impl embedded_io::Read for Restless {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0 = !self.0;
        Err(if self.0 { ErrorKind::Interrupted } else { ErrorKind::TimedOut })
    }
}

impl embedded_io::Write for Restless {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Clock for Restless {
    fn elapsed(&mut self) -> Duration {
        Duration::from_millis(1)
    }
}

#[test]
fn interruptions_with_a_tick_between_them_are_not_without_end() {
    let (mut buffer, mut memory) = ([0; 8], [0; 64]);
    let mut link = blocking::Link::new(Restless(false), Datagram::new(&mut buffer), &mut memory).unwrap();
    assert_eq!(link.recv(Duration::from_millis(100)), Err(anysmp::line::Error::TimedOut));
}
