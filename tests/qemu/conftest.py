"""Boards in QEMU: `.ci/run firmware`, or `target/peers/venv/bin/python -m pytest tests/qemu` once the images are built.

The client, its Python driver and the clients of others are those of `tests/peers`.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TESTS.parent / "target")).resolve()

sys.dont_write_bytecode = True
sys.path.insert(0, str(TESTS / "peers"))
for name, value in {
    "FIRMWARE": "firmware",
    "PEER_SERVERS": "peers/servers",
    "PEER_MCUMGRCTL": "peers/tools/bin/mcumgrctl",
    "PEER_SMP": "release/smp",
    "PEER_DEVICE": "release/smp-device",
    "PEER_LOCK": "peers/lock",
    "PEER_RECORD": "peers/record-qemu",
}.items():
    os.environ.setdefault(name, str(TARGET / value))

import pytest  # noqa: E402
from board import BOARDS, Board  # noqa: E402


@pytest.fixture(params=BOARDS)
def board(request):
    """A new board with the SMP server, as each test finds it."""
    with Board(request.param) as running:
        yield running
