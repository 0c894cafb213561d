"""Our client, the example `smp`, against real Zephyr and MCUboot servers."""

import time

import cbor2
import pytest
from mcuboot import image_hash, with_version
from servers import MANIFEST, Server, signed_image
from tools import smp
from wire import READ, Client, Port, Remote, overhead

SMALL = ["native_sim.serial", "native_sim.serial_raw", "native_sim.udp"]
EVERY = sorted(MANIFEST)
# A Zephyr UDP server reports 2048 and takes what fits its network buffers.
UDP_MESSAGE = 1500


@pytest.fixture
def server(request):
    with Server(request.param) as running:
        yield running


def on(*names):
    return pytest.mark.parametrize("server", names, indirect=True)


def longest_echo(server):
    """The longest text whose answer still fits: Zephyr answers with a map of open length, a byte more than asked."""
    size = UDP_MESSAGE if server.kind == "udp" else server.buf_size
    size -= 8 + overhead(server.framing) + 1
    text = "".join(chr(33 + i * 7 % 90) for i in range(size))
    while len(cbor2.dumps({"d": text})) > size:
        text = text[:-1]
    return text


def images(server):
    """The server's image list, read by the harness."""
    port = Port(server.kind, server.address)
    try:
        return Client(port, server.framing, retries=5).call(READ, 1, 0)["images"]
    finally:
        port.close()


@on(*EVERY)
@pytest.mark.parametrize("version", ["1", "2"])
def test_echo_of_no_one_and_as_many_bytes_as_fit(server, version):
    for text in ("", "x", longest_echo(server)):
        assert smp(server, "echo", text, options=["--smp-version", version]).ok()["r"] == text


@on(*SMALL)
def test_reads_what_the_device_says_about_itself(server):
    params = smp(server, "params").ok()
    assert (params["buf_size"], params["buf_count"]) == (server.buf_size, server.entry["buf_count"])
    assert "Zephyr" in smp(server, "info").ok()["output"]
    tasks = smp(server, "taskstat").ok()["tasks"]
    assert "idle" in tasks and all("prio" in task for task in tasks.values())
    assert smp(server, "mpstat").code in (0, 1)


@on("native_sim.serial", "native_sim.udp")
@pytest.mark.parametrize("version", ["1", "2"])
def test_tells_a_refusal_from_silence(server, version):
    # These builds have no clock and no images.
    smp(server, "datetime", options=["--smp-version", version]).refused(rc=8)
    smp(server, "datetime", "2026-06-03T12:34:56", options=["--smp-version", version]).refused(rc=8)
    smp(server, "image", "list", options=["--smp-version", version]).refused(rc=8)


@on("native_sim.serial_noparams")
def test_lives_without_parameters(server):
    smp(server, "params").refused(rc=8)
    assert smp(server, "echo", "still there").ok()["r"] == "still there"


@on(*SMALL)
def test_reset_is_answered_before_it_happens(server):
    smp(server, "reset").ok()


def upload(server, version, tmp_path, *options):
    """Upload the server's own program under another version."""
    image = with_version(signed_image(server.name).read_bytes(), version)
    path = tmp_path / "image.bin"
    path.write_bytes(image)
    # The time is that of an emulator beside others; what hangs is found, what is slow is not.
    outcome = smp(server, "image", "upload", str(path), options=options, timeout=300)
    assert outcome.ok()["off"] == len(image)
    return image


# buf1024 is not here: its image upload stalls now and then whoever the client is.
APPLICATIONS = [
    f"mps2_an385.serial_recovery{size}" for size in ("", "_buf400", "_buf512", "_buf2048", "_raw", "_raw_cobs")
]


@on(*APPLICATIONS)
def test_whole_image_arrives_in_the_second_slot(server, tmp_path):
    before = smp(server, "image", "list").ok()["images"]
    assert [image["slot"] for image in before if image.get("active")] == [0]
    assert before[0]["hash"] == image_hash(signed_image(server.name).read_bytes()).hex()
    image = upload(server, (3, 2, 1), tmp_path)
    # MCUboot's own hash is what the server lists: it covers every byte that was written.
    assert image_hash(image) in [image["hash"] for image in images(server)]
    slots = smp(server, "image", "slots").ok()["images"][0]["slots"]
    assert [slot["size"] for slot in slots] == [0x80000, 0x80000]
    smp(server, "image", "erase", timeout=120).ok()
    assert [image["slot"] for image in images(server)] == [0]


@on("mps2_an385.serial_recovery_buf512")
def test_window_of_several_requests_gives_the_same_image(server, tmp_path):
    image = upload(server, (3, 2, 2), tmp_path, "--window", "3")
    assert image_hash(image) in [image["hash"] for image in images(server)]


@on("mps2_an385.serial_recovery")
def test_upgrade_says_what_a_ram_loading_bootloader_makes_it_skip(server, tmp_path):
    image = with_version(signed_image(server.name).read_bytes(), (4, 0, 0))
    path = tmp_path / "image.bin"
    path.write_bytes(image)
    result = smp(server, "upgrade", str(path), timeout=300).ok()
    # Its state cannot be written (rc 8); it starts the highest version by itself.
    assert result["skipped"] and not result["confirmed"]
    active = [image for image in images(server) if image.get("active")]
    assert [(image["version"], image["hash"]) for image in active] == [("4.0.0", image_hash(image))]


SPOKEN = [
    pytest.param("native_sim.serial", None, "console", id="console"),
    pytest.param("native_sim.serial_raw", None, "raw", id="raw"),
    pytest.param("mps2_an385.serial_recovery_raw_cobs", "cobs", "COBS", id="cobs"),
]


@pytest.mark.parametrize("server, recovery, name", SPOKEN, indirect=["server"])
def test_framing_is_found_where_nobody_says_it(server, recovery, name):
    if recovery:
        server.enter_recovery(recovery)
    server.framing = "auto"
    outcome = smp(server, "params")
    outcome.ok()
    assert f"found: {name} framing, SMP version 2" in outcome.errors


RECOVERY = [
    pytest.param("mps2_an385.serial_recovery", "console", id="console"),
    pytest.param("mps2_an385.serial_recovery_raw", "raw", id="raw"),
    pytest.param("mps2_an385.serial_recovery_raw_cobs", "cobs", id="cobs"),
]


@pytest.mark.parametrize("server, framing", RECOVERY, indirect=["server"])
def test_mcuboot_recovery_takes_a_whole_image_and_resets(server, framing, tmp_path):
    server.enter_recovery(framing)
    assert smp(server, "image", "list").ok()["images"]
    smp(server, "echo", "x").refused(rc=8)
    image = upload(server, (7, 7, 7), tmp_path)
    # Recovery replaces slot 0 and lists only images whose hash is right.
    assert image_hash(image) in [image["hash"] for image in images(server)]
    smp(server, "reset").ok()
    # The application again, on the framing of the application.
    server.framing, server.peer = "console" if framing == "console" else "raw", "Zephyr 4.4"
    time.sleep(1)
    assert smp(server, "echo", "up", options=["--retries", "10"]).ok()["r"] == "up"
