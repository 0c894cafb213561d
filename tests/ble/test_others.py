"""Foreign centrals on the same mock, against the same devices: smpclient's transport, which is made of bleak, and mcumgrctl."""

import asyncio
import json
import subprocess

import pytest
from rig import ADDRESS, MCUMGRCTL, NAME
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


@pytest.mark.parametrize("mtu", [23, 247])
@pytest.mark.parametrize("kind", KINDS)
def test_mcumgrctl(air, tmp_path, kind, mtu):
    air.device(kind, "--mtu", str(mtu))

    def run(*words):
        # On stderr may be the panic of a thread that it can do without: its runtime has two, and bluez-async 0.9 cannot end a stream
        # on one of them while the other one hands out signals. Ours has one.
        done = subprocess.run([MCUMGRCTL, *words], env=air.env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        return done.stdout

    assert f'{ADDRESS} - "{NAME}"' in run("--ble")
    link = ["--ble", ADDRESS, "--json", "--quiet", "--timeout", "5000"]
    assert run(*link, "os", "echo", LONG[:100]).strip() == LONG[:100].strip()
    assert [entry["version"] for entry in json.loads(run(*link, "image", "get-state"))] == ["1.0.0"]
    run(*link, "firmware", "update", str(image(tmp_path, "2.0.0", 10_000)))
    air.firmware.said("boot: ", 2)
    if kind == "wired":
        air.mock.said("back")
    images = air.smp("--ble", NAME, "image", "list").ok()["images"]
    assert [entry["version"] for entry in images if entry["active"]] == ["2.0.0"]
