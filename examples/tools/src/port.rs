//! Ports of a host: those of [`anysmp::port`], and those that need other crates or a simulation:
//! serial lines, pseudo-terminals, pipes within the process.
//!
//! Each has a real clock, and a `read` that gives up with `TimedOut` after one [`TICK`]. A
//! [`Listener`] is the other end, for programs that play a device.

use crate::errln as eprintln;
use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::line;
use anysmp::port::{Clock, Io, Peer, TICK, Tcp, Udp};
use embedded_io::{ErrorType, Read, Write};

/// The largest datagram that is sent or received.
pub const DATAGRAM: usize = 65_507;

/// The time that a serial line may take to send the bytes that it was given.
const STALLED: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

/// The pause of a server after a port error that may persist, for example a cable that was pulled.
const REST: Duration = Duration::from_millis(100);

/// Any port.
pub type Port = Box<dyn Wire>;

/// The requirements for a port.
pub trait Wire: Read + Write + Clock + ErrorType<Error = io::Error> + Send {}

impl<P: Read + Write + Clock + ErrorType<Error = io::Error> + Send> Wire for P {}

fn tick() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Returns true if the operating system reports only that nothing has arrived, or that nothing can
/// be sent, at the moment.
fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A source and sink of bytes that can report whether some have arrived. A read returns at once.
pub trait Ready: io::Read + io::Write {
    /// Returns true if a read would return bytes.
    fn is_ready(&mut self) -> io::Result<bool>;
}

/// A port made from a [`Ready`] value, with the clock of this computer.
pub struct Host<T>(Io<T>);

impl<T> Host<T> {
    /// Makes a port from a value that was opened elsewhere.
    pub const fn new(io: Io<T>) -> Self {
        Self(io)
    }
}

impl<T> ErrorType for Host<T> {
    type Error = io::Error;
}

impl<T: Ready> Clock for Host<T> {
    fn elapsed(&mut self) -> Duration {
        self.0.elapsed()
    }

    fn ready(&mut self) -> Option<bool> {
        self.0.get().is_ready().ok()
    }
}

impl<T: Ready> Read for Host<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<T: Ready> Write for Host<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A serial line: 8 data bits, no parity, one stop bit, no flow control. Pseudo-terminals work too.
pub type Serial = Host<SerialLine>;

/// The line inside a [`Serial`].
pub struct SerialLine {
    port: Box<dyn serialport::SerialPort>,
    /// True if bytes take time on this line.
    is_wire: bool,
}

impl Serial {
    /// Opens the line. The baud rate is ignored by pseudo-terminals and USB.
    pub fn open(path: &str, baud: u32) -> io::Result<Self> {
        let is_wire = !path.starts_with("/dev/pts/");
        let builder = serialport::new(path, baud).timeout(TICK);
        // A pseudo-terminal would stay locked if this program were killed.
        #[cfg(unix)]
        let builder = builder.exclusive(is_wire);
        Ok(Self(Io::new(SerialLine { port: builder.open()?, is_wire })))
    }
}

impl io::Read for SerialLine {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.port.read(buf)
    }
}

impl io::Write for SerialLine {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.port.write(buf)
    }

    /// Waits until the last stop bit has been sent: at that moment a timeout starts, and an RS-485
    /// adapter releases the line.
    fn flush(&mut self) -> io::Result<()> {
        /// Less than a byte at 38,400 baud.
        const LOOK: Duration = Duration::from_micros(200);
        if !self.is_wire {
            return Ok(());
        }
        // Draining a line that accepts nothing, for example because of flow control, would wait
        // forever.
        let began = Instant::now();
        while self.port.bytes_to_write().is_ok_and(|count| count > 0) {
            if began.elapsed() >= STALLED {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the line accepts no bytes"));
            }
            thread::sleep(LOOK);
        }
        // The rest is in the hardware.
        self.port.flush()
    }
}

impl Ready for SerialLine {
    fn is_ready(&mut self) -> io::Result<bool> {
        Ok(self.port.bytes_to_read()? > 0)
    }
}

