"""Clients of others against our server on emulated boards: smpclient and smpmgr in Python, mcumgrctl in Rust."""

import asyncio
import json
import os
import subprocess

import pytest
from board import BOARDS, Board
from mcuboot import image_hash, make_image
from smpclient.requests.enumeration_management import ListSupportedGroups
from smpclient.requests.image_management import ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, OSApplicationInfoRead, ResetWrite
from smpclient.requests.settings_management import ReadSetting, SaveSettings, WriteSetting
from smpclient.requests.shell_management import Execute
from smpclient.requests.statistics_management import GroupData
from test_device import SMPMGR, ConsoleOverTcp, Session
from test_mcumgrctl import Mcumgrctl

IMAGE = make_image((2, 5, 7, 0), 5_000)
NEW, HASH = "2.5.7", image_hash(IMAGE)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    return str(path)


@pytest.fixture(params=BOARDS)
def pty_board(request):
    with Board(request.param, pty=True) as running:
        yield running


def test_smpclient_upgrades_the_board_and_reads_the_rest(board):
    async def job():
        async with Session(board, ConsoleOverTcp) as session:
            params = await session.request(MCUMgrParametersRead())
            assert (params.buf_size, params.buf_count) == (512, board.facts["count"])
            for text in ("", "y" * 300):
                assert (await session.request(EchoWrite(d=text))).r == text
            assert "anysmp" in (await session.request(OSApplicationInfoRead(format="a"))).output
            assert (await session.request(GroupData(name="link"))).fields["received"] > 1
            assert list((await session.request(ListSupportedGroups())).groups) == [0, 1, 2, 3, 9, 10, 64]
            assert (await session.request(Execute(argv=["echo", "hi"]))).o.strip() == "hi"
            await session.request(WriteSetting(name="a/b", val=b"\x00\xff"))
            await session.request(SaveSettings())
            old = (await session.images())[0]
            offsets = [offset async for offset in session.client.upload(IMAGE, first_timeout_s=20)]
            assert offsets[-1] == len(IMAGE) and offsets == sorted(offsets)
            assert [image.hash for image in await session.images()] == [old.hash, HASH]
            await session.request(ImageStatesWrite(hash=HASH, confirm=False))
            with board.booting():
                await session.request(ResetWrite())
                await session.client.disconnect()
            await session.__aenter__()
            new = (await session.images())[0]
            assert (new.hash, new.version, new.active, new.confirmed) == (HASH, NEW, True, False)
            await session.request(ImageStatesWrite(hash=None, confirm=True))
            assert (await session.images())[0].confirmed
            assert (await session.request(ReadSetting(name="a/b"))).val == b"\x00\xff"

    asyncio.run(asyncio.wait_for(job(), 90))


def test_smpmgr_upgrades_the_board(pty_board, image):
    def smpmgr(*words):
        done = subprocess.run(
            [SMPMGR, "--timeout", "10", "--port", pty_board.address, *words],
            capture_output=True,
            text=True,
            timeout=90,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"},
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0 and "Error" not in output, output
        return output

    assert "hello, board" in smpmgr("os", "echo", "hello, board")
    # Not `smpmgr upgrade`, which marks nothing unless it is to be for good.
    smpmgr("image", "upload", image)
    smpmgr("image", "state-write", HASH.hex())
    with pty_board.booting():
        smpmgr("os", "reset")
    states = smpmgr("image", "state-read").split("ImageState")
    (active,) = [state for state in states if "active=True" in state]
    assert NEW in active and "confirmed=False" in active


def test_mcumgrctl_upgrades_the_board(pty_board, image):
    mcumgrctl = Mcumgrctl(pty_board, ["--serial"])
    assert mcumgrctl.text("os", "echo", "hello, board") == "hello, board"
    assert mcumgrctl("os", "mcumgr-parameters") == {"buf_size": 512, "buf_count": pty_board.facts["count"]}
    assert mcumgrctl("enum", "list-groups") == [0, 1, 2, 3, 9, 10, 64]
    assert mcumgrctl("stats", "list-groups") == ["board", "link"]
    assert bytes(mcumgrctl("settings", "read", "device/name")).decode() == pty_board.facts["machine"]
    assert mcumgrctl.text("shell", "echo", "hi", "there") == "hi there"
    assert json.loads(mcumgrctl.text("raw", "write", "64", "0", '{"on": true}')) == {"on": True}
    mcumgrctl("image", "upload", image)
    mcumgrctl("image", "set-state", "--hash", HASH.hex())
    with pty_board.booting():
        mcumgrctl("os", "system-reset")
    new = mcumgrctl("image", "get-state")[0]
    assert (new["version"], new["hash"], new["active"]) == (NEW, HASH.hex(), True)
