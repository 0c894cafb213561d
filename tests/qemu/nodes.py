"""Boards with an image that speaks BSMP or S3MP, the host's tool for it, and a port for bytes that no tool sends."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

from board import Board
from tools import SMP, Outcome
from wire import Port


class Node(Board):
    """`tool` and its `options` talk to the `image`; any board answers the command `hello`."""

    def __init__(self, name, image, tool, hello, options=(), **more):
        super().__init__(name, image=image, **more)
        self.tool, self.hello, self.options = Path(SMP[0]).with_name(tool), hello, options

    def ask(self, *words, timeout=60):
        command = [self.tool, "--tcp", self.address, "--json", *self.options, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        return Outcome(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)

    def wait_until_answering(self):
        for _ in range(20):
            outcome = self.ask(self.hello)
            if outcome.code == 0:
                return
        outcome.ok()

    @contextmanager
    def port(self):
        """The bare line."""
        port = Port(self.kind, self.address)
        try:
            yield port
        finally:
            port.close()


def all_that_comes(port, first=5.0, silence=0.3):
    """What arrives until the line is silent for so many seconds; the first byte may take longer."""
    data, limit = b"", first
    while part := port.read(limit):
        data, limit = data + part, silence
    return data
