"""The image with logs: text between the frames on the UART that carries SMP, and defmt's records beside it."""

import re
import struct
import subprocess
import time

import pytest
import records
from board import BOARDS, Board
from mcuboot import image_hash, make_image
from tools import SMP, smp

IMAGE = make_image((2, 5, 7, 0), 12_000)
# Must not be found in any log.
SECRET = "zxsecretxz"


@pytest.fixture(params=BOARDS)
def board(request):
    with Board(request.param, log=True) as running:
        yield running


def test_upload_between_lines_of_text_is_unharmed_and_the_text_is_shown(board, tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    command = [*SMP, *board.arguments(), "--json", "--verbose", "image", "upload", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [int(count) for count in re.findall(r"^\[\d+\] first start: (\d+) requests\r?$", done.stderr, re.MULTILINE)]
    # One for each request, in order, none torn.
    assert len(lines) >= len(IMAGE) // 500 and lines == list(range(lines[0], lines[0] + len(lines)))
    # Nothing was sent twice, nor taken for damage.
    assert done.stderr.count("-> ") == done.stderr.count("<- ") and "dropped" not in done.stderr
    assert [image["hash"] for image in smp(board, "image", "list").ok()["images"]][1] == image_hash(IMAGE).hex()
    assert smp(board, "stat", "read", "link").ok()["fields"]["damaged"] == 0


def test_terminal_shows_the_text_while_requests_run_beside_it(board):
    command = [*SMP, *board.arguments(), "terminal"]
    typed = f":echo {SECRET}\nnot for anybody\n:params\n:image list\n"
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and SECRET in done.stdout and "1.0.0" in done.stdout, done
    assert len(re.findall(r"first start: \d+ requests", done.stdout)) >= 3, done.stdout


def requests_of(found):
    """Group and command of each request that is recorded."""
    asked = [record.arguments for record in found if record.text == "request: group {=u16}, command {=u8}"]
    assert not any(any(arguments[3:]) for arguments in asked)
    return [struct.unpack("<HB", arguments[:3]) for arguments in asked]


def recorded(board, last):
    """The log up to the record of this request; it may come a moment after the answer."""
    deadline = time.monotonic() + 10
    while True:
        stream = board.logged()
        found = list(records.read(stream, board.image))
        if last in requests_of(found)[-1:] or time.monotonic() > deadline:
            return stream, found
        time.sleep(0.05)


def test_records_tell_each_request_and_nothing_of_its_payload(board, tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    smp(board, "echo", SECRET).ok()
    smp(board, "settings", "write", "a/b", SECRET).ok()
    smp(board, "image", "upload", str(path)).ok()
    with board.client() as client:
        client.port.write(b"\x06\x09" + SECRET.encode() + b"\n")
        client.call(0, 64, 0)
    stream, found = recorded(board, (64, 0))
    told = b"".join(record.arguments for record in found)
    assert SECRET.encode() not in stream and SECRET.encode() not in told
    # Nor of the image: each run of eight of its bytes is like no other.
    eights = {IMAGE[at : at + 8] for at in range(512, len(IMAGE) - 8)}
    assert not eights & {told[at : at + 8] for at in range(len(told))}
    assert found[0].text == "{=str}; version {}" and b"first start" in found[0].arguments
    assert [record.ms for record in found] == sorted(record.ms for record in found)
    # The frame that was none, once, by the crate itself.
    assert [record.level for record in found if record.text == "frame dropped: {}"] == ["warn"]
    requests = requests_of(found)
    # The first is of the harness, which waits until the board has come up.
    assert requests[:3] == [(0, 0), (0, 0), (3, 0)] and requests[-1] == (64, 0)
    assert requests.count((1, 1)) >= len(IMAGE) // 500
    assert {record.level for record in found} <= {"info", "warn", "error"}
