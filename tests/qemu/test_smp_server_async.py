"""The image `smp_server_async`: what `smp_server` does, and that flash and port are at work at the same time."""

import pytest
from board import BOARDS, Board
from mcuboot import image_hash, make_image
from tools import smp

IMAGE = make_image((5, 6, 7, 0), 12_000)


@pytest.fixture(params=BOARDS)
def patient(request):
    with Board(request.param, image="smp_server_async") as running:
        yield running


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    return str(path)


def counters(board):
    return smp(board, "stat", "read", "flash").ok()["fields"]


def upload(board, image, window):
    """What the counters have counted meanwhile."""
    smp(board, "image", "erase").ok()
    before = counters(board)
    smp(board, "image", "upload", image, options=["--window", str(window)]).ok()
    return {name: count - before[name] for name, count in counters(board).items()}


def test_next_request_comes_in_while_the_flash_is_written(image):
    with Board("mps2", image="smp_server_async") as board:
        assert smp(board, "params").ok()["buf_count"] == 3
        one = upload(board, image, window=1)
        two = upload(board, image, window=2)
        # Who waits for each answer has nothing on the line while the flash is at work.
        assert one["received"] < len(IMAGE) // 10, one
        # Console lines are longer by a third than what they carry; the first request travels alone.
        assert two["received"] > len(IMAGE), two
        for counted in (one, two):
            # Every piece takes at least one tick, and so does each beat of the other task.
            assert counted["writes"] >= len(IMAGE) // 256 and counted["beats"] >= counted["writes"] // 2, counted


def test_upgrade_is_started_confirmed_and_the_other_groups_answer(patient, image):
    assert smp(patient, "upgrade", image, "--rest", "200", options=["--window", "2"]).ok()["confirmed"]
    new, old = smp(patient, "image", "list").ok()["images"]
    assert (new["version"], new["hash"], new["confirmed"]) == ("5.6.7", image_hash(IMAGE).hex(), True)
    assert old["version"] == "1.0.0"
    smp(patient, "settings", "write", "kept", "x").ok()
    smp(patient, "settings", "save").ok()
    assert smp(patient, "shell", "--", "echo", "hi").ok()["o"].strip() == "hi"
    smp(patient, "fs", "status", "/a").refused(rc=8)
