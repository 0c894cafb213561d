//! The guarantees for a script that relies on the exit code of `smp`: success means an
//! acknowledgment or evidence, nothing is lost, and every message is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod kit;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::mcuboot::Version;
use anysmp::mcuboot::digest::Sha256;
use anysmp::smp::Decode as _;
use anysmp::smp::image::Upload;
use serde_json::Value;

use kit::{Device, Folder, Run, image};

const SMP: &str = env!("CARGO_BIN_EXE_smp");

fn smp(words: &[&str]) -> Run {
    Run::of(Command::new(SMP).args(words).stdin(Stdio::null()).output().unwrap())
}

/// The words of a line, and further ones that may contain spaces.
fn words<'w>(line: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    line.split(' ').chain(more.iter().copied()).collect()
}

/// The options with which `smp` reaches a device over TCP.
fn reach(device: &Device) -> String {
    format!("--tcp {} --timeout 300 --retries 20", device.address)
}

/// A device over UDP that is a function from a request to its response.
fn fake(mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            if let Some(response) = answer(&buffer[..len]) {
                let _ = socket.send_to(&response, peer);
            }
        }
    });
    format!("--udp {address}")
}

/// The response to a request, with this payload.
fn respond(request: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut response = vec![request[0] + 1, 0, 0, payload.len() as u8];
    response.extend_from_slice(&request[4..8]);
    response.extend_from_slice(payload);
    response
}

/// The response to `params`: one buffer size, four buffers.
fn parameters(request: &[u8]) -> Vec<u8> {
    respond(request, b"\xa2\x68buf_size\x19\x04\x00\x69buf_count\x04")
}

// A reset.

#[test]
fn a_reset_with_nobody_there_is_a_failure() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let run = smp(&words(&format!("--udp {address} --timeout 100 --json reset"), &[]));
        assert_eq!(run.code, 3, "{run:?}");
        assert!(run.json()["error"].as_str().unwrap().contains("it is not known whether"), "{run:?}");
    }
}

#[test]
fn a_reset_that_was_lost_is_asked_for_again_once_somebody_answers() {
    let mut resets = 0;
    let device = fake(move |request| match (request[5], request[7]) {
        (0, 5) => {
            resets += 1;
            (resets > 1).then(|| respond(request, b"\xa0"))
        }
        _ => Some(parameters(request)),
    });
    let run = smp(&words(&format!("{device} --timeout 100 reset"), &[]));
    assert_eq!((run.code, run.stdout.as_str()), (0, "the device resets\n"), "{run:?}");
    let device = fake(|request| (request[7] != 5).then(|| parameters(request)));
    let run = smp(&words(&format!("{device} --timeout 100 reset"), &[]));
    assert_eq!(run.code, 3, "{run:?}");
}

#[test]
fn a_port_that_vanishes_and_comes_back_is_evidence_of_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 256];
        // The first connection goes with the device.
        let _ = listener.accept().unwrap().0.read(&mut buffer);
        let (mut port, _) = listener.accept().unwrap();
        while let Ok(len @ 1..) = port.read(&mut buffer) {
            let _ = port.write_all(&parameters(&buffer[..len]));
        }
    });
    let run = smp(&words(&format!("--tcp {address} --framing raw --timeout 300 --json reset"), &[]));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["evidence"], "the port vanished and came back");
}

// Output.

