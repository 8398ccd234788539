"""Ask of each workload what it would lack under a profile made from all the others.

What one workload of a kind lacks that was left out is what the next one, which nobody recorded,
may lack: the nearest to a proof of a profile on new work that recordings can give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from synth.denials import new_denials
from synth.model import Denial, Finding, Recording, Run
from synth.offline import compared_by, held, shown_arguments
from synth.resolve import Resolved
from synth.text import many

WOULD_LACK = "SS809"
MAX_EVIDENCE = 100
MAIN = "main"


@dataclass(frozen=True, slots=True, order=True)
class Lacked:
    """A call that a workload would be refused; ``values`` are the arguments, if they matter."""

    arch: str
    name: str
    values: str = ""
    program: str = ""

    def describe(self) -> str:
        """Return the call as a reader knows it."""
        arch = "" if self.arch in ("x86_64", "aarch64") else f"{self.arch} "
        return f"{arch}{self.name}{f'({self.values})' if self.values else ''}"


Oracle = Callable[[tuple[Recording, ...], tuple[Recording, ...]], Iterable[Lacked]]
"""Tell what a workload lacks: the recordings without it, and those of it alone."""


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One workload that was left out.

    ``calls``: how many it makes, by name and architecture.  ``own``: those no other makes.
    ``lacked``: what a profile of the others refuses it.  ``alone``: there was no other.
    """

    workload: str
    calls: int
    lacked: tuple[Lacked, ...]
    own: tuple[str, ...]
    alone: bool = False

    @property
    def covered(self) -> Fraction:
        """Return the share of its calls that it has in full under a profile of the others."""
        missed = len({(one.arch, one.name) for one in self.lacked})
        return Fraction(max(0, self.calls - missed), self.calls) if self.calls else Fraction(1)


@dataclass(frozen=True, slots=True)
class Cross:
    """One row for each workload, sorted by name."""

    rows: tuple[Row, ...]

    @property
    def lacking(self) -> int:
        """Count the workloads that would lack something."""
        return sum(bool(row.lacked) for row in self.rows)

    @property
    def covered(self) -> Fraction:
        """Return the mean share; every workload counts alike."""
        if not self.rows:
            return Fraction(1)
        return sum((row.covered for row in self.rows), Fraction()) / len(self.rows)


def workloads(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return the workloads that can be left out, sorted; a container's own process is none."""
    return tuple(
        sorted({one.name for each in recordings for one in each.workloads if one.mode != MAIN})
    )


def without_workload(recordings: Sequence[Recording], name: str) -> tuple[Recording, ...]:
    """Return the recordings without one workload; those with no other workload vanish.

    The container's own process stays with the workloads that are left, and is never dropped.
    """
    return _kept(recordings, lambda workload: workload != name)


def only_workload(recordings: Sequence[Recording], name: str) -> tuple[Recording, ...]:
    """Return the recordings of one workload, and of the containers' own processes beside it."""
    return _kept(recordings, lambda workload: workload == name)


def _kept(recordings: Sequence[Recording], wanted: Callable[[str], bool]) -> tuple[Recording, ...]:
    result = []
    for one in recordings:
        own = {work.name for work in one.workloads if work.mode == MAIN}
        runs = tuple(run for run in one.runs if run.workload in own or wanted(run.workload))
        if any(run.workload not in own for run in runs):
            left = tuple(work for work in one.workloads if work.name in own or wanted(work.name))
            result.append(replace(one, runs=runs, workloads=left))
    return tuple(result)


def cross(recordings: Sequence[Recording], oracle: Oracle) -> Cross:
    """Leave out each workload in turn and ask what it would lack."""
    rows = []
    for name in workloads(recordings):
        rest, alone = without_workload(recordings, name), only_workload(recordings, name)
        calls = _calls(run for one in recordings for run in one.runs if run.workload == name)
        others = _calls(run for one in rest for run in one.runs)
        lacked = set(oracle(rest, alone)) if rest else {Lacked(*call) for call in calls}
        own = tuple(sorted(Lacked(*call).describe() for call in calls - others))
        rows.append(Row(name, len(calls), tuple(sorted(lacked)), own, not rest))
    return Cross(tuple(rows))


def lacked_live(name: str, runs: Iterable[Run], recordings: Sequence[Recording]) -> set[Lacked]:
    """Return what runs of a workload were refused that they were not when recorded."""
    known = [run for each in recordings for run in each.runs]
    return {
        Lacked(one.arch, one.name, _values(one), one.program)
        for run in runs
        if run.workload == name
        for one in new_denials(run, known)
    }


def lacked_offline(made: Resolved, recordings: Sequence[Recording], name: str) -> set[Lacked]:
    """Return what of the recorded calls of a workload a profile refuses, without running any.

    Calls of which the values that matter were not recorded are not judged.
    """
    return {
        Lacked(one.arch, one.name, shown_arguments(one.arguments), one.program)
        for each in recordings
        for one in held(each, made.decide, compared_by(made))
        if one.workload == name and one.answer is not None
    }


def offline_oracle(make: Callable[[tuple[Recording, ...]], Resolved]) -> Oracle:
    """Return an oracle that holds recorded calls against the profile that ``make`` returns."""

    def oracle(rest: tuple[Recording, ...], own: tuple[Recording, ...]) -> set[Lacked]:
        made = make(rest)
        names = workloads(own)
        return {one for name in names for one in lacked_offline(made, own, name)}

    return oracle


def cross_findings(result: Cross) -> tuple[Finding, ...]:
    """Return a finding for each workload that would lack something, sorted."""
    found = []
    for row in result.rows:
        calls = sorted({one.describe() for one in row.lacked})
        if calls:
            message = (
                "no other workload was recorded: what the profile allows is its own"
                if row.alone
                else f"a profile of the others would refuse it {many(len(calls), 'call')}"
            )
            evidence = tuple(calls[:MAX_EVIDENCE])
            fix = "record more work of its kind; what one adds, the next may"
            found.append(Finding(WOULD_LACK, "warning", row.workload, message, evidence, fix))
    return tuple(sorted(found))


def _calls(runs: Iterable[Run]) -> frozenset[tuple[str, str]]:
    """Return the calls that programs, not the runtime, made: architecture and name."""
    return frozenset(
        (use.arch, use.name) for run in runs for use in run.syscalls if use.phase == "workload"
    )


def _values(one: Denial) -> str:
    return ", ".join(f"argument {index}: {value:#x}" for index, _, value in one.arguments)
