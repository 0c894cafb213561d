#!/usr/bin/env python3
"""offenders.py ELF: who calls into the panic machinery, by function and source line, inlined callers shown."""

import re
import subprocess
import sys

PANIC = re.compile(
    r"core::panicking::|core::slice::index::|slice_\w*_fail|len_mismatch_fail|(unwrap|expect)_failed|"
    r"core::str::slice_error_fail|core::cell::panic_|panic_const|divide_by_zero|rust_begin_unwind"
)


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def plain(name):
    return re.sub(r"::h[0-9a-f]{16}$", "", name)


def main(elf):
    function, seen = None, set()
    for line in run("arm-none-eabi-objdump", "-d", "-C", "--no-show-raw-insn", elf).splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            function = head.group(1)
            continue
        call = re.match(r"^\s+([0-9a-f]+):\s+b\S*\s+[0-9a-f]+ <(.*?)>\s*$", line)
        if not call or not function or not PANIC.search(call.group(2)) or PANIC.search(function):
            continue
        frames = run("arm-none-eabi-addr2line", "-e", elf, "-i", "-f", "-C", "0x" + call.group(1)).splitlines()
        pairs = list(zip(frames[::2], frames[1::2]))
        name, place = next((p for p in pairs if "/library/" not in p[1] and "rustc-" not in p[1]), pairs[0])
        seen.add(f"{plain(call.group(2))}  <-  {plain(name)}  at {'/'.join(place.split('/')[-3:])}")
    print("\n".join(sorted(seen)) or "nobody found: see the link error")


if __name__ == "__main__":
    main(sys.argv[1])
