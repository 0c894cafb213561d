"""Counts for the last line of the run, and the bus of a test."""

import tempfile
from pathlib import Path

import pytest
from rig import Air


@pytest.fixture
def air():
    # Not below the folder of pytest, where the path of the socket could get too long.
    with tempfile.TemporaryDirectory() as folder, Air(Path(folder)) as bus:
        yield bus


def pytest_unconfigure(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # one of several workers
        return
    count = {key: len(reporter.stats.get(key, [])) for key in ("passed", "failed", "error", "skipped")}
    failed = count["failed"] + count["error"]
    print(f"\n{count['passed']} passed, {failed} failed, {count['skipped']} skipped")
