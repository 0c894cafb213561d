// Compiled once for each colour: `Link` is the driver's, `wait!` makes a call of it return.

fn link<'b, F: Framing>(wire: Wire, framing: F, buffers: &'b mut [[u8; 256]; 2]) -> Link<'b, Wire, F> {
    let memory = &mut buffers.as_flattened_mut()[..256 + 64 + 64];
    Link::new(wire, framing, Buffers::split(memory).with_tx(256).with_out(64)).unwrap()
}

fn console_device() -> Wire {
    behind(Console::new(room()), device())
}

#[test]
fn an_exchange_survives_every_size_of_reads_and_writes() {
    for size in 1..40 {
        for (read, write) in [(size, 64), (64, size), (size, size)] {
            let mut buffers = [[0; 256]; 2];
            let mut link = link(console_device().sizes(read, write), Console::new(room()), &mut buffers);
            let mut client = Client::new(0);
            for text in [
                "",
                "hi",
                "a text that needs more than one line, since a line holds no more than 127 symbols, prefix included",
            ] {
                assert_eq!(wait!(link.call(&mut client, &os::Echo::new(text))).unwrap().text, text);
            }
            assert_eq!(link.counters(), Counters { sent: 3, received: 3, ..Counters::default() });
        }
    }
}

#[test]
fn an_exchange_survives_every_size_of_both_buffers() {
    for chunk in 1..20 {
        for out in 5..20 {
            let mut link = Link::new(console_device(), Console::new(room()), parts(chunk, 600, out)).unwrap();
            let mut client = Client::new(0);
            assert_eq!(wait!(link.call(&mut client, &os::Echo::new("hello"))).unwrap().text, "hello");
        }
    }
}

#[test]
fn a_small_request_is_one_write() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(console_device(), Console::new(room()), &mut buffers);
    let mut client = Client::new(0);
    wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap();
    assert_eq!((link.port().writes.len(), link.port().ticks), (2, 1), "the preamble, time for the peer, the request");
    wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap();
    assert_eq!((link.port().writes.len(), link.port().ticks), (3, 1), "the request alone");
}

#[test]
fn the_preamble_goes_before_the_first_frame_and_after_each_time_out() {
    let mut buffers = [[0; 256]; 2];
    let mut silent = 2;
    let mut answers = device();
    let wire = behind(Console::new(room()), move |message| {
        if silent > 0 {
            silent -= 1;
            return vec![];
        }
        answers(message)
    });
    let mut link = link(wire, Console::new(room()), &mut buffers);
    let mut client = Client::new(0);
    wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap();
    wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap();
    let wire = std::mem::take(&mut link.port().written);
    let frames: Vec<&[u8]> = wire.split_inclusive(|byte| *byte == b'\n').collect();
    // First, repeat, repeat with a preamble each; the second call without.
    let preambles: Vec<bool> = frames.iter().map(|frame| *frame == b"\n").collect();
    assert_eq!(preambles, [true, false, true, false, true, false, false]);
    assert_eq!(link.counters(), Counters { sent: 4, received: 2, retries: 2, ..Counters::default() });
}

#[test]
fn silence_is_a_time_out_after_the_last_repeat_and_the_link_stays_usable() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Mute), Console::new(room()), &mut buffers);
    let mut client = Client::new(0).with_timeout(TICK * 4).with_retries(2);
    let result = wait!(link.call(&mut client, &os::Echo::new("hi")));
    assert_eq!(result, Err(Error::TimedOut));
    assert_eq!(link.port().ticks, 15, "three times four ticks, and one after each preamble");
    assert_eq!(link.counters(), Counters { sent: 3, retries: 2, ..Counters::default() });
    *link.port() = console_device();
    assert_eq!(wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap().text, "hi");
    assert_eq!(link.port().written[0], b'\n');
}

