"""Windows of file transfers with a real Zephyr server: requests per round trip, and no window that it does not survive.

`SPEED_RUNS=5 target/peers/venv/bin/python tests/peers/run.py -n 0 -s -k speed` prints KiB/s beside smpclient, of runs that take
turns. What is asserted is counted, never timed.
"""

import collections
import os
import statistics
import subprocess
import sys

import pytest
from servers import Server
from tap import Tap
from tools import smp
from wire import WRITE, Client, Port

# The largest of a simulated Zephyr's file system, 16 KiB of flash whose last page is copied with each piece, is about 6 KB.
CONTENT = bytes(i * 11 % 253 for i in range(6000))
NAME = "/lfs1/speed.bin"
# Takes bursts without a pace.
STREAM = "native_sim.serial_bigrx"
RUNS = int(os.environ.get("SPEED_RUNS", 1))

# The library smpclient, in a process of its own: the tap must not wait for it.
REFERENCE = """
import asyncio, sys, time
from smpclient import SMPClient
from smpclient.transport.serial import SMPSerialTransport

async def main(address, path, name):
    client = SMPClient(SMPSerialTransport(), address, timeout_s=5)
    await client.connect()
    data, began = open(path, "rb").read(), time.monotonic()
    async for _ in client.upload_file(data, name):
        pass
    up, began = time.monotonic() - began, time.monotonic()
    assert await client.download_file(name) == data
    print(up, time.monotonic() - began)
    await client.disconnect()

asyncio.run(main(*sys.argv[1:]))
"""


def pieces_per_round_trip(tap):
    """The pieces of files, and in how many round trips they went."""
    trips = collections.Counter(trip for (group, command, _), trip in tap.trips() if (group, command) == (8, 0))
    return sum(trips.values()), len(trips)


def test_speed_of_files_with_default_settings(tmp_path):
    path, back, short = tmp_path / "content", tmp_path / "back", tmp_path / "short"
    path.write_bytes(CONTENT)
    short.write_bytes(b"short")
    rates = collections.defaultdict(list)
    with Server(STREAM) as server, Tap(server) as tap:
        for _ in range(RUNS):
            # There is no room for two of it.
            smp(tap, "fs", "upload", str(short), NAME).ok()
            for way, words in [("up", ["upload", str(path), NAME]), ("down", ["download", NAME, str(back)])]:
                tap.start()
                result = smp(tap, "fs", *words).ok()
                assert result["match"] and not tap.repeats
                pieces, trips = pieces_per_round_trip(tap)
                print(f"{way}: {pieces} pieces in {trips} round trips; all: {tap.requests} requests in {tap.round_trips}")
                assert pieces >= 2.5 * trips, f"{way}: {pieces} pieces in {trips} round trips"
                # The question for the buffers travels alone, the one for the checksum with the last pieces.
                assert tap.requests >= 2.5 * tap.round_trips, f"{way}: {tap.requests} requests in {tap.round_trips}"
                rates[f"smp {way}"].append(len(CONTENT) / 1024 / result["seconds"])
            assert back.read_bytes() == CONTENT
            smp(tap, "fs", "upload", str(short), NAME).ok()
            tap.start()
            words = [sys.executable, "-c", REFERENCE, tap.address, str(path), NAME]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            for way, seconds in zip(("up", "down"), map(float, done.stdout.split())):
                rates[f"smpclient {way}"].append(len(CONTENT) / 1024 / seconds)
            print("smpclient: {0} pieces in {1} round trips".format(*pieces_per_round_trip(tap)))
    for name, all in rates.items():
        print(f"{name}: {statistics.median(all):.1f} KiB/s, median of {len(all)}")


@pytest.mark.parametrize("name", [STREAM, "native_sim.serial_fs", "native_sim.udp"])
def test_no_window_ends_the_server(name, tmp_path):
    path, back = tmp_path / "content", tmp_path / "back"
    path.write_bytes(CONTENT[:3000])
    with Server(name) as server:
        if name == STREAM:
            server.pace = None
        for window in range(1, 9):
            options = ["--window", str(window)]
            for words in (["upload", str(path), NAME], ["download", NAME, str(back)]):
                assert smp(server, "fs", *words, options=options).ok()["match"], (window, words)
            assert back.read_bytes() == CONTENT[:3000], window
            assert server.process.poll() is None, window
        port = Port(server.kind, server.address)
        assert Client(port, server.framing, retries=2).call(WRITE, 0, 0, {"d": "alive"})["r"] == "alive"
        port.close()
