#!/usr/bin/env python3
"""stack.py [--limit BYTES] ELF ROOT...: the worst-case stack under each root, and the path that takes it.

From the frame sizes that the compiler has emitted (-Z emit-stack-sizes) and the calls in the disassembly. A tail call
counts as any other, so the figure is a bound. Recursion is an error, and so is a call of an unknown function, unless
INDIRECT lists it. Functions without a frame size, which are assembly, are sized by their pushes and named.
"""

import bisect
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, field

# The user's side, which is not counted: ports, flashes, files, what stands behind a trait of the crate.
USER = re.compile(r"^<?footprint::(bsmp_)?device::|^device_|^<(firmware|footprint)::\w+ as embedded_")

# Calls through a pointer, by the function that does them: whom they can reach (None: a function of the user's), and why.
INDIRECT = [
    (r"^<?anysmp::mcuboot::slots::job::", None, "Config::accept, the device's own word on an upload"),
]


class Unbounded(Exception):
    """The stack has no bound that can be told, or not from this image."""


@dataclass
class Function:
    address: int
    name: str
    end: int = 0
    frame: int | None = None
    calls: set = field(default_factory=set)
    # Addresses of calls through a register whose value is not known.
    unknown: list = field(default_factory=list)
    pushed: int = 0


def run(*words):
    return subprocess.run(words, capture_output=True, check=True).stdout


def plain(name):
    return re.sub(r"::h[0-9a-f]{16}$", "", name)


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


