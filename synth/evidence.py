"""Combine recordings into what a profile is made from: who needed what.

Combining is a union: the order does not matter, neither does giving a recording twice, and
more recordings never take anything away.  Counts are left out, since they would not be so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from synth.errors import DataError
from synth.model import Host, Recording, Subject
from synth.recording import dump_recording


class Use(NamedTuple):
    """Who made a call: phase, workload and program."""

    phase: str
    workload: str
    program: str


class Refusal(NamedTuple):
    """A call that the filter refused while recording."""

    arch: str
    name: str
    errno: int
    arguments: tuple[tuple[int, int, int], ...]
    workload: str
    program: str


class Grant(NamedTuple):
    """Who used a capability, in which syscall."""

    workload: str
    program: str
    syscall: str


class Value(NamedTuple):
    """One argument value that was seen: position of the argument, mask, value under the mask."""

    position: int
    mask: int
    value: int


@dataclass(frozen=True)
class Evidence:
    """The union of what recordings hold.

    ``syscalls`` and ``values`` are by ``(arch, name)``; ``complete`` holds the keys whose values
    are all known; ``capability_notes`` why capability uses are missing, if they are.
    """

    syscalls: Mapping[tuple[str, str], frozenset[Use]]
    values: Mapping[tuple[str, str], frozenset[Value]]
    overflowed: frozenset[tuple[str, str]]
    refusals: frozenset[Refusal]
    capabilities: Mapping[str, frozenset[Grant]]
    capability_notes: frozenset[str]
    subjects: frozenset[Subject]
    hosts: frozenset[Host]
    digests: frozenset[str]

    def workload_names(self) -> frozenset[tuple[str, str]]:
        """Return ``(arch, name)`` of the calls that workloads, not the runtime, made."""
        return frozenset(
            key
            for key, uses in self.syscalls.items()
            if any(use.phase == "workload" for use in uses)
        )


def combine(recordings: Sequence[Recording]) -> Evidence:
    """Return the union of ``recordings``; there must be at least one."""
    evidence = _single(recordings[0])
    for recording in recordings[1:]:
        evidence = merge(evidence, _single(recording))
    return evidence


def merge(first: Evidence, second: Evidence) -> Evidence:
    """Return the union of two bodies of evidence."""
    merged: dict[str, Any] = {}
    for field in fields(Evidence):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, frozenset):
            merged[field.name] = one | other
        else:
            merged[field.name] = {
                key: one.get(key, frozenset()) | other.get(key, frozenset())
                for key in sorted({*one, *other})
            }
    return Evidence(**merged)


def _single(recording: Recording) -> Evidence:
    syscalls: dict[tuple[str, str], set[Use]] = {}
    values: dict[tuple[str, str], set[Value]] = {}
    overflowed: set[tuple[str, str]] = set()
    refusals: set[Refusal] = set()
    capabilities: dict[str, set[Grant]] = {}
    for run in recording.runs:
        for use in run.syscalls:
            key = (use.arch, use.name)
            syscalls.setdefault(key, set()).add(Use(use.phase, run.workload, use.program))
        for seen in run.arguments:
            key = (seen.arch, seen.name)
            if seen.overflow:
                overflowed.add(key)
            if not seen.pointed:
                values.setdefault(key, set()).update(
                    Value(index, mask, row[column])
                    for row in seen.values
                    for column, (index, mask) in enumerate(seen.fields)
                )
        refusals.update(
            Refusal(one.arch, one.name, one.errno, one.arguments, run.workload, one.program)
            for one in run.denials
        )
        for granted in run.capabilities:
            capabilities.setdefault(granted.name, set()).add(
                Grant(run.workload, granted.program, granted.syscall)
            )
    note = recording.health.capabilities
    return Evidence(
        syscalls=_frozen(syscalls),
        values=_frozen(values),
        overflowed=frozenset(overflowed),
        refusals=frozenset(refusals),
        capabilities=_frozen(capabilities),
        capability_notes=frozenset(() if note == "recorded" else (note,)),
        subjects=frozenset((recording.subject,)),
        hosts=frozenset((recording.host,)),
        digests=frozenset((hashlib.sha256(dump_recording(recording).encode()).hexdigest(),)),
    )


def _frozen(table: Mapping[Any, Iterable[Any]]) -> dict[Any, frozenset[Any]]:
    return {key: frozenset(table[key]) for key in sorted(table)}


def require_usable(
    recordings: Sequence[Recording],
    *,
    allow_unhealthy: bool,
    names: Sequence[str] = (),
    minimum: int = 1,
) -> None:
    """Refuse recordings that a profile must not be made from.

    ``names`` are the files', for the message.  An empty recording cannot be allowed.  Raises
    ``DataError``.
    """
    for position, recording in enumerate(recordings):
        where = names[position] if position < len(names) else "recording"
        seen = sum(any(use.phase == "workload" for use in run.syscalls) for run in recording.runs)
        if seen < minimum:
            raise DataError(
                "empty recording: no workload made a syscall in it",
                where=where,
                slug="empty-recording",
                fix="record again, and look at what the container prints",
            )
        if not allow_unhealthy:
            _require_healthy(recording, where)
    if len({recording.host.arch for recording in recordings}) > 1:
        raise DataError(
            "the recordings are of different architectures",
            where=", ".join(names),
            slug="mixed-architectures",
            fix="make one profile for each",
        )


def _require_healthy(recording: Recording, where: str) -> None:
    if recording.partial:
        raise DataError(
            "the recording was interrupted and is partial",
            where=where,
            slug="partial-recording",
            fix="record again, or add --allow-unhealthy",
        )
    if not recording.health.ok:
        raise DataError(
            f"the recording is not healthy: {recording.health.problems[0]}",
            where=where,
            slug="unhealthy-recording",
            fix="record again, or add --allow-unhealthy",
        )
    bad = [run for run in recording.runs if run.outcome != "ok"]
    if bad:
        raise DataError(
            f"workload {bad[0].workload!r} did not succeed when recorded ({bad[0].outcome})",
            where=where,
            slug="failed-run",
            fix="mend it (or set --expect-exit) and record again, or add --allow-unhealthy",
        )
