"""Hold recorded calls against a filter, without running anything.

What the recording's kernel let through, a profile should let through as well: every call with
every combination of argument values that was recorded.  Where values were too many to be kept,
or are not known, the answer holds only for those that are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synth.model import Answer, ArgumentUse, Finding, Recording, Run
from synth.profile_format import ALLOWING
from synth.resolve import NO_ARGUMENTS, Resolved
from synth.syscalls import errno_name

WOULD_REFUSE, NOT_DECIDED = "SS217", "SS218"

Decide = Callable[[str, int, tuple[int, ...]], Answer]
"""Answer a call by architecture, number and six arguments."""


LooksAt = Callable[[str, str], frozenset[int]]
"""Name the arguments that the filter's rules for a call (architecture, name) compare."""


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A recorded call that is refused, or of which that is not known (``answer`` is ``None``).

    ``arguments`` are six values, or none where none were recorded.
    """

    workload: str
    arch: str
    name: str
    arguments: tuple[int, ...] = ()
    program: str = ""
    answer: Answer | None = None


def compared_by(profile: Resolved) -> LooksAt:
    """Return what names the arguments that a profile's rules for a call compare."""

    def looks_at(arch: str, name: str) -> frozenset[int]:
        if arch not in profile.arches():
            return frozenset()
        return frozenset(one.index for each in profile.allowed(name, arch) for one in each)

    return looks_at


def judge_offline(recording: Recording, decide: Decide, looks_at: LooksAt) -> tuple[Finding, ...]:
    """Return one finding for each workload and call that the filter refuses, sorted."""
    return tuple(sorted({_finding(one) for one in held(recording, decide, looks_at)}))


def held(recording: Recording, decide: Decide, looks_at: LooksAt) -> frozenset[Held]:
    """Return the recorded calls that the filter refuses, and those that cannot be judged."""
    found: set[Held] = set()
    for run in recording.runs:
        found |= _held_run(run, decide, looks_at)
    return frozenset(found)


def _held_run(run: Run, decide: Decide, looks_at: LooksAt) -> set[Held]:
    by_call: dict[tuple[str, str], list[ArgumentUse]] = {}
    for seen in run.arguments:
        if not seen.pointed:
            by_call.setdefault((seen.arch, seen.name), []).append(seen)
    found = set()
    for use in run.syscalls:
        kept = by_call.get((use.arch, use.name), [])
        tuples = {_in_place(seen, values) for seen in kept for values in seen.values}
        recorded = {index for seen in kept for index, _ in seen.fields}
        if any(seen.overflow for seen in kept) or looks_at(use.arch, use.name) - recorded:
            found.add(Held(run.workload, use.arch, use.name))
            if not tuples:
                continue
        for arguments in sorted(tuples or {NO_ARGUMENTS}):
            given = decide(use.arch, use.number, arguments)
            if given.action not in ALLOWING:
                shown = arguments if tuples else ()
                found.add(Held(run.workload, use.arch, use.name, shown, use.program, given))
    return found


def _finding(one: Held) -> Finding:
    label = one.name if one.arch in ("x86_64", "aarch64") else f"{one.arch} {one.name}"
    if one.answer is None:
        message = f"{label}: not all argument values were recorded; the others are not judged"
        return Finding(NOT_DECIDED, "note", one.workload, message)
    answer = errno_name(one.answer.errno) if one.answer.errno else one.answer.action
    shown = shown_arguments(one.arguments) if one.arguments else ""
    message = f"{label}({shown}) would be refused with {answer} to {one.program or '?'}"
    fix = "make the profile again from this recording"
    return Finding(WOULD_REFUSE, "error", one.workload, message, (), fix)


def _in_place(seen: ArgumentUse, values: tuple[int, ...]) -> tuple[int, ...]:
    """Return six arguments: the recorded values where they belong, zero elsewhere."""
    arguments = list(NO_ARGUMENTS)
    for (index, _), value in zip(seen.fields, values, strict=True):
        arguments[index] = value
    return tuple(arguments)


def shown_arguments(arguments: tuple[int, ...]) -> str:
    """Return the values up to the last that is not zero."""
    shown = list(arguments)
    while len(shown) > 1 and not shown[-1]:
        shown.pop()
    return ", ".join(f"{value:#x}" for value in shown)
