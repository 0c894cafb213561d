"""Runs the programs under test: the tools `smp` and `smp-device`, and the clients of others."""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import record
from tool_outcome import Outcome

# Set by run.py; command lines, so that the references can stand in.
SMP = shlex.split(os.environ["PEER_SMP"])
DEVICE = shlex.split(os.environ["PEER_DEVICE"])
# The device takes a port that is free, and says which.
ANY_PORT = "127.0.0.1:0"


@contextmanager
def smp_port():
    """UDP port 1337, the only one that Zephyr's server and smpmgr know: one test at a time."""
    with open(os.environ["PEER_LOCK"], "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def smp(server, *words, options=(), timeout=60):
    """One run of the client against `server`: every line of its output is a JSON object, the last is the result."""
    command = [*SMP, *server.arguments(), "--json", "--verbose", *options, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if server.peer:
        record.add(server.peer, record.answered(done.stderr))
    return Outcome(done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line], done.stderr)


class Device:
    """`with Device("smpmgr", "--pty") as device:` runs `smp-device` for this client; `device.address` is where.

    Without a client it is for `smp` itself, whose exchanges with it prove nothing about peers."""

    def __init__(self, client, *options):
        self.client, self.command = client, [*DEVICE, "--verbose", *options]
        self.output, self.address = [], None

    def __enter__(self):
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._pump, daemon=True).start()
        if not (self.ready.wait(30) and self.address):
            self.__exit__()
            raise RuntimeError(f"{self.command} is not ready: {self.output}")
        return self

    def _pump(self):
        for line in self.process.stdout:
            self.output.append(line.rstrip())
            if line.startswith("ready: "):
                self.address = line.removeprefix("ready: ").strip()
                self.ready.set()
        self.ready.set()

    def boots(self):
        return sum("boot: " in line for line in list(self.output))

    @contextmanager
    def booting(self):
        """Something that resets the device, and the time until it has come up: before that, it is deaf."""
        # The first boot may not have been told yet.
        before, deadline = max(1, self.boots()), time.monotonic() + 30
        yield
        while self.boots() <= before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the device does not boot: {self.output}")
            time.sleep(0.02)

    def __exit__(self, *_):
        for end in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(end)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
        if self.client:
            record.add(self.client, record.served(list(self.output)))