class Image:
    def __init__(self, elf):
        self.elf = elf
        self.bytes = open(elf, "rb").read()
        self.sections = self._sections()
        self.functions = {}
        self._disassemble()
        self._frames()

    def _sections(self):
        """Name, address, offset, size of each."""
        found = []
        for line in run("arm-none-eabi-readelf", "-SW", self.elf).decode().splitlines():
            if row := re.match(r"\s*\[\s*\d+\] (\S+)\s+\S+\s+([0-9a-f]{8}) ([0-9a-f]+) ([0-9a-f]+)", line):
                found.append((row[1], int(row[2], 16), int(row[3], 16), int(row[4], 16)))
        return found

    def word(self, address):
        for _, start, offset, size in self.sections:
            if start and start <= address <= start + size - 4:
                return struct.unpack_from("<I", self.bytes, offset + address - start)[0]
        return None

    def _frames(self):
        place = next(((o, s) for name, _, o, s in self.sections if name == ".stack_sizes"), None)
        if place is None:
            raise Unbounded(f"{self.elf} was built without -Z emit-stack-sizes")
        at, end = place[0], sum(place)
        while at < end:
            (address,) = struct.unpack_from("<I", self.bytes, at)
            size, at = leb(self.bytes, at + 4)
            if function := self.functions.get(address & ~1):
                function.frame = size

    def _disassemble(self):
        text = run("arm-none-eabi-objdump", "-dC", "--no-show-raw-insn", self.elf).decode()
        bodies, current = [], None
        for line in text.splitlines():
            if head := re.match(r"^([0-9a-f]+) <(.*)>:$", line):
                current = Function(int(head[1], 16), plain(head[2]))
                self.functions[current.address] = current
                bodies.append((current, []))
            elif (code := re.match(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)$", line)) and current:
                address = int(code[1], 16)
                bodies[-1][1].append((address, code[2], code[3]))
                current.end = address + 2
        starts = sorted(self.functions)
        for function, body in bodies:
            self._calls(function, body, starts)

    def _calls(self, function, body, starts):
        for index, (address, name, operands) in enumerate(body):
            if name == "push" or name.startswith("stmdb") and operands.startswith("sp!"):
                function.pushed += 4 * registers(operands)
            elif name in ("sub", "sub.w", "subw", "subs") and (by := re.match(r"sp, (?:sp, )?#(\d+)", operands)):
                function.pushed += int(by[1])
            target = re.match(r"(?:r\d+, )?([0-9a-f]+) <", operands)
            if re.match(r"b(l|x|lx)?([a-z]{2})?(\.[nw])?$|cbn?z$", name) and target and name != "bx":
                to = int(target[1], 16)
                # At its end stands the next function, if neither padding nor a table is between.
                if function.address < to < function.end or (to == function.address and not name.startswith("bl")):
                    continue
                # A branch into the middle of another function counts as a call of it.
                function.calls.add(starts[bisect.bisect_right(starts, to) - 1])
            elif name in ("blx", "bx") and operands.split()[0] != "lr":
                to = self._loaded(body, index, operands.split()[0])
                if to is None:
                    function.unknown.append(address)
                else:
                    function.calls.add(to)
            elif name.startswith("ldr") and operands.startswith("pc,"):
                function.unknown.append(address)

    def _loaded(self, body, index, register):
        """The function whose address the last writer before `index` has put into the register."""
        for at in range(index - 1, -1, -1):
            address, name, operands = body[at]
            words = [word.strip() for word in operands.split(",")]
            if words[0] != register or name.startswith(("str", "cmp", "push", "b", "tst", "cb")):
                continue
            if name.startswith("ldr") and (literal := re.search(r"@ \(([0-9a-f]+)|; \(([0-9a-f]+)", operands)):
                to = self.word(int(literal[1] or literal[2], 16))
                return to & ~1 if to and (to & ~1) in self.functions else None
            if name in ("mov", "movs", "mov.w") and re.match(r"r\d+$|ip|lr|fp|sl|r9", words[1]):
                return self._loaded(body, at, words[1])
            if name.startswith("ldr") and "[sp" in operands:
                slot = operands.partition(",")[2].strip()
                for before in range(at - 1, -1, -1):
                    _, other, to = body[before]
                    if other.startswith("str") and to.partition(",")[2].strip() == slot:
                        return self._loaded(body, before, to.split(",")[0].strip())
            return None
        return None

    def root(self, name):
        # Of several with one name, an alias at the same address is one function.
        found = [f for f in self.functions.values() if f.name == name or f.name.endswith("::" + name)]
        if len(found) != 1:
            raise Unbounded(f"{self.elf}: {len(found)} functions are called {name}")
        return found[0]

    def worst(self, root):
        """Bytes under `root`, the path as (name, frame), and the functions that were sized by their pushes."""
        memo, guessed = {}, set()

        def depth(address, above):
            function = self.functions[address]
            if USER.search(function.name):
                return 0, []
            if address in above:
                ring = above[above.index(address) :] + (address,)
                raise Unbounded("recursion: " + " -> ".join(self.functions[a].name for a in ring))
            if address in memo:
                return memo[address]
            frame = function.frame
            if frame is None:
                guessed.add((function.name, function.pushed))
                frame = function.pushed
            calls = set(function.calls)
            if function.unknown:
                calls |= self._listed(function)
            best = max((depth(to, above + (address,)) for to in sorted(calls)), default=(0, []))
            memo[address] = frame + best[0], [(function.name, frame)] + best[1]
            return memo[address]

        used, path = depth(self.root(root).address, ())
        return used, path, guessed

    def _listed(self, function):
        for caller, callees, _ in INDIRECT:
            if re.search(caller, function.name):
                return {f.address for f in self.functions.values() if callees and re.search(callees, f.name)}
        where = ", ".join(hex(address) for address in function.unknown)
        raise Unbounded(f"{self.elf}: {function.name} calls a function that is not known, at {where}")


def registers(operands):
    """How many registers a list as {r4, r5-r7, lr} has."""
    number = {"lr": 14, "pc": 15, "sp": 13, "ip": 12, "fp": 11, "sl": 10}
    count = 0
    for part in re.search(r"\{(.*)\}", operands)[1].split(","):
        first, _, last = part.strip().partition("-")
        value = [number.get(r) if r in number else int(r[1:]) for r in (first, last or first)]
        count += value[1] - value[0] + 1
    return count


def main(elf, roots, limit):
    sys.setrecursionlimit(10_000)
    image = Image(elf)
    over = False
    for root in roots:
        used, path, guessed = image.worst(root)
        over |= limit is not None and used > limit
        print(f"{used} bytes of stack in {root} of {elf.rpartition('/')[2]}")
        for name, frame in path:
            print(f"    {frame:6d}  {name}")
        for name, pushed in sorted(guessed):
            print(f"    {pushed:6d}  by its pushes: {name}")
    if over:
        raise Unbounded(f"more than {limit} bytes")


if __name__ == "__main__":
    words = sys.argv[1:]
    bound = int(words[1]) if words[:1] == ["--limit"] else None
    words = words[2:] if bound is not None else words
    if len(words) < 2:
        sys.exit(__doc__)
    try:
        main(words[0], words[1:], bound)
    except Unbounded as why:
        sys.exit(str(why))
