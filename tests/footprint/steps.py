#!/usr/bin/env python3
"""steps.py: how many instructions of a Cortex-M3 each framing takes for a received byte, counted in QEMU.

Each hears whole frames, which it echoes, and what a hostile peer could send, from its start. What it takes for a byte, the
echo included, is limited on the average of a stream (LIMITS), and so is what it takes between two calls of the port (POLL):
64 bytes are read, or 128 written. A stream that is four times as long may not take more than GROWTH times as much for a byte.

Built for size, as README's table has it. QEMU counts exactly; where the port divides a stream is left to chance.
"""

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import measure
from emulator import PATIENCE, Emulator, Failed
from exchanges import TESTS

TARGET, MACHINE = "thumbv7m-none-eabi", "mps2-an385"
FRAMINGS = ("console", "cobs", "counted", "datagram", "auto", "packet", "lrc")
LIMIT = 200
# Each of its decoders sees each byte: a line end is one of text and a frame without contents.
LIMITS = {"auto": 300}
POLL = 64 * 300
GROWTH = 1.5
SHORT = 1024


def vectors(name, key):
    found = json.loads((TESTS / "vectors" / name).read_text())[key]
    return b"".join(bytes.fromhex(vector["wire"]) for vector in found if "wire" in vector)


def streams():
    """Name and the bytes that are repeated."""
    yield "console frames", vectors("smp/console.json", "vectors")
    yield "COBS frames", vectors("smp/cobs.json", "vectors")
    yield "S3MP frames", vectors("s3mp/s3mp.json", "frames")
    yield "bare SMP messages", b"".join(bytes([10, 0, 0, n, 0, 0, n, 0]) + bytes(n) for n in (0, 1, 30, 200))
    yield "empty SMP messages", bytes([10, 0, 0, 0, 0, 0, 0, 0])
    yield "small console frames", b"\x06\x09AArCAAAAAAAABmxU\n"
    yield "BSMP packets", b"\x05\x00\x00\x00\xfb"
    yield "text", b"uart:~$ kernel uptime\r\nUptime: 12 ms\r\n"
    for byte in (0x00, 0x01, 0x0A, 0x41, 0xFF):
        yield f"bytes {byte:02x}", bytes([byte])
    yield "first line without end", b"\x06\x09" + b"QUFB" * 40
    yield "markers", b"\x06\x09\x04\x14"
    yield "lines of one marker", b"\x06\x09\n"
    yield "continued lines", b"\x06\x09//8A\n" + b"\x04\x14AAAA\n" * 30
    yield "damaged lines", b"\x06\x09AAr!AAA=\n"
    yield "COBS of ones", b"\x01\x01\x01\x00"
    yield "COBS of 254", b"\xff" + b"\x55" * 254
    for seed in range(3):
        yield f"random {seed}", random.Random(seed).randbytes(SHORT)


def count(board, data):
    """Instructions in all, and the most between two calls of the port."""
    before = len(board.reported("s"))
    board.send(data)
    found, end = [0, 0, 0], time.monotonic() + PATIENCE
    # A pause in the line may divide the report.
    while found[0] < len(data):
        if time.monotonic() > end:
            raise Failed(f"{found[0]} of {len(data)} bytes have arrived")
        time.sleep(0.01)
        new = board.reported("s")[before:]
        found = [sum(numbers) for numbers in zip(*new)][:2] + [max(numbers[2] for numbers in new)] if new else found
    return [ticks * 5 // 16 for ticks in found[1:]]


def hear(image, _, piece):
    """Per byte, between two calls of the port, growth."""
    streams = (piece * (SHORT // len(piece) + 1))[:SHORT], (piece * (4 * SHORT // len(piece) + 1))[: 4 * SHORT]
    with Emulator(MACHINE, measure.BUILT / TARGET / "release" / image, counting=True) as board:
        figures = [count(board, data) for data in streams]
    one, four = (total / len(data) for (total, _), data in zip(figures, streams))
    return max(one, four), max(longest for _, longest in figures), four / one


def main():
    measure.build(TARGET, "release", "--features=board", images=FRAMINGS)
    work = [(image, name, piece) for image in FRAMINGS for name, piece in streams()]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda one: (one[0], one[1], *hear(*one)), work))
    wrong = []
    for image in FRAMINGS:
        rows = [row for row in found if row[0] == image]
        byte, poll, growth = (max(rows, key=lambda row: row[place]) for place in (2, 3, 4))
        limit = LIMITS.get(image, LIMIT)
        print(f"note: {image}: {byte[2]:.0f} instructions for a byte ({byte[1]}), {poll[3]} for a call ({poll[1]})")
        if byte[2] > limit:
            wrong.append(f"{image}, {byte[1]}: {byte[2]:.0f} instructions for a byte, more than {limit}")
        if poll[3] > POLL:
            wrong.append(f"{image}, {poll[1]}: {poll[3]} instructions between two calls of the port, more than {POLL}")
        if growth[4] > GROWTH:
            wrong.append(f"{image}, {growth[1]}: {growth[4]:.2f} times as many for a byte of a longer stream")
    if wrong:
        raise Failed("\n".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        sys.exit(str(why))
