//! `smp decode` reads every golden vector and every recorded exchange of the three protocols, in
//! each form of a capture, and reports where damage begins; `smp sniff` does it live.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A run of `smp`, with bytes as its input.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn decode(words: &str, input: &[u8]) -> Run {
    let mut process = Command::new(env!("CARGO_BIN_EXE_smp"))
        .args(["decode", "-"])
        .args(words.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = process.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The objects that `--json` prints, without the result.
fn objects(words: &str, input: &[u8]) -> (i32, Vec<Value>) {
    let run = decode(&format!("{words} --json"), input);
    let mut objects: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    objects.retain(|object| object.get("exit").is_none() && object.get("skipped").is_none());
    (run.code, objects)
}

fn messages(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["message"].as_str()).collect()
}

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_golden_message_of_smp_is_decoded_bare_and_in_its_framing() {
    let file = vectors("smp/messages.json");
    let expected = texts(&file["vectors"], "message");
    let (code, found) = objects("", expected.join("\n").as_bytes());
    assert_eq!((code, messages(&found)), (0, expected));
    assert!(found.iter().all(|object| object["name"].is_string() && object["seq"].is_u64()), "{found:?}");
    for (name, list) in [("console", "vectors"), ("cobs", "vectors"), ("layouts", "layouts")] {
        let file = vectors(&format!("smp/{name}.json"));
        let (expected, wires) = (texts(&file[list], "message"), texts(&file[list], "wire"));
        // In hex, and as bytes without any border between the frames.
        let (_, in_hex) = objects("", wires.join("\n").as_bytes());
        assert_eq!(messages(&in_hex), expected, "{name}");
        let (_, plain) = objects("", &bytes(&wires.concat()));
        assert_eq!(messages(&plain), expected, "{name}");
        let frame = if name == "cobs" { "cobs" } else { "console" };
        assert!(plain.iter().all(|object| object["frame"] == frame && object.get("damage").is_none()), "{name}");
    }
}

#[test]
fn every_recorded_exchange_of_smp_is_decoded_with_names_and_errors() {
    let path = format!("{}/../../tests/vectors/smp/pairs.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut captures: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let name = format!("{} {}", pair["server"], pair["framing"]);
        let (capture, expected) = captures.entry(name).or_default();
        for (arrow, message, wire) in [("->", "req", "req_wire"), ("<-", "rsp", "rsp_wire")] {
            let message = pair[message].as_str().unwrap();
            match pair[wire].as_array() {
                Some(lines) => {
                    lines.iter().for_each(|line| *capture += &format!("{arrow} {}\n", line.as_str().unwrap()))
                }
                None => *capture += &format!("{arrow} {message}\n"),
            }
            expected.push(message.to_owned());
        }
    }
    let mut count = 0;
    for (name, (capture, expected)) in captures {
        // Datagrams are whole, even those that are no message.
        let (code, found) = objects(if name.contains("udp") { "--frames message" } else { "" }, capture.as_bytes());
        assert_eq!(messages(&found), expected, "{name}");
        for object in &found {
            let message = bytes(object["message"].as_str().unwrap());
            if let Some(flaw) = object["flaw"].as_str() {
                // Some requests were wrong on purpose.
                assert!(message[0] & 1 == 0, "{object}");
                assert!(flaw.contains("not SMP") || flaw.contains("payload"), "{object}");
                continue;
            }
            let group = u64::from(u16::from_be_bytes([message[4], message[5]]));
            assert_eq!((&object["group"], &object["command"]), (&group.into(), &message[7].into()), "{object}");
            let named = object["name"].is_string() || group >= 64;
            if (group, message[7]) == (8, 0) {
                assert_eq!(object["name"], if message[0] & 2 == 0 { "download" } else { "upload" }, "{object}");
            }
            // What has no name is refused, unless it is a request.
            assert!(named || object["direction"] == "request" || object["error"].is_string(), "{object}");
            let refused =
                object["payload"]["err"]["rc"].as_i64().or(object["payload"]["rc"].as_i64()).unwrap_or(0) != 0;
            assert_eq!(object["error"].is_string(), refused && object["direction"] == "response", "{object}");
        }
        let flawed = found.iter().any(|object| object.get("flaw").is_some());
        assert_eq!(code, if flawed { 3 } else { 0 }, "{name}");
        count += found.len();
    }
    assert_eq!(count, 2 * 1398);
}

