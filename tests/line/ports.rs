//! Ports measure time, by a clock, by ticks, by delays and bytes, and report the peer at the other
//! end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use anysmp::blocking::Link;
use anysmp::port::{Clock, Clocked, Io, Join, Tcp, Ticking, Timed, Udp};
use anysmp::smp::client::Client;
use anysmp::smp::os;
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};

use super::*;

/// Ten bit times at 115,200 baud.
const BYTE: Duration = Duration::from_nanos(86_805);
const TICK: Duration = Duration::from_millis(10);

/// Time that passes only when somebody does something. Nanoseconds.
#[derive(Clone, Default)]
struct Now(Rc<Cell<u64>>);

impl Now {
    fn pass(&self, time: Duration) {
        self.0.set(self.0.get() + u64::try_from(time.as_nanos()).unwrap());
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

impl embedded_hal::delay::DelayNs for Now {
    fn delay_ns(&mut self, ns: u32) {
        self.pass(Duration::from_nanos(ns.into()));
    }
}

/// A UART whose receiver holds a few bytes and drops what comes when it is full. Looking and
/// reading take time, too.
struct Uart {
    now: Now,
    /// What is still on the line, and when it arrives.
    coming: VecDeque<(Duration, u8)>,
    fifo: VecDeque<u8>,
    depth: usize,
    lost: usize,
    written: Vec<u8>,
}

impl Uart {
    fn new(now: &Now, depth: usize, every: Duration, bytes: &[u8]) -> Self {
        let at = |place: usize| every * u32::try_from(place + 1).unwrap();
        let coming = bytes.iter().enumerate().map(|(place, byte)| (at(place), *byte)).collect();
        Self { now: now.clone(), coming, fifo: VecDeque::new(), depth, lost: 0, written: Vec::new() }
    }

    fn work(&mut self, time: Duration) {
        self.now.pass(time);
        while let Some((at, byte)) = self.coming.front().copied() {
            if at > self.now.get() {
                break;
            }
            self.coming.pop_front();
            if self.fifo.len() < self.depth {
                self.fifo.push_back(byte);
            } else {
                self.lost += 1;
            }
        }
    }
}

impl ErrorType for Uart {
    type Error = ErrorKind;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.work(Duration::from_micros(2));
        Ok(!self.fifo.is_empty())
    }
}

impl Read for Uart {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.work(Duration::from_micros(3));
        let count = buf.len().min(self.fifo.len());
        assert!(count > 0, "this read would wait forever");
        buf.iter_mut().zip(self.fifo.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }
}

impl Write for Uart {
    /// The request was handled: that took a while. The transmitter is a DMA.
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.work(Duration::from_micros(30));
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

struct Echoes;
impl os::Commands for Echoes {}

fn echoes() -> impl FnMut(&Incoming<'_>, Reply<'_>) -> anysmp::smp::server::Answer {
    |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Echoes, incoming, reply)
}

#[test]
fn a_uart_with_one_byte_of_receiver_loses_none_at_full_rate() {
    let mut requests = Vec::new();
    for number in 0..20u8 {
        let mut tx = [0; 128];
        let text = "an echo that is as long as those of the model in the findings: 119 bytes a frame on the wire";
        let (len, _) = Client::new(number).request(&os::Echo::new(text), &mut tx).unwrap();
        requests.extend(framed(&Console::new(room(256)), &tx[..len]));
    }
    assert!(requests.len() > 2_000);
    for depth in [1, 2, 16] {
        let now = Now::default();
        let uart = Uart::new(&now, depth, BYTE, &requests);
        let port = Timed::new(uart, now.clone(), TICK);
        let mut link = Link::new(port, Console::new(room(256)), room(1024)).unwrap();
        let mut server = Server::new(echoes(), AllowAll);
        while now.get() < BYTE * u32::try_from(requests.len()).unwrap() + TICK * 2 {
            link.serve(&mut server).unwrap();
        }
        assert_eq!((link.port().port().lost, link.counters().sent), (0, 20), "a receiver of {depth}");
    }
}

/// How long `Timed`'s or another clock thinks that a peer's chatter took, and how long it really
/// did.
fn told<P: Read + Clock>(now: &Now, port: &mut P) -> (Duration, Duration) {
    let (began, mut told) = (now.get(), Duration::ZERO);
    for _ in 0..200 {
        let _ = port.read(&mut [0; 16]);
        told += port.elapsed();
    }
    (told, now.get() - began)
}

#[test]
fn a_port_with_delays_is_never_early_and_at_most_a_tenth_late() {
    for every in [BYTE, Duration::from_micros(200), MS, Duration::from_micros(9_990), TICK * 10] {
        let now = Now::default();
        let uart = Uart::new(&now, 1, every, &[b'.'; 3_000]);
        let mut port = Timed::new(uart, now.clone(), TICK);
        let (told, real) = told(&now, &mut port);
        assert!(told <= real, "{every:?}: {told:?} of {real:?}");
        // A look takes 2 µs here, a step 21.
        assert!(told.mul_f64(1.15) + TICK >= real, "{every:?}: {told:?} of {real:?}");
    }
}

/// A port whose `read` gives up after a tick; a byte comes each `every`.
struct Ticks {
    now: Now,
    every: Duration,
    next: Duration,
}

impl ErrorType for Ticks {
    type Error = ErrorKind;
}

impl Read for Ticks {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let left = self.next - self.now.get();
        if left > TICK {
            self.now.pass(TICK);
            return Err(ErrorKind::TimedOut);
        }
        self.now.pass(left);
        self.next += self.every;
        buf[0] = b'.';
        Ok(1)
    }
}

