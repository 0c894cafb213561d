//! The promises of a BSMP node beyond the golden sessions: limits, buffers, atomic writes,
//! addresses, any bytes.

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::curve::{Curve, Digest};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::node::Nodes;
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Access, Address, Entities, Node, Refusal, Server, Table, TableError};
use anysmp::framing::Framing;
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::Packet;
use anysmp::line::{Buffers, Damage, Serve as _, Service};
use anysmp::port::Ticking;
use serde_json::Value;

use crate::device::{Blocks, Device, Setup};
use crate::kit::damage;
use crate::kit::hex::hex;
use crate::kit::random::Random;

fn ask<E: Entities>(server: &mut Server<'_, E>, request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 1024];
    let length = server.receive(request, &mut tx);
    tx[..length].to_vec()
}

#[test]
fn tables_that_break_a_limit_are_refused() {
    let variable = |size| Table::new(&[Variable { size, writable: true }], &[], &[]).err();
    assert_eq!(
        [0, 1, 128, 129, 255].map(variable),
        [Some(TableError::Variable), None, None, Some(TableError::Variable), Some(TableError::Variable)]
    );
    let curve = |block, blocks| Table::new(&[], &[Curve { block, blocks, writable: true }], &[]).err();
    assert_eq!(curve(65_520, 65_536), None);
    assert_eq!(curve(1, 1), None);
    for (block, blocks) in [(0, 1), (65_521, 1), (1, 0), (1, 65_537)] {
        assert_eq!(curve(block, blocks), Some(TableError::Curve));
    }
    let function = |input, output| Table::new(&[], &[], &[Function { input, output }]).err();
    assert_eq!(function(64, 32), None);
    assert_eq!(function(65, 0), Some(TableError::Function));
    assert_eq!(function(0, 33), Some(TableError::Function));
    let variables = vec![Variable::writable(1); 129];
    let curves = vec![Curve::writable(1, 1); 129];
    let functions = vec![Function { input: 0, output: 0 }; 129];
    assert!(Table::new(&variables[1..], &curves[1..], &functions[1..]).is_ok());
    assert_eq!(Table::new(&variables, &[], &[]), Err(TableError::TooMany));
    assert_eq!(Table::new(&[], &curves, &[]), Err(TableError::TooMany));
    assert_eq!(Table::new(&[], &[], &functions), Err(TableError::TooMany));
}

#[test]
fn a_node_has_the_address_of_a_node() {
    static TABLE: Table<'static> = match Table::new(&[], &[], &[]) {
        Ok(table) => table,
        Err(_) => panic!(),
    };
    for value in 0..=255 {
        assert_eq!(Address::node(value).is_some(), (1..=31).contains(&value));
        assert_eq!(Address::node_or_32(value).is_some(), (1..=32).contains(&value));
        assert_eq!(Address::multicast(value).is_some(), (248..=254).contains(&value));
    }
    let node = |address| Node::new(Server::new(Device::default(), &TABLE), address);
    assert!(node(Address::MASTER).is_none());
    assert!(node(Address::BROADCAST).is_none());
    assert!(node(Address::multicast(248).unwrap()).is_none());
    assert!(node(Address::node_or_32(32).unwrap()).is_some());
}

#[test]
fn only_own_joined_and_broadcast_packets_are_executed_and_only_own_ones_answered() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    for joined in [None, Some(248), Some(251), Some(254)] {
        let mut node = Node::new(Server::new(device.clone(), &table), Address::node(5).unwrap()).unwrap();
        if let Some(group) = joined {
            node = node.with_group(Address::multicast(group).unwrap()).with_group(Address::node(3).unwrap());
        }
        for to in 0..=255 {
            node.server().entities().events.clear();
            let mut tx = [0xAA; 16];
            let length = node.receive(&[to, 0x20, 0, 2, 0, to], &mut tx);
            let executed = to == 5 || to == 255 || Some(to) == joined;
            assert_eq!(node.server().entities().events.len(), usize::from(executed), "to {to}, joined {joined:?}");
            assert_eq!(&tx[..length], if to == 5 { &[0, 0xE0, 0, 0][..] } else { &[] });
        }
    }
}

