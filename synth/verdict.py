"""Judge a replay: did each workload do the same under the profile, and what was it refused.

A pure function of the recording and the replay.  An exit status alone is no verdict: scripts
swallow failures, so output, files and answers count as much.  A difference is noise where it is
also there between two runs under the baseline, or where nothing was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from synth.compare import DIFFERENT, SAME, compare_run
from synth.denials import (
    BASELINE,
    DIFFERS,
    FAILED,
    TOLERATED,
    Attributed,
    attribute,
    describe,
    new_denials,
)
from synth.evidence import combine
from synth.model import Denial, Finding, Recording, Run
from synth.replay import Replay
from synth.shut import judge_attempts

FAILS, NOT_STARTED, NOT_LIVE = "SS201", "SS202", "SS203"
REFUSED, UNNOTICED, REFUSED_ANYWAY = "SS204", "SS205", "SS206"
CHANGED, VARIES, CAPABILITY_LOST = "SS207", "SS208", "SS209"
UNHEALTHY, FAILS_ANYWAY, MISSING = "SS210", "SS219", "SS220"


@dataclass(frozen=True)
class Verdict:
    """The answer and its reasons.

    ``passed`` names the workloads without an error, ``denials`` are all refusals, attributed.
    ``lost`` are capabilities that a workload which went wrong uses under the baseline and was
    not seen to use in the replay; ``noise`` are workloads with what of theirs varies by itself
    and was not compared.
    """

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    denials: tuple[Attributed, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    noise: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether every workload passed."""
        return not self.failed and not any(one.severity == "error" for one in self.findings)


@dataclass(frozen=True)
class _Workload:
    """One workload's runs: under the profile, beside them, and when it was recorded."""

    name: str
    mode: str
    runs: tuple[Run, ...]
    controls: tuple[Run, ...]
    recorded: tuple[Run, ...]

    @property
    def known(self) -> tuple[Run, ...]:
        """All runs under the baseline."""
        return (*self.recorded, *self.controls)


class _Judged(NamedTuple):
    """What is said of a run or a workload."""

    findings: list[Finding]
    noise: tuple[str, ...] = ()
    denials: tuple[Attributed, ...] = ()
    effect: str = TOLERATED


def judge(recording: Recording, replay: Replay) -> Verdict:
    """Compare a replay with the baseline's runs, old and new."""
    findings: list[Finding] = []
    denials: list[Attributed] = []
    noise: set[tuple[str, str]] = set()
    names = sorted({run.workload for run in replay.runs})
    modes = {work.name: work.mode for work in recording.workloads}
    for name in names:
        sides = (replay.runs, replay.controls, recording.runs)
        work = _Workload(name, modes.get(name, "run"), *(_of(name, runs) for runs in sides))
        judged = _judge_workload(work, replay)
        findings += judged.findings
        denials += judged.denials
        noise |= {(name, what) for what in judged.noise}
    findings += _left_out(recording, replay, names)
    findings += [
        Finding(UNHEALTHY, "error", "replay", problem) for problem in replay.health.problems
    ]
    if replay.attempts:
        findings += judge_attempts(replay.attempts, combine([recording]))
    unique = sorted(set(findings))
    failed = sorted({one.subject for one in unique if one.severity == "error"} & set(names))
    passed = tuple(name for name in names if name not in failed)
    lost = tuple(
        (one.subject, one.message.partition(" ")[0])
        for one in unique
        if one.id == CAPABILITY_LOST and one.severity == "warning"
    )
    return Verdict(
        tuple(unique), passed, tuple(failed), tuple(sorted(denials)), lost, tuple(sorted(noise))
    )


def unnoticed(verdict: Verdict) -> bool:
    """Tell whether nothing went differently, whatever was refused on the way."""
    return not any(one.severity == "error" and one.id != REFUSED for one in verdict.findings)


def _of(name: str, runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.workload == name)


def _left_out(recording: Recording, replay: Replay, names: Sequence[str]) -> list[Finding]:
    """A workload that was not replayed has not passed; an interrupted replay says so itself."""
    if replay.partial:
        return []
    wanted = {work.name for work in recording.workloads if work.mode not in ("main", "join")}
    return [
        Finding(
            MISSING,
            "error",
            name,
            "was recorded and not replayed: its container did not come so far",
            fix="see what is said of main, the container's own process",
        )
        for name in sorted(wanted - set(names))
    ]


def _judge_workload(work: _Workload, replay: Replay) -> _Judged:
    runs = [_judge_run(run, work, replay) for run in work.runs]
    effects = [(run, one.effect) for run, one in zip(work.runs, runs, strict=True)]
    attributed = tuple(
        replace(one, used=not replay.tolerant and _used(one.denial, work))
        for one in attribute(work.name, effects, work.known)
    )
    findings = [finding for one in runs for finding in one.findings]
    findings += [_denial_finding(one) for one in attributed]
    findings += _lost_findings(work, broken=any(effect != TOLERATED for _, effect in effects))
    noise = {what for one in runs for what in one.noise}
    return _Judged(findings, tuple(sorted(noise)), attributed)


def _judge_run(run: Run, work: _Workload, replay: Replay) -> _Judged:
    """Judge one run; ``effect`` is what it did to the workload."""
    failures = [*_liveness(run), *_outcome(run, work)]
    if failures:
        return _Judged(failures, effect=FAILED)
    differences = _differences(run, work, replay)
    findings = [finding for _, finding in differences]
    noise = tuple(what for what, finding in differences if finding.id == VARIES)
    broken = any(one.severity == "error" for one in findings)
    return _Judged(findings, noise, effect=DIFFERS if broken else TOLERATED)


