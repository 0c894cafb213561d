"""Real clients, smpclient and smpmgr, against every other group of our server, the example `smp-device`."""

import hashlib
import zlib

import pytest
from smpclient.generics import error
from smpclient.requests.enumeration_management import CountSupportedGroups, GroupDetails, GroupId, ListSupportedGroups
from smpclient.requests.file_management import (
    FileClose,
    FileDownload,
    FileHashChecksum,
    FileStatus,
    SupportedFileHashChecksumTypes,
)
from smpclient.requests.image_management import ImageErase, ImageStatesRead
from smpclient.requests.os_management import (
    BootloaderInformationRead,
    DateTimeRead,
    DateTimeWrite,
    MemoryPoolStatisticsRead,
    OSApplicationInfoRead,
    TaskStatisticsRead,
)
from smpclient.requests.settings_management import (
    CommitSettings,
    DeleteSetting,
    LoadSettings,
    ReadSetting,
    SaveSettings,
    WriteSetting,
)
from smpclient.requests.shell_management import Execute
from smpclient.requests.statistics_management import GroupData, ListOfGroups
from smpclient.requests.zephyr_management import EraseStorage
from test_device import LINKS, smpmgr_on, with_smpclient

SERVED = [0, 1, 2, 3, 8, 9, 10, 63]
CONTENT = bytes(i * 7 % 251 for i in range(3000))
DIGEST = hashlib.sha256(CONTENT).digest()

on_every_link = pytest.mark.parametrize("options, transport", LINKS)
# Over UDP smpclient fills datagrams of 1500 bytes, whatever the parameters say.
SIZES = [
    pytest.param(*link.values, size, id=f"{link.id}-{size}")
    for link in LINKS
    for size in ([2048] if link.id == "udp" else [256, 1024])
]


async def refused(session, request, rc):
    """By the group's own code."""
    response = await session.client.request(request)
    assert error(response) and response.err.rc == rc, response


@on_every_link
def test_smpclient_reads_what_the_device_says_about_itself(options, transport):
    async def job(session):
        assert "anysmp" in (await session.request(OSApplicationInfoRead(format="a"))).output
        assert "main" in (await session.request(TaskStatisticsRead())).tasks
        await session.request(MemoryPoolStatisticsRead())
        assert (await session.request(BootloaderInformationRead())).bootloader == "MCUboot"
        await session.request(DateTimeWrite(datetime="2026-06-03T12:34:56"))
        assert str((await session.request(DateTimeRead())).datetime).startswith("2026-06-03T12:3")

    with_smpclient(options, transport, job)


@on_every_link
def test_smpclient_reads_enumeration_and_counters(options, transport):
    async def job(session):
        assert (await session.request(CountSupportedGroups())).count == len(SERVED)
        assert list((await session.request(ListSupportedGroups())).groups) == SERVED
        last = await session.request(GroupId(index=len(SERVED) - 1))
        assert (last.group, last.end) == (63, True)
        assert [group.group for group in (await session.request(GroupDetails(groups=(0, 8)))).groups] == [0, 8]
        assert [group.group for group in (await session.request(GroupDetails())).groups] == SERVED
        names = (await session.request(ListOfGroups())).stat_list
        assert sorted(names) == ["device", "link", "smp"]
        for name in names:
            assert (await session.request(GroupData(name=name))).fields
        await refused(session, GroupData(name="nothing"), 2)

    with_smpclient(options, transport, job)


@on_every_link
def test_smpclient_keeps_settings(options, transport):
    async def job(session):
        assert (await session.request(ReadSetting(name="device/name"))).val == b"simulator"
        await session.request(WriteSetting(name="peers/kept", val=b"\x00\xff"))
        await session.request(CommitSettings())
        await session.request(SaveSettings())
        await session.request(WriteSetting(name="peers/kept", val=b"changed"))
        await session.request(LoadSettings())
        assert (await session.request(ReadSetting(name="peers/kept"))).val == b"\x00\xff"
        await session.request(DeleteSetting(name="peers/kept"))
        await refused(session, ReadSetting(name="peers/kept"), 3)
        await session.request(EraseStorage())
        await refused(session, ReadSetting(name="device/name"), 3)

    with_smpclient(options, transport, job)


@pytest.mark.parametrize("options, transport, buf_size", SIZES)
def test_smpclient_sends_and_fetches_a_file(options, transport, buf_size):
    async def job(session):
        name = "/lfs1/peers.bin"
        offsets = [offset async for offset in session.client.upload_file(CONTENT, name)]
        assert offsets[-1] == len(CONTENT) and offsets == sorted(offsets)
        assert (await session.request(FileStatus(name=name))).len == len(CONTENT)
        assert await session.client.download_file(name) == CONTENT
        assert set((await session.request(SupportedFileHashChecksumTypes())).types) == {"crc32", "sha256"}
        assert (await session.request(FileHashChecksum(name=name, type="sha256"))).output == DIGEST
        part = await session.request(FileHashChecksum(name=name, type="crc32", off=100, len=1000))
        assert part.output == zlib.crc32(CONTENT[100:1100])
        await session.request(FileClose())
        await refused(session, FileStatus(name="/lfs1/none"), 3)
        await refused(session, FileDownload(name="/lfs1/none", off=0), 3)

    with_smpclient([*options, "--buf-size", str(buf_size)], transport, job)


@on_every_link
def test_smpclient_runs_shell_commands_and_erases_an_image(options, transport):
    async def job(session):
        run = await session.request(Execute(argv=["echo", "hi", "there"]))
        assert (run.o.strip(), run.ret) == ("hi there", 0)
        assert (await session.request(Execute(argv=["false"]))).ret == 1
        assert (await session.request(Execute(argv=["nonsense"]))).ret == -8
        await session.request(ImageErase(slot=1))
        assert len((await session.request(ImageStatesRead())).images) == 1

    with_smpclient(options, transport, job)


@pytest.mark.parametrize("link", ["pty", "udp"])
def test_smpmgr_sends_and_fetches_a_file(link, tmp_path):
    path, back, name = tmp_path / "content.bin", tmp_path / "back.bin", "/lfs1/peers.bin"
    path.write_bytes(CONTENT)
    with smpmgr_on(link) as (_, smpmgr):
        smpmgr("file", "upload", str(path), name)
        smpmgr("file", "download", name, str(back))
        assert back.read_bytes() == CONTENT
        assert "3000" in smpmgr("file", "read-size", name)
        kinds = smpmgr("file", "get-supported-hash-types")
        assert "crc32" in kinds and "sha256" in kinds
        assert smpmgr("file", "get-hash", name)


@pytest.mark.parametrize("link", ["pty", "udp"])
def test_smpmgr_reads_enumeration_and_counters_and_runs_shell_commands(link):
    with smpmgr_on(link) as (_, smpmgr):
        assert "os mgmt" in smpmgr("enum", "get-group-details", "0", "8")
        assert "63" in smpmgr("enum", "get-supported-groups")
        assert "requests" in smpmgr("statistics", "get", "smp")
        assert "device" in smpmgr("statistics", "list")
        assert "requests" in smpmgr("statistics", "fetch-all")
        assert "hi there" in smpmgr("shell", "echo hi there")
        assert "Return code: 1" in smpmgr("shell", "false")
        smpmgr("image", "erase", "1")
