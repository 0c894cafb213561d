"""`smp upgrade` of images that imgtool has made, on `smp-device` in every boot mode: what runs afterwards is what
MCUboot's rules say, and so are the exit code and the words."""

import json
import zipfile

import pytest
from imgtool.main import imgtool
from tools import ANY_PORT, Device, smp

SWAP = ["swap-move", "swap-scratch", "swap-offset"]
# The mark of a client decides.
MARKED = [*SWAP, "overwrite-only", "direct-xip-revert", "ram-load-revert"]
# The newer image is started, whatever a client says.
NEWER = ["direct-xip", "ram-load"]
# Another program than the application has the slots.
LOADER = ["firmware-updater", "single-slot"]
MODES = [*MARKED, *NEWER, *LOADER]
# Those of several images, and those in which an encrypted image is decrypted on its way.
SEVERAL = [*MARKED, *NEWER]
MOVED = [*SWAP, "overwrite-only", "ram-load", "ram-load-revert"]

OLD, NEW = "1.0.0", "2.0.0"
SLOT = 1 << 20
REFUSED_AT_BOOT = "the boot loader refused the new one"
STILL_PENDING = "still pending after several resets"
NOT_STARTED = {mode: REFUSED_AT_BOOT for mode in MODES} | {
    # What was in the only slot is gone, and there is nothing else to start.
    "single-slot": "a boot loader answers",
}


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    private, public = (tmp_path_factory.mktemp("keys") / name for name in ("private.pem", "public.pem"))
    run("keygen", "-k", private, "-t", "ecdsa-p256")
    run("getpub", "-k", private, "-e", "pem", "-o", public)
    return public


def run(*words):
    imgtool.main([str(word) for word in words], standalone_mode=False)


def image(tmp_path, mode, *options, number=0, size=12_000, slot=SLOT, version=NEW):
    program, file = tmp_path / f"program{number}.bin", tmp_path / f"image{number}.bin"
    # Two images of a device differ, or a hash would mean both.
    program.write_bytes(bytes((i * i + number) % 251 for i in range(size)))
    if mode.startswith("ram-load"):
        options = ["--load-addr", hex(0x2000_0000 + number * SLOT), *options]
    fixed = ["--version", version, "--header-size", "0x200", "--pad-header", "--align", "8", "--slot-size", slot]
    run("sign", *fixed, *options, program, file)
    return file


class Board(Device):
    """A device in a boot mode, and `smp` against it."""

    peer = None

    def __init__(self, mode, *options):
        super().__init__(None, "--udp", ANY_PORT, "--mode", mode, *options)

    def arguments(self):
        return ["--udp", self.address, "--timeout", "1000"]

    def upgrade(self, file, *options):
        return smp(self, "upgrade", str(file), "--rest", "450", *options)

    def rows(self):
        return smp(self, "image", "list").ok()["images"]

    def runs(self):
        return [(row["version"], row.get("confirmed", False)) for row in self.rows() if row.get("active")]

    def largest(self):
        return smp(self, "image", "slots").ok()["images"][0]["max_image_size"]


def confirmed(board, outcome, *versions):
    assert outcome.code == 0, f"{outcome.result} {outcome.errors[-2000:]}"
    assert board.runs() == [(version, True) for version in versions or (NEW,)]


