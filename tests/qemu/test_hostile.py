"""What no client sends: after each of it the board answers the next request, and has not been reset by it."""

import random
import struct
import time

import cbor2
import pytest
from tools import smp
from wire import READ, WRITE, crc16, encode


def frame(text="x" * 150):
    """A valid echo of several lines."""
    body = cbor2.dumps({"d": text})
    return encode("console", struct.pack(">BBHHBB", 0x0A, 0, len(body), 0, 200, 0) + body)


def oversize(length):
    """A frame that is right in all but its length."""
    return encode("console", struct.pack(">BBHHBB", 0x0A, 0, length, 0, 201, 0) + b"\xff" * length)


RANDOM = random.Random(20)
WHOLE, LINE = frame(), b"\x06\x09" + b"A" * 124 + b"\n"
NOISE = {
    "bytes of every kind": RANDOM.randbytes(3000),
    "a line of nothing else": b"\xff" * 2000,
    "zeros": bytes(2000),
    "markers": b"\x06\x09\x04\x14" * 300,
    "half markers": b"\x06" * 500 + b"\x04" * 500,
    "a line that never ends": b"\x06\x09" + b"QUJD" * 1500,
    "continuations of nothing": b"\x04\x14QUJDRA==\n" * 100,
    "starts that are never continued": LINE * 50,
    "a message larger than the buffer": oversize(509),
    "one of the largest length there is": oversize(60_000)[:6000],
    "a length of zero": b"\x06\x09" + b"AAAA\n",
    "a wrong checksum": WHOLE[:-3] + b"AA\n",
    "text between lines": (b"[00:00:01] <inf> app: all is well\r\n" * 30).join([b"", *WHOLE.splitlines(True), b""]),
    "text without an end": b"shell> " * 400,
    "cut off in its first line": WHOLE[:60],
    "cut off between its lines": WHOLE[: WHOLE.index(b"\n") + 1],
    "cut off before its last line feed": WHOLE[:-1],
    "no line feed, then the same again": WHOLE[:-1] + WHOLE,
    "other line ends": WHOLE.replace(b"\n", b"\r\n"),
}
# What holds a whole, right frame beside the request that follows.
ANSWERED = {"text between lines", "no line feed, then the same again", "other line ends"}


@pytest.mark.parametrize("prefix", [b"", b"\n"], ids=["no line feed between", "a line feed between"])
def test_next_request_is_answered_after_any_noise(board, prefix):
    with board.client(timeout=8) as client:
        assert client.call(WRITE, 64, 0, {"on": True}) == {"on": True}
        for what, noise in NOISE.items():
            client.port.write(noise + prefix)
            try:
                assert client.call(WRITE, 0, 0, {"d": what}) == {"r": what}
            except TimeoutError:
                pytest.fail(f"no answer after {what}")
        fields = client.call(READ, 2, 0, {"name": "link"})["fields"]
        assert fields["damaged"] >= 12, fields
        # The board's first request, the lamp's, the echoes, what noise holds, and one more if a line feed ends it.
        assert fields["received"] == 2 + len(NOISE) + len(ANSWERED) + len(prefix), fields
        # A reset would have switched it off.
        assert client.call(READ, 64, 0) == {"on": True}


def test_changed_frames_do_no_harm(board):
    choose = random.Random(21)
    with board.client(timeout=8) as client:
        client.call(WRITE, 64, 0, {"on": True})
        for round_ in range(20):
            for _ in range(10):
                changed = bytearray(WHOLE)
                for _ in range(choose.randint(1, 4)):
                    changed[choose.randrange(len(changed))] = choose.randrange(256)
                client.port.write(changed[: choose.randint(1, len(changed))])
            assert client.call(WRITE, 0, 0, {"d": str(round_)}) == {"r": str(round_)}
        assert client.call(READ, 64, 0) == {"on": True}


# Payloads that are right as frames: wrong types, open and deep items, lengths that lie, and nothing.
PAYLOADS = [
    b"", b"\xa0", b"\xff", b"\xbf", b"\x9f" * 60, b"\xa1" * 60, b"\x81" * 400,
    b"\x5b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8,
    b"\xa1\x61d\x7b" + b"\xff" * 8, b"\xa1\x61d\xf6", b"\xa2\x61d\x61a\x61d\x61b", b"\xbf\x61d\x7f\x61a\xff",
    b"\xa1\x63off\x3b" + b"\xff" * 8,
]  # fmt: skip


def exchange(client, message):
    """The next message that comes."""
    client.port.write(encode("console", message))
    deadline = time.monotonic() + client.timeout
    while (left := deadline - time.monotonic()) > 0:
        for answer in client.decoder.push(client.port.read(left)):
            return answer
    raise TimeoutError(message.hex())


def test_every_command_answers_payloads_that_mean_nothing(board):
    with board.client(timeout=8) as client:
        client.call(WRITE, 64, 0, {"on": True})
        sequence = 0
        for group in (0, 1, 2, 3, 9, 10, 64, 65, 63, 8):
            # Not the reset, whatever its payload.
            for command in [command for command in range(10) if (group, command) != (0, 5)]:
                payload = PAYLOADS[(group + command) % len(PAYLOADS)]
                for op in (READ, WRITE):
                    sequence = (sequence + 1) % 256
                    header = struct.pack(">BBHHBB", op | 8, 0, len(payload), group, sequence, command)
                    answer = exchange(client, header + payload)
                    assert (answer[0] & 7, answer[6]) == (op + 1, sequence), (group, command, op, payload)
        assert client.call(READ, 64, 0) == {"on": True}
        assert [image["version"] for image in client.call(READ, 1, 0)["images"]] == ["1.0.0"]


def test_deepest_stack_leaves_room(board, tmp_path):
    """After everything that costs stack: an upgrade, settings, the longest answers."""
    from test_upgrade import IMAGE, NEW

    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    smp(board, "upgrade", str(path), "--rest", "200").ok()
    smp(board, "settings", "write", "a/b", "c").ok()
    smp(board, "settings", "save").ok()
    smp(board, "enum", "details").ok()
    smp(board, "shell", "--", "echo", "x" * 50).ok()
    smp(board, "info").ok()
    assert smp(board, "image", "list").ok()["images"][0]["version"] == NEW
    assert board.untouched() >= 4096
