//! Bytes and time in, messages and time out.

use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::line::Serve;

use super::*;

#[test]
fn a_round_with_bytes_is_not_silence_however_long_it_took() {
    // 4 of 9 bytes, then rounds of an hour with one byte each: a handler that takes long must not
    // end a frame.
    let mut line = raw();
    for byte in smp(2, 1) {
        round(&mut line, &[byte], Duration::from_secs(3_600));
    }
    assert_eq!(events(&mut line), [Event::Message]);
    // The round after one with bytes is not silence from its beginning.
    round(&mut line, &smp(2, 1)[..4], MS);
    round(&mut line, &[], Counted::<'static, Head8>::QUIET - MS);
    assert_eq!(events(&mut line), []);
    round(&mut line, &[], MS);
    assert_eq!(events(&mut line), [Event::Damaged(Damage::Lost)]);
}

#[test]
fn time_in_which_nobody_looked_at_the_port_is_not_silence() {
    let mut line = raw();
    round(&mut line, &smp(2, 1)[..4], MS);
    line.away(Span::floor(Duration::from_secs(60)));
    assert_eq!(events(&mut line), []);
    round(&mut line, &smp(2, 1)[4..], MS);
    assert_eq!(events(&mut line), [Event::Message]);
}

#[test]
fn all_time_is_reported_once_whatever_came_in_it() {
    let mut line = console();
    let mut reported = Duration::ZERO;
    let mut passed = Duration::ZERO;
    for number in 0..200u8 {
        let bytes = match number % 4 {
            0 => vec![],
            1 => b"text\n".to_vec(),
            2 => framed(&Console::new(room(256)), &smp(2, number)),
            _ => vec![0x06, 0x09, b'x'],
        };
        let time = Duration::from_micros(u64::from(number) * 37);
        round(&mut line, &bytes, time);
        line.away(Span::floor(MS));
        passed += time + MS;
        while let Some(event) = line.next(&mut ()) {
            if let Event::Elapsed(time) = event {
                reported += time.to_duration();
            }
        }
    }
    assert_eq!(reported, passed);
}

#[test]
fn messages_are_reported_before_the_time_in_which_they_came_which_can_be_taken_first() {
    let mut line = raw();
    round(&mut line, &smp(2, 1), MS);
    let events = [(); 3].map(|()| line.next(&mut ()));
    assert_eq!(events, [Some(Event::Message), Some(Event::Elapsed(MS.into())), None]);
    round(&mut line, &smp(2, 2), MS);
    assert_eq!((line.next(&mut ()), line.take_elapsed()), (Some(Event::Message), Some(MS.into())));
    assert_eq!((line.next(&mut ()), line.take_elapsed()), (None, None));
}

#[test]
fn a_message_names_its_peer_and_bytes_of_two_peers_do_not_mix() {
    let mut line = line(Datagram::new(room(64)));
    assert_eq!(line.received(&smp(2, 1), Peer(7)), 9);
    assert_eq!(line.received(&smp(2, 2), Peer(8)), 0, "the first one was not looked at yet");
    assert_eq!(line.received(&smp(2, 2), Peer(7)), 0, "one datagram at a time");
    assert_eq!(line.next(&mut ()), Some(Event::Message));
    assert_eq!((line.peer(), line.message()[6]), (Peer(7), 1));
    assert_eq!(line.received(&smp(2, 2), Peer(8)), 9);
    assert_eq!(line.next(&mut ()), Some(Event::Message));
    assert_eq!((line.peer(), line.message()[6]), (Peer(8), 2));
}

#[test]
fn a_datagram_that_is_too_long_is_one_error_and_nothing_of_it_is_a_message() {
    let mut line = line(Datagram::new(room(64)));
    assert_eq!(line.received(&[2; 65], Peer(0)), 65);
    assert_eq!(events(&mut line), []);
    assert_eq!(line.counters().damaged, 1);
    round(&mut line, &smp(2, 1), MS);
    assert_eq!(events(&mut line), [Event::Message]);
}

#[test]
fn what_a_port_has_lost_is_dropped_and_counted_and_the_next_frame_arrives() {
    let frame = framed(&Cobs::new(room(256)), &smp(2, 1));
    for taken in 0..frame.len() {
        let mut line = line(Cobs::new(room(256)));
        round(&mut line, &frame[..taken], MS);
        line.lost();
        round(&mut line, &frame, MS);
        assert_eq!(events(&mut line), [Event::Message], "after {taken} bytes");
        assert_eq!(line.counters().failures, 1);
    }
}

#[test]
fn text_traces_and_losses_go_to_the_sink() {
    let mut damaged = framed(&Console::new(room(256)), &smp(2, 1));
    damaged[5] ^= 1;
    let mut line = console();
    let mut heard = Heard::default();
    round(&mut line, &[b"boot\n", &damaged[..], &framed(&Console::new(room(256)), &smp(2, 2))].concat(), MS);
    while line.next(&mut heard).is_some() {}
    assert_eq!(heard.text, b"boot\n");
    assert_eq!(heard.dropped.len(), 1);
    assert_eq!(heard.received, [smp(2, 2)]);
    assert!(heard.sent.is_empty() && heard.unsolicited.is_empty());
}

#[test]
fn pieces_of_bluetooth_are_taken_one_by_one_and_need_not_travel_alone() {
    let mut line = line(anysmp::framing::gatt::Reassembly::server(room(64)));
    assert_eq!(line.received(&smp(2, 1)[..8], Peer(0)), 8);
    assert_eq!(line.received(&smp(2, 1)[8..], Peer(0)), 0, "the first one was not looked at yet");
    assert_eq!(events(&mut line), []);
    assert_eq!(line.received(&smp(2, 1)[8..], Peer(0)), 1);
    assert_eq!(events(&mut line), [Event::Message]);
    assert!(!line.limits().datagram, "their order is kept, so several requests may be outstanding");
}

#[test]
fn a_borrowed_sink_is_handed_what_the_sink_itself_would_be() {
    fn hand(mut sink: impl Sink) {
        sink.text(b"text");
        sink.unsolicited(b"unasked");
        sink.dropped(Damage::Lost);
        sink.traced(b"sent", true);
        sink.traced(b"received", false);
    }
    let mut heard = Heard::default();
    hand(&mut heard);
    assert_eq!(
        (&heard.text[..], &heard.unsolicited[..], &heard.dropped[..]),
        (&b"text"[..], &[b"unasked".to_vec()][..], &[Damage::Lost][..])
    );
    assert_eq!((heard.sent, heard.received), (vec![b"sent".to_vec()], vec![b"received".to_vec()]));
}

#[test]
fn half_a_message_does_not_outlive_bytes_that_the_port_has_lost() {
    let mut line = raw();
    round(&mut line, &smp(2, 1)[..4], MS);
    assert_eq!(events(&mut line), []);
    line.lost();
    assert_eq!(line.counters().failures, 1);
    round(&mut line, &smp(2, 2), MS);
    assert_eq!(events(&mut line), [Event::Message]);
    assert_eq!(line.message(), smp(2, 2));
}

#[test]
fn a_message_is_no_report_and_time_has_no_answer() {
    struct Clockwork(Duration);
    impl Serve for Clockwork {
        type After = ();

        fn damaged(&mut self, _: Damage, tx: &mut [u8]) -> usize {
            tx[..2].fill(7);
            2
        }

        fn tick(&mut self, elapsed: Duration) {
            self.0 += elapsed;
        }
    }
    let (mut line, mut server) = (console(), Clockwork(Duration::ZERO));
    assert_eq!(line.report(Event::Message, &mut server), 0);
    assert_eq!(line.report(Event::Elapsed(MS.into()), &mut server), 0);
    assert_eq!(line.report(Event::Damaged(Damage::Lost), &mut server), 2);
    assert_eq!((server.0, &line.tx()[..2]), (MS, &[7, 7][..]));
    // One that does not handle damage answers none.
    struct Plain;
    impl Serve for Plain {
        type After = ();
    }
    assert_eq!(line.report(Event::Damaged(Damage::Lost), &mut Plain), 0);
}

#[test]
fn bytes_of_another_peer_wait_until_those_of_the_first_are_read() {
    let mut line = raw();
    assert_eq!(line.received(&smp(2, 1), Peer(1)), 9);
    assert_eq!(line.received(&smp(2, 2), Peer(2)), 0);
    assert_eq!((events(&mut line), line.peer()), (vec![Event::Message], Peer(1)));
    assert_eq!(line.received(&smp(2, 2), Peer(2)), 9);
    assert_eq!((events(&mut line), line.peer()), (vec![Event::Message], Peer(2)));
}

#[test]
fn an_answer_ends_the_time_that_the_line_needs_for_the_request() {
    let mut master = packet();
    round(&mut master, &[], MS);
    transmit(&mut master, &[5, 0x10, 0, 1, 3]);
    assert_eq!(sent(&mut master).len(), 6);
    // A port that only queues: the line would still carry it for half a millisecond.
    round(&mut master, &framed(&Packet::new(room(256), GAP), &[0, 0x11, 0, 1, 9]), MS / 100);
    round(&mut master, &[], GAP);
    assert_eq!(events(&mut master), [Event::Message]);
}

#[test]
fn a_line_on_which_bytes_were_lost_was_not_silent() {
    let mut master = packet();
    round(&mut master, &[], MS);
    master.lost();
    transmit(&mut master, &[5, 0x10, 0, 1, 3]);
    assert_eq!(sent(&mut master), b"");
    round(&mut master, &[], GAP);
    assert_eq!(sent(&mut master), b"", "where in this round they came nobody knows");
    round(&mut master, &[], GAP);
    assert!(!sent(&mut master).is_empty());
}
