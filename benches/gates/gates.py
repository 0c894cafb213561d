#!/usr/bin/env python3
"""gates.py [--check | --write | --time | --small]: how many instructions the library takes, beside other crates, as a table.

Each row has our figure, that of the best other implementation (the anchor), their ratio and the bound of the ratio (the gate).
Instructions are counted exactly: on this machine by callgrind, on a Cortex-M3 and an M0 in QEMU, in one run for all. Other
crates run beside ours; what is written in C is a constant with its compiler. Flash, RAM and stack are README's.

`--check` compares with `counts.json`: it fails if one of our counts has grown by more than 2 % with the compiler that it was
counted with. It also fails if a line of `met.json` is missed or not there: what was ever met has to stay so. `--write` writes
`counts.json` anew and adds to `met.json` what is met now, but takes nothing from it: only a person does, by hand, and says in
README why. `--time` adds ratios of the time
that the host's cases take, for a person: they say little on a busy machine. `--small` counts with the feature `small` and
without it, and prints the console framing's cases side by side: README's line about that feature.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "gates"
COUNTS = HERE / "counts.json"
MET = HERE / "met.json"
README = ROOT / "README.md"
TIMES = 20
GROWTH = 1.02
BOARDS = {"m3": "thumbv7m-none-eabi", "m0": "thumbv6m-none-eabi"}
# Longer than the cases ever take in QEMU.
PATIENCE = 60

# Other implementations that cannot run here, instructions for the same inputs.
# Zephyr's serial_util.c at 0dc6d2d2, gcc 12.2 -Os, Cortex-M3: a frame of 380 bytes; crc16_itu_t for each byte.
ZEPHYR = {"encode": 23_817, "decode": 37_482, "crc": 15.0, "crc-m0": 17.0}
# libbsmp at b471d4f, gcc 12.2 -O2, this machine: 19 variables.
LIBBSMP = {"read": 110, "write": 132, "combine": 146, "write-read": 150, "read-group": 510, "list-groups": 130}
# The same: a curve's block of so many bytes, most of it the copy; what answers a command without data.
LIBBSMP_BLOCKS = {"read-block": {16_384: 16_511}, "write-block": {512: 207, 16_384: 16_526}}
LIBBSMP_VERSION = 88
# mcumgr-toolkit 0.20.0 and mcumgr-smp 0.8.0 with rustc 1.95.0: `benches/peers` runs them beside ours, for times.
TOOLKIT = {"encode": {64: 2_581, 380: 13_546, 1024: 35_728, 2044: 70_860},
           "decode": {64: 8_173, 380: 29_691, 1024: 76_602, 2044: 150_066}}
MCUMGR_SMP = {64: 1_956, 380: 10_746, 1024: 26_598, 2044: 51_248}
# smpclient 7.3.0 uploads a file of 3,000 bytes to a Zephyr 4.4.0 with buffers of 384: requests, bytes on the wire; system calls
# of an echo. It has one request in flight.
SMPCLIENT = {"requests": 9, "wire": 4_680, "calls": 23.3}
# Flash of the decoder of an upload request and the encoder of its response, v6m and v7em: minicbor 2.3.1 with rustc 1.95.0, zcbor
# 0.8.1 in boot_serial with gcc 12.2 -Os.
CBOR_FLASH = {"minicbor": (7_392, 7_292, 0.28), "zcbor": (2_014, 2_008, 1.0)}
# boot_serial of MCUboot at 2d4bacc, gcc 12.2 -Os with LTO: flash of a whole image.
BOOT_SERIAL = 4_640


class Failed(Exception):
    """Something could not be counted, or is worse than it may be."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def version(compiler):
    return run(compiler, "--version").strip()


def host(*features):
    """The cases on this machine, built with its compiler."""
    run("cargo", "build", "--release", "--locked", "--target-dir", BUILT, *features, cwd=HERE)
    with tempfile.TemporaryDirectory() as place:
        run("valgrind", "--tool=callgrind", f"--callgrind-out-file={place}/out", BUILT / "release/gates")
        counts = {}
        for file in Path(place).glob("out.*"):
            text = file.read_text()
            if name := re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M):
                counts[name[1]] = int(re.search(r"^summary: (\d+)", text, re.M)[1])
    empty = counts.pop("empty 0")
    return version("rustc"), {name: round((count - empty) / TIMES) for name, count in counts.items()}


