#!/usr/bin/env python3
"""Runs the peer tests: `target/peers/venv/bin/python tests/peers/run.py [--reference] [pytest arguments]`.

Most of the time they wait (for an emulated UART, for a device that boots), so several run at a time: `-n 0` to run one
after the other, `-k WORD` for some of them, `--durations=0` for how long each takes.

With --reference the programs under test are `reference_client.py` and `reference_device.py`, which shows that the
servers, the foreign clients and the tests themselves work on this machine. `.ci/setup` has brought all of them here.
"""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()


def main():
    words = sys.argv[1:]
    # README's table can only be compared with all tests.
    whole = not words
    if "--reference" in words:
        words.remove("--reference")
        smp = f"{sys.executable} {HERE}/reference_client.py"
        device = f"{sys.executable} {HERE}/reference_device.py"
        # They know OS and image, make no image, and know one framing at a time.
        others = ("test_groups.py", "test_device_groups.py", "test_mcumgrctl.py", "test_image_tool.py",
                  "test_upgrade_images.py")
        words += [f"--ignore={HERE}/{file}" for file in others]
        words += ["-k", "not auto-"]
    else:
        smp, device = (str(TARGET / "release" / name) for name in ("smp", "smp-device"))
        for program in (smp, device):
            if not os.access(program, os.X_OK):
                sys.exit(f"{program} is missing: cargo build --release -p anysmp-tools")
    os.environ |= {"PEER_SERVERS": str(TARGET / "peers/servers"), "PEER_SMP": smp, "PEER_DEVICE": device}
    os.environ |= {"PEER_MCUMGRCTL": str(TARGET / "peers/tools/bin/mcumgrctl"), "PEER_LOCK": str(TARGET / "peers/lock")}
    # Of this run alone: another one may be under way.
    kept = tempfile.NamedTemporaryFile("w", prefix="record-", dir=TARGET / "peers")
    os.environ |= {"PEER_RECORD": kept.name, "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    # Needs other packages: `.ci/run` runs it in an environment of its own.
    words.append(f"--ignore={HERE}/test_bsmp.py")
    import pytest

    cache = f"cache_dir={TARGET / 'peers/pytest'}"
    workers = ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal"]
    code = pytest.main([str(HERE), "-q", "-x", "-o", cache, "--durations=5", *workers, *words])
    if whole and not code:
        sys.path.insert(0, str(HERE))
        import record

        if wrong := list(record.differences()):
            print("README's coverage table is not what these tests did:", *wrong, sep="\n  ")
            return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
