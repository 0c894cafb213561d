//! The programs for people, `smp`, `bsmp` and the devices for them, run as a person would run them:
//! as processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::{Flags, Image, Version};
use anysmp::port::Tcp;
use anysmp::smp::{Client, image, os};
use serde_json::Value;

use kit::Run;

fn program(name: &str) -> &'static str {
    match name {
        "smp" => env!("CARGO_BIN_EXE_smp"),
        "smp-device" => env!("CARGO_BIN_EXE_smp-device"),
        "bsmp" => env!("CARGO_BIN_EXE_bsmp"),
        "s3mp" => env!("CARGO_BIN_EXE_s3mp"),
        "bsmp-node" => env!("CARGO_BIN_EXE_bsmp-node"),
        other => panic!("{other} is not a program of this package"),
    }
}

fn run<'a>(words: impl IntoIterator<Item = &'a str>) -> Run {
    Run::of(Command::new(program("smp")).args(words).stdin(Stdio::null()).output().unwrap())
}

/// Runs `smp` with lines on its standard input.
fn run_with<'a>(words: impl IntoIterator<Item = &'a str>, input: &str) -> Run {
    let mut process = Command::new(program("smp"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Run::of(process.wait_with_output().unwrap())
}

/// Runs `smp` with words as in a shell, `--json` among them.
fn smp(words: &str) -> Run {
    run(["--json"].into_iter().chain(words.split(' ')))
}

/// Runs `smp` on the simulated device, `--json` among the words.
fn simulated(words: &str) -> Run {
    smp(&format!("--simulated {words}"))
}

/// A running `smp-device`.
struct Device {
    _process: kit::Device,
    /// The options with which `smp` reaches it.
    endpoint: String,
}

impl Device {
    fn start(options: &str) -> Self {
        let mut device = Self::run("smp-device", options);
        let framing = options.split_once("--framing ").map_or("console", |(_, rest)| rest.split(' ').next().unwrap());
        // A request may meet a device that is restarting, which takes it 0.4 s.
        if !options.contains("--udp") {
            device.endpoint += &format!(" --framing {framing}");
        }
        device.endpoint += " --timeout 300 --retries 20";
        device
    }

    /// Runs a program that plays a device; its endpoint is the same for the tool.
    fn run(name: &str, options: &str) -> Self {
        let process = kit::Device::run(program(name), options.split(' '));
        let kind = if options.contains("--pty") {
            "--serial"
        } else if options.contains("--udp") {
            "--udp"
        } else {
            "--tcp"
        };
        let framing = match options.split_once("--framing ").filter(|_| name == "bsmp-node") {
            Some((_, framing)) => format!(" --framing {}", framing.split(' ').next().unwrap()),
            None => String::new(),
        };
        let endpoint = format!("{kind} {}{framing}", process.address);
        Self { _process: process, endpoint }
    }

    fn smp(&self, words: &str) -> Run {
        smp(&format!("{} {words}", self.endpoint))
    }
}

/// Every link that works on this machine.
fn links() -> Vec<&'static str> {
    let mut links = vec!["--tcp 127.0.0.1:0", "--tcp 127.0.0.1:0 --framing raw", "--udp 127.0.0.1:0"];
    if cfg!(unix) {
        links.extend(["--pty", "--pty --framing raw", "--pty --framing cobs", "--pty --chatty"]);
    }
    links
}

/// An image file in the directory for temporary files.
struct File(PathBuf);

impl File {
    fn image(name: &str, version: Version) -> Self {
        Self::new(name, &kit::image(version, 40_000))
    }

    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("anysmp-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_command_works_without_an_endpoint() {
    let run = simulated("echo hello");
    assert_eq!(run.ok()["r"], "hello");
    assert_eq!(simulated("params").ok()["buf_size"], 1024);
    assert_eq!(simulated("info s").ok()["output"], "anysmp");
    assert_eq!(simulated("bootloader").ok()["mode"], 3);
    assert_eq!(simulated("taskstat").ok()["tasks"]["main"]["prio"], 0);
    assert_eq!(simulated("mpstat").ok()["0"]["nblks"], 4);
    assert_eq!(simulated("datetime").ok()["datetime"].as_str().unwrap().len(), 19);
    simulated("datetime 2026-11-20T21:53:18.12+01").ok();
    simulated("reset").ok();
    simulated("image erase").ok();
    assert_eq!(simulated("image slots").ok()["images"][0]["slots"][1]["upload_image_id"], 0);
    let images = simulated("image list").ok()["images"].clone();
    assert_eq!((&images[0]["version"], &images[0]["active"]), (&"1.0.0".into(), &true.into()));
    // A prefix of the hash is enough.
    let hash = images[0]["hash"].as_str().unwrap().get(..8).unwrap();
    assert_eq!(simulated(&format!("image confirm {hash}")).ok()["images"], images);
}

#[test]
fn a_missing_endpoint_is_a_usage_error_that_names_the_simulated_device() {
    for words in ["upgrade", "image list", "terminal", "--framing auto params"] {
        let run = run(words.split(' '));
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("--simulated") && run.stdout.is_empty(), "{run:?}");
    }
    assert_eq!(smp("--simulated --tcp 127.0.0.1:1 params").code, 2);
    for (name, words) in [("bsmp", "vars"), ("s3mp", "status")] {
        let run = Run::of(Command::new(program(name)).arg(words).stdin(Stdio::null()).output().unwrap());
        assert!(run.code == 2 && run.stderr.contains("--simulated"), "{run:?}");
    }
}

#[test]
fn people_get_tables_and_hashes_that_fit_the_line() {
    let run = run(["--simulated", "image", "list"]);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("IMAGE  SLOT  VERSION  HASH"), "{run:?}");
    assert!(lines[1].contains("1.0.0") && lines[1].contains('…') && lines[1].contains("active confirmed"), "{run:?}");
}

