"""Share what ``report`` and ``check`` need: reading files by a profile's side, writing reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from synth.baseline import Baseline, load_baseline, newest
from synth.capabilities import load_capabilities
from synth.cli.common import Settings
from synth.emit.provenance import FILE_NAME as PROVENANCE
from synth.emit.provenance import Provenance, load_provenance
from synth.errors import DataError, UsageError
from synth.evidence import combine, recorded_baseline
from synth.files import parse_json, read_bounded, require_writable, write_atomic
from synth.model import Recording
from synth.profile import MAX_PROFILE_BYTES, parse_profile
from synth.recording import load_recording
from synth.replay import load_replay
from synth.report.formats import FORMATS, parse_output, render
from synth.report.inputs import Inputs
from synth.report.model import Report

FAIL_ON = ("error", "warning", "never")


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which reports to write, and when to exit with 1."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite output files."),
        click.option(
            "--fail-on",
            type=click.Choice(FAIL_ON),
            default="error",
            show_default=True,
            help="Exit with 1 if there is a finding of this severity or worse.",
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT[=PATH]",
            help=f"Report to write, repeatable: {', '.join(FORMATS)}. Default: text to stdout.",
        ),
    ):
        function = option(function)
    return function


def files_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the files beside a profile."""
    for option in (
        click.option(
            "--baseline",
            "baseline_name",
            metavar="NAME",
            help="Default profile to compare with; default: the one the profile was made from.",
        ),
        click.option(
            "--provenance",
            "provenance_path",
            type=click.Path(path_type=Path),
            help="Default: provenance.json beside the profile.",
        ),
        click.option(
            "--capabilities",
            "capabilities_path",
            type=click.Path(path_type=Path),
            help="Default: capabilities.json beside the profile.",
        ),
    ):
        function = option(function)
    return function


def wanted_outputs(
    settings: Settings, texts: Sequence[str], *, force: bool
) -> list[tuple[str, str]]:
    """Return ``(format, path)`` of each output; raises ``UsageError`` if one cannot be written."""
    outputs = [parse_output(text) for text in texts] or [("text", "-")]
    paths = [path for _, path in outputs]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(
                f"two reports to {'stdout' if path == '-' else path}",
                where="--output",
                slug="bad-option",
                fix="name a file for each",
            )
        if path != "-":
            require_writable(Path(path), force=force)
    return outputs


def write_outputs(
    settings: Settings, report: Report, outputs: Sequence[tuple[str, str]], *, force: bool
) -> None:
    """Write every report that was asked for; text to a terminal has nothing for it to obey."""
    for form, path in outputs:
        text = render(report, form)
        if path == "-":
            if form == "text":
                settings.answer(text)
            else:
                click.echo(text, nl=False)
        else:
            write_atomic(Path(path), text, force=force)
            settings.note(f"wrote {path}")


def fails(report: Report, threshold: str) -> bool:
    """Tell whether the report has a finding at or above ``threshold``, or a no among its checks."""
    if threshold == "never":
        return False
    severities = {"error"} if threshold == "error" else {"error", "warning"}
    return report.answer == "no" or any(one.severity in severities for one in report.findings)


def load_inputs(
    settings: Settings,
    profile_path: Path,
    recordings: Sequence[tuple[str, Recording]],
    replays: Sequence[Path],
    capabilities_path: Path | None,
    provenance_path: Path | None,
    baseline_name: str | None,
) -> Inputs:
    """Read the profile and what is beside it."""
    content = read_bounded(profile_path, limit=MAX_PROFILE_BYTES)
    where = str(profile_path)
    provenance = beside_provenance(profile_path, provenance_path)
    return Inputs(
        name=shown_path(profile_path),
        text=content.decode("utf-8", "replace"),
        profile=parse_profile(parse_json(content, where=where), where=where),
        baseline=_baseline(settings, baseline_name, provenance, [one for _, one in recordings]),
        recordings=tuple(recordings),
        cap_add=_capabilities(settings, profile_path, capabilities_path),
        provenance=provenance,
        replays=tuple((str(path), load_replay(path)) for path in replays),
    )


def load_recordings(paths: Sequence[Path]) -> list[tuple[str, Recording]]:
    """Read recordings with the names of their files."""
    return [(str(path), load_recording(path)) for path in paths]


def shown_path(path: Path) -> str:
    """Return a path as a reader of the repository names it: relative where it is inside."""
    resolved = path.absolute()
    here = Path.cwd()
    return resolved.relative_to(here).as_posix() if resolved.is_relative_to(here) else str(resolved)


def beside_provenance(profile_path: Path, given: Path | None) -> Provenance | None:
    """Return the provenance named or beside the profile; ``None`` if there is none."""
    path = given or profile_path.parent / PROVENANCE
    if given is None and not path.exists():
        return None
    try:
        return load_provenance(path)
    except DataError as error:
        raise DataError(
            error.what,
            where=error.where,
            slug="bad-provenance",
            fix="make it again with: seccomp-synth synth",
        ) from None


def _capabilities(
    settings: Settings, profile_path: Path, given: Path | None
) -> tuple[str, ...] | None:
    path = given or profile_path.parent / "capabilities.json"
    if given is None and not path.exists():
        settings.warn(f"no {path}: Docker's default capabilities are taken as granted")
        return None
    return load_capabilities(path)


def _baseline(
    settings: Settings,
    name: str | None,
    provenance: Provenance | None,
    recordings: Sequence[Recording],
) -> Baseline:
    """Return the default to compare with: named, of the provenance, of the recordings."""
    if name is not None:
        return load_baseline(name)
    if provenance is not None:
        return load_baseline(provenance.baseline)
    if not recordings:
        return newest()
    try:
        return load_baseline(recorded_baseline(combine(recordings)))
    except (DataError, UsageError):
        chosen = newest()
        settings.note(f"comparing with {chosen.name}, the newest default known")
        return chosen
