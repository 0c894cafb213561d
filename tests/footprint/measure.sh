#!/bin/bash
# Prints the flash that each image takes beyond the empty one: `measure.sh [TARGET ...]`.
set -euo pipefail
cd "$(dirname "$0")"
TARGETS=("$@")
[ $# -gt 0 ] || TARGETS=(thumbv6m-none-eabi thumbv7em-none-eabi)
OUT=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")/thumb
for target in "${TARGETS[@]}"; do
    export CARGO_TARGET_"$(tr a-z- A-Z_ <<< "$target")"_LINKER=arm-none-eabi-ld
    if rustup target list --installed 2> /dev/null | grep -qx "$target"; then
        cargo build --quiet --locked --release --target "$target" --target-dir "$OUT"
    else
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo build --quiet --locked --release --target "$target" \
            --target-dir "$OUT" -Zbuild-std=core
    fi
    size() { arm-none-eabi-size "$OUT/$target/release/$1" | awk 'NR == 2 { print $1 + $2 }'; }
    for image in console cobs smp_server sha256 smp_upgrade_server bsmp_server s3mp_slave; do
        base=base
        [ "$image" != bsmp_server ] || base=bsmp_base
        printf '%s %s %d\n' "$target" "$image" $(($(size "$image") - $(size $base)))
    done
done
