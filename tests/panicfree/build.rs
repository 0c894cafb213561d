//! Sets the entry point, and removes everything that it does not reach from the image.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=--entry=start");
    println!("cargo:rustc-link-arg-bins=--gc-sections");
}
