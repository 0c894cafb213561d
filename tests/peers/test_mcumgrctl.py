"""A real client, the Rust command line mcumgrctl, against our server, the example `smp-device`."""

import hashlib
import json
import os
import subprocess
import zlib

import pytest
from mcuboot import image_hash, make_image
from tools import ANY_PORT, Device

# Set by run.py: installed by .ci/setup.
MCUMGRCTL = os.environ["PEER_MCUMGRCTL"]
LINKS = {
    "pty": (["--pty"], ["--serial"]),
    "pty-raw": (["--pty", "--framing", "raw"], ["--raw", "--serial"]),
    "udp": (["--udp", ANY_PORT], ["--udp"]),
}
CONTENT = bytes(i * 7 % 251 for i in range(3000))


class Mcumgrctl:
    def __init__(self, device, where):
        self.device, self.where = device, [*where, device.address]

    def run(self, *words):
        return subprocess.run(
            [MCUMGRCTL, *self.where, "--json", "--quiet", "--timeout", "5000", *words],
            capture_output=True,
            text=True,
            timeout=40,
            stdin=subprocess.DEVNULL,
        )

    def text(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def __call__(self, *words):
        return json.loads(self.text(*words) or "null")

    def refused(self, reason, *words):
        done = self.run(*words)
        assert done.returncode != 0 and reason in done.stderr, done.stdout + done.stderr


@pytest.fixture(params=LINKS)
def mcumgrctl(request):
    options, where = LINKS[request.param]
    with Device("mcumgrctl", *options) as device:
        yield Mcumgrctl(device, where)


def test_os_commands(mcumgrctl):
    assert mcumgrctl.text("os", "echo", "hello, device") == "hello, device"
    assert mcumgrctl("os", "mcumgr-parameters")["buf_count"] == 4
    assert mcumgrctl("os", "application-info")["Kernel name"] == "anysmp"
    assert mcumgrctl("os", "bootloader-info")["Name"] == "MCUboot"
    assert mcumgrctl("os", "task-statistics")["main"]["stksiz"] > 0
    assert mcumgrctl("os", "memory-pool-statistics")["0"]["nblks"] == 4
    mcumgrctl("os", "set-datetime", "2026-06-03T12:34:56")
    assert mcumgrctl.text("os", "get-datetime").startswith("2026-06-03T12:3")
    mcumgrctl("os", "system-reset")


def test_image_is_uploaded_marked_and_erased(mcumgrctl, tmp_path):
    image, path = make_image((2, 5, 7, 0), 20_000), tmp_path / "image.bin"
    path.write_bytes(image)
    old = mcumgrctl("image", "get-state")
    assert [(entry["slot"], entry["version"], entry["active"]) for entry in old] == [(0, "1.0.0", True)]
    assert [slot["slot"] for slot in mcumgrctl("image", "slot-info")[0]["slots"]] == [0, 1]
    mcumgrctl("image", "upload", str(path))
    new = mcumgrctl("image", "get-state")[1]
    assert (new["version"], new["hash"], new["pending"]) == ("2.5.7", image_hash(image).hex(), False)
    mcumgrctl("image", "erase")
    assert len(mcumgrctl("image", "get-state")) == 1
    mcumgrctl("image", "upload", str(path))
    mcumgrctl("image", "set-state", "--hash", new["hash"])
    assert mcumgrctl("image", "get-state")[1]["pending"]


def test_firmware_is_updated_in_one_go(mcumgrctl, tmp_path):
    image, path = make_image((2, 5, 7, 0), 20_000), tmp_path / "image.bin"
    path.write_bytes(image)
    with mcumgrctl.device.booting():
        mcumgrctl.text("firmware", "update", str(path))
    assert [entry["version"] for entry in mcumgrctl("image", "get-state") if entry["active"]] == ["2.5.7"]


def test_files(mcumgrctl, tmp_path):
    path, back, name = tmp_path / "content.bin", tmp_path / "back.bin", "/lfs1/peers.bin"
    path.write_bytes(CONTENT)
    assert set(mcumgrctl("fs", "supported-checksums")) == {"crc32", "sha256"}
    mcumgrctl("fs", "upload", str(path), name)
    assert mcumgrctl("fs", "status", name)["length"] == len(CONTENT)
    assert mcumgrctl("fs", "checksum", name, "sha256")["checksum"] == hashlib.sha256(CONTENT).hexdigest()
    part = mcumgrctl("fs", "checksum", name, "crc32", "--offset", "100", "--length", "1000")
    assert int(part["checksum"], 16) == zlib.crc32(CONTENT[100:1100])
    mcumgrctl("fs", "download", name, str(back))
    assert back.read_bytes() == CONTENT
    mcumgrctl("fs", "close")
    mcumgrctl.refused("FILE_NOT_FOUND", "fs", "status", "/lfs1/none")


def test_settings_and_storage(mcumgrctl):
    assert bytes(mcumgrctl("settings", "read", "device/name")) == b"simulator"
    mcumgrctl("settings", "write", "peers/value", "00ff41")
    assert bytes(mcumgrctl("settings", "read", "peers/value")) == b"\x00\xff\x41"
    for words in (["commit"], ["save", "--name", "peers"], ["save"], ["load"], ["delete", "peers/value"]):
        mcumgrctl("settings", *words)
    mcumgrctl.refused("KEY_NOT_FOUND", "settings", "read", "peers/value")
    mcumgrctl("zephyr", "erase-storage")
    mcumgrctl.refused("KEY_NOT_FOUND", "settings", "read", "device/name")


def test_statistics_shell_enumeration_and_any_request(mcumgrctl):
    assert mcumgrctl("stats", "list-groups") == ["device", "link", "smp"]
    assert mcumgrctl("stats", "get", "smp")["smp"]["requests"] > 1
    assert set(mcumgrctl("stats", "get")) == {"device", "link", "smp"}
    assert mcumgrctl.text("shell", "echo", "hi", "there") == "hi there"
    assert "Exit code: 1" in mcumgrctl.run("shell", "false").stdout
    mcumgrctl.refused("ENOEXEC", "shell", "nonsense")
    served = [0, 1, 2, 3, 8, 9, 10, 63]
    assert mcumgrctl("enum", "list-groups") == mcumgrctl("enum", "list-groups", "--iter") == served
    assert [group["group"] for group in mcumgrctl("enum", "show-group-details")] == served
    assert mcumgrctl("raw", "write", "0", "0", '{"d": "by hand"}') == {"r": "by hand"}