#[test]
fn every_link_carries_every_command() {
    for link in links() {
        let device = Device::start(link);
        assert_eq!(device.smp("echo hello").ok()["r"], "hello", "{link}");
        let long = "x".repeat(900);
        assert_eq!(device.smp(&format!("echo {long}")).ok()["r"], *long, "{link}");
        device.smp("reset").ok();
        assert_eq!(device.smp("--smp-version 1 params").ok()["buf_count"], 4, "{link}");
        assert_eq!(device.smp("image list").ok()["images"][0]["version"], "1.0.0", "{link}");
    }
}

#[test]
fn clock_survives_a_reset_and_a_new_client() {
    let device = Device::start("--tcp 127.0.0.1:0");
    device.smp("datetime 2024-02-28T23:59:59").ok();
    device.smp("reset").ok();
    thread::sleep(Duration::from_millis(1100));
    let shown = device.smp("datetime").ok()["datetime"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("2024-02-29T00:00:0"), "{shown}");
}

#[test]
fn unfinished_upload_goes_on_after_a_reset_at_the_last_full_page() {
    let file = kit::image(Version::new(1, 1, 0), 20_000);
    let sha = Sha256::of(&file);
    // Where images are started in place, MCUboot erases a part of one: it starts from scratch.
    for (mode, expected) in [("swap-move", 8192), ("swap-offset", 8192), ("single-slot", 8192), ("direct-xip", 700)] {
        let device = kit::Device::start(&format!("--tcp 127.0.0.1:0 --mode {mode}"));
        let port = Tcp::connect(&device.address, Duration::from_secs(3)).unwrap();
        let (mut message, mut memory) = ([0; 1024], [0; Console::sizes_of(1024).memory()]);
        let mut link = Link::new(port, Console::new(&mut message), &mut memory).unwrap();
        let mut client = Client::new(0).with_timeout(Duration::from_secs(3)).with_retries(3);
        let piece = |off: u64| image::Upload {
            off: Some(off),
            data: Some(file[usize::try_from(off).unwrap()..][..700].into()),
            len: Some(file.len() as u64),
            sha: Some(sha.as_bytes().into()),
            ..Default::default()
        };
        let mut off = 0;
        while off <= 8192 {
            off = link.call(&mut client, &piece(off)).unwrap().off;
        }
        // A loader is asked for, where there is one.
        let boot_mode = (mode == "single-slot").then_some(1);
        link.call(&mut client, &os::Reset { boot_mode, ..Default::default() }).unwrap();
        // The device is deaf for 0.4 s.
        thread::sleep(Duration::from_millis(500));
        assert_eq!(link.call(&mut client, &piece(0)).unwrap().off, expected, "{mode}");
    }
}

