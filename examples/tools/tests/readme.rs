//! Every shell block of README runs when it is pasted as a whole: a command that must run beside
//! the next line does so, nothing waits without end, and nothing reads the lines that come after
//! it.
//!
//! `cargo run` and `cargo build` stand for the programs of this build, the network for addresses of
//! this machine, the serial port for a pseudo-terminal, and the board in QEMU for `smp-device`.
//! Blocks that need a registry, a toolchain or an hour, such as `cargo install`, are not run here:
//! their words are compared with those in this file, and `.ci/run` runs them. Blocks that need
//! Bluetooth run in `tests/ble`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anysmp::mcuboot::Version;

mod kit;

use kit::package::package;
use kit::{Device, image};

const README: &str = include_str!("../../../README.md");

const PROGRAMS: [(&str, &str); 6] = [
    ("smp", env!("CARGO_BIN_EXE_smp")),
    ("smp-device", env!("CARGO_BIN_EXE_smp-device")),
    ("bsmp", env!("CARGO_BIN_EXE_bsmp")),
    ("bsmp-node", env!("CARGO_BIN_EXE_bsmp-node")),
    ("s3mp", env!("CARGO_BIN_EXE_s3mp")),
    ("s3mp-slave", env!("CARGO_BIN_EXE_s3mp-slave")),
];

/// The blocks of one language, with the line where each begins.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let (mut all, mut open) = (Vec::new(), None);
    for (index, line) in README.lines().enumerate() {
        match &mut open {
            None if line == format!("```{language}") => open = Some((index + 1, String::new())),
            // Another language's block, up to its end.
            None if line.starts_with("```") => open = Some((0, String::new())),
            None => {}
            Some((begin, text)) if line == "```" => {
                if *begin > 0 {
                    all.push((*begin, std::mem::take(text)));
                }
                open = None;
            }
            Some((_, text)) => *text += &format!("{line}\n"),
        }
    }
    all
}

/// A directory in which the blocks are pasted: with stand-ins for what is not of this package.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("anysmp-readme-{}", std::process::id()));
        let place = Self(path);
        for (name, program) in PROGRAMS {
            place.script(&format!("target/release/{name}"), &format!("exec {program} \"$@\"\n"));
        }
        // The programs of this build; all else that is said to cargo has to be known here.
        place.script(
            "bin/cargo",
            "case \"$*\" in\n\
             'add anysmp' | 'add anysmp --features host' | 'build --release -p anysmp-tools') exit 0 ;;\n\
             'test --workspace --features host' | 'install --path examples/tools') exit 0 ;;\n\
             'run --release -p anysmp-tools --features ble -- '*) exit 0 ;;\n\
             'run --release -p anysmp-tools --bin '*) name=$6; shift 7; exec \"target/release/$name\" \"$@\" ;;\n\
             'run --release -p anysmp-tools -- '*) shift 5; exec target/release/smp \"$@\" ;;\n\
             esac\necho \"unknown: cargo $*\" >&2; exit 9\n",
        );
        place.script("bin/rustup", "[ \"$*\" = 'target add thumbv7m-none-eabi' ]\n");
        place.script("examples/firmware/cargo.sh", "[ \"$*\" = 'thumbv7m-none-eabi build --release' ]\n");
        place.script(".ci/setup", "[ $# = 0 ]\n");
        place.script(".ci/run", "[ $# = 0 ]\n");
        // A board takes a moment until it listens, too.
        place.script(
            "bin/qemu-system-arm",
            "all=\"$*\"\naddress=${all#*-serial tcp:}\nsleep 0.3\nexec target/release/smp-device --tcp \"${address%%,*}\"\n",
        );
        place
    }

    fn script(&self, name: &str, text: &str) {
        self.file(name, format!("#!/bin/bash\n{text}").as_bytes());
        std::fs::set_permissions(self.0.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on now.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Pastes a block into a shell that stops at the first failure; `None` after a minute.
fn paste(place: &Path, block: &str) -> (Option<i32>, String) {
    let mut process = Command::new("timeout")
        .args(["60", "bash", "-e", "-s"])
        .current_dir(place)
        .env("PATH", format!("{}:/usr/bin:/bin", place.join("bin").display()))
        .env("HOME", place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(block.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().filter(|code| *code != 124), text)
}

/// A file of Wireshark with an echo over UDP and its response, as README shows it.
fn capture() -> Vec<u8> {
    let mut capture = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0".to_vec();
    let (client, server) = ((b"\xc0\0\x02\x01", 4000_u16), (b"\xc0\0\x02\x07", 1337_u16));
    for (micros, from, to, message) in [
        (0_u32, client, server, b"\x0a\0\0\x06\0\0\x09\0\xa1\x61d\x62hi"),
        (4000, server, client, b"\x0b\0\0\x06\0\0\x09\0\xa1\x61r\x62hi"),
    ] {
        let length = |more: usize| u16::try_from(message.len() + more).unwrap().to_be_bytes();
        let mut packet = [&b"\x45\0"[..], &length(28), b"\0\0\0\0\x40\x11\0\0", from.0, to.0].concat();
        packet.extend([from.1.to_be_bytes(), to.1.to_be_bytes(), length(8), [0; 2]].concat());
        packet.extend(message);
        let len = u32::try_from(packet.len()).unwrap();
        capture.extend([1, micros, len, len].map(u32::to_le_bytes).concat());
        capture.extend(packet);
    }
    capture
}

#[test]
fn every_block_for_a_shell_runs_as_one_paste() {
    let place = Place::new();
    let (serial, udp) = (Device::start("--pty"), Device::start("--udp 127.0.0.1:0"));
    place.file("zephyr.signed.bin", &image(Version::new(2, 0, 0), 8000));
    place.file("dfu_application.zip", &package(0, &[(0, image(Version::new(3, 0, 0), 8000))]));
    // The vector table of a small program: a stack pointer in RAM, an odd reset vector in flash.
    place.file("program.bin", &[&[0x00, 0x20, 0x00, 0x20, 0x01, 0x02, 0x00, 0x00][..], &[0xBF; 1000]].concat());
    place.file("capture.pcap", &capture());

    let blocks = blocks("sh");
    assert!(blocks.len() >= 12, "{}", blocks.len());
    for (line, block) in blocks {
        let block = block
            .replace("/dev/ttyACM0", &serial.address)
            .replace("192.0.2.7", &udp.address)
            .replace("127.0.0.1:5000", &free())
            .replace("127.0.0.1:4096", &free());
        let (code, text) = paste(&place.0, &block);
        assert_eq!(code, Some(0), "README.md line {line}:\n{block}\n{text}");
        for wanted in ["confirmed", "discover", "describe", "image list", "decode capture"] {
            if block.contains(wanted) && !block.contains("upgrade") {
                assert!(text.lines().count() > 1, "README.md line {line}:\n{text}");
            }
        }
    }
}

#[test]
fn what_is_said_about_decode_is_what_it_prints() {
    let path = std::env::temp_dir().join(format!("anysmp-readme-{}.pcap", std::process::id()));
    std::fs::write(&path, capture()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_smp")).arg("decode").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(blocks("text").iter().any(|(_, text)| *text == shown), "README does not show:\n{shown}");
}
