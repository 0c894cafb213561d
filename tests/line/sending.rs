//! One message at a time, when the line is ready, in pieces of any size.

use anysmp::framing::datagram::Datagram;
use anysmp::framing::lrc::Lrc;
use anysmp::line::Error;

use super::*;

#[test]
fn a_frame_leaves_whole_in_pieces_of_any_size() {
    let message = [&smp(2, 7)[..], &[0x5A; 150]].concat();
    let expected = framed(&Console::new(room(256)), &message);
    for run in 1..=expected.len() {
        for out in [4, 5, 7, 64, 128, 300] {
            let memory = parts(64, 256, out);
            let mut line = Line::new(Console::new(room(256)), memory).unwrap();
            transmit(&mut line, &message);
            assert_eq!(sent_in(&mut line, run), expected, "in runs of {run}, {out} at once");
            assert!(!line.is_sending());
            assert_eq!(line.counters().sent, 1);
        }
    }
}

#[test]
fn the_last_byte_says_that_the_port_is_to_be_flushed() {
    for out in [4, 6, 7, 128] {
        let memory = parts(64, 256, out);
        let mut line = Line::new(Console::new(room(256)), memory).unwrap();
        transmit(&mut line, &smp(2, 7));
        let total = framed(&Console::new(room(256)), &smp(2, 7)).len();
        let mut flushes = Vec::new();
        for byte in 1..=total {
            assert!(!line.pending().is_empty());
            if line.sent(1) {
                flushes.push(byte);
            }
        }
        assert_eq!(flushes, [total], "{out} at once");
    }
}

#[test]
fn a_second_message_is_refused_until_the_first_has_left() {
    let mut line = console();
    transmit(&mut line, &smp(2, 1));
    loop {
        assert_eq!(line.transmit(9), Err(Error::Busy));
        if line.pending().is_empty() || line.sent(1) {
            break;
        }
    }
    transmit(&mut line, &smp(2, 2));
}

#[test]
fn a_message_that_does_not_fit_or_cannot_be_framed_is_refused_and_nothing_is_sent() {
    let mut line = console();
    assert_eq!(line.transmit(1_000), Err(Error::BufferFull));
    assert_eq!(line.transmit(7), Err(Error::Framing(anysmp::framing::Error::Unsendable)));
    assert!(!line.is_sending());
    assert_eq!(sent(&mut line), b"");
}

#[test]
fn what_comes_while_a_frame_leaves_is_handed_out_behind_it() {
    let mut line = console();
    transmit(&mut line, &smp(3, 1));
    let request = framed(&Console::new(room(256)), &smp(2, 2));
    line.pending();
    line.sent(3);
    round(&mut line, &request, MS);
    assert_eq!(events(&mut line), []);
    sent(&mut line);
    assert_eq!(events(&mut line), [Event::Message]);
    assert_eq!(line.message(), smp(2, 2));
}

#[test]
fn a_line_whose_buffer_is_full_takes_the_rest_later_and_loses_nothing() {
    let memory = parts(16, 256, 64);
    let mut line = Line::new(Console::new(room(256)), memory).unwrap();
    transmit(&mut line, &smp(3, 1));
    line.pending();
    line.sent(1);
    let request = framed(&Console::new(room(256)), &smp(2, 2));
    let taken = line.received(&request, Peer(0));
    assert_eq!((taken, line.received(&request[taken..], Peer(0))), (16, 0));
    sent(&mut line);
    let (mut rest, mut messages) = (&request[taken..], 0);
    while !rest.is_empty() {
        messages += events(&mut line).len();
        let taken = line.received(rest, Peer(0));
        assert!(taken > 0);
        rest = &rest[taken..];
    }
    assert_eq!(messages + events(&mut line).len(), 1);
}

#[test]
fn two_packets_are_never_closer_than_the_gap() {
    let (mut master, mut listener) = (packet(), packet());
    let mut heard = Vec::new();
    for number in 0..3u8 {
        transmit(&mut master, &[0xFF, 0x50, 0, 1, number]);
        let mut waited = Duration::ZERO;
        let wire = loop {
            let wire = sent(&mut master);
            if !wire.is_empty() {
                break wire;
            }
            round(&mut master, &[], Duration::from_micros(20));
            round(&mut listener, &[], Duration::from_micros(20));
            waited += Duration::from_micros(20);
            assert!(waited < MS);
            for event in events(&mut listener) {
                assert_eq!(event, Event::Message);
                heard.push(listener.message()[4]);
            }
        };
        // A line that nobody has listened to is not known to be silent.
        assert!(waited >= GAP, "{waited:?}");
        round(&mut listener, &wire, Duration::from_micros(20));
    }
    round(&mut listener, &[], MS);
    assert_eq!(events(&mut listener), [Event::Message]);
    heard.push(listener.message()[4]);
    assert_eq!(heard, [0, 1, 2], "a receiver that goes by silence hears each alone");
}