#[test]
fn every_failure_at_every_call_is_reported_and_the_link_lives_on() {
    for (odd, expected) in [
        (Odd::Fail(Fault::Broken), Some(Error::Port(Fault::Broken))),
        (Odd::Fail(Fault::Interrupted), None),
        (Odd::Nothing, Some(Error::Closed)),
    ] {
        let mut failures = 0;
        for call in 1..40 {
            let wire = console_device().sizes(5, 7).odd(call, odd);
            let mut link = Link::new(wire, Console::new(room()), parts(8, 600, 8)).unwrap();
            let mut client = Client::new(0);
            let first =
                wait!(link.call(&mut client, &os::Echo::new("hi"))).map(|echo| assert_eq!(echo.text, "hi"));
            match (first, expected) {
                (Ok(()), _) => {}
                (Err(Error::WriteZero), Some(Error::Closed)) => failures += 1,
                (Err(error), Some(expected)) => {
                    assert_eq!(error, expected);
                    failures += 1;
                }
                (Err(error), None) => panic!("{error:?} at call {call}"),
            }
            // Once the port works again, so does the link.
            link.port().odd = None;
            let again = wait!(link.call(&mut client, &os::Echo::new("again")));
            assert_eq!(again.unwrap().text, "again", "{odd:?} at call {call}");
        }
        assert!(failures > 0 || odd == Odd::Fail(Fault::Interrupted));
    }
}

#[test]
fn a_port_that_takes_nothing_and_a_port_at_its_end_are_told_apart() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(console_device().odd(1, Odd::Nothing), Console::new(room()), &mut buffers);
    assert_eq!(wait!(link.send(&[0; 8])), Err(Error::WriteZero));
    let calls = link.port().calls;
    link.port().odd = Some((calls + 1, Odd::Nothing));
    assert_eq!(wait!(link.recv(TICK)), Err(Error::Closed));
}

#[test]
fn after_a_send_that_failed_half_way_the_preamble_goes_first() {
    let wire = console_device().odd(3, Odd::Fail(Fault::Broken));
    let mut link = Link::new(wire, Console::new(room()), parts(8, 600, 8)).unwrap();
    let message = [0, 0, 0, 1, 0, 0, 0, 6, 0xA0];
    assert_eq!(wait!(link.send(&message)), Err(Error::Port(Fault::Broken)));
    link.port().written.clear();
    wait!(link.send(&message)).unwrap();
    assert_eq!(link.port().written[0], b'\n');
    link.port().written.clear();
    wait!(link.send(&message)).unwrap();
    assert_eq!(link.port().written[0], 0x06, "in step again");
}

#[test]
fn a_raw_link_is_silent_after_a_send_that_failed_half_way() {
    type Raw = Counted<'static, Head8>;
    let wire = behind(Raw::new(room()), device()).odd(2, Odd::Fail(Fault::Broken));
    let mut link = Link::new(wire, Raw::new(room()), parts(8, 600, 8)).unwrap();
    let mut client = Client::new(0);
    let result = wait!(link.call(&mut client, &os::Echo::new("hi")));
    assert_eq!(result, Err(Error::Port(Fault::Broken)));
    assert_eq!(link.port().written.len(), 8);
    assert_eq!(wait!(link.call(&mut client, &os::Echo::new("ho"))).unwrap().text, "ho");
    assert!(TICK * u32::try_from(link.port().ticks).unwrap() >= Raw::QUIET);
    assert_eq!(link.counters(), Counters { sent: 1, received: 1, failures: 1, ..Counters::default() });
}

#[test]
fn what_belongs_to_no_exchange_is_counted_and_handed_to_the_sink() {
    let framing = plain();
    let foreign = framed(&framing, &[3, 0, 0, 1, 0, 0, 99, 0, 0xA0]);
    let unasked = [1, 0, 0, 1, 0, 0, 0, 0, 0xA0];
    let mut damaged = framed(&framing, &unasked);
    damaged[5] ^= 1;
    let noise = [&b"boot"[..], &foreign, b" done\n", &damaged, &framed(&framing, &unasked)].concat();
    for size in 1..=noise.len() {
        let mut buffers = [[0; 256]; 2];
        let wire = behind(plain(), device()).sizes(size, 64).says(&noise);
        let mut link = link(wire, plain(), &mut buffers).with_sink(Heard::default());
        let mut client = Listener(Client::new(0));
        assert_eq!(wait!(link.call(&mut client, &os::Echo::new(""))).unwrap().text, "hi");
        assert_eq!(link.counters(), Counters { sent: 1, received: 3, damaged: 1, foreign: 1, retries: 0, failures: 0 });
        let heard = std::mem::take(link.sink());
        assert_eq!(heard.text, b"boot done\n");
        assert_eq!(heard.unsolicited, [unasked]);
        assert_eq!(heard.dropped, [Damage::Checksum]);
        assert_eq!(heard.traced.iter().map(|(_, sent)| *sent).collect::<Vec<_>>(), [true, false, false, false]);
    }
}