#[test]
fn pace_only_makes_it_slower() {
    let device = Device::start("--tcp 127.0.0.1:0");
    assert_eq!(device.smp("--pace 20/1 image list").ok()["images"][0]["slot"], 0);
}

#[test]
fn refusals_name_group_command_and_code_and_exit_with_1() {
    let device = Device::start("--tcp 127.0.0.1:0 --busy");
    let run = device.smp("reset");
    assert_eq!((run.code, &run.json()["group"], &run.json()["rc"]), (1, &Value::Null, &10.into()));
    assert!(run.stderr.contains("BUSY, rc 10 (request: group 0 os, command 5)"), "{run:?}");
    assert!(run.stderr.contains("force a reset"), "{run:?}");
    device.smp("reset --force").ok();
    let run = device.smp("image erase --slot 0");
    assert_eq!((run.code, &run.json()["group"], &run.json()["rc"]), (1, &1.into(), &9.into()));
    // Version 1 has the translated code only.
    let run = device.smp("image erase --slot 0 --smp-version 1");
    assert_eq!((run.code, &run.json()["group"], &run.json()["rc"]), (1, &Value::Null, &6.into()));
    assert_eq!(device.smp("info xyz").json()["name"], "INVALID_FORMAT");
}

#[test]
fn nonsense_on_the_command_line_exits_with_2() {
    for words in ["", "frobnicate", "--pace 0/1 params", "--smp-version 3 params", "image test zz", "image test 00ff"] {
        assert_eq!(simulated(words).code, 2, "{words}");
    }
}

#[test]
fn uploaded_image_is_listed_tested_and_goes_back() {
    let file = File::image("upload.bin", Version::new(2, 3, 4));
    let len = std::fs::metadata(file.path()).unwrap().len();
    for link in links() {
        let device = Device::start(link);
        let upload = device.smp(&format!("--window 3 image upload {} --slot 1", file.path())).ok();
        assert_eq!((upload["off"].as_u64(), &upload["match"]), (Some(len), &true.into()), "{link}");
        let again = device.smp(&format!("image upload {}", file.path())).ok();
        assert_eq!(again["already_present"], true, "{link}");
        let images = device.smp("image list").ok()["images"].clone();
        assert_eq!(images[1]["version"], "2.3.4", "{link}");
        let hash = images[1]["hash"].as_str().unwrap();
        assert_eq!(device.smp(&format!("image test {}", &hash[..10])).ok()["images"][1]["pending"], true, "{link}");
        let running = |device: &Device| {
            device.smp("reset").ok();
            device.smp("params").ok();
            device.smp("image list").ok()["images"][0]["version"].clone()
        };
        assert_eq!((running(&device), running(&device)), ("2.3.4".into(), "1.0.0".into()), "{link}");
    }
}

