#!/usr/bin/env python3
"""The command line of the crate's `smp` example, on `wire.py`: what `run.py --reference` tests in its place."""

import argparse
import hashlib
import json
import sys
import time

import cbor2
from mcuboot import image_hash
from wire import READ, WRITE, Client, Port, Remote, overhead

OS, IMAGE = 0, 1


def arguments():
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    for kind in ("serial", "tcp", "udp"):
        where.add_argument(f"--{kind}")
    parser.add_argument("--framing")
    parser.add_argument("--smp-version", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=2000)
    parser.add_argument("--retries", type=int, default=2)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--pace")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


class Tool:
    def __init__(self, args):
        self.args = args
        self.open()

    def open(self):
        args = self.args
        kind = next(kind for kind in ("serial", "tcp", "udp") if getattr(args, kind))
        framing = args.framing or ("datagram" if kind == "udp" else "console")
        pace = None
        if args.pace:
            step, pause = args.pace.split("/")
            pace = int(step), int(pause) / 1000
        self.port = Port(kind, getattr(args, kind), pace)
        self.client = Client(self.port, framing, args.smp_version, args.timeout / 1000, args.retries)

    def reopen(self):
        self.port.close()
        deadline = time.monotonic() + 30
        while True:
            time.sleep(0.5)
            try:
                self.open()
                return self.image_list()
            except (OSError, TimeoutError):
                if time.monotonic() > deadline:
                    raise

    def read(self, group, command, payload=None):
        return self.client.call(READ, group, command, payload)

    def write(self, group, command, payload=None):
        return self.client.call(WRITE, group, command, payload)

    def echo(self, text=""):
        return self.write(OS, 0, {"d": text})

    def params(self):
        return self.read(OS, 6)

    def info(self):
        return self.read(OS, 7, {"format": "a"})

    def bootloader(self):
        return self.read(OS, 8)

    def taskstat(self):
        return self.read(OS, 2)

    def mpstat(self):
        return self.read(OS, 3)

    def datetime(self, to=None):
        return self.write(OS, 4, {"datetime": to}) if to else self.read(OS, 4)

    def reset(self):
        return self.write(OS, 5)

    def image_list(self):
        return self.read(IMAGE, 0)

    def image_erase(self):
        return self.client.call(WRITE, IMAGE, 5, {}, timeout=30)

    def image_slots(self):
        return self.read(IMAGE, 6)

    def image_test(self, digest):
        return self.write(IMAGE, 0, {"hash": bytes.fromhex(digest), "confirm": False})

    def image_confirm(self):
        return self.write(IMAGE, 0, {"confirm": True})

    def image_upload(self, path):
        data = open(path, "rb").read()
        try:
            size = self.params()["buf_size"]
        except Remote:
            size = 384
        size -= 8 + overhead(self.client.framing)
        offset = 0
        while offset < len(data):
            request = {"off": offset, "data": b""}
            if offset == 0:
                request |= {"image": 0, "len": len(data), "sha": hashlib.sha256(data).digest()}
            room = size - len(cbor2.dumps(request)) - 2  # the length of `data` takes up to two more bytes
            request["data"] = data[offset : offset + room]
            answer = self.client.call(WRITE, IMAGE, 1, request, timeout=20)
            if answer["off"] <= offset:
                raise RuntimeError(f"offset {offset} answered by {answer['off']}")
            offset = answer["off"]
            if self.args.json:
                print(json.dumps({"off": offset, "len": len(data)}))
        return {"off": offset, "len": len(data)}

    def upgrade(self, path):
        data = open(path, "rb").read()
        digest = image_hash(data)
        self.image_upload(path)
        skipped = []
        try:
            self.image_test(digest.hex())
        except Remote as error:
            if (error.group, error.rc) != (None, 8):
                raise
            skipped = ["test", "confirm"]
        self.reset()
        images = self.reopen()["images"]
        if not skipped:
            if not any(image["active"] and image["hash"] == digest for image in images):
                raise RuntimeError("the new image did not start")
            self.image_confirm()
        return {"confirmed": not skipped, "skipped": skipped}


def main():
    args = arguments()
    words = args.command
    name = "_".join(words[:2]) if words[0] == "image" else words[0]
    rest = words[2:] if words[0] == "image" else words[1:]
    try:
        result = getattr(Tool(args), name)(*rest)
    except Remote as error:
        print(json.dumps({"error": str(error), "group": error.group, "rc": error.rc}))
        return 1
    except (OSError, TimeoutError, RuntimeError) as error:
        print(json.dumps({"error": str(error)}))
        return 1
    print(json.dumps(result, default=lambda value: value.hex()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
