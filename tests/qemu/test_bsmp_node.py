"""The image `bsmp_node`: the whole of it through our own master, and what is on the wire when packets are damaged."""

import os
import time

import pytest
from board import BOARDS
from nodes import Node, all_that_comes

NODE = 5
# More than the node waits for, and more than this machine hesitates.
SILENCE = 0.2
VERSION = b"\x02\x1e\x00"


@pytest.fixture(params=BOARDS)
def node(request):
    options = ("--framing", "packet", "--address", str(NODE))
    with Node(request.param, "bsmp_node", tool="bsmp", hello="version", options=options) as running:
        yield running


def packet(command, payload=b"", to=NODE):
    """A packet as the master sends it."""
    message = bytes([to, command]) + len(payload).to_bytes(2, "big") + payload
    return message + bytes([-sum(message) & 255])


def answer(command, payload=b""):
    return packet(command, payload, to=0)


ASK_VERSION = packet(0x00)
SAYS_VERSION = answer(0x01, VERSION)


def test_master_discovers_everything_that_the_node_has(node):
    version, variables, groups, curves, functions = node.ask("discover").lines
    assert version == {"version": "2.30.000"}
    assert [(it["size"], it["writable"]) for it in variables["variables"]] == [(1, False), (4, True), (4, False)]
    assert [(it["writable"], it["members"]) for it in groups["groups"]] == [
        (False, [0, 1, 2]),
        (False, [0, 2]),
        (True, [1]),
    ]
    assert [(it["writable"], it["block"], it["blocks"]) for it in curves["curves"]] == [(True, 64, 16)]
    assert [(it["input"], it["output"]) for it in functions["functions"]] == [(0, 0), (0, 0), (4, 4)]


def test_variables_are_read_written_checked_and_follow(node):
    def value(id):
        return node.ask("read", str(id)).ok()["value"]

    assert (value(0), value(1), value(2)) == ("00", "00000000", "00000000")
    node.ask("write", "1", (1000).to_bytes(4, "little").hex()).ok()
    assert value(2) == "00000000", "it is off"
    node.ask("call", "0").ok()
    assert value(0) == "01"
    currents = [int.from_bytes(bytes.fromhex(value(2)), "little") for _ in range(3)]
    assert 500 <= currents[0] < currents[1] < currents[2] <= 1000, "it comes closer with every look"
    for wrong in ("11270000", "ffffff7f", "00000080"):  # 10,001 and the ends
        assert "invalid value" in node.ask("write", "1", wrong).errors
    assert "read-only" in node.ask("write", "2", "00000000").errors
    assert "invalid" in node.ask("write", "1", "0000").errors
    assert value(1) == "e8030000"
    node.ask("combine", "1", "or", "07000000").ok()
    assert value(1) == "ef030000"
    node.ask("call", "1").ok()
    assert value(0) == "00"


def test_function_takes_an_input_returns_an_output_and_refuses(node):
    assert node.ask("call", "2", "d0070000").ok()["output"] == "00000000"
    assert node.ask("call", "2", "e8030000").ok()["output"] == "d0070000"
    assert node.ask("call", "2", "ffffff7f").code != 0
    assert node.ask("call", "3").code != 0
    assert node.ask("read", "1").ok()["value"] == "e8030000"


def test_group_is_created_read_written_and_removed(node):
    node.ask("group", "create", "1", "2").ok()
    assert node.ask("group", "members", "3").ok()["members"] == [1, 2]
    node.ask("write", "1", "64000000").ok()
    assert node.ask("group", "read", "3").ok()["values"][:8] == "64000000"
    node.ask("group", "write", "2", "65000000").ok()
    assert node.ask("read", "1").ok()["value"] == "65000000"
    assert node.ask("group", "write", "3", "6600000000000000").code != 0, "a member is read only"
    node.ask("group", "remove").ok()
    assert node.ask("group", "members", "3").code != 0


@pytest.mark.parametrize("size", [1024, 1000])
def test_curve_comes_back_as_it_was_written_and_its_checksum_is_the_same(node, tmp_path, size):
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(size))
    result = node.ask("curve", "put", "0", str(there)).ok()
    assert (result["bytes"], result["verified"]) == (size, True)
    result = node.ask("curve", "get", "0", str(back)).ok()
    assert result["verified"] and back.read_bytes() == there.read_bytes()


def test_node_hears_again_after_any_noise_and_a_silence(node):
    noises = {
        "one byte": b"\x05",
        "half a packet": ASK_VERSION[:3],
        "a packet and a half": ASK_VERSION + ASK_VERSION[:3],
        "a packet without its checksum": packet(0x10, b"\x01")[:-1],
        "noise without a packet": bytes(range(1, 60)),
        "more than fits": bytes([NODE, 0x50]) + b"\x01" * 300,
        "a wrong checksum": ASK_VERSION[:-1] + bytes([ASK_VERSION[-1] ^ 1]),
        "the packet of another node": packet(0x00, to=NODE + 1),
        "the answer of another node": SAYS_VERSION,
    }
    with node.port() as port:
        for name, noise in noises.items():
            port.write(noise)
            assert port.read(SILENCE) == b"", f"an answer to {name}"
            time.sleep(SILENCE)
            port.write(ASK_VERSION)
            assert all_that_comes(port) == SAYS_VERSION, f"after {name}"


def test_noise_that_no_silence_separates_from_a_packet_costs_that_packet(node):
    with node.port() as port:
        port.write(b"\x55" + ASK_VERSION)
        assert port.read(2 * SILENCE) == b""
        port.write(ASK_VERSION)
        assert all_that_comes(port) == SAYS_VERSION


def test_packet_that_is_longer_than_it_says_is_answered_as_malformed(node):
    longer = bytes([NODE, 0x00, 0, 0, 7])
    with node.port() as port:
        port.write(longer + bytes([-sum(longer) & 255]))
        assert all_that_comes(port) == answer(0xE1)
        port.write(packet(0x7F))
        assert all_that_comes(port) == answer(0xE2)


def test_broadcast_is_executed_and_never_answered(node):
    with node.port() as port:
        port.write(packet(0x20, b"\x01" + (77).to_bytes(4, "little"), to=255))
        assert port.read(2 * SILENCE) == b""
        port.write(packet(0x10, b"\x01"))
        assert all_that_comes(port) == answer(0x11, (77).to_bytes(4, "little"))
