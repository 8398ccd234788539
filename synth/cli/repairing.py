"""``validate --repair``: add what was refused and the baseline allows, until all workloads pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from synth.baseline import recorded_default
from synth.capabilities import Capabilities, CapabilityEvidence, dump_capabilities
from synth.cli.common import Settings, clean
from synth.cli.compiled import kernel_version
from synth.cli.replaying import Case, Harness, require_whole
from synth.cli.replaying import Trial as Wish
from synth.denials import BASELINE
from synth.errors import ExitCode
from synth.files import require_writable, write_atomic
from synth.findings import dump_findings
from synth.model import Finding, Profile, Run, Target
from synth.profile import dump_profile
from synth.repair import Limit, Refused, Repaired, Trial, difference, repair, repair_findings
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from synth.text import many, printable
from synth.verdict import Verdict, judge

GRANTED = "SS810"
PROGRAM_LENGTH = 32


@dataclass(frozen=True)
class RepairPlan:
    """What to repair and where to write it.

    ``cap_add``: what is granted at first, ``None`` for what was recorded.  ``output``: the new
    profile's file; a new capability list goes beside it.
    """

    profile: Profile
    profile_path: Path
    cap_add: tuple[str, ...] | None
    repeat: int
    rounds: int
    output: Path
    force: bool
    form: str


class _Bench:
    """Makes the trials: replays every case under a profile, and grants lost capabilities."""

    def __init__(self, live: Harness, cases: Sequence[Case], plan: RepairPlan) -> None:
        self._live, self._cases, self._plan = live, cases, plan
        self.cap_add = plan.cap_add
        self.granted: dict[str, CapabilityEvidence] = {}

    def try_profile(self, profile: Profile) -> Trial:
        """Replay all; what fails for want of a capability is granted it and tried again."""
        while True:
            verdicts = [self._judged(case, profile) for case in self._cases]
            if not self._grant(verdicts):
                break
        refused = {
            Refused(replace(one.denial, count=0), one.workload)
            for verdict in verdicts
            for one in verdict.denials
            if one.effect != BASELINE
        }
        return Trial(all(verdict.ok for verdict in verdicts), tuple(sorted(refused)))

    def _judged(self, case: Case, profile: Profile) -> Verdict:
        replayed = self._live.replay(case, Wish(profile, self.cap_add, self._plan.repeat))
        require_whole(replayed)
        uses = [*case.recording.runs, *replayed.controls]
        verdict = judge(case.recording, replayed)
        for workload, name in verdict.lost:
            self.granted.setdefault(name, _evidence(workload, name, uses))
        return verdict

    def _grant(self, verdicts: Sequence[Verdict]) -> bool:
        """Grant what was lost, as far as the container had it; tell whether that was anything."""
        had = {name for case in self._cases for name in case.recording.subject.capabilities}
        lost = {name for verdict in verdicts for _, name in verdict.lost} & had
        if self.cap_add is None or not lost - set(self.cap_add):
            return False
        self.cap_add = tuple(sorted({*self.cap_add, *lost}))
        return True


def repair_profile(
    settings: Settings, live: Harness, cases: Sequence[Case], plan: RepairPlan
) -> int:
    """Repair a profile, write the result beside it and print what was added.

    Returns the exit status: 0 if the workloads pass under the result.
    """
    require_writable(plan.output, force=plan.force)
    first = cases[0].recording
    granted = plan.cap_add if plan.cap_add is not None else first.subject.capabilities
    capabilities = frozenset(granted) | DOCKER_DEFAULT_CAPABILITIES
    target = Target(first.host.arch, capabilities, kernel_version(first.host.kernel))
    bench = _Bench(live, cases, plan)
    limit = Limit(recorded_default(first).profile, target)
    done = repair(plan.profile, limit, bench.try_profile, plan.rounds)
    findings = (*repair_findings(done), *_granted(bench, plan))
    _write(settings, bench, done, plan)
    _print(findings, done, plan)
    if not done.ok:
        return int(ExitCode.ANSWER_IS_NO)
    settings.next("diff", plan.output, "--against", plan.profile_path)
    return int(ExitCode.OK)


def _write(settings: Settings, bench: _Bench, done: Repaired, plan: RepairPlan) -> None:
    """Write the profile if anything was added, and the capability list if it is another."""
    changed = done.profile != plan.profile
    new = bench.cap_add is not None and bench.cap_add != plan.cap_add
    if changed:
        write_atomic(plan.output, dump_profile(done.profile), force=plan.force)
    if new or (changed and bench.cap_add is not None):
        path = _beside(plan)
        if path is not None or new:
            path = path or plan.output.with_name(f"{plan.output.stem}.capabilities.json")
            write_atomic(path, _capabilities(bench), force=plan.force)
            settings.note(f"wrote {path}")
    if changed:
        settings.note(f"wrote {plan.output}: look at it before you use it")
    elif not new:
        settings.note("nothing was added, so that nothing is written")


def _beside(plan: RepairPlan) -> Path | None:
    """Return the usual name of the list, if the result is in a folder of its own."""
    if plan.output.resolve().parent == plan.profile_path.resolve().parent:
        return None
    return plan.output.with_name("capabilities.json")


def _capabilities(bench: _Bench) -> str:
    granted = bench.cap_add or ()
    uses = tuple(sorted(one for name, one in bench.granted.items() if name in granted))
    return dump_capabilities(Capabilities(granted, uses, recorded=True, findings=()))


def _granted(bench: _Bench, plan: RepairPlan) -> tuple[Finding, ...]:
    new = sorted(set(bench.cap_add or ()) - set(plan.cap_add or ()))
    return tuple(
        Finding(
            GRANTED,
            "note",
            name,
            f"granted: {bench.granted[name].program} in workload {bench.granted[name].workload} "
            f"failed without it",
        )
        for name in new
    )


def _evidence(workload: str, name: str, runs: Sequence[Run]) -> CapabilityEvidence:
    for run in runs:
        for use in run.capabilities:
            if run.workload == workload and use.name == name:
                program = printable(use.program, PROGRAM_LENGTH)
                return CapabilityEvidence(name, workload, program, use.syscall)
    return CapabilityEvidence(name, workload, "", "")


def _print(findings: Sequence[Finding], done: Repaired, plan: RepairPlan) -> None:
    if plan.form == "json":
        click.echo(dump_findings(findings), nl=False)
        return
    names = (str(plan.profile_path), str(plan.output))
    click.echo(clean(difference(plan.profile, done.profile, names=names)), nl=False)
    for one in sorted(findings, key=lambda one: one.severity):
        click.echo(clean(f"{one.severity}[{one.id}] {one.subject}: {one.message}"))
    answer = "repaired" if done.ok else "NOT repaired"
    click.echo(f"{answer}: {many(len(done.added), 'addition')} in {many(done.trials, 'trial')}")
