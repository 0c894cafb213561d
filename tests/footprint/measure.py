#!/usr/bin/env python3
"""measure.py [--write]: builds the images and compares their flash, RAM and stack with README's table.

Fails if a figure has changed by more than 2 %, either way; `--write` writes the table anew. Each image is built at
opt-level s and z, and the smaller of the two counts.

Flash is counted beyond an image without the crate that has the same device, memcpy, memset and memcmp (but see WHOLE); of a
framing, beyond one that also has the loop around it. RAM is what the crate's own values take, without the caller's buffers (BUFFERS) and
the device's own memory (DEVICE...). Stack is the worst case of the image's loop, see stack.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import stack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "footprint"
README = ROOT / "README.md"
BEGIN, END = "<!-- tests/footprint/measure.py writes what follows -->", "<!-- until here -->"
TARGETS = ("thumbv6m-none-eabi", "thumbv7em-none-eabi")
PROFILES = ("release", "z")
FRAMINGS = ("console", "cobs", "counted", "datagram", "auto", "packet", "lrc")
BASES = {"bsmp_server": "bsmp_base", "bsmp_server_md5": "bsmp_base", **dict.fromkeys(FRAMINGS, "framing_base")}

# What README calls it, the image, and whether the feature `small` is on.
ROWS = [
    ("framing: console", "console", False),
    ("framing: console, feature `small`", "console", True),
    ("framing: COBS + CRC-16", "cobs", False),
    ("framing: counted", "counted", False),
    ("framing: datagram", "datagram", False),
    ("framing: auto (console, counted, COBS)", "auto", False),
    ("framing: BSMP packets", "packet", False),
    ("framing: S3MP (COBS + LRC)", "lrc", False),
    ("CBOR: an upload request decoded, its response encoded", "cbor", False),
    ("SMP server: echo", "smp_echo", False),
    ("SMP server: + parameters, reset", "smp_os", False),
    ("SMP server: + image list and upload, flash stubbed", "smp_boot", False),
    ("SMP server: the same, feature `small`", "smp_boot", True),
    ("SMP server: these five commands by a `match` of its own, `small`", "smp_five", True),
    ("SMP server: the five without an answer memory, `small`", "smp_recovery", True),
    ("SMP server: `smp::Recovery`, the commands of `boot_serial`, `small`", "recovery", True),
    ("SMP server: the same, all bytes of the image", "recovery", True),
    ("SMP server: + slots and SHA-256 instead of the stub", "smp_upgrade_server", False),
    ("SMP server: all groups, slots, SHA-256", "smp_all", False),
    ("of these: slots over `NorFlash`", "slots", False),
    ("the same, configuration chosen at run time", "slots_any", False),
    ("of these: SHA-256, compact", "sha256", False),
    ("`dfu::Updater` instead of the slots, without SHA-256", "dfu", False),
    ("SMP client: upload", "smp_client", False),
    ("BSMP node: all commands", "bsmp_server", False),
    ("BSMP node: + MD5", "bsmp_server_md5", False),
    ("S3MP slave, framing and loop included", "s3mp_slave", False),
]
# Rows that count all bytes of the image, `memcpy` and what is the device's included, as figures of linked C programs do.
WHOLE = {"SMP server: the same, all bytes of the image"}


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def build(target, profile, *options, images=()):
    """Builds and keeps the images, all of them if none is named; returns where they are."""
    words = [ROOT / "examples/firmware/cargo.sh", target, "build", "--quiet", "--locked", "--profile", profile]
    words += ["--target-dir", BUILT, *options, *(f"--bin={image}" for image in images)]
    subprocess.run(words, cwd=HERE, check=True)
    return BUILT / target / profile


def memory(elf):
    """Flash, and the RAM that is neither the caller's nor the device's."""
    text, data = map(int, output("arm-none-eabi-size", elf).splitlines()[1].split()[:2])
    ram = 0
    for line in output("arm-none-eabi-nm", "-SC", elf).splitlines():
        symbol = re.match(r"[0-9a-f]{8} ([0-9a-f]{8}) [bBdD] (.*)$", line)
        if symbol and not re.search(r"\b(BUFFERS|DEVICE\w*)$", symbol[2]):
            ram += int(symbol[1], 16)
    return text + data, ram


def figures(targets=TARGETS, images=()):
    """(label, target) -> flash, RAM, stack, and the profile that has the smallest; of all images if none is named."""
    found = {}
    wanted = [row for row in ROWS if not images or row[1] in images]
    for target in targets:
        for small in sorted({row[2] for row in wanted}):
            # All images are built only where all count.
            some = {image for _, image, is_small in wanted if is_small == small} if small or images else set()
            some |= {BASES.get(image, "base") for image in some}
            for profile in PROFILES:
                place = build(target, profile, *(["--features=anysmp/small"] if small else []), images=sorted(some))
                for label, image, is_small in wanted:
                    if is_small != small:
                        continue
                    flash, ram = memory(place / image)
                    if label not in WHOLE:
                        flash -= memory(place / BASES.get(image, "base"))[0]
                    used, _, _ = stack.Image(place / image).worst("main_loop")
                    found[label, target] = min(found.get((label, target), (1 << 30,)), (flash, ram, used, profile))
    return found


def table(found):
    lines = [
        "| image | flash v6m | flash v7em | RAM | stack v6m | stack v7em |",
        "|---|---|---|---|---|---|",
    ]
    for label, _, _ in ROWS:
        one, two = (found[label, target] for target in TARGETS)
        cells = [one[0], two[0], max(one[1], two[1]), one[2], two[2]]
        lines.append(f"| {label} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return lines


def printed():
    """The lines of README's table, and what stands before and behind them."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN + "\n")
    lines, _, behind = rest.partition(END)
    return before, lines.strip().splitlines(), behind


def cells(line):
    label, *values = (cell.strip() for cell in line.strip("|").split("|"))
    return label, values


def compare(said, found):
    """What README says wrongly."""
    said, found = dict(map(cells, said[2:])), dict(map(cells, found[2:]))
    for label in sorted(said.keys() ^ found.keys()):
        yield f"{label}: {'no longer measured' if label in said else 'not in README'}"
    names = ("flash v6m", "flash v7em", "RAM", "stack v6m", "stack v7em")
    for label in said.keys() & found.keys():
        for name, old, new in zip(names, said[label], found[label]):
            old, new = int(old.replace(",", "")), int(new.replace(",", ""))
            if abs(new - old) > abs(old) * 0.02:
                yield f"{label}: {name} {'has grown' if new > old else 'is less now'}: {old} -> {new}"


def main(write):
    lines = table(figures())
    print("\n".join(lines))
    before, said, behind = printed()
    if write:
        README.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + behind)
        return
    if wrong := sorted(compare(said, lines)):
        sys.exit("README's table is wrong by more than 2 % (`measure.py --write` writes it):\n" + "\n".join(wrong))


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main(False)
        case ["--write"]:
            main(True)
        case _:
            sys.exit(__doc__)
