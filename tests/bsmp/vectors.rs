//! Golden BSMP messages: every session, packet, document example and client transcript of every
//! file in `tests/vectors/bsmp/`.

use std::path::Path;

use anysmp::bsmp::{Address, Node, Server};
use anysmp::checksum::Sum;
use anysmp::framing::packet::{Packet, gap};
use anysmp::framing::{Encoder, Framing, Progress};
use serde_json::Value;

use crate::device::{Device, Setup};
use crate::kit::hex::hex;

fn files() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/bsmp");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], |list| list)
}

/// The simulated device of a setup, checked against the description in the file.
fn setup(file: &Value, name: &str) -> (Setup, Device) {
    let (setup, mut device) = match name {
        "main" | "hook" | "hookbusy" => Setup::main(),
        "empty" => Setup::zeroed(&[], true),
        "rwonly" => Setup::zeroed(&[1, 2, 1], true),
        "roonly" => Setup::zeroed(&[1, 2], false),
        "rw128" => Setup::uniform(128, 1, true),
        "ro128" => Setup::uniform(128, 1, false),
        "rw128x128" => Setup::uniform(128, 128, true),
        other => panic!("a setup without a device: {other}"),
    };
    device.counting = name == "hook";
    device.busy = name == "hookbusy";
    let described = &file["setups"][name];
    assert_eq!(list(described, "variables").len(), setup.variables.len());
    for (id, variable) in list(described, "variables").iter().enumerate() {
        assert_eq!(variable["size"], setup.variables[id].size);
        assert_eq!(variable["writable"], setup.variables[id].writable);
        assert_eq!(hex(variable["initial"].as_str().unwrap()), device.values[id], "{name} variable {id}");
    }
    for (id, curve) in list(described, "curves").iter().enumerate() {
        assert_eq!(curve["block_size"], setup.curves[id].block);
        assert_eq!(curve["blocks"], setup.curves[id].blocks);
        assert_eq!(curve["writable"], setup.curves[id].writable);
    }
    for (id, function) in list(described, "functions").iter().enumerate() {
        assert_eq!(function["input"], setup.functions[id].input);
        assert_eq!(function["output"], setup.functions[id].output);
    }
    (setup, device)
}

fn md5(bytes: &[u8]) -> String {
    use anysmp::bsmp::curve::{Checksum, Md5};
    let mut md5 = Md5::default();
    md5.update(bytes);
    md5.digest().unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request(session: &str, step: &Value) -> Vec<u8> {
    if let Some(request) = step["request"].as_str() {
        return hex(request);
    }
    // The one request that is too long to be printed: every byte of variable id is id xor ff.
    assert_eq!(session, "128x128");
    let mut request = vec![0x22, 0x40, 0x01, 0x02];
    request.extend((0..128_u8).flat_map(|id| [id ^ 0xFF; 128]));
    assert_eq!(request.len(), step["request_len"].as_u64().unwrap() as usize);
    assert_eq!(md5(&request), step["request_md5"]);
    request
}

#[test]
fn every_step_of_every_session_is_answered_byte_for_byte() {
    let mut tx = vec![0; 66_000];
    for file in files() {
        for session in list(&file, "sessions") {
            let name = session["session"].as_str().unwrap();
            let (setup, device) = setup(&file, session["setup"].as_str().unwrap());
            let table = setup.table();
            let mut server = Server::new(device, &table);
            for step in list(session, "steps") {
                let n = &step["n"];
                server.entities().events.clear();
                let length = server.receive(&request(name, step), &mut tx);
                let answer = &tx[..length];
                let expected = step.get("recommended_response").or(step.get("response"));
                match expected.and_then(Value::as_str) {
                    Some(expected) => assert_eq!(answer, hex(expected), "{name} step {n}: {}", step["note"]),
                    None => {
                        assert_eq!(answer.len(), step["response_len"].as_u64().unwrap() as usize, "{name} step {n}");
                        assert_eq!(md5(answer), step["response_md5"], "{name} step {n}");
                        assert!(answer.starts_with(&hex(step["response_head"].as_str().unwrap())));
                    }
                }
                if let Some(hook) = step["hook"].as_str() {
                    // Refused requests do not reach the device: neither a busy one, nor a group
                    // write with a bad value.
                    let expected = if answer[0] > 0xE0 { "" } else { hook };
                    assert_eq!(server.entities().events.join(" "), expected, "{name} step {n}");
                }
            }
        }
    }
}

#[test]
fn every_packet_is_treated_as_the_transport_section_says() {
    for file in files() {
        let transport = &file["transport"];
        let (setup, device) = setup(&file, "main");
        let table = setup.table();
        let address = Address::node(transport["node_address"].as_u64().unwrap() as u8).unwrap();
        let mut node =
            Node::new(Server::new(device, &table), address).unwrap().with_group(Address::multicast(250).unwrap());
        let (mut buffer, mut tx) = ([0; 512], [0; 512]);
        let gap = gap(1_000_000);
        let mut framing = Packet::new(&mut buffer, gap);
        for step in list(transport, "steps") {
            let n = &step["n"];
            let packet = hex(step["packet"].as_str().unwrap());
            assert_eq!(framing.push(&mut &packet[..]), Ok(Progress::More));
            let before = node.server().entities().events.len();
            let mut length = 0;
            let arrived = framing.idle(gap);
            if arrived == Ok(Progress::Message) {
                length = node.receive(framing.message(), &mut tx);
            }
            let events = node.server().entities().events.len() - before;
            match step["action"].as_str().unwrap() {
                "execute and answer" => {
                    assert_eq!(packed(&framing, &tx[..length]), hex(step["answer"].as_str().unwrap()), "step {n}");
                }
                "execute silently" => {
                    assert_eq!(length, 0, "step {n}");
                    let suppressed = hex(step["suppressed_message"].as_str().unwrap());
                    assert!(tx.starts_with(&suppressed), "step {n}");
                    assert_eq!(events, usize::from(suppressed[0] <= 0xE0), "step {n}");
                }
                "ignore" => {
                    assert_eq!((length, events), (0, 0), "step {n}");
                    if step["why"] == "checksum" {
                        assert!(arrived.is_err(), "step {n}");
                    }
                }
                other => panic!("an unknown action: {other}"),
            }
        }
        for known in list(transport, "known_packets_from_siriuspy_tests") {
            let mut message = vec![known["address"].as_u64().unwrap() as u8];
            message.extend(hex(known["message"].as_str().unwrap()));
            let packet = hex(known["packet"].as_str().unwrap());
            assert_eq!(packed(&framing, &message), packet);
            assert_eq!(Sum::of(&packet), 0);
            framing.push(&mut &packet[..]).unwrap();
            assert_eq!(framing.idle(gap), Ok(Progress::Message));
            assert_eq!(framing.message(), message);
        }
    }
}

fn packed(framing: &Packet<'_>, message: &[u8]) -> Vec<u8> {
    let mut encoder = framing.encode(message).unwrap();
    let mut packet = Vec::new();
    let mut out = [0; 7];
    loop {
        match encoder.next(message, &mut out) {
            0 => return packet,
            length => packet.extend(&out[..length]),
        }
    }
}
