//! The tools of BSMP and S3MP as a person in a laboratory runs them: typed values, many nodes,
//! curves in files, the bridge, exit codes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A running device, and how the tool reaches it.
struct Device {
    _process: kit::Device,
    endpoint: Vec<String>,
}

impl Device {
    fn start(program: &str, options: &[&str], reach: &[&str]) -> Self {
        let process = kit::Device::run(program, options.iter().copied());
        let endpoint = ["--tcp", &process.address].iter().chain(reach).map(|word| (*word).to_owned()).collect();
        Self { _process: process, endpoint }
    }

    /// A power supply behind a bridge.
    fn supply() -> Self {
        let node = env!("CARGO_BIN_EXE_bsmp-node");
        let options = ["--tcp", "127.0.0.1:0", "--fbp", "--address", "5", "--bridge", "with-id"];
        Self::start(node, &options, &["--bridge", "with-id", "--timeout", "300", "--drain", "10"])
    }

    /// Runs the tool: exit code, standard output.
    fn run(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_bsmp"))
            .args(&self.endpoint)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn ok(&self, words: &[&str]) -> String {
        let (code, output) = self.run(words);
        assert_eq!(code, 0, "{words:?}: {output}");
        output
    }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("laboratory-{}-{name}", std::process::id()))
}

fn description() -> String {
    let path = file("fbp.txt");
    std::fs::write(&path, "0 status u16\n1 setpoint f32 A\n3 firmware char[128]\n33 i_load f32 A # load\n").unwrap();
    path.to_str().unwrap().to_owned()
}

const NODE: [&str; 2] = ["--node", "5"];

#[test]
fn values_are_read_and_polled_by_name_with_their_units() {
    let (supply, about) = (Device::supply(), description());
    let with = |words: &[&'static str]| [&NODE, &["--describe", &about], words].concat().join("\u{0}");
    let run = |words: &[&'static str]| {
        let words = with(words);
        supply.run(&words.split('\u{0}').collect::<Vec<_>>())
    };
    assert_eq!(run(&["call", "0"]).0, 0, "switch on");
    assert_eq!(run(&["call", "16", "00004040"]).0, 0, "3.0 A");
    let (code, output) = run(&["read", "setpoint", "firmware", "--json"]);
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, &lines[0]), (0, &json!({ "id": 1, "name": "setpoint", "value": 3.0, "unit": "A" })));
    assert!(lines[1]["value"].as_str().unwrap().starts_with("0.44.01"));
    assert!(run(&["read", "33"]).1.contains("i_load  3.0 A"));
    // Wrong text for the type is refused here, a read-only variable by the node.
    assert_eq!(run(&["write", "setpoint", "three"]).0, 2);
    assert_eq!(run(&["write", "setpoint", "4.5"]).0, 1);
    assert_eq!(run(&["read", "current"]).0, 2, "not in the description");

    // Node 6 is not there: that ends nothing.
    let (code, output) =
        run(&["poll", "setpoint", "i_load", "--nodes", "5-6", "--interval", "20", "--count", "6", "--csv"]);
    let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((code, lines[0].join(",")), (0, "time,node,id,name,value,unit,error".to_owned()));
    assert_eq!(lines.len(), 7, "{output}");
    for line in &lines[1..] {
        assert!(
            line[1..] == ["5", "1", "setpoint", "3.0", "A", ""] || line[1..] == ["5", "33", "i_load", "3.0", "A", ""]
        );
    }
    assert_eq!(run(&["poll", "setpoint", "--nodes", "6", "--duration", "0.1"]).0, 3, "nobody is there");
}

#[test]
fn a_scan_shows_who_is_there_and_a_wrong_address_is_no_answer() {
    let supply = Device::supply();
    // The bridge says at once that nobody answers; the tool waits for its own timeout.
    let output = supply.ok(&["scan", "--timeout", "20", "--drain", "1", "--retries", "0", "--json"]);
    let nodes: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(nodes, [json!({ "node": 5, "version": "2.30.000" })]);
    assert_eq!(supply.run(&["version", "--node", "6", "--timeout", "20", "--retries", "0"]).0, 3);
    assert_eq!(supply.run(&["version", "--node", "40"]).0, 2);
}

#[test]
fn curves_go_to_files_of_floats_and_back() {
    let supply = Device::supply();
    let run = |words: &[&str]| supply.ok(&[&NODE, words].concat());
    let wave: Vec<f32> = (0..1000_u16).map(|n| f32::from(n) * 0.5).collect();
    let text: String = wave.iter().map(|value| format!("{value}\n")).collect();
    let (csv, npy, bin) = (file("w.csv"), file("w.npy"), file("w.bin"));
    std::fs::write(&csv, &text).unwrap();
    let put = run(&["curve", "put", "0", csv.to_str().unwrap(), "--json"]);
    // Its last block is short, and those of the node are whole.
    assert_eq!(serde_json::from_str::<Value>(&put).unwrap(), json!({ "blocks": 4, "bytes": 4000, "verified": true }));
    run(&["curve", "get", "0", npy.to_str().unwrap()]);
    run(&["curve", "get", "0", bin.to_str().unwrap()]);
    let bytes = std::fs::read(&bin).unwrap();
    assert_eq!(std::fs::read(&npy).unwrap()[128..], bytes);
    assert!(bytes.chunks(4).zip(&wave).all(|(bytes, value)| bytes == value.to_le_bytes()));
    run(&["curve", "get", "0", csv.to_str().unwrap(), "--first", "1", "--blocks", "1"]);
    let part: String = wave[256..512].iter().map(|value| format!("{value}\n")).collect();
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), part);
    // Another curve from the file of numpy, which has all 1,024.
    run(&["curve", "put", "1", npy.to_str().unwrap()]);
    run(&["curve", "get", "1", bin.to_str().unwrap()]);
    assert_eq!(std::fs::read(&bin).unwrap(), bytes);
    assert_eq!(supply.run(&[&NODE[..], &["curve", "put", "0", "/nonexistent"]].concat()).0, 5);
    for path in [csv, npy, bin] {
        let _ = std::fs::remove_file(path);
    }
}

#[test]
fn the_bridge_is_spoken_in_both_forms() {
    for form in ["with-id", "without-id"] {
        let options = ["--tcp", "127.0.0.1:0", "--address", "7", "--bridge", form];
        let node = Device::start(env!("CARGO_BIN_EXE_bsmp-node"), &options, &["--bridge", form, "--node", "7"]);
        assert_eq!(node.ok(&["read", "2"]), "  2  01020304\n");
        assert!(node.ok(&["discover"]).contains("65536 blocks of 65520 bytes"));
    }
}
