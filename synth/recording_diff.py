"""Compare two recordings: which calls, refusals and capabilities each workload has in one only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from synth.denials import describe
from synth.environment import LABELS, environments, moved
from synth.model import Finding, Recording, Run

CALLS_NEW, CALLS_GONE, CHECKS, REFUSALS = "SS131", "SS132", "SS133", "SS134"
MOVED, ONE_ONLY = "SS128", "SS129"


def compare_recordings(new: Recording, old: Recording) -> tuple[Finding, ...]:
    """Return what is different in ``new``, workload by workload, sorted."""
    now, before = _by_workload(new), _by_workload(old)
    found = {*_environment(new, old)}
    for name in sorted(set(now) | set(before)):
        if name not in now or name not in before:
            which = "newer" if name in now else "older"
            found.add(Finding(ONE_ONLY, "note", name, f"was recorded in the {which} one only"))
        else:
            found |= set(_workload(name, now[name], before[name]))
    return tuple(sorted(found))


def _by_workload(recording: Recording) -> Mapping[str, list[Run]]:
    result: dict[str, list[Run]] = {}
    for run in recording.runs:
        result.setdefault(run.workload, []).append(run)
    return result


def _workload(name: str, new: list[Run], old: list[Run]) -> Iterator[Finding]:
    gained, lost = _apart(new, old, _calls)
    if gained:
        yield Finding(CALLS_NEW, "note", name, "makes calls that it did not make before", gained)
    if lost:
        yield Finding(CALLS_GONE, "note", name, "no longer makes calls", lost)
    for identifier, what, of in (
        (CHECKS, "uses capabilities", _capabilities),
        (REFUSALS, "is refused calls", _refusals),
    ):
        gained, lost = _apart(new, old, of)
        if gained:
            yield Finding(identifier, "note", name, f"{what} as it was not before", gained)
        if lost:
            yield Finding(identifier, "note", name, f"{what} no longer", lost)


def _apart(
    new: list[Run], old: list[Run], of: Callable[[Run], Iterable[str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what only the new runs have, and what only the old ones have."""
    now = {one for run in new for one in of(run)}
    before = {one for run in old for one in of(run)}
    return tuple(sorted(now - before)), tuple(sorted(before - now))


def _calls(run: Run) -> Iterator[str]:
    for use in run.syscalls:
        arch = "" if use.arch in ("x86_64", "aarch64") else f"{use.arch} "
        runtime = " (the container runtime)" if use.phase == "runtime" else ""
        yield f"{arch}{use.name}{runtime}"


def _capabilities(run: Run) -> Iterator[str]:
    for use in run.capabilities:
        yield f"{use.name} in {use.syscall or 'no syscall'}"


def _refusals(run: Run) -> Iterator[str]:
    for one in run.denials:
        yield describe(one)


def _environment(new: Recording, old: Recording) -> Iterator[Finding]:
    for move in moved(environments([old]), environments([new])):
        message = f"{', '.join(move.before)} before, {', '.join(move.after)} now"
        yield Finding(MOVED, "note", LABELS[move.field], message)
