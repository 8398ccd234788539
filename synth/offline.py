"""Hold recorded calls against a filter, without running anything.

What the recording's kernel let through, a profile should let through as well: every call with
every combination of argument values that was recorded.  Where values were too many to be kept,
or are not known, the answer holds only for those that are.
"""

from __future__ import annotations

from collections.abc import Callable

from synth.model import Answer, ArgumentUse, Finding, Recording, Run
from synth.profile_format import ALLOWING
from synth.resolve import NO_ARGUMENTS
from synth.syscalls import errno_name

WOULD_REFUSE, NOT_DECIDED = "SS217", "SS218"

Decide = Callable[[str, int, tuple[int, ...]], Answer]
"""Answer a call by architecture, number and six arguments."""


LooksAt = Callable[[str, str], frozenset[int]]
"""Name the arguments that the filter's rules for a call (architecture, name) compare."""


def judge_offline(recording: Recording, decide: Decide, looks_at: LooksAt) -> tuple[Finding, ...]:
    """Return one finding for each workload and call that the filter refuses, sorted."""
    found: set[Finding] = set()
    for run in recording.runs:
        found |= _judge_run(run, decide, looks_at)
    return tuple(sorted(found))


def _judge_run(run: Run, decide: Decide, looks_at: LooksAt) -> set[Finding]:
    by_call: dict[tuple[str, str], list[ArgumentUse]] = {}
    for seen in run.arguments:
        if not seen.pointed:
            by_call.setdefault((seen.arch, seen.name), []).append(seen)
    found = set()
    for use in run.syscalls:
        kept = by_call.get((use.arch, use.name), [])
        tuples = {_in_place(seen, values) for seen in kept for values in seen.values}
        label = use.name if use.arch in ("x86_64", "aarch64") else f"{use.arch} {use.name}"
        recorded = {index for seen in kept for index, _ in seen.fields}
        if any(seen.overflow for seen in kept) or looks_at(use.arch, use.name) - recorded:
            message = f"{label}: not all argument values were recorded; the others are not judged"
            found.add(Finding(NOT_DECIDED, "note", run.workload, message))
            if not tuples:
                continue
        for arguments in sorted(tuples or {NO_ARGUMENTS}):
            given = decide(use.arch, use.number, arguments)
            if given.action not in ALLOWING:
                answer = errno_name(given.errno) if given.errno else given.action
                shown = _shown(arguments) if tuples else ""
                message = f"{label}({shown}) would be refused with {answer} to {use.program or '?'}"
                fix = "make the profile again from this recording"
                found.add(Finding(WOULD_REFUSE, "error", run.workload, message, (), fix))
    return found


def _in_place(seen: ArgumentUse, values: tuple[int, ...]) -> tuple[int, ...]:
    """Return six arguments: the recorded values where they belong, zero elsewhere."""
    arguments = list(NO_ARGUMENTS)
    for (index, _), value in zip(seen.fields, values, strict=True):
        arguments[index] = value
    return tuple(arguments)


def _shown(arguments: tuple[int, ...]) -> str:
    shown = list(arguments)
    while len(shown) > 1 and not shown[-1]:
        shown.pop()
    return ", ".join(f"{value:#x}" for value in shown)
