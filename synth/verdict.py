"""Judge a replay: did each workload do the same under the profile, and what was it refused.

A pure function of the recording and the replay.  An exit status alone is no verdict: scripts
swallow failures, so output counts as much.  A difference is noise where nothing was refused, or
where it is also there between two runs under the recorded filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synth.model import Denial, Finding, OutputDigest, Recording, Replay, Run
from synth.syscalls import errno_name

FAILED, NOT_STARTED, NOT_LIVE = "SS201", "SS202", "SS203"
REFUSED, TOLERATED, REFUSED_ANYWAY = "SS204", "SS205", "SS206"
DIFFERS, VARIES, CAPABILITY_LOST = "SS207", "SS208", "SS209"
UNHEALTHY = "SS210"

SAME, NUMBERS, UNSTABLE, DIFFERENT, UNDECIDED = "same", "numbers", "unstable", "different", "?"
ENOUGH_CONTROLS = 2


@dataclass(frozen=True)
class Verdict:
    """The answer and its reasons.  ``passed`` names the workloads without an error."""

    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Tell whether every workload passed."""
        return not self.failed and not any(one.severity == "error" for one in self.findings)


def judge(recording: Recording, replay: Replay) -> Verdict:
    """Compare a replay with what was recorded."""
    findings: list[Finding] = []
    names = sorted({run.workload for run in replay.runs})
    for name in names:
        recorded = [run for run in recording.runs if run.workload == name]
        controls = [run for run in replay.controls if run.workload == name]
        for run in replay.runs:
            if run.workload == name:
                findings += _judge_run(run, recorded, controls, replay)
    findings += [
        Finding(UNHEALTHY, "error", "replay", problem) for problem in replay.health.problems
    ]
    unique = sorted(set(findings))
    failed = sorted({one.subject for one in unique if one.severity == "error"} & set(names))
    return Verdict(tuple(unique), tuple(n for n in names if n not in failed), tuple(failed))


def needs_control(recording: Recording, replay: Replay) -> tuple[str, ...]:
    """Name the workloads whose output differs where something was refused: noise, or damage?"""
    names = set()
    for run in replay.runs:
        known = [one for one in recording.runs if one.workload == run.workload]
        results = [
            _compare([getattr(one, stream) for one in known], [], getattr(run, stream))
            for stream in ("stdout", "stderr")
        ]
        if run.outcome == "ok" and _may_be_damaged(run, known, replay) and results != [SAME, SAME]:
            names.add(run.workload)
    return tuple(sorted(names))


def new_denials(run: Run, known: Iterable[Run]) -> tuple[Denial, ...]:
    """Return the refusals of a run that the recorded runs of its workload did not meet."""
    before = {(one.arch, one.name, one.arguments) for other in known for one in other.denials}
    return tuple(one for one in run.denials if (one.arch, one.name, one.arguments) not in before)


def _judge_run(
    run: Run, recorded: Sequence[Run], controls: Sequence[Run], replay: Replay
) -> list[Finding]:
    denials = new_denials(run, [*recorded, *controls])
    lost = _lost_capabilities(run, recorded)
    findings = [*_liveness(run), *_outcome(run, denials)]
    if not findings:
        findings += _outputs(run, recorded, controls, replay)
    broken = any(one.severity == "error" for one in findings)
    used = {(use.arch, use.name) for other in recorded for use in other.syscalls}
    findings += [_denial(run, one, broken=broken, used=used) for one in denials]
    findings += [_refused_anyway(run, one) for one in run.denials if one not in denials]
    findings += [
        Finding(
            CAPABILITY_LOST,
            "note" if not broken else "warning",
            run.workload,
            f"{name} was used when recorded and not in the replay",
            fix="see whether capabilities.json grants it",
        )
        for name in lost
    ]
    return findings


def _liveness(run: Run) -> list[Finding]:
    """The kernel side counts only calls under a filter: none means that there was no filter."""
    if run.syscalls or run.denials or run.outcome in ("not-started", "interrupted"):
        return []
    return [
        Finding(
            NOT_LIVE,
            "error",
            run.workload,
            "no call was seen under a seccomp filter: the profile was not in force",
            fix="check the profile with: seccomp-synth diff",
        )
    ]


