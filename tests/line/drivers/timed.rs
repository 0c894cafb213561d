// Ports that measure time, made of ports that do not.

/// A port that has a byte after this many looks.
struct Slow {
    looks: usize,
    ready_at: usize,
}

impl embedded_io::ErrorType for Slow {
    type Error = Fault;
}

impl embedded_io::ReadReady for Slow {
    fn read_ready(&mut self) -> Result<bool, Fault> {
        self.looks += 1;
        Ok(self.looks > self.ready_at)
    }
}

impl embedded_io::Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        assert!(self.looks > self.ready_at, "this read would block for ever");
        buf[0] = 9;
        Ok(1)
    }
}

impl embedded_io::Write for Slow {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Err(Fault::Broken)
    }
}

/// Adds up what it was asked to wait.
struct Pause<'c>(&'c std::cell::Cell<u64>);

impl embedded_hal::delay::DelayNs for Pause<'_> {
    fn delay_ns(&mut self, ns: u32) {
        self.0.set(self.0.get() + u64::from(ns));
    }
}

#[test]
fn a_blocking_port_with_a_delay_ticks_after_one_tick() {
    use embedded_io::{Error as _, ErrorKind, Read as _, Write as _};
    // It looks every quarter of a byte time: 25 µs.
    let clock = std::cell::Cell::new(0);
    let mut port = anysmp::port::Timed::new(Slow { looks: 0, ready_at: 4_000 + 21 }, Pause(&clock), TICK)
        .with_byte_time(Duration::from_micros(100));
    let mut buf = [0; 4];
    let tick = port.read(&mut buf).unwrap_err();
    assert_eq!((tick, tick.kind()), (TimedError::Tick, ErrorKind::TimedOut));
    assert_eq!(clock.get(), 100_000_000, "one tick in nanoseconds");
    assert_eq!(Clock::elapsed(&mut port), TICK);
    assert_eq!(port.read(&mut buf), Ok(1));
    assert_eq!(clock.get(), 100_500_000, "no longer than the byte takes");
    assert_eq!(Clock::elapsed(&mut port), Duration::from_micros(500));
    // What was there already has come in at least as much time as the line needs for it.
    assert_eq!(port.read(&mut buf), Ok(1));
    assert_eq!(Clock::elapsed(&mut port), Duration::from_micros(100));
    assert_eq!(Clock::elapsed(&mut port), Duration::ZERO);
    assert_eq!(port.write(&[1, 2]), Ok(2));
    let broken = port.flush().unwrap_err();
    assert_eq!((broken, broken.kind()), (TimedError::Port(Fault::Broken), ErrorKind::Other));
}

/// A port and a delay that are ready after this many polls.
struct After(usize);

impl Future for After {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

struct Lazy(usize);

impl embedded_io::ErrorType for Lazy {
    type Error = Fault;
}

impl embedded_io_async::Read for Lazy {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        After(self.0).await;
        buf[0] = 9;
        Ok(1)
    }
}

impl embedded_io_async::Write for Lazy {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        Err(Fault::Broken)
    }
}

struct Delay {
    polls: usize,
    asked: u64,
}

impl embedded_hal_async::delay::DelayNs for Delay {
    async fn delay_ns(&mut self, ns: u32) {
        self.asked += u64::from(ns);
        After(self.polls).await;
    }
}

#[test]
fn an_async_port_with_a_delay_ticks_when_the_delay_is_ready_first() {
    use embedded_io_async::{Read as _, Write as _};
    for (read, delay, expected) in [(3, 5, Ok(1)), (5, 3, Err(TimedError::Tick)), (4, 4, Ok(1)), (0, 0, Ok(1))] {
        let mut port = anysmp::port::Timed::new(Lazy(read), Delay { polls: delay, asked: 0 }, TICK);
        assert_eq!(block_on(port.read(&mut [0; 4])), expected, "{read} {delay}");
    }
    let mut port = anysmp::port::Timed::new(Lazy(9), Delay { polls: 0, asked: 0 }, TICK);
    assert_eq!(block_on(port.write(&[1, 2])), Ok(2));
    assert_eq!(block_on(port.flush()), Err(TimedError::Port(Fault::Broken)));
}