#[cfg(unix)]
#[test]
fn an_output_that_takes_nothing_is_no_panic_in_any_program() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let programs = [
        (SMP, "--simulated enum list"),
        (SMP, "--simulated --json enum list"),
        (SMP, "completion bash"),
        (env!("CARGO_BIN_EXE_bsmp"), "demo"),
        (env!("CARGO_BIN_EXE_s3mp"), "demo"),
    ];
    for (program, line) in programs {
        let mut command = Command::new(program);
        command.args(line.split(' ')).stdin(Stdio::null());
        let run = Run::of(command.stdout(full()).stderr(Stdio::piped()).output().unwrap());
        assert!(!run.stderr.contains("panicked"), "{line}: {run:?}");
        assert_ne!(run.code, 101, "{line}: {run:?}");
        if program == SMP {
            assert_eq!(run.code, 5, "{line}: {run:?}");
        }
        // Nor does a closed pipe, or stderr.
        let mut closed = command.stdout(Stdio::piped()).stderr(full()).spawn().unwrap();
        drop(closed.stdout.take());
        assert_eq!(closed.wait().unwrap().code(), Some(0), "{line}");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_end_an_upgrade() {
    let (dir, device) = (Folder::new("outcomes-reader"), Device::start("--tcp 127.0.0.1:0"));
    let new = dir.put("new.bin", &image(Version::new(7, 0, 0), 20_000));
    let line = format!("{} upgrade {new} --rest 600", reach(&device));
    let mut process = Command::new(SMP)
        .args(line.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{first}");
    let images = smp(&words(&format!("{} --json image list", reach(&device)), &[])).json()["images"].clone();
    assert_eq!((&images[0]["version"], &images[0]["confirmed"]), (&"7.0.0".into(), &true.into()));
}

#[test]
fn no_program_prints_by_what_panics() {
    let mut stack = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut seen = 0;
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (call, import) in [
            ("println!(", "outln as println"),
            ("eprintln!(", "errln as eprintln"),
            ("print!(", "out as print"),
            ("eprint!(", "err as eprint"),
        ] {
            let is_call = |line: &str| {
                line.match_indices(call).any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric()))
            };
            let uses = text.lines().any(|line| !line.trim_start().starts_with("//") && is_call(line));
            if uses {
                seen += 1;
                assert!(text.contains(import), "{}: {call} without `use anysmp_tools::{import}`", path.display());
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn stdout_carries_data_or_messages_and_never_both() {
    for json in [false, true] {
        let mut line = vec!["--simulated", "fs", "download", "/lfs1/hello.txt", "-"];
        line.extend(json.then_some("--json"));
        let run = smp(&line);
        assert_eq!((run.code, run.stdout.as_str()), (0, "Hello from the simulated device.\n"), "{run:?}");
        if json {
            let result: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
            assert_eq!((&result["len"], &result["match"]), (&33.into(), &true.into()));
        }
    }
    let run = smp(&["--simulated", "--json", "fs", "download", "/lfs1/no", "-"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("FILE_NOT_FOUND"), "{run:?}");
}

#[test]
fn a_download_goes_to_a_file_beside_its_target_and_goes_on_there() {
    let dir = Folder::new("outcomes-download");
    let run = |more: &[&str]| smp(&words("--simulated --json fs download /lfs1/hello.txt", more));
    // A directory means "into it".
    let got = run(&[dir.0.to_str().unwrap()]);
    assert_eq!((got.code, dir.names()), (0, vec!["hello.txt".to_owned()]), "{got:?}");
    assert_eq!(std::fs::read_to_string(dir.path("hello.txt")).unwrap(), "Hello from the simulated device.\n");
    // What is there stays if nothing comes.
    let old = dir.put("old.txt", b"old");
    let failed = smp(&words("--simulated fs download /lfs1/no", &[&old]));
    assert_eq!((failed.code, std::fs::read(&old).unwrap()), (1, b"old".to_vec()), "{failed:?}");
    assert_eq!(dir.names(), ["hello.txt", "old.txt"], "and no part is left");
    // A path that cannot be written is said before the transfer.
    let failed = run(&["/no/such/directory/file"]);
    assert!(failed.code == 5 && !failed.stdout.contains("\"off\""), "{failed:?}");
    // A part that an earlier run has left.
    dir.put("old.txt.part", b"Hello from");
    let resumed = run(&[&old, "--resume"]);
    assert_eq!((resumed.code, &resumed.json()["resumed_at"]), (0, &10.into()), "{resumed:?}");
    assert_eq!((&resumed.json()["match"], dir.names().len()), (&true.into(), 2));
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "Hello from the simulated device.\n");
    // One that is not the beginning of the file.
    // Nor one that is longer, or as long.
    for part in [&b"Jello from"[..], &[b'H'; 33], &[b'H'; 34]] {
        dir.put("old.txt.part", part);
        let wrong = run(&[&old, "--resume"]);
        assert!(wrong.code == 5 && wrong.says("is not the beginning of the device's file"), "{wrong:?}");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "Hello from the simulated device.\n");
        assert_eq!(dir.names(), ["hello.txt", "old.txt"], "it is of no use");
    }
    // All of it.
    dir.put("old.txt.part", b"Hello from the simulated device.\n");
    let whole = run(&[&old, "--resume"]);
    assert_eq!((whole.code, &whole.json()["match"], dir.names().len()), (0, &true.into(), 2), "{whole:?}");
}

// Files.

#[test]
fn an_image_is_made_of_a_program_only() {
    let dir = Folder::new("outcomes-make");
    let mut program = vec![0; 600];
    program[..8].copy_from_slice(&[0x00, 0x40, 0x00, 0x20, 0x01, 0x02, 0x00, 0x00]);
    let (target, good) = (dir.put("app.img", b"what was there"), dir.put("app.bin", &program));
    let make = |from: &str, more: &[&str]| {
        let mut line = vec!["image", "make", from, target.as_str(), "--version", "1.2.3"];
        line.extend(more);
        smp(&line)
    };
    let mut even = program.clone();
    even[4] = 0;
    let mut no_stack = program.clone();
    no_stack[3] = 0x40;
    let cases = [
        ("empty", vec![], "an empty file"),
        ("hex", b":020000040000FA\n".to_vec(), "an Intel HEX file"),
        ("zip", b"PK\x03\x04 and more".to_vec(), "a ZIP archive"),
        ("signed", image(Version::new(1, 0, 0), 100), "already an MCUboot image"),
        ("short", b"abc".to_vec(), "too short"),
        ("even", even, "an even address"),
        ("stack", no_stack, "the stack would begin at 0x40004000"),
        ("text", b"#!/bin/sh\nexec true\n".to_vec(), "no program for a Cortex-M"),
    ];
    for (name, bytes, text) in cases {
        let file = dir.put(name, &bytes);
        let run = make(&file, &[]);
        assert!(run.code == 5 && run.stderr.contains(text), "{name}: {run:?}");
        assert_eq!(std::fs::read(&target).unwrap(), b"what was there", "{name}");
        assert_eq!(make(&file, &["--force"]).code, 0, "{name}");
        dir.put("app.img", b"what was there");
    }
    let run = make(SMP, &[]);
    assert!(run.code == 5 && run.stderr.contains("an ELF file"), "{run:?}");
    assert_eq!(make(&good, &[]).code, 0);
    let run = smp(&["image", "make", &good, &good, "--version", "1.2.3"]);
    assert!(run.code == 2 && std::fs::read(&good).unwrap() == program, "{run:?}");
    let run = make(&good, &["--header-size", "0x10000"]);
    assert!(run.code == 2 && run.stderr.contains("at most 65535"), "{run:?}");
    assert!(dir.names().iter().all(|name| !name.ends_with(".tmp")), "{:?}", dir.names());
}

#[test]
fn a_file_that_contradicts_itself_is_never_sent() {
    let dir = Folder::new("outcomes-damaged");
    let good = image(Version::new(2, 0, 0), 5000);
    let heard = UdpSocket::bind("127.0.0.1:0").unwrap();
    heard.set_nonblocking(true).unwrap();
    let endpoint = format!("--udp {}", heard.local_addr().unwrap());
    for at in [100, 3000] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let bad = dir.put("bad.img", &bad);
        for command in ["image upload", "upgrade"] {
            let run = smp(&words(&format!("{endpoint} --json {command}"), &[&bad]));
            assert_eq!(run.code, 5, "{run:?}");
            assert!(run.says("its contents do not have the hash that it claims"), "{run:?}");
        }
    }
    assert!(heard.recv(&mut [0; 64]).is_err(), "something was sent");
    // As it is, whatever it is.
    let bytes = dir.put("raw.bin", b"anything, but at least as long as an image header is");
    assert_eq!(smp(&words("--simulated image upload", &[&bytes])).code, 5);
    let missing = smp(&words("--simulated image upload", &[&dir.path("missing")]));
    assert!(missing.code == 5 && missing.stderr.contains("Check the path"), "{missing:?}");
    let elf = smp(&words("--simulated upgrade", &[SMP]));
    assert!(elf.code == 5 && elf.stderr.contains("an ELF file") && elf.stderr.contains("zephyr.signed.bin"), "{elf:?}");
}

/// The lines of an Intel HEX file that describes these bytes from an address on.
fn hex(bytes: &[u8], start: u32) -> String {
    let record = |at: u16, kind: u8, data: &[u8]| {
        let mut record = vec![data.len() as u8, (at >> 8) as u8, at as u8, kind];
        record.extend_from_slice(data);
        record.push(record.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte)));
        format!(":{}\r\n", record.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
    };
    let mut text = String::new();
    for (place, chunk) in bytes.chunks(16).enumerate() {
        let at = start + 16 * place as u32;
        text += &record(0, 4, &((at >> 16) as u16).to_be_bytes());
        text += &record(at as u16, 0, chunk);
    }
    text + &record(0, 1, &[])
}

