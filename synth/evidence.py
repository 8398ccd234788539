"""Combine recordings into what a profile is made from: who needed what.

Combining is a union: the order does not matter, neither does giving a recording twice, and
more recordings never take anything away.  Counts are left out, since they would not be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

from synth.errors import DataError
from synth.model import ArgumentUse, Filter, Host, Recording, Run, Subject
from synth.recording import recording_digest

INT = 0xFFFF_FFFF
"""The bits of a register that the kernel takes for an ``int`` parameter."""

ARGUMENTS = 6


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
    workload: str


@dataclass(frozen=True)
class Evidence:
    """The union of what recordings hold.

    ``syscalls`` and ``values`` are by ``(arch, name)``.  ``unknown`` holds ``(arch, name,
    position)`` of the arguments of which some run did not record every value.
    ``capability_notes`` say why capability uses are missing, if they are; ``problems`` what was
    wrong with a recording used all the same.
    """

    syscalls: Mapping[tuple[str, str], frozenset[Use]]
    values: Mapping[tuple[str, str], frozenset[Value]]
    unknown: frozenset[tuple[str, str, int]]
    refusals: frozenset[Refusal]
    capabilities: Mapping[str, frozenset[Grant]]
    capability_notes: frozenset[str]
    subjects: frozenset[Subject]
    hosts: frozenset[Host]
    filters: frozenset[Filter]
    problems: frozenset[str]
    digests: frozenset[str]

    @property
    def arch(self) -> str:
        """The native architecture; ``require_usable`` makes sure that there is only one."""
        return min(host.arch for host in self.hosts)

    @property
    def no_new_privileges(self) -> bool:
        """Tell whether every container ran without being able to gain privileges."""
        return all(subject.no_new_privileges for subject in self.subjects)

    def foreign_arches(self) -> tuple[str, ...]:
        """Return the other architectures whose calls were let through, sorted."""
        return tuple(sorted({arch for arch, _ in self.syscalls} - {self.arch}))

    def known_values(self, name: str, position: int) -> frozenset[int] | None:
        """Return every value that this argument had, on any architecture the call was made on.

        ``None`` if they are not all known: then nothing may be narrowed by them.
        """
        keys = [key for key in self.syscalls if key[1] == name]
        if not keys or any((*key, position) in self.unknown for key in keys):
            return None
        return frozenset(
            seen.value
            for key in keys
            for seen in self.values.get(key, frozenset())
            if seen.position == position
        )

    def workload_names(self) -> frozenset[tuple[str, str]]:
        """Return ``(arch, name)`` of the calls that workloads, not the runtime, made."""
        return frozenset(
            key
            for key, uses in self.syscalls.items()
            if any(use.phase == "workload" for use in uses)
        )


def combine(recordings: Sequence[Recording]) -> Evidence:
    """Return the union of ``recordings``; there must be at least one."""
    syscalls: dict[tuple[str, str], set[Use]] = {}
    values: dict[tuple[str, str], set[Value]] = {}
    unknown: set[tuple[str, str, int]] = set()
    refusals: set[Refusal] = set()
    capabilities: dict[str, set[Grant]] = {}
    # One set for all, grown in place: merging them one by one would copy everything each time.
    for run in (run for recording in recordings for run in recording.runs):
        for use in run.syscalls:
            uses = syscalls.setdefault((use.arch, use.name), set())
            uses.add(Use(use.phase, run.workload, use.program))
            uses.update(Use(use.phase, run.workload, program) for program in use.others)
        for seen in run.arguments:
            key = (seen.arch, seen.name)
            if not seen.pointed:
                values.setdefault(key, set()).update(
                    Value(index, mask, row[column], run.workload)
                    for row in seen.values
                    for column, (index, mask) in enumerate(seen.fields)
                )
        _add_unknown(unknown, run)
        refusals.update(
            Refusal(one.arch, one.name, one.errno, one.arguments, run.workload, one.program)
            for one in run.denials
        )
        for granted in run.capabilities:
            capabilities.setdefault(granted.name, set()).add(
                Grant(run.workload, granted.program, granted.syscall)
            )
    notes = {recording.health.capabilities for recording in recordings} - {"recorded"}
    return Evidence(
        syscalls=_frozen(syscalls),
        values=_frozen(values),
        unknown=frozenset(unknown),
        refusals=frozenset(refusals),
        capabilities=_frozen(capabilities),
        capability_notes=frozenset(notes),
        subjects=frozenset(recording.subject for recording in recordings),
        hosts=frozenset(host for recording in recordings for host in _hosts(recording)),
        filters=frozenset(recording.filter for recording in recordings),
        problems=frozenset(one for recording in recordings for one in _problems(recording)),
        digests=frozenset(one for recording in recordings for one in _digests(recording)),
    )


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


def _hosts(recording: Recording) -> tuple[Host, ...]:
    """Return the hosts of the recordings that a combined one is made of, or its own."""
    return tuple(one.host for one in recording.sources) or (recording.host,)


def _digests(recording: Recording) -> tuple[str, ...]:
    """Return the digests of the recordings that a combined one is made of, or its own."""
    return tuple(one.sha256 for one in recording.sources) or (recording_digest(recording),)


def _add_unknown(unknown: set[tuple[str, str, int]], run: Run) -> None:
    """Add the arguments of a run's calls whose values are not all in it."""
    known = {(seen.arch, seen.name): _known_positions(seen) for seen in run.arguments}
    for key in {(use.arch, use.name) for use in run.syscalls} | known.keys():
        unknown |= _triples(key, known.get(key, frozenset()))


