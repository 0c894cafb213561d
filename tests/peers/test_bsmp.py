"""The real masters of Sirius against `bsmp-node`: pydrs and siriuspy, through the bridge's envelope in both forms.

Both are pinned from PyPI in a virtual environment of their own (`requirements-bsmp.txt`), since what is used of siriuspy
here needs neither the control system nor the old numpy that its package asks for.
"""

import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pydrs
import pytest
from siriuspy.bsmp import IOInterface
from siriuspy.bsmp.constants import ACK_OK
from siriuspy.bsmp.serial import Message
from siriuspy.pwrsupply.bsmp.commands import FBP, PSBSMP
from siriuspy.pwrsupply.bsmp.entities import EntitiesFBP

NODE = os.environ.get("PEER_BSMP_NODE", "bsmp-node")
GUIDE = Path(__file__).parents[2] / "src/guide/sirius.md"


@pytest.fixture
def serve():
    running = []

    def start(*options, endpoint=("--tcp", "127.0.0.1:0")):
        node = subprocess.Popen([NODE, *endpoint, *options], stdout=subprocess.PIPE, text=True)
        running.append(node)
        word, endpoint = node.stdout.readline().split()
        assert word == "ready:"
        if endpoint.startswith("/"):
            return endpoint
        host, port = endpoint.rsplit(":", 1)
        return host, int(port)

    yield start
    for node in running:
        node.kill()
        node.wait()


# ---- pydrs: the form without an id ----


@pytest.fixture
def drs(serve):
    master = pydrs.EthDRS(*serve("--fbp", "--framing", "bridge-without-id", "--address", "5"))
    master.slave_addr = 5
    yield master
    master.disconnect()


def test_pydrs_switches_on_and_sets_a_current(drs):
    assert drs.read_ps_status()["state"] == "Off"
    assert drs.turn_on()[4] == 0
    status = drs.read_ps_status()
    assert (status["state"], status["model"]) == ("SlowRef", "FBP")
    drs.set_slowref(3.5)
    assert drs.read_bsmp_variable(1, "float") == 3.5
    assert drs.set_slowref_fbp_readback_ref(-2.5, 0, 0, 0)[0] == -2.5
    drs.turn_off()
    assert drs.read_ps_status()["state"] == "Off"


def test_pydrs_reads_all_variables(drs):
    drs.turn_on()
    drs.set_slowref(1.25)
    values = drs.read_vars_fbp()
    assert float(values["ps_setpoint"].split()[0]) == 1.25
    assert drs.read_udc_arm_version().startswith("0.44.01")
    assert len(values) > 25


def test_pydrs_creates_group_3_and_reads_it(drs):
    assert drs._create_bsmp_group([1, 2])[1] == 0xE0
    groups = drs._get_bsmp_groups()
    assert groups[3] == [1, 2]
    assert len(groups) == 4


def test_pydrs_writes_and_reads_a_block_of_a_curve(drs):
    wave = [float(n) for n in range(256)]
    assert drs.write_curve_block(0, 1, wave)[1] == 0xE0
    assert list(drs.read_curve_block(0, 1)) == wave
    assert list(drs.read_curve_block(0, 0)) == [0.0] * 256


def test_pydrs_hears_refusals_and_the_silence_of_another_address(drs):
    from pydrs.validation import SerialInvalidCmd

    with pytest.raises(SerialInvalidCmd):
        drs.select_wfmref(9)
    drs.set_param("PS_Name", 0, 65.0)
    assert drs.get_param("PS_Name", 0) == 65.0
    drs.slave_addr = 6
    with pytest.raises(TimeoutError):
        drs.turn_on()
    drs.slave_addr = 5
    assert drs.turn_on()[4] == 0


def test_pydrs_does_the_same_over_a_serial_line(serve):
    master = pydrs.SerialDRS(serve("--fbp", "--address", "5", endpoint=["--pty"]), 115_200)
    master.slave_addr = 5
    assert master.turn_on()[4] == 0
    master.set_slowref(3.5)
    assert master.read_bsmp_variable(1, "float") == 3.5
    assert master.read_ps_status()["state"] == "SlowRef"
    master.disconnect()


# ---- siriuspy: the form with an id, as its own client of the bridge sends it ----


class Bridge(IOInterface):
    """The envelope: code, id, length, and a float of milliseconds in front of the packet."""

    def __init__(self, endpoint):
        self.socket = socket.create_connection(endpoint, timeout=5)
        self.id = 0

    def open(self):
        pass

    def close(self):
        self.socket.close()

    def exchange(self, code, content):
        self.id = (self.id + 1) % 256
        self.socket.sendall(struct.pack(">BBI", code, self.id, len(content)) + content)
        head = self.read(6)
        answer, number, length = struct.unpack(">BBI", head)
        assert (answer, number) == (code, self.id)
        return self.read(length)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the node has hung up"
            data += piece
        return data

    def UART_request(self, stream, timeout):
        content = self.exchange(0x11, struct.pack(">f", timeout) + bytes(map(ord, stream)))
        return [chr(byte) for byte in content[1:]] if content[0] == 0x21 else None

    def UART_write(self, stream, timeout):
        return self.exchange(0x03, struct.pack(">f", timeout) + bytes(map(ord, stream)))

    def UART_read(self):
        content = self.exchange(0x04, b"")
        return [chr(byte) for byte in content[1:]] if content[0] == 0x21 else []


