"""`smp image make` against imgtool, which makes the images of everybody else."""

import subprocess
import sys
from pathlib import Path

import pytest
from tools import SMP

IMGTOOL = Path(sys.executable).parent / "imgtool"


@pytest.mark.parametrize("size", [1, 4097, 70_001])
@pytest.mark.parametrize(
    "options",
    [
        ["--version", "1.2.3", "--header-size", "0x200"],
        ["--version", "255.254.65535+4294967295", "--header-size", "32"],
        ["--version", "2.0.0", "--header-size", "0x400", "--load-addr", "0x20240000"],
        ["--version", "0.0.1", "--header-size", "2048", "--load-addr", "4096"],
    ],
)
def test_image_is_that_of_imgtool_byte_for_byte(size, options, tmp_path):
    program, ours, theirs = (tmp_path / name for name in ("program.bin", "ours.bin", "theirs.bin"))
    program.write_bytes(bytes(i * i % 253 for i in range(size)))
    theirs_too = ["--pad-header", "--align", "4", "--slot-size", "0x80000"]
    subprocess.run([IMGTOOL, "sign", *theirs_too, *options, program, theirs], check=True, capture_output=True)
    subprocess.run([*SMP, "image", "make", "--force", *options, program, ours], check=True, capture_output=True)
    assert ours.read_bytes() == theirs.read_bytes()