#[test]
fn images_come_as_hex_and_on_the_standard_input_too() {
    let (dir, bytes) = (Folder::new("outcomes-forms"), image(Version::new(3, 1, 4), 5000));
    let file = dir.put("app.hex", hex(&bytes, 0x0001_FC00).as_bytes());
    let run = smp(&words("--simulated --json upgrade", &[&file]));
    assert_eq!((run.code, &run.json()["version"]), (0, &"3.1.4".into()), "{run:?}");
    let mut process = Command::new(SMP)
        .args(["image", "info", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(&bytes).unwrap();
    let run = Run::of(process.wait_with_output().unwrap());
    assert_eq!((run.code, &run.json()["images"][0]["version"]), (0, &"3.1.4".into()), "{run:?}");
    for bad in [":0200000400", ":020000040000FB", ":02000004GG00FA", ":00000001FF\n"] {
        let bad = dir.put("bad.hex", bad.as_bytes());
        assert_eq!(smp(&words("--simulated upgrade", &[&bad])).code, 5, "{bad}");
    }
}

/// An image of 300 bytes as `imgtool sign --endian big` makes it, with one protected TLV.
fn big_endian(version: [u8; 2]) -> Vec<u8> {
    let mut image = vec![0x96, 0xF3, 0xB8, 0x3D, 0, 0, 0, 0, 0, 32, 0, 12, 0, 0, 1, 44, 0, 0, 0, 0];
    image.extend_from_slice(&[version[0], version[1], 0, 3, 0, 0, 0, 4, 0, 0, 0, 0]);
    image.extend_from_slice(&[0x41; 300]);
    image.extend_from_slice(&[0x69, 0x08, 0, 12, 0x50, 0, 0, 4, 0, 0, 0, 5]);
    let hash = Sha256::of(&image);
    image.extend_from_slice(&[0x69, 0x07, 0, 40, 0x10, 0, 0, 32]);
    image.extend_from_slice(hash.as_bytes());
    image
}

#[test]
fn an_image_for_a_big_endian_device_is_read_and_sent_as_it_is() {
    let (dir, bytes) = (Folder::new("outcomes-big"), big_endian([1, 2]));
    let file = dir.put("big.img", &bytes);
    let run = smp(&["image", "info", &file, "--json"]);
    let info = &run.json()["images"][0];
    assert_eq!((run.code, &info["version"], &info["hash_is_true"]), (0, &"1.2.3.4".into(), &true.into()), "{run:?}");
    assert_eq!((&info["len"], &info["body_len"]), (&bytes.len().into(), &300.into()));
    let names = ["protected_tlvs", "tlvs"].map(|area| info[area][0]["name"].clone());
    assert_eq!(names, ["SECURITY_COUNTER", "SHA256"]);
    // A device that keeps what it is sent.
    let (stored, came) = (Arc::new(Mutex::new(Vec::new())), bytes.clone());
    let its = Arc::clone(&stored);
    let endpoint = fake(move |request| {
        if request[4..8] != [0, 1, request[6], 1] {
            return Some(parameters(request));
        }
        let piece = Upload::decode(&request[8..]).unwrap();
        let mut stored = its.lock().unwrap();
        stored.truncate(piece.off.unwrap() as usize);
        piece.data.unwrap().chunks().iter().for_each(|chunk| stored.extend_from_slice(chunk));
        let off = stored.len() as u16;
        Some(respond(request, &[&b"\xa1\x63off\x19"[..], &off.to_be_bytes()].concat()))
    });
    let run = smp(&words(&format!("{endpoint} image upload"), &[&file]));
    assert_eq!((run.code, stored.lock().unwrap().as_slice()), (0, came.as_slice()), "{run:?}");
    // Damage is found here, and the other steps are up to the user.
    let mut bad = bytes;
    bad[100] ^= 1;
    let bad = smp(&words("--simulated image upload", &[&dir.put("bad.img", &bad)]));
    assert!(bad.code == 5 && bad.says("its contents do not have the hash that it claims"), "{bad:?}");
    let run = smp(&words("--simulated upgrade", &[&file]));
    assert!(run.code == 5 && run.says("for a big-endian device") && run.says("`image upload` sends it"), "{run:?}");
    // No front of it is a panic.
    let bytes = big_endian([1, 2]);
    for len in 0..bytes.len() {
        if len % 7 == 0 || !(40..320).contains(&len) {
            let cut = smp(&["image", "info", &dir.put("cut.img", &bytes[..len])]);
            assert_eq!(cut.code, 5, "{len}: {cut:?}");
        }
    }
}

#[test]
fn each_kind_of_file_that_is_no_image_is_called_by_its_name() {
    let dir = Folder::new("outcomes-kinds");
    let kinds: [(&[u8], &str, &str); 8] = [
        (b"\x7FELF\x02\x01", "an ELF file", "zephyr.signed.bin"),
        (b"\x3C\xB8\xF3\x96 old", "an image of MCUboot's old format", "`image upload --raw`"),
        (b"\xD8\x6B\xA2 suit", "a SUIT envelope", "`image upload --raw`"),
        (b"UF2\nWQ]\x9E", "a UF2 file", "signed .bin or .hex"),
        (b"S00600004844521B\n", "a Motorola S-record file", "signed .bin or .hex"),
        (b"PK\x03\x04 zip", "the archive is damaged", "signed image"),
        (b"", "an empty file", "signed image"),
        (b"words", "not an MCUboot image", "signed image"),
    ];
    for (bytes, name, remedy) in kinds {
        let file = dir.put("file", bytes);
        for command in ["upgrade", "image upload"] {
            let run = smp(&words(&format!("--simulated {command}"), &[&file]));
            assert!(run.code == 5 && run.says(name) && run.says(remedy), "{name}: {run:?}");
        }
    }
}

#[test]
fn the_information_about_an_image_is_complete_and_true() {
    let (dir, good) = (Folder::new("outcomes-info"), image(Version::new(1, 2, 3), 1000));
    let file = dir.put("good.img", &good);
    let run = smp(&["image", "info", &file, "--json"]);
    let info = &run.json()["images"][0];
    assert_eq!((run.code, &info["version"], &info["hash_is_true"]), (0, &"1.2.3".into(), &true.into()), "{run:?}");
    assert_eq!((&info["len"], &info["tlvs"][0]["name"]), (&good.len().into(), &"SHA256".into()));
    assert_eq!(&info["hash"], &info["tlvs"][0]["value"]);
    let run = smp(&["image", "info", &file]);
    assert!(run.stdout.contains("hash is true") && run.stdout.contains("1.2.3"), "{run:?}");
    let small = smp(&["image", "info", &file, "--slot-size", "0x200", "--json"]);
    assert!(small.code == 5 && small.says("do not fit a slot of 512"), "{small:?}");
    let mut bad = good;
    bad[700] ^= 1;
    let bad = smp(&["image", "info", &dir.put("bad.img", &bad), "--json"]);
    assert_eq!(bad.code, 5, "{bad:?}");
    assert!(bad.stdout.contains("\"hash_is_true\":false"), "{bad:?}");
}

// What an upgrade says.

#[test]
fn what_an_upgrade_does_unasked_is_said_before_and_may_be_refused() {
    let (dir, device) = (Folder::new("outcomes-unasked"), Device::start("--tcp 127.0.0.1:0"));
    let files: Vec<String> =
        [5_u8, 6, 4].map(|major| dir.put(&format!("{major}.img"), &image(Version::new(major, 0, 0), 9000))).to_vec();
    let upgrade = |line: &str| smp(&words(&format!("{} --json upgrade --rest 600 {line}", reach(&device)), &[]));
    assert_eq!(upgrade(&format!("{} --no-confirm", files[0])).json()["outcome"], "testing");
    // Version 5 is on trial: another upgrade would discard it.
    let refused = upgrade(&format!("{} --no-settle", files[1]));
    assert_eq!(refused.code, 1, "{refused:?}");
    let planned = upgrade(&format!("{} --dry-run", files[1]));
    assert!(planned.code == 0 && planned.says("another image is on trial or pending"), "{planned:?}");
    let done = upgrade(&files[1]);
    assert_eq!((done.code, &done.json()["version"]), (0, &"6.0.0".into()), "{done:?}");
    let lines: Vec<&str> = done.stdout.lines().collect();
    let place = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{done:?}"));
    // Announced before it is done, and said to be done when the list has shown it.
    let announced = place("a reset has to end its trial first");
    assert!(announced < place("resetting the device, which ends its trial"), "{done:?}");
    assert!(place("resetting the device, which") < place("reset first, because an image"), "{done:?}");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{done:?}");
    assert!(place("waiting for the device") < place("confirming it"), "the reboot is no dark time");
    // An older one.
    let only = upgrade(&format!("{} --upgrade-only", files[2]));
    assert!(only.code == 2 && only.says("is not newer"), "{only:?}");
    let planned = upgrade(&format!("{} --dry-run", files[2]));
    assert!(planned.says("older than the running one"), "{planned:?}");
    let allowed = upgrade(&format!("{} --dry-run --allow-downgrade", files[2]));
    assert!(!allowed.says("\"note\""), "{allowed:?}");
    let older = upgrade(&files[2]);
    assert!(older.code == 0 && older.says("older than the running one"), "{older:?}");
}

#[test]
fn an_image_that_is_too_large_for_its_slot_is_said_by_a_dry_run_too() {
    let dir = Folder::new("outcomes-large");
    let large = dir.put("large.img", &image(Version::new(9, 0, 0), 1_200_000));
    for more in [&["--dry-run"][..], &[]] {
        let run = smp(&words("--simulated --json upgrade", &[&[large.as_str()], more].concat()));
        assert!(run.code == 2 && run.says("larger than the slot"), "{run:?}");
        assert!(!run.stdout.contains("\"off\""), "{run:?}");
    }
}

#[test]
fn an_upgrade_that_ends_at_a_busy_device_says_that_the_image_is_still_marked() {
    let (dir, device) = (Folder::new("outcomes-busy"), Device::start("--tcp 127.0.0.1:0 --busy"));
    let new = dir.put("new.img", &image(Version::new(2, 0, 0), 9000));
    let run = smp(&words(&format!("{} upgrade {new}", reach(&device)), &[]));
    assert!(run.code == 1 && run.says("an image is still marked: the next reset starts it"), "{run:?}");
}

// Causes.

#[test]
fn the_devices_own_words_reach_the_user() {
    let device = fake(|request| Some(respond(request, b"\xa2\x62rc\x03\x63rsn\x78\x1bimg mgmt: image is too wide")));
    let run = smp(&words(&format!("{device} --json image erase"), &[]));
    assert_eq!((run.code, &run.json()["rsn"]), (1, &"img mgmt: image is too wide".into()), "{run:?}");
    assert!(run.stderr.contains("img mgmt: image is too wide"), "{run:?}");
}

#[test]
fn a_request_that_the_device_cannot_hold_is_refused_with_both_sizes() {
    let text = "x".repeat(3000);
    let started = Instant::now();
    let run = smp(&["--simulated", "echo", &text]);
    assert!(run.code == 2 && run.says("the request has 3014 bytes, and the device can hold 1020"), "{run:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "no silence is waited for");
    assert_eq!(smp(&["--simulated", "echo", &text[..900]]).code, 0);
}

#[test]
fn a_window_that_the_device_does_not_allow_is_refused_aloud() {
    let dir = Folder::new("outcomes-window");
    let file = dir.put("file", &vec![7; 40_000]);
    let device = Device::start("--tcp 127.0.0.1:0 --buf-count 3");
    let run = smp(&words(&format!("{} --window 8 fs upload {file} /lfs1/a", reach(&device)), &[]));
    assert!(run.code == 0 && run.stderr.contains("--window 8: the device has buffers for 2"), "{run:?}");
    let run = smp(&words(&format!("{} --window 2 fs upload {file} /lfs1/a", reach(&device)), &[]));
    assert!(run.code == 0 && !run.stderr.contains("--window"), "{run:?}");
}

#[test]
fn a_message_that_some_paths_cut_in_two_is_said_before_it_is_sent() {
    let dir = Folder::new("outcomes-message");
    let file = dir.put("file", &vec![7; 4000]);
    let device = Device::start("--udp 127.0.0.1:0");
    let line = format!("--udp {} fs upload {file} /lfs1/a", device.address);
    for (message, is_cut) in [("1232", false), ("1233", true)] {
        let run = smp(&words(&line, &["--message", message]));
        let says = run.stderr.contains("--message 1233: datagrams of more than 1232 bytes are cut in two");
        assert_eq!((run.code, says), (0, is_cut), "{run:?}");
    }
    // A stream has no datagrams.
    let device = Device::start("--tcp 127.0.0.1:0");
    let line = format!("{} fs upload {file} /lfs1/a", reach(&device));
    let run = smp(&words(&line, &["--message", "1400"]));
    assert!(run.code == 0 && !run.stderr.contains("--message"), "{run:?}");
}

#[test]
fn a_wrong_command_line_is_an_object_for_programs_too() {
    for line in ["--json frobnicate", "--json --window 9 params", "params --json --timeout 0"] {
        let run = smp(&words(line, &[]));
        assert_eq!((run.code, &run.json()["exit"]), (2, &2.into()), "{run:?}");
        assert!(!run.json()["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(smp(&["--help"]).code, 0);
}

#[test]
fn the_exit_code_and_the_remedy_follow_the_cause() {
    // (words, code, part of the text)
    let cases = [
        ("--tcp localhost params", 2, "HOST:PORT"),
        ("--tcp localhost:99999 params", 2, "HOST:PORT"),
        ("--tcp localhost:0 params", 2, "HOST:PORT"),
        ("--udp [fe80::1%nosuch]:1337 params", 2, "no network interface nosuch"),
        ("--serial /etc params", 2, "is a directory"),
        ("--serial /dev/null --baud 0 params", 2, "--baud"),
        ("--udp 127.0.0.1 --baud 9600 params", 2, "--baud"),
        ("--serial /dev/no/such/port params", 4, "smp ports"),
        ("--udp 127.0.0.1:1 --timeout 100 image upload /no/such/file", 5, "Check the path"),
        ("--simulated settings write a 0x1ff --as u8", 2, "not a value of this kind"),
    ];
    for (line, code, text) in cases {
        let run = smp(&words(line, &[]));
        assert!(run.code == code && run.stderr.contains(text), "{line}: {run:?}");
    }
    // The loopback interface is there on every machine that runs this.
    if cfg!(target_os = "linux") {
        let run = smp(&words("--udp [::1%lo]:9 --timeout 50 --retries 0 params", &[]));
        assert!(run.code == 3 || run.code == 4, "it is an address: {run:?}");
    }
    for (value, kind, hex) in
        [("0x1ff", "u16", "ff01"), ("-2", "i8", "fe"), ("true", "bool", "01"), ("-1", "i64", "ffffffffffffffff")]
    {
        let device = Device::start("--tcp 127.0.0.1:0");
        let write = smp(&words(&format!("{} settings write --as {kind} net/port {value}", reach(&device)), &[]));
        assert_eq!(write.code, 0, "{write:?}");
        let read = smp(&words(&format!("{} --json settings read net/port", reach(&device)), &[]));
        assert_eq!(read.json()["val"], hex, "{read:?}");
    }
}

#[test]
fn with_verbose_each_message_is_shown_in_words() {
    let run = smp(&["--simulated", "--verbose", "echo", "hi"]);
    assert_eq!(run.code, 0, "{run:?}");
    let lines: Vec<&str> = run.stderr.lines().filter(|line| line.contains("echo seq")).collect();
    assert!(lines[0].starts_with("-> write os/0 echo seq") && lines[0].ends_with("{\"d\": \"hi\"}"), "{lines:?}");
    assert!(lines[1].starts_with("<- write os/0 echo seq") && lines[1].ends_with("{\"r\": \"hi\"}"), "{lines:?}");
}

#[test]
fn a_dead_device_is_known_soon() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dir = Folder::new("outcomes-dead");
    let file = dir.put("new.img", &image(Version::new(2, 0, 0), 9000));
    for command in ["image upload", "fs upload"] {
        let started = Instant::now();
        let mut line = words(command, &[&file]);
        line.extend((command == "fs upload").then_some("/lfs1/a"));
        let endpoint = format!("--udp {} --timeout 200 --retries 4", silent.local_addr().unwrap());
        let run = smp(&words(&endpoint, &line));
        assert_eq!(run.code, 3, "{run:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{command}: {:?}", started.elapsed());
    }
}