#[test]
fn the_revision_identifies_the_implementation() {
    let table = Table::new(&[], &[], &[]).unwrap().with_revision(7);
    let (_, device) = Setup::main();
    let mut server = Server::new(device, &table);
    assert_eq!(ask(&mut server, &[0, 0, 0]), [1, 0, 3, 2, 30, 7]);
}

#[test]
fn several_nodes_behind_one_port_answer_each_for_itself_and_never_together() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    let mut nodes = [3, 7, 8, 31].map(|number| {
        let mut device = device.clone();
        device.values[0] = vec![number];
        let node = Node::new(Server::new(device, &table), Address::node(number).unwrap()).unwrap();
        if number > 7 { node.with_group(Address::multicast(250).unwrap()) } else { node }
    });
    let mut nodes = Nodes::new(&mut nodes);
    let mut tx = [0; 64];
    for number in 0..=32 {
        let len = nodes.receive(&[number, 0x10, 0, 1, 0], &mut tx);
        let is_ours = [3, 7, 8, 31].contains(&number);
        assert_eq!(tx[..len], [0, 0x11, 0, 1, number][..if is_ours { 5 } else { 0 }]);
    }
    for (to, executed) in [(250, [3, 7, 9, 9]), (251, [3, 7, 9, 9]), (255, [9, 9, 9, 9])] {
        assert_eq!(nodes.receive(&[to, 0x20, 0, 2, 0, 9], &mut tx), 0);
        let values: Vec<u8> = nodes.nodes().iter_mut().map(|node| node.server().entities().values[0][0]).collect();
        assert_eq!(values, executed);
    }
}

fn requests() -> Vec<(String, Vec<u8>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/bsmp/bsmp.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut requests = Vec::new();
    for session in file["sessions"].as_array().unwrap().iter().filter(|session| session["setup"] == "main") {
        for step in session["steps"].as_array().unwrap() {
            let text = step["request"].as_str().unwrap();
            requests.push((step["n"].to_string(), hex(text)));
        }
    }
    requests
}

#[test]
fn an_answer_that_does_not_fit_is_insufficient_memory_and_changes_nothing() {
    let (setup, fresh) = Setup::main();
    let table = setup.table();
    for (n, request) in requests() {
        // The 4 GiB curve takes its time.
        if request.starts_with(&[0x42]) && request.last() == Some(&6) {
            continue;
        }
        let mut full = vec![0; 66_000];
        let length = Server::new(fresh.clone(), &table).receive(&request, &mut full);
        for room in (0..length.min(40)).chain([length.saturating_sub(1), length]) {
            let mut server = Server::new(fresh.clone(), &table);
            let mut tx = vec![0xAA; room + 8];
            let written = server.receive(&request, &mut tx[..room]);
            assert!(tx[room..].iter().all(|byte| *byte == 0xAA));
            match written {
                0 => assert!(room < 3, "step {n}"),
                _ if tx[0] == 0xE7 => {
                    assert_eq!((written, server.entities().events.len()), (3, 0), "step {n}, room {room}");
                    assert_eq!(server.entities().values, fresh.values);
                    assert_eq!(server.entities().checksums, fresh.checksums);
                }
                _ => assert_eq!((written, &tx[..written]), (length, &full[..length]), "step {n}, room {room}"),
            }
            if room < 3 {
                assert_eq!(written, 0);
                assert!(server.entities().events.is_empty());
            }
        }
    }
}

#[test]
fn a_group_write_stores_all_values_or_none() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    let mut server = Server::new(device, &table);
    assert_eq!(ask(&mut server, &[0x30, 0, 3, 0, 6, 7]), [0xE0, 0, 0]);
    let before = server.entities().values.clone();
    for values in [[1, 5, 0, 2], [1, 50, 0, 3], [1, 5, 0, 3]] {
        assert_eq!(ask(&mut server, &[&[0x22, 0, 5, 3][..], &values].concat()), [0xE4, 0, 0]);
        assert_eq!(server.entities().values, before);
        assert!(server.entities().events.is_empty());
    }
    assert_eq!(ask(&mut server, &[0x22, 0, 5, 3, 1, 50, 0, 2]), [0xE0, 0, 0]);
    assert_eq!(ask(&mut server, &[0x12, 0, 1, 3]), [0x13, 0, 4, 1, 50, 0, 2]);
    assert_eq!(server.entities().events, ["W[0,6,7]", "R[0,6,7]"]);
}

