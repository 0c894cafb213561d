"""A tap between a client and a serial server: it delays what passes, and counts requests and round trips.

`with Tap(server) as tap:` stands in for `server`: `tap.address` is a pseudo-terminal of its own. A message arrives at the
other end 10 ms after it came here, so that an exchange takes at least 20 ms, whatever the machine does beside.

Round trips are counted by cause and not by the clock: a request is one round trip further than the furthest request whose
response its sender had when it sent it.
"""

import collections
import os
import pty
import select
import struct
import threading
import time
import tty

from wire import Decoder

DELAY = 0.01


class Tap:
    def __init__(self, server, delay=DELAY):
        self.server, self.delay = server, delay
        self.kind, self.framing, self.peer, self.pace = "serial", server.framing, server.peer, None

    def arguments(self):
        return ["--serial", self.address, "--framing", self.framing]

    def __enter__(self):
        self.device = os.open(self.server.address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.device)
        self.client, self.held = pty.openpty()
        tty.setraw(self.held)
        os.set_blocking(self.client, False)
        self.address = os.ttyname(self.held)
        self.wake, self.stop = os.pipe()
        self.start()
        self.thread = threading.Thread(target=self._relay, daemon=True)
        self.thread.start()
        return self

    def start(self):
        """Counts from here on."""
        self.requests, self.repeats, self.furthest, self.heard = 0, 0, 0, 0
        self.depth = {}

    @property
    def round_trips(self):
        return self.furthest

    def trips(self):
        """The round trip of each request, with its group, command and sequence number."""
        return [(self._names(message), trip) for message, trip in self.depth.items() if len(message) > 4]

    def __exit__(self, *_):
        os.write(self.stop, b"x")
        self.thread.join(5)
        for end in (self.device, self.client, self.held, self.wake, self.stop):
            os.close(end)

    def _sent(self, message):
        """A request came from the client."""
        if message in self.depth:
            self.repeats += 1
            return
        self.requests += 1
        self.depth[message] = self.depth[self._key(message)] = self.heard + 1
        self.furthest = max(self.furthest, self.heard + 1)

    def _delivered(self, message):
        """A response is at the client."""
        self.heard = max(self.heard, self.depth.get(self._key(message), 0))

    @staticmethod
    def _key(message):
        return message[4:8]

    @staticmethod
    def _names(message):
        group, sequence, command = struct.unpack(">HBB", message[4:8])
        return group, command, sequence

    def _relay(self):
        ends = {self.client: (self.device, Decoder(self.framing)), self.device: (self.client, Decoder(self.framing))}
        # What is under way: when it arrives, where, its bytes, and the responses in them.
        waiting = collections.deque()
        while True:
            pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            ready = select.select([*ends, self.wake], [], [], pause)[0]
            if self.wake in ready:
                return
            for end in ready:
                other, decoder = ends[end]
                try:
                    data = os.read(end, 65536)
                except OSError:
                    return
                messages = [message for message in decoder.push(data) if len(message) >= 8]
                if end == self.client:
                    for message in messages:
                        self._sent(message)
                    messages = []
                waiting.append((time.monotonic() + self.delay, other, data, messages))
            while waiting and waiting[0][0] <= time.monotonic():
                _, other, data, messages = waiting.popleft()
                for message in messages:
                    self._delivered(message)
                while data:
                    try:
                        data = data[os.write(other, data) :]
                    except BlockingIOError:
                        select.select([], [other], [], 1)
                    except OSError:
                        return
