#!/usr/bin/env python3
"""stack.py [--limit BYTES] ELF ROOT...: the worst-case stack under each root, and the path that takes it.

From the frame sizes that the compiler has emitted (-Z emit-stack-sizes) and the calls in the disassembly. A tail call
counts as any other, so the figure is a bound. Recursion is an error, and so is a call of an unknown function: one through a
register whose value no instruction of the function, or of all its callers, tells, unless INDIRECT lists it. Functions
without a frame size, which are assembly, are sized by their pushes and named.

The user's functions (USER) do not count, but what they call of the crate does, as when a shell writes its output: it
stands on the same stack. `test_stack.py` tests this file.
"""

import bisect
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

# The user's side, which is not counted: ports, flashes, files, what stands behind a trait of the crate.
USER = re.compile(r"^<?footprint::(bsmp_)?device::|^device_|^<(firmware|footprint)::\w+ as embedded_")

# What counts below a function of the user's.
CRATE = re.compile(r"\banysmp::")

# Registers that a call does not keep.
SCRATCH = {"r0", "r1", "r2", "r3", "ip", "lr"}

# Calls through a pointer, by the function that does them: whom they can reach (None: a function of the user's), and why.
INDIRECT = [
    # Wherever `Slots::next` is inlined: in the jobs, in the lists of the image group, in a user's loop over `states`.
    (
        r"anysmp::mcuboot::slots|anysmp::smp::group::image::flash|^slots(_any)?::main_loop",
        r"anysmp::mcuboot::slots::(next|mode)::",
        "config.mode: the rules of the boot mode that the configuration was made for",
    ),
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
    # Instructions: address, name, operands.
    body: list = field(default_factory=list)
    # Who calls it: function, index of the instruction.
    sites: list = field(default_factory=list)


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
        self.bytes = Path(elf).read_bytes()
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
        current = None
        for line in text.splitlines():
            if head := re.match(r"^([0-9a-f]+) <(.*)>:$", line):
                current = Function(int(head[1], 16), plain(head[2]))
                self.functions[current.address] = current
            elif (code := re.match(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)$", line)) and current:
                address = int(code[1], 16)
                current.body.append((address, code[2], code[3]))
                current.end = address + 2
        starts = sorted(self.functions)
        # Which of them go through a register: function, index, register.
        through = []
        for function in self.functions.values():
            self._calls(function, starts, through)
        for function, index, register in through:
            found = self._held(function, index, register)
            if found is None:
                function.unknown.append(function.body[index][0])
            else:
                function.calls |= found

    def _calls(self, function, starts, through):
        for index, (address, name, operands) in enumerate(function.body):
            if name == "push" or name.startswith("stmdb") and operands.startswith("sp!"):
                function.pushed += 4 * len(registers(operands))
            elif name in ("sub", "sub.w", "subw", "subs") and (by := re.match(r"sp, (?:sp, )?#(\d+)", operands)):
                function.pushed += int(by[1])
            elif name.startswith("str") and (by := re.search(r"\[sp, #-(\d+)\]!", operands)):
                function.pushed += int(by[1])
            target = re.match(r"(?:r\d+, )?([0-9a-f]+) <", operands)
            if re.match(r"b(l|x|lx)?([a-z]{2})?(\.[nw])?$|cbn?z$", name) and target and name != "bx":
                to = int(target[1], 16)
                # At its end stands the next function, if neither padding nor a table is between.
                if function.address < to < function.end or (to == function.address and not name.startswith("bl")):
                    continue
                # A branch into the middle of another function counts as a call of it.
                callee = starts[bisect.bisect_right(starts, to) - 1]
                function.calls.add(callee)
                self.functions[callee].sites.append((function, index))
            elif name in ("blx", "bx") and operands.split()[0] != "lr":
                through.append((function, index, operands.split()[0]))
            elif name.startswith("ldr") and operands.startswith("pc,"):
                function.unknown.append(address)

    def _held(self, function, index, register, above=()):
        """The functions whose address the register can hold before an instruction; `None` if that cannot be told."""
        for at in range(index - 1, -1, -1):
            _, name, operands = function.body[at]
            if register in written(name, operands):
                found = self._put(function, at, register, above)
                # Other branches may come by with another value: whatever the function ever puts there.
                return found and found.union(*self._literals(function, register))
            if re.match(r"blx?(\.|$)", name) and register in SCRATCH:
                return None
        # What it was called with: pieces of code that several functions share are outlined like that.
        if not function.sites:
            return None
        found = set()
        for caller, at in function.sites:
            if (caller.address, register) in above:
                continue
            more = self._held(caller, at, register, above + ((function.address, register),))
            if more is None:
                return None
            found |= more
        return found or None

    def _put(self, function, at, register, above):
        """The functions whose address this instruction can have put into the register."""
        _, name, operands = function.body[at]
        words = [word.strip() for word in operands.split(",")]
        if (to := self._literal(function, at, register)) is not None:
            return {to}
        if name in ("mov", "movs", "mov.w") and re.match(r"r\d+$|ip|lr|fp|sl", words[1]):
            return self._held(function, at, words[1], above)
        if re.match(r"ldr(\.w)?$", name) and "[sp" in operands:
            slot = operands.partition(",")[2].strip()
            for before in range(at - 1, -1, -1):
                _, other, to = function.body[before]
                if other.startswith("str") and to.partition(",")[2].strip() == slot:
                    return self._held(function, before, to.split(",")[0].strip(), above)
        return None

    def _literal(self, function, at, register):
        """The function whose address an instruction names as a whole."""
        _, name, operands = function.body[at]
        value = None
        if re.match(r"ldr(\.w|\.n)?$", name) and (place := re.search(r"\[pc.*[@;] \(?([0-9a-f]+)", operands)):
            value = self.word(int(place[1], 16))
        elif name == "movt":
            for before in range(at - 1, -1, -1):
                _, other, to = function.body[before]
                if register in written(other, to):
                    if other == "movw":
                        value = immediate(operands) << 16 | immediate(to)
                    break
        return value & ~1 if value and value & ~1 in self.functions else None

    def _literals(self, function, register):
        for at, (_, name, operands) in enumerate(function.body):
            if register in written(name, operands):
                if (to := self._literal(function, at, register)) is not None:
                    yield {to}

    def root(self, name):
        # Of several with one name, an alias at the same address is one function.
        found = [f for f in self.functions.values() if f.name == name or f.name.endswith("::" + name)]
        if len(found) != 1:
            raise Unbounded(f"{self.elf}: {len(found)} functions are called {name}")
        return found[0]

    def worst(self, root, users=False):
        """Bytes under `root`, the path as (name, frame), and the functions that were sized by their pushes.

        `users`: with the frames of the user's functions, without those of what they call beside the crate.
        """
        memo, guessed = {}, set()

        def depth(address, above):
            function = self.functions[address]
            if address in above:
                ring = above[above.index(address) :] + (address,)
                raise Unbounded("recursion: " + " -> ".join(self.functions[a].name for a in ring))
            if address in memo:
                return memo[address]
            frame = function.frame
            if frame is None:
                frame = function.pushed
            if is_users := USER.search(function.name):
                calls = self._callbacks(function)
                frame = frame if users else 0
            else:
                calls = self._callees(function)
            best = max((depth(to, above + (address,)) for to in sorted(calls)), default=(0, []))
            if function.frame is None and frame:
                guessed.add((function.name, frame))
            memo[address] = frame + best[0], ([(function.name, frame)] if not is_users or users or best[1] else []) + best[1]
            return memo[address]

        used, path = depth(self.root(root).address, ())
        return used, path, guessed

    def _callees(self, function):
        return function.calls | self._listed(function) if function.unknown else function.calls

    def _callbacks(self, function):
        """What a function of the user's calls of the crate, itself or through others."""
        seen, todo, found = set(), [function], set()
        while todo:
            for address in self._callees(todo.pop()) - seen:
                seen.add(address)
                if CRATE.search(self.functions[address].name) and not USER.search(self.functions[address].name):
                    found.add(address)
                else:
                    todo.append(self.functions[address])
        return found

    def _listed(self, function):
        for caller, callees, _ in INDIRECT:
            if re.search(caller, function.name):
                return {f.address for f in self.functions.values() if callees and re.search(callees, f.name)}
        where = ", ".join(hex(address) for address in function.unknown)
        raise Unbounded(f"{self.elf}: {function.name} calls a function that is not known, at {where}")


NAMES = {"lr": 14, "pc": 15, "sp": 13, "ip": 12, "fp": 11, "sl": 10}
NUMBERS = {number: name for name, number in NAMES.items()}


def registers(operands):
    """The registers of a list as {r4, r5-r7, lr}."""
    found = []
    for part in re.search(r"\{(.*)\}", operands)[1].split(","):
        first, _, last = part.strip().partition("-")
        one, other = (NAMES.get(r) or int(r[1:]) for r in (first, last or first))
        found += [NUMBERS.get(number, f"r{number}") for number in range(one, other + 1)]
    return found


def written(name, operands):
    """The registers that an instruction changes; a call's own are SCRATCH."""
    if "{" in operands:
        base = [operands.split(",")[0].rstrip("!")] if "!" in operands.split("{")[0] else []
        return base + (registers(operands) if name.startswith(("pop", "ldm")) else [])
    words = [word.strip() for word in operands.split(",")]
    if name.startswith(("b", "cb", "cm", "tst", "teq", "nop", "it", "udf", "str")) and not re.match("bic|bf", name):
        found = []
    else:
        found = words[: 2 if re.match("ldrd|[us]mull|[us]mlal", name) else 1]
    # Addresses that move on: [r0, #4]! and [r0], #4.
    moved = re.search(r"\[(\w+)[^\]]*\](!|, #)", operands)
    return found + ([moved[1]] if moved else [])


def immediate(operands):
    return int(re.search(r"#(\d+)", operands)[1])


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
