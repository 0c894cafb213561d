//! Messages that arrive one per read.

use core::time::Duration;

use anysmp::framing::datagram::Datagram;
use anysmp::framing::{Error, Framing, Progress};

use crate::kit::events::{Event, decode, encode};
use crate::kit::random::Random;
use crate::kit::smp::random as smp;
use crate::kit::vectors::vectors;

/// Two of the longest golden messages fit.
const BUFFER: usize = 2048;

/// All golden messages.
fn goldens() -> Vec<Vec<u8>> {
    vectors("console", "vectors", "name").into_iter().map(|vector| vector.message).collect()
}

#[test]
fn a_datagram_is_a_message() {
    let mut buffer = [0; BUFFER];
    let mut framing = Datagram::new(&mut buffer);
    let all = goldens();
    let expected: Vec<_> = all.iter().cloned().map(Event::Message).collect();
    assert_eq!(decode(&mut framing, all.iter().map(|message| &message[..])), expected);
    assert_eq!(decode(&mut framing, [&b"x"[..], b""]), [Event::Message(b"x".to_vec())]);
    assert_eq!(framing.idle(Duration::MAX), Ok(Progress::More));
    assert_eq!(framing.message(), b"x");
    framing.reset();
    assert_eq!(framing.message(), b"");
    const { assert!(Datagram::WHOLE) };
}

#[test]
fn a_datagram_that_is_too_long_costs_itself_only() {
    let mut random = Random::new(4);
    for len in 8..=4096 {
        let message = smp(&mut random, len);
        let wire = encode(&Datagram::new(&mut []), &message);
        assert_eq!(wire.len(), Datagram::encoded_len(len));
        let mut buffer = vec![0; Datagram::buffer_len(len)];
        assert_eq!(Datagram::max_message(buffer.len()), len);
        assert_eq!(decode(&mut Datagram::new(&mut buffer), [&wire[..]]), [Event::Message(message)]);
        buffer.pop();
        let expected = [Event::Error(Error::TooLong), Event::Message(b"next".to_vec())];
        assert_eq!(decode(&mut Datagram::new(&mut buffer), [&wire[..], b"next"]), expected);
    }
}

#[test]
fn after_a_datagram_that_is_too_long_no_message_is_returned() {
    let mut buffer = [0; 4];
    let mut framing = Datagram::new(&mut buffer);
    assert_eq!(decode(&mut framing, [&b"good"[..], b"too long"]).len(), 2);
    assert_eq!(framing.message(), b"");
}

#[test]
fn an_empty_datagram_is_unsendable() {
    assert_eq!(Datagram::new(&mut []).encode(&[]).unwrap_err(), Error::Unsendable);
}

/// The framing has no check: that is the carrier's. So damage and cuts reach the protocol, each as
/// one message, and the next datagram is as whole as it came.
#[test]
fn a_datagram_that_is_damaged_or_cut_is_delivered_as_it_came_and_alone() {
    let mut buffer = [0; BUFFER];
    let mut framing = Datagram::new(&mut buffer);
    for golden in goldens() {
        for at in 0..golden.len() {
            let mut changed = golden.clone();
            changed[at] ^= 0x5A;
            for odd in [&changed[..], &golden[..at.max(1)], &[&golden[..], &golden[..at]].concat()] {
                let expected = [odd, &golden].map(|message| Event::Message(message.to_vec()));
                assert_eq!(decode(&mut framing, [odd, &golden]), expected);
            }
        }
    }
}

#[test]
fn a_reset_or_an_error_leaves_no_message_and_silence_changes_nothing() {
    let mut buffer = [0; 4];
    let mut framing = Datagram::new(&mut buffer);
    for silence in [Duration::ZERO, Duration::from_secs(3), Duration::MAX] {
        assert_eq!(framing.push(&mut &b"good"[..]), Ok(Progress::Message));
        assert_eq!((framing.idle(silence), framing.message()), (Ok(Progress::More), &b"good"[..]));
        framing.reset();
        assert_eq!((framing.idle(silence), framing.message()), (Ok(Progress::More), &b""[..]));
    }
}
