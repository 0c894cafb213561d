"""Runs the programs under test: the crate's examples `smp` and `smp-device`, and the clients of others."""

import json
import os
import shlex
import signal
import subprocess
import threading
from dataclasses import dataclass

# Set by run.py; command lines, so that the references can stand in.
SMP = shlex.split(os.environ["PEER_SMP"])
DEVICE = shlex.split(os.environ["PEER_DEVICE"])


@dataclass
class Outcome:
    code: int
    lines: list
    errors: str

    @property
    def result(self):
        return self.lines[-1] if self.lines else {}

    def ok(self):
        assert self.code == 0, f"exit code {self.code}: {self.lines[-3:]} {self.errors[-2000:]}"
        return self.result

    def refused(self, rc, group=None):
        """The peer's own refusal, told as such: never a time-out, never a success."""
        assert self.code != 0, f"expected rc {rc}, got {self.result}"
        assert (self.result.get("group"), self.result.get("rc")) == (group, rc), f"{self.result} {self.errors[-2000:]}"


def smp(server, *words, options=(), timeout=60):
    """One run of the client against `server`: every line of its output is a JSON object, the last is the result."""
    command = [*SMP, *server.arguments(), "--json", *options, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    return Outcome(done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line], done.stderr)


class Device:
    """`with Device("--pty") as device:` runs `smp-device`; `device.address` follows its latest `ready:` line."""

    def __init__(self, *options):
        self.command = [*DEVICE, *options]
        self.output, self.address = [], None

    def __enter__(self):
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._pump, daemon=True).start()
        if not (self.ready.wait(10) and self.address):
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

    def __exit__(self, *_):
        for end in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(end)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
