"""The mps2 board in QEMU with a real MCUboot in its code memory, and slots that can be filled, read and kept.

QEMU's `-device loader` restores its file at every reset of the guest, which is right for MCUboot and wrong for slots. So
the slots are RAM that the debugger stub of QEMU fills before the first instruction, and reads when power is cut.
"""

import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from servers import FILES, MANIFEST

# Both slots, one behind the other, as the memory map of MCUboot has them.
SLOTS, SLOT_LEN = 0x20050000, 0x80000


class Stub:
    """QEMU's debugger stub: stop, go on, look at memory."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def _send(self, text):
        self.socket.sendall(b"$%s#%02x" % (text, sum(text) % 256))
        assert self.file.read(1) == b"+", "the stub refused a packet"

    def _receive(self):
        while self.file.read(1) != b"$":
            pass
        text = b""
        while (byte := self.file.read(1)) != b"#":
            text += byte
        self.file.read(2)
        self.socket.sendall(b"+")
        return text

    def write(self, address, data):
        for at in range(0, len(data), 1024):
            part = data[at : at + 1024]
            if any(part):  # the RAM of a new board is zeros
                self._send(b"M%x,%x:%s" % (address + at, len(part), part.hex().encode()))
                assert self._receive() == b"OK"

    def read(self, address, size):
        data = b""
        while len(data) < size:
            self._send(b"m%x,%x" % (address + len(data), min(1024, size - len(data))))
            data += bytes.fromhex(self._receive().decode())
        return data

    def go(self):
        self._send(b"c")

    def stop(self):
        self.socket.sendall(b"\x03")
        assert self._receive().startswith(b"T")

    def close(self):
        self.file.close()
        self.socket.close()


class Board:
    """`with Board(slots) as board:` powers it on, with these bytes in its slots; `board.arguments()` is for `smp`."""

    peer = "MCUboot, and firmware under it"

    def __init__(self, slots=b"", mcuboot="mps2_an385.serial_recovery"):
        self.slots, self.hex = slots, FILES / MANIFEST[mcuboot]["artifact"]

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="board-")
        directory = Path(self.directory.name)
        self.log = directory / "mcuboot.log"
        # Handed over open: two boards at once cannot get the same port.
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.process = subprocess.Popen(
            ["qemu-system-arm", "-M", "mps2-an385", "-cpu", "cortex-m3", "-nographic", "-monitor", "none"]
            + ["-chardev", f"socket,id=smp,fd={listener.fileno()},server=on,wait=off,nodelay=on"]
            + ["-chardev", f"socket,id=stub,path={directory}/stub,server=on,wait=off", "-gdb", "chardev:stub", "-S"]
            # MCUboot prints to the second UART.
            + ["-serial", "chardev:smp", "-serial", f"file:{self.log}", "-device", f"loader,file={self.hex}"]
            + ["-semihosting-config", "enable=on,target=native"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
        listener.close()
        try:
            self.stub = self._connect(directory / "stub")
            self.stub.write(SLOTS, self.slots)
            self.stub.go()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _connect(self, path):
        for _ in range(400):
            try:
                return Stub(path)
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.stderr.read().decode()) from None
                time.sleep(0.05)
        raise RuntimeError("QEMU does not answer")

    def arguments(self):
        return ["--tcp", f"127.0.0.1:{self.port}"]

    def cut(self):
        """Takes the power away, wherever the processor is; returns what the slots keep."""
        self.stub.stop()
        slots = self.stub.read(SLOTS, 2 * SLOT_LEN)
        self.process.kill()
        self.process.wait()
        return slots

    def printed(self):
        """What MCUboot has told, without its debug messages."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [line for line in text.splitlines() if line and not line.startswith("D: ")]

    def started(self):
        """The versions that MCUboot has started, one for each time."""
        return [line.split("Image version: v")[1] for line in self.printed() if "Image version: v" in line]

    def __exit__(self, kind=None, *_):
        if kind:
            print(f"{self.directory.name}: MCUboot said:", *self.printed()[-12:], sep="\n  ", file=sys.stderr)
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        if hasattr(self, "stub"):
            self.stub.close()
        self.directory.cleanup()


class Relay:
    """The line between `smp` and a board. After so many bytes to the board it ends, and with it the board's power."""

    peer = Board.peer

    def __init__(self, board, budget):
        self.board, self.budget, self.slots = board, budget, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.worker = threading.Thread(target=self._work, daemon=True)
        self.worker.start()

    def arguments(self):
        return ["--tcp", f"127.0.0.1:{self.listener.getsockname()[1]}"]

    def _work(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.board.port)) as board:
            while self.budget > 0:
                for source in select.select([client, board], [], [])[0]:
                    data = source.recv(min(4096, self.budget) if source is client else 4096)
                    if not data:
                        return
                    (board if source is client else client).sendall(data)
                    self.budget -= len(data) if source is client else 0
            self.slots = self.board.cut()

    def finish(self):
        """What the slots keep; `None` if the client went away before."""
        self.worker.join(60)
        self.listener.close()
        return self.slots


def with_slots(primary, secondary=b""):
    """Two slots with these files in them."""
    return primary.ljust(SLOT_LEN, b"\0") + secondary.ljust(SLOT_LEN, b"\0")