#[test]
fn console_text_reaches_a_closure() {
    let mut text = Vec::new();
    let mut buffers = [[0; 256]; 2];
    let wire = behind(plain(), device()).says(b"hello");
    let mut link = link(wire, plain(), &mut buffers).with_sink(line::Text(|run: &[u8]| text.extend_from_slice(run)));
    wait!(link.call(&mut Client::new(0), &os::Echo::new("hi"))).unwrap();
    drop(link.into_port());
    assert_eq!(text, b"hello");
}

/// A device that sends a byte each `every`, for as long as anybody reads, and never answers.
struct Chatty {
    every: Duration,
    /// What it sends, over and over; the first byte is the next one.
    says: Vec<u8>,
    /// How many bytes a read returns at most.
    read: usize,
    passed: Duration,
    total: Duration,
}

impl Chatty {
    fn read_now(&mut self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.read);
        let time = self.every * u32::try_from(count).unwrap();
        self.passed += time;
        self.total += time;
        assert!(self.total < Duration::from_secs(3600), "the driver waits without end");
        for byte in &mut buf[..count] {
            *byte = self.says[0];
            self.says.rotate_left(1);
        }
        count
    }
}

impl Clock for Chatty {
    fn elapsed(&mut self) -> Duration {
        std::mem::take(&mut self.passed)
    }
}

impl embedded_io::ErrorType for Chatty {
    type Error = Fault;
}

impl embedded_io::Read for Chatty {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        Ok(self.read_now(buf))
    }
}

impl embedded_io::Write for Chatty {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl embedded_io_async::Read for Chatty {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        Ok(self.read_now(buf))
    }
}

