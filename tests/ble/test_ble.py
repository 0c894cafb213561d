"""`smp --ble` and `smp-device --ble` over a BlueZ without a radio.

Each device is there in two ways, which check each other: `relayed` is `smp-device --ble`, `wired` a peripheral of the mock's
own, which cuts its notifications where it is told to."""

import asyncio
import difflib
import os
import pwd
import shutil
import signal
import subprocess
import time

import pytest
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus
from rig import ADDRESS, HERE, NAME, PROGRAMS

KINDS = ["relayed", "wired"]
README = HERE.parent.parent / "README.md"
TOOLS = HERE.parent.parent / "examples/tools"
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


def test_upgrade_of_a_device_that_has_another_address_afterwards(air, tmp_path):
    air.device("wired", "--moves")
    done = air.smp("--ble", NAME, "upgrade", image(tmp_path, "2.0.0", 5000)).ok()
    assert done["outcome"] == "confirmed"
    # The other one is still remembered, and not tried.
    [found] = air.smp("ports", "--ble").ok()["devices"]
    assert found["name"] == NAME and found["address"] != ADDRESS


def test_upgrade_whose_reset_is_not_answered(air, tmp_path):
    air.device("wired", "--mute-reset")
    done = air.smp("--ble", NAME, "upgrade", image(tmp_path, "2.0.0", 5000)).ok()
    assert done["outcome"] == "confirmed"


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
    assert any("the same command continues there" in line.get("note", "") for line in lost.lines), lost.lines
    air.mock.said("back")
    done = air.smp("--ble", NAME, "upgrade", path).ok()
    assert done["outcome"] == "confirmed"
    # What was there is not sent again.
    assert done["upload"]["sent"] < 60_000 - 20_000, done["upload"]


