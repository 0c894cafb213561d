"""A small SMP driver that shares no code with the crate or with smpclient: the third opinion of these tests.

It brings servers to the state a test needs (recovery mode, "has booted"), and behind `reference_client.py` and
`reference_device.py` it shows that a failure is ours and not the harness's.

Framings: console (base64 lines), raw (header tells the length), cobs (COBS, CRC-16, 00), datagram.
"""

import base64
import os
import select
import socket
import struct
import time
import tty

import cbor2

FRAMINGS = ("console", "raw", "cobs", "datagram")


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def encode(framing, message, line=127):
    """The bytes that carry `message`; a line includes its marker and newline."""
    if framing == "cobs":
        out, start = bytearray([0]), 0
        for byte in message + struct.pack(">H", crc16(message)):
            if byte:
                out.append(byte)
            if not byte or len(out) - start == 255:
                out[start] = len(out) - start
                start = len(out)
                out.append(0)
        out[start] = len(out) - start
        return bytes(out) + b"\0"
    if framing == "console":
        body = struct.pack(">H", len(message) + 2) + message + struct.pack(">H", crc16(message))
        step = (line - 3) // 4 * 3
        lines = [base64.b64encode(body[i : i + step]) + b"\n" for i in range(0, len(body), step)]
        return b"\x06\x09" + b"\x04\x14".join(lines)
    return message


class Decoder:
    """Bytes in, messages out; anything that is not a whole message is skipped."""

    def __init__(self, framing):
        self.framing, self.buffer, self.body = framing, b"", b""

    def push(self, data):
        self.buffer += data
        while (message := getattr(self, self.framing)()) is not None:
            if message:
                yield message

    def datagram(self):
        message, self.buffer = self.buffer, b""
        return message or None

    def raw(self):
        if len(self.buffer) < 8:
            return None
        size = 8 + struct.unpack(">H", self.buffer[2:4])[0]
        if len(self.buffer) < size:
            return None
        message, self.buffer = self.buffer[:size], self.buffer[size:]
        return message

    def cobs(self):
        frame, zero, rest = self.buffer.partition(b"\0")
        if not zero:
            return None
        self.buffer, out, i = rest, bytearray(), 0
        while i < len(frame):
            code = frame[i]
            out += frame[i + 1 : i + code]
            i += code
            if code != 255 and i < len(frame):
                out.append(0)
        return bytes(out[:-2]) if len(out) > 9 and crc16(out) == 0 else b""

    def console(self):
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline:
            return None
        self.buffer = rest
        at = max(line.rfind(b"\x06\x09"), line.rfind(b"\x04\x14"))
        if at < 0:
            return b""
        try:
            part = base64.b64decode(line[at + 2 :].strip(), validate=True)
        except ValueError:
            return b""
        self.body = part if line[at] == 6 else self.body + part
        if len(self.body) < 2:
            return b""
        size = struct.unpack(">H", self.body[:2])[0]
        if len(self.body) < size + 2:
            return b""
        body, self.body = self.body[2 : size + 2], b""
        return body[:-2] if crc16(body) == 0 else b""


class Port:
    """A pty, TCP or UDP address opened for bytes. `pace` = (bytes, seconds): so many bytes, then a pause."""

    def __init__(self, kind, address, pace=None):
        self.socket, self.pace = None, pace
        if kind == "serial":
            self.fd = os.open(address, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.fd)
        else:
            host, port = address.rsplit(":", 1)
            host = host.strip("[]")
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            deadline = time.monotonic() + 10
            while True:
                self.socket = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
                try:
                    self.socket.connect((host, int(port)))
                    break
                except OSError:  # QEMU needs a moment until it listens
                    self.socket.close()
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            if kind == "tcp":
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.fd = self.socket.fileno()

    def close(self):
        self.socket.close() if self.socket else os.close(self.fd)

    def write(self, data):
        step, pause = self.pace or (len(data), 0)
        for i in range(0, len(data), step):
            if i:
                time.sleep(pause)
            part = data[i : i + step]
            while part:
                part = part[os.write(self.fd, part) :]

    def read(self, seconds):
        """What has arrived, or b"" when nothing came in time."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return b""
        data = os.read(self.fd, 65536)
        if not data:
            raise ConnectionError("the peer closed the connection")
        return data


class Remote(Exception):
    """An error answer: group (None for SMP's own codes) and rc."""

    def __init__(self, group, rc):
        super().__init__(f"group {group} rc {rc}")
        self.group, self.rc = group, rc


READ, WRITE = 0, 2


class Client:
    def __init__(self, port, framing, version=2, timeout=3.0, retries=0):
        self.port, self.framing, self.version = port, framing, version
        self.timeout, self.retries, self.sequence = timeout, retries, 0
        self.decoder = Decoder(framing)

    def call(self, op, group, command, payload=None, timeout=None):
        """The payload of the answer; raises Remote for error answers, TimeoutError when none came."""
        body = cbor2.dumps(payload or {})
        self.sequence = (self.sequence + 1) & 255
        flags = op | (self.version - 1) << 3
        message = struct.pack(">BBHHBB", flags, 0, len(body), group, self.sequence, command) + body
        for attempt in range(self.retries + 1):
            if attempt and self.framing == "console":
                # Ends what a damaged line left behind. Alone, with a pause: Zephyr's shell takes a frame that arrives
                # in one piece with a line feed for typed text.
                self.port.write(b"\n")
                time.sleep(0.06)
            self.port.write(encode(self.framing, message))
            deadline = time.monotonic() + (timeout or self.timeout)
            while (left := deadline - time.monotonic()) > 0:
                for answer in self.decoder.push(self.port.read(left)):
                    _, _, _, answer_group, sequence, answer_command = struct.unpack(">BBHHBB", answer[:8])
                    if (answer_group, sequence, answer_command) == (group, self.sequence, command):
                        return self.check(cbor2.loads(answer[8:]))
        raise TimeoutError(f"group {group} command {command}: no answer")

    @staticmethod
    def check(payload):
        if "err" in payload:
            raise Remote(payload["err"]["group"], payload["err"]["rc"])
        if payload.get("rc", 0):
            raise Remote(None, payload["rc"])
        return payload


def overhead(framing):
    """What a framing takes of the peer's advertised buffer: length and CRC on a console, nothing elsewhere."""
    return 4 if framing == "console" else 0
