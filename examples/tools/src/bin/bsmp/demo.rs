//! A power supply and two more nodes on a simulated RS-485 bus, and a master that shows what BSMP
//! can do.

use anysmp_tools::outln as println;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::curve::MAX_BLOCKS;
use anysmp::bsmp::function::Execute;
use anysmp::bsmp::group::{self, Members};
use anysmp::bsmp::variable::{self, Op};
use anysmp::bsmp::{Address, Client, Node, Server, Table};
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp_tools::bsmp::bus::Bus;
use anysmp_tools::bsmp::device::{SUPPLY_NAMES, Setup};
use anysmp_tools::failure::Failure;
use anysmp_tools::options::Output;
use anysmp_tools::trace::Trace;

use crate::master::Master;
use crate::show::{hex, show_all};

const BAUD: u32 = 6_000_000;
const SUPPLY: u8 = 5;

pub fn run(json: bool) -> Result<(), Failure> {
    let say = |text: &str| {
        if !json {
            println!("\n{text}");
        }
    };
    let bus = Bus::new(BAUD, 0x5EED);
    for number in [SUPPLY, 6, 7] {
        let (setup, device) = Setup::supply();
        let setup: &'static Setup = Box::leak(Box::new(setup));
        let table: &'static Table<'static> = Box::leak(Box::new(setup.table()));
        let address = Address::node(number).ok_or("not the address of a node")?;
        bus.add(Node::new(Server::new(device, table), address).ok_or("not the address of a node")?);
    }
    bus.set_echo(true);
    bus.set_errors(2e-6);

    let (mut message, mut memory) = (vec![0; 1024], vec![0; Packet::sizes_of(1024).memory()]);
    let framing = Packet::new(&mut message, gap(BAUD)).with_echo(Echo::Master);
    let link = Link::new(bus.port(gap(BAUD)), framing, &mut memory[..]);
    let link = link.map_err(|error| Failure::usage(error.to_string(), ""))?.with_sink(Trace::bsmp(false, true));
    let address = Address::node(SUPPLY).ok_or("not the address of a node")?;
    // These nodes answer within a millisecond or never.
    let client =
        Client::new().with_address(address).with_timeout(Duration::from_millis(2)).with_drain(Duration::from_millis(5));
    let client = client.with_retries(3);
    let mut master = Master::new(link, client, &Output { json, verbose: false, quiet: true, log_file: None });

    say("Three power supplies on a simulated RS-485 bus: 6 Mbit/s, echo, a flipped bit now and then. This is node 5:");
    master.discover(show_all)?;

    say("Its variables:");
    let show = |master: &mut Master<'_, _, _>| -> Result<(), Failure> {
        for (id, name) in (0..).zip(SUPPLY_NAMES) {
            let value = master.value(&variable::Read { id, size: None })?;
            let float = <[u8; 4]>::try_from(&value[..]).map(f32::from_le_bytes).ok();
            if json {
                println!("{}", serde_json::json!({ "id": id, "name": name, "value": hex(&value), "float": float }));
            } else {
                println!(
                    "{id:3}  {name:18} {:10} {}",
                    hex(&value),
                    float.map_or(String::new(), |float| format!("{float:.3}"))
                );
            }
        }
        Ok(())
    };
    show(&mut master)?;

    say("Function 2 takes a set-point of 8 A, function 0 switches the supply on:");
    let former = master.value(&Execute { id: 2, input: &8_f32.to_le_bytes(), output: Some(4) })?;
    master.value(&Execute { id: 0, input: &[], output: Some(0) })?;
    if !json {
        println!("the former set-point was {}", hex(&former));
    }
    show(&mut master)?;

    say("A group of set-point and limit is written as a whole or not at all: 20 A is above the limit of 10 A.");
    let members = Members::of(&[2, 1]).ok_or("no such variables")?;
    master.order(&group::Create { members })?;
    let values = |current: f32, limit: f32| [current.to_le_bytes(), limit.to_le_bytes()].concat();
    match master.order(&group::Write { id: 3, values: &values(20.0, 12.0) }) {
        Err(error) if !json => println!("{error}"),
        _ => {}
    }
    master.order(&group::Write { id: 3, values: &values(9.5, 12.0) })?;
    let values = master.value(&group::Read { id: 3, size: Some(8) })?;
    if !json {
        println!("now {}", hex(&values));
    }

    say("An interlock is set with a binary operation; the supply then refuses to be switched on:");
    master.order(&variable::Combine { id: 6, op: Op::Set, mask: &[0b100] })?;
    match master.value(&Execute { id: 0, input: &[], output: Some(0) }) {
        Err(error) if !json => println!("{error}"),
        _ => {}
    }
    master.order(&variable::Combine { id: 6, op: Op::Clear, mask: &[0b100] })?;

    say("A waveform of 16 KiB goes up, and comes down again:");
    let waveform: Vec<u8> =
        (0..4096_u16).flat_map(|i| (f32::from(i) * std::f32::consts::TAU / 4096.0).sin().to_le_bytes()).collect();
    master.upload(0, 0, &waveform[..])?;
    let mut copy = Vec::new();
    master.download(0, (0, MAX_BLOCKS), |data| copy.extend_from_slice(data))?;
    let (damaged, _) = bus.damage();
    say(&format!(
        "The copy is {}. {damaged} transmissions were damaged, {:.1} ms have passed on the bus.",
        if copy == waveform { "the same" } else { "DIFFERENT" },
        bus.time().as_secs_f64() * 1e3
    ));
    if copy == waveform { Ok(()) } else { Err(Failure::from("the waveform has changed")) }
}
