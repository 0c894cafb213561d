"""The outcome of one run of a tool with `--json`."""

from dataclasses import dataclass


@dataclass
class Outcome:
    code: int
    lines: list
    errors: str

    @property
    def result(self):
        return self.lines[-1] if self.lines else {}

    def ok(self):
        assert self.code == 0, f"exit code {self.code}: {self.lines[-3:]} {self.errors[-2000:]}"
        return self.result

    def failed(self, code, error, remedy):
        assert self.code == self.result.get("exit") == code, f"exit code {self.code}: {self.lines[-3:]} {self.errors[-2000:]}"
        assert error in self.result["error"] and remedy in self.result["remedy"], self.result
        return self.result

    def refused(self, rc, group=None):
        """The peer's own refusal, reported as such: never a time-out, never a success."""
        assert self.code != 0, f"expected rc {rc}, got {self.result}"
        assert (self.result.get("group"), self.result.get("rc")) == (group, rc), f"{self.result} {self.errors[-2000:]}"