/// Returns the path of the serial port with these numbers, `VID:PID` or `VID:PID:INTERFACE` in hex
/// as `lsusb` prints them, or of the only USB port (`any`).
pub fn usb(wanted: &str, ports: &[serialport::SerialPortInfo]) -> io::Result<String> {
    let invalid = || {
        let text =
            format!("{wanted:?} is not of the form VID:PID or VID:PID:INTERFACE, for example 2fe3:0100, nor `any`");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    let hex = |digits: &str| u16::from_str_radix(digits, 16).ok().ok_or_else(&invalid);
    let numbers: Vec<u16> =
        if wanted == "any" { Vec::new() } else { wanted.split(':').map(hex).collect::<io::Result<_>>()? };
    if !matches!((wanted, numbers.len()), ("any", _) | (_, 2 | 3)) {
        return Err(invalid());
    }
    let is_wanted = |port: &&serialport::SerialPortInfo| match &port.port_type {
        serialport::SerialPortType::UsbPort(usb) => {
            let own = [usb.vid, usb.pid, usb.interface.map_or(u16::MAX, u16::from)];
            numbers.iter().zip(own).all(|(number, own)| *number == own)
        }
        _ => false,
    };
    let found: Vec<&str> = ports.iter().filter(is_wanted).map(|port| port.port_name.as_str()).collect();
    match found[..] {
        [path] => Ok(path.to_owned()),
        [] => Err(io::Error::new(io::ErrorKind::NotFound, "no such serial port of USB is there")),
        _ => {
            let text = format!("several are there: {}", found.join(", "));
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

/// The device's end of a pseudo-terminal. As on a wire, bytes that are not read are lost.
#[cfg(unix)]
pub type Pty = Host<Terminal>;

/// The terminal inside a [`Pty`].
#[cfg(unix)]
pub struct Terminal {
    master: std::fs::File,
    path: String,
    /// Kept open, so that clients may come and go and the terminal does not hang up.
    _slave: rustix::fd::OwnedFd,
}

#[cfg(unix)]
impl Pty {
    /// Makes a pseudo-terminal.
    pub fn open() -> io::Result<Self> {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?.to_string_lossy().into_owned();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(path.as_str(), flags, rustix::fs::Mode::empty())?;
        let mut settings = tcgetattr(&slave)?;
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        let flags = rustix::fs::fcntl_getfl(&master)? | rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&master, flags)?;
        Ok(Self(Io::new(Terminal { master: master.into(), path, _slave: slave })))
    }

    /// The path that a client opens.
    pub fn path(&mut self) -> &str {
        &self.0.get().path
    }
}

#[cfg(unix)]
impl Terminal {
    /// Waits until the terminal has `flags`; returns false after `limit`, which must be less than a
    /// second.
    fn wait(&self, flags: rustix::event::PollFlags, limit: Duration) -> io::Result<bool> {
        let mut fds = [rustix::event::PollFd::new(&self.master, flags)];
        let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
        match rustix::event::poll(&mut fds, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => Ok(false),
            result => Ok(result? > 0),
        }
    }
}

#[cfg(unix)]
impl io::Read for Terminal {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.wait(rustix::event::PollFlags::IN, TICK)? { self.master.read(buf) } else { Err(tick()) }
    }
}

#[cfg(unix)]
impl io::Write for Terminal {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        for _ in 0..10 {
            match self.master.write(buf) {
                Err(error) if is_tick(&error) => {
                    self.wait(rustix::event::PollFlags::OUT, TICK)?;
                }
                result => return result,
            }
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
impl Ready for Terminal {
    fn is_ready(&mut self) -> io::Result<bool> {
        self.wait(rustix::event::PollFlags::IN, Duration::ZERO)
    }
}

/// One end of a pipe within the process.
pub type Pipe = Host<End>;

/// The end inside a [`Pipe`].
pub struct End {
    pieces: Pieces,
    tx: Sender<Vec<u8>>,
}

/// Bytes that another thread sends in pieces; a read returns at most one of them.
pub(crate) struct Pieces {
    rx: Receiver<Vec<u8>>,
    /// Bytes received but not yet read.
    rest: Vec<u8>,
}

impl Pieces {
    pub(crate) const fn new(rx: Receiver<Vec<u8>>) -> Self {
        Self { rx, rest: Vec::new() }
    }

    /// Returns true if a read would return bytes.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.rest.is_empty() {
            self.rest = self.rx.try_recv().unwrap_or_default();
        }
        !self.rest.is_empty()
    }

    /// Drops all bytes so far; returns true if no more can arrive.
    #[cfg(all(feature = "ble", target_os = "linux"))]
    pub(crate) fn has_ended(&mut self) -> bool {
        self.rest.clear();
        while self.rx.try_recv().is_ok() {}
        self.rx.try_recv() == Err(mpsc::TryRecvError::Disconnected)
    }
}

impl io::Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // An empty piece is not the end.
        while self.rest.is_empty() {
            self.rest = match self.rx.recv_timeout(TICK) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Timeout) => return Err(tick()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            };
        }
        let len = self.rest.len().min(buf.len());
        buf.iter_mut().zip(self.rest.drain(..len)).for_each(|(to, from)| *to = from);
        Ok(len)
    }
}

