"""An image with the feature `board` in QEMU: `with Emulator("mps2-an385", elf) as board:`, and what to talk to it.

The image's port is a socket here; what the image reports comes as lines in a file.
"""

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))
from wire import Decoder, encode  # noqa: E402

FLASH = 0x21000000
# Longer than this machine ever hesitates.
PATIENCE = 20


class Failed(Exception):
    """The image did not do what it should."""


class Emulator:
    """`flash`: what the board's flash holds; `counting`: the board's time is that of its instructions, 128 ns each."""

    def __init__(self, machine, elf, flash=b"", counting=False):
        self.machine, self.elf, self.flash, self.counting = machine, elf, flash, counting

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="stack-", dir=measure.BUILT)
        flash, self.report = (Path(self.directory.name, name) for name in ("flash", "report"))
        flash.write_bytes(self.flash or b"\xff")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            host, port = listener.getsockname()
            command = ["qemu-system-arm", "-M", self.machine, "-kernel", str(self.elf), "-display", "none"]
            command += ["-monitor", "none", "-device", f"loader,file={flash},addr={FLASH},force-raw=on"]
            command += ["-chardev", f"socket,id=line,host={host},port={port},nodelay=on", "-serial", "chardev:line"]
            command += ["-serial", f"file:{self.report}", *(["-icount", "shift=7"] if self.counting else [])]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            try:
                self.line, _ = listener.accept()
            except BaseException:
                self.__exit__()
                raise
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder = Decoder("console")
        return self

    def send(self, data):
        self.line.sendall(data)

    def messages(self, patience=PATIENCE):
        """Messages as they come, until there is none for so many seconds."""
        while True:
            self.line.settimeout(patience)
            try:
                part = self.line.recv(65536)
            except TimeoutError:
                return
            if not part:
                raise Failed("the board has hung up")
            yield from self.decoder.push(part)

    def deepest(self):
        """How many bytes of stack the image has found used so far."""
        depths = self.reported("d")
        if not depths:
            raise Failed("the image reports nothing")
        return depths[-1][0]

    def reported(self, what):
        """The numbers of each line that begins with this letter."""
        text = self.report.read_text() if self.report.exists() else ""
        # Whole lines: one may be on its way.
        lines = [line.split() for line in text.rpartition("\n")[0].splitlines()]
        if ["panic"] in lines:
            raise Failed("the image panics")
        return [[int(number, 16) for number in numbers] for letter, *numbers in lines if letter == what]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if hasattr(self, "line"):
            self.line.close()
        self.directory.cleanup()
