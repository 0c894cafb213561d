#!/usr/bin/env python3
"""map.py IMAGE [TARGET [PROFILE]]: whose bytes the flash of an image is made of, by crate and by file of this one.

Builds the image as the table's are, with debug information beside it, and asks for each halfword which function it was
compiled from: for code that was inlined the innermost one outside of `core`, so that an iterator counts for who wrote the
loop. What stands in the symbol table as data counts for its module, nameless data as constants.
"""

import os
import re
import subprocess
import sys
from collections import Counter

import measure

MINE = re.compile(r"(?:^|/)src/([a-z0-9_/]+)\.rs")
# The parts of the crate, by what their files begin with.
PARTS = [
    ("framing/console", "console framing"),
    ("checksum", "console framing"),
    ("framing", "other framings"),
    ("cbor/write", "CBOR, writing"),
    ("cbor", "CBOR, reading"),
    ("smp/payload", "requests and responses, field by field"),
    ("smp/server", "server: checks, repeats, answers"),
    ("smp/header", "server: checks, repeats, answers"),
    ("smp/error", "server: checks, repeats, answers"),
    ("smp", "groups: dispatch"),
    ("blocking", "line and driver"),
    ("line", "line and driver"),
    ("port", "line and driver"),
    ("time", "line and driver"),
    ("mcuboot", "slots"),
]


def part(file):
    return next((name for begin, name in PARTS if file.startswith(begin)), f"crate: {file}")


def whose(function, place):
    """Whose a line of code is; None for `core`, which counts for its caller."""
    if str(measure.HERE) in place:
        return "the device: its commands, its loop, its start"
    if str(measure.ROOT) in place:
        return part(MINE.search(place.removeprefix(str(measure.ROOT)))[1])
    if found := re.search(r"/registry/src/[^/]+/([a-z0-9_-]+?)-\d[^/]*/", place):
        return f"package {found[1]}"
    return "compiler_builtins: memcpy, memset, division" if "compiler" in place and "builtins" in place else None


def functions(elf):
    """Address and length of each function, and the bytes of data by module."""
    code, data = [], Counter()
    for line in measure.output("arm-none-eabi-nm", "-SC", elf).splitlines():
        symbol = re.match(r"([0-9a-f]{8}) ([0-9a-f]{8}) ([tTwWrRdD]) (.*)$", line)
        if not symbol:
            continue
        address, length, kind, name = int(symbol[1], 16), int(symbol[2], 16), symbol[3], symbol[4]
        if kind in "tTwW":
            code.append((address & ~1, length))
        elif module := re.match(r"<?anysmp::([a-z0-9_:]+)::", name):
            data[part(module[1].replace("::", "/")) + ", tables"] += length
        else:
            data["constants: keys, texts, default values"] += length
    return code, data


def owners(elf):
    code, owned = functions(elf)
    addresses = [address for start, length in code for address in range(start, start + length, 2)]
    text = subprocess.run(
        ("arm-none-eabi-addr2line", "-aifCe", elf),
        input="\n".join(map(hex, addresses)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for block in re.split(r"^0x[0-9a-f]+\n", text, flags=re.M)[1:]:
        lines = block.splitlines()
        names = (whose(function, place) for function, place in zip(lines[::2], lines[1::2]))
        owned[next((name for name in names if name), "compiler_builtins: memcpy, memset, division")] += 2
    return owned


def main(image, target="thumbv7em-none-eabi", profile="release"):
    for name in ("RELEASE", "Z"):
        os.environ[f"CARGO_PROFILE_{name}_DEBUG"] = "true"
    measure.BUILT = measure.BUILT.with_name("footprint-map")
    place = measure.build(target, profile, images=[image, "base"])
    owned, total = owners(place / image), measure.memory(place / image)[0]
    owned["between the symbols"] = total - sum(owned.values())
    print(f"| bytes of `{image}`, {target} | |\n|---|---|")
    for name, size in owned.most_common():
        print(f"| {name} | {size:,} |")
    base = measure.memory(place / "base")[0]
    print(f"| less what an image without the crate has | -{base:,} |\n| in the table | {total - base:,} |")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