impl Pipe {
    /// Makes both ends of a pipe.
    pub fn pair() -> (Self, Self) {
        let ((a, rx), (b, other)) = (mpsc::channel(), mpsc::channel());
        let end = |rx, tx| Self(Io::new(End { pieces: Pieces::new(rx), tx }));
        (end(rx, b), end(other, a))
    }
}

impl io::Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pieces.read(buf)
    }
}

impl io::Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.tx.send(buf.to_vec()).or(Err(io::ErrorKind::BrokenPipe))?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ready for End {
    fn is_ready(&mut self) -> io::Result<bool> {
        Ok(self.pieces.is_ready())
    }
}

/// Limits the bytes written in a given time: for receivers that lose bursts.
pub struct Paced<P> {
    port: P,
    burst: usize,
    pause: Duration,
    next: Instant,
}

impl<P> Paced<P> {
    /// At most `burst` bytes every `pause`.
    pub fn new(port: P, burst: usize, pause: Duration) -> Self {
        Self { port, burst: burst.max(1), pause, next: Instant::now() }
    }
}

impl<P: ErrorType> ErrorType for Paced<P> {
    type Error = P::Error;
}

impl<P: Clock> Clock for Paced<P> {
    fn elapsed(&mut self) -> Duration {
        self.port.elapsed()
    }

    fn peer(&self) -> Peer {
        self.port.peer()
    }

    fn ready(&mut self) -> Option<bool> {
        self.port.ready()
    }
}

impl<P: Read> Read for Paced<P> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, P::Error> {
        self.port.read(buf)
    }
}

impl<P: Write> Write for Paced<P> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, P::Error> {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        let written = self.port.write(buf.get(..self.burst).unwrap_or(buf))?;
        self.port.flush()?;
        self.next = Instant::now() + self.pause;
        Ok(written)
    }

    fn flush(&mut self) -> Result<(), P::Error> {
        self.port.flush()
    }
}

/// The place where a device waits for clients, one at a time.
pub enum Listener {
    /// Connections, one after the other.
    Tcp(TcpListener),
    /// Pipes, sent by the holder of the other value of [`pipes`](Self::pipes).
    Pipes(Receiver<Pipe>),
    /// One port that is always there; `None` once it has been taken.
    Wire(Option<Port>, String),
    /// The ports that a function returns, one after the other.
    Function(Box<dyn FnMut() -> Option<Port> + Send>, String),
}

impl Listener {
    /// Waits for TCP connections; port 0 takes any free port.
    pub fn tcp(address: &str) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::Tcp)
    }

    /// Waits for datagrams from any number of clients; port 0 takes any free port.
    pub fn udp(address: &str) -> io::Result<Self> {
        let port = Udp::bind(address)?;
        let address = port.local_addr()?.to_string();
        Ok(Self::Wire(Some(Box::new(port)), address))
    }

    /// Makes a pseudo-terminal.
    #[cfg(unix)]
    pub fn pty() -> io::Result<Self> {
        let mut port = Pty::open()?;
        let path = port.path().to_owned();
        Ok(Self::Wire(Some(Box::new(port)), path))
    }

    /// Waits for pipes; the holder of the other value sends one end of a pair to connect.
    pub fn pipes() -> (Self, Sender<Pipe>) {
        let (dial, pipes) = mpsc::channel();
        (Self::Pipes(pipes), dial)
    }

    /// The address for clients to connect to.
    pub fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
            Self::Pipes(_) => Ok("this process".to_owned()),
            Self::Wire(_, address) | Self::Function(_, address) => Ok(address.clone()),
        }
    }

    /// Waits for the next client; returns `None` if there will be no more.
    pub fn accept(&mut self) -> Option<Port> {
        match self {
            Self::Tcp(listener) => loop {
                match listener.accept().and_then(|(stream, _)| Tcp::new(stream)) {
                    Ok(port) => return Some(Box::new(port)),
                    // The client may have left already, or too many files are open: another client
                    // may connect.
                    Err(error) => complain(&error),
                }
            },
            Self::Pipes(pipes) => pipes.recv().ok().map(|pipe| Box::new(pipe) as Port),
            Self::Wire(port, _) => port.take(),
            Self::Function(accept, _) => accept(),
        }
    }
}

