#!/usr/bin/env python3
"""painted.py [--limit BYTES] TARGET...: the worst-case stack of the server with all groups and of the client that uploads.

Twice, in the profile that README's table uses: over the call graph (`stack.py`), and as found used in QEMU, where the image
hears recorded and damaged requests and takes, or makes, a whole upload (`exchanges.py`). What is found must not be more than
the call graph of the same image allows, or `stack.py` is wrong, and not less than half of it, or nothing was measured. With
a limit, no figure may be above it.

The painted figure has the frames of the user's functions, which push before they can look how deep the crate has come, but
not those of what they call; so has the bound that it is held against. Code for Armv6-M runs on a Cortex-M3 here, which uses
the same stack for it.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import exchanges
import measure
import stack
from emulator import Failed

MACHINES = {
    "thumbv6m-none-eabi": "mps2-an385",
    "thumbv7m-none-eabi": "mps2-an385",
    "thumbv7em-none-eabi": "mps2-an386",
}
IMAGES = {"smp_all": exchanges.server, "smp_client": exchanges.client}


def paint(target, image, used, profile, limit):
    """What is measured, in one line, and what is wrong with it."""
    machine = MACHINES[target]
    elf = measure.BUILT / target / profile / image
    bound, path, _ = stack.Image(elf).worst("main_loop", users=True)
    found = IMAGES[image](machine, elf)
    said = f"{target} {image}, opt-level {'s' if profile == 'release' else 'z'}: {used} bytes of stack by its calls; "
    said += f"painted on {machine}: {found} of {bound}"
    wrong = []
    if found > bound:
        wrong.append("more is painted than its calls allow: stack.py is wrong")
    if found < bound // 2:
        wrong.append("less than half is painted: the exchanges do not reach what counts")
    if limit and max(used, found) > limit:
        wrong.append(f"more than {limit} bytes")
    if wrong:
        wrong += [f"    {frame:6d}  {name}" for name, frame in path]
    return said, wrong


def main(limit, targets):
    # Before the others are built, which have the same names.
    figures = measure.figures(targets, IMAGES)
    work = []
    for (label, target), (_, _, used, profile) in figures.items():
        image = next(row[1] for row in measure.ROWS if row[0] == label)
        measure.build(target, profile, "--features=board", images=[image])
        work.append((target, image, used, profile, limit))
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda one: paint(*one), work))
    for said, wrong in done:
        print("note:", said)
        print("\n".join(wrong), end="\n" if wrong else "")
    if any(wrong for _, wrong in done):
        raise Failed("the stack is not what it should be")


if __name__ == "__main__":
    words = sys.argv[1:]
    bound = int(words[1]) if words[:1] == ["--limit"] else None
    words = words[2:] if bound is not None else words
    if not words or words[0] not in MACHINES:
        sys.exit(__doc__)
    try:
        main(bound, words)
    except (Failed, stack.Unbounded) as why:
        sys.exit(str(why))
