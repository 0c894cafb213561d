//! Ports for hosts, with a real clock.

use std::boxed::Box;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{ErrorType, Read, Write};

use super::{Clock, Peer};
use crate::shown::shown;

/// The time for which a `read` of [`Tcp`] and [`Udp`] waits for the first byte.
pub const TICK: Duration = Duration::from_millis(10);

/// A stopwatch on the clock of this computer.
struct Watch(Instant);

impl Watch {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.saturating_duration_since(std::mem::replace(&mut self.0, now))
    }
}

fn tick() -> io::Error {
    ErrorKind::TimedOut.into()
}

/// Maps the two errors that operating systems return for a timeout to the one of embedded-io.
fn timed(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { tick() } else { error }
}

/// Any `std::io::Read + Write` as a port: a serial port, a pipe, a socket of another kind.
///
/// Set a read timeout of one tick, for example 10 ms: `WouldBlock` and `TimedOut` are ticks. If its
/// reads never wait, they are repeated every millisecond. If they wait forever, so does every
/// timeout.
pub struct Io<T> {
    io: T,
    watch: Watch,
}

shown!([T] Io<T>, |_| "Io");

impl<T> Io<T> {
    /// Wraps `io`.
    #[must_use]
    pub fn new(io: T) -> Self {
        Self { io, watch: Watch::new() }
    }

    /// The value inside, for example to change the speed of a serial port.
    pub const fn get(&mut self) -> &mut T {
        &mut self.io
    }

    /// Returns the value inside.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T> ErrorType for Io<T> {
    type Error = io::Error;
}

impl<T> Clock for Io<T> {
    fn elapsed(&mut self) -> Duration {
        self.watch.lap()
    }
}

impl<T: io::Read> Read for Io<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A read that returns sooner than this without a byte does not wait at all: without a pause
        // the driver would spin.
        const AT_ONCE: Duration = Duration::from_micros(200);
        let began = Instant::now();
        self.io.read(buf).map_err(timed).inspect_err(|error| {
            if error.kind() == ErrorKind::TimedOut && began.elapsed() < AT_ONCE {
                thread::sleep(Duration::from_millis(1));
            }
        })
    }
}

impl<T: io::Write> Write for Io<T> {
    /// Fails with `WriteZero` if no byte was accepted for five seconds.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        const STALLED: Duration = Duration::from_secs(5);
        let began = Instant::now();
        loop {
            match self.io.write(buf).map_err(timed) {
                // A timeout often applies to both directions, and a slow line needs longer than a
                // tick to accept bytes.
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    if began.elapsed() >= STALLED {
                        return Err(io::Error::new(ErrorKind::WriteZero, "the line accepts no bytes"));
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.io.flush().map_err(timed) {
            // The operating system has accepted the bytes; it does not report when they have left.
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            result => result,
        }
    }
}

/// A TCP connection.
pub struct Tcp {
    stream: TcpStream,
    watch: Watch,
}

shown!(Tcp, |_| "Tcp");

impl Tcp {
    /// Connects to `host:port`; waits at most `limit` for each of its addresses.
    ///
    /// # Errors
    ///
    /// The operating system's error for the last address, if none can be reached.
    pub fn connect(address: impl ToSocketAddrs, limit: Duration) -> io::Result<Self> {
        let mut last = ErrorKind::AddrNotAvailable.into();
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => return Self::new(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Wraps an open connection. Turns off Nagle's delay, and sets the read timeout to [`TICK`].
    ///
    /// # Errors
    ///
    /// The operating system's error, if it refuses these options.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        Ok(Self { stream, watch: Watch::new() })
    }
}

impl ErrorType for Tcp {
    type Error = io::Error;
}

impl Clock for Tcp {
    fn elapsed(&mut self) -> Duration {
        self.watch.lap()
    }

    fn ready(&mut self) -> Option<bool> {
        self.stream.set_nonblocking(true).ok()?;
        let peeked = self.stream.peek(&mut [0]);
        // If this fails, the error is returned by the next read.
        self.stream.set_nonblocking(false).ok()?;
        // A closed or failed connection counts as ready, so that a read reports it.
        Some(!peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }
}

impl Read for Tcp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut self.stream, buf).map_err(timed)
    }
}

impl Write for Tcp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut self.stream, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::Write::flush(&mut self.stream)
    }
}