/// Returns true if a client has gone for good: it closed the connection, before or during the
/// response.
pub fn is_over(error: &line::Error<io::Error>) -> bool {
    match error {
        line::Error::Closed => true,
        line::Error::Port(error) => matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
        _ => false,
    }
}

/// Reports a port error from which the server may recover, and rests, so that a persistent one
/// costs little.
pub fn complain(error: &impl std::fmt::Display) {
    eprintln!("{error}; continuing");
    thread::sleep(REST);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

    use serialport::{ClearBuffer, DataBits, FlowControl, Parity, Result, SerialPort, StopBits};

    use super::*;

    /// A serial line that sends one byte at each look, or none at all.
    struct Line {
        left: Arc<AtomicU32>,
        is_stuck: bool,
        drained: Arc<AtomicBool>,
    }

    impl io::Read for Line {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    impl io::Write for Line {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.left.fetch_add(u32::try_from(buf.len()).unwrap(), Relaxed);
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            assert_eq!(self.left.load(Relaxed), 0, "to drain a line that is stuck waits without end");
            self.drained.store(true, Relaxed);
            Ok(())
        }
    }

    macro_rules! unused {
        ($($name:ident(&self $(, $of:ty)?) -> $type:ty;)* / $($changes:ident($value:ty);)*) => {
            $(fn $name(&self $(, _: $of)?) -> $type {
                unimplemented!()
            })*
            $(fn $changes(&mut self, _: $value) -> Result<()> {
                unimplemented!()
            })*
        };
    }

    impl SerialPort for Line {
        unused! {
            name(&self) -> Option<String>;
            baud_rate(&self) -> Result<u32>;
            data_bits(&self) -> Result<DataBits>;
            flow_control(&self) -> Result<FlowControl>;
            parity(&self) -> Result<Parity>;
            stop_bits(&self) -> Result<StopBits>;
            timeout(&self) -> Duration;
            bytes_to_read(&self) -> Result<u32>;
            clear(&self, ClearBuffer) -> Result<()>;
            try_clone(&self) -> Result<Box<dyn SerialPort>>;
            set_break(&self) -> Result<()>;
            clear_break(&self) -> Result<()>;
            /
            set_baud_rate(u32);
            set_data_bits(DataBits);
            set_flow_control(FlowControl);
            set_parity(Parity);
            set_stop_bits(StopBits);
            set_timeout(Duration);
            write_request_to_send(bool);
            write_data_terminal_ready(bool);
        }

        fn bytes_to_write(&self) -> Result<u32> {
            let left = self.left.load(Relaxed);
            if !self.is_stuck {
                self.left.store(left.saturating_sub(1), Relaxed);
            }
            Ok(left)
        }

        fn read_clear_to_send(&mut self) -> Result<bool> {
            unimplemented!()
        }

        fn read_data_set_ready(&mut self) -> Result<bool> {
            unimplemented!()
        }

        fn read_ring_indicator(&mut self) -> Result<bool> {
            unimplemented!()
        }

        fn read_carrier_detect(&mut self) -> Result<bool> {
            unimplemented!()
        }
    }

    /// Writes seven bytes and flushes; returns the outcome, the number of bytes left, and whether
    /// the hardware was drained.
    fn flush(is_wire: bool, is_stuck: bool) -> (io::Result<()>, u32, bool) {
        let (left, drained) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let line = Line { left: left.clone(), is_stuck, drained: drained.clone() };
        let mut serial = SerialLine { port: Box::new(line), is_wire };
        assert_eq!(io::Write::write(&mut serial, &[0; 7]).unwrap(), 7);
        let flushed = io::Write::flush(&mut serial);
        (flushed, left.load(Relaxed), drained.load(Relaxed))
    }

    #[test]
    fn a_flush_of_a_serial_line_returns_when_the_last_byte_has_left() {
        let (flushed, left, drained) = flush(true, false);
        assert!(flushed.is_ok());
        assert_eq!((left, drained), (0, true));
        // On a pseudo-terminal bytes take no time.
        let (flushed, left, drained) = flush(false, false);
        assert!(flushed.is_ok());
        assert_eq!((left, drained), (7, false));
    }

    #[test]
    fn a_flush_of_a_line_that_accepts_nothing_ends_with_an_error() {
        let (flushed, left, drained) = flush(true, true);
        assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert_eq!((left, drained), (7, false));
    }
}
