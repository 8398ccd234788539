"""``validate --minimize``: find which allowed calls the workloads do not notice losing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from synth.cli.common import Settings, clean
from synth.cli.compiled import kernel_version
from synth.cli.replaying import CONTAINED, Case, Harness, require_whole, restricted
from synth.cli.replaying import Trial as Wish
from synth.denials import BASELINE
from synth.errors import ExitCode
from synth.files import require_writable, write_atomic
from synth.findings import dump_findings
from synth.minimize import Minimized, Trial, candidates, minimize, minimize_findings
from synth.model import INSIDE, Host, Profile, Target
from synth.profile import dump_profile
from synth.removing import without
from synth.replay import Replay
from synth.resolve import resolve
from synth.text import many
from synth.verdict import REFUSED, Verdict, judge, unnoticed

PROOF_ROUNDS = 10
"""How often the workloads run under a tighter profile before it is written."""

SHOWN, FEW = 200, 3


@dataclass(frozen=True)
class MinimizePlan:
    """What to make smaller, in how many trials, and where to write the result, if anywhere."""

    profile: Profile
    profile_path: Path
    cap_add: tuple[str, ...] | None
    max_trials: int
    output: Path | None
    force: bool
    form: str


class _Bench:
    """Makes the trials: replays under the profile without some calls, beside known controls."""

    def __init__(self, settings: Settings, live: Harness, plan: MinimizePlan) -> None:
        self._settings, self._live, self._plan = settings, live, plan
        self._references: list[tuple[Case, Replay]] = []
        self._gone: frozenset[str] = frozenset()
        self.runs = 0
        self.interrupted = False

    def begin(self, cases: Sequence[Case]) -> Verdict | None:
        """Replay all as it is; return the first verdict that is not good."""
        for case in cases:
            replayed = self._live.replay(case, Wish(self._plan.profile, self._plan.cap_add))
            require_whole(replayed)
            verdict = judge(case.recording, replayed)
            if not verdict.ok:
                return verdict
            self._references.append((case, replayed))
        return None

    def hosts(self) -> list[Host]:
        """Return where the workloads were replayed."""
        return [replayed.host for _, replayed in self._references]

    def try_without(self, names: frozenset[str]) -> Trial | None:
        """Run the workloads that can notice; an interrupt ends the search with what is known."""
        try:
            return self._tried(names)
        except KeyboardInterrupt:
            self.interrupted = True
            return None

    def _tried(self, names: frozenset[str]) -> Trial:
        """Run the workloads that can notice; the first that fails ends the trial."""
        profile = without(self._plan.profile, names)
        fresh = names - self._gone
        denied: set[str] = set()
        reason = ""
        for case, reference in self._references:
            only = _concerned(case, fresh)
            if not only:
                continue
            wish = Wish(profile, self._plan.cap_add, 1, only, controls=False, hasty=True)
            replayed = self._live.replay(case, wish)
            require_whole(replayed)
            self.runs += len(replayed.runs)
            verdict = judge(
                restricted(case.recording, only), replace(replayed, controls=reference.controls)
            )
            denied |= {one.denial.name for one in verdict.denials if one.effect != BASELINE}
            if not unnoticed(verdict):
                reason = _reason(verdict)
                break
        else:
            self._gone = names
        what = " ".join(sorted(fresh)) if len(fresh) <= FEW else many(len(fresh), "more call")
        self._settings.note(clean(f"without {what}: {reason or 'unnoticed'}"))
        return Trial(not reason, frozenset(denied & names), reason)

    def prove(self, profile: Profile, rounds: int) -> bool:
        """Tell whether all is well under the tighter profile, many times over."""
        for case, _ in self._references:
            replayed = self._live.replay(case, Wish(profile, self._plan.cap_add, rounds))
            require_whole(replayed)
            if not unnoticed(judge(case.recording, replayed)):
                return False
        return True


def minimize_profile(
    settings: Settings, live: Harness, cases: Sequence[Case], plan: MinimizePlan
) -> int:
    """Search, print what can go, and write the tighter profile if that was asked for.

    Returns the exit status: 1 if the workloads do not pass to begin with, or the tighter profile
    does not hold.
    """
    if plan.output is not None:
        require_writable(plan.output, force=plan.force)
    bench = _Bench(settings, live, plan)
    bad = bench.begin(cases)
    if bad is not None:
        settings.warn(f"the workloads do not pass under {plan.profile_path}: {_reason(bad)}")
        settings.note("repair it first (validate --repair), or make it again (synth)")
        return int(ExitCode.ANSWER_IS_NO)
    recordings = [case.recording for case in cases]
    hosts = [*(one.host for one in recordings), *bench.hosts()]
    groups = candidates(_allowed(cases, plan), recordings, hosts)
    found = minimize(groups, bench.try_without, plan.max_trials)
    _print(found, bench.runs, plan)
    if bench.interrupted:
        settings.warn("interrupted; nothing is written")
        return int(ExitCode.INTERRUPTED)
    if plan.output is None:
        return int(ExitCode.OK)
    tighter = without(plan.profile, frozenset(found.removable))
    if not bench.prove(tighter, PROOF_ROUNDS):
        settings.warn(f"the tighter profile does not hold in {PROOF_ROUNDS} rounds; not written")
        return int(ExitCode.ANSWER_IS_NO)
    write_atomic(plan.output, dump_profile(tighter), force=plan.force)
    settings.note(f"wrote {plan.output}: passed {PROOF_ROUNDS} of {PROOF_ROUNDS} rounds")
    settings.note("it refuses what is not missed: validate it with --tolerant from now on")
    settings.next("diff", plan.output, "--against", plan.profile_path)
    return int(ExitCode.OK)


def _allowed(cases: Sequence[Case], plan: MinimizePlan) -> frozenset[str]:
    first = cases[0].recording
    granted = plan.cap_add if plan.cap_add is not None else first.subject.capabilities
    target = Target(first.host.arch, frozenset(granted), kernel_version(first.host.kernel))
    return frozenset(resolve(plan.profile, target).names())


def _concerned(case: Case, fresh: frozenset[str]) -> tuple[str, ...]:
    """Name the workloads that may notice: those that made one of the calls, or all for the rest.

    A call that no run made may still be made by any.
    """
    contained = {work.name for work in case.recording.workloads if work.mode in CONTAINED}
    makers: dict[str, set[str]] = {}
    inside = {work.name for work in case.recording.workloads if work.mode in INSIDE}
    for run in case.recording.runs:
        for use in run.syscalls:
            # what the container's own process does shows in those that use it
            names = {run.workload} if run.workload in contained else inside
            makers.setdefault(use.name, set()).update(names)
    if not fresh <= makers.keys():
        return tuple(sorted(contained))
    return tuple(sorted(set().union(*(makers[name] for name in fresh))))


def _reason(verdict: Verdict) -> str:
    """Return the first error in a few words."""
    errors = [one for one in verdict.findings if one.severity == "error" and one.id != REFUSED]
    errors = errors or [one for one in verdict.findings if one.severity == "error"]
    return f"{errors[0].subject}: {errors[0].message}"[:SHOWN] if errors else ""


def _print(found: Minimized, runs: int, plan: MinimizePlan) -> None:
    findings = minimize_findings(found)
    if plan.form == "json":
        click.echo(dump_findings(findings), nl=False)
        return
    for one in findings:
        evidence = f" [{' '.join(one.evidence)}]" if one.evidence else ""
        click.echo(clean(f"{one.severity}[{one.id}] {one.subject}: {one.message}{evidence}"))
    settled = len(found.removable) + len(found.needed)
    click.echo(
        f"{len(found.removable)} of {settled} calls are not missed; "
        f"found in {found.trials} trials, {runs} runs of workloads"
    )
