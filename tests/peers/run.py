#!/usr/bin/env python3
"""Runs the peer tests: `target/peers/venv/bin/python tests/peers/run.py [--reference] [pytest arguments]`.

With --reference the programs under test are `reference_client.py` and `reference_device.py`, which shows that the
servers, the foreign clients and the tests themselves work on this machine. `.ci/setup` has brought all of them here.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()


def main():
    words = sys.argv[1:]
    everything = "--all" in words
    if everything:
        words.remove("--all")
    if "--reference" in words:
        words.remove("--reference")
        smp = f"{sys.executable} {HERE}/reference_client.py"
        device = f"{sys.executable} {HERE}/reference_device.py"
    else:
        smp, device = (str(TARGET / "release/examples" / name) for name in ("smp", "smp-device"))
        for program in (smp, device):
            if not os.access(program, os.X_OK):
                sys.exit(f"{program} is missing: cargo build --release --examples")
    os.environ |= {"PEER_SERVERS": str(TARGET / "peers/servers"), "PEER_SMP": smp, "PEER_DEVICE": device}
    if not everything:
        # The groups beside OS and image: with `--all`, after `PEERS_ALL=1 .ci/setup`.
        words += [f"--ignore={HERE}/{file}" for file in ("test_groups.py", "test_device_groups.py", "test_mcumgrctl.py")]
    os.environ["PEER_MCUMGRCTL"] = str(TARGET / "peers/tools/bin/mcumgrctl")
    sys.dont_write_bytecode = True
    import pytest

    cache = f"cache_dir={TARGET / 'peers/pytest'}"
    return pytest.main([str(HERE), "-q", "-x", "-o", cache, "--durations=5", *words])


if __name__ == "__main__":
    sys.exit(main())