#[test]
fn every_golden_message_and_packet_of_bsmp_is_decoded() {
    let file = vectors("bsmp/bsmp.json");
    let exchanges =
        file["sessions"].as_array().unwrap().iter().flat_map(|session| session["steps"].as_array().unwrap());
    let calls = file["client_transcripts"]["calls"].as_array().unwrap().iter();
    let calls = calls.flat_map(|call| call["exchange"].as_array().unwrap());
    let (mut capture, mut expected) = (String::new(), Vec::new());
    for step in exchanges.chain(calls) {
        for (arrow, key) in [("->", "request"), ("<-", "response")] {
            if let Some(message) = step[key].as_str() {
                capture += &format!("{arrow} {message}\n");
                expected.push(message);
            }
        }
    }
    assert!(expected.len() > 700, "{}", expected.len());
    let (_, found) = objects("--protocol bsmp --frames message", capture.as_bytes());
    assert_eq!(messages(&found), expected.iter().copied().filter(|message| !message.is_empty()).collect::<Vec<_>>());
    for object in &found {
        let known = object["name"].is_string() && object.get("flaw").is_none();
        // Some steps are malformed on purpose.
        assert!(known || object["flaw"].is_string(), "{object}");
        let code = object["command"].as_u64().unwrap_or(0);
        assert_eq!(object["error"].is_string(), (0xE1..=0xE8).contains(&code), "{object}");
    }

    let examples = texts(&file["document_examples"], "message");
    let (code, found) = objects("--protocol bsmp", examples.join("\n").as_bytes());
    assert_eq!((code, messages(&found)), (0, examples));

    for step in file["transport"]["steps"].as_array().unwrap() {
        let packet = step["packet"].as_str().unwrap();
        let (_, found) = objects("--protocol bsmp --frames packet --form hex", packet.as_bytes());
        if step["why"] == "checksum" {
            assert!(found.iter().all(|object| object["damage"].is_string()) && found.len() == 1, "{step} {found:?}");
        } else if packet.len() >= 4 {
            assert_eq!(messages(&found), [&packet[..packet.len() - 2]], "{step}");
        }
        if let Some(answer) = step["answer"].as_str() {
            let (code, found) = objects("--protocol bsmp --frames packet", answer.as_bytes());
            assert_eq!((code, messages(&found)), (0, vec![&answer[..answer.len() - 2]]));
            assert_eq!((&found[0]["address"], &found[0]["direction"]), (&0.into(), &"response".into()));
        }
    }
}

