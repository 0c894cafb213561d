//! The tools of BSMP and S3MP as a person in a laboratory runs them: typed values, many nodes,
//! curves in files, the bridge, exit codes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anysmp_tools::curves;
use anysmp_tools::describe::{Description, Protocol, Type};
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
        let options = ["--tcp", "127.0.0.1:0", "--fbp", "--address", "5", "--framing", "bridge"];
        Self::start(node, &options, &["--framing", "bridge", "--timeout", "300", "--drain", "10"])
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

const NODE: [&str; 2] = ["--address", "5"];

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
    let words = ["poll", "setpoint", "i_load", "--address", "5,6", "--interval", "20", "--count", "9", "--csv"];
    let (code, output) = run(&words);
    let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((code, lines[0].join(",")), (3, "time,node,id,name,value,unit,error".to_owned()));
    assert_eq!(lines.len(), 10, "{output}");
    let mut missing = 0;
    for line in &lines[1..] {
        match line[1..] {
            ["5", "1", "setpoint", "3.0", "A", ""] | ["5", "33", "i_load", "3.0", "A", ""] => {}
            ["6", "", "", "", "", "no answer"] => missing += 1,
            _ => panic!("{line:?} in {output}"),
        }
    }
    // After two it rests.
    assert_eq!(missing, 2, "{output}");
    assert_eq!(run(&["poll", "setpoint", "--address", "6", "--duration", "0.1"]).0, 3, "nobody is there");
}

#[test]
fn a_scan_shows_who_is_there_and_a_wrong_address_is_no_answer() {
    let supply = Device::supply();
    // The bridge says at once that nobody answers; the tool waits for its own timeout.
    let output = supply.ok(&["scan", "--timeout", "20", "--drain", "1", "--retries", "0", "--json"]);
    let nodes: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(nodes, [json!({ "node": 5, "version": "2.30.000" })]);
    assert_eq!(supply.run(&["version", "--address", "6", "--timeout", "20", "--retries", "0"]).0, 3);
    assert_eq!(supply.run(&["version", "--address", "40"]).0, 2);
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
    for form in ["bridge", "bridge-without-id"] {
        let options = ["--tcp", "127.0.0.1:0", "--address", "7", "--framing", form];
        let node = Device::start(env!("CARGO_BIN_EXE_bsmp-node"), &options, &["--framing", form, "--address", "7"]);
        assert_eq!(node.ok(&["read", "2"]), "  2  01020304\n");
        assert!(node.ok(&["discover"]).contains("65536 blocks of 65520 bytes"));
    }
}

const FILE: &str =
    "# of a supply\n0 status u16\n1 setpoint f32 A # set\n\n3 firmware char[4]\n4 counts i16be[2] 1 / s\n5 on bool\n";

#[test]
fn a_description_says_what_bytes_mean_in_both_directions() {
    let description: Description = FILE.parse().unwrap();
    for (name, id, unit, bytes, text) in [
        ("status", 0, "", &[1, 2][..], "513"),
        ("setpoint", 1, "A", &[0, 0, 0x28, 0x41], "10.5"),
        // A single has the digits of a single.
        ("setpoint", 1, "A", &[0x33, 0x33, 0x53, 0x40], "3.3"),
        ("firmware", 3, "", b"ab\0\0", "ab"),
        ("counts", 4, "1 / s", &[0xFF, 0xFE, 0, 3], "-2 3"),
        ("on", 5, "", &[1], "true"),
    ] {
        assert_eq!(description.id(name), Ok(id));
        let variable = description.of(id).unwrap();
        assert_eq!((variable.unit.as_str(), variable.kind.text(bytes)), (unit, text.to_owned()));
        assert_eq!(variable.kind.bytes(text).unwrap(), bytes);
        assert!(variable.kind.value(&bytes[1..]).is_err());
        assert_eq!(variable.kind.to_string().parse(), Ok(variable.kind));
    }
    assert_eq!(description.id("7"), Ok(7));
    assert!(description.id("current").is_err());
    let text = |kind: &str, bytes: &[u8]| kind.parse::<Type>().unwrap().text(bytes);
    assert_eq!(text("f32", &[0, 0, 0xC0, 0x7F]), "NaN");
    assert_eq!(text("f32be[2]", &[0x7F, 0x80, 0, 0, 0x3F, 0xC0, 0, 0]), "inf 1.5");
}