/// One variable whose reads and writes can be refused apart, and that notes what it was asked.
#[derive(Default)]
struct Moody {
    refuses: Option<Access>,
    value: u8,
    length: usize,
    error: u8,
}

impl Entities for Moody {
    fn read(&mut self, _: u8, value: &mut [u8]) {
        value.fill(self.value);
    }

    fn write(&mut self, _: u8, value: &[u8]) {
        self.value = value[0];
    }

    fn is_busy(&mut self, access: Access, _: &Members) -> bool {
        self.refuses == Some(access)
    }

    fn read_block(&mut self, _: u8, _: u16, _: &mut [u8]) -> Result<usize, Refusal> {
        Ok(self.length)
    }

    fn execute(&mut self, _: u8, _: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        assert!(output.iter().all(|byte| *byte == 0));
        NonZeroU8::new(self.error).map_or(Ok(()), Err)
    }
}

const MOODY: Table<'static> = match Table::new(
    &[Variable::writable(1)],
    &[Curve::writable(4, 2)],
    &[Function { input: 0, output: 4 }, Function { input: 0, output: 0 }],
) {
    Ok(table) => table,
    Err(_) => panic!(),
};

#[test]
fn a_busy_device_refuses_before_anything_is_changed() {
    let mut server = Server::new(Moody::default(), &MOODY);
    server.entities().refuses = Some(Access::Read);
    // The write half of a write-and-read must not happen either.
    for request in [&[0x10, 0, 1, 0][..], &[0x12, 0, 1, 0], &[0x28, 0, 3, 0, 0, 9]] {
        assert_eq!(ask(&mut server, request), [0xE8, 0, 0]);
        assert_eq!(server.entities().value, 0);
    }
    assert_eq!(ask(&mut server, &[0x20, 0, 2, 0, 7]), [0xE0, 0, 0]);
    server.entities().refuses = Some(Access::Write);
    let writes = [
        &[0x20, 0, 2, 0, 9][..],
        &[0x22, 0, 2, 2, 9],
        &[0x24, 0, 3, 0, b'T', 9],
        &[0x26, 0, 3, 2, b'T', 9],
        &[0x28, 0, 3, 0, 0, 9],
    ];
    for request in writes {
        assert_eq!(ask(&mut server, request), [0xE8, 0, 0]);
        assert_eq!(server.entities().value, 7);
    }
    assert_eq!(ask(&mut server, &[0x10, 0, 1, 0]), [0x11, 0, 1, 7]);
}

#[test]
fn what_a_device_does_not_have_is_refused_by_default() {
    let mut server = Server::new(Moody::default(), &MOODY);
    assert_eq!(ask(&mut server, &[0x41, 0, 4, 0, 0, 0, 1]), [0xE8, 0, 0]);
    assert_eq!(ask(&mut server, &[0x42, 0, 1, 0]), [0xE2, 0, 0]);
    assert_eq!(ask(&mut server, &[0x0A, 0, 1, 0])[3..], [0; 16]);
    assert_eq!(ask(&mut server, &[0x40, 0, 3, 0, 0, 0]), [0x41, 0, 3, 0, 0, 0]);
    // A device that counts wrong is as good as a busy one.
    for length in [5, 70_000, usize::MAX] {
        server.entities().length = length;
        assert_eq!(ask(&mut server, &[0x40, 0, 3, 0, 0, 0]), [0xE8, 0, 0]);
    }
}

