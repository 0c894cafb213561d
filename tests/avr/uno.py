#!/usr/bin/env python3
"""uno.py GREENHOUSE LENGTHS S3MP: runs the images on QEMU's Arduino Uno. To the first it talks over its UART with the tool
`s3mp`; the second reports what it makes of lengths that 16 bits cannot hold.

QEMU's ATmega328P has the UART and the processor, but no analogue converter: the thermometer reads 0.
"""

import contextlib
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 20


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def uno(image):
    """An Uno that runs this image; the TCP port that is its UART."""
    port = free_port()
    words = ["qemu-system-avr", "-machine", "uno", "-bios", image, "-nographic", "-monitor", "none"]
    with tempfile.TemporaryDirectory() as folder:
        pid = Path(folder) / "pid"
        words += ["-pidfile", pid, "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"]
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # QEMU writes the file when it listens.
            for _ in range(200):
                assert machine.poll() is None, "QEMU has ended"
                if pid.exists():
                    break
                time.sleep(0.05)
            yield port
        finally:
            machine.terminate()
            machine.wait()


def lengths(image):
    """What it finds out by itself about sums with 16 bits."""
    words = ["timeout", str(LIMIT), "qemu-system-avr", "-machine", "uno", "-bios", image, "-nographic", "-monitor", "none"]
    with subprocess.Popen([*words, "-serial", "stdio"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as machine:
        said = list(itertools.takewhile(lambda line: line != "end\n", machine.stdout))
        machine.terminate()
    assert said == ["packets ok\n", "counted ok\n", "server ok\n"], said


def main(greenhouse, image, tool):
    lengths(image)
    with uno(greenhouse) as port:
        count = exchanges(["timeout", str(LIMIT), tool, "--tcp", f"127.0.0.1:{port}", "--json"])
        pushes(port)
    print(f"note: in QEMU's Arduino Uno it obeys {count} commands of `s3mp`, and pushes what changes; sums of 16 bits hold")


def exchanges(tool):
    """What the crate's master makes of the slave."""
    count = 0

    def ask(*words, code=0):
        nonlocal count
        count += 1
        done = subprocess.run([*tool, *words], capture_output=True, text=True)
        assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def value(*words):
        return ask(*words)[0][-1]["value"]

    # It has no clock, so there is no time of its start to show.
    assert ask("status")[0] == [{"start": None, "status": "up"}]
    plain = subprocess.run([*tool[:-1], "status"], capture_output=True, text=True)
    assert plain.stdout == "up\n", plain
    names, _ = ask("describe")
    assert [name["name"] for name in names] == ["temperature", "heater"], names
    assert value("get", "temperature") == 0
    assert value("get", "heater") is False
    ask("set", "heater", "true")
    assert value("get", "heater") is True
    assert value("subscribe", "heater", "--count", "1") is True
    assert value("invert", "heater") is False
    _, error = ask("set", "temperature", "4", code=1)
    assert "NOT_IMPLEMENTED" in error, error
    # A wrong type changes nothing.
    _, error = ask("set", "heater", "4", code=1)
    assert "BAD_REQUEST" in error and value("get", "heater") is False, error
    return count


def frame(message):
    """As the README of S3MP has it: COBS, the sum, a zero."""
    blocks = bytearray()
    for block in message.split(b"\0"):
        blocks += bytes([len(block) + 1]) + block
    return bytes(blocks) + bytes([-sum(blocks) & 0xFF, 0])


def pushes(port):
    """A subscription lives in the slave, and outlives the connection that asked for it: what SET changes is pushed."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as line:
        for command, responses in (
            (b"\x11\x02\x08\xf5", [b"\x00\x02\x08", b"\xa0\x02\x00\xf5"]),
            # The value that it has: acknowledged, and nothing to push.
            (b"\x11\x02\x09\xf5", [b"\x00\x02\x09"]),
            (b"\x11\x02\x0a\xf4", [b"\x00\x02\x0a", b"\xa0\x02\x00\xf4"]),
            (b"\xa1\x02\x0b", [b"\x00\x02\x0b"]),
            (b"\x11\x02\x0c\xf5", [b"\x00\x02\x0c"]),
            (b"\xff\x02\x0d", []),
            (b"\x10\x02\x0e", [b"\x00\x02\x0e\xf4"]),
        ):
            line.sendall(frame(command))
            expected, seen = b"".join(map(frame, responses)), b""
            while len(seen) < len(expected):
                piece = line.recv(64)
                assert piece, "the line is closed"
                seen += piece
            assert seen == expected, f"{command.hex()}: {seen.hex()} instead of {expected.hex()}"


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
