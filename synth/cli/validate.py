"""``seccomp-synth validate``: replay recorded workloads under a profile and judge the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from synth.capabilities import load_capabilities
from synth.cli.attempts import print_attempts
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.compiled import offline_verdict
from synth.cli.container_options import WHERE
from synth.cli.engines import engine_options
from synth.cli.minimizing import MinimizePlan, minimize_profile
from synth.cli.repairing import RepairPlan, repair_profile
from synth.cli.replaying import Given, Trial, choice_of_all, harness, prepare
from synth.cli.sources import source_options, typed_source
from synth.config import DEFAULT_NAME, capability_names, load_config
from synth.errors import ExitCode, UsageError
from synth.evidence import require_usable
from synth.files import require_writable, write_atomic
from synth.findings import dump_findings
from synth.model import Finding
from synth.profile import load_profile
from synth.recording import load_recording
from synth.replay import dump_replay
from synth.verdict import Verdict, judge
from synth.workloads import check_masks


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
@click.option(
    "--repeat",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="Times to run each workload under the profile, and as often under the baseline.",
)
@click.option(
    "--mask",
    multiple=True,
    metavar="REGEX",
    help="What matches does not count when outputs are compared; repeatable.",
)
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
@click.option(
    "--tolerant",
    is_flag=True,
    help="Refusals of recorded calls that change nothing are warnings, as after --minimize.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Add what is refused and the baseline allows, until all passes; -o is the new profile.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    help="With --repair: times to add something and run everything again.",
)
@click.option(
    "--minimize",
    is_flag=True,
    help="Find which allowed calls are not missed; -o is the tighter profile.",
)
@click.option(
    "--max-trials",
    type=click.IntRange(1, 2000),
    default=64,
    show_default=True,
    help="With --minimize: times to run workloads without some calls.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the replay, or the new profile."
)
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
    mask: tuple[str, ...],
    env: tuple[str, ...],
    mount: tuple[str, ...],
    allow_capability: tuple[str, ...],
    form: str,
    offline: bool,
    no_attempts: bool,
    tolerant: bool,
    repair: bool,
    rounds: int,
    minimize: bool,
    max_trials: int,
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

    Runs each workload in the same image, in turns under the recorded filter and under the
    profile with only the listed capabilities; proves that the filter is in force; compares exit
    status, output, named files and HTTP answers. Values and host paths, which recordings do not
    keep, come from the project file or the options.

    \b
    Example:
      seccomp-synth validate ls.recording.json --profile out/seccomp.json
      seccomp-synth validate ls.recording.json --profile old.json --repair -o new.json
      seccomp-synth validate ls.recording.json --profile out/seccomp.json --minimize
    """
    form_of = {"--offline": offline, "--repair": repair, "--minimize": minimize}
    asked = [name for name, given in form_of.items() if given]
    _check_forms(asked, recordings, output, force=force)
    profile = load_profile(profile_path)
    cap_add = _capabilities(settings, profile_path, capabilities_path)
    loaded = [load_recording(path) for path in recordings]
    for recording in loaded:
        require_usable([recording], allow_unhealthy=True)
    if offline:
        verdicts = [offline_verdict(profile, one, cap_add, settings) for one in loaded]
        return _answer(settings, list(zip(recordings, verdicts, strict=True)), form, profile_path)
    source = config or typed_source(compose, service, devcontainer)
    choice = choice_of_all(loaded, engine, runtime)
    allowed = capability_names(allow_capability, WHERE)
    masks = (*_project_masks(config), *check_masks(mask, WHERE))
    given = Given(source, env, mount, allowed, masks)
    cases = [prepare(one, given, settings, choice.name) for one in loaded]
    trial = Trial(profile, cap_add, repeat)
    judged: list[tuple[Path, Verdict]] = []
    with harness(settings, choice, quiet=repair or minimize) as live:
        if repair and output is not None:
            plan = RepairPlan(profile, profile_path, cap_add, repeat, rounds, output, force, form)
            return repair_profile(settings, live, cases, plan)
        if minimize:
            search = MinimizePlan(profile, profile_path, cap_add, max_trials, output, force, form)
            return minimize_profile(settings, live, cases, search)
        for path, case in zip(recordings, cases, strict=True):
            replayed = replace(live.replay(case, trial), tolerant=tolerant)
            if not no_attempts:
                replayed = live.with_attempts(case, trial, replayed)
            if output is not None:
                write_atomic(output, dump_replay(replayed), force=force)
            judged.append((path, judge(case.recording, replayed)))
            if replayed.partial:
                settings.warn("interrupted")
                _answer(settings, judged, form, profile_path)
                return int(ExitCode.INTERRUPTED)
    return _answer(settings, judged, form, profile_path)


def _check_forms(
    asked: list[str], recordings: tuple[Path, ...], output: Path | None, *, force: bool
) -> None:
    """Raise ``UsageError`` for options that contradict each other."""
    if output is not None:
        require_writable(output, force=force)
    if len(asked) > 1:
        raise _contradiction(f"{' and '.join(asked)} exclude each other", "choose one of them")
    if asked == ["--offline"] and output is not None:
        raise _contradiction(
            "--offline replays nothing that -o could write",
            "take one of them away; --format json prints the findings",
        )
    if asked == ["--repair"] and output is None:
        raise _contradiction("--repair makes a new profile", "say with -o where it shall go")
    if not asked and output is not None and len(recordings) > 1:
        raise _contradiction("-o takes the replay of one recording", "validate them one by one")


def _contradiction(what: str, fix: str) -> UsageError:
    return UsageError(what, where=WHERE, slug="bad-option", fix=fix)


def _project_masks(config: Path | None) -> tuple[str, ...]:
    path = config or Path(DEFAULT_NAME)
    return load_config(path).masks if config is not None or path.exists() else ()


def _answer(
    settings: Settings, judged: list[tuple[Path, Verdict]], form: str, profile_path: Path
) -> int:
    """Print what came of each recording, and return the exit status."""
    for path, verdict in judged:
        if form == "text":
            _print(settings, path, verdict)
    if form == "json":
        findings = [one for _, verdict in judged for one in verdict.findings]
        click.echo(dump_findings(findings), nl=False)
    if not all(verdict.ok for _, verdict in judged):
        return int(ExitCode.ANSWER_IS_NO)
    settings.note(f"next: seccomp-synth diff {profile_path}")
    return int(ExitCode.OK)


def _capabilities(
    settings: Settings, profile_path: Path, capabilities_path: Path | None
) -> tuple[str, ...] | None:
    path = capabilities_path or profile_path.parent / "capabilities.json"
    if capabilities_path is None and not path.exists():
        settings.warn(f"no {path}: capabilities stay as they were recorded")
        return None
    return load_capabilities(path)


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
