"""The image `s3mp_slave`: values, subscriptions and pushes through our own master, and damaged frames."""

import time

import pytest
from board import BOARDS
from nodes import Node, all_that_comes

TEMPERATURE, HEATER, LABEL = "temperature", "heater", "label"


def slave_on(name, **more):
    return Node(name, "s3mp_slave", tool="s3mp", hello="status", **more)


@pytest.fixture(params=BOARDS)
def slave(request):
    with slave_on(request.param) as running:
        yield running


def values(slave):
    return {line["name"]: line["value"] for line in slave.ask("get").lines if line.get("event") == "value"}


def test_master_learns_names_and_values(slave):
    names = {line["address"]: line["name"] for line in slave.ask("describe").lines if "name" in line}
    assert names == {1: TEMPERATURE, 2: HEATER, 3: LABEL}
    assert values(slave) == {TEMPERATURE: 180, HEATER: False, LABEL: ""}


def test_actuators_are_set_and_inverted_and_sensors_refuse(slave):
    slave.ask("set", LABEL, "north").ok()
    assert values(slave)[LABEL] == "north"
    for address, value, reason in [
        (LABEL, "x" * 17, "BAD_REQUEST"),
        (LABEL, "17", "BAD_REQUEST"),
        (HEATER, "2", "BAD_REQUEST"),
        (TEMPERATURE, "1", "NOT_IMPLEMENTED"),
    ]:
        assert reason in slave.ask("set", address, value).errors
    assert "NOT_IMPLEMENTED" in slave.ask("invert", LABEL).errors
    assert "NOT_FOUND" in slave.ask("get", "9").errors
    slave.ask("invert", HEATER).ok()
    assert values(slave)[HEATER] is True
    slave.ask("reset", LABEL).ok()
    assert (values(slave)[HEATER], values(slave)[LABEL]) == (True, "")


def test_values_are_pushed_as_they_change(slave):
    slave.ask("set", HEATER, "true").ok()
    lines = slave.ask("subscribe", TEMPERATURE, "--duration", "3").lines
    pushed = [line["value"] for line in lines if line.get("name") == TEMPERATURE]
    # Every 250 ms at best; a busy machine lets time pass unseen.
    assert len(pushed) >= 4 and pushed == sorted(set(pushed)) and pushed[-1] <= 300, lines


def test_restart_is_told_from_the_start_before(slave):
    first = slave.ask("status").ok()["start"]
    slave.ask("set", HEATER, "true").ok()
    slave.ask("reset").ok()
    # On a busy machine the board may take longer to restart than the slave does to answer.
    for _ in range(20):
        time.sleep(0.5)
        slave.wait_until_answering()
        start = slave.ask("status").ok()["start"]
        if start != first:
            break
    assert start == first + 1
    assert values(slave)[HEATER] is False


def test_starts_are_counted_over_power_cuts(tmp_path):
    for start in (1, 2, 3):
        with slave_on("mps2", flash=tmp_path / "flash") as slave:
            assert slave.ask("status").ok()["start"] == start
            slave.cut()


def frame(message):
    """COBS, check and zero. No block is full."""
    blocks = b"".join(bytes([len(part) + 1]) + part for part in message.split(b"\0"))
    return blocks + bytes([-sum(blocks) & 255, 0])


STATUS = frame(b"\0\0\7")
INVALID, BAD_REQUEST = frame(b"\x41\0\0"), frame(b"\x40\0\0")


def test_damaged_frames_are_answered_as_such_and_the_next_one_is_served(slave):
    start = slave.ask("status").ok()["start"]
    up = frame(bytes([0, 0, 7, start]))
    damages = {
        "a wrong check": (STATUS[:-2] + b"\x77\0", INVALID),
        "noise": (b"\5\1\2\3\4\0", INVALID),
        "more than fits": (frame(b"\x11\3\7" + b"x" * 100), BAD_REQUEST),
        "a message without a counter": (frame(b"\x10\1"), BAD_REQUEST),
        "a part of a frame, and silence": (STATUS[:-2], b""),
        "an empty frame": (b"\0", b""),
    }
    with slave.port() as port:
        for name, (bytes_sent, complaint) in damages.items():
            port.write(bytes_sent)
            assert all_that_comes(port, first=5.0 if complaint else 0.5) == complaint, name
            port.write(STATUS)
            assert all_that_comes(port) == up, f"after {name}"
