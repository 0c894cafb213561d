"""The real Zephyr and MCUboot servers that smpclient's source package brings along, started one at a time.

`native_sim.*` are Linux programs (a pty or UDP port 1337 on loopback); the others boot in QEMU, their UART on a TCP
port of 127.0.0.1. Every server runs in a directory of its own and is ended by its process handle.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tools import smp_port
from wire import WRITE, Client, Port, Remote

# Set by run.py: target/peers/servers.
FILES = Path(os.environ["PEER_SERVERS"]).resolve()


def _vendored():
    entries = json.loads((FILES / "manifest.json").read_text())
    return {f"{e['target']}.{e['config']}": e for e in entries if (FILES / e["artifact"]).is_file()}


MANIFEST = _vendored()

# A native_sim pty has no baud rate and drops bursts; so much is always taken (64 bytes, then 10 ms).
PACE = "64/10"


def signed_image(name):
    """The signed image that belongs to a server with MCUboot."""
    artifact = MANIFEST[name]["artifact"]
    return FILES / re.sub(r"\.(merged\.)?hex$", ".signed.bin", artifact)


class Server:
    """`with Server("native_sim.serial") as server:` runs it; `server.kind` and `server.address` say where it is."""

    def __init__(self, name, extra=()):
        self.name, self.entry, self.extra = name, MANIFEST[name], list(extra)
        self.log, self.kind, self.address, self.peer = [], None, None, "Zephyr 4.4"
        self.framing = {"serial_raw": "raw", "udp": "datagram"}.get(self.entry["transport"], "console")
        self.pace = PACE if self.entry["run"] and self.entry["transport"] != "udp" else None
        self.buf_size = self.entry["buf_size"]

    def __enter__(self):
        self.directory, listener = tempfile.mkdtemp(prefix="smp-peer-"), None
        self.held = contextlib.ExitStack()
        if self.entry["transport"] == "udp":
            self.held.enter_context(smp_port())
        for file in FILES.iterdir():
            if file.name.startswith("zephyr_"):
                os.symlink(file, f"{self.directory}/{file.name}")
        if self.entry["run"]:
            command = shlex.split(self.entry["run"])
            # These want a file for their flash; in memory is enough and leaves nothing behind.
            command += ["-flash_in_ram"] if "fs" in self.entry["groups"] else []
        else:
            # QEMU gets a port that listens already: one that was only looked up may be taken before it is opened again.
            listener = socket.create_server(("127.0.0.1", 0))
            self.kind, self.address = "tcp", "127.0.0.1:{1}".format(*listener.getsockname())
            line = self.entry["qemu_cmd"].replace("host=127.0.0.1,port=<PORT>", f"fd={listener.fileno()}")
            # Boot when we are there to see it; without `nodelay` each answer waits 44 ms.
            command = shlex.split(line.replace("wait=off", "wait=on,nodelay=on"))
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            command + self.extra,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[listener.fileno()] if listener else [],
        )
        if listener:
            listener.close()
        threading.Thread(target=self._pump, daemon=True).start()
        try:
            if self.entry["run"] and not (self.ready.wait(20) and self.address):
                raise RuntimeError(f"{self.name} did not start: {self.log}")
            self._wait_until_answering()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _pump(self):
        for line in self.process.stdout:
            text = re.sub(rb"\x1b\[[0-9;]*m", b"", line).decode(errors="replace").rstrip()
            self.log.append(text)
            pty = re.search(r"connected to pseudotty: (\S+)", text)
            if pty and self.entry["transport"] != "udp":
                self.kind, self.address = "serial", pty.group(1)
                self.ready.set()
            if "smp_udp: Started" in text:
                host = "[::1]" if self.entry["ip_family"] == "ipv6" else "127.0.0.1"
                self.kind, self.address = "udp", f"{host}:{self.entry['udp_port'] or 1337}"
                self.ready.set()
        self.ready.set()

    def _wait_until_answering(self):
        port = Port(self.kind, self.address)
        try:
            if "cortex_m0" in self.name:  # a byte before the UART is enabled blocks its receiver for good
                seen, deadline = b"", time.monotonic() + 20
                while b"build time" not in seen and time.monotonic() < deadline:
                    seen += port.read(1)
                time.sleep(0.3)
            client = Client(port, self.framing, timeout=1.0, retries=20)
            client.call(WRITE, 0, 0, {"d": "ready"})
        finally:
            port.close()

    def enter_recovery(self, framing):
        """Restart into MCUboot's serial recovery, whose messages come in `framing`."""
        port = Port(self.kind, self.address)
        try:
            Client(port, self.framing).call(WRITE, 0, 5, {"boot_mode": 1})
            time.sleep(1)
            self.framing, self.buf_size = framing, self.entry.get("recovery_buf_size") or 1024
            self.peer = "MCUboot"
            Client(port, framing, timeout=1.0, retries=20).call(0, 1, 0)
        finally:
            port.close()

    def arguments(self):
        """How the `smp` example is told to talk to this server."""
        words = [f"--{self.kind}", self.address]
        if self.kind != "udp":
            words += ["--framing", self.framing]
        if self.pace:
            words += ["--pace", self.pace]
        return words

    def __exit__(self, *_):
        for end in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(end)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
        shutil.rmtree(self.directory, ignore_errors=True)
        self.held.close()


__all__ = ["MANIFEST", "PACE", "Remote", "Server", "signed_image"]
