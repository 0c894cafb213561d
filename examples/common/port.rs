//! Ports of a host: TCP, UDP, serial lines, pseudo-terminals and pipes within the process.
//!
//! Each is an `embedded_io::Read` whose `read` gives up with `TimedOut` after one [`TICK`], as the drivers of `anysmp`
//! expect it: their only clock. A [`Listener`] is the other end, for programs that play a device.
//!
//! Include this file with `#[path = "../common/port.rs"] mod port;`.

#![allow(dead_code, unreachable_pub, reason = "shared by several programs, each of which uses a part")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, Read, Write};

/// How long a `read` waits for the first byte. Build links with the same tick.
pub const TICK: Duration = Duration::from_millis(10);

/// The largest datagram that is sent or received.
pub const DATAGRAM: usize = 65_507;

/// How long a serial line may refuse to take bytes before a write fails.
const STALLED: Duration = Duration::from_secs(5);

/// Any port.
pub type Port = Box<dyn Wire>;

/// What a port has to be.
pub trait Wire: Read + Write + ErrorType<Error = io::Error> + Send {}

impl<P: Read + Write + ErrorType<Error = io::Error> + Send> Wire for P {}

fn tick() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Turns the ways in which an operating system reports a time-out into one.
fn timed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => tick(),
        _ => error,
    }
}

/// A TCP connection.
pub struct Tcp(TcpStream);

impl Tcp {
    /// Connects to `host:port`; waits at most `limit` for each of its addresses.
    pub fn connect(address: &str, limit: Duration) -> io::Result<Self> {
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => return Self::new(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Uses a connection that is there already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        Ok(Self(stream))
    }
}

impl ErrorType for Tcp {
    type Error = io::Error;
}

impl Read for Tcp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(timed)
    }
}

impl Write for Tcp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Datagrams to and from one peer, or, at a server, to the peer that was heard last.
pub struct Udp {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
}

