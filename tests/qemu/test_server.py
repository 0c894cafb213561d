"""Our client against every group that the image `smp_server` serves, and what it says when asked for more."""

import pytest
from board import Board
from tools import smp

# Groups, and how many commands each has.
SERVED = {0: 9, 1: 7, 2: 2, 3: 4, 9: 1, 10: 4, 64: 1}


@pytest.mark.parametrize("version", ["1", "2"])
def test_board_echoes_texts_up_to_the_size_that_it_tells(board, version):
    params = smp(board, "params").ok()
    assert (params["buf_size"], params["buf_count"]) == (512, board.facts["count"])
    # Length and CRC of the framing, header, map, key, head of the text.
    longest = "".join(chr(33 + i * 7 % 90) for i in range(512 - 4 - 8 - 1 - 2 - 3))
    for text in ("", "x", longest):
        assert smp(board, "echo", text, options=["--smp-version", version]).ok()["r"] == text


def test_board_tells_what_it_is_and_refuses_what_it_has_not(board):
    assert board.facts["machine"] in smp(board, "info").ok()["output"]
    assert smp(board, "info", "s").ok()["output"] == "anysmp"
    smp(board, "info", "z").refused(group=0, rc=2)
    assert smp(board, "bootloader").ok()["bootloader"] == "MCUboot"
    for words in (["taskstat"], ["mpstat"], ["datetime"], ["fs", "status", "/a"], ["storage", "erase"]):
        smp(board, *words).refused(rc=8)


def test_board_lists_the_groups_that_it_serves(board):
    assert sorted(smp(board, "enum", "list").ok()["groups"]) == sorted(SERVED)
    details = smp(board, "enum", "details").ok()["groups"]
    assert {group["group"]: group["handlers"] for group in details} == SERVED
    assert [group["name"] for group in smp(board, "enum", "details", "64").ok()["groups"]] == ["lamp"]


def test_board_counts_what_its_link_does(board):
    assert sorted(smp(board, "stat", "list").ok()["stat_list"]) == ["board", "link"]
    before = smp(board, "stat", "read", "link").ok()["fields"]
    smp(board, "echo", "one more").ok()
    after = smp(board, "stat", "read", "link").ok()["fields"]
    assert after["received"] == before["received"] + 2 and after["damaged"] == before["damaged"]
    assert smp(board, "stat", "read", "board").ok()["fields"]["uptime"] < 60
    smp(board, "stat", "read", "nothing").refused(group=2, rc=2)


def test_shell_answers_with_output_and_result(board):
    assert smp(board, "shell", "--", "echo", "hi", "there").ok()["o"].strip() == "hi there"
    assert "Uptime" in smp(board, "shell", "--", "uptime").ok()["o"]
    unknown = smp(board, "shell", "--", "nonsense")
    assert (unknown.code, unknown.result["ret"]) == (1, -8) and "nonsense: command not found" in unknown.result["o"]
    # Too long for the shell's line, not for a message.
    assert smp(board, "shell", "--", "echo", "x" * 200).code == 1
    assert smp(board, "shell", "--", "echo", "still").ok()["o"].strip() == "still"


def lamp(board, *words):
    return smp(board, "raw", "--group", "64", "--id", "0", *words)


def test_vendors_own_group_is_served_beside_the_others(board):
    assert lamp(board, "--op", "read").ok()["payload"] == {"on": False}
    assert lamp(board, "--op", "write", '{"colour": [1, 2], "on": true}').ok()["payload"] == {"on": True}
    assert lamp(board, "--op", "read").ok()["payload"] == {"on": True}
    lamp(board, "--op", "write", '{"on": 1}').refused(rc=3)
    smp(board, "raw", "--group", "64", "--id", "1", "--op", "read").refused(rc=8)


def test_settings_outlive_a_reset_once_they_are_saved(board):
    def settings(*words):
        return smp(board, "settings", *words)

    assert bytes.fromhex(settings("read", "device/name").ok()["val"]).decode() == board.facts["machine"]
    settings("write", "kept/here", "first").ok()
    settings("save").ok()
    settings("write", "kept/here", "second").ok()
    settings("write", "lost/here", "gone").ok()
    with board.booting():
        smp(board, "reset").ok()
    assert bytes.fromhex(settings("read", "kept/here").ok()["val"]) == b"first"
    settings("read", "lost/here").refused(group=3, rc=3)
    settings("delete", "device/name").ok()
    settings("read", "device/name").refused(group=3, rc=3)
    settings("load").ok()
    settings("read", "device/name").ok()
    settings("commit").ok()


def test_settings_that_do_not_fit_are_refused(board):
    def settings(*words):
        return smp(board, "settings", *words)

    settings("write", "n" * 16, "v" * 15).ok()
    assert len(bytes.fromhex(settings("read", "n" * 16).ok()["val"])) == 15
    for name, value in (("n" * 17, "v"), ("name", "v" * 16), ("", "v")):
        assert settings("write", name, value).code == 1
    for name in ("n" * 17, ""):
        assert settings("read", name).code == 1
    used = 3
    for number in range(8 - used):
        settings("write", f"more/{number}", "x").ok()
    settings("write", "one/more", "x").refused(rc=2)
    settings("write", "more/0", "y").ok()


def test_a_damaged_page_of_settings_leaves_those_before(tmp_path):
    """What a power cut while saving leaves, or a worn page."""
    flash, start, page = tmp_path / "flash", 0x80000, 0x1000
    with Board("mps2", flash=flash) as board:
        for value in ("old", "new"):
            smp(board, "settings", "write", "kept", value).ok()
            smp(board, "settings", "save").ok()
        board.cut()
    for value, expected in (("new", b"new"), ("old", b"old"), ("", None)):
        contents = bytearray(flash.read_bytes())
        at = contents.find(b"\x03" + value.encode() if value else b"", start, start + 2 * page)
        with Board("mps2", flash=flash) as board:
            read = smp(board, "settings", "read", "kept")
            if expected:
                assert bytes.fromhex(read.ok()["val"]) == expected
            else:
                read.refused(group=3, rc=3)
            board.cut()
        contents[at] ^= 0x10
        flash.write_bytes(contents)
