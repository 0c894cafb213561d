// Every await of every call is a place to be dropped at.

/// Drops a call after each number of polls until it gets through, and makes an exchange after each;
/// returns how many places to drop it at there were.
fn cancelled_everywhere<F: Framing>(
    mut wire: impl FnMut() -> Wire,
    mut framing: impl FnMut() -> F,
    mut cancel: impl FnMut(&mut Link<'_, Wire, F>, &mut Client, usize) -> bool,
) -> usize {
    for polls in 0.. {
        let mut link = Link::new(wire().sizes(7, 5), framing(), parts(16, 600, 16)).unwrap();
        let mut client = Client::new(0);
        let done = cancel(&mut link, &mut client, polls);
        let echo = block_on(link.call(&mut client, &os::Echo::new("after"))).map(|echo| echo.text.to_string());
        assert_eq!(echo.as_deref(), Ok("after"), "dropped after {polls} polls");
        if done {
            return polls;
        }
    }
    0
}

type Raw = Counted<'static, Head8>;

fn raw_device() -> Wire {
    behind(Raw::new(room()), device())
}

#[test]
fn a_call_may_be_dropped_at_every_await() {
    fn call<F: Framing>(link: &mut Link<'_, Wire, F>, client: &mut Client, polls: usize) -> bool {
        poll_times(link.call(client, &os::Echo::new("dropped")), polls).is_some()
    }
    assert!(cancelled_everywhere(console_device, || Console::new(room()), call) > 10);
    assert!(cancelled_everywhere(raw_device, || Raw::new(room()), call) > 5);
}

#[test]
fn a_send_may_be_dropped_at_every_await() {
    fn send<F: Framing>(link: &mut Link<'_, Wire, F>, _: &mut Client, polls: usize) -> bool {
        poll_times(link.send(&[2, 0, 0, 1, 0, 0, 77, 0, 0xA0]), polls).is_some()
    }
    assert!(cancelled_everywhere(console_device, || Console::new(room()), send) > 5);
    assert!(cancelled_everywhere(raw_device, || Raw::new(room()), send) > 2);
}

#[test]
fn a_frame_whose_sending_was_dropped_in_the_middle_goes_on_before_the_next() {
    let (first, second) = ([2, 0, 0, 1, 0, 0, 77, 0, 0xA0], [2, 0, 0, 1, 0, 0, 78, 0, 0xA0]);
    let both = [framed(&Console::new(room()), &first), framed(&Console::new(room()), &second)].concat();
    for polls in 1.. {
        let wire = Wire::new(Mute).sizes(7, 5);
        let mut link = Link::new(wire, Console::new(room()), parts(16, 600, 16)).unwrap();
        let done = poll_times(link.send(&first), polls).is_some();
        assert_eq!(block_on(link.send(&second)), Ok(()));
        assert_eq!(link.port().written, both, "dropped after {polls} polls");
        assert_eq!(link.counters(), Counters { sent: 2, ..Counters::default() }, "dropped after {polls} polls");
        if done {
            assert!(polls > 5);
            return;
        }
    }
}

#[test]
fn a_frame_that_has_to_leave_in_one_piece_and_was_dropped_in_the_middle_is_given_up() {
    let second = framed(&Lrc::new(room()), &[1, 2, 3, 4, 5, 6, 7, 8]);
    let mut cut = 0;
    for polls in 1.. {
        let wire = Wire::new(Mute).sizes(7, 5);
        let mut link = Link::new(wire, Lrc::new(room()), parts(600, 16, 32)).unwrap();
        let done = poll_times(link.send(&[9; 8]), polls).is_some();
        let whole = link.port().written.len() == second.len();
        assert_eq!(block_on(link.send(&[1, 2, 3, 4, 5, 6, 7, 8])), Ok(()));
        assert!(link.port().written.ends_with(&second));
        assert_eq!(link.counters().failures, u32::from(!whole), "dropped after {polls} polls");
        cut += u32::from(!whole);
        if done {
            assert!(cut > 1);
            return;
        }
    }
}

#[test]
fn receiving_may_be_dropped_at_every_await_and_loses_nothing() {
    let late = framed(&Console::new(room()), &[3, 0, 0, 1, 0, 0, 99, 0, 0xA0]);
    for polls in 0..30 {
        let wire = Wire::new(Mute).says(&late).sizes(1, 64);
        let mut link = Link::new(wire, Console::new(room()), parts(16, 600, 16)).unwrap();
        if poll_times(link.recv(TICK), polls).is_none() {
            assert_eq!(block_on(link.recv(TICK)).unwrap()[6], 99, "dropped after {polls} polls");
        }
    }
}

#[test]
fn a_run_may_be_dropped_at_every_await_and_run_on() {
    let places = cancelled_everywhere(
        console_device,
        || Console::new(room()),
        |link, client, polls| {
            let mut routine = Count::new(2);
            if poll_times(link.run(client, &mut routine, |_| ControlFlow::Continue(())), polls).is_some() {
                return true;
            }
            let ended = block_on(link.run(client, &mut routine, |_| ControlFlow::Continue(())));
            assert!(matches!(ended, Ok(Ended::Done((0, 0..=1)))), "{ended:?} after {polls} polls");
            false
        },
    );
    assert!(places > 20);
}

#[test]
fn serving_may_be_dropped_at_every_await_and_the_next_request_is_answered() {
    let request = [2, 0, 0, 1, 0, 0, 1, 5, 0xA0];
    for polls in 0..40 {
        let framing = Console::new(room());
        let wire = Wire::new(Mute).says(&framed(&framing, &request)).sizes(3, 3);
        let mut link = Link::new(wire, Console::new(room()), parts(16, 600, 16)).unwrap();
        let mut toy = Toy::default();
        let _ = poll_times(link.serve(&mut toy), polls);
        link.port().inbox.extend(framed(&framing, &request));
        while toy.log.iter().filter(|entry| *entry == "tick 100000").count() == 0 {
            block_on(link.serve(&mut toy)).unwrap();
        }
        // Whatever was cut off, the last answer is whole.
        let mut peer = Behind { framing, silence: Duration::ZERO, answer: |message: &[u8]| vec![message.to_vec()] };
        let heard = peer.bytes(&link.port().written.clone());
        assert!(heard.ends_with(&framed(&Console::new(room()), &answer_to(&request))), "dropped after {polls} polls");
    }
}
