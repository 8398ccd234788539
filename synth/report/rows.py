"""Turn evidence, comparison and replays into the rows of a report; see ``model`` for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from synth.diff import Difference
from synth.evidence import INT, Evidence
from synth.model import Comparison, Conjunction, Denial, Recording, Run
from synth.narrow import FAMILY_NAMES
from synth.replay import Replay
from synth.report.model import (
    NO,
    OPEN,
    YES,
    CapabilityRow,
    DenialRow,
    GradeRow,
    RecordingRow,
    RemovedRow,
    SyscallRow,
    WorkloadRow,
)
from synth.report.risk import GRADES, risk_of
from synth.resolve import ALWAYS, Resolved
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, errno_name, syscall_names
from synth.text import listed, one_line, printable
from synth.wanted import Decision

MAX_ROWS = 500
"""Most workloads and kinds of refusals that a report lists."""
SHOWN = 8
"""Most names in one cell of a table."""
COMMAND = 300
"""Characters of a workload's command that are shown."""

_EQUIVALENCE = re.compile(r", class [AB]$")
"""The class of an equivalence, which would be taken for a risk class here."""

UNKNOWN = "unknown"
"""Origin of an allowed call that neither recordings nor provenance explain."""


def recording_rows(
    named: Sequence[tuple[str, Recording]], digests: Sequence[str]
) -> list[RecordingRow]:
    """Return one row a recording, in the order given."""
    rows = []
    for (name, recording), digest in zip(named, digests, strict=True):
        problems = list(recording.health.problems)
        if recording.partial:
            problems.append("interrupted: the recording is partial")
        problems += [
            f"{run.workload} did not succeed when recorded ({run.outcome})"
            for run in recording.runs
            if run.outcome != "ok"
        ]
        notes = list(recording.health.notes)
        if recording.health.capabilities != "recorded":
            notes.append(f"capabilities: {recording.health.capabilities}")
        rows.append(
            RecordingRow(
                one_line(name),
                digest,
                len(recording.runs),
                len({run.workload for run in recording.runs}),
                not problems,
                lines(problems),
                lines(notes),
            )
        )
    return rows


def workload_rows(
    recordings: Sequence[Recording],
    evidence: Evidence,
    passed: Set[str],
    failed: Set[str],
) -> tuple[WorkloadRow, ...]:
    """Return one row a workload, sorted; ``passed`` and ``failed`` in the validations."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for recording in recordings:
        for run in recording.runs:
            runs[run.workload].append(run)
    defined = {work.name: work for recording in recordings for work in recording.workloads}
    makers: dict[str, set[str]] = defaultdict(set)
    for (arch, name), uses in evidence.syscalls.items():
        for use in uses:
            if use.phase == "workload":
                makers[f"{arch} {name}"].add(use.workload)
    rows = []
    for name in sorted(runs)[:MAX_ROWS]:
        mine = runs[name]
        bad = [run.outcome for run in mine if run.outcome != "ok"]
        rows.append(
            WorkloadRow(
                name=one_line(name, 64),
                command=one_line(" ".join(defined[name].command), COMMAND),
                mode=defined[name].mode,
                runs=len(mine),
                outcome="ok" if not bad else f"{bad[0]} ({len(bad)} of {len(mine)})",
                seconds=round(max(run.duration_ms for run in mine) / 1000, 1),
                syscalls=sum(name in who for who in makers.values()),
                only=sum(who == {name} for who in makers.values()),
                validated=NO if name in failed else YES if name in passed else OPEN,
            )
        )
    return tuple(rows)


def syscall_rows(
    difference: Difference,
    profile: Resolved,
    decisions: Mapping[str, Decision],
    lines: Mapping[str, int],
) -> tuple[SyscallRow, ...]:
    """Return one row for every syscall of the architecture that the profile allows."""
    native = syscall_names(difference.arch)
    status = dict.fromkeys(difference.kept, "kept")
    status |= {one.name: "narrowed" for one in difference.narrowed}
    status |= {one.name: "widened" for one in difference.widened if one.name in native}
    rows = []
    for name in sorted(status):
        decision = decisions.get(name)
        risk = risk_of(name)
        rows.append(
            SyscallRow(
                name=name,
                status=status[name],
                condition=condition_text(name, profile.allowed(name)),
                origin=UNKNOWN if decision is None else str(decision.origin),
                reason="" if decision is None else one_line(_EQUIVALENCE.sub("", decision.reason)),
                workloads=cell(() if decision is None else decision.workloads),
                programs=cell(() if decision is None else decision.programs),
                grade=risk.grade,
                risk=risk.why,
                line=lines.get(name, 0),
            )
        )
    return tuple(rows)


def removed_rows(difference: Difference) -> tuple[RemovedRow, ...]:
    """Return one row for every syscall that only the baseline allows."""
    return tuple(RemovedRow(name, *risk_of(name)) for name in difference.removed)


def grade_rows(
    syscalls: Iterable[SyscallRow], removed: Iterable[RemovedRow]
) -> tuple[GradeRow, ...]:
    """Count what is kept, narrowed, widened and removed in each risk class."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in syscalls:
        counts[row.grade, row.status] += 1
    for gone in removed:
        counts[gone.grade, "removed"] += 1
    return tuple(
        GradeRow(
            grade,
            meaning,
            *(counts[grade, one] for one in ("kept", "narrowed", "removed", "widened")),
        )
        for grade, meaning in GRADES
    )