#[test]
fn a_port_that_ticks_is_never_early_and_late_by_at_most_a_tick_for_a_byte() {
    for every in [BYTE, MS, Duration::from_micros(9_990), TICK * 10] {
        let now = Now::default();
        let mut port = Ticking::new(Ticks { now: now.clone(), every, next: every }, TICK).with_byte_time(BYTE);
        let (told, real) = told(&now, &mut port);
        assert!(told <= real, "{every:?}: {told:?} of {real:?}");
        // The factor that its documentation states.
        assert!(told.mul_f64(TICK.as_secs_f64() / BYTE.as_secs_f64()) >= real, "{every:?}: {told:?} of {real:?}");
        if every == BYTE {
            assert_eq!(told, real, "exact at full rate");
        }
    }
}

#[test]
fn a_port_with_a_clock_tells_all_time_and_no_clock_that_goes_back() {
    for every in [BYTE, MS, Duration::from_micros(9_990), TICK * 10] {
        let (now, clock) = (Now::default(), Now::default());
        let mut port = Clocked::new(Ticks { now: now.clone(), every, next: every }, {
            let now = now.clone();
            move || now.get()
        });
        let (told, real) = told(&now, &mut port);
        assert_eq!(told, real);
        drop(clock);
    }
    let times = RefCell::new(VecDeque::from([5u64, 9, 3, 4]));
    let now = || Duration::from_secs(times.borrow_mut().pop_front().unwrap());
    let mut port = Clocked::new(Ticks { now: Now::default(), every: MS, next: MS }, now);
    assert_eq!([port.elapsed(), port.elapsed(), port.elapsed()], [4, 0, 1].map(Duration::from_secs));
}

/// The async side of [`Ticks`], which waits forever for its byte.
struct Waits {
    now: Now,
    every: Duration,
    next: Duration,
}

impl ErrorType for Waits {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Waits {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        core::future::poll_fn(|_| if self.now.get() >= self.next { Poll::Ready(()) } else { Poll::Pending }).await;
        self.next += self.every;
        buf[0] = b'.';
        Ok(1)
    }
}

/// A timer of the executor below: ready when its time has come.
struct Timer(Now);