impl embedded_io_async::Write for Chatty {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// At full rate of 115,200 baud, one byte per millisecond, and just below one byte per tick.
const RATES: [Duration; 3] = [Duration::from_micros(87), Duration::from_millis(1), Duration::from_micros(99_999)];

/// How long `job` took on a link that never falls silent.
fn among_chatter<T>(
    every: Duration,
    says: &[u8],
    read: usize,
    job: impl FnOnce(&mut Link<'_, Chatty, Console<'static>>) -> T,
) -> (T, Duration) {
    let mut memory = [0; Console::sizes_of(600).memory()];
    let chatty = Chatty { every, says: says.to_vec(), read, passed: Duration::ZERO, total: Duration::ZERO };
    let mut link = Link::new(chatty, Console::new(room()), &mut memory).unwrap();
    let result = job(&mut link);
    (result, link.port().total)
}

#[test]
fn a_device_that_never_stops_talking_cannot_hold_up_any_wait() {
    for every in RATES {
        no_wait_is_held_up(every, b".", 1);
    }
}

#[test]
fn a_device_that_never_stops_sending_frames_cannot_hold_up_any_wait() {
    // Frames that are damaged, frames without one between two reads, and whole messages for nobody:
    // a read brings several of them, so that the line always has another one.
    let (message, mut foreign) = ([3, 0, 0, 1, 0, 9, 1, 5, 0xA0], vec![0; 64]);
    let len = Console::new(room()).encode(&message).unwrap().next(&message, &mut foreign);
    foreign.truncate(len);
    for says in [&b"\x06\x09A\n"[..], b"\x06\x09AAAA\n.", &foreign] {
        for read in [1, 7, 64, 600] {
            no_wait_is_held_up(Duration::from_micros(87), says, read);
        }
    }
}

fn no_wait_is_held_up(every: Duration, says: &[u8], read: usize) {
    let pause = Console::PREAMBLE_PAUSE;
    let late = |took: Duration, limit: Duration| {
        assert!(took >= limit, "{every:?}: {took:?} is less than {limit:?}");
        assert!(took <= limit + TICK * 2, "{every:?}: {took:?} instead of {limit:?}");
    };
    let timeout = Duration::from_millis(2500);
    let mut client = Client::new(0).with_timeout(timeout).with_retries(0);
    let (result, took) = among_chatter(every, says, read, |link| {
        wait!(link.call(&mut client, &os::Echo::new("hi"))).map(drop)
    });
    assert_eq!(result, Err(Error::TimedOut));
    late(took, pause + timeout);

    // A message ends a wait for one.
    if says.len() < 12 {
        let (result, took) = among_chatter(every, says, read, |link| wait!(link.recv(timeout)).map(<[u8]>::to_vec));
        assert_eq!(result, Err(Error::TimedOut));
        late(took, timeout);

        // Five waits of three ticks, a preamble before and one after each.
        let (ended, took) = among_chatter(every, says, read, |link| {
            wait!(link.run(&mut client, &mut Count::new(2), |_| ControlFlow::Continue(())))
        });
        assert_eq!(ended, Ok(Ended::Done((2, 5))));
        assert!(took >= pause * 6 + TICK * 15, "{every:?}: {took:?}");
        assert!(took <= pause * 6 + TICK * 15 + TICK * 2 * 11, "{every:?}: {took:?}");
    }

    let mut toy = Toy::default();
    let (ticks, took) = among_chatter(every, says, read, |link| {
        let mut ticks = Duration::ZERO;
        while ticks < timeout {
            wait!(link.serve(&mut toy)).unwrap();
            // Emptied, or each round would add up all that came before it.
            ticks += toy.log.drain(..).map(|entry| micros(&entry)).sum::<Duration>();
        }
        ticks
    });
    assert!(took >= ticks && took <= ticks + TICK * 2, "{every:?}: {took:?} instead of {ticks:?}");
}

#[test]
fn a_port_that_is_interrupted_without_end_is_an_error() {
    for call in 1..=8 {
        let mut buffers = [[0; 256]; 2];
        let mut wire = console_device().sizes(3, 64);
        wire.always = Some((call, Fault::Interrupted));
        let mut link = link(wire, Console::new(room()), &mut buffers);
        assert_eq!(wait!(link.call(&mut Client::new(0), &os::Echo::new("hi"))).map(drop), Err(Error::Port(Fault::Interrupted)));
        // One call, and sixteen more.
        assert_eq!(link.port().calls, call + 16, "call {call}");
        assert!(!link.line().is_sending());
        assert_eq!(wait!(link.send(&[2, 0, 0, 1, 0, 0, 1, 5, 0xA0])), Err(Error::Port(Fault::Interrupted)));
        assert_eq!(link.port().calls, call + 16 + 17, "call {call}");
    }
}

#[test]
fn a_version_that_is_refused_is_changed_inside_of_the_call() {
    let mut answers = device();
    let wire = behind(Console::new(room()), move |message| match message[0] >> 3 {
        0 => answers(message),
        _ => vec![[&[0x0B, 0, 0, 5, 0, 0, message[6], 0][..], b"\xa1\x62rc\x0d"].concat()],
    });
    let mut buffers = [[0; 256]; 2];
    let mut link = link(wire, Console::new(room()), &mut buffers);
    let mut client = Client::new(0);
    assert_eq!(wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap().text, "hi");
    assert_eq!(client.version(), Version::V1);
    assert_eq!((link.counters().sent, link.counters().retries), (2, 0), "at once, not after a timeout");
}

#[test]
fn what_the_peer_refuses_and_what_makes_no_sense_are_told_apart() {
    for (payload, expected) in
        [(&b"\xa1\x62rc\x0a"[..], client::Error::Remote(smp::Error::BUSY)), (b"\x80", client::Error::Malformed)]
    {
        let wire = behind(plain(), |message: &[u8]| {
            let mut answer = answer_to(&message[..8]);
            answer[3] = u8::try_from(payload.len()).unwrap();
            answer.extend_from_slice(payload);
            vec![answer]
        });
        let mut buffers = [[0; 256]; 2];
        let mut link = link(wire, plain(), &mut buffers);
        let result = wait!(link.call(&mut Client::new(0), &os::Echo::new("hi")));
        assert_eq!(result, Err(Error::Protocol(expected)));
    }
    let mut link = Link::new(Wire::new(Mute), plain(), parts(64, 9, 64)).unwrap();
    let result = wait!(link.call(&mut Client::new(0), &os::Echo::new("hi")));
    assert_eq!(result, Err(Error::Protocol(client::Error::BufferFull)));
    assert_eq!(wait!(link.send(&[0; 10])), Err(Error::BufferFull));
    assert_eq!(link.port().calls, 0);
}

#[test]
fn a_datagram_is_one_write() {
    let message = [2, 0, 0, 6, 0, 0, 0, 0, 0xA1, 0x61, b'd', 0x62, b'h', b'i'];
    let mut memory = [0; Datagram::sizes_of(600).memory()];
    let mut link = Link::new(Wire::new(Mute), Datagram::new(room()), &mut memory).unwrap();
    for _ in 0..2 {
        wait!(link.send(&message)).unwrap();
    }
    assert_eq!(link.port().writes, [message.len(); 2]);
    assert_eq!(link.port().ticks, 0, "nothing was begun, so nothing was abandoned");
}

#[test]
fn datagrams_are_read_one_by_one() {
    let answer = [3, 0, 0, 6, 0, 0, 0, 0, 0xA1, 0x61, b'r', 0x62, b'h', b'i'];
    let mut wire = Wire::new(Mute);
    wire.datagrams = [vec![1, 2, 3], vec![3, 0, 0, 0, 0, 0, 99, 0], answer.to_vec()].into();
    let mut memory = [0; Datagram::sizes_of(600).memory()];
    let mut link = Link::new(wire, Datagram::new(room()), &mut memory).unwrap();
    let mut client = Client::new(0);
    assert_eq!(wait!(link.call(&mut client, &os::Echo::new("hi"))).unwrap().text, "hi");
}

/// The result of a link for three buffers of these lengths.
fn built<F: Framing>(framing: F, [read, tx, out]: [usize; 3]) -> Result<(), SizeError> {
    Link::new(Wire::new(Mute), framing, parts(read, tx, out)).map(drop)
}

#[test]
fn a_buffer_that_cannot_work_is_refused_when_the_link_is_built() {
    let error = |need, have| Err(SizeError { need, have });
    assert_eq!(built(Console::new(room()), [1, 1, 4]), Ok(()));
    assert_eq!(built(Console::new(room()), [0, 1, 4]), error(6, 5));
    assert_eq!(built(Console::new(room()), [1, 0, 4]), error(1, 0));
    assert_eq!(built(Console::new(room()), [1, 1, 3]), error(4, 3));
    // A datagram comes and goes whole.
    assert_eq!(built(Datagram::new(room()), [600, 100, 100]), Ok(()));
    assert_eq!(built(Datagram::new(room()), [599, 100, 100]), error(800, 799));
    assert_eq!(built(Datagram::new(room()), [600, 100, 99]), error(100, 99));
    // So does a packet.
    let gap = Duration::from_micros(174);
    assert_eq!(built(Packet::new(room(), gap), [1, 100, 101]), Ok(()));
    assert_eq!(built(Packet::new(room(), gap), [1, 100, 100]), error(101, 100));
    // One piece of memory.
    let need = Console::sizes_of(600).memory();
    for have in [0, 1, need - 1] {
        let mut memory = vec![0; have];
        assert_eq!(Link::new(Wire::new(Mute), Console::new(room()), &mut memory[..]).map(drop), error(need, have));
    }
    assert!(Link::new(Wire::new(Mute), Console::new(room()), &mut vec![0; need][..]).is_ok());
    // Longer than a line can use.
    let (mut message, mut memory) = (vec![0; 70_000], vec![0; 250_000]);
    assert!(Link::new(Wire::new(Mute), Packet::new(&mut message, gap), &mut memory[..]).is_ok());
}

#[test]
fn a_buffer_that_is_promised_and_not_there_is_refused_at_the_first_serve() {
    struct Promises(usize);
    impl Serve for Promises {
        type After = ();

        fn buffer_size(&self) -> Option<usize> {
            Some(self.0)
        }
    }
    impl Service for Promises {
        fn receive(&mut self, _: &[u8], _: Peer, _: &mut [u8]) -> (usize, ()) {
            (0, ())
        }
    }
    impl line::asynch::Service for Promises {
        async fn receive(&mut self, _: &[u8], _: Peer, _: &mut [u8]) -> (usize, ()) {
            (0, ())
        }
    }
    let mut buffers = [[0; 256]; 2];
    let mut cobs = link(Wire::new(Mute), Cobs::new(room()), &mut buffers);
    assert_eq!(wait!(cobs.serve(&mut Promises(598))), Ok(()));
    assert_eq!(wait!(cobs.serve(&mut Promises(599))), Err(Error::Size(SizeError { need: 599, have: 598 })));
    let mut buffers = [[0; 256]; 2];
    let mut console = link(Wire::new(Mute), Console::new(room()), &mut buffers);
    assert_eq!(wait!(console.serve(&mut Promises(600))), Ok(()));
    assert_eq!(wait!(console.serve(&mut Promises(601))), Err(Error::Size(SizeError { need: 601, have: 600 })));
}

#[test]
fn a_message_that_cannot_be_framed_is_our_error() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Mute), plain(), &mut buffers);
    assert_eq!(wait!(link.send(&[0; 256])), Err(Error::Framing(framing::Error::Unsendable)));
    assert_eq!(link.port().calls, 0);
}

