"""Images on emulated boards: whole upgrades, trial and return, damage, and power cuts in the middle."""

import subprocess
import time

import pytest
from board import Board
from mcuboot import image_hash, make_image
from tools import SMP, smp

IMAGE = make_image((2, 5, 7, 0), 20_000)
NEW, HASH = "2.5.7", image_hash(IMAGE).hex()
# The mps2's second slot within its flash.
SECONDARY = 0x40000


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    return str(path)


def images(board):
    return smp(board, "image", "list").ok()["images"]


def running(board):
    (active,) = [image for image in images(board) if image["active"]]
    assert active["slot"] == 0
    return active["version"], active["confirmed"]


def reset(board):
    with board.booting():
        smp(board, "reset").ok()


def test_upgrade_is_started_confirmed_and_stays(board, image):
    assert running(board) == ("1.0.0", True)
    slots = smp(board, "image", "slots").ok()["images"][0]["slots"]
    assert [slot["size"] for slot in slots] == [board.facts["slot"]] * 2
    result = smp(board, "upgrade", image, "--rest", "200").ok()
    assert result["confirmed"], result
    for _ in range(2):
        new, old = images(board)
        assert (new["version"], new["hash"], new["confirmed"]) == (NEW, HASH, True)
        assert (old["slot"], old["version"], old["active"]) == (1, "1.0.0", False)
        reset(board)


def test_unconfirmed_image_goes_back_at_the_next_reset(board, image):
    smp(board, "image", "upload", image, options=["--window", "2"]).ok()
    smp(board, "image", "test", HASH).ok()
    assert [image["pending"] for image in images(board)] == [False, True]
    reset(board)
    assert running(board) == (NEW, False)
    reset(board)
    assert running(board) == ("1.0.0", True)
    assert images(board)[1]["hash"] == HASH


def test_damaged_image_is_not_marked_and_an_erased_slot_is_empty(board, tmp_path):
    path, damaged = tmp_path / "damaged.bin", bytearray(IMAGE)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    # The tool refuses it. Sent as it is, it arrives; what it is worth is found when it is to be started.
    assert smp(board, "image", "upload", str(path)).code == 5
    smp(board, "image", "upload", "--raw", str(path)).ok()
    assert smp(board, "image", "test", HASH).code == 1
    assert smp(board, "image", "confirm", HASH).code == 1
    assert smp(board, "upgrade", str(path), "--rest", "200").code != 0
    reset(board)
    assert running(board) == ("1.0.0", True)
    smp(board, "image", "erase").ok()
    assert len(images(board)) == 1


def test_no_image_and_one_too_large_are_refused_at_once(board, tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(b"\0" * 4000)
    assert smp(board, "image", "upload", str(path)).code in (1, 5)
    path.write_bytes(make_image((9, 9, 9, 9), board.facts["slot"]))
    smp(board, "image", "upload", str(path)).refused(group=1, rc=30)
    assert len(images(board)) == 1


def test_image_that_is_damaged_after_it_was_marked_is_not_started(tmp_path, image):
    flash = tmp_path / "flash"
    with Board("mps2", flash=flash) as board:
        smp(board, "image", "upload", image).ok()
        smp(board, "image", "test", HASH).ok()
        board.cut()
    contents = bytearray(flash.read_bytes())
    contents[SECONDARY + 0x1234] ^= 1
    flash.write_bytes(contents)
    with Board("mps2", flash=flash) as board:
        assert running(board) == ("1.0.0", True)
        smp(board, "upgrade", image, "--rest", "200").ok()
        assert running(board) == (NEW, True)


def test_upload_goes_on_after_a_power_cut_in_its_middle(tmp_path):
    image, path, flash = make_image((3, 0, 0, 0), 40_000), tmp_path / "image.bin", tmp_path / "flash"
    path.write_bytes(image)

    def written():
        """How far the file has come: the last full kilobyte that is as in the image."""
        with flash.open("rb") as file:
            file.seek(SECONDARY)
            slot = file.read(len(image))
        differ = (at for at in range(0, len(image), 1024) if slot[at : at + 1024] != image[at : at + 1024])
        return next(differ, len(image))

    cuts = (9_000, 28_000)
    for cut_at in cuts:
        with Board("mps2", flash=flash) as board:
            assert running(board) == ("1.0.0", True)
            command = [*SMP, *board.arguments(), "--json", "--timeout", "500", "image", "upload", str(path)]
            client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while written() < cut_at and time.monotonic() < deadline:
                time.sleep(0.002)
            board.cut()
            assert written() in range(cut_at, len(image)), "power was cut too late"
            output, _ = client.communicate(timeout=60)
            assert client.returncode in (3, 4), output
    with Board("mps2", flash=flash) as board:
        assert running(board) == ("1.0.0", True)
        result = smp(board, "upgrade", str(path), "--rest", "200").ok()
        assert result["confirmed"], result
        # From the last full page on; the first chunk is always sent, to ask.
        assert result["upload"]["sent"] < len(image) - cuts[-1] + 4096 + 512, result
        assert running(board) == ("3.0.0", True)
        assert images(board)[0]["hash"] == image_hash(image).hex()
