//! The envelope of Sirius' Ethernet bridge: both forms, both ends.

use std::time::Duration;

use anysmp::bsmp::bridge::Bridge as Server;
use anysmp::bsmp::variable::{Read, Variable};
use anysmp::bsmp::{Address, Client, Entities, Node, Table};
use anysmp::framing::bridge::{Bridge, Form, WithId, WithoutId};
use anysmp::framing::counted::{Counted, Head};
use anysmp::framing::{Encoder as _, Error, Framing, Progress};
use anysmp::line::Peer;

const VARIABLES: [Variable; 1] = [Variable::read_only(2)];

struct Two;

impl Entities for Two {
    fn read(&mut self, _: u8, value: &mut [u8]) {
        value.copy_from_slice(&[0x12, 0x34]);
    }
}

fn node() -> Node<'static, Two> {
    let table: &'static Table<'static> = Box::leak(Box::new(Table::new(&VARIABLES, &[], &[]).unwrap()));
    Node::new(anysmp::bsmp::Server::new(Two, table), Address::node(5).unwrap()).unwrap()
}

fn encoded(framing: &impl Framing, message: &[u8], step: usize) -> Vec<u8> {
    let (mut encoder, mut wire, mut out) = (framing.encode(message).unwrap(), Vec::new(), vec![0; step]);
    loop {
        match encoder.next(message, &mut out) {
            0 => return wire,
            len => wire.extend(&out[..len]),
        }
    }
}

/// The bytes of pydrs 2.3.2: `EthDRS.read_var("\x00", 7)` of the supply at address 5.
#[test]
fn a_request_has_the_bytes_of_pydrs_and_its_answer_is_understood() {
    let time = Duration::from_millis(50);
    let (client, mut tx) = (Client::new().with_address(Address::node(5).unwrap()), [0; 16]);
    let (len, pending) = client.request(&Read { id: 0, size: Some(2) }, &mut tx).unwrap();
    let mut buffer = [0; 64];
    let mut bare = Bridge::<WithoutId>::new(&mut buffer, time);
    let without = [0x11, 0, 0, 0, 10, 0x42, 0x48, 0, 0, 5, 0x10, 0, 1, 0, 0xEA];
    for step in 1..20 {
        assert_eq!(encoded(&bare, &tx[..len], step), without);
    }
    let answer = [0x11, 0, 0, 0, 8, 0x21, 0, 0x11, 0, 2, 0x12, 0x34, 0xA7];
    assert_eq!(bare.push(&mut &answer[..]), Ok(Progress::Message));
    assert_eq!(pending.decode(bare.message()), Ok(&[0x12, 0x34][..]));

    let mut buffer = [0; 64];
    let mut numbered = Bridge::<WithId>::new(&mut buffer, time);
    let with = [&[0x11, 1][..], &without[1..]].concat();
    assert_eq!(encoded(&numbered, &tx[..len], 7), with);
    assert_eq!(numbered.push(&mut &[&[0x11, 1][..], &answer[1..]].concat()[..]), Ok(Progress::Message));
    assert_eq!(pending.decode(numbered.message()), Ok(&[0x12, 0x34][..]));
    // The id names the request: a late answer is no other one's.
    encoded(&numbered, &tx[..len], 7);
    let (late, right) = ([&[0x11, 1][..], &answer[1..]].concat(), [&[0x11, 2][..], &answer[1..]].concat());
    assert_eq!(numbered.push(&mut &late[..]), Ok(Progress::More));
    assert!(numbered.message().is_empty());
    // Both in one read, too.
    let both = [late, right].concat();
    let mut input = &both[..];
    assert_eq!(numbered.push(&mut input), Ok(Progress::Message));
    assert_eq!((pending.decode(numbered.message()), input), (Ok(&[0x12, 0x34][..]), &[][..]));
}

#[test]
fn what_is_no_packet_is_an_error_and_the_next_envelope_is_read() {
    let mut buffer = [0; 64];
    let mut framing = Bridge::<WithoutId>::new(&mut buffer, Duration::ZERO);
    for (envelope, error) in [
        (&[0x11, 0, 0, 0, 1, 0x22][..], Error::Abandoned),
        (&[0x11, 0, 0, 0, 1, 0x23], Error::Abandoned),
        (&[0x11, 0, 0, 0, 0], Error::Malformed),
        (&[0x11, 0, 0, 0, 3, 0x21, 0, 1], Error::Checksum),
    ] {
        let good = [envelope, &[0x11, 0, 0, 0, 3, 0x21, 5, 0xFB]].concat();
        let mut input = &good[..];
        assert_eq!(framing.push(&mut input), Err(error));
        assert_eq!(framing.push(&mut input), Ok(Progress::Message));
        assert_eq!(framing.message(), [5]);
    }
    assert_eq!(framing.encode(&[]).err(), Some(Error::Unsendable));
    assert_eq!(WithId::total(&[0x11, 0, 0x7F, 0, 0, 0]), Err(Error::Malformed));
}