impl Udp {
    /// Talks to `host:port` and hears nobody else.
    pub fn connect(address: &str) -> io::Result<Self> {
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for peer in address.to_socket_addrs()? {
            let local = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(local)?;
            match socket.connect(peer) {
                Ok(()) => return Self::new(socket, Some(peer)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Answers whoever sends something to this address.
    pub fn bind(address: &str) -> io::Result<Self> {
        Self::new(UdpSocket::bind(address)?, None)
    }

    fn new(socket: UdpSocket, peer: Option<SocketAddr>) -> io::Result<Self> {
        socket.set_read_timeout(Some(TICK))?;
        Ok(Self { socket, peer })
    }

    /// Nobody listens at the moment: no reason to give up, the device may be restarting.
    fn absent<T>(result: io::Result<T>, otherwise: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => otherwise,
            result => result,
        }
    }
}

impl ErrorType for Udp {
    type Error = io::Error;
}

impl Read for Udp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let started = Instant::now();
        match Self::absent(self.socket.recv_from(buf), Err(tick())) {
            // An empty datagram is no end of the connection.
            Ok((0, _)) => Err(io::ErrorKind::Interrupted.into()),
            Ok((len, peer)) => {
                self.peer = Some(peer);
                Ok(len)
            }
            Err(error) => {
                let error = timed(error);
                if error.kind() == io::ErrorKind::TimedOut {
                    thread::sleep(TICK.saturating_sub(started.elapsed()));
                }
                Err(error)
            }
        }
    }
}

impl Write for Udp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.peer {
            Some(peer) if self.socket.peer_addr().is_err() => {
                Self::absent(self.socket.send_to(buf, peer), Ok(buf.len()))
            }
            Some(_) => Self::absent(self.socket.send(buf), Ok(buf.len())),
            // Text of a server that nobody has asked anything yet.
            None => Ok(buf.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A serial line: 8 data bits, no parity, one stop bit, no flow control. Pseudo-terminals work too.
pub struct Serial(Box<dyn serialport::SerialPort>);

impl Serial {
    /// Opens the line. The baud rate is ignored by pseudo-terminals and USB.
    pub fn open(path: &str, baud: u32) -> io::Result<Self> {
        let builder = serialport::new(path, baud).timeout(TICK);
        // A pseudo-terminal would stay locked if this program were killed.
        #[cfg(unix)]
        let builder = builder.exclusive(!path.starts_with("/dev/pts/"));
        Ok(Self(builder.open()?))
    }
}

impl ErrorType for Serial {
    type Error = io::Error;
}

impl Read for Serial {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(timed)
    }
}

impl Write for Serial {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let started = Instant::now();
        loop {
            match self.0.write(buf) {
                // The time-out of the port counts for both directions; a slow line needs longer.
                Err(error) if timed(error.kind().into()).kind() == io::ErrorKind::TimedOut => {
                    if started.elapsed() >= STALLED {
                        return Err(io::Error::new(io::ErrorKind::WriteZero, "the line takes no bytes"));
                    }
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is buffered here, and to wait until the line is empty would only cost time.
        Ok(())
    }
}

/// The device's end of a pseudo-terminal. As on a wire, bytes that nobody reads are lost.
#[cfg(unix)]
pub struct Pty {
    master: std::fs::File,
    path: String,
    /// Kept open, so that clients may come and go without the terminal hanging up.
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
        Ok(Self { master: master.into(), path, _slave: slave })
    }

    /// What a client has to open.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Waits until `flags` are true of the terminal; false after one tick.
    fn ready(&self, flags: rustix::event::PollFlags) -> io::Result<bool> {
        let mut fds = [rustix::event::PollFd::new(&self.master, flags)];
        let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        match rustix::event::poll(&mut fds, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => Ok(false),
            result => Ok(result? > 0),
        }
    }
}

#[cfg(unix)]
impl ErrorType for Pty {
    type Error = io::Error;
}

#[cfg(unix)]
impl Read for Pty {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ready(rustix::event::PollFlags::IN)? { self.master.read(buf).map_err(timed) } else { Err(tick()) }
    }
}

#[cfg(unix)]
impl Write for Pty {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        for _ in 0..10 {
            match self.master.write(buf).map_err(timed) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    self.ready(rustix::event::PollFlags::OUT)?;
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

/// One end of a pipe within the process.
pub struct Pipe {
    rx: Receiver<Vec<u8>>,
    tx: Sender<Vec<u8>>,
    /// What was received but not yet read.
    rest: Vec<u8>,
}

impl Pipe {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let ((a, rx), (b, other)) = (mpsc::channel(), mpsc::channel());
        (Self { rx, tx: b, rest: Vec::new() }, Self { rx: other, tx: a, rest: Vec::new() })
    }
}

impl ErrorType for Pipe {
    type Error = io::Error;
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = match self.rx.recv_timeout(TICK) {
                Ok(bytes) => bytes,
                Err(RecvTimeoutError::Timeout) => return Err(tick()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            };
        }
        let len = self.rest.len().min(buf.len());
        buf.iter_mut().zip(self.rest.drain(..len)).for_each(|(to, from)| *to = from);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.tx.send(buf.to_vec()).or(Err(io::ErrorKind::BrokenPipe))?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes at most so many bytes in so much time: for receivers that lose bursts.
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

/// Where a device waits for clients, one at a time.
pub enum Listener {
    /// Connections, one after the other.
    Tcp(TcpListener),
    /// Pipes, whose other ends [`pipes`](Self::pipes) handed out.
    Pipes(Receiver<Pipe>),
    /// One port that is always there; `None` once it was taken.
    Wire(Option<Port>, String),
}

impl Listener {
    /// Waits for TCP connections; port 0 takes any that is free.
    pub fn tcp(address: &str) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::Tcp)
    }

    /// Waits for datagrams; port 0 takes any that is free.
    pub fn udp(address: &str) -> io::Result<Self> {
        let port = Udp::bind(address)?;
        let address = port.socket.local_addr()?.to_string();
        Ok(Self::Wire(Some(Box::new(port)), address))
    }

    /// Makes a pseudo-terminal.
    #[cfg(unix)]
    pub fn pty() -> io::Result<Self> {
        let port = Pty::open()?;
        let path = port.path().to_owned();
        Ok(Self::Wire(Some(Box::new(port)), path))
    }

    /// Waits for pipes; whoever holds the other value sends one end of a pair to connect.
    pub fn pipes() -> (Self, Sender<Pipe>) {
        let (dial, pipes) = mpsc::channel();
        (Self::Pipes(pipes), dial)
    }

    /// What a client has to be told.
    pub fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
            Self::Pipes(_) => Ok("this process".to_owned()),
            Self::Wire(_, address) => Ok(address.clone()),
        }
    }

    /// Waits for the next client; `None` when there will be none.
    pub fn accept(&mut self) -> io::Result<Option<Port>> {
        Ok(match self {
            Self::Tcp(listener) => Some(Box::new(Tcp::new(listener.accept()?.0)?)),
            Self::Pipes(pipes) => pipes.recv().ok().map(|pipe| Box::new(pipe) as Port),
            Self::Wire(port, _) => port.take(),
        })
    }
}
