"""`smp --ble` and `smp-device --ble` over a BlueZ without a radio.

Each device is there in two ways, which check each other: `relayed` is `smp-device --ble`, `wired` a peripheral of the mock's
own, which cuts its notifications where it is told to."""

import os
import pwd
import shutil
import signal
import subprocess
import time

import pytest
from rig import ADDRESS, NAME, PROGRAMS

KINDS = ["relayed", "wired"]
LONG = "a text longer than a piece; " * 12
CONTENT = bytes(i * 7 % 251 for i in range(4000))


def image(folder, version, size):
    """A file with an image of this version."""
    program, path = folder / "program.bin", folder / f"{version}.bin"
    program.write_bytes(os.urandom(size))
    command = [PROGRAMS / "smp", "image", "make", "--force", "--version", version, program, path]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return path


def running(air):
    images = air.smp("--ble", NAME, "image", "list").ok()["images"]
    return [entry["version"] for entry in images if entry.get("active") and entry.get("confirmed")]


@pytest.mark.parametrize("kind", KINDS)
def test_scan_lists_the_device_and_no_other(air, kind):
    air.device(kind)
    [found] = air.smp("ports", "--ble").ok()["devices"]
    assert (found["name"], found["address"]) == (NAME, ADDRESS) and -60 < found["rssi"] < -30
    assert air.smp("ports", "--ble", "another").ok()["devices"] == []
    assert not air.is_connected()


@pytest.mark.parametrize("kind", KINDS)
def test_name_and_address_reach_it_and_it_is_free_afterwards(air, kind):
    air.device(kind)
    for wanted in (NAME, ADDRESS, ADDRESS.lower()):
        assert air.smp("--ble", wanted, "echo", LONG).ok()["r"] == LONG
        assert not air.is_connected()
    assert running(air) == ["1.0.0"]


@pytest.mark.parametrize("kind", KINDS)
def test_endpoint_can_have_a_name(air, kind):
    air.device(kind)
    air.smp("--ble", ADDRESS, "device", "add", "bench").ok()
    assert air.smp("-d", "bench", "echo", "hi").ok()["r"] == "hi"


# The device is remembered over its reset, or forgotten as BlueZ does with one that was gone for long.
@pytest.mark.parametrize("extra", [[], ["--forget"]])
@pytest.mark.parametrize("mtu", [23, 185, 512])
@pytest.mark.parametrize("kind", KINDS)
def test_upgrade_with_its_reset(air, tmp_path, kind, mtu, extra):
    air.device(kind, "--mtu", str(mtu), *extra)
    done = air.smp("--ble", NAME, "upgrade", image(tmp_path, "2.0.0", 20_000)).ok()
    assert (done["outcome"], done["version"], done["upload"]["repeats"]) == ("confirmed", "2.0.0", 0)
    assert running(air) == ["2.0.0"]
    assert not air.is_connected()


# 20 is all that fits at the smallest MTU; at 1 and 7 the header of a message comes in pieces, too.
@pytest.mark.parametrize("cut", [1, 7, 8, 20, 181])
def test_notifications_are_cut_anywhere(air, tmp_path, cut):
    air.device("wired", "--cut", str(cut))
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(CONTENT)
    assert air.smp("--ble", NAME, "echo", LONG).ok()["r"] == LONG
    air.smp("--ble", NAME, "fs", "upload", there, "/lfs1/cut").ok()
    air.smp("--ble", NAME, "fs", "download", "/lfs1/cut", back).ok()
    assert back.read_bytes() == CONTENT


@pytest.mark.parametrize("mtu", [23, 24, 100, 512])
def test_pieces_of_each_length_go_both_ways(air, tmp_path, mtu):
    air.device("relayed", "--mtu", str(mtu))
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(CONTENT)
    air.smp("--ble", NAME, "fs", "upload", there, "/lfs1/mtu").ok()
    air.smp("--ble", NAME, "fs", "download", "/lfs1/mtu", back).ok()
    assert back.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", KINDS)
def test_connection_lost_in_mid_upload_is_said_and_the_same_command_goes_on(air, tmp_path, kind):
    path = image(tmp_path, "2.0.0", 60_000)
    air.device(kind, "--drop-after", "30000")
    lost = air.smp("--ble", NAME, "upgrade", path)
    lost.failed(4, "closed", "try again")
    assert any("the same command goes on there" in line.get("note", "") for line in lost.lines), lost.lines
    air.mock.said("back")
    done = air.smp("--ble", NAME, "upgrade", path).ok()
    assert done["outcome"] == "confirmed"
    # What was there is not sent again.
    assert done["upload"]["sent"] < 60_000 - 20_000, done["upload"]


