//! `smp plan` agrees with README's table of throughput, which another model measures.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::process::Command;

use serde_json::Value;

/// The rows of README's table below this heading, cell by cell.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let lines = include_str!("../../../README.md").lines().skip_while(|line| *line != heading).skip(2);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn plan(words: &str) -> Value {
    let program = env!("CARGO_BIN_EXE_smp");
    let output = Command::new(program).args(["--json", "plan"]).args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The speed in a cell as `7.9 (99 %)`, and the share.
fn cell(text: &str) -> (f64, f64) {
    let (speed, share) = text.split_once(" (").unwrap();
    (speed.parse().unwrap(), share.strip_suffix(" %)").unwrap().parse().unwrap())
}

#[test]
fn it_says_what_the_table_of_readme_says() {
    let rows = rows("| device | baud | window 1 | 2 | 4 | 8 |");
    assert_eq!(rows.len(), 9);
    for row in rows {
        let baud = row[1].replace(',', "");
        let (size, flash) = match row[0] {
            "takes no time" => (256 << 10, ""),
            "flash of an nRF52840" => (64 << 10, "--flash nrf52840"),
            "flash of an STM32L4" => (64 << 10, "--flash stm32l4"),
            other => panic!("{other}"),
        };
        for (window, text) in [1, 2, 4, 8].into_iter().zip(&row[2..]) {
            let found =
                plan(&format!("--baud {baud} --window {window} --buf-size 1024 --buf-count 9 --size {size} {flash}"));
            let (speed, share) = cell(text);
            // The plan asks for the buffers first, and its first piece has a hash.
            let ours = found["kib_per_second"].as_f64().unwrap();
            assert!(
                (ours / speed - 1.0).abs() < 0.02,
                "{baud} baud, window {window} {flash}: {ours} instead of {speed}"
            );
            let ours = found["wire_share"].as_f64().unwrap().max(found["flash_share"].as_f64().unwrap()) * 100.0;
            assert!((ours - share).abs() < 3.0, "{baud} baud, window {window} {flash}: {ours} % instead of {share} %");
            assert_eq!(found["window"], window);
        }
    }
}

#[test]
fn a_file_takes_as_long_as_its_bytes() {
    let path = std::env::temp_dir().join(format!("plan-{}.bin", std::process::id()));
    std::fs::write(&path, [7; 5000]).unwrap();
    let (of_file, of_bytes) =
        (plan(&format!("--buf-size 512 --size {}", path.display())), plan("--buf-size 512 --size 5000"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!((&of_file["len"], &of_file["seconds"]), (&5000.into(), &of_bytes["seconds"]));
}

#[test]
fn pieces_fill_the_buffers_in_every_framing() {
    // A later piece has 8 bytes of header and 14 of keys and heads, and a console's packet 4 more.
    for (framing, piece) in [("console", 1024 - 4 - 22), ("raw", 1024 - 22), ("cobs", 1024 - 22)] {
        let found = plan(&format!("--framing {framing} --buf-size 1024 --size 100000"));
        let ours = found["piece"].as_u64().unwrap();
        assert!((piece - 3..=piece).contains(&ours), "{framing}: {ours}");
        let frames = found["frames"].as_u64().unwrap();
        assert_eq!(frames > found["requests"].as_u64().unwrap(), framing == "console");
        assert!(found["line_bytes"].as_u64().unwrap() > 100_000);
    }
}