def stays_out(board, outcome, mode, words=None):
    """The boot loader does not start it."""
    assert outcome.code == 6 and (words or NOT_STARTED[mode]) in outcome.result["error"], outcome.result
    if mode == "single-slot":
        assert board.runs() == []
    else:
        version = "0.1.0" if mode == "firmware-updater" else OLD
        assert board.runs() == [(version, True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sha", ["256", "384", "512"])
def test_each_hash_is_started_by_a_boot_loader_that_was_built_for_it(mode, sha, tmp_path):
    file = image(tmp_path, mode, "--sha", sha)
    with Board(mode, "--hash", f"sha{sha}") as board:
        outcome = board.upgrade(file)
        confirmed(board, outcome)
        assert len(outcome.result["hash"]) == int(sha) // 4
        assert board.upgrade(file).ok()["outcome"] == "confirmed", "it is there already"


@pytest.mark.parametrize("mode", MODES)
def test_another_hash_than_that_of_the_boot_loader_is_never_started(mode, tmp_path):
    with Board(mode) as board:
        outcome = board.upgrade(image(tmp_path, mode, "--sha", "512"))
        if mode in MARKED:
            outcome.refused(24, 1)
            assert outcome.code == 1 and "signed with another hash than the device's" in outcome.result["remedy"]
            assert board.runs() == [(OLD, True)]
        else:
            stays_out(board, outcome, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [["--pad"], ["--pad", "--confirm"]], ids=["pad", "confirm"])
def test_padding_is_left_out_and_the_mark_in_it_does_nothing(mode, options, tmp_path):
    file = image(tmp_path, mode, *options)
    assert file.stat().st_size == SLOT
    with Board(mode) as board:
        outcome = board.upgrade(file)
        confirmed(board, outcome)
        assert outcome.result["upload"]["len"] < 20_000


@pytest.mark.parametrize("mode", MODES)
def test_an_encrypted_image_is_not_started_where_nobody_decrypts_it(mode, keys, tmp_path):
    with Board(mode) as board:
        outcome = board.upgrade(image(tmp_path, mode, "--encrypt", keys))
        if mode in MARKED:
            outcome.refused(3, 1)
            assert "encrypted, and this device marks no image" in outcome.result["error"]
            assert "plain image" in outcome.result["remedy"]
            assert board.runs() == [(OLD, True)]
        else:
            # Where versions decide it is the next one for ever.
            stays_out(board, outcome, mode, STILL_PENDING if mode in NEWER else None)
            assert mode == "single-slot" or "it is encrypted" in outcome.result["error"]


@pytest.mark.parametrize("mode", MOVED)
def test_an_encrypted_image_is_started_where_it_is_decrypted(mode, keys, tmp_path):
    with Board(mode, "--encrypted") as board:
        confirmed(board, board.upgrade(image(tmp_path, mode, "--encrypt", keys)))


@pytest.mark.parametrize("mode", SEVERAL)
@pytest.mark.parametrize("least, is_met", [("1.0.0", True), ("1.0.1", False)])
def test_a_dependency_on_the_other_image_decides(mode, least, is_met, tmp_path):
    file = image(tmp_path, mode, "--dependencies", f"(1,{least})")
    with Board(mode, "--images", "2") as board:
        outcome = board.upgrade(file)
        if is_met:
            confirmed(board, outcome, NEW, OLD)
            return
        needs = f"needs version {least} of image 1 or a newer one, and would find 1.0.0"
        # In advance, and as the reason afterwards.
        assert any(f"image 0 {needs}" in line.get("note", "") for line in outcome.lines), outcome.lines
        assert outcome.code == 6 and needs in outcome.result["error"], outcome.result
        # A mark on which the boot loader does not act stays, and so does a newer version.
        stays = mode in [*SWAP, "overwrite-only", *NEWER]
        assert (STILL_PENDING if stays else REFUSED_AT_BOOT) in outcome.result["error"]
        assert board.runs() == [(OLD, True), (OLD, True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gate", [[], ["--gate"]], ids=["", "gate"])
@pytest.mark.parametrize("counter", ["4", "5", None])
def test_a_security_counter_that_is_too_low_or_missing_is_not_started(mode, gate, counter, tmp_path):
    file = image(tmp_path, mode, *(["--security-counter", counter] if counter else []))
    with Board(mode, "--security-counter", "5", *gate) as board:
        outcome = board.upgrade(file)
        if counter == "5":
            confirmed(board, outcome)
        elif gate and mode in MARKED:
            outcome.refused(27, 1)
            has = f"security counter {counter}" if counter else "no security counter"
            assert f"it has version 2.0.0 and {has}, and the device requires more" in outcome.result["error"]
            assert board.runs() == [(OLD, True)]
        else:
            stays_out(board, outcome, mode)


@pytest.mark.parametrize("mode", [*SWAP, "overwrite-only"])
@pytest.mark.parametrize("gate", [[], ["--gate"]], ids=["", "gate"])
def test_an_older_version_is_not_started_where_that_is_prevented(mode, gate, tmp_path):
    with Board(mode, "--no-downgrade", *gate) as board:
        outcome = board.upgrade(image(tmp_path, mode, version="0.9.0"))
        assert any("older than the running one" in line.get("note", "") for line in outcome.lines)
        if gate:
            outcome.refused(27, 1)
            assert not any(line.get("off") for line in outcome.lines), "before anything is stored"
            assert board.runs() == [(OLD, True)]
        else:
            stays_out(board, outcome, mode)


def test_an_image_that_is_never_booted_by_itself_is_not_sent(tmp_path):
    with Board("swap-move") as board:
        outcome = board.upgrade(image(tmp_path, "swap-move", "--non-bootable"))
        assert outcome.code == 5 and "never booted by itself" in outcome.result["error"], outcome.result
        assert len(board.rows()) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("more", [0, 1])
def test_the_largest_image_is_started_and_one_with_a_byte_more_is_not_sent(mode, more, tmp_path):
    with Board(mode) as board:
        largest = board.largest()
        beside = image(tmp_path, mode).stat().st_size - 12_000
        file = image(tmp_path, mode, size=largest - beside + more, slot=2 * SLOT)
        assert file.stat().st_size == largest + more
        outcome = board.upgrade(file)
        if not more:
            confirmed(board, outcome)
            return
        assert outcome.code == 2 and "larger than the slot" in outcome.result["error"], outcome.result
        assert not any("off" in line for line in outcome.lines)
        # Nor does the device take it from a client that does not ask.
        smp(board, "image", "upload", "--raw", str(file)).refused(30, 1)


@pytest.mark.parametrize("mode", SEVERAL)
def test_two_images_of_one_package_are_started_together_or_not_at_all(mode, tmp_path):
    def package(counter):
        files = [image(tmp_path, mode, "-s", value, number=number) for number, value in enumerate(["5", counter])]
        listed = [{"file": file.name, "image_index": str(i), "size": file.stat().st_size} for i, file in enumerate(files)]
        path = tmp_path / "dfu_application.zip"
        with zipfile.ZipFile(path, "w") as zip:
            for file in files:
                zip.write(file, file.name)
            zip.writestr("manifest.json", json.dumps({"format-version": 1, "files": listed}))
        return path

    with Board(mode, "--images", "2", "--security-counter", "5") as board:
        outcome = board.upgrade(package("4"))
        if mode not in [*NEWER, "overwrite-only"]:
            assert outcome.code == 6 and outcome.result["image"] == 1, outcome.result
            assert board.runs() == [(OLD, True), (OLD, True)], "neither half"
        else:
            # Such a boot loader has no way back, and says so.
            assert outcome.code == 6 and outcome.result["error"].startswith("image 1: "), outcome.result
            assert "image 0 runs: confirmed" in outcome.result["error"]
    with Board(mode, "--images", "2", "--security-counter", "5") as board:
        confirmed(board, board.upgrade(package("5")), NEW, NEW)


@pytest.mark.parametrize("mode", MODES)
def test_an_image_that_crashes_is_taken_back_where_the_boot_loader_can(mode, tmp_path):
    with Board(mode, "--crashing") as board:
        outcome = board.upgrade(image(tmp_path, mode))
        if mode in [*SWAP, "direct-xip-revert", "ram-load-revert"]:
            assert outcome.code == 6 and "it came up and fell back" in outcome.result["error"], outcome.result
            assert board.runs() == [(OLD, True)]
        else:
            # It would crash for ever: this device has no such image.
            confirmed(board, outcome)


@pytest.mark.parametrize("mode", LOADER)
def test_the_loader_that_has_the_slots_is_entered_on_request(mode, tmp_path):
    with Board(mode) as board:
        confirmed(board, board.upgrade(image(tmp_path, mode)))
        newer = image(tmp_path, mode, version="3.0.0")
        # The application takes none.
        board.upgrade(newer).refused(8)
        assert board.runs() == [(NEW, True)]
        with board.booting():
            smp(board, "reset", "--bootloader").ok()
        confirmed(board, board.upgrade(newer), "3.0.0")
