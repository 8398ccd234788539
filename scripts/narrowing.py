"""Measure which argument filters would break the next run: ``scripts/narrowing.py RECORDING…``.

For each syscall argument that recordings hold, and each run of a workload, the values of that run
are taken as the filter and the calls of the workload's other runs are held against it (repeats).
Then the values of all other workloads are the filter and the workload's own calls are held against
it, where the others make the call too (other work).  Prints a table in Markdown.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from synth.model import Run
from synth.recording import load_recording

INT = 0xFFFF_FFFF
BOUND = 64

Argument = tuple[str, int]


class Row(NamedTuple):
    """What was found for one argument; pairs are (run filtered by, run that follows)."""

    users: int
    most: int
    pairs: int
    broken_pairs: int
    others: int
    broken_others: int


def values_of(run: Run) -> dict[Argument, frozenset[int] | None]:
    """Return the values of each argument in a run; ``None`` if they are not all known."""
    found: dict[Argument, frozenset[int] | None] = {}
    for seen in run.arguments:
        for column, (position, mask) in enumerate(seen.fields):
            if not seen.pointed and mask & INT == INT and seen.arch == "x86_64":
                values = frozenset(row[column] for row in seen.values)
                found[seen.name, position] = None if seen.overflow else values
    return found


def broken(values: frozenset[int] | None, known: frozenset[int] | None) -> bool:
    """Tell whether a call would be refused; what is not known is not narrowed."""
    return values is not None and known is not None and not values <= known


def measure(
    workloads: dict[str, list[dict[Argument, frozenset[int] | None]]],
) -> dict[Argument, Row]:
    """Return the row of each argument."""
    arguments = {one for runs in workloads.values() for run in runs for one in run}
    rows = {}
    for argument in sorted(arguments):
        users = {
            name: [run[argument] for run in runs if argument in run]
            for name, runs in workloads.items()
            if any(argument in run for run in runs)
        }
        pairs = [
            (first, second)
            for runs in users.values()
            for number, first in enumerate(runs)
            for other, second in enumerate(runs)
            if number != other
        ]
        unions = {name: union(runs) for name, runs in users.items()}
        others = [
            (union([unions[other] for other in unions if other != name]), unions[name])
            for name in unions
            if len(unions) > 1
        ]
        everything = union(list(unions.values()))
        rows[argument] = Row(
            len(users),
            BOUND + 1 if everything is None else len(everything),
            len(pairs),
            sum(broken(second, first) for first, second in pairs),
            len(others),
            sum(broken(mine, known) for known, mine in others),
        )
    return rows


def union(values: list[frozenset[int] | None]) -> frozenset[int] | None:
    """Return all values, ``None`` as soon as some are not known."""
    known = [one for one in values if one is not None]
    return frozenset().union(*known) if len(known) == len(values) else None


def main() -> None:
    """Print the table of the recordings named."""
    workloads: dict[str, list[dict[Argument, frozenset[int] | None]]] = defaultdict(list)
    for path in sys.argv[1:]:
        for run in load_recording(Path(path)).runs:
            workloads[f"{path}:{run.workload}"].append(values_of(run))
    runs = sum(len(one) for one in workloads.values())
    print(f"{len(workloads)} workloads, {runs} runs\n")
    print("| call | argument | workloads | values | next run broken | other work broken |")
    print("|---|---|---|---|---|---|")
    for (name, position), row in measure(workloads).items():
        values = f"more than {BOUND}" if row.most > BOUND else str(row.most)
        print(
            f"| `{name}` | {position} | {row.users} | {values} | {row.broken_pairs} of {row.pairs} "
            f"| {row.broken_others} of {row.others} |"
        )


if __name__ == "__main__":
    main()