fn answer<F: Form>(bridge: &mut Server<'_, Node<'static, Two>, F>, request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 32];
    let (len, ()) = bridge.receive(request, Peer(0), &mut tx);
    tx[..len].to_vec()
}

const READ: [u8; 10] = [0, 0, 0, 0, 5, 0x10, 0, 1, 0, 0xEA];
const VALUE: [u8; 8] = [0x21, 0, 0x11, 0, 2, 0x12, 0x34, 0xA7];

#[test]
fn a_node_behind_a_bridge_answers_each_envelope() {
    let mut kept = [0; 16];
    let mut bridge = Server::<_, WithoutId>::new(node(), &mut kept);
    assert_eq!(
        answer(&mut bridge, &[&[0x11, 0, 0, 0, 10][..], &READ].concat()),
        [&[0x11, 0, 0, 0, 8][..], &VALUE].concat()
    );
    let none = [0x11, 0, 0, 0, 1, 0x22];
    // Another node's address, a damaged packet, no packet.
    assert_eq!(answer(&mut bridge, &[0x11, 0, 0, 0, 10, 0, 0, 0, 0, 6, 0x10, 0, 1, 0, 0xE9]), none);
    assert_eq!(answer(&mut bridge, &[0x11, 0, 0, 0, 10, 0, 0, 0, 0, 5, 0x10, 0, 1, 0, 0xEB]), none);
    assert_eq!(answer(&mut bridge, &[0x11, 0, 0, 0, 0]), none);
    assert_eq!(answer(&mut bridge, &[0x77, 0, 0, 0, 0]), [0x77, 0, 0, 0, 1, 0x22]);
    assert!(answer(&mut bridge, &[0x11, 0]).is_empty());
    // Written now, read later, once.
    assert_eq!(answer(&mut bridge, &[0x04, 0, 0, 0, 0]), [0x04, 0, 0, 0, 1, 0x23]);
    for _ in 0..2 {
        assert_eq!(answer(&mut bridge, &[&[0x03, 0, 0, 0, 10][..], &READ].concat()), [0x03, 0, 0, 0, 1, 0x21]);
    }
    assert_eq!(answer(&mut bridge, &[0x04, 0, 0, 0, 0]), [&[0x04, 0, 0, 0, 8][..], &VALUE].concat());
    assert_eq!(answer(&mut bridge, &[0x04, 0, 0, 0, 0]), [0x04, 0, 0, 0, 1, 0x23]);
    // pydrs resets before each read.
    answer(&mut bridge, &[&[0x03, 0, 0, 0, 10][..], &READ].concat());
    assert_eq!(answer(&mut bridge, &[0x12, 0, 0, 0, 0]), [0x12, 0, 0, 0, 1, 0x21]);
    assert_eq!(answer(&mut bridge, &[0x04, 0, 0, 0, 0]), [0x04, 0, 0, 0, 1, 0x23]);
    // Any `tx`: the answer, 22, or nothing.
    for len in 0..32 {
        let mut tx = vec![0; len];
        let (length, ()) = bridge.receive(&[&[0x11, 0, 0, 0, 10][..], &READ].concat(), Peer(0), &mut tx);
        assert!(length <= len, "{length} of {len}");
        match length {
            0 => assert!(len < 6),
            13 => assert_eq!(tx[5..13], VALUE),
            // No room for the value: the node's refusal, or none for that either.
            11 => assert_eq!(tx[5..11], [0x21, 0, 0xE7, 0, 0, 0x19]),
            _ => assert_eq!(tx[..length], none),
        }
    }
}

#[test]
fn both_ends_understand_each_other_in_both_forms_in_pieces_of_any_size() {
    fn talk<H: Head + Form>() {
        let (mut near, mut far, mut kept) = ([0; 64], [0; 64], [0; 16]);
        let mut master = Bridge::<H>::new(&mut near, Duration::from_millis(50));
        let mut wire = Counted::<H>::new(&mut far);
        let mut bridge = Server::<_, H>::new(node(), &mut kept);
        for step in 1..30 {
            let request = encoded(&master, &[5, 0x10, 0, 1, 0], step);
            let mut answers = Vec::new();
            for piece in request.chunks(step) {
                if wire.push(&mut &piece[..]) == Ok(Progress::Message) {
                    answers = answer(&mut bridge, wire.message());
                }
            }
            let mut seen = None;
            for piece in answers.chunks(step) {
                if master.push(&mut &piece[..]) == Ok(Progress::Message) {
                    seen = Some(master.message().to_vec());
                }
            }
            assert_eq!(seen.unwrap(), [0, 0x11, 0, 2, 0x12, 0x34]);
        }
    }
    talk::<WithId>();
    talk::<WithoutId>();
}
