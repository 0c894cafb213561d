"""`smp image make` against imgtool, which makes the images of everybody else."""

import json
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


@pytest.mark.parametrize("endian", ["little", "big"])
def test_what_imgtool_signs_in_either_order_is_read(endian, tmp_path):
    program, image = tmp_path / "program.bin", tmp_path / "image.bin"
    program.write_bytes(bytes(i * i % 253 for i in range(5000)))
    options = ["--pad-header", "--align", "4", "--slot-size", "0x80000", "--header-size", "0x200", "--endian", endian]
    more = ["--version", "1.2.3+4", "--security-counter", "5", "--dependencies", "(1, 2.0.0)"]
    subprocess.run([IMGTOOL, "sign", *options, *more, program, image], check=True, capture_output=True)
    done = subprocess.run([*SMP, "image", "info", "--json", image], check=True, capture_output=True)
    info = json.loads(done.stdout)["images"][0]
    assert (info["version"], info["hash_is_true"], info["len"]) == ("1.2.3.4", True, image.stat().st_size)
    assert (info["header_len"], info["body_len"]) == (0x200, 5000)
    assert [tlv["name"] for tlv in info["protected_tlvs"]] == ["SECURITY_COUNTER", "DEPENDENCY"]
    assert [tlv["name"] for tlv in info["tlvs"]] == ["SHA256"]