#[test]
fn upgrade_without_anything_ends_with_confirmed() {
    let run = run(["--simulated", "upgrade"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout.lines().last(), Some("version 1.1.0 runs: confirmed"));
    assert!(run.stdout.contains("before:") && run.stdout.contains("after:"), "{run:?}");
}

#[test]
fn upgrade_works_over_every_link_and_again_without_one() {
    let file = File::image("upgrade.bin", Version::new(9, 8, 7));
    for link in links() {
        let device = Device::start(link);
        let plan = device.smp(&format!("upgrade {} --dry-run", file.path())).ok();
        assert_eq!((&plan["outcome"], &plan["confirmed"]), (&"planned".into(), &false.into()), "{link}");
        let result = device.smp(&format!("upgrade {} --rest 500", file.path())).ok();
        assert_eq!((&result["confirmed"], &result["version"]), (&true.into(), &"9.8.7".into()), "{link}");
        assert_eq!(result["images"][0]["hash"], result["hash"], "{link}");
        let result = device.smp(&format!("upgrade {}", file.path())).ok();
        assert_eq!((&result["confirmed"], &result["upload"]["sent"]), (&true.into(), &0.into()), "{link}");
    }
}

#[test]
fn upgrade_uploads_again_what_lies_on_the_device_damaged() {
    let file = File::image("whole.bin", Version::new(3, 2, 1));
    let mut bytes = std::fs::read(&file.0).unwrap();
    bytes[20_000] ^= 1;
    let damaged = File::new("damaged.bin", &bytes);
    let device = Device::start("--tcp 127.0.0.1:0");
    // `--raw`: the tool does not send it as an image.
    device.smp(&format!("image upload --raw {}", damaged.path())).ok();
    let result = device.smp(&format!("upgrade {} --rest 500", file.path())).ok();
    assert_eq!((&result["confirmed"], &result["version"]), (&true.into(), &"3.2.1".into()));
    assert_eq!(
        result["skipped"],
        serde_json::json!(["the device refused to mark the image that it had, because it is damaged"])
    );
    // A file that is itself damaged is not even sent.
    let device = Device::start("--tcp 127.0.0.1:0");
    let run = device.smp(&format!("upgrade {} --rest 500", damaged.path()));
    assert_eq!(run.code, 5, "{run:?}");
}

#[test]
fn upgrade_that_crashes_is_told_from_one_that_runs() {
    let file = File::image("crash.bin", Version::new(6, 6, 6));
    let device = Device::start("--tcp 127.0.0.1:0 --crashing");
    let run = device.smp(&format!("upgrade {} --rest 500", file.path()));
    assert_eq!(run.code, 6, "{run:?}");
    assert!(run.stderr.contains("another image runs"), "{run:?}");
    assert_eq!(device.smp("image list").ok()["images"][0]["version"], "1.0.0");
}

#[test]
fn upgrade_can_stop_short_of_the_confirmation() {
    let file = File::image("trial.bin", Version::new(4, 4, 4));
    let device = Device::start("--tcp 127.0.0.1:0 --busy");
    let run = device.smp(&format!("upgrade {} --rest 500", file.path()));
    assert_eq!((run.code, &run.json()["rc"]), (1, &10.into()), "{run:?}");
    let result = device.smp(&format!("upgrade {} --rest 500 --force --no-confirm", file.path())).ok();
    assert_eq!((&result["outcome"], &result["confirmed"]), (&"testing".into(), &false.into()));
    assert_eq!(device.smp("image confirm").ok()["images"][0]["confirmed"], true);
}

#[test]
fn real_device_is_not_upgraded_to_a_made_up_image() {
    let device = Device::start("--tcp 127.0.0.1:0");
    assert_eq!(device.smp("upgrade").code, 2);
}

#[test]
fn files_that_are_no_image_exit_with_5() {
    let file = File::new("text.bin", b"This is no image, whatever its name says.");
    assert_eq!(simulated(&format!("image upload {}", file.path())).code, 5);
    assert_eq!(simulated("image upload /no/such/file").code, 5);
    assert_eq!(simulated("upgrade /no/such/file").code, 5);
}

#[test]
fn silence_exits_with_3() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let run = smp(&format!("--udp {address} --timeout 50 --retries 1 params"));
    assert_eq!(run.code, 3, "{run:?}");
    // A reset too: nobody has answered before or after it.
    assert_eq!(smp(&format!("--udp {address} --timeout 50 --retries 0 reset")).code, 3);
}

