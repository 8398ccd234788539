"""Carry out ``seccomp-synth validate`` in the form that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from synth.capabilities import load_capabilities
from synth.cli.attempts import print_attempts
from synth.cli.common import Settings, clean
from synth.cli.compiled import offline_verdict
from synth.cli.container_options import WHERE
from synth.cli.crossing import CrossOutput, cross_live, cross_offline
from synth.cli.minimizing import MinimizePlan, minimize_profile
from synth.cli.repairing import RepairPlan, repair_profile
from synth.cli.replaying import Case, Given, Harness, Trial, choice_of_all, harness, prepare
from synth.cli.sources import typed_source
from synth.config import DEFAULT_NAME, capability_names, load_config
from synth.errors import ExitCode, HostError, UsageError
from synth.evidence import require_usable
from synth.files import require_writable, write_atomic
from synth.findings import dump_findings, shortened
from synth.model import Finding, Profile, Recording
from synth.profile import load_profile
from synth.recording import load_recording
from synth.replay import dump_replay
from synth.verdict import Verdict, judge
from synth.workloads import check_masks


@dataclass(frozen=True)
class Request:
    """The command line of ``validate``, as typed; see its options."""

    recordings: tuple[Path, ...]
    profile_path: Path | None
    capabilities_path: Path | None
    repeat: int
    mask: tuple[str, ...]
    env: tuple[str, ...]
    mount: tuple[str, ...]
    allow_capability: tuple[str, ...]
    form: str
    offline: bool
    no_attempts: bool
    tolerant: bool
    repair: bool
    rounds: int
    minimize: bool
    max_trials: int
    cross: bool
    output: Path | None
    force: bool
    engine: str | None
    runtime: str | None
    config: Path | None
    compose: Path | None
    service: str | None
    devcontainer: Path | None

    @property
    def asked(self) -> list[str]:
        """Return the options that choose a form."""
        forms = {
            "--offline": self.offline,
            "--repair": self.repair,
            "--minimize": self.minimize,
            "--cross": self.cross,
        }
        return [name for name, given in forms.items() if given]


@dataclass
class _Answers:
    """The verdict on each recording that was replayed, and what ended the work early."""

    judged: list[tuple[Path, Verdict]]
    partial: bool = False
    failure: HostError | None = None


@dataclass(frozen=True)
class _Named:
    """The profile that was named, and what is granted with it."""

    path: Path
    profile: Profile
    cap_add: tuple[str, ...] | None


def carry_out(settings: Settings, request: Request) -> int:
    """Validate, and return the exit status."""
    _check(request)
    loaded = [load_recording(path) for path in request.recordings]
    for recording in loaded:
        require_usable([recording], allow_unhealthy=True)
    named = None if request.cross else _named(settings, request)
    if request.offline:
        return _offline(settings, request, loaded, named)
    choice = choice_of_all(loaded, request.engine, request.runtime)
    given = _given(request)
    cases = [prepare(one, given, settings, choice.name) for one in loaded]
    with harness(settings, choice, quiet=bool(request.asked)) as live:
        for case in cases:
            live.warn_of_another_image(case)
        if named is None:
            return cross_live(settings, live, cases, _table(request))
        if request.repair and request.output is not None:
            return repair_profile(settings, live, cases, _repair_plan(request, named))
        if request.minimize:
            return minimize_profile(settings, live, cases, _minimize_plan(request, named))
        answers = _replay_all(request, live, cases, named)
    status = _answer(settings, request, answers)
    if answers.failure is not None:
        raise answers.failure
    if answers.partial:
        settings.warn("interrupted")
        return int(ExitCode.INTERRUPTED)
    return status


def _check(request: Request) -> None:
    """Raise ``UsageError`` for options that contradict each other."""
    asked, output = request.asked, request.output
    if output is not None:
        require_writable(output, force=request.force)
    if len(asked) > 1 and asked != ["--offline", "--cross"]:
        raise _contradiction(f"{' and '.join(asked)} exclude each other", "choose one of them")
    if asked == ["--offline"] and output is not None:
        raise _contradiction(
            "--offline replays nothing that -o could write",
            "take one of them away; --format json prints the findings",
        )
    if asked == ["--repair"] and output is None:
        raise _contradiction("--repair makes a new profile", "say with -o where it shall go")
    if not asked and output is not None and len(request.recordings) > 1:
        raise _contradiction("-o takes the replay of one recording", "validate them one by one")
    if not request.cross and request.profile_path is None:
        raise _contradiction("no profile is named", "add --profile FILE")


def _contradiction(what: str, fix: str) -> UsageError:
    return UsageError(what, where=WHERE, slug="bad-option", fix=fix)


def _named(settings: Settings, request: Request) -> _Named:
    path = request.profile_path or Path()
    profile = load_profile(path)
    return _Named(path, profile, _capabilities(settings, path, request.capabilities_path))


def _offline(
    settings: Settings, request: Request, loaded: list[Recording], named: _Named | None
) -> int:
    if named is None:
        return cross_offline(settings, loaded, _table(request))
    verdicts = [offline_verdict(named.profile, one, named.cap_add, settings) for one in loaded]
    judged = list(zip(request.recordings, verdicts, strict=True))
    return _answer(settings, request, _Answers(judged))


def _given(request: Request) -> Given:
    return Given(
        request.config or typed_source(request.compose, request.service, request.devcontainer),
        request.env,
        request.mount,
        capability_names(request.allow_capability, WHERE),
        (*_project_masks(request.config), *check_masks(request.mask, WHERE)),
    )


def _table(request: Request) -> CrossOutput:
    return CrossOutput(request.form, request.output, request.force)


def _repair_plan(request: Request, named: _Named) -> RepairPlan:
    return RepairPlan(
        named.profile,
        named.path,
        named.cap_add,
        request.repeat,
        request.rounds,
        request.output or Path(),
        request.force,
        request.form,
    )


def _minimize_plan(request: Request, named: _Named) -> MinimizePlan:
    return MinimizePlan(
        named.profile,
        named.path,
        named.cap_add,
        request.max_trials,
        request.output,
        request.force,
        request.form,
    )


def _replay_all(request: Request, live: Harness, cases: list[Case], named: _Named) -> _Answers:
    """Replay and judge each recording; what comes in between does not lose what was done."""
    trial = Trial(named.profile, named.cap_add, request.repeat)
    answers = _Answers([])
    for path, case in zip(request.recordings, cases, strict=True):
        replayed = replace(live.replay(case, trial), tolerant=request.tolerant)
        try:
            if not request.no_attempts:
                replayed = live.with_attempts(case, trial, replayed)
        except HostError as error:
            answers.failure = error
        if request.output is not None:
            write_atomic(request.output, dump_replay(replayed), force=request.force)
        answers.judged.append((path, judge(case.recording, replayed)))
        answers.partial = replayed.partial
        if answers.partial or answers.failure is not None:
            break
    return answers


def _project_masks(config: Path | None) -> tuple[str, ...]:
    path = config or Path(DEFAULT_NAME)
    return load_config(path).masks if config is not None or path.exists() else ()


def _answer(settings: Settings, request: Request, answers: _Answers) -> int:
    """Print what came of each recording, and return the exit status."""
    judged = answers.judged
    whole = not answers.partial and answers.failure is None
    for path, verdict in judged:
        if request.form == "text":
            _print(settings, path, verdict, whole=whole or path != judged[-1][0])
    if request.form == "json":
        findings = [one for _, verdict in judged for one in verdict.findings]
        click.echo(dump_findings(findings), nl=False)
    profile = request.profile_path
    if not all(verdict.ok for _, verdict in judged):
        if whole and profile is not None and any(verdict.denials for _, verdict in judged):
            fresh = profile.with_name(f"{profile.stem}.repaired.json")
            repair = ("--profile", profile, "--repair", "-o", fresh)
            settings.next("validate", *request.recordings, *repair, root=True)
        return int(ExitCode.ANSWER_IS_NO)
    if not whole:
        return int(ExitCode.OK)
    if request.output is None or request.asked:
        settings.next("diff", profile)
    else:
        proof = ("--profile", profile, "--validation", request.output)
        settings.next("report", *request.recordings, *proof, "--output", "html=report.html")
    return int(ExitCode.OK)


def _capabilities(
    settings: Settings, profile_path: Path, capabilities_path: Path | None
) -> tuple[str, ...] | None:
    path = capabilities_path or profile_path.parent / "capabilities.json"
    if capabilities_path is None and not path.exists():
        settings.warn(f"no {path}: capabilities stay as they were recorded")
        return None
    return load_capabilities(path)


def _print(settings: Settings, path: Path, verdict: Verdict, *, whole: bool) -> None:
    """Print the verdict on stdout: one line a workload, then the findings, worst first.

    What is not ``whole`` has not passed, only not failed so far.
    """
    for name in verdict.passed:
        click.echo(clean(f"pass  {name}"))
    for name in verdict.failed:
        click.echo(clean(f"FAIL  {name}"))
    print_attempts(verdict.findings)
    shown = ("error", "warning", "note") if settings.verbosity > 0 else ("error", "warning")
    for severity in shown:
        found = [one for one in verdict.findings if one.severity == severity]
        for finding in found if settings.verbosity > 0 else shortened(found):
            click.echo(clean(_line(finding)))
    notes = sum(finding.severity == "note" for finding in verdict.findings)
    if notes and settings.verbosity == 0:
        settings.note(f"{notes} notes; -v shows them")
    answer = ("passed" if whole else "not finished") if verdict.ok else "FAILED"
    click.echo(
        clean(f"{answer}: {path}: {len(verdict.passed)} passed, {len(verdict.failed)} failed")
    )


def _line(finding: Finding) -> str:
    evidence = f" [{'; '.join(finding.evidence)}]" if finding.evidence else ""
    fix = f"; {finding.fix}" if finding.fix else ""
    return f"{finding.severity}[{finding.id}] {finding.subject}: {finding.message}{evidence}{fix}"
