//! Passes the memory map and the interrupt names of the target's board to the linker.

use std::{env, fs, path::PathBuf};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let target = env::var("TARGET").expect("cargo sets it");
    let board = if target.starts_with("thumbv6m") { "microbit" } else { "mps2" };
    println!("cargo:rustc-check-cfg=cfg(board, values(\"mps2\", \"microbit\"))");
    println!("cargo:rustc-cfg=board=\"{board}\"");
    let map = if env::var_os("CARGO_FEATURE_MCUBOOT").is_some() { "-mcuboot" } else { "" };
    if board != "mps2" && !map.is_empty() {
        println!(
            "cargo::error=the feature `mcuboot` is for the mps2 (thumbv7m-none-eabi): no MCUboot loads images into the RAM of a {board}"
        );
        return;
    }
    for (from, to) in [(format!("memory/{board}{map}.x"), "memory.x"), (format!("memory/{board}-device.x"), "device.x")]
    {
        fs::copy(&from, out.join(to)).expect("memory map of the board");
        println!("cargo:rerun-if-changed={from}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
}
