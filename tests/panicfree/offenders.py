#!/usr/bin/env python3
"""offenders.py ELF [--but NAME]: who calls into the panic machinery, by function and source line, inlined callers shown.

With `--but`, calls of panics whose name contains NAME pass, and it fails if there are any others, or none of these.
"""

import re
import subprocess
import sys

PANIC = re.compile(
    r"core::panicking::|core::slice::index::|slice_\w*_fail|len_mismatch_fail|(unwrap|expect)_failed|"
    r"core::str::slice_error_fail|core::cell::panic_|panic_const|divide_by_zero|rust_begin_unwind"
)


def tools(elf):
    """The prefix of the binutils that read this machine's code: a RISC-V has 0xF3 in its ELF header."""
    with open(elf, "rb") as file:
        return "riscv64-unknown-elf-" if file.read(20)[18] == 0xF3 else "arm-none-eabi-"


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def plain(name):
    return re.sub(r"::h[0-9a-f]{16}$", "", name)


def calls(elf):
    """Every direct call or jump: address, function that it stands in, function that it goes to."""
    function = None
    for line in run(tools(elf) + "objdump", "-d", "-C", "--no-show-raw-insn", elf).splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            function = head.group(1)
        elif (call := re.match(r"^\s+([0-9a-f]+):\s+[bj]\S*\s.*?[0-9a-f]+ <(.*?)>\s*$", line)) and function:
            yield call.group(1), function, call.group(2)


def main(elf, passes=None):
    every, wanted, seen, found = list(calls(elf)), [PANIC.search], set(), set()
    while wanted:
        is_wanted = wanted.pop()
        for address, function, target in every:
            if not is_wanted(target) or PANIC.search(function) or function == target:
                continue
            frames = run(tools(elf) + "addr2line", "-e", elf, "-i", "-f", "-C", "0x" + address).splitlines()
            pairs = list(zip(frames[::2], frames[1::2]))
            ours = next((p for p in pairs if "/library/" not in p[1] and "rustc-" not in p[1]), None)
            if ours is None and function not in seen:
                # A part of `core` that was not inlined: its callers are the offenders.
                seen.add(function)
                wanted.append(lambda target, function=function: target == function)
            name, place = ours or pairs[0]
            if name == "??":
                # Built without source lines.
                name, place = function, address
            found.add(f"{plain(target)}  <-  {plain(name)}  at {'/'.join(place.split('/')[-3:])}")
    passed = {line for line in found if passes and passes in line.partition("  <-  ")[0]}
    print("\n".join(sorted(found - passed)) or "nobody found" + ("" if passes else ": see the link error"))
    if passes:
        print(f"{len(passed)} calls pass as {passes}")
        sys.exit(not passed or found != passed)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [elf]:
            main(elf)
        case [elf, "--but", name]:
            main(elf, name)
        case _:
            sys.exit(__doc__)
