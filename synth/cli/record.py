"""``seccomp-synth record``: watch workloads in a container and write down what they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from synth.cli.common import Settings, pass_settings
from synth.cli.container_options import WHERE, container_options
from synth.cli.engines import EngineChoice, engine_options
from synth.cli.jobs import Line, find_job, only_option, run_job
from synth.cli.joining import JoinTimes, record_container
from synth.cli.sources import source_options, typed_source
from synth.config import DEFAULT_NAME, slug
from synth.errors import ExitCode, UsageError
from synth.files import require_writable, write_atomic
from synth.model import Recording, Workload
from synth.recording import dump_recording
from synth.text import many


@click.command()
@click.argument("image", required=False)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; default NAME.recording.json.",
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_NAME,
    show_default=True,
    help="Project file, read when no IMAGE is given.",
)
@only_option
@click.option("--name", help="Name of the workload; default: the command's.")
@click.option("--timeout", type=click.FloatRange(0.1), help="Seconds a run may take.")
@click.option("--repeat", type=click.IntRange(1, 1000), help="Runs of each workload.")
@click.option("--expect-exit", type=click.IntRange(0, 255), help="Exit status that is a success.")
@click.option(
    "--pull",
    type=click.Choice(["missing", "never"]),
    default="missing",
    show_default=True,
    help="Whether to pull an image that is not here.",
)
@click.option(
    "--evidence",
    type=click.Choice(["first", "full"]),
    default="first",
    show_default=True,
    help="Keep the first program that made a call, or every one.",
)
@click.option("--container", metavar="NAME", help="Record this running container instead.")
@click.option("--for", "duration", metavar="TIME", help="With --container: how long (10m, 8h).")
@click.option(
    "--save-every",
    metavar="TIME",
    default="60s",
    show_default=True,
    help="With --container: write what there is this often.",
)
@engine_options
@source_options
@container_options
@pass_settings
def record(
    settings: Settings,
    /,
    image: str | None,
    command: tuple[str, ...],
    output: Path | None,
    force: bool,
    config: Path,
    only: tuple[str, ...],
    name: str | None,
    timeout: float | None,
    repeat: int | None,
    expect_exit: int | None,
    pull: str,
    evidence: str,
    container: str | None,
    duration: str | None,
    save_every: str,
    engine: str | None,
    runtime: str | None,
    compose: Path | None,
    service: str | None,
    devcontainer: Path | None,
    **options: Any,
) -> int:
    """Record the syscalls and capabilities that workloads use in a container.

    With an IMAGE, runs COMMAND in a container of it; without, the workloads of the project file.
    The container runs under the engine's default profile; what it prints is passed through.
    With --container, watches one that runs already, until the time is over, it ends or Ctrl-C.
    With --compose or --devcontainer, the container is what that file says, and COMMAND replaces
    the workloads of the project file.

    \b
    Examples:
      seccomp-synth record debian:bookworm -o ls.recording.json -- ls -la /
      seccomp-synth record
      seccomp-synth record --compose compose.yaml --service web -- pytest -q
      seccomp-synth record --container devcontainer --for 8h
    """
    if container is not None:
        _require_alone(
            image,
            options,
            only,
            name,
            timeout,
            repeat,
            expect_exit,
            runtime,
            compose,
            service,
            devcontainer,
        )
        times = JoinTimes.parse(duration, save_every)
        path = output or Path(f"{slug(container)}.recording.json")
        require_writable(path, force=force)
        joined = record_container(
            settings,
            EngineChoice(engine or ""),
            container,
            path,
            times,
            all_programs=evidence == "full",
            force=force,
        )
        return _conclude(settings, joined, path)
    if duration is not None:
        raise UsageError(
            "--for belongs to --container",
            where=WHERE,
            slug="bad-option",
            fix="use --timeout for a workload",
        )
    line = Line(
        image,
        command,
        config,
        only,
        EngineChoice(engine or "", runtime or ""),
        options,
        name,
        typed_source(compose, service, devcontainer),
    )
    job = find_job(settings, line)
    job = replace(
        job,
        workloads=tuple(_adjusted(one, timeout, repeat, expect_exit) for one in job.workloads),
    )
    path = output or Path(f"{job.name}.recording.json")
    require_writable(path, force=force)
    recording, stale = run_job(
        settings, job, pull=pull == "missing", all_programs=evidence == "full"
    )
    write_atomic(path, dump_recording(recording), force=force)
    if stale:
        settings.note(f"removed {stale} container(s) that a killed recorder had left")
    return _conclude(settings, recording, path)


def _require_alone(image: str | None, options: Mapping[str, Any], *others: object) -> None:
    """Refuse what describes a container or a run: one that runs already is as it is."""
    if image is not None or any(options.values()) or any(others):
        raise UsageError(
            "--container takes neither an image nor options of a container or workload",
            where=WHERE,
            slug="bad-option",
            fix="give --container NAME, --engine, --for, -o and --evidence only",
        )


def _conclude(settings: Settings, recording: Recording, path: Path) -> int:
    """Say what came of it and what to type next; return the exit status."""
    names = {(use.arch, use.name) for run in recording.runs for use in run.syscalls}
    capabilities = {use.name for run in recording.runs for use in run.capabilities}
    denied = {denial.name for run in recording.runs for denial in run.denials}
    settings.note(
        f"wrote {path}: {many(len(recording.runs), 'run')}, {many(len(names), 'syscall')}, "
        f"{len(capabilities)} capabilities, {len(denied)} syscalls refused by the default profile"
    )
    for problem in recording.health.problems:
        settings.warn(problem)
    for note in recording.health.notes:
        settings.note(f"note: {note}", level=1)
    if recording.health.capabilities != "recorded":
        settings.warn(f"capabilities {recording.health.capabilities}")
    if recording.partial:
        settings.warn(f"interrupted: {path} is marked partial")
        return int(ExitCode.INTERRUPTED)
    failed = sorted({run.workload for run in recording.runs if run.outcome != "ok"})
    if failed:
        settings.warn(
            f"failed while recording: {', '.join(failed)}; mend it or take it out, and record "
            "again [workload-failed]"
        )
        return int(ExitCode.WORKLOAD_FAILED)
    if not recording.health.ok:
        return int(ExitCode.BAD_DATA)
    known = recording.filter.kind == "default"
    unnamed = () if known else ("--baseline", recording.filter.baseline)
    settings.next("synth", path, "-o", "out/", *unnamed)
    return int(ExitCode.OK)


def _adjusted(
    workload: Workload, timeout: float | None, repeat: int | None, expect_exit: int | None
) -> Workload:
    return replace(
        workload,
        timeout_s=workload.timeout_s if timeout is None else timeout,
        repeat=workload.repeat if repeat is None else repeat,
        expected_exit=workload.expected_exit if expect_exit is None else expect_exit,
    )
