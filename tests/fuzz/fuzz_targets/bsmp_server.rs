//! Any bytes as messages to one node: one answer each, well-formed and to the right request; a
//! refused request changes nothing; our own client can read every answer; and the version is
//! reported afterwards.
//!
//! Input: a choice, then messages, each preceded by its address (0 and 1: ours, 2: everybody, 3:
//! another) and its length in one byte each.
#![no_main]

#[path = "../../../examples/tools/src/bsmp/device.rs"]
mod bsmp_device;

use std::sync::LazyLock;

use anysmp::bsmp::{Address, Client, Command, Header, Node, QueryVersion, Refusal, Request, Server, Version};
use anysmp::bsmp::{curve, function, group, variable};
use bsmp_device::{Blocks, Device, Setup};
use libfuzzer_sys::fuzz_target;

/// Small curves, as all of them is compared after each message.
static SETUP: LazyLock<(Setup, Device)> = LazyLock::new(|| {
    let (mut setup, mut device) = Setup::main();
    setup.curves = vec![curve::Curve::writable(16, 4), curve::Curve::read_only(8, 3)];
    device.blocks = vec![Blocks::Stored(vec![vec![7; 16]; 4]), Blocks::Stored(vec![vec![9; 8]; 3])];
    (setup, device)
});

/// What a client could read of the device: all values and all blocks.
fn contents(device: &Device) -> (Vec<Vec<u8>>, Vec<Vec<Vec<u8>>>) {
    let blocks = device.blocks.iter().map(|blocks| match blocks {
        Blocks::Stored(blocks) => blocks.clone(),
        _ => Vec::new(),
    });
    (device.values.clone(), blocks.collect())
}

/// An answer without its address.
fn check(request: &[u8], answer: &[u8], setup: &Setup) -> Result<(), Refusal> {
    let (header, payload) = Header::parse(answer).expect("the length is right");
    assert_eq!(usize::from(header.len), payload.len());
    if let Some(refusal) = Refusal::from_code(header.command.0) {
        assert!(payload.is_empty());
        return Err(refusal);
    }
    assert!(header.command.name().is_some());
    let (asked, sent) = Header::parse(request).expect("what is malformed is refused");
    let id = sent.first().copied().unwrap_or(0);
    let client = Client::new();
    /// Our own client reads the answer to this request.
    fn read<R: Request>(client: &Client, request: &R, answer: &[u8]) {
        let (_, pending) = client.request(request, &mut [0; 300]).expect("there is room");
        assert!(pending.accepts(answer) && pending.decode(answer).is_ok());
    }
    match asked.command {
        Command::QUERY_VERSION => read(&client, &QueryVersion, answer),
        Command::LIST_VARIABLES => read(&client, &variable::List, answer),
        Command::LIST_GROUPS => read(&client, &group::List, answer),
        Command::LIST_CURVES => read(&client, &curve::List, answer),
        Command::LIST_FUNCTIONS => read(&client, &function::List { layout: function::Layout::Bytes }, answer),
        Command::QUERY_GROUP => read(&client, &group::Query { id }, answer),
        Command::READ_VARIABLE => {
            let size = Some(setup.variables[usize::from(id)].size);
            read(&client, &variable::Read { id, size }, answer);
        }
        Command::READ_GROUP => read(&client, &group::Read { id, size: None }, answer),
        Command::QUERY_CHECKSUM => read(&client, &curve::QueryChecksum { id }, answer),
        Command::READ_BLOCK => {
            let block = u16::from_be_bytes([sent[1], sent[2]]);
            read(&client, &curve::ReadBlock { id, block, limit: setup.curves[usize::from(id)].block }, answer);
        }
        _ => {}
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut input)) = input.split_first() else { return };
    let room = if choice & 1 == 0 { 300 } else { usize::from(choice >> 2) };
    let (setup, device) = &*SETUP;
    let mut device = device.clone();
    device.counting = choice & 2 != 0;
    let table = setup.table();
    let (ours, many, other) = (Address::node(5).unwrap(), 255, 6);
    let mut node = Node::new(Server::new(device, &table), ours).unwrap();
    let mut tx = [0; 300];
    let mut before = contents(node.server().entities());
    while let [to, len, rest @ ..] = input {
        let (message, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        let to = [ours.value(), ours.value(), many, other][usize::from(to & 3)];
        let len = node.receive(&[&[to], message].concat(), &mut tx[..room]);
        let after = contents(node.server().entities());
        let unanswered = to != ours.value() || room < 4;
        assert_eq!(len == 0, unanswered);
        match tx[..len].split_first() {
            Some((to, answer)) => {
                assert_eq!(*to, 0);
                if check(message, answer, setup).is_err() {
                    assert!(before == after, "refused, and done all the same");
                }
            }
            // What is for everybody needs room for a header, though nobody is answered.
            None if to == other || room < 3 + usize::from(to == ours.value()) => {
                assert!(before == after, "not for us, or without room for an answer");
            }
            None => {}
        }
        // Sizes are those of the table.
        let sizes = |values: &[Vec<u8>]| values.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&before.0), sizes(&after.0));
        before = after;
    }
    let len = node.receive(&[5, 0, 0, 0], &mut tx);
    let (_, pending) = Client::new().with_address(ours).request(&QueryVersion, &mut [0; 8]).expect("there is room");
    assert_eq!(pending.decode(&tx[..len]), Ok(Version::V2_30));
});
