#!/bin/bash
# cargo for Cortex-M, with what the machine has: `cargo.sh TARGET ARGUMENTS...`, as `cargo.sh thumbv6m-none-eabi build --release`.
# Rustup's own target where somebody has installed it; else Debian's compiler (packages rustc-web, cargo-web, rust-web-src),
# which builds `core` itself. arm-none-eabi-ld links in both cases: its binutils are what the checks use.
set -euo pipefail
TARGET=$1; shift
NAME=$(tr a-z- A-Z_ <<< "$TARGET")
export "CARGO_TARGET_${NAME}_LINKER=arm-none-eabi-ld"
# The same flags for every image: another set would have `core` built again. Sizes of stack frames cost nothing in the image;
# the compact form of SHA-256 takes a ninth of the flash of the other one.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export "CARGO_TARGET_${NAME}_RUSTFLAGS=-Zemit-stack-sizes --cfg sha2_backend_soft=\"compact\"" RUSTC_BOOTSTRAP=1
# What the feature `defmt` of an image logs.
export DEFMT_LOG=${DEFMT_LOG:-info}
if rustup target list --installed 2> /dev/null | grep -qx "$TARGET"; then
    exec cargo "$@" --target "$TARGET"
fi
RUSTC=/usr/bin/rustc exec /usr/bin/cargo "$@" --target "$TARGET" -Zbuild-std=core
