//! Images that are only linked have no start-up code and no memory map: only the code and data that
//! the linker keeps count. Those that run have the map of the emulated board.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=board.x");
    println!("cargo:rustc-link-arg=--gc-sections");
    if std::env::var_os("CARGO_FEATURE_BOARD").is_some() {
        println!("cargo:rustc-link-arg=-Tboard.x");
        return;
    }
    println!("cargo:rustc-link-arg=-e_start");
    // What a device does with the entities of a protocol is not linked: it is not the crate's.
    println!("cargo:rustc-link-arg=--unresolved-symbols=ignore-all");
}