@pytest.mark.parametrize("kind", KINDS)
def test_connection_lost_while_a_response_is_awaited_is_not_waited_out(air, kind):
    air.device(kind, "--drop-after", "1")
    began = time.monotonic()
    air.smp("--ble", NAME, "--timeout", "30000", "echo", "hi").failed(4, "closed", "try again")
    assert time.monotonic() - began < 15


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
    command = [str(PROGRAMS / "smp"), "--ble", NAME, "--watch", "--interval", "1000", "echo", "hi"]
    with subprocess.Popen(command, env=air.env, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "hi\n"
        client.send_signal(signal.SIGKILL)
    # BlueZ keeps the connection, and ends the notifications.
    time.sleep(0.3)
    assert air.is_connected()
    assert air.smp("--ble", NAME, "echo", "again").ok()["r"] == "again"
    assert not air.is_connected()


@pytest.mark.parametrize("kind", KINDS)
def test_adapter_is_switched_on(air, kind):
    air.device(kind, "--asleep")
    assert air.smp("--ble", NAME, "echo", "hi").ok()["r"] == "hi"


def test_end_of_bluez_is_the_end_of_the_connection(air):
    air.device("wired")
    command = [str(PROGRAMS / "smp"), "--ble", NAME, "--watch", "--interval", "1000", "echo", "hi"]
    with subprocess.Popen(command, env=air.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "hi\n"
        air.mock.end()
        errors = client.communicate(timeout=20)[1]
    assert client.returncode == 4 and "BlueZ, does not run" in errors and "systemctl" in errors, errors


def test_device_without_smp(air):
    air.device("wired", "--no-characteristic")
    air.smp("--ble", NAME, "echo", "hi").failed(4, "no characteristic for SMP", "CONFIG_MCUMGR_TRANSPORT_BT")
    assert not air.is_connected()


def test_device_that_is_not_there(air):
    air.device("wired")
    began = time.monotonic()
    air.smp("--ble", "Cellar", "echo", "hi").failed(4, "cannot open Cellar: no such device was found", "smp ports --ble")
    assert time.monotonic() - began < 20


def test_name_of_several_is_not_enough(air):
    air.device("wired", "--twin")
    failed = air.smp("--ble", NAME, "echo", "hi").failed(4, "several are there: ", "address of the one")
    assert ADDRESS in failed["error"]
    assert air.smp("--ble", ADDRESS, "echo", "hi").ok()["r"] == "hi"


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


def test_help_has_the_options_and_is_else_as_it_was():
    def seen(program, words):
        return subprocess.run([PROGRAMS / program, *words.split()], env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True).stdout

    kept = [line.rstrip() for line in (TOOLS / "tests/snapshots/help.txt").read_text().splitlines()]
    for words in ("--help", "fs download --help", "decode --help"):
        here = kept[kept.index(f"$ smp {words}") + 1 :]
        here = here[: here.index("--- exit 0")]
        difference = difflib.ndiff(here, [line.rstrip() for line in seen("smp", words).splitlines()])
        changed = [line for line in difference if line[0] in "+-" and line[1:].strip()]
        # The option, and what is said of it, on two lines.
        assert len(changed) == 3 and all(line[0] == "+" for line in changed), changed
        assert "--ble [<NAME|ADDRESS>]" in changed[0] and "`smp ports --ble`" in changed[1], changed
    assert "--ble <NAME>" in seen("smp-device", "--help")


def test_lines_of_the_readme(air, tmp_path):
    air.device("relayed")
    image(tmp_path, "2.0.0", 5000).rename(tmp_path / "zephyr.signed.bin")
    front = "cargo run --release -p anysmp-tools --features ble -- "
    lines = [line.removeprefix(front) for line in README.read_text().splitlines() if line.startswith(front)]
    assert len(lines) >= 3
    for line in lines:
        done = subprocess.run([PROGRAMS / "smp", *line.split()], env=air.env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.count("\n") > 1, done


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


def test_device_serves_one_central_that_wants_notifications(air):
    air.device("relayed")
    _, owner, path = next(line for line in air.mock.lines if line.startswith("registered")).split()
    request = bytes.fromhex("0a000006000009 00a161646268 69".replace(" ", ""))

    async def call(bus, member, *body):
        signature = "aya{sv}" if body else ""
        interface = "org.bluez.GattCharacteristic1"
        reply = await bus.call(Message(destination=owner, path=path, interface=interface, member=member, signature=signature, body=list(body)))
        return reply.error_name

    async def session():
        bus = await MessageBus(bus_address=air.env["DBUS_SYSTEM_BUS_ADDRESS"]).connect()
        notified = []
        rule = "type='signal',interface='org.freedesktop.DBus.Properties'"
        await bus.call(Message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", signature="s", body=[rule]))
        bus.add_message_handler(lambda message: notified.append(message.body[1]["Value"].value) if message.path == path else None)
        one, other = ({"device": Variant("o", f"/org/bluez/hci0/dev_{name}"), "mtu": Variant("q", 23)} for name in ("one", "other"))
        refused = "org.bluez.Error.NotPermitted"
        assert await call(bus, "WriteValue", request, one) == refused
        assert await call(bus, "StartNotify") is None
        assert await call(bus, "WriteValue", request[:10], one) is None
        assert await call(bus, "WriteValue", request, other) == refused
        assert await call(bus, "WriteValue", request[10:], one) is None
        while len(notified) < 1:
            await asyncio.sleep(0.01)
        assert bytes(notified[0]).hex() == "0b000006000009" + "00a161726268" + "69"
        # Half a message has no rest after the end of the notifications, and another central may come.
        assert await call(bus, "WriteValue", request[:10], one) is None
        assert await call(bus, "StopNotify") is None
        await asyncio.sleep(1)
        assert await call(bus, "StartNotify") is None
        assert await call(bus, "WriteValue", request, other) is None
        while len(notified) < 2:
            await asyncio.sleep(0.01)
        assert notified[1] == notified[0]
        bus.disconnect()

    asyncio.run(asyncio.wait_for(session(), 20))


def test_device_ends_with_bluez(air):
    air.device("relayed")
    air.mock.end()
    assert air.firmware.process.wait(10) == 1
    air.firmware.said("Bluetooth service is gone")
