"""A board in QEMU that runs one of the images of `examples/firmware`: `with Board("mps2") as board:`.

Its UART is a TCP port (`board.kind`, `board.address`), or a pty for clients that want a serial line. What
`.ci/run firmware` built lies in `FIRMWARE/BOARD/` and, with the features `defmt` and `text`, in `FIRMWARE/BOARD-log/`.
"""

import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from wire import WRITE, Client, Port

# Machine of QEMU; RAM that an image has; size of a slot; requests that may be on their way.
BOARDS = {
    "mps2": {"machine": "mps2-an385", "ram": 0x20000, "slot": 0x40000, "count": 2},
    "microbit": {"machine": "microbit", "ram": 0x4000, "slot": 0xF000, "count": 1},
}
RAM = 0x20000000
# The machine's whole PSRAM, whose beginning is the mps2's flash.
PSRAM = 16 << 20
PAINT = b"\xcc"


class Board:
    """`flash`: a file that keeps the mps2's flash when power is cut; `log`: image with logs; `pty`: a serial line."""

    framing, peer = "console", "anysmp in firmware"

    def __init__(self, name, image="smp_server", flash=None, log=False, pty=False):
        self.name, self.flash, self.pty = name, flash, pty
        self.facts = BOARDS[name]
        self.image = Path(os.environ["FIRMWARE"], name + ("-log" if log else ""), image)
        self.kind, self.address = ("serial" if pty else "tcp"), None

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="smp-board-")
        self.output, self.ready = b"", threading.Event()
        # A panic's text, by semihosting.
        self.errors = Path(self.directory.name, "stderr")
        paint = Path(self.directory.name, "paint")
        paint.write_bytes(PAINT * (RAM + self.facts["ram"] - self.own()))
        command = ["qemu-system-arm", "-nographic", "-kernel", str(self.image)]
        command += ["-M", self.facts["machine"] + (",memory-backend=psram" if self.flash else "")]
        command += ["-semihosting-config", "enable=on,target=native"]
        # Painted again at every reset.
        command += ["-device", f"loader,file={paint},addr={self.own()},force-raw=on"]
        command += ["-monitor", f"unix:{self.directory.name}/monitor,server=on,wait=off"]
        if self.flash:
            Path(self.flash).touch()
            os.truncate(self.flash, PSRAM)
            command += ["-object", f"memory-backend-file,id=psram,size={PSRAM},mem-path={self.flash},share=on"]
        # QEMU gets a port that listens already: one that was only looked up may be taken before it is opened again.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address = None if self.pty else "127.0.0.1:{1}".format(*listener.getsockname())
            line = "pty,id=smp" if self.pty else f"socket,id=smp,fd={listener.fileno()},server=on,wait=off,nodelay=on"
            command += ["-chardev", line, "-serial", "chardev:smp"]
            if self.name == "mps2":
                command += ["-serial", "null", "-serial", f"file:{self.directory.name}/uart2"]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self.errors.open("wb"),
                start_new_session=True,
                pass_fds=[listener.fileno()],
            )
        threading.Thread(target=self._pump, daemon=True).start()
        try:
            if self.pty and not (self.ready.wait(20) and self.address):
                raise RuntimeError(f"QEMU shows no pty: {self.output}")
            self.wait_until_answering()
        except BaseException as error:
            error.add_note(f"{self.image}: {self.errors.read_text()}")
            self.__exit__()
            raise
        return self

    def _pump(self):
        for part in iter(lambda: self.process.stdout.read1(4096), b""):
            self.output += part
            if self.pty and (found := re.search(rb"redirected to (\S+) \(label smp\)", self.output)):
                self.address = found[1].decode()
                self.ready.set()
        self.ready.set()

    def own(self):
        """Where the image's own RAM ends."""
        symbols = subprocess.check_output(["arm-none-eabi-nm", str(self.image)], text=True).splitlines()
        return int(next(line.split()[0] for line in symbols if line.endswith(" __sheap")), 16)

    @contextmanager
    def client(self, **options):
        """The Python driver, connected."""
        port = Port(self.kind, self.address)
        try:
            yield Client(port, self.framing, **options)
        finally:
            port.close()

    def wait_until_answering(self):
        # A byte that comes before the board's receiver is on waits for a second in QEMU.
        with self.client(timeout=1.5, retries=20) as client:
            assert client.call(WRITE, 0, 0, {"d": "ready"})["r"] == "ready"

    @contextmanager
    def booting(self):
        """Something that resets the board, and the time until it has come up."""
        yield
        # It resets after 100 ms; before that it takes nothing.
        time.sleep(0.15)
        self.wait_until_answering()

    def arguments(self):
        """How the `smp` example is told to talk to this board."""
        return [f"--{self.kind}", self.address]

    def logged(self):
        """What came out of the channel for logs."""
        return Path(self.directory.name, "uart2").read_bytes() if self.name == "mps2" else self.output

    def untouched(self):
        """Bytes of RAM below the deepest stack since the last reset, and above the image's own."""
        dump = Path(self.directory.name, "dump")
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(f"{self.directory.name}/monitor")
            monitor.sendall(f'memsave {RAM} {self.facts["ram"]} "{dump}"\n'.encode())
            while not dump.exists() or dump.stat().st_size < self.facts["ram"]:
                assert monitor.recv(4096), "the monitor has closed"
        return max(map(len, re.findall(PAINT + b"+", dump.read_bytes())))

    def cut(self):
        """Takes the power away."""
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()
