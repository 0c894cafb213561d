"""What the peer tests have really exchanged, and whether README's coverage table says that.

Each line of the record is a command and who was at the other end. Only what was done counts, of what our client asks and of
what others ask our device: a refusal shows that a command is known, not that it works.
"""

import os
import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent.parent / "README.md"
# Names of groups as the device prints them.
GROUPS = {"os": 0, "image": 1, "statistics": 2, "settings": 3, "fs": 8, "shell": 9, "enumeration": 10, "zephyr": 63,
          "log": 4, "crash": 5, "split": 6, "run": 7, "transport": 11}
PEERS = ["Zephyr 4.4", "MCUboot", "smpclient", "smpmgr", "mcumgrctl"]


def add(peer, commands):
    """Writes commands, as (group, command, op), to the record of this run; set by run.py, shared by all workers."""
    lines = [f"{peer}\t{group}\t{command}\t{op}\n" for group, command, op in sorted(set(commands))]
    with open(os.environ["PEER_RECORD"], "a") as record:
        record.write("".join(lines))


def answered(trace):
    """The commands in what `smp --verbose` has traced, without those that were refused: their lines end with a name."""
    for line in trace.splitlines():
        response = re.fullmatch(r"<- (read|write) (\w+)/(\d+) .*\}", line)
        if response:
            group = response[2]
            yield int(group) if group.isdecimal() else GROUPS[group], int(response[3]), response[1]


def served(log):
    """The commands that `smp-device --verbose` has logged, without those that it has refused."""
    last = None
    for line in [*log, "smp: the end"]:
        request = re.search(r"smp: (Read|Write) Group\((\w+)\) (\d+)", line)
        if "smp: refused" in line:
            last = None
        elif request or line == "smp: the end":
            if last:
                yield last
            last = request and (GROUPS[request[2]], int(request[3]), request[1].lower())


def rows():
    """README's table: (group, command, op) to what it says it was tested against."""
    table = README.read_text().partition("\n## What is covered")[2].partition("\n## ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[1].isdecimal():
            for op in cells[3].split(", "):
                yield (int(cells[0].split()[0]), int(cells[1]), op), cells[2], cells[6].split(", ")


def differences():
    """Where README says something else than this run."""
    done = {}
    for line in Path(os.environ["PEER_RECORD"]).read_text().splitlines():
        peer, *command = line.split("\t")
        done.setdefault(tuple(command), set()).add(peer)
    said = {}
    for (group, command, op), name, peers in rows():
        said.setdefault((group, command, name), (set(peers), set()))[1].update(done.pop((str(group), str(command), op), set()))
    for (group, command, name), (claimed, exchanged) in sorted(said.items()):
        claimed &= set(PEERS)
        if claimed != exchanged:
            in_order = ", ".join(peer for peer in PEERS if peer in exchanged)
            yield f"{group} {name} ({command}): README says {sorted(claimed)}, the run had: {in_order or 'nobody'}"
    for command, peers in done.items():
        yield f"{command}: no row, but exchanged with {peers}"
