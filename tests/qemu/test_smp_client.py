"""The image `smp_client`: one emulated board upgrades another over a socket that joins their UARTs."""

import os
import socket
import subprocess
import threading

import pytest
from board import PSRAM, Board
from mcuboot import image_hash, make_image
from tools import smp

IMAGE = make_image((4, 1, 0, 0), 20_000)
# The secondary slot of the mps2, in which the client keeps what it uploads.
SLOT = 0x40000


def upgrade(address, directory, image, timeout=120):
    """Runs the client's board on the mps2, with `image` in its flash, to its end: exit status and last line."""
    flash = directory / "flash"
    with flash.open("wb") as file:
        file.truncate(PSRAM)
        file.seek(SLOT)
        file.write(image)
    host, port = address.split(":")
    command = ["qemu-system-arm", "-M", "mps2-an385,memory-backend=psram", "-display", "none", "-monitor", "none"]
    command += ["-object", f"memory-backend-file,id=psram,size={PSRAM},mem-path={flash},share=on"]
    command += ["-kernel", os.environ["FIRMWARE"] + "/mps2/smp_client", "-semihosting-config", "enable=on,target=native"]
    command += ["-chardev", f"socket,id=peer,host={host},port={port},nodelay=on"]
    command += ["-serial", "null", "-serial", "chardev:peer"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    lines = [line for line in done.stderr.splitlines() if line.startswith("upgrade: ")]
    assert lines, done
    return done.returncode, lines[-1].removeprefix("upgrade: ")


def running(board):
    (active,) = [image for image in smp(board, "image", "list").ok()["images"] if image["active"]]
    return active["version"], active["hash"], active["confirmed"]


def test_board_upgrades_another_one_to_the_end(board, tmp_path):
    code, line = upgrade(board.address, tmp_path, IMAGE)
    assert code == 0 and line.startswith(f"Confirmed, {len(IMAGE)} bytes sent, "), line
    assert running(board) == ("4.1.0", image_hash(IMAGE).hex(), True)
    # What is there already is not sent again.
    code, line = upgrade(board.address, tmp_path, IMAGE)
    assert code == 0 and line.startswith("AlreadyRunning, 0 bytes sent, "), line


def test_flash_without_an_image_ends_before_anything_is_sent(tmp_path):
    with Board("mps2") as board:
        for flash, reason in [(b"\xff" * 64, "not an MCUboot image"), (make_image((1, 0, 0, 0), SLOT), "cut off")]:
            code, line = upgrade(board.address, tmp_path, flash)
            assert code == 1 and reason in line, line
        assert smp(board, "stat", "read", "link").ok()["fields"]["received"] < 10


def test_other_board_refuses_a_damaged_image_and_keeps_its_own(tmp_path):
    damaged = bytearray(IMAGE)
    damaged[10_000] ^= 1
    with Board("mps2") as board:
        code, line = upgrade(board.address, tmp_path, damaged)
        assert code == 1 and line.startswith("Refused("), line
        assert running(board)[0] == "1.0.0"


class Noise:
    """A line between client and board that turns over a bit in every so many bytes on the way there."""

    def __init__(self, address, every):
        host, port = address.split(":")
        self.every, self.flipped = every, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{1}".format(*self.listener.getsockname())
        self.board = socket.create_connection((host, int(port)))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        client, _ = self.listener.accept()
        back = threading.Thread(target=self._relay, args=(self.board, client, None), daemon=True)
        back.start()
        self._relay(client, self.board, self.every)

    def _relay(self, source, sink, every):
        passed = 0
        while data := bytearray(source.recv(256)):
            if every and (passed + len(data)) // every > passed // every:
                data[(passed // every + 1) * every - passed - 1] ^= 0x20
                self.flipped += 1
            passed += len(data)
            sink.sendall(data)

    def close(self):
        self.board.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_upgrade_comes_through_a_line_that_damages_bytes(tmp_path):
    with Board("mps2") as board:
        noise = Noise(board.address, every=6_000)
        try:
            code, line = upgrade(noise.address, tmp_path, IMAGE)
        finally:
            noise.close()
        assert code == 0 and line.startswith("Confirmed"), line
        assert noise.flipped >= 3 and int(line.split(", ")[2].split()[0]) >= 2, (noise.flipped, line)
        assert smp(board, "image", "list").ok()["images"][0]["version"] == "4.1.0"