def transfers():
    """What an upload sends and how often it waits, and how many system calls an echo takes: after `host`, whose program it runs."""
    program, counts = BUILT / "release/gates", {}
    for length in (3_000, 24_000):
        for line in run(program, "--upload", length).splitlines():
            name, _, count = line.split()
            counts[f"transfer-{name} {length}"] = int(count)
    with tempfile.TemporaryDirectory() as place:
        fewer, more = (calls(program, Path(place) / str(echoes), echoes) for echoes in (20, 120))
    counts["echo-calls 0"] = round((more - fewer) / 100, 1)
    return counts


def calls(program, log, echoes):
    """The system calls of a program that sends echoes. Under valgrind reading the clock is one, otherwise it is not."""
    with subprocess.Popen([str(program), "--serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip()
            run("valgrind", "--tool=none", "--trace-syscalls=yes", f"--log-file={log}", program, "--echoes", address, echoes)
        finally:
            server.kill()
    # A call that waits has a second line for its end.
    lines = (line for line in log.read_text().splitlines() if line.startswith("SYSCALL["))
    return sum("clock_gettime" not in line and ") ... [" not in line for line in lines)


def printed(stream):
    """What the board prints, up to its end."""
    for line in iter(stream.readline, "end 0 0\n"):
        yield line
        if line.startswith("panic"):
            return


def board(target, *features):
    """The cases in QEMU, as firmware is built. On an M0 too the core is an M3, which runs the M0's instructions."""
    run(ROOT / "examples/firmware/cargo.sh", target, "build", "--profile", "firmware", "--locked", "--target-dir", BUILT, *features, cwd=HERE)
    installed = run("rustup", "target", "list", "--installed").split()
    compiler = version("rustc" if target in installed else "/usr/bin/rustc")
    words = ["qemu-system-arm", "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-icount", "shift=7"]
    words += ["-serial", "stdio", "-kernel", str(BUILT / target / "firmware/gates")]
    counts = {}
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        with ThreadPoolExecutor(1) as thread:
            lines = thread.submit(lambda: list(printed(process.stdout)))
            try:
                for line in lines.result(PATIENCE):
                    if line.startswith("panic"):
                        raise Failed(line)
                    name, length, count = line.split()
                    counts[f"{name} {length}"] = int(count)
            finally:
                process.kill()
    return compiler, counts


def readme():
    """README's table of sizes: label -> flash v6m, flash v7em, RAM, stack v6m, stack v7em."""
    rows = re.findall(r"^\| ([^|]*) \| ([-\d,]+) \| ([-\d,]+) \| ([-\d,]+) \| ([-\d,]+) \| ([-\d,]+) \|$", README.read_text(), re.M)
    return {label: [int(cell.replace(",", "")) for cell in cells] for label, *cells in rows}


class Rows:
    """Collects rows; each has some lines, and is met if all of its lines are."""

    def __init__(self):
        self.lines = []

    def add(self, row, what, ours, anchor, gate, unit="", note=""):
        """`gate`: the most that ours may be, as a multiple of the anchor."""
        ratio = ours / anchor
        self.lines.append((row, what, ours, anchor, ratio, gate, ratio <= gate + 1e-9, unit, note))

    def most(self, row, what, ours, most, unit):
        """A bound without an anchor."""
        ratio = ours / most if most else float(ours)
        self.lines.append((row, what, ours, most, ratio, 1.0, ours <= most, unit, ""))

    def met(self):
        rows = {}
        for row, *_, good, _, _ in self.lines:
            rows[row] = rows.get(row, True) and good
        return rows

    def verdicts(self):
        """The verdict of each line, by its row and what it says."""
        return {f"{row}: {what}": good for row, what, *_, good, _, _ in self.lines}

    def show(self):
        print(f"{'row':6} {'what':52} {'ours':>9} {'anchor':>9} {'ratio':>6} {'gate':>5}")
        for row, what, ours, anchor, ratio, gate, good, unit, note in self.lines:
            figures = f"{ours:9,.0f} {anchor:9,.0f}" if ours >= 100 else f"{ours:9,.1f} {anchor:9,.1f}"
            print(f"{row:6} {what:52} {figures} {ratio:6.2f} {gate:5.2f} {'met' if good else 'MISSED':6} {unit}{note}")


def table(h, m3, m0, sizes):
    """All rows; P4 and P8 are of the server and the client."""
    rows = Rows()
    for length in (93, 380, 1024, 2044):
        rows.add("1", f"base64 encode, {length} B", h[f"base64-encode {length}"], h[f"base64-encode/base64-0.22 {length}"], 1.05)
    for length in (93, 380, 1024, 2044):
        rows.add("2", f"base64 decode, {length} B", h[f"base64-decode {length}"], h[f"base64-decode/base64-0.23 {length}"], 1.0)
    for length in (64, 380, 1024, 2044):
        rows.add("3", f"CRC, {length} B, Table<16>", h[f"crc {length}"], h[f"crc/crc-table {length}"], 1.05)
    for name, counts, most in (("M3", m3, 0.75), ("M0", m0, 1.0)):
        zephyr = ZEPHYR["crc" if name == "M3" else "crc-m0"]
        rows.add("4", f"CRC, 2,044 B, {name}, Zephyr (recorded)", counts["crc 2044"], zephyr * 2044, most)
    for kind, peer, most in (("random", "corncobs", 0.25), ("no-zero", "corncobs", 0.25), ("zeros", "cobs", 0.8)):
        name = f"cobs-encode-{kind}"
        rows.add("5", f"COBS encode, {kind}, 1,024 B, {peer}", h[f"{name} 1024"], h[f"{name}/{peer} 1024"], most)
    for kind, peer, most in (("random", "corncobs", 1.15), ("zeros", "cobs", 0.85)):
        name = f"cobs-encode-{kind}"
        rows.add("5", f"COBS encode, {kind}, 1,024 B, M3, {peer}", m3[f"{name} 1024"], m3[f"{name}/{peer} 1024"], most)
    for place, counts, random, zeros in (("", h, 0.03, 0.65), (", M3", m3, 0.2, 0.6)):
        for kind, most in (("random", random), ("zeros", zeros)):
            name = f"cobs-decode-{kind}"
            rows.add("6", f"COBS decode, {kind}, 1,024 B{place}, cobs", counts[f"{name} 1024"], counts[f"{name}/cobs 1024"], most)
    for place, counts in (("", h), (", M3", m3)):
        for kind, most in (("first", 0.5), ("later", 0.8), ("data-first", 0.8), ("reversed", 0.8)):
            name = f"upload-{kind}"
            rows.add("7", f"CBOR decode, {kind} piece{place}, minicbor", counts[f"{name} 1024"], counts[f"{name}/minicbor 1024"], most)
    for place, counts, most in (("", h, 0.6), (", M3", m3, 0.3)):
        rows.add("8", f"CBOR encode {{off}}{place}, minicbor", counts["off-encode 0"], counts["off-encode/minicbor 0"], most)
    cbor = sizes["CBOR: an upload request decoded, its response encoded"]
    for peer, (*anchors, most) in CBOR_FLASH.items():
        for place, ours, anchor in zip(("v6m", "v7em"), cbor, anchors):
            rows.add("9", f"flash of CBOR, {place}, {peer} (recorded)", ours, anchor, most, "bytes")
    for name, row, short, most in (("encode", "10", 1.6, 1.15), ("decode", "11", 1.75, 1.2)):
        for length in (8, 64, 380, 1024, 2044):
            bound = short if length == 8 else most
            anchor = h[f"console-{name}/sum {length}"]
            rows.add(row, f"frame {name}, {length} B, sum of its parts", h[f"console-{name} {length}"], anchor, bound)
        pieces, of = ("128", "128-byte `out`") if name == "encode" else ("64", "64-byte reads")
        for length in (64, 380, 1024, 2044):
            rows.add(row, f"frame {name}, {length} B, {of}, at once", h[f"console-{name}-{pieces} {length}"], h[f"console-{name} {length}"], 1.1)
        for length, anchor in TOOLKIT[name].items():
            rows.add(row, f"frame {name}, {length} B, mcumgr-toolkit (recorded)", h[f"console-{name} {length}"], anchor, 0.4 if name == "encode" else 0.25)
    for length, anchor in MCUMGR_SMP.items():
        rows.add("11", f"frame decode, {length} B, mcumgr-smp (recorded)", h[f"console-decode {length}"], anchor, 0.55)
    for name in ("encode", "decode"):
        rows.add("12", f"frame {name}, 380 B, M3, Zephyr (recorded)", m3[f"console-{name} 380"], ZEPHYR[name], 0.35)
    for label, most in (("framing: console, feature `small`", 1_228), ("framing: console", 2_252)):
        rows.most("13", f"flash of {label}", max(sizes[label][:2]), most, "bytes")
    # The first is counted beyond an empty image, the second is all of it, as boot_serial's is.
    recovery = [figures for label, figures in sizes.items() if "smp::Recovery" in label or "all bytes of the image" in label]
    if len(recovery) == 2:
        rows.add("14", "flash of smp::Recovery's image, boot_serial (recorded)", recovery[1][1], BOOT_SERIAL, 1.25, "bytes")
        rows.most("15", "RAM of smp::Recovery's server and link", recovery[0][2], 64, "bytes")
        rows.most("15", "stack of smp::Recovery", max(recovery[0][3:]), 400, "bytes")
    else:
        print("note: rows 14 and 15 are not shown: README's table has no smp::Recovery")
    rows.most("16", "RAM of a client that uploads", sizes["SMP client: upload"][2], 128, "bytes")
    rows.most("17", "system calls of an echo over TCP", h["echo-calls 0"], 4, "calls")
    rows.add("17", "system calls of an echo, smpclient (recorded)", h["echo-calls 0"], SMPCLIENT["calls"], 0.3, "calls")
    one = h["transfer-requests 24000"]
    rows.add("18", "round trips, 24,000 B, four buffers, one at a time", h["transfer-trips 24000"], one, 1 / 2.5, "trips")
    for name in ("requests", "wire"):
        what = {"requests": "requests", "wire": "bytes on the wire"}[name]
        rows.add("19", f"{what} for 3,000 B, smpclient (recorded)", h[f"transfer-{name} 3000"], SMPCLIENT[name], 1.0)
    rows.most("19", "bytes that full requests leave unused", h["transfer-unused 24000"], 0, "bytes")
    for name, most in (("read", 3), ("write", 3), ("read-group", 3), ("combine", 4), ("write-read", 4), ("list-groups", 3)):
        rows.add("20", f"BSMP {name}, 19 variables, libbsmp (recorded)", h[f"bsmp-{name} 19"], LIBBSMP[name], most)
    for name, blocks in LIBBSMP_BLOCKS.items():
        for length, anchor in blocks.items():
            rows.add("20", f"BSMP {name}, {length:,} B, libbsmp (recorded)", h[f"bsmp-{name} {length}"], anchor, 1.0)
    rows.add("20", "BSMP version, libbsmp (recorded)", h["bsmp-version 19"], LIBBSMP_VERSION, 1.0)
    rows.add("20", "BSMP read, 128 variables beside 19", h["bsmp-read 128"], h["bsmp-read 19"], 1.1)
    rows.add("20", "BSMP list-groups, 128 variables beside 19", h["bsmp-list-groups 128"], h["bsmp-list-groups 19"], 1.1)
    rows.most("21", "flash of a BSMP node", max(sizes["BSMP node: all commands"][:2]), 2_800, "bytes")
    rows.most("21", "RAM of a BSMP node", sizes["BSMP node: all commands"][2], 128, "bytes")
    for place, counts in (("", h), (", M3", m3)):
        for name in ("encode", "decode"):
            for length in (64, 1024):
                what = f"S3MP frame {name}, {length} B{place}, sum of its parts"
                rows.add("22", what, counts[f"lrc-{name} {length}"], counts[f"lrc-{name}/sum {length}"], 1.2)
    for place, counts in (("", h), (", M3", m3)):
        for length in (64, 380, 2044):
            name = next(name for name in counts if name.startswith("serve ") and abs(int(name.split()[1]) - length) < 30)
            with_memory, without = counts[name.replace("serve", "serve-remembering")], counts[name]
            line = counts[f"console-decode {length}"] + counts["console-encode 8"]
            rows.add("P4", f"server with memory, {length} B over a console{place}, without", with_memory + line, without + line, 1.2)
    for count in (1, 8, 64):
        rows.add("P8", f"client reads a list of {count}, decoded once", h[f"call {count}"], h[f"images-walk {count}"], 1.2)
    for place, counts in (("", h), (", M3", m3)):
        growth(rows, place, counts)
    return rows


def growth(rows, place, counts):
    """What a case of the last length takes beside the one before, for each byte or entry: no more than it did there."""
    lengths = {}
    for case in counts:
        name, length = case.split()
        # From some length on the system's copy counts as one instruction a byte, which says nothing; a transfer's first
        # piece is alone.
        if "/" not in name and not name.endswith("-block") and not name.startswith("transfer-"):
            lengths.setdefault(name, []).append(int(length))
    for name, found in sorted(lengths.items()):
        # Below, the work of a call is most of it; a node has at most eight groups.
        found = sorted(length for length in found if length >= 8 or "groups" in name or "query-last" in name)
        if len(found) > 1:
            short, long = found[-2:]
            what = f"{name}, {long} beside {short}{place}, at most linear"
            rows.add("growth", what, counts[f"{name} {long}"], counts[f"{name} {short}"] * long / short, 1.05)


def main(mode):
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(host)
        boards = threads.submit(lambda: {name: board(target) for name, target in BOARDS.items()})
        measured = {"host": first.result(), **boards.result()}
    measured["host"][1].update(transfers())
    counts = {name: found for name, (_, found) in measured.items()}
    rows = table(counts["host"], counts["m3"], counts["m0"], readme())
    rows.show()
    met = rows.met()
    print(f"note: {sum(met.values())} of {len(met)} rows met; missed: {', '.join(row for row, good in met.items() if not good) or 'none'}")
    kept = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    ever, verdicts = json.loads(MET.read_text()), rows.verdicts()
    if mode == "--time":
        times()
    if mode == "--write":
        for name, (compiler, found) in measured.items():
            # Ours alone: what others take is in the table of the day.
            ours = {case: count for case, count in found.items() if "/" not in case}
            kept.setdefault(name, {})[compiler] = ours
        COUNTS.write_text(json.dumps(kept, indent=1) + "\n")
        # The order of the table; a line that is missed, or gone, stays.
        now = [line for line, good in verdicts.items() if good or line in ever]
        MET.write_text(json.dumps(now + [line for line in ever if line not in now], indent=1) + "\n")
    if wrong := slipped(ever, verdicts) + (grown(kept, measured) if mode == "--check" else []):
        print("\n".join(wrong), file=sys.stderr)
        if mode in ("--check", "--write"):
            raise Failed("see above")


def small():
    """The console framing with and without tables."""
    places = {"host": host, **{name: lambda *words, target=target: board(target, *words) for name, target in BOARDS.items()}}
    for place, count in places.items():
        _, without = count("--features", "anysmp/small")
        _, usual = count()
        for name in ("console-encode", "console-decode"):
            for length in (64, 380, 2044):
                case = f"{name} {length}"
                print(f"{place:5} {case:20} {usual[case]:7,} {without[case]:8,} with `small`: {without[case] / usual[case]:.1f} times")


def times():
    """How long our cases take beside others on this machine."""
    lines = [line.split() for line in run(BUILT / "release/gates", "--time").splitlines()]
    found = {(name, length): float(time) for name, length, time in lines}
    for (name, length), theirs in found.items():
        if "/" in name:
            ours = found[name.split("/")[0], length]
            print(f"time   {name + ' ' + length:52} {ours:9.1f} {theirs:9.1f} {ours / theirs:6.2f} ns")


def slipped(ever, verdicts):
    """The lines that were met once, and are not now."""
    return [f"was met, and is not any more: {line}" for line in ever if not verdicts.get(line)]


def grown(kept, measured):
    """What takes more instructions than it did."""
    wrong = []
    for place, (compiler, found) in measured.items():
        before = kept.get(place, {}).get(compiler)
        if before is None:
            print(f"note: {place}: nobody has counted with {compiler}; only ratios are checked")
            continue
        for case, count in before.items():
            if case not in found:
                wrong.append(f"{place}: {case} is not counted any more")
            # Some instructions of a short case are the chance of its place.
            elif found[case] > count * GROWTH + 2:
                wrong.append(f"{place}: {case} takes {found[case]} instructions instead of {count}")
    return wrong


if __name__ == "__main__":
    try:
        mode = sys.argv[1] if len(sys.argv) > 1 else ""
        small() if mode == "--small" else main(mode)
    except Failed as why:
        sys.exit(str(why))