@pytest.fixture
def supply(serve):
    bridge = Bridge(serve("--fbp", "--framing", "bridge", "--address", "7"))
    yield FBP(7, bridge)
    bridge.close()


def test_siriuspy_switches_on_sets_a_current_and_reads_every_variable(supply):
    assert supply.execute_function(supply.CONST.F_TURN_ON)[0] == ACK_OK
    assert supply.execute_function(supply.CONST.F_SET_SLOWREF, 2.5)[0] == ACK_OK
    assert supply.read_variable(1, timeout=100) == (ACK_OK, 2.5)
    assert supply.read_variable(33, timeout=100) == (ACK_OK, 2.5)
    for eid in range(74):
        assert supply.read_variable(eid, timeout=100)[0] == ACK_OK, eid


def test_siriuspy_makes_groups_and_reads_them(supply):
    assert supply.reset_groups_of_variables([[0, 1, 2], [33, 34]])[0] == ACK_OK
    ack, groups = supply.query_list_of_group_of_variables(timeout=100)
    # 74 read-only variables: in the first group and in the second.
    assert (ack, groups) == (ACK_OK, [(False, 74), (False, 74), (True, 0), (False, 3), (False, 2)])
    assert supply.query_group_of_variables(3, timeout=100) == (ACK_OK, [0, 1, 2])
    ack, values = supply.read_group_of_variables(3, timeout=100)
    assert (ack, list(values)) == (ACK_OK, [1 << 8, 0.0, 0.0])
    for group in range(5):
        if group != 2:
            assert supply.read_group_of_variables(group, timeout=100)[0] == ACK_OK


def test_siriuspy_writes_a_curve_of_any_length_and_reads_it_back(supply):
    for count in (1024, 1000, 256, 1):
        wave = [0.5 * n for n in range(count)]
        assert list(supply.curve_write(0, wave, read_curve=True)) == wave
    wave = [float(n) for n in range(512)]
    assert list(supply.wfmref_write(wave)) == wave
    assert supply.wfmref_select == 1
    assert list(supply.wfmref_read()) == wave


def test_siriuspy_calls_functions_with_arguments_and_hears_errors(supply):
    supply.execute_function(supply.CONST.F_TURN_ON)
    values = supply.ps_function_set_slowref_fbp_readback_ref([1.5, 0.0, 0.0, 0.0])
    assert (values[0], list(values[1])) == (ACK_OK, [1.5, 0.0, 0.0, 0.0])
    assert supply.execute_function(supply.CONST.F_SET_PARAM, [3, 1, 6.5])[0] == ACK_OK
    assert supply.execute_function(supply.CONST.F_GET_PARAM, [3, 1]) == (ACK_OK, 6.5)
    assert supply.execute_function(supply.CONST.F_SELECT_WFMREF, 9)[0] != ACK_OK


def test_siriuspy_writes_now_and_reads_the_answer_later(supply):
    supply.channel.write(Message.message(0x10, [chr(0)]))
    assert supply.channel.read().stream == list("\x11\x00\x02\x00\x01")
    with pytest.raises(Exception, match="empty"):
        supply.channel.read()


# ---- the guide ----


def listed(heading):
    """The rows below a heading of the guide: the names in the first column, each with its number, and the second column."""
    section = GUIDE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [re.fullmatch(r"\| (.*?) \| (.*) \|", line) for line in section.splitlines()]
    return [(re.findall(r"`(\w+)`(?: (\d+))?", row[1]), row[2]) for row in rows if row and row[1] != "theirs"]


@pytest.mark.parametrize(
    ("heading", "classes"),
    [
        ("`PSBSMP`", [PSBSMP]),
        ("`EntitiesFBP`", [EntitiesFBP]),
        ("`SerialDRS` and `EthDRS`", [pydrs.SerialDRS, pydrs.EthDRS]),
    ],
)
def test_guide_lists_every_public_name_once_and_says_what_does_it(heading, classes):
    rows = listed(heading)
    names = [name for found, _ in rows for name, _ in found]
    assert len(names) == len(set(names)) > 8
    for theirs in classes:
        assert set(names) == {name for name in dir(theirs) if not name.startswith("_")}, theirs
    for found, ours in rows:
        # Ours is an item of the documentation, which has no dead link, a name from a row above, a command, or a reason.
        assert found and (ours.startswith("not: ") or re.search(r"`[^`]+`|application", ours)), (found, ours)


def test_guide_has_the_numbers_of_the_functions():
    from pydrs.consts import common

    numbers = {name: int(number) for found, _ in listed("`SerialDRS` and `EthDRS`") for name, number in found if number}
    # The size of a waveform is read by nobody.
    assert sorted(numbers.values()) == [n for n in range(len(common.functions)) if n != 25]
    for name, number in numbers.items():
        assert common.functions[number] == {"close_loop": "closed_loop"}.get(name, name)
    for name, number in [("F_SET_PARAM", 31), ("F_GET_PARAM", 32), ("F_SELECT_WFMREF", 24), ("F_ENABLE_SCOPE", 13)]:
        assert getattr(FBP.CONST, name, getattr(PSBSMP.CONST, name, None)) == number, name


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", *sys.argv[1:]]))