#[test]
fn the_output_of_a_function_never_shows_an_earlier_answer() {
    let mut server = Server::new(Moody::default(), &MOODY);
    let mut tx = [0xAA; 16];
    assert_eq!(server.receive(&[0x50, 0, 1, 0], &mut tx), 7);
    assert_eq!(tx[..7], [0x51, 0, 4, 0, 0, 0, 0]);
    server.entities().error = 7;
    for function in [0, 1] {
        assert_eq!(ask(&mut server, &[0x50, 0, 1, function]), [0x53, 0, 1, 7]);
    }
}

#[test]
fn group_ids_start_again_after_all_were_removed_and_failures_leave_no_trace() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    let mut server = Server::new(device, &table);
    for round in 0..3 {
        for id in 3..8 {
            for bad in
                [&[0x30, 0, 0][..], &[0x30, 0, 2, 1, 1], &[0x30, 0, 2, 2, 1], &[0x30, 0, 1, 9], &[0x30, 0, 2, 0, 200]]
            {
                assert!(ask(&mut server, bad)[0] > 0xE0);
            }
            assert_eq!(ask(&mut server, &[0x30, 0, 1, id]), [0xE0, 0, 0], "round {round}");
            assert_eq!(ask(&mut server, &[0x06, 0, 1, id]), [0x07, 0, 1, id]);
            assert_eq!(ask(&mut server, &[0x06, 0, 1, id + 1]), [0xE3, 0, 0]);
        }
        assert_eq!(ask(&mut server, &[0x30, 0, 1, 0]), [0xE7, 0, 0]);
        assert_eq!(ask(&mut server, &[0x32, 0, 0]), [0xE0, 0, 0]);
    }
}

#[test]
fn a_failed_block_keeps_the_checksum_and_a_stored_one_forgets_it() {
    let (setup, device) = Setup::main();
    let table = setup.table();
    let mut server = Server::new(device, &table);
    let known: Digest = ask(&mut server, &[0x42, 0, 1, 0])[3..].try_into().unwrap();
    assert_ne!(known, [0; 16]);
    for failing in
        [&[0x41, 0, 4, 0, 0, 4, 1][..], &[&[0x41, 0, 20, 0, 0, 0][..], &[0; 17]].concat(), &[0x41, 0, 2, 0, 0]]
    {
        assert!(ask(&mut server, failing)[0] > 0xE0);
        assert_eq!(server.entities().checksums[0], known);
    }
    server.entities().blocks[0] = Blocks::Busy;
    assert_eq!(ask(&mut server, &[0x41, 0, 4, 0, 0, 0, 1]), [0xE8, 0, 0]);
    assert_eq!(server.entities().checksums[0], known);
    server.entities().blocks[0] = Blocks::Stored(vec![vec![]; 4]);
    assert_eq!(ask(&mut server, &[0x41, 0, 4, 0, 0, 0, 1]), [0xE0, 0, 0]);
    assert_eq!(server.entities().checksums[0], [0; 16]);
}

#[test]
fn a_request_that_the_framing_dropped_is_answered_except_on_a_bus() {
    let mut server = Server::new(Moody::default(), &MOODY);
    let mut tx = [0; 8];
    assert_eq!(server.damaged(Damage::TooLong, &mut tx), 3);
    assert_eq!(tx[..3], [0xE7, 0, 0]);
    assert_eq!(server.damaged(Damage::Lost, &mut tx), 3);
    assert_eq!(tx[..3], [0xE1, 0, 0]);
    assert_eq!(server.damaged(Damage::Lost, &mut tx[..2]), 0);
    let mut node = Node::new(server, Address::node(1).unwrap()).unwrap();
    for damage in [Damage::TooLong, Damage::Checksum] {
        assert_eq!(node.damaged(damage, &mut tx), 0);
    }
}