#[test]
fn ports_that_cannot_be_opened_exit_with_4() {
    // Bound once, so that it was free, and closed again.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(smp(&format!("--tcp {address} params")).code, 4);
    let run = smp("--serial /dev/no/such/port params");
    assert_eq!(run.code, 4);
    assert!(run.stderr.contains("/dev/no/such/port") && run.stderr.contains("`smp ports`"), "{run:?}");
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_an_answer_does_not_end_a_server() {
    let device = Device::start("--tcp 127.0.0.1:0");
    let address = device.endpoint.split(' ').nth(1).unwrap();
    for _ in 0..5 {
        let mut client = TcpStream::connect(address).unwrap();
        // Two requests, whose answers nobody takes, and the beginning of a third.
        client.write_all(b"\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n".repeat(2).as_slice()).unwrap();
        client.write_all(b"\x06\x09ABAKAAAG").unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(device.smp("echo hello").ok()["r"], "hello");
}

#[test]
fn help_explains_the_exit_codes() {
    let run = run(["--help"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("Exit codes:") && run.stdout.contains("upgrade"), "{run:?}");
}

#[test]
fn counters_count_requests_by_kind() {
    let device = Device::start("--tcp 127.0.0.1:0");
    let sets = device.smp("stat list").ok()["stat_list"].clone();
    assert!(sets.as_array().unwrap().contains(&"smp".into()), "{sets}");
    device.smp("echo hello").ok();
    let counted = device.smp("stat read smp").ok();
    // The list and this very request; the echo.
    assert_eq!((&counted["fields"]["reads"], &counted["fields"]["writes"]), (&2.into(), &1.into()), "{counted}");
    let run = device.smp("stat read nothing");
    assert_eq!((run.code, &run.json()["name"], &run.json()["group"]), (1, &"INVALID_GROUP".into(), &2.into()));
}

#[test]
fn settings_are_lost_in_a_reset_unless_they_were_saved() {
    let device = Device::start("--tcp 127.0.0.1:0");
    device.smp("settings write net/port 8080 --as u16").ok();
    assert_eq!(device.smp("settings read net/port").ok()["val"], "901f");
    device.smp("settings load").ok();
    assert_eq!(device.smp("settings read net/port").ok()["val"], "3905");
    device.smp("settings write app/a kept").ok();
    device.smp("settings save app").ok();
    device.smp("settings write app/b 00ff --as hex").ok();
    device.smp("settings commit").ok();
    assert_eq!(device.smp("settings read app/b --max-size 1").ok()["val"], "00");
    device.smp("reset").ok();
    assert_eq!(device.smp("settings read app/a").ok()["val"], "6b657074");
    let run = device.smp("settings read app/b");
    assert_eq!((run.code, &run.json()["group"], &run.json()["rc"]), (1, &3.into(), &3.into()), "{run:?}");
    device.smp("settings delete app/a").ok();
    assert_eq!(device.smp("settings read app/a").code, 1);
    device.smp("storage erase").ok();
    assert_eq!(device.smp("settings read device/name").json()["name"], "KEY_NOT_FOUND");
    assert_eq!(simulated("settings write a 256 --as u8").code, 2);
}

#[test]
fn people_see_settings_in_hex_and_as_text() {
    let run = run(["--simulated", "settings", "read", "device/name"]);
    assert_eq!(run.stdout, "73696d756c61746f72  \"simulator\"\n", "{run:?}");
}

#[test]
fn files_have_a_length_and_hashes() {
    let device = Device::start("--tcp 127.0.0.1:0");
    assert_eq!(device.smp("fs status /lfs1/hello.txt").ok()["len"], 33);
    let types = device.smp("fs types").ok()["types"].clone();
    assert_eq!((&types["crc32"]["size"], &types["sha256"]["size"]), (&4.into(), &32.into()));
    assert_eq!(device.smp("fs hash /lfs1/hello.txt").ok()["output"], 0x6fae_10e2_u32);
    // Of "Hello".
    let hash = device.smp("fs hash /lfs1/hello.txt --type sha256 --len 5").ok();
    assert_eq!(hash["output"], "185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969");
    device.smp("fs close").ok();
    assert_eq!(device.smp("fs status /lfs1/no").json()["name"], "FILE_NOT_FOUND");
    assert_eq!(device.smp("fs status /lfs1/../etc/passwd").json()["name"], "FILE_INVALID_NAME");
}

#[test]
fn shell_commands_tell_output_and_result() {
    let device = Device::start("--tcp 127.0.0.1:0");
    let echo = run(device.endpoint.split(' ').chain(["--json", "shell", "--", "echo", "-n", "hello"])).ok();
    assert_eq!((&echo["o"], &echo["ret"]), (&"-n hello\n".into(), &0.into()));
    let run = device.smp("shell false");
    assert_eq!((run.code, &run.json()["ret"]), (1, &1.into()), "{run:?}");
    let run = device.smp("shell frobnicate");
    assert_eq!((run.code, &run.json()["ret"]), (1, &(-8).into()), "{run:?}");
    assert!(run.json()["o"].as_str().unwrap().contains("not found"), "{run:?}");
}

#[test]
fn interactive_shell_runs_every_line() {
    let run = run_with(["--simulated", "shell"], "echo one\nfalse\n\necho 'a  b'\n");
    let lines: Vec<&str> = run.stdout.lines().skip(1).collect();
    assert_eq!((run.code, lines), (0, vec!["one", "(returned 1)", "'a  b'"]), "{run:?}");
    // As with any shell, the last command decides.
    assert_eq!(run_with(["--simulated", "shell"], "echo one\nfalse\n").code, 1);
}

#[test]
fn enumeration_lists_what_is_served() {
    let groups = simulated("enum list").ok()["groups"].clone();
    assert_eq!(groups, serde_json::json!([0, 1, 2, 3, 8, 9, 10, 63]));
    assert_eq!(
        (&simulated("enum count").ok()["count"], &simulated("enum single 7").ok()["group"]),
        (&8.into(), &63.into())
    );
    let details = simulated("enum details 9 3").ok();
    assert_eq!(details["groups"][1], serde_json::json!({ "group": 9, "name": "shell mgmt", "handlers": 1 }));
}

#[test]
fn raw_requests_are_written_and_answered_in_diagnostic_notation() {
    let raw = |group, id, op, payload| run(["--simulated", "raw", "--group", group, "--id", id, "--op", op, payload]);
    let run = raw("0", "0", "write", r#" { "d" : "a \"quoted\" text" } "#);
    assert_eq!(run.stdout, "{\"r\": \"a \\\"quoted\\\" text\"}\n", "{run:?}");
    // Unknown keys of all kinds are skipped by the device.
    let all = r#"{"x": [1, -1, 24, 0xffff, 4294967296, -300, {}, [], true, false, null, h'00Ff'], "name": "net/port"}"#;
    assert_eq!(raw("3", "0", "read", all).stdout, "{\"val\": h'3905'}\n");
    let run = raw("64", "9", "read", "{}");
    assert_eq!((run.code, run.stdout.as_str()), (1, "{\"rc\": 8}\n"), "{run:?}");
    for nonsense in ["{", "{1}", "h'0'", "[1 2]", "\"open", "nil", "{} {}", "--1", "18446744073709551616"] {
        let run = raw("0", "0", "write", nonsense);
        assert_eq!(run.code, 2, "{run:?}");
    }
}

#[test]
fn automatic_framing_finds_every_framing_and_both_versions() {
    let mut links = vec!["--tcp 127.0.0.1:0", "--tcp 127.0.0.1:0 --framing raw", "--tcp 127.0.0.1:0 --framing cobs"];
    if cfg!(unix) {
        links.push("--pty --framing cobs");
    }
    for link in links {
        let mut device = Device::start(link);
        let (front, _) = device.endpoint.split_once(" --framing").unwrap();
        device.endpoint = format!("{front} --framing auto --timeout 200");
        let run = device.smp("params");
        assert_eq!(run.ok()["buf_count"], 4, "{link}");
        assert!(run.stderr.contains("SMP version 2"), "{run:?}");
        let run = device.smp("--smp-version 1 params");
        assert!(run.stderr.contains("SMP version 1"), "{run:?}");
    }
}

/// What is left of an attempt in another framing lies in the receiver of a device on a serial line:
/// it is still the same one.
#[cfg(unix)]
#[test]
fn automatic_framing_finds_a_device_right_after_an_attempt_in_another_one() {
    let find = |framing: &str, wrong: &str| {
        let device = Device::start(&format!("--pty --framing {framing}"));
        let (front, _) = device.endpoint.split_once(" --framing").unwrap();
        let attempt = smp(&format!("{front} --framing {wrong} --timeout 300 --retries 1 echo hello"));
        assert_eq!(attempt.code, 3, "{framing} after {wrong}: {attempt:?}");
        let began = Instant::now();
        let run = smp(&format!("{front} --framing auto --timeout 200 echo hello"));
        assert_eq!(run.ok()["r"], "hello", "{framing} after {wrong}");
        began.elapsed()
    };
    let finds = [
        ("raw", "console"),
        // The first bytes of a console frame are a length that fits this buffer: the device waits
        // for the rest.
        ("raw --buf-size 8192", "console"),
        ("raw", "cobs"),
        ("cobs", "console"),
        ("cobs", "raw"),
        ("console", "cobs"),
    ];
    let found = finds.map(|(framing, wrong)| thread::spawn(move || (framing, wrong, find(framing, wrong))));
    for (framing, wrong, time) in found.map(|found| found.join().unwrap()) {
        // A raw device may have to forget first what it heard; the others have a preamble.
        let limit = Duration::from_secs(if framing.starts_with("raw") { 15 } else { 6 });
        assert!(time < limit, "{framing} after {wrong}: {time:?}");
        println!("{framing} after {wrong}: {time:?}");
    }
}

#[test]
fn device_with_automatic_framing_answers_in_kind() {
    let mut device = Device::start("--tcp 127.0.0.1:0 --framing auto");
    let endpoint = device.endpoint.clone();
    for framing in ["console", "raw", "cobs"] {
        device.endpoint = endpoint.replace("--framing auto", &format!("--framing {framing}"));
        assert_eq!(device.smp("echo hello").ok()["r"], "hello", "{framing}");
    }
}

#[test]
fn silence_is_no_framing() {
    // Takes the connection, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let run = smp(&format!("--tcp {address} --framing auto --timeout 50 --retries 0 params"));
    assert_eq!(run.code, 3, "{run:?}");
}

#[test]
fn terminal_shows_text_while_smp_runs_beside_it() {
    let mut links = vec!["--tcp 127.0.0.1:0 --chatty"];
    if cfg!(unix) {
        links.push("--pty --chatty");
    }
    for link in links {
        let device = Device::start(link);
        let run = run_with(
            device.endpoint.split(' ').chain(["terminal"]),
            "help\n:echo between\n:settings read nope\n:shell\n:nonsense\necho typed\n",
        );
        assert_eq!(run.code, 0, "{run:?}");
        for seen in ["commands: echo", "between\n", "smp: Write Group(os) 0", "typed\r\n"] {
            assert!(run.stdout.contains(seen), "{seen} in {run:?}");
        }
        assert!(run.stderr.contains("KEY_NOT_FOUND") && run.stderr.contains("nonsense"), "{run:?}");
    }
}

#[test]
fn terminal_needs_a_console() {
    assert_eq!(simulated("--framing raw terminal").code, 2);
    assert_eq!(smp("--udp 127.0.0.1:1 terminal").code, 2);
    assert_eq!(run(["--simulated", "--framing", "auto", "terminal"]).code, 0);
}

#[test]
fn ports_and_completion_need_no_device() {
    assert!(smp("ports").ok()["ports"].is_array());
    for (shell, mark) in [("bash", "complete -F _smp"), ("zsh", "#compdef smp"), ("fish", "complete -c smp")] {
        let run = run(["completion", shell]);
        assert!(run.code == 0 && run.stdout.contains(mark) && run.stderr.is_empty(), "{shell}");
    }
}

#[test]
fn image_is_made_of_a_program_without_a_device() {
    let (program, image) = (File::new("program.bin", b"a program"), File::new("made.bin", b""));
    let make = format!("image make --force {} {}", program.path(), image.path());
    let made = smp(&format!("{make} --version 1.2.3+4 --header-size 0x80 --load-addr 0x20000000")).ok();
    let bytes = std::fs::read(image.path()).unwrap();
    let parsed = Image::parse(&bytes).unwrap();
    assert_eq!(parsed.verify(&mut Sha256::new()), Ok(()));
    let header = parsed.header();
    assert_eq!((header.load_address(), header.flags(), header.header_len()), (0x2000_0000, Flags::RAM_LOAD, 0x80));
    assert_eq!((&made["version"], &made["len"]), (&header.version().to_string().into(), &bytes.len().into()));
    assert_eq!(bytes[0x80..0x89], *b"a program");
    for (words, code) in [("--version 1.2.x", 2), ("--version 1.2.3 --header-size 31", 2)] {
        assert_eq!(smp(&format!("{make} {words}")).code, code, "{words}");
    }
    assert_eq!(smp(&format!("{make} --version 1.2.3 --header-size 65536")).code, 2);
    assert_eq!(smp(&format!("image make /no/such/program {} --version 1.2.3", image.path())).code, 5);
}

#[test]
fn files_go_to_the_device_and_come_back() {
    let bytes: Vec<u8> = (0..30_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (file, back) = (File::new("there.bin", &bytes), File::new("back.bin", b""));
    for link in links() {
        let device = Device::start(link);
        let sent = device.smp(&format!("fs upload {} /lfs1/there.bin", file.path())).ok();
        assert_eq!((&sent["off"], &sent["match"]), (&30_000.into(), &true.into()), "{link}");
        let got = device.smp(&format!("--window 3 fs download /lfs1/there.bin {}", back.path())).ok();
        assert_eq!((&got["len"], &got["match"]), (&30_000.into(), &true.into()), "{link}");
        assert!(std::fs::read(back.path()).unwrap() == bytes, "{link}");
    }
    let run = run(["--simulated", "fs", "download", "/lfs1/hello.txt", "-"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "Hello from the simulated device.\n"), "{run:?}");
}

#[test]
fn files_that_cannot_be_had_say_on_which_side() {
    assert_eq!(simulated("fs upload /no/such/file /lfs1/a").code, 5);
    assert_eq!(simulated("fs download /lfs1/hello.txt /no/such/directory/file").code, 5);
    let run = simulated("fs download /lfs1/no");
    assert_eq!((run.code, &run.json()["name"]), (1, &"FILE_NOT_FOUND".into()), "{run:?}");
    let empty = File::new("empty.bin", b"");
    assert_eq!(simulated(&format!("fs upload {} /lfs1/empty", empty.path())).ok()["len"], 0);
}

/// A BSMP node on TCP whose variable i reads i, i, i, i. It answers one request after the other;
/// before the answer to the third it takes `late` longer.
fn slow_node(late: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut master = listener.accept().unwrap().0;
        master.set_nodelay(true).unwrap();
        let mut request = [0; 4];
        for number in 1.. {
            if master.read_exact(&mut request).is_err() {
                return;
            }
            assert_eq!(request[..3], [0x10, 0, 1], "reads a variable");
            if number == 3 {
                thread::sleep(late);
            }
            let id = request[3];
            if master.write_all(&[0x11, 0, 4, id, id, id, id]).is_err() {
                return;
            }
        }
    });
    address
}

#[test]
fn a_late_answer_of_a_node_is_never_the_value_of_another_variable() {
    let address = slow_node(Duration::from_millis(500));
    let words = format!("--tcp {address} --timeout 100 --json watch 0 1 2 --interval 200 --count 15");
    let run = Run::of(Command::new(program("bsmp")).args(words.split(' ')).stdin(Stdio::null()).output().unwrap());
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Every reading shows; then come the counts, and why it did not end well.
    let (readings, rest) = lines.split_at(15);
    let errors = readings.iter().filter(|line| line["error"] == "no answer").count();
    assert_eq!(errors, 1, "{run:?}");
    for line in readings.iter().filter(|line| line["error"].is_null()) {
        let id = line["id"].as_u64().unwrap();
        assert_eq!(line["value"], format!("{id:02}").repeat(4), "{line} in {run:?}");
    }
    let counts = &rest[0]["nodes"][0];
    assert_eq!((&counts["asked"], &counts["answered"], &counts["missing"]), (&15.into(), &14.into(), &1.into()));
    assert_eq!((run.code, &rest[1]["error"]), (3, &"1 of 15 readings failed".into()), "{run:?}");
}

#[test]
fn a_bsmp_node_is_reached_over_every_link() {
    let mut links = vec!["--tcp 127.0.0.1:0", "--tcp 127.0.0.1:0 --framing packet", "--udp 127.0.0.1:0"];
    if cfg!(unix) {
        links.push("--pty");
    }
    for link in links {
        let node = Device::run("bsmp-node", link);
        let words = format!("{} --json read 1 2", node.endpoint);
        let run = Run::of(Command::new(program("bsmp")).args(words.split(' ')).output().unwrap());
        assert_eq!(run.code, 0, "{link}: {run:?}");
        assert_eq!(run.json(), serde_json::json!({ "id": 2, "value": "01020304" }), "{link}");
    }
}

#[test]
fn the_demonstration_of_bsmp_ends_well() {
    let run = Run::of(Command::new(program("bsmp")).arg("demo").stdin(Stdio::null()).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("The copy is the same."), "{run:?}");
}
