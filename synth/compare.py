"""Compare what a run left behind with what runs under the baseline left: the same, noise, or not.

Two runs of one program need not print the same.  What differs between two runs under the
baseline is noise, and so is what the baseline was once seen to do itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from synth.model import OutputDigest, Run

SAME, NOISE, DIFFERENT = "same", "noise", "different"
STREAMS = ("stdout", "stderr")
MISSING = OutputDigest(-1, "", "")
"""Stands for a file that was not there."""


class Compared(NamedTuple):
    """One thing that was compared: ``what`` is a stream or a file's path."""

    what: str
    result: str


def compare_run(run: Run, controls: Sequence[Run], recorded: Sequence[Run]) -> tuple[Compared, ...]:
    """Compare each stream and each named file of ``run`` with the baseline's.

    ``controls`` ran beside it, and tell what is noise; ``recorded`` ran at another time, perhaps
    with other masks, so that only what agrees with them counts.
    """
    result = []
    for what in (*STREAMS, *(one.path for one in run.files)):
        beside = list(_digests(controls, what))
        before = list(_digests(recorded, what))
        result += [Compared(what, _compare(one, beside, before)) for one in _digests([run], what)]
    return tuple(result)


def _digests(runs: Iterable[Run], what: str) -> Iterator[OutputDigest]:
    for run in runs:
        if what in STREAMS:
            yield getattr(run, what)
        else:
            yield from (one.digest or MISSING for one in run.files if one.path == what)


def _compare(
    now: OutputDigest, beside: Sequence[OutputDigest], before: Sequence[OutputDigest]
) -> str:
    known = [*beside, *before]
    if any(now.sha256 == one.sha256 for one in known):
        return SAME
    numbers_alone = any(now.shape == one.shape for one in known)
    return NOISE if _varies(beside, numbers_alone) or _varies(before, numbers_alone) else DIFFERENT


def _varies(digests: Sequence[OutputDigest], numbers_alone: bool) -> bool:
    """Tell whether the baseline differs from itself as much as the run does from it.

    Where it differs in its numbers alone, other words are no noise.
    """
    return len({one.sha256 if numbers_alone else one.shape for one in digests}) > 1
