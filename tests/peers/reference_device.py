#!/usr/bin/env python3
"""The command line of the crate's `smp-device` example, on `wire.py`: what `run.py --reference` tests in its place.

Two slots and a reset that does what MCUboot's swap does: a tested image starts once, and goes back unless confirmed.
"""

import argparse
import os
import pty
import socket
import struct
import tty

import cbor2
from mcuboot import image_hash, make_image
from wire import READ, WRITE, Decoder, encode


class Refusal(Exception):
    pass


class Device:
    def __init__(self, buf_size, buf_count):
        self.params = {"buf_size": buf_size, "buf_count": buf_count}
        self.slots = [make_image((1, 0, 0, 0), 2000), None]
        self.upload, self.size = bytearray(), 0
        self.pending, self.confirmed = None, True  # pending: None, "test" or "permanent"

    def handle(self, message):
        """The answer to a message, or None."""
        first, _, length, group, sequence, command = struct.unpack(">BBHHBB", message[:8])
        op, version = first & 7, first >> 3 & 3
        if op not in (READ, WRITE) or length != len(message) - 8:
            return None
        try:
            name = {(0, 0): "echo", (0, 5): "reset", (0, 6): "parameters", (1, 0): "state", (1, 1): "write"}
            if (group, command) not in name:
                raise Refusal(8)
            answer = getattr(self, name[group, command])(op, cbor2.loads(message[8:]) if length else {})
        except Refusal as refusal:
            answer = {"rc": refusal.args[0]}
        body = cbor2.dumps(answer)
        return struct.pack(">BBHHBB", op + 1 | version << 3, 0, len(body), group, sequence, command) + body

    def echo(self, _, request):
        return {"r": request["d"]}

    def parameters(self, *_):
        return self.params

    def reset(self, *_):
        print("boot: at once", flush=True)
        if self.pending:
            self.slots.reverse()
            self.confirmed, self.pending = self.pending == "permanent", None
        elif not self.confirmed:
            self.slots.reverse()
            self.confirmed = True
        return {}

    def state(self, op, request):
        if op == WRITE:
            if request.get("hash") in (None, image_hash(self.slots[0])):
                if not request.get("confirm"):
                    raise Refusal(3)
                self.confirmed = True
            elif self.slots[1] and request["hash"] == image_hash(self.slots[1]):
                self.pending = "permanent" if request.get("confirm") else "test"
            else:
                raise Refusal(3)
        images = []
        for slot, image in enumerate(self.slots):
            if image:
                active = slot == 0
                images.append(
                    {
                        "slot": slot,
                        "version": ".".join(str(part) for part in struct.unpack("<BBH", image[20:24])),
                        "hash": image_hash(image),
                        "bootable": True,
                        "active": active,
                        "confirmed": active and self.confirmed,
                        "pending": not active and self.pending is not None,
                        "permanent": not active and self.pending == "permanent",
                    }
                )
        return {"images": images, "splitStatus": 0}

    def write(self, _, request):
        if request["off"] == 0:
            self.upload, self.size, self.slots[1] = bytearray(), request["len"], None
        if request["off"] == len(self.upload):
            self.upload += request["data"]
        if len(self.upload) == self.size:
            self.slots[1] = bytes(self.upload)
        return {"off": len(self.upload)}


def main():
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--pty", action="store_true")
    where.add_argument("--tcp")
    where.add_argument("--udp")
    parser.add_argument("--framing")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--buf-size", type=int, default=2048)
    parser.add_argument("--buf-count", type=int, default=4)
    args = parser.parse_args()
    device = Device(args.buf_size, args.buf_count)
    framing = args.framing or ("datagram" if args.udp else "console")
    print("boot: first", flush=True)
    if args.pty:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        print(f"ready: {os.ttyname(theirs)}", flush=True)
        serve(device, framing, lambda: os.read(ours, 65536), lambda data: os.write(ours, data))
        return
    host, port = (args.tcp or args.udp).rsplit(":", 1)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM if args.tcp else socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    if args.tcp:
        listener.listen()
    print("ready: {}:{}".format(*listener.getsockname()), flush=True)
    if args.udp:
        while True:
            message, peer = listener.recvfrom(65536)
            if answer := device.handle(message):
                listener.sendto(answer, peer)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            serve(device, framing, lambda: connection.recv(65536), connection.sendall)


def serve(device, framing, read, write):
    decoder = Decoder(framing)
    while data := read():
        for message in decoder.push(data):
            if answer := device.handle(message):
                answer = encode(framing, answer)
                while answer:
                    answer = answer[write(answer) or len(answer) :]


if __name__ == "__main__":
    main()