#[test]
fn receiving_waits_as_long_as_it_is_told_and_lends_the_message() {
    let framing = plain();
    let mut damaged = framed(&framing, b"one");
    damaged[3] ^= 1;
    let mut buffers = [[0; 256]; 2];
    let wire = Wire::new(Mute).says(&damaged).says(&framed(&framing, b"two"));
    let mut link = link(wire, framing, &mut buffers);
    assert_eq!(wait!(link.recv(TICK)).unwrap(), b"two");
    assert_eq!(wait!(link.recv(TICK * 5)), Err(Error::TimedOut));
    assert_eq!(link.port().ticks, 5);
}

#[test]
fn a_frame_that_never_ends_is_given_up_by_silence() {
    let mut buffers = [[0; 256]; 2];
    let framing = plain();
    let wire = Wire::new(Mute).says(&framed(&framing, b"one")[..4]);
    let mut link = link(wire, framing, &mut buffers).with_sink(Heard::default());
    assert_eq!(wait!(link.recv(TICK * 5)), Err(Error::TimedOut));
    assert_eq!(link.sink().dropped, [Damage::Lost]);
}

#[test]
fn serving_answers_and_says_what_comes_after() {
    let framing = plain();
    let request = [2, 0, 0, 1, 0, 0, 0, 5, 0xA0];
    let mut damaged = framed(&framing, &request);
    damaged[4] ^= 1;
    let wire = Wire::new(Mute).says(&framed(&framing, &request)).says(&damaged);
    let mut buffers = [[0; 256]; 2];
    let mut link = link(wire, plain(), &mut buffers);
    let mut toy = Toy::default();
    assert_eq!(wait!(link.serve(&mut toy)), Ok(7));
    assert_eq!(link.port().written, framed(&framing, &answer_to(&request)), "no preamble from a server");
    assert_eq!(wait!(link.serve(&mut toy)), Ok(0));
    assert_eq!(wait!(link.serve(&mut toy)), Ok(0));
    assert_eq!(toy.log, ["message 9", "Checksum", "tick 100000"]);
    assert_eq!(link.counters(), Counters { sent: 2, received: 1, damaged: 1, ..Counters::default() });
    // Everything that waits goes out, after a message and after a tick.
    for (said, expected) in [(framed(&framing, &request), 4), (vec![], 3)] {
        link.port().inbox.extend(said);
        toy.waiting = vec![vec![1; 8]; 3];
        let before = link.counters().sent;
        wait!(link.serve(&mut toy)).unwrap();
        assert_eq!(link.counters().sent - before, expected);
        assert!(toy.waiting.is_empty());
    }
}

