"""Make one recording of many.

The result does not depend on the order, neither on how often a recording is given, nor on whether
some of them had been combined before.  What a profile would be made from is the same as with the
recordings one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace

from synth.document import compact_json
from synth.errors import DataError
from synth.model import Filter, Health, Host, Recording, Run, Source, Subject, Workload
from synth.recording import recording_digest
from synth.wire import run_to

SEVERAL = "several"
"""Stands in the host of a combined recording for values that its sources do not share."""

MAX_RUNS, MAX_WORKLOADS, MAX_SENTENCES, MAX_REASON = 20_000, 1024, 1024, 1024
_MAY_DIFFER = ("image", "libc")  # names of what is known by its digest
_SEPARATOR = "; "


def merge_recordings(recordings: Sequence[Recording], names: Sequence[str] = ()) -> Recording:
    """Return the recordings as one; there must be at least one.

    ``names`` are the files', for messages.  Raises ``DataError`` (``mixed-baselines``,
    ``mixed-architectures``, ``cannot-combine``) if they are not of one container and filter.
    """
    where = ", ".join(names[:4]) or "recordings"
    return Recording(
        subject=_subject([one.subject for one in recordings], where),
        host=_host([one.host for one in recordings], where),
        filter=_filter([one.filter for one in recordings], where),
        probes=tuple(sorted({probe for one in recordings for probe in one.probes})),
        health=_health([one.health for one in recordings], where),
        workloads=_workloads([one.workloads for one in recordings], where),
        runs=_runs([run for one in recordings for run in one.runs], where),
        partial=any(one.partial for one in recordings),
        sources=tuple(sorted({source for one in recordings for source in _sources(one)})),
    )


def _sources(recording: Recording) -> tuple[Source, ...]:
    return recording.sources or (Source(recording_digest(recording), recording.host),)


def _subject(subjects: Sequence[Subject], where: str) -> Subject:
    """Return the container; all must be the same one, by image digest and options."""
    for field in fields(Subject):
        if (
            field.name not in _MAY_DIFFER
            and len({getattr(one, field.name) for one in subjects}) > 1
        ):
            what = field.name.replace("_", " ")
            raise _refused(f"the containers differ in their {what}", where)
    libcs = sorted({one.libc for one in subjects} - {""})
    image = min(one.image for one in subjects)
    return replace(subjects[0], image=image, libc=libcs[0] if libcs else "")


def _host(hosts: Sequence[Host], where: str) -> Host:
    """Return what the hosts have in common, and their oldest kernel."""
    if len({one.arch for one in hosts}) > 1:
        raise DataError(
            "the recordings are of different architectures",
            where=where,
            slug="mixed-architectures",
            fix="combine those of one architecture",
        )

    def shared(value: Callable[[Host], str]) -> str:
        found = {value(one) for one in hosts}
        return found.pop() if len(found) == 1 else SEVERAL

    return Host(
        kernel=min((one.kernel for one in hosts), key=lambda text: (_numbers(text), text)),
        arch=hosts[0].arch,
        engine=shared(lambda one: one.engine),
        engine_version=shared(lambda one: one.engine_version),
        runtime=shared(lambda one: one.runtime),
        runtime_version=shared(lambda one: one.runtime_version),
        cgroup=shared(lambda one: one.cgroup),
    )


def _filter(filters: Sequence[Filter], where: str) -> Filter:
    if len(set(filters)) > 1:
        known = sorted({one.baseline or one.kind for one in filters})
        raise DataError(
            f"the recordings were made under different default profiles ({', '.join(known)})",
            where=where,
            slug="mixed-baselines",
            fix="combine those of one engine version",
        )
    return filters[0]


def _health(healths: Sequence[Health], where: str) -> Health:
    """Return the worst of all: every problem, every note, every reason."""
    problems = sorted({text for one in healths for text in one.problems})
    notes = sorted({text for one in healths for text in one.notes})
    if max(len(problems), len(notes)) > MAX_SENTENCES:
        raise _refused("they have too many problems and notes", where)
    reasons = {
        reason
        for one in healths
        if one.capabilities != "recorded"
        for reason in one.capabilities.split(_SEPARATOR)
    }
    capabilities = _SEPARATOR.join(sorted(reasons)) or "recorded"
    if len(capabilities) > MAX_REASON:
        raise _refused("they have too many reasons for missing capabilities", where)
    return Health(tuple(problems), tuple(notes), capabilities)


def _workloads(lists: Sequence[tuple[Workload, ...]], where: str) -> tuple[Workload, ...]:
    """Return every workload once; a name must mean the same command everywhere.

    Their order is kept if it is the same in all recordings, and is that of the names if not.
    """
    merged: dict[str, Workload] = {}
    for work in (work for one in lists for work in one):
        known = merged.setdefault(work.name, work)
        if _meaning(known) != _meaning(work):
            raise _refused(f"workload {work.name!r} is not the same in all of them", where)
        merged[work.name] = replace(
            known,
            timeout_s=max(known.timeout_s, work.timeout_s),
            repeat=max(known.repeat, work.repeat),
        )
    if len(merged) > MAX_WORKLOADS:
        raise _refused(f"they have more than {MAX_WORKLOADS} workloads", where)
    orders = {tuple(work.name for work in one) for one in lists}
    order = orders.pop() if len(orders) == 1 else sorted(merged)
    return tuple(merged[name] for name in order)


def _meaning(work: Workload) -> tuple[object, ...]:
    return (work.command, work.mode, work.expected_exit)


def _runs(runs: Iterable[Run], where: str) -> tuple[Run, ...]:
    """Return every run once, numbered anew within its workload."""
    known = {compact_json(run_to(replace(run, index=0))): run for run in runs}
    if len(known) > MAX_RUNS:
        raise _refused(f"they have more than {MAX_RUNS} runs", where)
    counts: dict[str, int] = {}
    result = []
    for text in sorted(known, key=lambda one: (known[one].workload, one)):
        run = known[text]
        index = counts.get(run.workload, 0)
        counts[run.workload] = index + 1
        result.append(replace(run, index=index))
    return tuple(result)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,6}(\.\d{1,6}){0,3}", version, re.ASCII)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _refused(what: str, where: str) -> DataError:
    return DataError(
        f"cannot be made one recording: {what}",
        where=where,
        slug="cannot-combine",
        fix="synth, check and report take several recordings as they are",
    )