def _outcome(run: Run, denials: Sequence[Denial]) -> list[Finding]:
    evidence = tuple(sorted({_describe(one) for one in denials}))
    if run.outcome == "not-started":
        message = "the container or command did not start under the profile"
        if not denials:
            message = "did not start, though nothing was refused: see the engine's message"
        return [Finding(NOT_STARTED, "error", run.workload, message, evidence)]
    if run.outcome == "timeout":
        message = "did not end in time under the profile and was killed"
        return [Finding(FAILED, "error", run.workload, message, evidence)]
    if run.outcome == "failed":
        how = "by itself" if run.exit_status is None else f"with exit status {run.exit_status}"
        message = f"ended {how} under the profile"
        return [Finding(FAILED, "error", run.workload, message, evidence)]
    return []


def _may_be_damaged(run: Run, recorded: Sequence[Run], replay: Replay) -> bool:
    """Tell whether profile or capabilities can have changed what a run did.

    They can do so only by refusing (or by refusing with another errno), and every refusal is
    seen: as a denial, as a capability that is no longer used.  Not surely where the argument
    values were too many to keep, or where the kernel does not show capability checks.
    """
    before = {(one.arch, one.name, one.errno, one.arguments) for r in recorded for one in r.denials}
    return (
        replay.health.capabilities != "recorded"
        or any(seen.overflow for seen in run.arguments)
        or bool(_lost_capabilities(run, recorded))
        or any((d.arch, d.name, d.errno, d.arguments) not in before for d in run.denials)
    )


def _outputs(
    run: Run, recorded: Sequence[Run], controls: Sequence[Run], replay: Replay
) -> list[Finding]:
    damaged = _may_be_damaged(run, [*recorded, *controls], replay)
    findings = []
    for stream in ("stdout", "stderr"):
        known = [getattr(one, stream) for one in recorded]
        again = [getattr(one, stream) for one in controls]
        result = _compare(known, again, getattr(run, stream))
        if result == SAME:
            continue
        if damaged and result in (DIFFERENT, NUMBERS):
            message = f"{stream} differs from the recorded runs, with the same exit status"
            findings.append(Finding(DIFFERS, "error", run.workload, message))
        elif damaged:
            message = f"{stream} varies between runs under the default too; not compared"
            findings.append(Finding(VARIES, "note", run.workload, message))
        else:
            message = f"{stream} differs, but nothing was refused: it varies by itself"
            findings.append(Finding(VARIES, "note", run.workload, message))
    return findings


def _compare(
    recorded: Sequence[OutputDigest], controls: Sequence[OutputDigest], now: OutputDigest
) -> str:
    """Compare one stream with all runs under the recorded filter, old and new."""
    before = [*recorded, *controls]
    if any(now.sha256 == one.sha256 for one in before):
        return SAME
    if any(now.shape == one.shape for one in before):
        return NUMBERS
    if len(controls) < ENOUGH_CONTROLS:
        return UNDECIDED if not controls else DIFFERENT
    if len({one.shape for one in before}) > 1:
        return UNSTABLE
    return DIFFERENT


def _lost_capabilities(run: Run, recorded: Sequence[Run]) -> tuple[str, ...]:
    before = {use.name for other in recorded for use in other.capabilities}
    return tuple(sorted(before - {use.name for use in run.capabilities}))


def _denial(run: Run, denial: Denial, *, broken: bool, used: set[tuple[str, str]]) -> Finding:
    """A refusal that the profile adds.  A call that the recording used must not be refused, even
    where no one noticed: a lock's time limit or a descriptor leak is not seen in an output."""
    if broken or (denial.arch, denial.name) in used:
        return Finding(
            REFUSED,
            "error",
            run.workload,
            _describe(denial),
            fix=f"allow {denial.name} (record this workload and run synth again)",
        )
    return Finding(
        TOLERATED,
        "warning",
        run.workload,
        f"{_describe(denial)}; the workload went on as before",
        fix=f"record this workload again if it needs {denial.name}",
    )


def _refused_anyway(run: Run, denial: Denial) -> Finding:
    return Finding(
        REFUSED_ANYWAY,
        "note",
        run.workload,
        f"{_describe(denial)}, as when it was recorded",
    )


def _describe(denial: Denial) -> str:
    answer = errno_name(denial.errno) if denial.errno else "killed by SIGSYS"
    values = ", ".join(f"argument {index}: {value:#x}" for index, _, value in denial.arguments)
    arch = "" if denial.arch in ("x86_64", "aarch64") else f"{denial.arch} "
    return (
        f"{arch}{denial.name}{f' ({values})' if values else ''} refused with {answer}"
        f" to {denial.program or '?'}"
        f"{' (the container runtime)' if denial.phase == 'runtime' else ''}"
    )
