"""Find what a command line asks to be recorded, and record it: for ``record`` and ``check``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from synth.cli.common import Settings
from synth.cli.container_options import WHERE, ContainerOptions
from synth.cli.engines import EngineChoice
from synth.cli.interrupts import terminated_as_interrupt
from synth.cli.joining import with_baseline
from synth.cli.progress import Progress
from synth.cli.sources import from_source, located
from synth.config import Config, ContainerSource, check_image, load_config, slug
from synth.errors import Interrupted, UsageError, WorkloadError
from synth.model import Container, Recording, Workload
from synth.text import nearest

only_option = click.option(
    "--only", multiple=True, metavar="NAME", help="Record this workload only."
)


@dataclass(frozen=True)
class Line:
    """What the command line says of the container and its workloads."""

    image: str | None
    command: tuple[str, ...]
    config: Path
    only: tuple[str, ...]
    choice: EngineChoice
    options: Mapping[str, Any]
    name: str | None = None
    source: ContainerSource | None = None


@dataclass(frozen=True)
class Job:
    """A container and what is to be recorded in it."""

    name: str
    choice: EngineChoice
    container: Container
    workloads: tuple[Workload, ...]
    unconfined: bool = False


def find_job(settings: Settings, line: Line) -> Job:
    """Return the job of a command line; raises ``UsageError``, and ``HostError`` without an engine.

    The container is that of a source, of the project file, or of an image.
    """
    engine = line.choice.name
    if line.source is not None:
        # there is no IMAGE then
        words = line.command if line.image is None else (line.image, *line.command)
        project = from_source(line.source, line.config, words, line.name, settings, engine)
    elif line.image is None:
        project = _from_project_file(line.config, settings, engine, line.only)
    else:
        project = _from_command_line(line.image, line.command, line.name)
    return Job(
        project.name,
        replace(line.choice, name=engine or project.engine),
        ContainerOptions(**line.options).apply(project.container),
        _selected(project.workloads, line.only),
        project.unconfined,
    )


def run_job(
    settings: Settings,
    job: Job,
    *,
    pull: bool,
    all_programs: bool,
    pass_through: bool = True,
) -> tuple[Recording, int]:
    """Record, and return the recording and how many containers of killed recorders were removed."""
    # imported here: needs Linux, and everything else must work without
    from tracer.connect import connect
    from tracer.probes import require_root
    from tracer.record import Plan, record_plan

    require_root()
    engine = connect(job.choice.name, job.choice.runtime, os.environ)
    with terminated_as_interrupt() as ignore:
        progress = Progress(settings, "recording", pass_through=pass_through, finishing=ignore)
        try:
            plan = Plan(job.container, job.workloads, pull, all_programs, job.unconfined)
            recorded = record_plan(engine, plan, progress)
        finally:
            progress.close()
            engine.close()
    return with_baseline(recorded.recording), recorded.stale


def record_again(settings: Settings, line: Line) -> Recording:
    """Record as ``record`` does, for a command that needs to know what workloads do now.

    Raises ``Interrupted`` and ``WorkloadError`` where ``record`` would save and exit.
    """
    job = find_job(settings, line)
    # what workloads print is not the answer, which stdout is for
    recording, _ = run_job(settings, job, pull=True, all_programs=False, pass_through=False)
    if recording.partial:
        raise Interrupted("interrupted while recording", slug="partial-recording")
    failed = sorted({run.workload for run in recording.runs if run.outcome != "ok"})
    if failed:
        raise WorkloadError(
            f"failed while recording: {', '.join(failed)}",
            slug="workload-failed",
            fix="mend them, or set expected_exit",
        )
    return recording


def _from_project_file(
    path: Path, settings: Settings, engine: str, only: tuple[str, ...]
) -> Config:
    if not path.exists():
        raise UsageError(
            f"no IMAGE is given and there is no {path}",
            where=WHERE,
            slug="nothing-to-record",
            fix="write one with: seccomp-synth init; or try: "
            "seccomp-synth record debian:bookworm -- ls -la /",
        )
    project = load_config(path)
    _selected(project.workloads, only)  # said before an image is looked for
    return located(project, settings, engine)


def _from_command_line(image: str, command: tuple[str, ...], name: str | None) -> Config:
    check_image(image, WHERE)
    label = slug(name or (os.path.basename(command[0]) if command else image))
    container = Container(image=image)
    return Config(label, container, (Workload(label, command),))


def _selected(workloads: tuple[Workload, ...], only: tuple[str, ...]) -> tuple[Workload, ...]:
    known = [workload.name for workload in workloads]
    for one in only:
        if one not in known:
            raise UsageError(
                f"no workload is named {one[:64]!r}",
                where=WHERE,
                slug="no-such-workload",
                fix=nearest(one, known, f"choose from {', '.join(known)}"),
            )
    return tuple(workload for workload in workloads if not only or workload.name in only)