#[test]
fn what_is_to_be_done_is_told_even_if_the_answer_cannot_be_sent() {
    let request = [2, 0, 0, 1, 0, 0, 0, 5, 0xA0];
    let mut lost = 0;
    for odd in [Odd::Fail(Fault::Broken), Odd::Nothing] {
        for call in 1..20 {
            let wire = Wire::new(Mute).says(&framed(&plain(), &request)).sizes(4, 3).odd(call, odd);
            let mut link = Link::new(wire, plain(), parts(4, 600, 8)).unwrap();
            let mut toy = Toy::default();
            let served = wait!(link.serve(&mut toy));
            let ran = !toy.log.is_empty();
            assert_eq!(served.as_ref().ok(), ran.then_some(&7), "{odd:?} at call {call}: {served:?}");
            lost += u32::from(ran && link.port().written != framed(&plain(), &answer_to(&request)));
        }
    }
    assert!(lost > 5, "{lost}");
}

#[test]
fn an_smp_server_answers_over_a_console() {
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Echoes, incoming, reply);
    let mut server = Server::new(handler, AllowAll);
    let request = [2, 0, 0, 6, 0, 0, 9, 0, 0xA1, 0x61, b'd', 0x62, b'h', b'i'];
    let mut tx = [0; 64];
    // The handler of an async server awaits; a closure serves blocking only.
    let (len, _) = Service::receive(&mut server, &request, Peer(0), &mut tx);
    let framing = Console::new(room());
    let wire = Wire::new(Mute).says(&framed(&framing, &tx[..len]));
    let mut buffers = [[0; 256]; 2];
    let mut link = link(wire, framing, &mut buffers);
    assert_eq!(wait!(link.recv(TICK)).unwrap(), [3, 0, 0, 6, 0, 0, 9, 0, 0xA1, 0x61, b'r', 0x62, b'h', b'i']);
}

