"""``seccomp-synth validate``: replay recorded workloads under a profile and judge the result."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synth.capabilities import load_capabilities
from synth.cli.again import container_of, require_consent
from synth.cli.attempts import judged_attempts, print_attempts
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.compiled import offline_verdict
from synth.cli.container_options import WHERE
from synth.cli.engines import EngineChoice, engine_options
from synth.cli.interrupts import terminated_as_interrupt
from synth.cli.progress import Progress
from synth.cli.sources import recorded_container, source_options, typed_source
from synth.config import capability_names
from synth.errors import ExitCode, UsageError
from synth.evidence import require_usable
from synth.files import require_writable, write_atomic
from synth.findings import dump_findings
from synth.model import Container, Finding, Profile, Recording, Replay, Run, Workload
from synth.profile import dump_profile, load_profile
from synth.recording import load_recording, recording_digest
from synth.replay import dump_replay
from synth.verdict import Verdict, judge, needs_control

if TYPE_CHECKING:
    from tracer.engine import Engine
    from tracer.execute import Events
    from tracer.replay import Replayed, ReplayPlan

CONTROLS = 2
SLACK, GRACE_S = 3.0, 20.0
"""A replay may take so many times as long as the slowest recorded run, and so many seconds."""


@dataclass(frozen=True)
class Inputs:
    """The files of one validation, parsed."""

    recording: Recording
    profile: Profile
    profile_text: str
    cap_add: tuple[str, ...] | None


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Profile to validate.",
)
@click.option(
    "--capabilities",
    "capabilities_path",
    type=click.Path(path_type=Path),
    help="Capability list to grant; default: capabilities.json beside the profile.",
)
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Value of a recorded variable."
)
@click.option("--mount", multiple=True, metavar="SRC:DST[:ro]", help="Source of a recorded mount.")
@click.option(
    "--allow-capability",
    multiple=True,
    metavar="CAP",
    help="Grant a capability that the recording asks for and Docker's default lacks.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the findings.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Only hold the recorded calls against the filter: no root, kernel or engine needed.",
)
@click.option(
    "--no-attempts",
    is_flag=True,
    help="Leave out trying the ways out of the container under the profile.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the replay (JSON).")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@engine_options
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Project file with the container; default: seccomp-synth.toml if there.",
)
@source_options
@pass_settings
def validate(
    settings: Settings,
    recordings: tuple[Path, ...],
    profile_path: Path,
    capabilities_path: Path | None,
    repeat: int,
    env: tuple[str, ...],
    mount: tuple[str, ...],
    allow_capability: tuple[str, ...],
    form: str,
    offline: bool,
    no_attempts: bool,
    output: Path | None,
    force: bool,
    engine: str | None,
    runtime: str | None,
    config: Path | None,
    compose: Path | None,
    service: str | None,
    devcontainer: Path | None,
) -> int:
    """Replay recorded workloads under a profile and name what it denies.

    Runs each workload in the same image with only the listed capabilities, proves that the
    filter is in force, and compares exit status and output with the recorded runs. Values and
    host paths, which recordings do not keep, come from the project file or the options.

    \b
    Example:
      seccomp-synth validate ls.recording.json --profile out/seccomp.json
    """
    if output is not None:
        require_writable(output, force=force)
        if len(recordings) > 1:
            raise UsageError(
                "-o takes the replay of one recording",
                where=WHERE,
                slug="bad-option",
                fix="validate them one by one",
            )
        if offline:
            raise UsageError(
                "--offline replays nothing that -o could write",
                where=WHERE,
                slug="bad-option",
                fix="take one of them away; --format json prints the findings",
            )
    profile = load_profile(profile_path)
    cap_add = _capabilities(settings, profile_path, capabilities_path)
    answers: list[bool] = []
    findings: list[Finding] = []
    for path in recordings:
        recording = load_recording(path)
        require_usable([recording], allow_unhealthy=True)
        if offline:
            verdict = offline_verdict(profile, recording, cap_add, settings)
            findings += verdict.findings
            answers.append(verdict.ok)
            if form == "text":
                _print(settings, path, verdict)
            continue
        source = config or typed_source(compose, service, devcontainer)
        choice = _choice(recording, engine, runtime)
        known = recorded_container(source, recording.subject, settings, choice.name)
        # what the project's own file asks for is the user's word, not the recording's
        asked = known.cap_add if known is not None else ()
        require_consent(recording, (*asked, *capability_names(allow_capability, WHERE)))
        inputs = Inputs(recording, profile, dump_profile(profile), cap_add)
        container = container_of(recording, env, mount, known)
        replayed, verdict = _validate(
            settings, inputs, choice, container, repeat, attempts=not no_attempts
        )
        if output is not None:
            write_atomic(output, dump_replay(replayed), force=force)
        findings += verdict.findings
        if form == "text":
            _print(settings, path, verdict)
        if replayed.partial:
            settings.warn("interrupted")
            return int(ExitCode.INTERRUPTED)
        answers.append(verdict.ok)
    if form == "json":
        click.echo(dump_findings(findings), nl=False)
    if not all(answers):
        return int(ExitCode.ANSWER_IS_NO)
    settings.note(f"next: seccomp-synth diff {profile_path}")
    return int(ExitCode.OK)


def _choice(recording: Recording, engine: str | None, runtime: str | None) -> EngineChoice:
    """Return the engine that was named, or else the one of the recording."""
    recorded = recording.host.engine
    # Docker is what is found by itself, and DOCKER_HOST may name Podman
    return EngineChoice(engine or (recorded if recorded == "podman" else ""), runtime or "")


def _validate(
    settings: Settings,
    inputs: Inputs,
    choice: EngineChoice,
    container: Container,
    repeat: int,
    *,
    attempts: bool,
) -> tuple[Replay, Verdict]:
    # imported here: needs Linux, and everything else must work without
    from tracer.connect import connect
    from tracer.probes import require_root
    from tracer.replay import ReplayPlan, control, replay

    require_root()
    engine = connect(choice.name, choice.runtime, os.environ)
    progress = Progress(settings, "replaying", pass_through=False)
    plan = ReplayPlan(
        container,
        _workloads(inputs.recording, repeat),
        inputs.profile_text,
        _errnos(inputs.profile),
        inputs.cap_add,
    )
    try:
        with terminated_as_interrupt():
            _require_image(engine, container)
            first = _as_replay(inputs, replay(engine, plan, progress))
            doubtful = needs_control(inputs.recording, first)
            if doubtful and not first.partial:
                settings.note(f"comparing again under the default: {', '.join(doubtful)}")
                first = _with_controls(control, engine, plan, doubtful, first, progress)
            verdict = judge(inputs.recording, first)
            if attempts and not first.partial and _ran(first):
                found = judged_attempts(
                    engine, plan, inputs.profile, inputs.recording, first.host.kernel, settings
                )
                verdict = replace(verdict, findings=(*verdict.findings, *found))
            return first, verdict
    finally:
        progress.close()
        engine.close()


def _ran(replayed: Replay) -> bool:
    """Where no workload starts under the profile, nothing else will."""
    return any(run.outcome != "not-started" for run in replayed.runs)


def _with_controls(
    control: Callable[[Engine, ReplayPlan, Events], Replayed],
    engine: Engine,
    plan: ReplayPlan,
    doubtful: tuple[str, ...],
    first: Replay,
    progress: Progress,
) -> Replay:
    """Run the workloads whose output differs again as they were recorded.

    All that is exec'd runs again if one of them is doubtful: they share a container.
    """
    execs = any(work.mode == "exec" and work.name in doubtful for work in plan.workloads)
    again = tuple(
        replace(work, repeat=CONTROLS if work.mode == "run" else 1)
        for work in plan.workloads
        if work.name in doubtful or (execs and work.mode == "exec")
    )
    rounds = CONTROLS if execs else 1
    controls: list[Run] = []
    partial = False
    for number in range(rounds):
        todo = again if number == 0 else tuple(work for work in again if work.mode == "exec")
        result = control(engine, replace(plan, workloads=todo), progress)
        controls += result.runs
        partial = partial or result.partial
    return replace(first, controls=tuple(controls), partial=partial)


def _capabilities(
    settings: Settings, profile_path: Path, capabilities_path: Path | None
) -> tuple[str, ...] | None:
    path = capabilities_path or profile_path.parent / "capabilities.json"
    if capabilities_path is None and not path.exists():
        settings.warn(f"no {path}: capabilities stay as they were recorded")
        return None
    return load_capabilities(path)


def _workloads(recording: Recording, repeat: int) -> tuple[Workload, ...]:
    """Return the workloads with a time limit from what they took when recorded."""
    result = []
    for work in recording.workloads:
        slowest = max(
            (run.duration_ms for run in recording.runs if run.workload == work.name), default=0.0
        )
        limit = min(work.timeout_s, GRACE_S + SLACK * slowest / 1000)
        if work.mode != "main":
            result.append(replace(work, repeat=repeat, timeout_s=limit))
    return tuple(result)


def _errnos(profile: Profile) -> frozenset[int]:
    found = {rule.errno for rule in profile.rules if rule.errno}
    # EPERM where none is named, ENOSYS by runc's own patch
    return frozenset(found | {profile.default_errno or 1, 1, 38})


def _require_image(engine: Engine, container: Container) -> None:
    engine.image(container.image, pull=False)


def _as_replay(inputs: Inputs, result: Replayed) -> Replay:
    return Replay(
        recording_sha256=recording_digest(inputs.recording),
        profile_sha256=_sha256(inputs.profile_text),
        cap_add=inputs.cap_add if inputs.cap_add is not None else ("recorded",),
        host=result.host,
        health=result.health,
        runs=result.runs,
        partial=result.partial,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _print(settings: Settings, path: Path, verdict: Verdict) -> None:
    """Print the verdict on stdout: one line a workload, then the findings, worst first."""
    for name in verdict.passed:
        click.echo(clean(f"pass  {name}"))
    for name in verdict.failed:
        click.echo(clean(f"FAIL  {name}"))
    print_attempts(verdict.findings)
    shown = ("error", "warning", "note") if settings.verbosity > 0 else ("error", "warning")
    for severity in shown:
        for finding in verdict.findings:
            if finding.severity == severity:
                click.echo(clean(_line(finding)))
    notes = sum(finding.severity == "note" for finding in verdict.findings)
    if notes and settings.verbosity == 0:
        settings.note(f"{notes} notes; -v shows them")
    answer = "passed" if verdict.ok else "FAILED"
    click.echo(
        clean(f"{answer}: {path}: {len(verdict.passed)} passed, {len(verdict.failed)} failed")
    )


def _line(finding: Finding) -> str:
    evidence = f" [{'; '.join(finding.evidence)}]" if finding.evidence else ""
    fix = f"; {finding.fix}" if finding.fix else ""
    return f"{finding.severity}[{finding.id}] {finding.subject}: {finding.message}{evidence}{fix}"
