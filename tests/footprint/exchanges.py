"""What the images hear while their stack is painted: recorded requests, an upload into a slot, and damaged ones."""

import hashlib
import json
import struct
import sys
import time
from itertools import islice
from pathlib import Path

from emulator import PATIENCE, Emulator, Failed, encode

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "peers"))
import cbor2  # noqa: E402
from mcuboot import image_hash, make_image  # noqa: E402

READ, WRITE = 0, 2
# The buffer of the server's framing.
ROOM = 512
# Where the slots are, see `groups.rs`, and what a chunk of an upload holds.
PRIMARY, SECONDARY, CHUNK = 0x8000, 0x10000, 300
GROUPS = {"os": 0, "image": 1, "stat": 2, "settings": 3, "fs": 8, "shell": 9, "enumeration": 10, "zephyr": 63}


def recorded():
    """Each request, and each answer, that was recorded of real peers, once whatever its number."""
    requests, answers = {}, {}
    for line in (TESTS / "vectors/smp/pairs.jsonl").read_text().splitlines():
        pair = json.loads(line)
        for key, found in ("req", requests), ("rsp", answers):
            if message := bytes.fromhex(pair[key] or ""):
                found.setdefault(message[:6] + message[7:], message)
    return [list(found.values()) for found in (requests, answers)]


def message(op, group, command, payload, sequence, version=1):
    payload = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    return struct.pack(">BBHHBB", version << 3 | op, 0, len(payload), group, sequence, command) + payload


# One of each command that nobody recorded a success of, or whose arguments count.
ASKED = [
    (READ, 0, 2, {}),
    (READ, 0, 3, {}),
    (WRITE, 0, 1, {"echo": 1}),
    (READ, 0, 4, {}),
    (WRITE, 0, 4, {"datetime": "2026-06-01T12:00:00"}),
    (WRITE, 0, 5, {"force": 1, "boot_mode": 0}),
    (READ, 0, 6, {}),
    (READ, 0, 7, {"format": "a"}),
    (READ, 0, 8, {"query": "mode"}),
    (READ, 1, 0, {}),
    (READ, 1, 6, {}),
    (WRITE, 1, 5, {"slot": 1}),
    (READ, 2, 0, {"name": "uart"}),
    (READ, 2, 1, {}),
    (READ, 3, 0, {"name": "a/b", "max_size": 30}),
    (WRITE, 3, 0, {"name": "a/b", "val": b"value"}),
    (WRITE, 3, 1, {"name": "a/b"}),
    (WRITE, 3, 2, {}),
    (WRITE, 3, 3, {}),
    (READ, 3, 3, {}),
    (READ, 8, 0, {"name": "/lfs/a", "off": 0}),
    (WRITE, 8, 0, {"name": "/lfs/a", "off": 0, "len": 40, "data": b"0123456789" * 2}),
    (WRITE, 8, 0, {"name": "/lfs/a", "off": 20, "data": b"0123456789" * 2}),
    (READ, 8, 1, {"name": "/lfs/a"}),
    (READ, 8, 2, {"name": "/lfs/a", "type": "crc32"}),
    (READ, 8, 2, {"name": "/lfs/a", "type": "sha256", "off": 3, "len": 20}),
    (READ, 8, 3, {}),
    (WRITE, 8, 4, {}),
    (WRITE, 9, 0, {"argv": ["echo", "a", "b c"]}),
    (READ, 10, 0, {}),
    (READ, 10, 1, {}),
    (READ, 10, 2, {"index": 1}),
    (READ, 10, 3, {"groups": [0, 1]}),
    (WRITE, 63, 0, {}),
]


