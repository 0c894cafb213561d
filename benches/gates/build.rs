//! The board's memory map is that of the images in `tests/footprint`.

fn main() {
    let map = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/footprint/board.x");
    println!("cargo:rerun-if-changed={map}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg=--gc-sections");
        println!("cargo:rustc-link-arg=-T{map}");
    }
}