#[test]
fn any_bytes_get_one_well_formed_answer() {
    let (setup, mut device) = Setup::main();
    device.blocks[6] = Blocks::Empty; // 4 GiB would take too long
    let table = setup.table();
    let mut server = Server::new(device, &table);
    let good: Vec<_> = requests().into_iter().map(|(_, request)| request).collect();
    let mut numbers = Random::new(0x5EED_0004);
    let mut random = move || numbers.next();
    for round in 0..200_000 {
        let mut request = good[random() as usize % good.len()].clone();
        if random() % 4 == 0 {
            request = (0..random() % 24).map(|_| random() as u8).collect();
        }
        if let Some(byte) = request.get_mut(random() as usize % 12) {
            *byte = random() as u8;
        }
        if random() % 2 == 0 && request.len() >= 3 {
            let length = (request.len() - 3) as u16;
            request[1..3].copy_from_slice(&length.to_be_bytes());
        }
        let mut tx = [0; 700];
        let room = if random() % 4 == 0 { random() as usize % 700 } else { 700 };
        let length = server.receive(&request, &mut tx[..room]);
        if room < 3 {
            assert_eq!(length, 0);
            continue;
        }
        assert!(length >= 3 && length <= room, "round {round}: {request:02x?}");
        assert_eq!(usize::from(u16::from_be_bytes([tx[1], tx[2]])), length - 3, "round {round}: {request:02x?}");
        let expected = match tx[0] {
            0xE0..=0xE8 | 0x41 | 0x53 => true,
            code => code & 1 == 1 && code < 0x54,
        };
        assert!(expected, "round {round}: {request:02x?}");
    }
}

#[test]
fn a_golden_request_damaged_anywhere_gets_one_answer_and_costs_only_itself() {
    let (setup, mut device) = Setup::main();
    device.blocks[6] = Blocks::Empty; // 4 GiB would take too long
    let table = setup.table();
    let mut server = Server::new(device, &table);
    let version = ask(&mut server, &[0, 0, 0]);
    let requests: BTreeSet<_> = requests().into_iter().map(|(_, request)| request).collect();
    let mut count = 0;
    for request in requests.iter().filter(|request| request.len() <= 64) {
        count += damage::each(request, |damaged| {
            let answer = ask(&mut server, damaged);
            let size = answer.get(1..3).map(|size| usize::from(u16::from_be_bytes([size[0], size[1]])));
            assert_eq!(size, Some(answer.len() - 3), "{damaged:02x?} got {answer:02x?}");
            let has_its_size =
                damaged.len() >= 3 && usize::from(u16::from_be_bytes([damaged[1], damaged[2]])) == damaged.len() - 3;
            assert!(has_its_size || answer == [0xE1, 0, 0], "{damaged:02x?} got {answer:02x?}");
        });
        for room in 0..48 {
            let mut tx = [0; 48];
            let len = server.receive(request, &mut tx[..room]);
            assert!(len <= room, "{request:02x?} in {room} bytes");
        }
        assert_eq!(ask(&mut server, &[0, 0, 0]), version);
    }
    assert!(count > 100_000, "{count}");
}

#[test]
fn a_server_takes_less_than_128_bytes_beside_the_device() {
    assert!(size_of::<Node<'static, ()>>() <= 128, "{}", size_of::<Node<'static, ()>>());
}

/// A TCP connection as a script: what arrives, and what was sent.
struct Script<'s> {
    arrives: &'s [u8],
    sent: &'s mut Vec<u8>,
}

impl embedded_io::ErrorType for Script<'_> {
    type Error = std::io::Error;
}

impl embedded_io::Read for Script<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match std::io::Read::read(&mut self.arrives, buf)? {
            0 => Err(std::io::ErrorKind::TimedOut.into()),
            length => Ok(length),
        }
    }
}