def _liveness(run: Run) -> list[Finding]:
    """The kernel side counts only calls under a filter: none means that there was no filter."""
    if run.syscalls or run.denials or run.outcome in ("not-started", "interrupted", "timeout"):
        return []
    return [
        Finding(
            NOT_LIVE,
            "error",
            run.workload,
            "no call was seen under a seccomp filter: the profile was not in force",
            fix="check the profile with: seccomp-synth lint",
        )
    ]


def _outcome(run: Run, work: _Workload) -> list[Finding]:
    if run.outcome in ("ok", "interrupted"):
        return []
    if work.controls and all(one.outcome == run.outcome for one in work.controls):
        message = f"ends as {run.outcome} under the baseline too: nothing can be said of it"
        fix = "mend the workload or its surroundings, then validate again"
        return [Finding(FAILS_ANYWAY, "error", run.workload, message, (), fix)]
    added = new_denials(run, work.known)
    evidence = tuple(sorted({describe(one) for one in added}))
    if run.outcome == "not-started":
        message = "the container or command did not start under the profile"
        if not added:
            message = "did not start, though nothing was refused: see the engine's message"
        return [Finding(NOT_STARTED, "error", run.workload, message, evidence)]
    if run.outcome == "timeout":
        message = "did not end in time under the profile and was killed"
        return [Finding(FAILS, "error", run.workload, message, evidence)]
    how = "by itself" if run.exit_status is None else f"with exit status {run.exit_status}"
    if work.mode == "probe":
        how = f"with HTTP status {run.exit_status}" if run.exit_status else "without an answer"
    return [Finding(FAILS, "error", run.workload, f"ended {how} under the profile", evidence)]


def _may_be_damaged(run: Run, work: _Workload, replay: Replay) -> bool:
    """Tell whether profile or capabilities can have changed what a run did.

    They can do so only by refusing (or by refusing with another errno), and every refusal is
    seen: as a denial, as a capability that is no longer used.  Not surely where the argument
    values were too many to keep, or where the kernel does not show capability checks.
    """
    before = {(d.arch, d.name, d.errno, d.arguments) for one in work.known for d in one.denials}
    return (
        replay.health.capabilities != "recorded"
        or any(seen.overflow for seen in run.arguments)
        or bool(_lost_capabilities(run, work))
        or any((d.arch, d.name, d.errno, d.arguments) not in before for d in run.denials)
    )


def _differences(run: Run, work: _Workload, replay: Replay) -> list[tuple[str, Finding]]:
    """Return what of a run is not as under the baseline, each with what is to be said of it."""
    found = []
    damaged = _may_be_damaged(run, work, replay)
    for what, result in compare_run(run, work.controls, work.recorded):
        if result == SAME:
            continue
        if result != DIFFERENT:
            message = f"{what} varies between runs under the baseline too: noise, not compared"
            finding = Finding(VARIES, "note", run.workload, message)
        elif damaged:
            message = f"{what} differs from the baseline's, with the same exit status"
            finding = Finding(CHANGED, "error", run.workload, message)
        else:
            message = f"{what} differs, but nothing was refused: it varies by itself"
            finding = Finding(VARIES, "note", run.workload, message)
        found.append((what, finding))
    return found


def _lost_capabilities(run: Run, work: _Workload) -> tuple[str, ...]:
    before = {use.name for one in work.known for use in one.capabilities}
    return tuple(sorted(before - {use.name for use in run.capabilities}))


def _lost_findings(work: _Workload, *, broken: bool) -> list[Finding]:
    lost = {name for run in work.runs for name in _lost_capabilities(run, work)}
    return [
        Finding(
            CAPABILITY_LOST,
            "warning" if broken else "note",
            work.name,
            f"{name} is used under the baseline and was not in the replay",
            fix="see whether capabilities.json grants it",
        )
        for name in sorted(lost)
    ]


def _used(denial: Denial, work: _Workload) -> bool:
    """Tell whether the recording made the call that was refused, or may have made it."""
    wanted = {(index, mask & value) for index, mask, value in denial.arguments}
    for run in work.recorded:
        if not any((use.arch, use.name) == (denial.arch, denial.name) for use in run.syscalls):
            continue
        kept = [one for one in run.arguments if (one.arch, one.name) == (denial.arch, denial.name)]
        fields = {index for one in kept for index, _ in one.fields}
        asked = {index for index, _ in wanted}
        if not wanted or any(one.overflow for one in kept) or not asked <= fields:
            return True
        for one in kept:
            places = [index for index, _ in one.fields]
            if any(wanted <= set(zip(places, values, strict=True)) for values in one.values):
                return True
    return False


def _denial_finding(one: Attributed) -> Finding:
    """Report a refusal.

    A call that the recording used must not be refused, even where no one noticed: a lock's time
    limit or a descriptor leak is not seen in an output.  Unless the user says that it may.
    """
    denial = one.denial
    what = f"{describe(denial)}, {_times(one)}"
    if one.effect == BASELINE:
        message = f"{what}, as under the baseline"
        return Finding(REFUSED_ANYWAY, "note", one.workload, message)
    if not one.is_error:
        message = f"{what}; tolerated: the workload went on as before"
        fix = f"record this workload again if it needs {denial.name}"
        return Finding(UNNOTICED, "warning", one.workload, message, (), fix)
    how = {FAILED: "the workload failed", DIFFERS: "its output differs silently"}
    message = f"{what}; {how.get(one.effect, 'not noticed, but the recording used it')}"
    fix = f"allow {denial.name} (record this workload and run synth again)"
    return Finding(REFUSED, "error", one.workload, message, (), fix)


def _times(one: Attributed) -> str:
    count = one.denial.count
    return f"{count} time{'s' if count != 1 else ''} in {one.runs} of {one.of} runs"
