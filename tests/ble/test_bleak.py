"""A foreign central on the same mock, against the same devices: smpclient's transport, which is made of bleak."""

import asyncio

import pytest
from rig import ADDRESS, NAME
from smpclient import SMPClient
from smpclient.requests.image_management import ImageStatesRead
from smpclient.requests.os_management import EchoWrite, ResetWrite
from smpclient.transport.ble import SMPBLETransport
from test_ble import KINDS, LONG, image, running


@pytest.mark.parametrize("mtu, cut", [(23, []), (185, ["--cut", "7"]), (512, [])])
@pytest.mark.parametrize("kind", KINDS)
def test_smpclient(air, monkeypatch, tmp_path, kind, mtu, cut):
    air.device(kind, "--mtu", str(mtu), *cut)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", air.env["DBUS_SYSTEM_BUS_ADDRESS"])
    content = image(tmp_path, "2.0.0", 10_000).read_bytes()

    async def session():
        [found] = await SMPBLETransport.scan(1)
        assert (found.name, found.address) == (NAME, ADDRESS)
        async with SMPClient(SMPBLETransport(), NAME) as client:
            assert client._transport.mtu == mtu - 3
            assert (await client.request(EchoWrite(d=LONG[:100]))).r == LONG[:100]
            assert [entry.version for entry in (await client.request(ImageStatesRead())).images] == ["1.0.0"]
            async for _ in client.upload(content):
                pass
            uploaded = (await client.request(ImageStatesRead())).images
            assert [entry.version for entry in uploaded] == ["1.0.0", "2.0.0"]
        async with SMPClient(SMPBLETransport(), ADDRESS) as client:
            await client.request(ResetWrite())

    asyncio.run(session())
    air.firmware.said("boot: ", 2)
    if kind == "relayed":
        air.mock.said("advertised", 3)
    else:
        air.mock.said("back")
    assert running(air) == ["1.0.0"]
