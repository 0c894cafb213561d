"""A private D-Bus with a BlueZ that has no radio (`bluez.py`), and the programs under test on it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "peers"))

from tool_outcome import Outcome  # noqa: E402
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()
# Built with the feature `ble`.
PROGRAMS = Path(os.environ.get("BLE_PROGRAMS", TARGET / "ble/debug"))
# Installed by .ci/setup.
MCUMGRCTL = TARGET / "peers/tools/bin/mcumgrctl"
NAME = "Greenhouse"
ADDRESS = "C0:FF:EE:00:00:01"

# `refused` is a user who may connect to the bus and not talk to BlueZ, as BlueZ's own policy has it for some systems.
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
  <policy user="{refused}"><deny send_destination="org.bluez"/></policy>
</busconfig>
"""


class Process:
    """A program that says on its first line that it is ready."""

    def __init__(self, command, env, ready):
        self.lines, self.is_ready, self.ready = [], threading.Event(), ready
        self.process = subprocess.Popen(
            [str(word) for word in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._pump, daemon=True).start()
        if not self.is_ready.wait(30) or self.process.poll() is not None:
            self.end()
            raise RuntimeError(f"{command} is not ready: {self.lines}")

    def _pump(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(self.ready):
                self.is_ready.set()
        self.is_ready.set()

    def said(self, word, count=1, limit=10):
        """Waits until a line with this word has come as often."""
        until = time.monotonic() + limit
        while sum(word in line for line in list(self.lines)) < count:
            if time.monotonic() > until:
                raise RuntimeError(f"no {word!r}: {self.lines}")
            time.sleep(0.02)

    def end(self):
        for way in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(way)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue


class Air:
    """`with Air(folder, refused) as air:` is the bus; `air.bluez(…)` and `air.device(…)` add what is on it."""

    def __init__(self, folder, refused="nobody"):
        self.socket, self.folder, self.processes = folder / "bus", folder, []
        self.env = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.socket}", "SMP_CONFIG": str(folder / "devices.json")}
        for name in ("SMP_DEVICE", "SMP_OPTIONS"):
            self.env.pop(name, None)
        self.refused = refused

    def __enter__(self):
        config = self.folder / "bus.conf"
        config.write_text(CONFIG.format(socket=self.socket, refused=self.refused))
        self.start("unix:", ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog", "--print-address"])
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end()
        assert not [line for process in self.processes for line in process.lines if "panicked" in line or "Traceback" in line]

    def start(self, ready, command):
        self.processes.append(Process(command, self.env, ready))
        return self.processes[-1]

    def bluez(self, *options):
        return self.start("ready", [sys.executable, HERE / "bluez.py", *options])

    def device(self, kind, *options):
        """A device in reach. `relayed`: `smp-device --ble` registers with BlueZ. `wired`: the mock is the peripheral, and has its
        answers from `smp-device --tcp`."""
        if kind == "relayed":
            self.mock = self.bluez(*options)
            self.firmware = self.start("ready: ", [PROGRAMS / "smp-device", "--ble", NAME, "--verbose"])
            self.mock.said("advertised")
        else:
            command = [PROGRAMS / "smp-device", "--tcp", "127.0.0.1:0", "--framing", "raw", "--verbose"]
            self.firmware = self.start("ready: ", command)
            address = next(line for line in self.firmware.lines if line.startswith("ready: ")).removeprefix("ready: ")
            self.mock = self.bluez("--name", NAME, "--tcp", address, *options)

    def smp(self, *words, timeout=60, before=()):
        """One run of the tool: every line of its output is a JSON object, the last is the result."""
        command = [*before, PROGRAMS / "smp", "--json", *words]
        done = subprocess.run(
            [str(word) for word in command], env=self.env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        assert "panicked" not in done.stderr, done.stderr
        return Outcome(done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line], done.stderr)

    def is_connected(self):
        """Whether BlueZ has the device connected."""
        words = ["--system", "--print-reply", "--dest=org.bluez", f"/org/bluez/hci0/dev_{ADDRESS.replace(':', '_')}"]
        words += ["org.freedesktop.DBus.Properties.Get", "string:org.bluez.Device1", "string:Connected"]
        done = subprocess.run(["dbus-send", *words], env=self.env, capture_output=True, text=True, timeout=10, check=True)
        return "boolean true" in done.stdout