#[test]
fn what_is_no_description_or_no_value_is_refused_with_its_line() {
    for (file, error) in [
        ("0 status", "line 1"),
        ("\nx status u16", "line 2"),
        ("0 status u17", "line 1"),
        ("0 a u8[x]", "line 1"),
        ("0 a u8[0]", "line 1"),
        ("0 a u8[129]", "line 1"),
        ("0 a char", "line 1"),
        ("0 a boolbe", "line 1"),
        ("0 a text[2]", "line 1"),
        ("0 a u8\n0 b u8", "line 2"),
        ("0 a u8\n1 a u8", "line 2"),
        // `read 3` would read another one.
        ("0 a u8\n1 3 u8", "line 2"),
    ] {
        assert!(file.parse::<Description>().unwrap_err().starts_with(error), "{file}");
    }
    for (kind, text) in [
        ("u8", "256"),
        ("u8", "-1"),
        ("f32", "x"),
        ("u8[2]", "1"),
        ("u8", "1 2"),
        ("char[1]", "ab"),
        ("bool", "2"),
        // These would become infinite.
        ("f32", "1e39"),
        ("f32be", "-1e39"),
        ("f64", "1e309"),
        ("f32[2]", "1 4e38"),
    ] {
        assert!(kind.parse::<Type>().unwrap().bytes(text).is_err(), "{kind} {text}");
    }
    for text in ["inf", "-inf", "NaN", "-0", "3.4e38"] {
        assert!("f32".parse::<Type>().unwrap().bytes(text).is_ok(), "{text}");
    }
    let limited = |file: &str, protocol| file.parse::<Description>().unwrap().limited(protocol);
    assert!(limited("0 a text", Protocol::Bsmp).unwrap_err().contains("text"));
    assert!(limited("0 a u64[17]", Protocol::Bsmp).is_err(), "136 bytes");
    assert!(limited("128 a u8", Protocol::Bsmp).is_err() && limited("127 a u8", Protocol::Bsmp).is_ok());
    assert!(limited("0 a u8", Protocol::S3mp).is_err() && limited("254 a u8", Protocol::S3mp).is_ok());
    assert!(limited("255 a u8", Protocol::S3mp).is_err(), "all addresses");
    assert!(limited("0 a u16be", Protocol::S3mp).unwrap_err().contains("u16be"));
}

#[test]
fn a_value_of_s3mp_is_written_as_its_type_says_and_one_of_another_type_is_told() {
    let kind = |name: &str| name.parse::<Type>().unwrap();
    for (name, text, bytes) in [
        // What would be a whole number without a type.
        ("f32", "21", &[0xFA, 0x41, 0xA8, 0, 0][..]),
        ("f64", "0.5", &[0xFB, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0]),
        ("u8", "200", &[0x18, 200]),
        ("i8", "-3", &[0x22]),
        ("bool", "on", &[0xF5]),
        ("text", "17", b"\x6217"),
        ("char[3]", "abc", b"\x63abc"),
        ("u8[3]", "1 2 3", &[0x83, 1, 2, 3]),
    ] {
        assert_eq!(kind(name).cbor(text), Some(Ok(bytes.to_vec())), "{name} {text}");
    }
    assert_eq!(kind("any").cbor("17"), None);
    for (name, text) in [("u8", "256"), ("u8", "1.5"), ("bool", "5"), ("char[3]", "abcd"), ("u8[3]", "1 2")] {
        assert!(kind(name).cbor(text).unwrap().is_err(), "{name} {text}");
    }
    for (name, value, is_right) in [
        ("u8", json!(255), true),
        ("u8", json!(256), false),
        ("u8", json!(-1), false),
        ("u8", json!("1"), false),
        ("f32", json!(1), true),
        ("f32", json!(null), true),
        ("f32", json!(1e39), false),
        ("f64", json!(1e39), true),
        ("bool", json!(1), false),
        ("char[2]", json!("abc"), false),
        ("text", json!("abc"), true),
        ("u8[2]", json!([1, 2]), true),
        ("u8[2]", json!([1]), false),
        ("any", json!({}), true),
    ] {
        assert_eq!(kind(name).check(&value).is_ok(), is_right, "{name} {value}");
    }
}

