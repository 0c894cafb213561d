//! No start-up code and no memory map: what counts is what the linker keeps.

fn main() {
    println!("cargo:rustc-link-arg=-e_start");
    println!("cargo:rustc-link-arg=--gc-sections");
    // What a device does with the entities of a protocol is not linked: it is not the crate's.
    println!("cargo:rustc-link-arg=--unresolved-symbols=ignore-all");
}
