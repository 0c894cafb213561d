"""Records of defmt, as far as these tests need them: frames, their format strings, and the bytes of the arguments.

A frame is rzCOBS up to a zero byte; in it stand the number of the format string (2 bytes), the timestamp (8 bytes, its
format here being `{=u64:ms}`), and the arguments, numbers little-endian; up to six zeros may follow. The strings are
symbols of the image.
"""

import json
import struct
import subprocess
from dataclasses import dataclass


@dataclass
class Record:
    level: str
    text: str
    ms: int
    arguments: bytes


def symbols(image):
    """Format strings by number."""
    found = {}
    for line in subprocess.check_output(["arm-none-eabi-nm", str(image)], text=True).splitlines():
        number, _, name = line.split(" ", 2)
        if name.startswith("{"):
            entry = json.loads(name)
            found[int(number, 16)] = (entry["tag"], entry["data"])
    return found


def unstuff(frame):
    """rzCOBS: read from the end, each code byte says which of the bytes before it were zeros."""
    rest, out = list(frame), []
    while rest:
        code = rest.pop()
        if code < 0x80:
            # Seven bytes, a set bit for a zero.
            out += [0 if code >> 6 - bit & 1 else rest.pop() for bit in range(7)]
        elif code < 0xFF:
            out += [0] + [rest.pop() for _ in range((code & 0x7F) + 7)]
        else:
            out += [rest.pop() for _ in range(134)]
    return bytes(reversed(out))


def read(stream, image):
    """All whole records; a ValueError, IndexError or KeyError where the stream is none."""
    strings = symbols(image)
    for frame in stream.split(b"\0")[:-1]:
        if frame:
            body = unstuff(frame)
            number, ms = struct.unpack("<HQ", body[:10])
            tag, text = strings[number]
            yield Record(tag.removeprefix("defmt_"), text, ms, body[10:])