def condition_text(name: str, allowed: Sequence[Conjunction]) -> str:
    """Return argument conditions as text; empty if the call is always allowed.

    Conditions on one argument under one mask are written as a list of values.
    """
    if tuple(allowed) == ALWAYS:
        return ""
    grouped: dict[str, list[str]] = {}
    for conjunction in allowed:
        if len(conjunction) == 1:
            head, value = _comparison(conjunction[0])
            grouped.setdefault(head, []).append(value)
        else:
            whole = " and ".join(" ".join(_comparison(one)) for one in conjunction)
            grouped.setdefault(whole, [])
    if name == "socket" and set(grouped) == {"argument 0 ="}:
        known = {f"{number:#x}": label for number, label in FAMILY_NAMES.items()}
        return f"family {listed((known.get(one, one) for one in grouped['argument 0 =']), 16)}"
    parts = [
        f"{head} {listed(sorted(values, key=lambda one: (len(one), one)), 16)}" if values else head
        for head, values in grouped.items()
    ]
    return "; or ".join(parts)


def capability_rows(evidence: Evidence, granted: Iterable[str]) -> tuple[CapabilityRow, ...]:
    """Return the capabilities granted, used or in Docker's default: the granted ones first."""
    given = set(granted)
    names = given | set(evidence.capabilities) | DOCKER_DEFAULT_CAPABILITIES
    rows = []
    for name in sorted(names, key=lambda one: (one not in given, one)):
        uses = {
            f"{grant.workload}: {printable(grant.program)} ({grant.syscall or 'no syscall'})"
            for grant in evidence.capabilities.get(name, ())
        }
        rows.append(
            CapabilityRow(name, name in given, name in DOCKER_DEFAULT_CAPABILITIES, cell(uses))
        )
    return tuple(rows)


def denial_rows(
    recordings: Iterable[Recording], replays: Iterable[Replay]
) -> tuple[DenialRow, ...]:
    """Return refusals of recordings and of replays not judged, those that are alike in one row."""
    found: dict[tuple[str, str, str], tuple[set[str], set[str], list[int]]] = {}
    sources = [("recorded", run) for recording in recordings for run in recording.runs]
    sources += [("validated", run) for replay in replays for run in replay.runs]
    for when, run in sources:
        for denial in run.denials:
            key = (when, call_text(denial), answer_text(denial))
            programs, workloads, counts = found.setdefault(key, (set(), set(), []))
            programs.add(printable(denial.program))
            workloads.add(run.workload)
            counts.append(denial.count)
    return tuple(
        DenialRow(*key, cell(programs), cell(workloads), sum(counts))
        for key, (programs, workloads, counts) in sorted(found.items(), key=lambda one: one[0])
    )[:MAX_ROWS]


def _comparison(comparison: Comparison) -> tuple[str, str]:
    """Return a comparison as what is compared, and the value."""
    if comparison.op == "SCMP_CMP_MASKED_EQ":
        mask = "" if comparison.value == INT else f" & {comparison.value:#x}"
        return f"argument {comparison.index}{mask} =", f"{comparison.value_two:#x}"
    sign = {"EQ": "=", "NE": "≠", "LT": "<", "LE": "≤", "GE": "≥", "GT": ">"}
    name = comparison.op.removeprefix("SCMP_CMP_")
    return f"argument {comparison.index} {sign[name]}", f"{comparison.value:#x}"


def answer_text(denial: Denial) -> str:
    """Return what a refused call was answered."""
    return errno_name(denial.errno) if denial.errno else "killed (SIGSYS)"


def call_text(denial: Denial) -> str:
    """Return a refused call with the argument values that a rule looked at."""
    values = ", ".join(f"argument {index} = {value:#x}" for index, _, value in denial.arguments)
    arch = "" if denial.arch in ("x86_64", "aarch64") else f"{denial.arch} "
    return f"{arch}{denial.name}{f' ({values})' if values else ''}"


def cell(items: Iterable[str]) -> tuple[str, ...]:
    """Return names for one cell: sorted, printable, and no more than fit."""
    names = sorted({one_line(item, 160) for item in items})
    rest = len(names) - SHOWN
    return (*names[:SHOWN], f"and {rest} more") if rest > 0 else tuple(names)


def lines(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return sentences as lines that fit, and no more than a report takes."""
    found = [one_line(sentence, 400) for sentence in sentences]
    rest = len(found) - MAX_ROWS
    return (*found[:MAX_ROWS], f"and {rest} more") if rest > 0 else tuple(found)
