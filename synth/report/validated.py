"""Judge the validations of a report, and say how each was made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from synth.denials import BASELINE, EFFECTS, TOLERATED, Attributed
from synth.model import Denial, Finding, Recording, Run
from synth.primitives import Attempted
from synth.replay import RECORDED, Replay
from synth.report.inputs import Inputs
from synth.report.model import NO, OPEN, YES, Check, RefusalRow, TrialRow, ValidationRow
from synth.report.rows import COMMAND, MAX_ROWS, SHOWN, answer_text, call_text, cell, lines
from synth.text import listed, many, one_line, printable
from synth.verdict import MISSING, Verdict, judge

NOT_VALIDATED = "SS609"


@dataclass(frozen=True)
class Validated:
    """What the validations come to.

    ``passed`` are the workloads that passed in every validation they were in.  ``attempts`` are
    all ways out that were tried, ``unjudged`` the replays that do not belong to the profile and
    the recordings.
    """

    findings: tuple[Finding, ...]
    passed: frozenset[str]
    failed: frozenset[str]
    rows: tuple[ValidationRow, ...]
    refusals: tuple[RefusalRow, ...]
    attempts: tuple[Attempted, ...]
    unjudged: tuple[Replay, ...]


def validated(inputs: Inputs) -> Validated:
    """Judge every validation that belongs to the profile and one of the recordings.

    The ways out are left to the evidence of all recordings together: what one of them did not
    need another may.
    """
    findings: list[Finding] = []
    passed: set[str] = set()
    failed: set[str] = set()
    rows: list[ValidationRow] = []
    attributed: list[Attributed] = []
    attempts: list[Attempted] = []
    unjudged: list[Replay] = []
    for name, replay, recording in inputs.pairs():
        if recording is None or replay.profile_sha256 != inputs.profile_sha256:
            why = "another recording" if recording is None else "another profile"
            rows.append(_row(name, replay, f"is of {why}", ()))
            unjudged.append(replay)
            continue
        verdict = judge(recording, replace(replay, attempts=()))
        # across several validations, what one left out another may have
        findings += (one for one in verdict.findings if one.id != MISSING)
        passed |= set(verdict.passed)
        failed |= set(verdict.failed)
        attributed += verdict.denials
        attempts += replay.attempts
        rows.append(_row(name, replay, "", _trials(recording, replay, verdict)))
    workloads = {run.workload for _, recording in inputs.recordings for run in recording.runs}
    missing = sorted(workloads - passed - failed)
    if inputs.replays and missing:
        message = f"{len(missing)} recorded workloads were not validated"
        findings.append(Finding(NOT_VALIDATED, "warning", "validation", message, tuple(missing)))
    return Validated(
        tuple(findings),
        frozenset(passed - failed),
        frozenset(failed),
        tuple(rows),
        _refusals(attributed),
        tuple(attempts),
        tuple(unjudged),
    )


def validation_check(inputs: Inputs, found: Validated) -> Check:
    """Return the question whether the workloads work under the profile, answered."""
    question = "Do the workloads still work under it?"
    if not inputs.replays:
        return Check(question, OPEN, "no validation was given (validate -o, then --validation)")
    if found.failed or any(one.severity == "error" for one in found.findings):
        what = listed(sorted(found.failed), SHOWN) or "see the findings"
        return Check(question, NO, f"failed under the profile: {one_line(what, 400)}")
    missing = [one for one in found.findings if one.id == NOT_VALIDATED]
    if any(row.partial for row in found.rows) or missing or not found.passed:
        detail = missing[0].message if missing else "the validation is partial or of something else"
        return Check(question, OPEN, detail)
    tolerated = sum(row.effect == TOLERATED for row in found.refusals)
    detail = f"{many(len(found.passed), 'workload')} replayed, all passed; {_rounds(found.rows)}"
    if tolerated:
        detail += f"; {many(tolerated, 'refusal')} tolerated"
    return Check(question, YES, detail)


def _rounds(rows: Iterable[ValidationRow]) -> str:
    trials = [one for row in rows if not row.unjudged for one in row.trials]
    often = _span([one.profile_runs for one in trials])
    beside = [one.baseline_runs for one in trials]
    against = f"{_span(beside)} under the baseline" if any(beside) else "compared with recordings"
    return f"each {often} under the profile, {against}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return many(high, "time") if low == high else f"{low} to {high} times"


def _row(name: str, replay: Replay, unjudged: str, trials: tuple[TrialRow, ...]) -> ValidationRow:
    host = replay.host
    return ValidationRow(
        name=one_line(name),
        recording=replay.recording_sha256,
        unjudged=unjudged,
        healthy=replay.health.ok,
        partial=replay.partial,
        problems=lines(replay.health.problems),
        notes=lines(replay.health.notes),
        environment=one_line(
            f"kernel {host.kernel}, {host.engine} {host.engine_version}, "
            f"{host.runtime} {host.runtime_version}, {host.arch}",
            400,
        ),
        capabilities=("as recorded",) if replay.cap_add == RECORDED else replay.cap_add,
        masks=tuple(one_line(mask, COMMAND) for mask in replay.masks),
        tolerant=replay.tolerant,
        attempts=sum(one.outcome is not None for one in replay.attempts),
        trials=trials,
    )


def _trials(recording: Recording, replay: Replay, verdict: Verdict) -> tuple[TrialRow, ...]:
    modes = {work.name: work.mode for work in recording.workloads}
    beside = [run.workload for run in replay.controls]
    rows = []
    for name in sorted({run.workload for run in replay.runs})[:MAX_ROWS]:
        runs = [run for run in replay.runs if run.workload == name]
        mine = [one for one in verdict.denials if one.workload == name]
        rows.append(
            TrialRow(
                workload=one_line(name, 64),
                passed=name in verdict.passed,
                profile_runs=len(runs),
                baseline_runs=beside.count(name),
                compared=_compared(runs, modes.get(name, "")),
                varies=cell(what for work, what in verdict.noise if work == name),
                refused=sum(one.is_error for one in mine),
                tolerated=sum(one.effect == TOLERATED and not one.used for one in mine),
            )
        )
    return tuple(rows)


def _compared(runs: Iterable[Run], mode: str) -> tuple[str, ...]:
    """Return what of a workload is compared with the baseline's."""
    outputs = ("HTTP status", "answer") if mode == "probe" else ("exit status", "stdout", "stderr")
    return (*outputs, *cell(one.path for run in runs for one in run.files))


def _refusals(attributed: Iterable[Attributed]) -> tuple[RefusalRow, ...]:
    """Return the refusals, the worst first; what several validations say alike in one row."""
    rows = {_refusal(one) for one in attributed}
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                order[row.severity],
                EFFECTS.index(row.effect),
                row.workload,
                row.call,
                row.answer,
                row.program,
                row.runtime,
                row.count,
                row.runs,
                row.of,
            ),
        )
    )[:MAX_ROWS]


def _refusal(one: Attributed) -> RefusalRow:
    denial: Denial = one.denial
    ours = "error" if one.is_error else "warning"
    return RefusalRow(
        severity="note" if one.effect == BASELINE else ours,
        effect=one.effect,
        used=one.used,
        workload=one_line(one.workload, 64),
        call=call_text(denial),
        answer=answer_text(denial),
        program=printable(denial.program),
        runtime=denial.phase == "runtime",
        count=denial.count,
        runs=one.runs,
        of=one.of,
    )
