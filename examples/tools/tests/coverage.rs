//! The coverage table of the README agrees with the crate: every command, the action of a server on
//! it, and the recorded exchanges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};

use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{Error, Group, Op, enumeration, fs, image, os, settings, shell, stat, zephyr};
use anysmp_tools::smp::commands::COMMANDS;

#[path = "../../../tests/kit/hex.rs"]
#[expect(dead_code, unreachable_pub, reason = "the library's tests take the rest of it")]
mod hex;
#[path = "../../../tests/kit/readme.rs"]
#[expect(unreachable_pub, reason = "what the library's tests share")]
mod readme;

use hex::hex;
use readme::table;

/// The programs that the peer tests run; they say themselves whether the table is right about them.
const PEERS: [&str; 5] = ["Zephyr 4.4", "MCUboot", "smpclient", "smpmgr", "mcumgrctl"];

const fn word(op: Op) -> &'static str {
    match op {
        Op::Read | Op::ReadResponse => "read",
        Op::Write | Op::WriteResponse => "write",
    }
}

#[test]
fn every_command_of_the_crate_has_a_row_and_every_row_a_command() {
    let mut commands: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (group, command, name, op) in COMMANDS {
        commands.entry((group.0, *command, *name)).or_default().insert(word(*op));
    }
    // One type for both.
    commands.get_mut(&(0, 0, "echo")).unwrap().insert("read");
    let rows: BTreeMap<_, _> = table().into_iter().map(|(key, row)| (key, row.ops)).collect();
    assert_eq!(rows, commands);
    assert!(table().values().all(|row| row.client));
}

#[test]
fn the_list_of_commands_is_complete() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/smp"))];
    let mut requests = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                requests += std::fs::read_to_string(path).unwrap().matches("\nimpl Request for ").count();
            }
        }
    }
    assert_eq!(requests, COMMANDS.len());
}

struct Device;
impl os::Commands for Device {}
impl image::Commands for Device {}
impl stat::Commands for Device {}
impl settings::Commands for Device {}
impl fs::Commands for Device {}
impl shell::Commands for Device {}
impl zephyr::Commands for Device {}

fn dispatch(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match incoming.group() {
        Group::OS => os::dispatch(&mut Device, incoming, reply),
        Group::IMAGE => image::dispatch(&mut Device, incoming, reply),
        Group::STATISTICS => stat::dispatch(&mut Device, incoming, reply),
        Group::SETTINGS => settings::dispatch(&mut Device, incoming, reply),
        Group::FS => fs::dispatch(&mut Device, incoming, reply),
        Group::SHELL => shell::dispatch(&mut Device, incoming, reply),
        Group::ENUMERATION => enumeration::dispatch(&[], incoming, reply),
        Group::ZEPHYR => zephyr::dispatch(&mut Device, incoming, reply),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}

#[test]
fn a_server_knows_exactly_the_commands_that_the_table_says() {
    let table = table();
    for group in 0..70 {
        for command in 0..=255 {
            for op in [Op::Read, Op::Write] {
                // What is no map is refused by a command that is known, whatever the device
                // implements.
                let (mut tx, request) =
                    ([0; 64], [8 | op as u8, 0, 0, 1, (group >> 8) as u8, group as u8, 1, command, 0x80]);
                let (len, _) = serve(dispatch, AllowAll, &request, &mut tx);
                let known = match Error::find(&tx[8..len]).unwrap() {
                    Some(Error::INVALID) => true,
                    Some(Error::NOT_SUPPORTED) => false,
                    other => panic!("{group} {command} {op:?}: {other:?}"),
                };
                let mut rows = table.iter().filter(|((g, c, _), row)| (*g, *c) == (group, command) && row.server);
                assert_eq!(rows.any(|(_, row)| row.ops.contains(word(op))), known, "{group} {command} {op:?}");
            }
        }
    }
}

#[test]
fn what_the_table_calls_recorded_is_recorded() {
    let mut recorded = BTreeSet::new();
    for line in include_str!("../../../tests/vectors/smp/pairs.jsonl").lines() {
        let pair: serde_json::Value = serde_json::from_str(line).unwrap();
        let request = hex(pair["req"].as_str().unwrap());
        let answer = hex(pair["rsp"].as_str().unwrap());
        if Error::find(&answer[8..]) == Ok(Some(Error::NOT_SUPPORTED)) {
            continue;
        }
        if let [first, _, _, _, high, low, _, command, ..] = request[..] {
            let op = if first & 7 == 0 { "read" } else { "write" };
            recorded.insert((u16::from_be_bytes([high, low]), command, op));
        }
    }
    for ((group, command, name), row) in table() {
        let is = row.ops.iter().any(|op| recorded.contains(&(group, command, *op)));
        assert_eq!(row.tested.contains("recorded exchanges"), is, "{group} {command} {name}");
        assert_eq!(row.tested.contains("own tests"), !is, "{group} {command} {name}");
    }
}

#[test]
fn the_table_names_what_was_tested_against_in_one_order_and_nothing_else() {
    for (key, row) in table() {
        let mut rest: Vec<&str> = row.tested.split(", ").collect();
        assert!(["recorded exchanges", "own tests"].contains(&rest.remove(0)), "{key:?}");
        let in_order: Vec<&str> = PEERS.into_iter().filter(|peer| rest.contains(peer)).collect();
        assert_eq!(rest, in_order, "{key:?}");
    }
}