impl embedded_io::Write for Script<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(self.sent, buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn serve_all<F: Framing>(service: &mut impl Service, framing: F, arrives: &[u8], ticks: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut memory = [0; 512 + 513 + 7];
    let port = Ticking::new(Script { arrives, sent: &mut sent }, Duration::from_millis(100));
    let mut link = Link::new(port, framing, Buffers::split(&mut memory).with_tx(512).with_out(513)).unwrap();
    for _ in 0..ticks {
        link.serve(service).unwrap();
    }
    sent
}

#[test]
fn over_tcp_requests_back_to_back_are_answered_and_bad_ones_too() {
    let mut server = Server::new(Moody::default(), &MOODY);
    let mut buffer = [0; 16];
    let requests = [0x20, 0, 2, 0, 7, 0x10, 0, 1, 0, 0x99, 0, 0, 0, 0, 1, 0];
    let answers = serve_all(&mut server, Counted::<Head3>::new(&mut buffer), &requests, 10);
    assert_eq!(answers, [0xE0, 0, 0, 0x11, 0, 1, 7, 0xE2, 0, 0, 0xE5, 0, 0]);
    // Longer than the buffer: refused at once; the line is listened to again after silence.
    let answers = serve_all(&mut server, Counted::<Head3>::new(&mut buffer), &[0x10, 0, 14, 0, 0], 10);
    assert_eq!(answers, [0xE7, 0, 0]);
    // The rest never arrives.
    let answers = serve_all(&mut server, Counted::<Head3>::new(&mut buffer), &[0x10, 0, 2, 0], 40);
    assert_eq!(answers, [0xE1, 0, 0]);
}

#[test]
fn packets_over_tcp_need_no_silence() {
    let mut node = Node::new(Server::new(Moody::default(), &MOODY), Address::node(1).unwrap()).unwrap();
    let mut buffer = [0; 16];
    let requests =
        [1, 0x20, 0, 2, 0, 7, 0xD6, 1, 0x10, 0, 1, 0, 0xEE, 2, 0x10, 0, 1, 0, 0xED, 255, 0x20, 0, 2, 0, 9, 0xD6];
    let framing = Packet::new(&mut buffer, Duration::from_millis(100)).with_stream_carrier();
    let answers = serve_all(&mut node, framing, &requests, 10);
    assert_eq!(answers, [0, 0xE0, 0, 0, 0x20, 0, 0x11, 0, 1, 7, 0xE7]);
    assert_eq!(node.server().entities().value, 9);
}

#[test]
fn a_datagram_is_a_request() {
    let mut server = Server::new(Moody::default(), &MOODY);
    let mut buffer = [0; 16];
    for (datagram, answer) in [
        (&[0x10, 0, 1, 0][..], &[0x11, 0, 1, 0][..]),
        (&[0x10, 0], &[0xE1, 0, 0]),
        (&[0x10, 0, 1, 0, 0], &[0xE1, 0, 0]),
    ] {
        let mut sent = Vec::new();
        let mut memory = [0; Datagram::sizes_of(16).memory()];
        let port = Ticking::new(Script { arrives: datagram, sent: &mut sent }, Duration::from_millis(1));
        let mut link = Link::new(port, Datagram::new(&mut buffer), &mut memory).unwrap();
        link.serve(&mut server).unwrap();
        assert_eq!(sent, answer);
    }
}

/// A device that has to restart, as a flag says.
#[derive(Default)]
struct Restarting {
    is_due: bool,
}

impl Entities for Restarting {
    fn read(&mut self, _: u8, _: &mut [u8]) {}

    fn execute(&mut self, _: u8, _: &[u8], _: &mut [u8]) -> Result<(), NonZeroU8> {
        self.is_due = true;
        Ok(())
    }
}

#[test]
fn a_function_that_restarts_the_device_is_answered_before_the_loop_acts_on_it() {
    static FUNCTIONS: [Function; 1] = [Function { input: 0, output: 0 }];
    let table = Table::new(&[], &[], &FUNCTIONS).unwrap();
    let mut server = Server::new(Restarting::default(), &table);
    let (mut sent, mut buffer) = (Vec::new(), [0; 16]);
    let mut memory = [0; Counted::<Head3>::sizes_of(16).memory()];
    let request = [0x50, 0, 1, 0];
    let port = Ticking::new(Script { arrives: &request, sent: &mut sent }, Duration::from_millis(1));
    let mut link = Link::new(port, Counted::<Head3>::new(&mut buffer), &mut memory).unwrap();
    // As a firmware has it, which would restart behind the loop.
    let mut rounds = 0;
    while !server.entities().is_due {
        link.serve(&mut server).unwrap();
        rounds += 1;
        assert!(rounds < 10, "the function never ran");
    }
    assert_eq!(sent, [0x51, 0, 0], "the answer has left");
}