#[test]
fn a_curve_is_the_same_after_each_kind_of_file() {
    let curve: Vec<u8> = [0.0, 1.5, -2.25e-7, f32::INFINITY].into_iter().flat_map(f32::to_le_bytes).collect();
    for name in ["a.csv", "a.npy", "a.bin", "a"] {
        let path = Path::new(name);
        assert_eq!(curves::read(path, curves::write(path, &curve).unwrap()).unwrap(), curve, "{name}");
    }
    assert_eq!(curves::write(Path::new("a.csv"), &curve).unwrap(), b"0\n1.5\n-0.000000225\ninf\n");
    let file = curves::write(Path::new("a.npy"), &curve).unwrap();
    assert_eq!((file.len(), &file[128..]), (128 + 16, &curve[..]));
    for name in ["a.csv", "a.npy"] {
        assert!(curves::write(Path::new(name), &curve[1..]).is_err());
        assert!(curves::read(Path::new(name), vec![0xFF; 20]).is_err());
    }
    let csv = |text: &str| curves::read(Path::new("a.csv"), text.as_bytes().to_vec());
    assert_eq!(csv("\u{FEFF}1.5\r\n2\r\n"), Ok([1.5_f32, 2.0].into_iter().flat_map(f32::to_le_bytes).collect()));
    assert!(csv("1e39").unwrap_err().contains("too large"));
    assert!(csv("1,5;2,5").unwrap_err().contains("point"));
    assert!(csv("").unwrap().is_empty());
    let npy = |file: Vec<u8>| curves::read(Path::new("a.npy"), file);
    assert!(npy(file[..file.len() - 4].to_vec()).unwrap_err().contains("damaged"));
    let text = String::from_utf8_lossy(&file[..128]).replace("(4,)", "(2, 2)").replace("}  ", "}");
    assert!(text.contains("(2, 2)"));
    let header = [&file[..8], &118_u16.to_le_bytes(), text.split_at(text.find('{').unwrap()).1.as_bytes()].concat();
    assert!(npy([&header[..], &file[128..]].concat()).unwrap_err().contains("one dimension"));
}

#[test]
fn a_group_is_read_and_written_by_the_names_of_its_members() {
    let options = ["--tcp", "127.0.0.1:0", "--address", "5", "--framing", "packet"];
    let node = Device::start(env!("CARGO_BIN_EXE_bsmp-node"), &options, &["--framing", "packet", "--address", "5"]);
    let about = file("main.txt");
    std::fs::write(&about, "2 word u8[4]\n3 wide u8[4]\n").unwrap();
    let with = |words: &[&str]| node.run(&[&["--describe", about.to_str().unwrap()], words].concat());
    // Whatever the setup has: the writable ones are group 2.
    let variables: Value = serde_json::from_str(node.ok(&["--json", "vars"]).trim()).unwrap();
    let variables = variables["variables"].as_array().unwrap();
    let writable: Vec<String> = variables
        .iter()
        .filter(|it| it["writable"] == true)
        .map(|it| format!("{} v{} u8[{}]\n", it["id"], it["id"], it["size"]))
        .collect();
    std::fs::write(&about, writable.concat()).unwrap();
    // The values that are there, the last first: not each device takes any.
    let numbers = |hex: &Value| -> String {
        let hex = hex.as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        bytes.map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut values: Vec<String> = variables
        .iter()
        .filter(|it| it["writable"] == true)
        .map(|it| format!("v{}={}", it["id"], numbers(&it["value"])))
        .rev()
        .collect();
    assert_eq!(values.last().unwrap(), "v0=90");
    *values.last_mut().unwrap() = "v0=17".to_owned();
    let words: Vec<&str> = ["group", "write", "2"].into_iter().chain(values.iter().map(String::as_str)).collect();
    assert_eq!(with(&words).0, 0, "{words:?}");
    let (code, output) = with(&["group", "read", "2"]);
    let read: Vec<String> = output
        .lines()
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ").replacen(' ', "=", 1))
        .rev()
        .collect();
    assert_eq!((code, read), (0, values.clone()), "{output}");
    // One that is missing, one that is no member, and one that is not described.
    assert_eq!(with(&words[..words.len() - 1]).0, 2);
    assert_eq!(with(&["group", "write", "2", "nothing=1"]).0, 2);
    let _ = std::fs::remove_file(about);
}