/// UDP datagrams: between a client and one peer, or between a server and all its clients.
///
/// A server remembers its last 256 peers and gives each a number, from 1 on, that no other peer
/// gets; a peer that was forgotten gets a new one.
pub struct Udp {
    socket: UdpSocket,
    mode: Mode,
    watch: Watch,
}

shown!(Udp, |_| "Udp");

enum Mode {
    /// The socket is connected to one peer.
    Client,
    /// The peers, the most recent first, and the number of the next new one.
    Server { peers: VecDeque<(SocketAddr, u32)>, next: u32 },
}

/// The number of peers that a server remembers.
const PEERS: usize = 256;

impl Udp {
    /// Connects to `host:port`: datagrams of other senders are ignored.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the address cannot be resolved or has no route.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = ErrorKind::AddrNotAvailable.into();
        for peer in address.to_socket_addrs()? {
            let local = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(local)?;
            match socket.connect(peer) {
                Ok(()) => return Self::new(socket, Mode::Client),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Receives from every sender to this address, and sends to the sender of the last datagram.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the address is in use or does not belong to this computer.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new(UdpSocket::bind(address)?, Mode::Server { peers: VecDeque::new(), next: 1 })
    }

    fn new(socket: UdpSocket, mode: Mode) -> io::Result<Self> {
        socket.set_read_timeout(Some(TICK))?;
        Ok(Self { socket, mode, watch: Watch::new() })
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address of the peer with this number, as [`Clock::peer`] returns it; `None` if it was
    /// forgotten.
    #[must_use]
    pub fn address(&self, peer: Peer) -> Option<SocketAddr> {
        match &self.mode {
            Mode::Client => self.socket.peer_addr().ok(),
            Mode::Server { peers, .. } => peers.iter().find(|(_, number)| *number == peer.0).map(|(peer, _)| *peer),
        }
    }
}

impl ErrorType for Udp {
    type Error = io::Error;
}

impl Clock for Udp {
    fn elapsed(&mut self) -> Duration {
        self.watch.lap()
    }

    fn peer(&self) -> Peer {
        match &self.mode {
            Mode::Client => Peer(0),
            Mode::Server { peers, .. } => Peer(peers.front().map_or(0, |(_, number)| *number)),
        }
    }

    fn ready(&mut self) -> Option<bool> {
        self.socket.set_nonblocking(true).ok()?;
        let peeked = self.socket.peek_from(&mut [0]);
        self.socket.set_nonblocking(false).ok()?;
        Some(!peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }
}

impl Read for Udp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        match self.socket.recv_from(buf).map_err(timed) {
            // `Ok(0)` would mean the end of a connection.
            Ok((0, _)) => Err(ErrorKind::Interrupted.into()),
            Ok((len, from)) => {
                if let Mode::Server { peers, next } = &mut self.mode {
                    let known = peers.iter().position(|(peer, _)| *peer == from).and_then(|at| peers.remove(at));
                    let entry = known.unwrap_or_else(|| {
                        let number = *next;
                        // After four billion peers the numbers start again; the peer that had the
                        // first one was forgotten long ago.
                        *next = next.checked_add(1).unwrap_or(1);
                        (from, number)
                    });
                    // To the front: answered next, and forgotten last.
                    peers.push_front(entry);
                    peers.truncate(PEERS);
                }
                Ok(len)
            }
            // Nothing is listening there at the moment: the device may be restarting, so this is
            // not the end. The refusal comes at once; wait for the rest of the tick, or the driver
            // would spin.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
                thread::sleep(TICK.saturating_sub(began.elapsed()));
                Err(tick())
            }
            Err(error) => Err(error),
        }
    }
}

impl Write for Udp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = match &self.mode {
            Mode::Client => self.socket.send(buf),
            Mode::Server { peers, .. } => match peers.front() {
                Some((peer, _)) => self.socket.send_to(buf, peer),
                // An unsolicited message before the first request has no peer to go to.
                None => Ok(buf.len()),
            },
        };
        match written {
            // As in `read`: the datagram is lost, and the protocol's timeout handles that.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(buf.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<P: Clock + ?Sized> Clock for Box<P> {
    fn elapsed(&mut self) -> Duration {
        (**self).elapsed()
    }

    fn peer(&self) -> Peer {
        (**self).peer()
    }

    fn ready(&mut self) -> Option<bool> {
        (**self).ready()
    }
}