#[test]
fn every_golden_frame_stream_and_dialogue_of_s3mp_is_decoded() {
    let file = vectors("s3mp/s3mp.json");
    let frames = file["frames"].as_array().unwrap();
    for (kind, arrow) in [("command", "->"), ("response", "<-")] {
        let frames: Vec<&Value> = frames.iter().filter(|frame| frame["kind"] == kind).collect();
        assert!(!frames.is_empty());
        for form in ["wire", "message"] {
            let lines: Vec<String> =
                frames.iter().map(|frame| format!("{arrow} {}", frame[form].as_str().unwrap())).collect();
            let framing = if form == "wire" { "lrc" } else { "message" };
            let (_, found) = objects(&format!("--protocol s3mp --frames {framing}"), lines.join("\n").as_bytes());
            let expected: Vec<_> = frames.iter().map(|frame| frame["message"].as_str().unwrap()).collect();
            assert_eq!(messages(&found), expected, "{kind} {form}");
            for (object, frame) in found.iter().zip(&frames) {
                for key in ["name", "address", "counter"] {
                    assert_eq!(object[key], frame[key], "{frame}");
                }
            }
        }
    }

    for stream in file["streams"].as_array().unwrap() {
        let lines: Vec<&str> = texts_of(&stream["input"]).into_iter().filter(|line| !line.contains("idle")).collect();
        // A line of hex ends with a short silence, a long one is not to be had.
        if texts_of(&stream["input"]).contains(&"long idle") || stream.get("encoded_limit").is_some() {
            continue;
        }
        let (_, found) = objects("--protocol s3mp --frames lrc", lines.join("\n").as_bytes());
        let expected: Vec<&str> =
            stream["events"].as_array().unwrap().iter().filter_map(|event| event["message"].as_str()).collect();
        let found = messages(&found);
        // What waits for silence is decided at the end of the line.
        assert_eq!(found.get(..expected.len()), Some(&expected[..]), "{stream}");
    }

    let mut capture = String::new();
    let mut expected = Vec::new();
    for step in file["slave_dialogue"]["steps"].as_array().unwrap() {
        let request = &step["request"];
        let responses = step["responses"].as_array().map_or(&[][..], |list| list);
        for message in [request].into_iter().chain(responses) {
            if let (Some(wire), Some(name)) = (message["wire"].as_str(), message["name"].as_str()) {
                capture += &format!("{wire}\n");
                expected.push((message["message"].as_str().unwrap(), name, message["kind"].as_str().unwrap()));
            }
        }
    }
    // Who sent it follows from what was asked.
    let (_, found) = objects("--protocol s3mp", capture.as_bytes());
    let told: Vec<_> = found
        .iter()
        .map(|object| {
            let kind = if object["direction"] == "request" { "command" } else { "response" };
            (object["message"].as_str().unwrap_or("damage"), object["name"].as_str().unwrap_or("none"), kind)
        })
        .collect();
    assert!(expected.len() > 20, "{}", expected.len());
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

fn texts_of(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
}

/// A console frame of an echo, with a line end.
const ECHO: &[u8] = b"\x06\x09ABAKAgAGAAAJAKFhZGJoaaObt1\n";

#[test]
fn people_read_one_line_for_each_message_and_the_text_between() {
    let file = vectors("smp/console.json");
    let wire = |name: &str| {
        let vectors = file["vectors"].as_array().unwrap();
        bytes(vectors.iter().find(|vector| vector["name"] == name).unwrap()["wire"].as_str().unwrap())
    };
    let mut log = b"uart:~$ *** Booting Zephyr OS ***\r\n".to_vec();
    log.extend(wire("echo request, v2, {d:\"hi\"}"));
    log.extend(b"[00:00:01.000] <inf> app: alive\r\n");
    log.extend(wire("echo response {r:\"hi\"}"));
    log.extend(wire("group error v2: image state write, err {group 1, rc 24}"));
    let run = decode("", &log);
    let expected = "\
| uart:~$ *** Booting Zephyr OS ***
byte 35        console  -> write os/0 echo seq 9 {\"d\": \"hi\"}
| [00:00:01.000] <inf> app: alive
byte 95        console  <- write os/0 echo seq 9 {\"r\": \"hi\"}
byte 126       console  <- write image/0 state seq 8 {\"err\": {\"group\": 1, \"rc\": 24}} ";
    assert!(run.stdout.starts_with(expected), "{}", run.stdout);
    assert_eq!(run.code, 0);
    assert_eq!(run.stderr, "3 messages, 0 damaged, 68 bytes of text\n");
}

#[test]
fn damage_is_named_and_its_first_byte_counted() {
    let file = vectors("smp/console.json");
    let wires = texts(&file["vectors"], "wire");
    let mut log = b"text\n".to_vec();
    let mut bad = bytes(wires[1]);
    bad[20] ^= 1;
    log.extend(&bad);
    let next = log.len();
    log.extend(bytes(wires[0]));
    let (code, found) = objects("", &log);
    assert_eq!(code, 3);
    let damage = found.iter().find(|object| object.get("damage").is_some()).unwrap();
    assert_eq!((&damage["byte"], &damage["len"]), (&5.into(), &bad.len().into()));
    let message = found.iter().find(|object| object.get("message").is_some()).unwrap();
    assert_eq!(message["byte"], next);

    // A message whose payload breaks off, and one that is shorter than it says.
    let (code, found) = objects("", b"0a00000500000900a161646268\n0a00000700000900a1\n");
    assert_eq!(code, 3);
    assert!(found[0]["flaw"].as_str().unwrap().starts_with("byte 4 of the payload: not CBOR"), "{found:?}");
    assert!(found[1]["damage"].is_string() && found[1]["line"] == 2, "{found:?}");
}

#[test]
fn what_holds_no_message_is_no_success() {
    assert_eq!(decode("", b"nothing\n").code, 5);
    assert_eq!(decode("--form hex", b"nothing\n").code, 5);
    assert_eq!(decode("--form pcap", b"nothing\n").code, 5);
    assert_eq!(decode("", ECHO).code, 3);
}

/// A pcap of Ethernet or of bare IP with these datagrams.
fn pcap(link: u32, datagrams: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
    file.extend(link.to_le_bytes());
    for (index, (from, to, payload)) in datagrams.iter().enumerate() {
        let mut frame = if link == 1 { b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0".to_vec() } else { Vec::new() };
        let len = u16::try_from(payload.len()).unwrap();
        frame.extend([0x45, 0]);
        frame.extend((28 + len).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 7]);
        frame.extend([from.to_be_bytes(), to.to_be_bytes(), (8 + len).to_be_bytes(), [0, 0]].concat());
        frame.extend(*payload);
        let size = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend(u32::try_from(index).unwrap().to_le_bytes());
        file.extend([0x40, 0x42, 0x0F, 0]);
        file.extend([size, size].concat());
        file.extend(frame);
    }
    file
}

#[test]
fn datagrams_of_a_pcap_are_decoded_and_others_left_out() {
    let (request, answer) = (bytes("0a00000600000900a16164626869"), bytes("0b00000700000900bf6172626869ff"));
    let datagrams: [(u16, u16, &[u8]); 4] =
        [(4000, 1337, &request), (53, 4000, b"something else"), (1337, 4000, &answer), (1337, 4000, b"short")];
    for link in [1, 101] {
        let run = decode("", &pcap(link, &datagrams));
        let lines: Vec<&str> = run.stdout.lines().collect();
        let start = "packet 1 1.000000 192.0.2.1:4000 > 192.0.2.7:1337 datagram -> write os/0 echo seq 9";
        assert!(lines[0].starts_with(start) || lines[0].contains("-> write os/0 echo seq 9"), "{lines:?}");
        assert!(lines[2].contains("packet 4") && lines[2].contains("not SMP"), "{lines:?}");
        assert_eq!((lines.len(), run.code), (3, 3));
        let (code, found) = objects("--port 4000", &pcap(link, &datagrams[..1]));
        assert_eq!((code, &found[0]["seq"], &found[0]["packet"]), (0, &9.into(), &1.into()));
    }
}

#[cfg(unix)]
#[test]
fn what_passes_between_two_ports_is_told_live_and_passed_on() {
    let start = |words: &[&str], name: &str| {
        let mut process = Command::new(name)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let path = lines.next().unwrap().unwrap().strip_prefix("ready: ").unwrap().to_owned();
        (process, lines, path)
    };
    let (mut device, _, device_path) = start(&["--pty", "--chatty"], env!("CARGO_BIN_EXE_smp-device"));
    let (mut sniff, lines, path) = start(&["sniff", &device_path, "pty", "--duration", "3"], env!("CARGO_BIN_EXE_smp"));
    let client = Command::new(env!("CARGO_BIN_EXE_smp")).args(["--serial", &path, "echo", "hello"]).output().unwrap();
    assert!(client.status.success(), "{client:?}");
    let told: Vec<String> = lines.map(Result::unwrap).filter(|line| line.contains(" os/0 ")).collect();
    assert!(told[0].contains("console  -> write os/0 echo seq"), "{told:?}");
    assert!(told[1].contains("{\"r\": \"hello\"}"), "{told:?}");
    sniff.wait().unwrap();
    device.kill().unwrap();
    device.wait().unwrap();
}

/// Recorded exchanges over UDP as a pcap, and the program that made the dissector.
#[test]
fn tshark_shows_what_decode_says_of_every_recorded_datagram() {
    let Ok(version) = Command::new("tshark").arg("--version").output() else {
        // `.ci/setup` installs it; without it there is nothing to compare.
        assert!(std::env::var_os("ANYSMP_TSHARK").is_none(), "tshark is missing");
        eprintln!("not checked here: no tshark");
        return;
    };
    assert!(version.status.success());
    let directory = std::env::temp_dir().join(format!("anysmp-wireshark-{}", std::process::id()));
    let installed =
        Command::new(env!("CARGO_BIN_EXE_smp")).args(["decode", "--wireshark"]).arg(&directory).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");

    let path = format!("{}/../../tests/vectors/smp/pairs.jsonl", env!("CARGO_MANIFEST_DIR"));
    let (mut payloads, pairs) = (Vec::new(), std::fs::read_to_string(path).unwrap());
    for pair in pairs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        payloads.push((4000, 1337, bytes(pair["req"].as_str().unwrap())));
        payloads.push((1337, 4000, bytes(pair["rsp"].as_str().unwrap())));
    }
    // What no recorded exchange has: floats, tags, long and negative numbers, pieces of strings,
    // escapes.
    for payload in [
        "a1616191f94d60",
        "a161618afb3ff199999999999afa3fc00000f93c00f9fc00fb7e37e43c8800759cfb3ee4f8b588e368f1c11a589d3c003bffffffffffffffff1bfffffffffffffffff7",
        "a16161645c220a01",
        "bf61617f6268696121ff61625f4101420203ffff",
        "a1626461e0",
    ] {
        let payload = bytes(payload);
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        payloads.push((4000, 1337, [&[10, 0, length[0], length[1], 0, 64, 1, 2][..], &payload].concat()));
    }
    let datagrams: Vec<(u16, u16, &[u8])> =
        payloads.iter().map(|(from, to, payload)| (*from, *to, &payload[..])).collect();
    let capture = directory.join("capture.pcap");
    std::fs::write(&capture, pcap(1, &datagrams)).unwrap();

    let output = Command::new("tshark")
        .env("XDG_CONFIG_HOME", &directory)
        .env("HOME", &directory)
        .arg("-X")
        .arg(format!("lua_script:{}", directory.join("mcumgr.lua").display()))
        .args(["-Y", "mcumgr", "-T", "fields", "-e", "frame.number", "-e", "mcumgr.text", "-E", "separator=|", "-r"])
        .arg(&capture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let shown: BTreeMap<&str, &str> = shown.lines().map(|line| line.split_once('|').unwrap()).collect();

    let file = std::fs::read(&capture).unwrap();
    let run = decode("", &file);
    let mut compared = 0;
    for line in run.stdout.lines() {
        let (place, text) = line.split_once(" datagram ").unwrap();
        let number = place.split(' ').nth(1).unwrap();
        if text.contains("not SMP") {
            assert!(!shown.contains_key(number), "{text}");
        } else if text.ends_with(" /") {
            // The reason why it is not CBOR is said in other words.
            let front = text.split(" / ").next().unwrap();
            assert!(shown[number].starts_with(front) || shown[number].contains("not CBOR"), "{number} {text}");
        } else {
            assert_eq!(shown[number], text, "{number}");
            compared += 1;
        }
    }
    assert!(compared > 2_700, "{compared}: {}", run.stderr);
    let _ = std::fs::remove_dir_all(&directory);
}
