"""``seccomp-synth check``: compare what workloads do now with the committed profile."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from synth.baseline import Baseline, for_engine, load_baseline
from synth.capabilities import dump_capabilities
from synth.cli.common import Settings, pass_settings
from synth.cli.container_options import WHERE, container_options
from synth.cli.emitting import project_of, today
from synth.cli.engines import EngineChoice, engine_options
from synth.cli.jobs import Line, only_option, record_again
from synth.cli.reporting import (
    fails,
    files_options,
    load_inputs,
    load_recordings,
    output_options,
    wanted_outputs,
    write_outputs,
)
from synth.config import DEFAULT_NAME, capability_names
from synth.document import kind_of
from synth.drift import Committed, Drift, drift
from synth.errors import ExitCode, SeccompSynthError, UsageError
from synth.evidence import require_usable
from synth.files import load_json, require_writable, write_atomic
from synth.model import Recording
from synth.profile import dump_profile
from synth.recording import dump_recording
from synth.report.build import build
from synth.report.inputs import Inputs
from synth.report.model import NO, YES, Check
from synth.report.text import summary
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from synth.text import listed

SHOWN = 8


@click.command()
@click.argument("image", required=False)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The committed profile.",
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Check this recording instead of making one; repeatable, and needs no root.",
)
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RECORDING",
    help="Recording the profile was made from: the update keeps what is in it.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Project file with workloads and exceptions; default: seccomp-synth.toml if there.",
)
@only_option
@click.option(
    "--allow-capability",
    multiple=True,
    metavar="CAP",
    help="Put a capability that Docker does not grant by default into the update.",
)
@click.option(
    "--allow-unhealthy", is_flag=True, help="Check partial, unhealthy or failed recordings too."
)
@click.option(
    "-o",
    "--new",
    "new_path",
    type=click.Path(path_type=Path),
    help="File for the updated profile, if there is drift; default: NAME.new.json beside it.",
)
@click.option(
    "--save-recording", type=click.Path(path_type=Path), help="Keep what was recorded here."
)
@files_options
@output_options
@engine_options
@container_options
@pass_settings
def check(
    settings: Settings,
    /,
    image: str | None,
    command: tuple[str, ...],
    profile_path: Path,
    recordings: tuple[Path, ...],
    against: tuple[Path, ...],
    config: Path | None,
    only: tuple[str, ...],
    allow_capability: tuple[str, ...],
    allow_unhealthy: bool,
    new_path: Path | None,
    save_recording: Path | None,
    capabilities_path: Path | None,
    provenance_path: Path | None,
    baseline_name: str | None,
    outputs: tuple[str, ...],
    fail_on: str,
    force: bool,
    engine: str | None,
    runtime: str | None,
    **options: Any,
) -> int:
    """Record again and fail if the committed profile no longer fits.

    Records the workloads of the project file (or COMMAND in a container of IMAGE). Exits with 0
    if all that they do is inside the profile and the capability list, with 1 if not; the updated
    profile is then written beside the committed one, never over it, with the project file's
    exceptions.

    \b
    Examples:
      seccomp-synth check --profile seccomp.json --output markdown=summary.md
      seccomp-synth check --profile seccomp.json --recording old.json --recording new.json
    """
    paths = _recordings(recordings, image, command)
    target = new_path or profile_path.with_name(f"{profile_path.stem}.new.json")
    _refuse_committed(target, profile_path)
    update = Update(target, force or (new_path is None and _is_profile(target)))
    require_writable(target, force=update.force)
    if save_recording is not None:
        require_writable(save_recording, force=force)
    wanted = wanted_outputs(settings, outputs, force=force)
    project = project_of(config)
    committed_recordings = load_recordings(against)
    loaded = load_recordings(paths)
    # read before recording: whatever is wrong with the files should be said at once
    inputs = load_inputs(
        settings,
        profile_path,
        loaded,
        (),
        capabilities_path,
        provenance_path,
        baseline_name,
    )
    if not loaded:
        line = Line(
            image,
            command,
            config or Path(DEFAULT_NAME),
            only,
            EngineChoice(engine or "", runtime or ""),
            options,
        )
        made = record_again(settings, line)
        if save_recording is not None:
            write_atomic(save_recording, dump_recording(made), force=force)
            settings.note(f"wrote {save_recording}")
        loaded = [("recorded now", made)]
    _require_usable(loaded, committed_recordings, allow_unhealthy=allow_unhealthy)
    committed = Committed(
        inputs.profile,
        tuple(DOCKER_DEFAULT_CAPABILITIES) if inputs.cap_add is None else inputs.cap_add,
        inputs.provenance,
        tuple(one for _, one in committed_recordings),
        project.exceptions if project is not None else (),
    )
    baselines = [_baseline_of(one, baseline_name) for _, one in loaded]
    result = drift(
        committed,
        [one for _, one in loaded],
        baselines,
        consented=capability_names(allow_capability, WHERE),
        today=today(os.environ),
    )
    report = build(replace(_with_drift(inputs, loaded, result), baseline=baselines[0]))
    if outputs:
        write_outputs(settings, report, wanted, force=force)
    else:
        settings.answer(summary(report))
    if not result.inside:
        granted = capabilities_path or profile_path.parent / "capabilities.json"
        _write_update(settings, result, update, granted)
        made_from = (*against, *(paths or filter(None, (save_recording,))))
        _say_how_to_take_over(settings, profile_path.parent, made_from)
        settings.next("diff", target, "--against", profile_path)
    return int(ExitCode.ANSWER_IS_NO if fails(report, fail_on) else ExitCode.OK)


def _recordings(
    recordings: tuple[Path, ...], image: str | None, command: tuple[str, ...]
) -> tuple[Path, ...]:
    """Return the recordings to check; with --recording the rest of the line names more."""
    if not recordings:
        return ()
    return (*recordings, *(Path(word) for word in (image, *command) if word is not None))


class Update(NamedTuple):
    """Where the updated profile goes, and whether it may replace a file."""

    target: Path
    force: bool


def _is_profile(path: Path) -> bool:
    """Tell whether a profile is there, as an earlier check leaves one at the usual name."""
    try:
        return kind_of(load_json(path)) == "profile"
    except SeccompSynthError:
        return False


def _refuse_committed(target: Path, profile_path: Path) -> None:
    """Refuse to write over the committed profile, with --force too."""
    if target.resolve() == profile_path.resolve():
        raise UsageError(
            "the update is never written over the committed profile",
            where=str(target),
            slug="bad-option",
            fix="name another file with -o",
        )


def _require_usable(
    loaded: Sequence[tuple[str, Recording]],
    committed: Sequence[tuple[str, Recording]],
    *,
    allow_unhealthy: bool,
) -> None:
    everything = [*loaded, *committed]
    require_usable(
        [one for _, one in everything],
        allow_unhealthy=allow_unhealthy,
        names=[name for name, _ in everything],
    )


def _baseline_of(recording: Recording, name: str | None) -> Baseline:
    """Return the default that a recording was made under, or the one named."""
    if name is not None:
        return load_baseline(name)
    if recording.filter.kind == "default" and recording.filter.baseline:
        return load_baseline(recording.filter.baseline)
    return for_engine(recording.host.engine, recording.host.engine_version)


def _with_drift(inputs: Inputs, loaded: Sequence[tuple[str, Recording]], result: Drift) -> Inputs:
    new = [one.subject for one in result.findings if one.severity == "error"]
    if result.inside:
        answer, detail = YES, "every call and capability used is in what was committed"
    else:
        answer, detail = NO, f"drift: {listed(new, SHOWN)} not in what was committed"
    question = "Is what the workloads do now inside the committed profile?"
    return replace(
        inputs,
        recordings=tuple(loaded),
        lead=(Check(question, answer, detail),),
        extra=result.findings,
    )


def _write_update(settings: Settings, result: Drift, update: Update, granted: Path) -> None:
    """Write the updated profile, and the capability list if that has changed."""
    target, force = update.target, update.force
    write_atomic(target, dump_profile(result.updated.profile), force=force)
    written = [str(target)]
    if result.new_capabilities:
        beside = target.with_name(f"{granted.stem}.new.json")
        write_atomic(beside, dump_capabilities(result.capabilities), force=force)
        written.append(str(beside))
    settings.note(f"wrote {', '.join(written)}: what was committed, and what is needed now")


def _say_how_to_take_over(settings: Settings, folder: Path, recordings: Sequence[Path]) -> None:
    """Name the command that makes all files anew: a profile alone leaves the others behind."""
    if recordings:
        line = ("seccomp-synth", "synth", *map(str, recordings), "-o", str(folder), "--force")
        settings.note(f"to take it over: {shlex.join(line)}")
    else:
        settings.note(
            f"to take it over: record again, then synth -o {folder} --force, which makes what "
            "stands beside the profile as well"
        )
