#!/usr/bin/env python3
"""Our firmware under a real MCUboot, from an empty board on, without a human hand:
`target/peers/venv/bin/python tests/qemu/mcuboot/chain.py target/thumb/thumbv7m-none-eabi/release/under_mcuboot [--runs N]`.

```text
  MCUboot finds no image and stays in serial recovery ◀── smp upgrade 1.0.0
  MCUboot starts 1.0.0 from slot 0, whose own server  ◀── smp upgrade 2.0.0, into slot 1
  MCUboot starts 2.0.0 from slot 1, whose own server  ◀── smp upgrade 3.0.0, into slot 0
  MCUboot starts 3.0.0 from slot 0
```

The images are made by `smp image make` of one program, which tells the version that its header has; each has other bytes
behind the program, so that no two are of the same length or contents.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
SMP = TARGET / "release/smp"
for name, place in {"SERVERS": "peers/servers", "LOCK": "peers/lock", "RECORD": "peers/record-qemu"}.items():
    os.environ.setdefault(f"PEER_{name}", str(TARGET / place))
os.environ |= {"PEER_SMP": str(SMP), "PEER_DEVICE": "none"}
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/peers"))

from board import SLOT_LEN, Board, Relay, with_slots  # noqa: E402
from mcuboot import image_hash  # noqa: E402
from tools import smp  # noqa: E402

# Long enough for a machine that is busy with other things.
LIMIT = 240
# MCUboot is up again in less, and does not wait for anybody.
UPGRADE = ("upgrade", "--rest", "500")


def make(program, directory):
    """Images of the versions 1.0.0 to 4.0.0, by their first number."""
    body = directory / "program.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", program, body], check=True)
    plain, images = body.read_bytes(), {}
    for major in range(1, 5):
        body.write_bytes(plain + bytes(i * major % 251 for i in range(333 * major)))
        images[major] = directory / f"{major}.bin"
        words = [body, images[major], "--version", f"{major}.0.0", "--load-addr", "0x20240000"]
        subprocess.run([SMP, "image", "make", *words], check=True, stdout=subprocess.DEVNULL)
    return images


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found} instead of {wanted}")


def runs(board, images, major, slot, other=None):
    """Version `major` answers from `slot`; the other slot has version `other`, or nothing."""
    expect(smp(board, "info", timeout=LIMIT).ok()["output"], f"anysmp {major}.0.0 mps2-an385", "info")
    listed = {}
    for image in smp(board, "image", "list", timeout=LIMIT).ok()["images"]:
        listed[image["slot"]] = (image["version"], image["hash"], image["active"])
    there = {slot: (major, True), 1 - slot: (other, False)}
    wanted = {
        slot: (f"{major}.0.0", image_hash(images[major].read_bytes()).hex(), active)
        for slot, (major, active) in there.items()
        if major
    }
    expect(listed, wanted, "the list of images")
    expect(board.started()[-1], f"{major}.0.0", "what MCUboot has started")


def upgrade(board, images, major):
    result = smp(board, *UPGRADE, str(images[major]), timeout=LIMIT).ok()
    expect(result["version"], f"{major}.0.0", "the version of the upgrade")
    return result


def chain(images):
    """From an empty board to the third version."""
    with Board() as board:
        expect(smp(board, "image", "list", timeout=LIMIT).ok()["images"], [], "images on an empty board")
        expect(upgrade(board, images, 1)["outcome"], "running", "upgrade through serial recovery")
        runs(board, images, 1, slot=0)
        expect(upgrade(board, images, 2)["outcome"], "confirmed", "upgrade through our server")
        runs(board, images, 2, slot=1, other=1)
        expect(upgrade(board, images, 3)["outcome"], "confirmed", "upgrade back to the first slot")
        runs(board, images, 3, slot=0, other=2)
        expect(board.started(), ["1.0.0", "2.0.0", "3.0.0"], "what MCUboot has started")


def damaged(images, directory):
    """An image whose hash is wrong is uploaded, and refused by MCUboot; the old version answers, and takes a good one."""
    bad = bytearray(images[2].read_bytes())
    bad[len(bad) // 2] ^= 1
    path = directory / "damaged.bin"
    path.write_bytes(bad)
    with Board(with_slots(images[1].read_bytes())) as board:
        runs(board, images, 1, slot=0)
        # The tool refuses such a file. Sent as it is, it is for MCUboot to refuse.
        expect(smp(board, *UPGRADE, str(path), timeout=LIMIT).code, 5, "the upgrade's exit code")
        smp(board, "image", "upload", "--raw", str(path), timeout=LIMIT).ok()
        smp(board, "reset", timeout=LIMIT).ok()
        ends = time.monotonic() + LIMIT
        while not any("secondary slot is not valid" in line for line in board.printed()) and time.monotonic() < ends:
            time.sleep(0.1)
        expect(any("secondary slot is not valid" in line for line in board.printed()), True, "MCUboot's refusal")
        # MCUboot has removed it.
        runs(board, images, 1, slot=0)
        upgrade(board, images, 2)
        runs(board, images, 2, slot=1, other=1)


def cut_at(board, image, share):
    """Uploads until this share of the file was sent, then cuts the power; returns what the slots keep."""
    # Four characters for three bytes, and a tenth for what is around the data.
    relay = Relay(board, int(share * image.stat().st_size * 4 / 3 * 1.1))
    # A request that is repeated would count twice.
    patience = ["--timeout", str(LIMIT * 1000), "--retries", "0"]
    outcome = smp(relay, "image", "upload", str(image), options=patience, timeout=LIMIT)
    slots = relay.finish()
    expect((outcome.code, slots is None), (4, False), "the client's exit code, and whether it had ended before")
    return slots


def cut_in_upgrade(images, share):
    """Power goes while our server receives: the old version answers afterwards, and the upgrade can be done again."""
    old, new = images[1].read_bytes(), images[2].read_bytes()
    with Board(with_slots(old)) as board:
        runs(board, images, 1, slot=0)
        slots = cut_at(board, images[2], share)
    expect(slots[: len(old)] == old, True, "the running slot is untouched")
    there = next((i for i in range(len(new)) if slots[SLOT_LEN + i] != new[i]), len(new))
    # All but what was under way.
    expect(share * len(new) - 4096 < there < len(new), True, f"{there} of {len(new)} bytes are in flash")
    with Board(slots) as board:
        runs(board, images, 1, slot=0)
        upgrade(board, images, 2)
        runs(board, images, 2, slot=1, other=1)


def cut_in_recovery(images, share):
    """Power goes while MCUboot receives the only image: it is there again afterwards."""
    with Board() as board:
        slots = cut_at(board, images[1], share)
    with Board(slots) as board:
        upgrade(board, images, 1)
        runs(board, images, 1, slot=0)


def recovery_on_request(images):
    """Our firmware sends MCUboot into recovery, which replaces the image in the first slot."""
    with Board(with_slots(images[1].read_bytes(), images[2].read_bytes())) as board:
        runs(board, images, 2, slot=1, other=1)
        smp(board, "reset", "--bootloader", timeout=LIMIT).ok()
        time.sleep(0.5)
        smp(board, "echo", "x", options=["--retries", "20"], timeout=LIMIT).refused(rc=8)
        upgrade(board, images, 4)
        runs(board, images, 4, slot=0, other=2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with TemporaryDirectory(prefix="chain-") as directory:
        directory = Path(directory)
        images = make(options.program, directory)
        cases = [(f"the whole chain, run {run}", lambda: chain(images)) for run in range(1, options.runs + 1)]
        cases += [
            ("a damaged image is refused", lambda: damaged(images, directory)),
            ("recovery on request", lambda: recovery_on_request(images)),
            ("power cut in recovery at 50 %", lambda: cut_in_recovery(images, 0.5)),
        ]
        for share in (0.05, 0.5, 0.9):
            cases.append((f"power cut in an upgrade at {share:.0%}", lambda share=share: cut_in_upgrade(images, share)))
        sizes = sorted(image.stat().st_size for image in images.values())
        began, times, failed = time.monotonic(), [], 0

        def timed(case):
            started = time.monotonic()
            case()
            return time.monotonic() - started

        with ThreadPoolExecutor(options.jobs) as pool:
            pending = [(name, pool.submit(timed, case)) for name, case in cases]
            for name, job in pending:
                try:
                    took = job.result()
                    times += [took] if "chain" in name else []
                    print(f"{name}: ok, {took:.1f} s", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"{name}: FAILED: {error!r}", flush=True)
        took = f"{min(times):.1f} to {max(times):.1f} s each" if times else "none passed"
        print(f"note: images of {sizes[0]} to {sizes[-1]} bytes, {options.runs} chains of three upgrades, {took}, "
              f"{time.monotonic() - began:.0f} s in all")
        print(f"note: {len(cases) - failed} passed, {failed} failed  (under MCUboot)")
        return failed > 0


if __name__ == "__main__":
    sys.exit(main())
