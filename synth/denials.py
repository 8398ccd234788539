"""Attribute refusals: which ones the profile adds, to whom, and whether it was noticed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synth.model import Denial, Run
from synth.syscalls import errno_name

FAILED, DIFFERS, TOLERATED, BASELINE = "failed", "differs silently", "tolerated", "baseline"
EFFECTS = (FAILED, DIFFERS, TOLERATED, BASELINE)
"""What came of a refusal: the workload failed; it ended as expected, with another output; no one
noticed; or the baseline refuses it too."""

Kind = tuple[str, str, tuple[tuple[int, int, int], ...]]


@dataclass(frozen=True, slots=True, order=True)
class Attributed:
    """One refusal of one workload, over all its runs.

    ``denial.count`` is the sum; ``runs`` of ``of`` runs met it.  ``effect`` is the worst that
    came of it in any run, one of ``EFFECTS``.  ``used``: the recording made the call, so that it
    must not be refused even where no one noticed (of none in a tolerant replay).
    """

    workload: str
    denial: Denial
    runs: int
    of: int
    effect: str
    used: bool = False

    @property
    def is_error(self) -> bool:
        """Tell whether a profile must not refuse this."""
        return self.effect in (FAILED, DIFFERS) or (self.effect == TOLERATED and self.used)


def kind_of(denial: Denial) -> Kind:
    """Return what makes two refusals the same, whoever met them and whatever was answered."""
    return (denial.arch, denial.name, denial.arguments)


def new_denials(run: Run, known: Iterable[Run]) -> tuple[Denial, ...]:
    """Return the refusals of a run that the runs under the baseline did not meet."""
    before = {kind_of(one) for other in known for one in other.denials}
    return tuple(one for one in run.denials if kind_of(one) not in before)


def attribute(
    workload: str, runs: Sequence[tuple[Run, str]], known: Sequence[Run]
) -> tuple[Attributed, ...]:
    """Return the refusals of a workload's runs, sorted; each run with what came of it."""
    met: dict[tuple[Denial, bool], list[tuple[int, str]]] = {}
    for run, effect in runs:
        added = set(new_denials(run, known))
        for one in run.denials:
            key = _without_count(one), one in added
            met.setdefault(key, []).append((one.count, effect if one in added else BASELINE))
    return tuple(
        sorted(
            Attributed(
                workload,
                _with_count(one, sum(count for count, _ in times)),
                len(times),
                len(runs),
                min((effect for _, effect in times), key=EFFECTS.index),
            )
            for (one, _), times in met.items()
        )
    )


def describe(denial: Denial) -> str:
    """Return a refusal in words, without its count."""
    answer = errno_name(denial.errno) if denial.errno else "killed by SIGSYS"
    values = ", ".join(f"argument {index}: {value:#x}" for index, _, value in denial.arguments)
    arch = "" if denial.arch in ("x86_64", "aarch64") else f"{denial.arch} "
    return (
        f"{arch}{denial.name}{f' ({values})' if values else ''} refused with {answer}"
        f" to {denial.program or '?'}"
        f"{' (the container runtime)' if denial.phase == 'runtime' else ''}"
    )


def _without_count(denial: Denial) -> Denial:
    return _with_count(denial, 0)


def _with_count(one: Denial, count: int) -> Denial:
    return Denial(
        one.arch, one.name, one.number, one.errno, one.phase, one.program, count, one.arguments
    )
