"""``seccomp-synth record``: watch workloads in a container and write down what they use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import click

from synth.baseline import for_engine
from synth.cli.common import Settings, pass_settings
from synth.cli.progress import Progress
from synth.config import (
    DEFAULT_NAME,
    Config,
    capability_names,
    check_image,
    load_config,
    parse_mount,
    parse_variable,
    slug,
)
from synth.errors import ExitCode, UsageError
from synth.files import require_writable, write_atomic
from synth.model import Container, Recording, Workload
from synth.recording import dump_recording

WHERE = "command line"


@dataclass(frozen=True)
class ContainerOptions:
    """The container options of the command line, as typed."""

    user: str | None
    workdir: str | None
    network: str | None
    tty: bool
    no_new_privileges: bool
    cap_add: tuple[str, ...]
    cap_drop: tuple[str, ...]
    env: tuple[str, ...]
    mount: tuple[str, ...]

    def apply(self, container: Container) -> Container:
        """Return ``container`` with what was typed put over it."""
        changes: dict[str, Any] = {
            name: value
            for name, value in (
                ("user", self.user),
                ("workdir", self.workdir),
                ("network", self.network),
                ("tty", self.tty or None),
                ("no_new_privileges", self.no_new_privileges or None),
                ("cap_add", capability_names(self.cap_add, WHERE) or None),
                ("cap_drop", capability_names(self.cap_drop, WHERE) or None),
            )
            if value is not None
        }
        if self.env:
            added = parse_env_options(self.env)
            changes["environment"] = tuple(
                sorted({**dict(container.environment), **dict(added)}.items())
            )
        if self.mount:
            mounts = tuple(parse_mount(text, WHERE, Path.cwd()) for text in self.mount)
            changes["mounts"] = tuple(sorted({*container.mounts, *mounts}))
        return replace(container, **changes)


def container_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the container."""
    for option in reversed(
        (
            click.option("--user", help="User (name or uid) in the container."),
            click.option("--workdir", help="Working directory in the container."),
            click.option("--network", type=click.Choice(["default", "none"]), help="Network."),
            click.option("-t", "--tty", is_flag=True, help="Give the workload a terminal."),
            click.option(
                "--no-new-privileges", is_flag=True, help="Forbid gaining privileges (sudo fails)."
            ),
            click.option("--cap-add", multiple=True, metavar="CAP", help="Add a capability."),
            click.option(
                "--cap-drop", multiple=True, metavar="CAP", help="Drop a capability, or ALL."
            ),
            click.option(
                "-e",
                "--env",
                multiple=True,
                metavar="NAME[=VALUE]",
                help="Set a variable; only its name is kept.",
            ),
            click.option(
                "--mount",
                multiple=True,
                metavar="SRC:DST[:ro]",
                help="Mount a folder; only DST is kept.",
            ),
        )
    ):
        function = option(function)
    return function


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
@click.option("--only", multiple=True, metavar="NAME", help="Record this workload only.")
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
    **options: Any,
) -> int:
    """Record the syscalls and capabilities that workloads use in a container.

    With an IMAGE, runs COMMAND in a container of it; without, the workloads of the project file.
    The container runs under the engine's default profile; what it prints is passed through.

    \b
    Examples:
      seccomp-synth record debian:bookworm -o ls.recording.json -- ls -la /
      seccomp-synth record
    """
    if image is None:
        project = _from_project_file(config)
    else:
        project = _from_command_line(image, command, name)
    workloads = tuple(
        _adjusted(workload, timeout, repeat, expect_exit)
        for workload in _selected(project.workloads, only)
    )
    container = ContainerOptions(**options).apply(project.container)
    path = output or Path(f"{project.name}.recording.json")
    require_writable(path, force=force)
    recording, stale = _run(settings, container, workloads, pull=pull == "missing")
    write_atomic(path, dump_recording(recording), force=force)
    if stale:
        settings.note(f"removed {stale} container(s) that a killed recorder had left")
    return _conclude(settings, recording, path)


def _run(
    settings: Settings, container: Container, workloads: tuple[Workload, ...], *, pull: bool
) -> tuple[Recording, int]:
    # imported here: needs Linux, and everything else must work without
    from tracer.engine import DockerEngine, engine_url
    from tracer.probes import require_root
    from tracer.record import Plan, record_plan

    require_root()
    engine = DockerEngine(engine_url(dict(os.environ)))
    with terminated_as_interrupt() as ignore:
        progress = Progress(settings, "recording", pass_through=True, finishing=ignore)
        try:
            recorded = record_plan(engine, Plan(container, workloads, pull), progress)
        finally:
            progress.close()
            engine.close()
    recording = recorded.recording
    baseline = for_engine(recording.host.engine, recording.host.engine_version)
    return (
        replace(recording, filter=replace(recording.filter, baseline=baseline.name)),
        recorded.stale,
    )


def _conclude(settings: Settings, recording: Recording, path: Path) -> int:
    """Say what came of it and what to type next; return the exit status."""
    names = {(use.arch, use.name) for run in recording.runs for use in run.syscalls}
    capabilities = {use.name for run in recording.runs for use in run.capabilities}
    denied = {denial.name for run in recording.runs for denial in run.denials}
    settings.note(
        f"wrote {path}: {len(recording.runs)} runs, {len(names)} syscalls, "
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
        settings.warn(f"failed while recording: {', '.join(failed)} [workload-failed]")
        return int(ExitCode.WORKLOAD_FAILED)
    if not recording.health.ok:
        return int(ExitCode.BAD_DATA)
    settings.note(f"next: seccomp-synth synth {path} -o out/")
    return int(ExitCode.OK)


def _from_project_file(path: Path) -> Config:
    if not path.exists():
        raise UsageError(
            f"no IMAGE is given and there is no {path}",
            where=WHERE,
            slug="nothing-to-record",
            fix="try: seccomp-synth record debian:bookworm -- ls -la /",
        )
    return load_config(path)


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
                fix=f"choose from {', '.join(known)}",
            )
    return tuple(workload for workload in workloads if not only or workload.name in only)


def _adjusted(
    workload: Workload, timeout: float | None, repeat: int | None, expect_exit: int | None
) -> Workload:
    return replace(
        workload,
        timeout_s=workload.timeout_s if timeout is None else timeout,
        repeat=workload.repeat if repeat is None else repeat,
        expected_exit=workload.expected_exit if expect_exit is None else expect_exit,
    )


def parse_env_options(options: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return ``(name, value)`` of each ``NAME[=VALUE]``; a bare name takes our own value."""
    pairs = []
    for text in options:
        name, given, value = text.partition("=")
        pairs.append(parse_variable(name, value if given else os.environ.get(name, ""), WHERE))
    return tuple(pairs)


@contextmanager
def terminated_as_interrupt() -> Iterator[Callable[[], None]]:
    """Treat SIGTERM and SIGHUP like Ctrl-C: stop, save, clean up.

    SIGINT too, since shells start background jobs with it ignored.  Yields a function that makes
    all three ignored for good: what is left takes a moment, and an interrupt would lose the work.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}

    def ignore() -> None:
        before.clear()
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