#[test]
fn an_answer_to_a_packet_that_silence_has_ended_leaves_at_once() {
    let mut node = packet();
    let wire = framed(&Packet::new(room(256), GAP), &[5, 0x10, 0, 1, 3]);
    round(&mut node, &wire, MS);
    round(&mut node, &[], GAP);
    assert_eq!(events(&mut node), [Event::Message]);
    transmit(&mut node, &[0, 0x11, 0, 1, 9]);
    assert!(!sent(&mut node).is_empty());
}

#[test]
fn a_node_that_answers_early_keeps_the_gap_too() {
    let mut node = line(Packet::new(room(256), GAP).with_early_delivery());
    let wire = framed(&Packet::new(room(256), GAP), &[5, 0x10, 0, 1, 3]);
    round(&mut node, &wire, Duration::from_micros(10));
    assert_eq!(events(&mut node), [Event::Message]);
    transmit(&mut node, &[0, 0x11, 0, 1, 9]);
    assert_eq!(node.rest(), Some(Span::floor(GAP)));
    assert_eq!(sent(&mut node), b"");
    round(&mut node, &[], GAP / 2);
    assert_eq!(node.rest(), Some(Span::floor(GAP / 2)));
    assert_eq!(sent(&mut node), b"");
    round(&mut node, &[], GAP / 2);
    assert_eq!(node.rest(), Some(Span::ZERO));
    assert!(!sent(&mut node).is_empty());
    assert_eq!(node.rest(), None);
}

#[test]
fn bytes_that_come_while_a_packet_waits_for_its_gap_start_the_gap_again() {
    let mut master = packet();
    transmit(&mut master, &[5, 0x10, 0, 1, 3]);
    for _ in 0..10 {
        round(&mut master, &[], GAP / 2);
        round(&mut master, &[0x55], GAP / 2);
        assert_eq!(sent(&mut master), b"");
    }
    round(&mut master, &[], GAP);
    assert!(!sent(&mut master).is_empty());
}

#[test]
fn a_line_that_is_never_silent_loses_the_message_that_waits_after_a_second() {
    let mut master = packet();
    transmit(&mut master, &[5, 0x10, 0, 1, 3]);
    let mut passed = Duration::ZERO;
    while master.is_sending() {
        round(&mut master, &[0x55], MS);
        events(&mut master);
        assert_eq!(sent(&mut master), b"");
        passed += MS;
        assert!(passed <= Duration::from_secs(1), "{passed:?}");
    }
    assert_eq!(passed, Duration::from_secs(1));
    assert!(master.is_unsent());
    assert_eq!((master.counters().sent, master.counters().failures), (0, 1));
    // And the next one leaves as ever.
    round(&mut master, &[], MS);
    transmit(&mut master, &[5, 0x10, 0, 1, 4]);
    round(&mut master, &[], MS);
    assert!(!sent(&mut master).is_empty());
    assert!(!master.is_unsent());
}

#[test]
fn after_a_frame_that_was_given_up_half_way_the_peer_is_brought_into_step() {
    let whole = framed(&Console::new(room(256)), &smp(3, 2));
    let preamble_first = [b"\n", &whole[..]].concat();
    for taken in 0..framed(&Console::new(room(256)), &smp(3, 1)).len() {
        let mut line = console();
        transmit(&mut line, &smp(3, 1));
        line.pending();
        line.sent(taken);
        line.abandon();
        assert!(line.is_unsent() && !line.is_sending());
        transmit(&mut line, &smp(3, 2));
        let mut wire = sent(&mut line);
        assert_eq!(wire, b"\n", "time for the peer comes behind it");
        for _ in 0..60 {
            round(&mut line, &[], MS);
            wire.extend(sent(&mut line));
        }
        assert_eq!(wire, preamble_first, "given up after {taken} bytes");
        assert!(!line.is_sending());
    }
}

