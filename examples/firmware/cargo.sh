#!/bin/bash
# cargo for Cortex-M and RISC-V, with what the machine has: `cargo.sh TARGET ARGUMENTS...`, for
# example `cargo.sh thumbv6m-none-eabi build --release`. Rustup's own target where it is installed;
# else Debian's compiler (packages rustc-web, cargo-web, rust-web-src), which builds `core` itself.
# GNU ld links in both cases, since the checks use the binutils that it comes with.
set -euo pipefail
TARGET=$1; shift
NAME=$(tr a-z- A-Z_ <<< "$TARGET")
case $TARGET in
    riscv*)
        # One ld for all RISC-V targets: it has to be given the width. The target's own choice is lld.
        LINKER=riscv64-unknown-elf-ld
        FLAVOUR="-Clinker-flavor=ld -Clink-arg=-melf32lriscv "
        ;;
    *)
        LINKER=arm-none-eabi-ld
        FLAVOUR=
        ;;
esac
export "CARGO_TARGET_${NAME}_LINKER=$LINKER"
# The same flags for every image: another set would have `core` built again. Sizes of stack frames cost nothing in the image;
# the compact form of SHA-256 takes a ninth of the flash of the other one.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export "CARGO_TARGET_${NAME}_RUSTFLAGS=${FLAVOUR}-Zemit-stack-sizes --cfg sha2_backend_soft=\"compact\"" RUSTC_BOOTSTRAP=1
# What the feature `defmt` of an image logs.
export DEFMT_LOG=${DEFMT_LOG:-info}
if rustup target list --installed 2> /dev/null | grep -qx "$TARGET"; then
    exec cargo "$@" --target "$TARGET"
fi
RUSTC=/usr/bin/rustc exec /usr/bin/cargo "$@" --target "$TARGET" -Zbuild-std=core