#[test]
fn a_routine_runs_until_it_is_done() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(console_device(), Console::new(room()), &mut buffers);
    let (mut client, mut events) = (Client::new(0), 0);
    let mut routine = Count::new(5);
    let ended = wait!(link.run(&mut client, &mut routine, |message| {
        assert_eq!(message[8..], *b"\xa1\x61r\x63run");
        events += 1;
        ControlFlow::Continue(())
    }));
    assert_eq!(ended, Ok(Ended::Done((0, 0))));
    assert_eq!((events, link.counters().sent), (5, 5));
}

#[test]
fn a_routine_may_be_stopped_and_reopened_and_run_on() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(console_device(), Console::new(room()), &mut buffers);
    let mut client = Client::new(0);
    let mut routine = Count::new(5);
    let ended = wait!(link.run(&mut client, &mut routine, |_| ControlFlow::Break(())));
    assert_eq!((ended, routine.left), (Ok(Ended::Stopped), 4));
    routine.reopen = true;
    let ended = wait!(link.run(&mut client, &mut routine, |_| ControlFlow::Continue(())));
    assert_eq!((ended, routine.left), (Ok(Ended::Reopen), 4));
    let ended = wait!(link.run(&mut client, &mut routine, |_| ControlFlow::Continue(())));
    assert_eq!(ended, Ok(Ended::Done((0, 0))));
}

#[test]
fn a_routine_hears_of_time_only_when_its_limit_has_passed() {
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Mute), Console::new(room()), &mut buffers);
    let mut client = Client::new(0);
    let ended = wait!(link.run(&mut client, &mut Count::new(2), |_| ControlFlow::Continue(())));
    assert_eq!(ended, Ok(Ended::Done((2, 5))));
    assert_eq!(link.port().ticks, 21, "five times three ticks, and one behind each preamble");
    let newlines = link.port().written.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(newlines, 11, "five frames, and a preamble at the start and after each time-out");
}

#[test]
fn a_routine_ends_with_the_port() {
    let mut buffers = [[0; 256]; 2];
    let wire = Wire::new(Mute).odd(3, Odd::Fail(Fault::Broken));
    let mut link = link(wire, Console::new(room()), &mut buffers);
    let ended = wait!(link.run(&mut Client::new(0), &mut Count::new(2), |_| ControlFlow::Continue(())));
    assert_eq!(ended, Err::<_, Error<Fault, Infallible>>(Error::Port(Fault::Broken)));
}

/// Says one byte at each second tick.
struct Trickles(VecDeque<u8>, bool);

impl Other for Trickles {
    fn bytes(&mut self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn tick(&mut self) -> Vec<u8> {
        self.1 = !self.1;
        if self.1 { Vec::new() } else { self.0.pop_front().into_iter().collect() }
    }
}

#[test]
fn silence_is_counted_from_the_last_byte() {
    let framing = plain();
    let frame = framed(&framing, b"slow but whole").into();
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Trickles(frame, false)), framing, &mut buffers);
    assert_eq!(wait!(link.recv(TICK * 100)).unwrap(), b"slow but whole");
    assert_eq!(link.counters().damaged, 0);
}

#[test]
fn a_packet_that_waited_when_the_port_failed_does_not_hold_up_the_next() {
    let gap = Duration::from_micros(174);
    let wire = Wire::new(Mute).odd(1, Odd::Fail(Fault::Broken));
    let mut link = Link::new(wire, Packet::new(room(), gap), parts(16, 16, 32)).unwrap();
    assert_eq!(wait!(link.send(&[5, 0x10, 0, 1, 3])), Err(Error::Port(Fault::Broken)));
    assert_eq!(wait!(link.send(&[5, 0x10, 0, 1, 4])), Ok(()));
    assert_eq!(link.port().written, framed(&Packet::new(room(), gap), &[5, 0x10, 0, 1, 4]), "the second alone");
    // Nor is it sent when a routine begins.
    let wire = Wire::new(Mute).odd(1, Odd::Fail(Fault::Broken));
    let mut link = Link::new(wire, Packet::new(room(), gap), parts(16, 64, 80)).unwrap();
    assert_eq!(wait!(link.send(&[5, 0x10, 0, 1, 3])), Err(Error::Port(Fault::Broken)));
    let ended = wait!(link.run(&mut Client::new(0), &mut Count::new(1), |_| ControlFlow::Continue(())));
    assert!(matches!(ended, Ok(Ended::Done(_))));
    assert!(!link.port().written.is_empty() && !link.port().written.starts_with(&[5, 0x10]));
}

/// A peer that sends one thing after a tick of silence.
struct Slow(Vec<u8>);