#[test]
fn without_a_preamble_a_peer_is_given_time_after_a_frame_that_was_cut() {
    let quiet = Counted::<'static, Head8>::QUIET;
    let mut line = raw();
    transmit(&mut line, &smp(3, 1));
    line.pending();
    line.sent(4);
    line.abandon();
    transmit(&mut line, &smp(3, 2));
    // What the peer sends meanwhile does not matter: its decoder receives only our bytes.
    let mut passed = Duration::ZERO;
    loop {
        let wire = sent(&mut line);
        if !wire.is_empty() {
            assert_eq!(wire, smp(3, 2));
            break;
        }
        round(&mut line, &smp(2, 9), MS * 50);
        events(&mut line);
        passed += MS * 50;
        assert!(passed < quiet * 2);
    }
    assert!(passed >= quiet && passed <= quiet + MS * 100, "{passed:?}");
}

#[test]
fn a_datagram_that_was_not_taken_leaves_no_trace() {
    let mut line = line(Datagram::new(room(64)));
    transmit(&mut line, &smp(3, 1));
    line.pending();
    line.abandon();
    transmit(&mut line, &smp(3, 2));
    assert_eq!(sent(&mut line), smp(3, 2));
}

#[test]
fn a_port_that_could_not_flush_has_perhaps_not_sent() {
    let mut line = console();
    transmit(&mut line, &smp(3, 1));
    sent(&mut line);
    line.abandon();
    assert!(line.is_unsent());
    transmit(&mut line, &smp(3, 2));
    assert_eq!(line.pending(), b"\n");
    assert!(line.sent(1), "the pause behind a preamble begins when it has left");
    assert!(line.pending().is_empty());
}

#[test]
fn a_slave_that_was_cut_waits_until_the_master_has_given_up_the_frame() {
    let mut line = line(Lrc::new(room(64)));
    transmit(&mut line, &[0, 1, 9]);
    line.pending();
    line.sent(2);
    line.abandon();
    transmit(&mut line, &[0, 1, 9]);
    assert_eq!(sent(&mut line), b"");
    round(&mut line, &[], MS);
    round(&mut line, &[], Lrc::ABANDON - MS);
    assert_eq!(sent(&mut line), b"");
    round(&mut line, &[], MS);
    assert!(!sent(&mut line).is_empty());
}

#[test]
fn a_server_sends_no_preamble() {
    let mut line = console();
    round(&mut line, &framed(&Console::new(room(256)), &smp(2, 2)), MS);
    assert_eq!(events(&mut line), [Event::Message]);
    transmit(&mut line, &smp(3, 2));
    assert_eq!(sent(&mut line), framed(&Console::new(room(256)), &smp(3, 2)));
}

#[test]
fn where_nothing_leaves_nothing_is_taken_and_nothing_is_given_up() {
    let mut line = console();
    assert!(!line.sent(5), "there is nothing to flush");
    line.abandon();
    assert!(!line.is_unsent());
    assert_eq!(line.counters(), anysmp::line::Counters::default());
    transmit(&mut line, &smp(3, 1));
    assert_eq!(sent(&mut line), framed(&Console::new(room(256)), &smp(3, 1)));
}

#[test]
fn a_message_that_still_waited_is_given_up_without_a_trace() {
    let mut master = packet();
    transmit(&mut master, &[5, 0x10, 0, 1, 3]);
    assert_eq!(sent(&mut master), b"");
    master.abandon();
    assert_eq!((master.is_unsent(), master.counters().failures), (true, 1));
    transmit(&mut master, &[5, 0x10, 0, 1, 4]);
    assert_eq!(master.rest(), Some(Span::floor(GAP)), "the gap, and no more");
    // Nor does a slave wait for a master that has seen nothing; but one byte is seen.
    for taken in [0, 1] {
        let mut slave = line(Lrc::new(room(64)));
        transmit(&mut slave, &[0, 1, 9]);
        slave.pending();
        slave.sent(taken);
        slave.abandon();
        transmit(&mut slave, &[0, 1, 9]);
        assert_eq!(sent(&mut slave).is_empty(), taken > 0);
    }
}

#[test]
fn a_short_tx_shortens_out_too_where_a_frame_leaves_in_one_piece() {
    // One message of 64 bytes, its datagram, and the longest datagram to read.
    let (mut message, mut memory) = ([0; 512], [0; 64 + 64 + 512]);
    let line = Line::new(Datagram::new(&mut message), Buffers::split(&mut memory).with_tx(64)).unwrap();
    assert_eq!(line.limits().tx, 64);
    // A packet may be longer than what the framing can receive.
    let (mut message, mut memory) = ([0; 32], [0; 4_096]);
    let packet = Packet::new(&mut message, Duration::ZERO);
    assert_eq!(Line::new(packet, Buffers::split(&mut memory).with_tx(100)).unwrap().limits().tx, 100);
}
