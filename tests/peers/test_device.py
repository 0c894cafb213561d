"""Real clients, the Python library smpclient and the command line smpmgr, against our server, the example `smp-device`."""

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import serial
from mcuboot import image_hash, make_image
from smpclient import SMPClient
from smpclient.generics import error, success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport.serial import Cobs, SMPSerialRawTransport, SMPSerialTransport
from smpclient.transport.udp import SMPUDPTransport
from tools import ANY_PORT, Device, smp_port

SMPMGR = Path(sys.executable).with_name("smpmgr")
IMAGE = make_image((2, 5, 7, 0), 40_000)
NEW, HASH = "2.5.7", image_hash(IMAGE)


class OverTcp:
    """Makes a serial transport of smpclient open a TCP address, by pyserial's `socket://`."""

    async def connect(self, address, timeout_s):
        self._reset_state()
        connection = serial.serial_for_url(f"socket://{address}", timeout=0, write_timeout=0)
        connection.out_waiting = 0  # asked for before each send; a socket has none
        self._conn = connection


class ConsoleOverTcp(OverTcp, SMPSerialTransport):
    pass


class RawOverTcp(OverTcp, SMPSerialRawTransport):
    pass


class OwnPortUdp(SMPUDPTransport):
    """smpclient's UDP on any port; its `SMPClient` knows 1337 only."""

    async def connect(self, address, timeout_s, port=1337):
        host, port = address.rsplit(":", 1)
        await super().connect(host, timeout_s, int(port))


class Session:
    """A connected client that connects again after a reset."""

    def __init__(self, device, transport):
        self.device, self.transport = device, transport

    async def __aenter__(self):
        self.client = SMPClient(self.transport(), self.device.address, timeout_s=5)
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()

    async def request(self, request):
        response = await self.client.request(request)
        assert success(response), response
        return response

    async def images(self):
        return (await self.request(ImageStatesRead())).images

    async def reset(self):
        with self.device.booting():
            await self.request(ResetWrite())
            await self.client.disconnect()
        return await self.__aenter__()


LINKS = [
    pytest.param(["--pty"], SMPSerialTransport, id="pty-console"),
    pytest.param(["--pty", "--framing", "raw"], SMPSerialRawTransport, id="pty-raw"),
    pytest.param(["--pty", "--framing", "cobs"], lambda: SMPSerialRawTransport(framing=Cobs()), id="pty-cobs"),
    pytest.param(["--tcp", ANY_PORT], ConsoleOverTcp, id="tcp-console"),
    pytest.param(["--tcp", ANY_PORT, "--framing", "raw"], RawOverTcp, id="tcp-raw"),
    pytest.param(["--tcp", ANY_PORT, "--framing", "cobs"], lambda: RawOverTcp(framing=Cobs()), id="tcp-cobs"),
    pytest.param(["--udp", ANY_PORT], OwnPortUdp, id="udp"),
    # The device takes all three on one port, and answers in kind.
    pytest.param(["--pty", "--framing", "auto"], SMPSerialTransport, id="auto-console"),
    pytest.param(["--pty", "--framing", "auto"], SMPSerialRawTransport, id="auto-raw"),
    pytest.param(["--pty", "--framing", "auto"], lambda: SMPSerialRawTransport(framing=Cobs()), id="auto-cobs"),
]


def with_smpclient(options, transport, job):
    async def run():
        with Device("smpclient", *options) as device:
            async with Session(device, transport) as session:
                await job(session)

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize("options, transport", LINKS)
@pytest.mark.parametrize("buf_size", [256, 1024])
def test_smpclient_finds_sizes_and_echoes(options, transport, buf_size):
    async def job(session):
        params = await session.request(MCUMgrParametersRead())
        assert (params.buf_size, params.buf_count) == (buf_size, 3)
        # Header, map and text head: what the largest request and its answer need beside the text.
        room = min(session.client._transport.max_unencoded_size, buf_size) - 8 - 1 - 2 - 3
        for text in ("", "x", "y" * room):
            assert (await session.request(EchoWrite(d=text))).r == text

    with_smpclient([*options, "--buf-size", str(buf_size), "--buf-count", "3"], transport, job)


@pytest.mark.parametrize("options, transport", LINKS)
def test_smpclient_upgrades_the_device(options, transport):
    async def job(session):
        old = (await session.images())[0]
        assert (old.slot, old.active, old.confirmed) == (0, True, True)
        offsets = [offset async for offset in session.client.upload(IMAGE, first_timeout_s=10)]
        assert offsets[-1] == len(IMAGE) and offsets == sorted(offsets)
        assert [image.hash for image in await session.images()] == [old.hash, HASH]
        await session.request(ImageStatesWrite(hash=HASH, confirm=False))
        assert (await session.images())[1].pending
        await session.reset()
        new = (await session.images())[0]
        assert (new.hash, new.version, new.active, new.confirmed) == (HASH, NEW, True, False)
        await session.request(ImageStatesWrite(hash=None, confirm=True))
        await session.reset()
        new = (await session.images())[0]
        assert (new.hash, new.active, new.confirmed) == (HASH, True, True)

    with_smpclient(options, transport, job)


def test_unconfirmed_image_goes_back_at_the_next_reset():
    async def job(session):
        old = (await session.images())[0]
        async for _ in session.client.upload(IMAGE, first_timeout_s=10):
            pass
        await session.request(ImageStatesWrite(hash=HASH, confirm=False))
        await session.reset()
        assert (await session.images())[0].hash == HASH
        await session.reset()
        assert (await session.images())[0].hash == old.hash

    with_smpclient(["--pty"], SMPSerialTransport, job)


def test_unknown_hash_is_refused():
    async def job(session):
        response = await session.client.request(ImageStatesWrite(hash=b"\x55" * 32, confirm=False))
        assert error(response), response

    with_smpclient(["--pty"], SMPSerialTransport, job)


@contextmanager
def smpmgr_on(link):
    """The device on a link, and smpmgr, which is run against it."""
    where = ["--pty"] if link == "pty" else ["--udp", "127.0.0.1:1337"]
    with nullcontext() if link == "pty" else smp_port(), Device("smpmgr", *where) as device:

        def smpmgr(*words):
            where = ["--port", device.address] if link == "pty" else ["--ip", "127.0.0.1"]
            done = subprocess.run(
                [SMPMGR, "--timeout", "5", *where, *words],
                capture_output=True,
                text=True,
                timeout=120,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"},
            )
            output = done.stdout + done.stderr
            assert done.returncode == 0 and "Error" not in output, output
            return output

        yield device, smpmgr


@pytest.mark.parametrize("link", ["pty", "udp"])
def test_smpmgr_upgrades_the_device(link, tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    with smpmgr_on(link) as (device, smpmgr):

        def active():
            return next(block for block in smpmgr("image", "state-read").split("ImageState") if "active=True" in block)

        assert "hello, device" in smpmgr("os", "echo", "hello, device")
        assert NEW not in active()
        smpmgr("image", "upload", str(path))
        smpmgr("image", "state-write", HASH.hex())
        with device.booting():
            smpmgr("os", "reset")
        assert NEW in active() and "confirmed=False" in active()
        smpmgr("image", "state-write", "--confirm")
        assert NEW in active() and "confirmed=True" in active()


def test_smpmgr_uploads_and_resets_in_one_go(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(IMAGE)
    with smpmgr_on("pty") as (device, smpmgr):
        with device.booting():
            smpmgr("upgrade", str(path))
        # Into slot 0 it marks nothing: the image lies there for a boot loader that takes the newest.
        assert NEW in smpmgr("image", "state-read")