@cache
def _triples(key: tuple[str, str], known: frozenset[int]) -> frozenset[tuple[str, str, int]]:
    """Return ``(arch, name, position)`` of all positions but the known ones."""
    return frozenset((*key, one) for one in range(ARGUMENTS) if one not in known)


def _known_positions(seen: ArgumentUse) -> frozenset[int]:
    """A value under a smaller mask stands for many: it is not known."""
    if seen.overflow or seen.pointed or not seen.values:
        return frozenset()
    return frozenset(index for index, mask in seen.fields if mask & INT == INT)


def _problems(recording: Recording) -> list[str]:
    found = list(recording.health.problems)
    if recording.partial:
        found.append("the recording was interrupted and is partial")
    found += [
        f"workload {run.workload} did not succeed when recorded ({run.outcome})"
        for run in recording.runs
        if run.outcome != "ok"
    ]
    return found


def _frozen(table: Mapping[Any, Iterable[Any]]) -> dict[Any, frozenset[Any]]:
    return {key: frozenset(table[key]) for key in sorted(table)}


def require_usable(
    recordings: Sequence[Recording],
    *,
    allow_unhealthy: bool,
    names: Sequence[str] = (),
) -> None:
    """Refuse recordings that a profile must not be made from.

    ``names`` are the files', for the message.  ``allow_unhealthy`` lets partial, unhealthy and
    failed ones pass, never an empty one: the smallest profile must not come from a container
    that was not watched.  Raises ``DataError``.
    """
    for position, recording in enumerate(recordings):
        where = names[position] if position < len(names) else "recording"
        _require_content(recording, where)
        if not allow_unhealthy:
            _require_healthy(recording, where)
    if len({recording.host.arch for recording in recordings}) > 1:
        raise DataError(
            "the recordings are of different architectures",
            where=", ".join(names),
            slug="mixed-architectures",
            fix="make one profile for each",
        )


def recorded_baseline(evidence: Evidence) -> str:
    """Return the name of the default profile that all recordings ran under.

    Raises ``DataError`` if they ran under several, or under a profile of the user's own: what
    was refused then says nothing about one default.
    """
    found = sorted({(one.kind, one.baseline) for one in evidence.filters})
    kind, baseline = found[0]
    if len(found) == 1 and kind == "default" and baseline:
        return baseline
    what = ", ".join(name or kind for kind, name in found)
    raise DataError(
        f"the recordings were not made under one known default profile ({what})",
        slug="mixed-baselines",
        fix="record them on one engine, or choose with --baseline NAME",
    )


def _require_content(recording: Recording, where: str) -> None:
    """A run that ended well has made syscalls; if none was seen it was not watched."""
    filled = [any(use.phase == "workload" for use in run.syscalls) for run in recording.runs]
    blind = [
        run.workload
        for run, some in zip(recording.runs, filled, strict=True)
        if run.outcome == "ok" and not some
    ]
    if any(filled) and not blind:
        return
    who = f"workload {blind[0]!r} made no syscall" if blind else "no workload made a syscall"
    raise DataError(
        f"empty recording: {who} in it",
        where=where,
        slug="empty-recording",
        fix="record again, and look at what the container prints",
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