impl embedded_hal_async::delay::DelayNs for Timer {
    async fn delay_ns(&mut self, ns: u32) {
        let due = self.0.get() + Duration::from_nanos(ns.into());
        core::future::poll_fn(|_| if self.0.get() >= due { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// An executor in whose world a microsecond passes with each poll.
fn block_on<T>(now: &Now, future: impl Future<Output = T>) -> T {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        now.pass(Duration::from_micros(1));
    }
}

#[test]
fn an_async_port_with_delays_is_never_early_and_late_by_at_most_a_factor_of_two() {
    use embedded_io_async::Read as _;
    for every in
        [BYTE, Duration::from_micros(170), Duration::from_micros(340), MS, Duration::from_micros(9_990), TICK * 5]
    {
        let now = Now::default();
        let waits = Waits { now: now.clone(), every, next: every };
        let mut port = Timed::new(waits, Timer(now.clone()), TICK);
        // The first byte comes out of silence.
        let _ = block_on(&now, port.read(&mut [0; 16]));
        port.elapsed();
        let (began, mut told) = (now.get(), Duration::ZERO);
        for _ in 0..200 {
            let _ = block_on(&now, port.read(&mut [0; 16]));
            told += port.elapsed();
        }
        let real = now.get() - began;
        assert!(told <= real, "{every:?}: {told:?} of {real:?}");
        assert!(told * 2 + TICK >= real, "{every:?}: {told:?} of {real:?}");
    }
}

/// The reader of a port from which nothing comes.
struct Silence;

impl ErrorType for Silence {
    type Error = ErrorKind;
}

/// The writer of a USB class: packets of at most 64 bytes.
#[derive(Default)]
struct Packets(Vec<usize>);

impl ErrorType for Packets {
    type Error = ErrorKind;
}

impl Write for Packets {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let count = buf.len().min(64);
        self.0.push(count);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl embedded_io_async::Write for Packets {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        Write::write(self, buf)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn two_halves_send_an_empty_packet_behind_a_last_one_that_is_full() {
    for (len, packets) in [(63, vec![63]), (64, vec![64, 0]), (65, vec![64, 1]), (128, vec![64, 64, 0])] {
        let hook = |tx: &mut Packets| {
            tx.0.push(0);
            Ok(())
        };
        let mut port = Join::new(Silence, Packets::default()).with_flush(64, hook);
        let mut rest = &vec![1; len][..];
        while !rest.is_empty() {
            let count = port.write(rest).unwrap();
            rest = &rest[count..];
        }
        port.flush().unwrap();
        port.flush().unwrap();
        assert_eq!(port.halves().1.0, packets);

        let hook = async |tx: &mut Packets| {
            tx.0.push(0);
            Ok(())
        };
        let mut port = Join::new(Silence, Packets::default()).with_flush(64, hook);
        block_on(&Now::default(), async {
            use embedded_io_async::Write as _;
            let mut rest = &vec![1; len][..];
            while !rest.is_empty() {
                let count = port.write(rest).await.unwrap();
                rest = &rest[count..];
            }
            port.flush().await.unwrap();
            port.flush().await.unwrap();
        });
        assert_eq!(port.halves().1.0, packets);
    }
}

/// Something of `std` that returns what it is given.
struct Says(VecDeque<io::Result<Vec<u8>>>);

impl io::Read for Says {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let said = self.0.pop_front().unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))?;
        buf[..said.len()].copy_from_slice(&said);
        Ok(said.len())
    }
}

impl io::Write for Says {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_would_block_is_a_tick_and_every_other_error_is_one() {
    let says = [Err(io::ErrorKind::WouldBlock.into()), Ok(vec![7]), Err(io::ErrorKind::BrokenPipe.into())];
    let mut port = Io::new(Says(says.into()));
    let mut buf = [0; 4];
    assert_eq!(Read::read(&mut port, &mut buf).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(port.elapsed() >= MS, "something that does not wait is not asked without a pause");
    assert_eq!(Read::read(&mut port, &mut buf).unwrap(), 1);
    assert_eq!(Read::read(&mut port, &mut buf).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_tcp_connection_is_a_port_that_says_when_bytes_wait() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let device = thread::spawn(move || {
        let port = Tcp::new(listener.accept().unwrap().0).unwrap();
        let mut link = Link::new(port, Console::new(room(256)), room(1024)).unwrap();
        let mut server = Server::new(echoes(), AllowAll);
        while link.serve(&mut server).is_ok() {}
        link.counters().sent
    });
    let mut port = Tcp::connect(address, Duration::from_secs(5)).unwrap();
    assert_eq!(port.ready(), Some(false));
    let mut link = Link::new(&mut port, Console::new(room(256)), room(1024)).unwrap();
    let mut client = Client::new(0);
    assert_eq!(link.call(&mut client, &os::Echo::new("over TCP")).unwrap().text, "over TCP");
    // Something unread.
    let mut tx = [0; 64];
    let (len, _) = client.request(&os::Echo::new("hi"), &mut tx).unwrap();
    link.send(&tx[..len]).unwrap();
    for _ in 0..1_000 {
        if port.ready() == Some(true) {
            break;
        }
        thread::sleep(MS);
    }
    assert_eq!(port.ready(), Some(true));
    drop(port);
    assert_eq!(device.join().unwrap(), 2);
}

#[test]
fn two_udp_clients_with_equal_writes_are_both_served_and_each_gets_its_own_response() {
    const CLIENTS: u8 = 2;
    let port = Udp::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    let device = thread::spawn(move || {
        let (mut runs, mut memory) = (0u8, [0; 512]);
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group().0 {
            99 => reply.ok(&anysmp::smp::Empty {}),
            _ => {
                runs += 1;
                reply.ok(&os::EchoResponse::new((if runs == 1 { "first" } else { "second" }).into()))
            }
        };
        let mut server = Server::new(handler, AllowAll).with_memory(&mut memory);
        let mut link = Link::new(port, anysmp::framing::datagram::Datagram::new(room(512)), room(2048)).unwrap();
        let mut peers = Vec::new();
        for _ in 0..2_000 {
            link.serve(&mut server).unwrap();
            if !peers.contains(&link.peer()) && link.peer() != Peer(0) {
                peers.push(link.peer());
            }
            if link.message().get(5) == Some(&99) {
                break;
            }
        }
        (runs, peers)
    });
    // The same write with the same number, of both: settings save.
    let request = [0x0A, 0, 0, 1, 0, 3, 5, 3, 0xA0];
    let mut links: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let port = Udp::connect(address).unwrap();
            Link::new(port, anysmp::framing::datagram::Datagram::new(room(512)), room(2048)).unwrap()
        })
        .collect();
    let mut answers = Vec::new();
    for link in &mut links {
        link.send(&request).unwrap();
        answers.push(link.recv(Duration::from_secs(5)).unwrap().to_vec());
    }
    assert!(answers[0].ends_with(b"first") && answers[1].ends_with(b"second"), "{answers:02x?}");
    links[0].send(&[0x0A, 0, 0, 1, 0, 99, 6, 0, 0xA0]).unwrap();
    let (runs, peers) = device.join().unwrap();
    assert_eq!((runs, peers.len()), (CLIENTS, 2));
    assert_ne!(peers[0], peers[1]);
}

/// A port that can report that nothing has come, and must not be read.
struct Unread(Vec<u8>);

impl ErrorType for Unread {
    type Error = ErrorKind;
}

impl Clock for Unread {
    fn elapsed(&mut self) -> Duration {
        Duration::from_micros(50)
    }

    fn ready(&mut self) -> Option<bool> {
        Some(false)
    }
}

impl Read for Unread {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        panic!("a read takes a tick, and the gap is shorter")
    }
}

impl Write for Unread {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn a_gap_that_is_shorter_than_a_tick_is_waited_for_by_the_clock_where_the_port_says_that_nothing_has_come() {
    let memory = parts(16, 16, 32);
    let mut link = Link::new(Unread(Vec::new()), Packet::new(room(256), GAP), memory).unwrap();
    link.send(&[5, 0x10, 0, 1, 3]).unwrap();
    assert_eq!(link.into_port().0, framed(&Packet::new(room(256), GAP), &[5, 0x10, 0, 1, 3]));
}

/// A port of which every other read is interrupted; each takes a millisecond.
struct Nervous(u32);

impl ErrorType for Nervous {
    type Error = ErrorKind;
}

impl Clock for Nervous {
    fn elapsed(&mut self) -> Duration {
        MS
    }
}

impl Read for Nervous {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0 += 1;
        Err(if self.0.is_multiple_of(2) { ErrorKind::TimedOut } else { ErrorKind::Interrupted })
    }
}

impl Write for Nervous {
    /// One byte at a time.
    fn write(&mut self, _: &[u8]) -> Result<usize, ErrorKind> {
        self.0 += 1;
        if self.0.is_multiple_of(2) { Ok(1) } else { Err(ErrorKind::Interrupted) }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn the_time_of_calls_that_were_interrupted_counts_and_a_tick_between_them_starts_their_count_again() {
    let mut link = Link::new(Nervous(0), Console::new(room(256)), room(1024)).unwrap();
    // More than may be in a row; but here a tick is between two of them.
    assert_eq!(link.recv(MS * 100).map(<[u8]>::len), Err(anysmp::line::Error::TimedOut));
    assert_eq!(link.into_port().0, 100);
    // Nor are those in a row that bytes are between.
    let mut link = Link::new(Nervous(0), Console::new(room(256)), room(1024)).unwrap();
    let message = [&smp(2, 1)[..], &[7; 50]].concat();
    assert_eq!(link.send(&message), Ok(()));
    let bytes = framed(&Console::new(room(256)), &message).len();
    assert_eq!(link.into_port().0 as usize, bytes * 2);
}

/// A port of a host whose buffer is full for a while, and whose flush fails.
struct Full(u8, io::ErrorKind);

impl io::Write for Full {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.0 > 0 {
            self.0 -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.1.into())
    }
}

#[test]
fn a_port_that_is_full_for_a_while_is_asked_again_and_only_a_flush_in_vain_is_an_error() {
    let mut port = Io::new(Full(3, io::ErrorKind::WouldBlock));
    assert_eq!(Write::write(&mut port, b"abc").unwrap(), 3);
    assert_eq!(port.get().0, 0);
    assert!(Write::flush(&mut port).is_ok(), "a flush that takes long");
    let mut port = Io::new(Full(0, io::ErrorKind::BrokenPipe));
    assert_eq!(Write::flush(&mut port).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let mut port = Io::new(Cut);
    assert_eq!(Write::write(&mut port, b"abc").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// A port of a host that was pulled.
struct Cut;

impl io::Write for Cut {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_datagram_that_nobody_takes_is_lost_and_no_error() {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut port: Box<Udp> = Box::new(Udp::connect(gone).unwrap());
    assert_eq!(port.ready(), Some(false));
    // The refusal comes with the call after the write: a read or another write.
    Write::write(&mut *port, b"hello").unwrap();
    assert_eq!(Read::read(&mut *port, &mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(port.elapsed() >= TICK, "a refusal, which comes at once, is a tick all the same");
    for _ in 0..3 {
        assert_eq!(Write::write(&mut *port, b"hello").unwrap(), 5);
    }
}

#[test]
fn datagrams_go_to_a_peer_of_either_kind_of_address() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        // Not every host has both.
        let Ok(peer) = std::net::UdpSocket::bind(local) else { continue };
        let mut port = Udp::connect(peer.local_addr().unwrap()).unwrap();
        Write::write(&mut port, b"hello").unwrap();
        let mut buf = [0; 8];
        assert_eq!(peer.recv(&mut buf).unwrap(), 5, "{local}");
    }
}

#[test]
fn an_error_of_a_port_that_ticks_is_no_tick() {
    let mut port = Ticking::new(Nervous(0), TICK);
    assert_eq!(Read::read(&mut port, &mut [0; 4]), Err(ErrorKind::Interrupted));
    assert_eq!(port.elapsed(), Duration::ZERO);
    assert_eq!(Read::read(&mut port, &mut [0; 4]), Err(ErrorKind::TimedOut));
    assert_eq!((port.elapsed(), port.elapsed()), (TICK, Duration::ZERO));
    let mut port = Ticking::new(Nervous(1), TICK);
    let read = block_on(&Now::default(), embedded_io_async::Read::read(&mut port, &mut [0; 4]));
    assert_eq!((read, port.elapsed()), (Err(ErrorKind::TimedOut), TICK));
}

impl embedded_io_async::Read for Nervous {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        Read::read(self, buf)
    }
}

/// A port of which each call takes a millisecond, and on which a byte comes at each, or none ever
/// does.
struct Slow {
    babbles: bool,
    calls: u32,
}

impl ErrorType for Slow {
    type Error = ErrorKind;
}

impl Clock for Slow {
    fn elapsed(&mut self) -> Duration {
        self.calls += 1;
        MS
    }
}

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        buf[0] = 0x55;
        if self.babbles { Ok(1) } else { Err(ErrorKind::TimedOut) }
    }
}

impl Write for Slow {
    fn write(&mut self, _: &[u8]) -> Result<usize, ErrorKind> {
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn a_message_that_never_found_silence_was_not_sent() {
    let memory = parts(16, 16, 32);
    let mut link = Link::new(Slow { babbles: true, calls: 0 }, Packet::new(room(256), GAP), memory).unwrap();
    assert_eq!(link.send(&[5, 0x10, 0, 1, 3]), Err(anysmp::line::Error::TimedOut));
    assert_eq!(link.counters().sent, 0);
}

/// A server that has one message to send, and adds up the time.
struct Once {
    time: Duration,
    unasked: bool,
}

impl anysmp::line::Serve for Once {
    type After = ();

    fn tick(&mut self, elapsed: Duration) {
        self.time += elapsed;
    }

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        tx[..9].copy_from_slice(&smp(3, 1));
        if std::mem::take(&mut self.unasked) { 9 } else { 0 }
    }
}

impl anysmp::line::Service for Once {
    fn receive(&mut self, _: &[u8], _: Peer, _: &mut [u8]) -> (usize, ()) {
        (0, ())
    }
}

#[test]
fn a_server_hears_of_the_time_in_which_its_message_leaves() {
    let mut link = Link::new(Slow { babbles: false, calls: 0 }, raw_framing(), room(1024)).unwrap();
    let mut server = Once { time: Duration::ZERO, unasked: true };
    while link.counters().sent == 0 {
        link.serve(&mut server).unwrap();
    }
    link.serve(&mut server).unwrap();
    assert!(server.time > MS * 10);
    assert_eq!(server.time, MS * link.into_port().calls);
}

fn raw_framing() -> Counted<'static, Head8> {
    Counted::new(room(256))
}

#[test]
fn a_server_of_datagrams_knows_the_address_behind_a_number_until_256_others_have_come() {
    let mut server: Box<Udp> = Box::new(Udp::bind("127.0.0.1:0").unwrap());
    let to = server.local_addr().unwrap();
    assert_eq!((server.peer(), server.ready()), (Peer(0), Some(false)));
    assert_eq!(Read::read(&mut *server, &mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    let mut ask = || {
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", to).unwrap();
        assert_eq!(server.ready(), Some(true));
        assert_eq!(Read::read(&mut *server, &mut [0; 8]).unwrap(), 5);
        (server.peer(), client, server.address(Peer(1)))
    };
    let (first, client, address) = ask();
    assert_eq!((first, address), (Peer(1), Some(client.local_addr().unwrap())));
    let mut others = Vec::new();
    for number in 2..=257 {
        let (peer, other, address) = ask();
        assert_eq!(peer, Peer(number));
        assert_eq!(address.is_some(), number <= 256, "{number}");
        others.push(other);
    }
}

/// A port of which every other read is interrupted, and brings one byte else.
struct Drips(VecDeque<u8>, bool);

impl ErrorType for Drips {
    type Error = ErrorKind;
}

impl Clock for Drips {
    fn elapsed(&mut self) -> Duration {
        MS / 10
    }
}

impl Read for Drips {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.1 = !self.1;
        buf[0] = if self.1 { None } else { self.0.pop_front() }.ok_or(ErrorKind::Interrupted)?;
        Ok(1)
    }
}

impl Write for Drips {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn interruptions_with_a_byte_between_them_are_not_in_a_row() {
    let message = [&smp(2, 1)[..], &[7; 50]].concat();
    let bytes = framed(&Console::new(room(256)), &message);
    assert!(bytes.len() > 20);
    let mut link = Link::new(Drips(bytes.into(), false), Console::new(room(256)), room(1024)).unwrap();
    assert_eq!(link.recv(Duration::from_secs(1)), Ok(&message[..]));
}
