"""Ask how far the evidence stands for what was not recorded: which calls came in which runs.

The unit that matters is the workload: repeats of one script find almost nothing new, other
workloads do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synth.model import Recording

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Saturation:
    """What many workloads say about the next one.

    ``workloads`` and ``syscalls`` seen; ``single``: syscalls that only one workload made.
    ``next_new`` is Good and Turing's estimate of the share of calls of another workload of this
    kind, counted once each, that would be new (0 to 1).
    """

    workloads: int
    syscalls: int
    single: int
    next_new: float


def incidence(recordings: Sequence[Recording]) -> pd.DataFrame:
    """Return a table of booleans: one row a syscall, one column a workload, both sorted."""
    import pandas as pd  # half a second that no other command shall pay

    pairs = sorted(
        {
            (f"{use.arch}:{use.name}", run.workload)
            for recording in recordings
            for run in recording.runs
            for use in run.syscalls
            if use.phase == "workload"
        }
    )
    frame = pd.DataFrame(pairs, columns=["syscall", "workload"])
    return pd.crosstab(frame["syscall"], frame["workload"]).astype(bool)


def discovery(recordings: Sequence[Recording]) -> pd.DataFrame:
    """Return what each run added, in the order of the recordings.

    Columns: workload, index, syscalls (in the run), new (not in an earlier run), total.
    """
    import pandas as pd

    known: set[tuple[str, str]] = set()
    rows = []
    for recording in recordings:
        for run in recording.runs:
            seen = {(use.arch, use.name) for use in run.syscalls}
            rows.append((run.workload, run.index, len(seen), len(seen - known), len(seen | known)))
            known |= seen
    return pd.DataFrame(rows, columns=["workload", "index", "syscalls", "new", "total"])


def saturation(recordings: Sequence[Recording]) -> Saturation:
    """Estimate how much another workload would add."""
    table = incidence(recordings)
    counts = table.sum(axis=1)
    single = int((counts == 1).sum())
    total = int(counts.sum())
    return Saturation(
        int(table.shape[1]), int(table.shape[0]), single, single / total if total else 1.0
    )