@pytest.mark.parametrize("kind", KINDS)
def test_connection_lost_in_mid_download_leaves_no_half_file(air, tmp_path, kind):
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(CONTENT * 4)
    # More is written for the upload than for the download: requests for pieces are short.
    air.device(kind, "--drop-after", "18500")
    air.smp("--ble", NAME, "fs", "upload", there, "/lfs1/lost").ok()
    for _ in range(40):
        done = air.smp("--ble", NAME, "fs", "download", "/lfs1/lost", back)
        if done.code != 0:
            break
        back.unlink()
    done.failed(4, "closed", "try again")
    assert not back.exists()
    air.mock.said("back")
    air.smp("--ble", NAME, "fs", "download", "/lfs1/lost", back).ok()
    assert back.read_bytes() == CONTENT * 4


def test_what_blueZ_refuses_for_the_moment_is_tried_again(air):
    air.device("wired", "--busy", "--mtu", "23")
    assert air.smp("--ble", NAME, "echo", LONG).ok()["r"] == LONG


@pytest.mark.parametrize("kind", KINDS)
def test_connection_that_a_killed_program_left_behind_is_used(air, kind):
    air.device(kind)
    command = [str(PROGRAMS / "smp"), "--ble", NAME, "--watch", "1", "echo", "hi"]
    with subprocess.Popen(command, env=air.env, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "hi\n"
        client.send_signal(signal.SIGKILL)
    # BlueZ keeps the connection, and ends the notifications.
    time.sleep(0.3)
    assert air.is_connected()
    assert air.smp("--ble", NAME, "echo", "again").ok()["r"] == "again"
    assert not air.is_connected()


def test_device_without_smp(air):
    air.device("wired", "--no-characteristic")
    air.smp("--ble", NAME, "echo", "hi").failed(4, "no characteristic for SMP", "CONFIG_MCUMGR_TRANSPORT_BT")
    assert not air.is_connected()


def test_device_that_is_not_there(air):
    air.device("wired")
    began = time.monotonic()
    air.smp("--ble", "Cellar", "echo", "hi").failed(4, "cannot open Cellar: no such device was heard", "smp ports --ble")
    assert time.monotonic() - began < 20


def test_device_that_has_to_be_paired(air):
    air.device("wired", "--unpaired")
    air.smp("--ble", NAME, "echo", "hi").failed(4, "paired first", "bluetoothctl pair")
    assert not air.is_connected()


@pytest.mark.parametrize("words", [["--ble", NAME, "echo", "hi"], ["ports", "--ble"]])
def test_computer_without_bluetooth(air, words):
    air.smp(*words).failed(4, "BlueZ, does not run", "systemctl start bluetooth")
    without = air.bluez("--no-adapter")
    air.smp(*words).failed(4, "no Bluetooth adapter", "Plug one in")
    without.end()
    air.bluez("--off")
    air.smp(*words).failed(4, "switched off", "rfkill unblock")
    air.env["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={air.folder}/none"
    air.smp(*words).failed(4, "no D-Bus", "dbus-daemon")


def test_another_user_who_may_not(air):
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    air.device("wired")
    air.folder.chmod(0o755)
    other = pwd.getpwnam("nobody")
    # The folder of the build may not be open to everybody.
    program = shutil.copy(PROGRAMS / "smp", air.folder / "smp")
    as_other = ["setpriv", f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups"]
    for words in (["--ble", NAME, "echo", "hi"], ["ports", "--ble"]):
        done = subprocess.run([*as_other, program, "--json", *words], env=air.env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 4 and "does not let this user" in done.stdout and "group `bluetooth`" in done.stdout, done


def test_wrong_command_lines(air):
    for words in (["--ble", NAME, "--serial", "/dev/null", "echo", "hi"], ["--ble", NAME, "--pace", "1/1", "echo", "hi"]):
        assert air.smp(*words).result["exit"] == 2
    air.smp("echo", "hi", "--ble").failed(2, "--ble needs", "smp ports --ble")
    air.smp("--ble", NAME, "terminal").failed(2, "console framing", "--framing console")


@pytest.mark.parametrize("options, error, remedy", [
    (None, "BlueZ, does not run", "systemctl start bluetooth"),
    (["--no-adapter"], "no Bluetooth adapter", "Plug one in"),
])
def test_device_of_a_computer_without_bluetooth(air, options, error, remedy):
    if options:
        air.bluez(*options)
    command = [str(PROGRAMS / "smp-device"), "--ble", NAME]
    done = subprocess.run(command, env=air.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and not done.stdout and error in done.stderr and remedy in done.stderr, done


def test_device_ends_with_bluez(air):
    air.device("relayed")
    air.mock.end()
    assert air.firmware.process.wait(10) == 1
    assert "Bluetooth service is gone" in air.firmware.lines[-1]
