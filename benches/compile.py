#!/usr/bin/env python3
"""compile.py [--modules]: what it takes to compile the library, in CPU seconds, beside minicbor, which it uses.

Both are compiled in one build, in the release profile and without features; the ratio is the median of five builds.
`--modules` shows what is left without each protocol in turn: `check` is the front end alone, `build` is all of it.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMES = 5
GATE = 4.0
LOG = "ANYSMP_COMPILE_LOG"


def wrapped(words):
    """Runs the compiler for cargo, and notes the crate and its CPU seconds."""
    code = subprocess.run(words).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "--crate-name" in words:
        name = words[words.index("--crate-name") + 1]
        with open(os.environ[LOG], "a") as log:
            log.write(f"{name} {used.ru_utime + used.ru_stime:.3f}\n")
    return code


def build(root, place, *packages, release=True):
    """Compiles these packages anew; returns the CPU seconds of each crate that was compiled."""
    log = Path(place) / "log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    profile = ["--release"] if release else []
    if packages:
        names = [word for package in packages for word in ("-p", package)]
        subprocess.run(["cargo", "clean", *profile, "--target-dir", place, *names], cwd=root, check=True, capture_output=True)
    words = ["cargo", "build" if release else "check", *profile, "--offline", "--target-dir", place, "-p", "anysmp", "--lib"]
    environment = dict(os.environ, RUSTC_WRAPPER=__file__, CARGO_INCREMENTAL="0", **{LOG: str(log)})
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return {name: float(seconds) for name, seconds in map(str.split, log.read_text().splitlines())}


def without(module, root):
    """The library alone without one module, in a folder of its own, as the test `deletion` of `tests/house` makes it."""
    shutil.copytree(ROOT / "src", root / "src")
    shutil.copy(ROOT / "Cargo.lock", root)
    left_out = ("[test]]", "[example]]", "[bench]]", "dev-dependencies]", "workspace]")
    sections = (ROOT / "Cargo.toml").read_text().split("\n[")
    (root / "Cargo.toml").write_text("\n[".join(it for it in sections if not it.startswith(left_out)) + "\n[workspace]\n")
    if module:
        lib = root / "src/lib.rs"
        text = lib.read_text()
        assert text.count(f"pub mod {module};\n") == 1, module
        lib.write_text(text.replace(f"pub mod {module};\n", ""))


def modules():
    """What the library takes less without a module; the rest is what the others need."""
    print(f"{'without':12} {'check':>6} {'build':>6}   CPU seconds, median of {TIMES}")
    for module in ("", "smp", "bsmp", "s3mp"):
        with tempfile.TemporaryDirectory() as place:
            root = Path(place) / "crate"
            without(module, root)
            taken = []
            for release in (False, True):
                target = f"{place}/target"
                build(root, target, release=release)
                runs = [build(root, target, "anysmp", release=release)["anysmp"] for _ in range(TIMES)]
                taken.append(statistics.median(runs))
            print(f"{module or 'nothing':12} {taken[0]:6.2f} {taken[1]:6.2f}", flush=True)


def ratio():
    with tempfile.TemporaryDirectory() as place:
        build(ROOT, place)
        runs = [build(ROOT, place, "anysmp", "minicbor") for _ in range(TIMES)]
    ours, theirs = [[run[name] for run in runs] for name in ("anysmp", "minicbor")]
    found = statistics.median(mine / other for mine, other in zip(ours, theirs))
    print(f"anysmp {statistics.median(ours):.2f} s, minicbor {statistics.median(theirs):.2f} s of CPU, ", end="")
    print(f"ratio {found:.1f} of at most {GATE:.1f}: {'met' if found <= GATE else 'MISSED'}")


if __name__ == "__main__":
    if LOG in os.environ and len(sys.argv) > 1 and "rustc" in sys.argv[1]:
        sys.exit(wrapped(sys.argv[1:]))
    if "--modules" in sys.argv:
        modules()
    else:
        ratio()