impl Other for Slow {
    fn bytes(&mut self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn tick(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

#[test]
fn time_between_two_operations_belongs_to_neither() {
    let message = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Slow(framed(&plain(), &message))), plain(), &mut buffers);
    link.port().passed = Duration::from_secs(3_600);
    assert_eq!(wait!(link.recv(TICK * 3)), Ok(&message[..]));
}

#[test]
fn half_a_message_is_dropped_when_the_port_fails() {
    let message = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    let mut buffers = [[0; 256]; 2];
    let wire = Wire::new(Mute).says(&message[..4]).odd(2, Odd::Fail(Fault::Broken));
    let mut link = link(wire, Counted::<Head8>::new(room()), &mut buffers);
    assert_eq!(wait!(link.recv(TICK * 3)).map(<[u8]>::len), Err(Error::Port(Fault::Broken)));
    link.port().inbox.extend(message);
    assert_eq!(wait!(link.recv(TICK * 3)), Ok(&message[..]));
    assert_eq!(link.counters(), Counters { received: 1, failures: 1, ..Counters::default() });
}

#[test]
fn an_unasked_message_that_cannot_be_sent_is_an_error_of_serving() {
    let mut buffers = [[0; 256]; 2];
    let mut wire = Wire::new(Mute);
    wire.always = Some((2, Fault::Broken));
    let mut link = link(wire, plain(), &mut buffers);
    let mut toy = Toy { waiting: vec![vec![2, 0, 0, 1, 0, 0, 1, 5, 0xA0]], ..Toy::default() };
    assert_eq!(wait!(link.serve(&mut toy)), Err(Error::Port(Fault::Broken)));
}

#[test]
fn a_server_that_sends_something_on_each_tick_still_reads() {
    let message = vec![2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    let mut buffers = [[0; 256]; 2];
    // Each byte that is written takes time, so that time passes while a message leaves.
    let wire = Wire::new(Mute).sizes(64, 1).takes(TICK);
    let mut link = link(wire, plain(), &mut buffers);
    let mut toy = Toy { each_tick: Some(message.clone()), ..Toy::default() };
    for rounds in 1..=5 {
        link.port().inbox.extend(framed(&plain(), &message));
        assert_eq!(wait!(link.serve(&mut toy)), Ok(7));
        assert_eq!(toy.log.iter().filter(|entry| entry.starts_with("message")).count(), rounds, "{:?}", toy.log);
    }
    // Time is reported in front of the message, not between two writes.
    assert!(toy.log.iter().zip(toy.log.iter().skip(1)).all(|(one, next)| one.starts_with("tick") || next.starts_with("tick")));
}

#[test]
fn a_message_that_comes_at_the_end_of_the_time_is_received() {
    let message = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    for takes in [TICK, TICK * 100] {
        let mut buffers = [[0; 256]; 2];
        let wire = Wire::new(Mute).says(&framed(&plain(), &message)).takes(takes);
        let mut link = link(wire, plain(), &mut buffers);
        assert_eq!(wait!(link.recv(TICK)), Ok(&message[..]));
        assert_eq!(wait!(link.recv(TICK)), Err(Error::TimedOut));
    }
}

#[test]
fn a_trace_has_what_is_sent_without_an_answer() {
    let message = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    let mut buffers = [[0; 256]; 2];
    let mut link = link(Wire::new(Mute), plain(), &mut buffers).with_sink(Heard::default());
    assert_eq!(wait!(link.send(&message)), Ok(()));
    assert_eq!(link.sink().traced, [(message.to_vec(), true)]);
}

#[test]
fn a_pause_that_has_passed_between_two_operations_is_not_made_again() {
    let message = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    for (between, ticks) in [(Duration::from_secs(3_600), 0..=1), (Duration::ZERO, 2..=1_000)] {
        let mut buffers = [[0; 256]; 2];
        let wire = Wire::new(Mute).sizes(64, 4).odd(2, Odd::Fail(Fault::Broken));
        let mut link = link(wire, Counted::<Head8>::new(room()), &mut buffers);
        assert_eq!(wait!(link.send(&message)), Err(Error::Port(Fault::Broken)));
        // The pause begins with a look at the clock.
        link.port().passed = between;
        let _ = wait!(link.recv(Duration::ZERO)).map(<[u8]>::len);
        link.port().passed = between;
        assert_eq!(wait!(link.send(&message)), Ok(()));
        assert!(ticks.contains(&link.port().ticks), "{between:?}: {}", link.port().ticks);
    }
}