def damaged(request):
    """Requests like this one that a server must survive: cut, of other types, nested without end."""
    head, payload = request[:8], request[8:]
    for wrong in (
        payload[: len(payload) // 2],
        payload[:-1],
        payload.replace(b"\xa1", b"\xbf", 1),
        payload[:1] + b"\x81" * 40 + payload[1:],
        b"\xbf" + b"\x61a\x81" * 20,
        payload + payload,
        b"\xa1\x63off\x1b" + b"\xff" * 8,
        bytes(byte ^ 0xFF for byte in payload),
    ):
        wrong = wrong[: ROOM - 12]
        yield head[:2] + struct.pack(">H", len(wrong)) + head[4:] + wrong
    yield head[:2] + b"\xff\xff" + request[4:]


class Server:
    """Asks the image `smp_all`."""

    def __init__(self, board):
        self.board, self.sequence = board, 0
        # Groups that have answered something else than an error.
        self.served = set()

    def ask(self, request):
        """The answer's payload. The request gets a number of its own."""
        self.sequence = self.sequence + 1 & 0xFF
        request = request[:6] + bytes([self.sequence]) + request[7:]
        self.board.send(encode("console", request))
        for answer in self.board.messages():
            if answer[6] == self.sequence and answer[4:6] == request[4:6]:
                payload = cbor2.loads(answer[8:])
                if payload.get("rc", 0) == 0 and "err" not in payload:
                    self.served.add(int.from_bytes(request[4:6], "big"))
                return payload
        raise Failed(f"no answer to {request.hex()}")

    def tell(self, request):
        """Something that may have no answer; the server answers what comes after it."""
        self.board.send(encode("console", request) + encode("console", message(WRITE, 0, 0, {"d": "still here"}, 0)))
        if all(answer[8:] != cbor2.dumps({"r": "still here"}) for answer in self.board.messages()):
            raise Failed(f"no echo after {request.hex()}")

    def upload(self, image, version):
        """A whole image into the slot, which has to be listed, and marked, afterwards."""
        at, sha = 0, hashlib.sha256(image).digest()
        while at < len(image):
            chunk = {"off": at, "data": image[at : at + CHUNK]}
            if at == 0:
                chunk |= {"image": 0, "len": len(image), "sha": sha, "upgrade": False}
            answer = self.ask(message(WRITE, 1, 1, chunk, 0, version))
            if answer.get("off") != min(at + CHUNK, len(image)):
                raise Failed(f"the chunk at {at} is answered by {answer}")
            at = answer["off"]
        if not answer.get("match"):
            raise Failed(f"the last chunk is answered by {answer}")
        state = self.ask(message(WRITE, 1, 0, {"hash": image_hash(image), "confirm": False}, 0, version))
        if [slot["pending"] for slot in state.get("images", []) if slot["hash"] == image_hash(image)] != [True]:
            raise Failed(f"the image is not to be tested: {state}")


def server(machine, elf):
    """How deep the stack of the server was, with requests of either version."""
    return max(serve(machine, elf, version) for version in (0, 1))


def serve(machine, elf, version):
    flash = bytearray(b"\xff" * (SECONDARY + 0x8000))
    running = make_image((1, 0, 0, 0), 5000)
    flash[PRIMARY : PRIMARY + len(running)] = running
    requests, _ = recorded()
    asked = [message(op, group, command, payload, 0, version) for op, group, command, payload in ASKED]
    with Emulator(machine, elf, bytes(flash)) as board:
        peer = Server(board)
        for request in requests:
            if request[0] >> 3 == version and len(request) <= ROOM - 4:
                peer.tell(request)
        for request in asked:
            peer.ask(request)
            for wrong in damaged(request):
                peer.tell(wrong)
        peer.upload(make_image((2, 0, 0, 0), 9000), version)
        peer.ask(message(WRITE, 1, 0, {"hash": b"", "confirm": True}, 0, version))
        if missing := {name for name, group in GROUPS.items() if group not in peer.served}:
            raise Failed(f"groups that answer errors only: {missing}")
        return board.deepest()


def client(machine, elf):
    """How deep the stack of the client was, in uploads that go well and in uploads that do not."""
    _, answers = recorded()
    # Group 1, command 1 is an upload.
    others = [answer for answer in answers if (answer[4:6], answer[7]) != (b"\0\1", 1)]
    # One error of each form, and wrong answers of each kind.
    forms = {}
    for answer in answers:
        if not {"rc", "err"}.isdisjoint(payload := cbor2.loads(answer[8:])):
            forms[answer[0] >> 3, payload.get("rc") == 0, *payload] = answer
    wrong = [*forms.values(), *damaged(message(WRITE + 1, 1, 1, {"rc": 0, "off": 880}, 0))]
    uploads = [upload(machine, elf), upload(machine, elf, others)]
    return max(uploads + [upload(machine, elf, only=answer) for answer in wrong])


def upload(machine, elf, beside=(), only=None):
    """One upload: each right answer comes after some that are none, or `only` this comes for a chunk of the image."""
    with Emulator(machine, elf) as board:
        end, beside = None, iter(beside)
        # A client that has given up says nothing.
        for request in board.messages(PATIENCE if only is None else 0.5):
            head, payload = bytes([request[0] | 1]) + request[1:8], cbor2.loads(request[8:])
            for other in islice(beside, 30):
                board.send(b"text \x06\x09AAAA\r\n" + encode("console", other[:6] + head[6:7] + other[7:]))
            answer = {"buf_size": ROOM, "buf_count": 4}
            if "off" in payload:
                end = payload.get("len", end)
                off = payload["off"] + len(payload["data"])
                answer = {"off": off} | ({"match": True} if off == end else {})
                if only is not None:
                    board.send(encode("console", only[:1] + head[1:2] + only[2:4] + head[4:] + only[8:]))
                    continue
            answer = cbor2.dumps(answer)
            board.send(encode("console", head[:2] + struct.pack(">H", len(answer)) + head[4:] + answer))
            if end and off == end:
                if next(beside, None):
                    raise Failed("the upload is over before all answers were told")
                # The client reads it before it is silent.
                time.sleep(0.2)
                break
        if only is None and not (end and off == end):
            raise Failed("the upload has stopped")
        return board.deepest()
