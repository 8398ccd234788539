"""``seccomp-synth report``: write what a reviewer reads about a profile."""

from __future__ import annotations

from pathlib import Path

import click

from synth.cli.attesting import attest
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.reporting import (
    fails,
    files_options,
    load_inputs,
    load_recordings,
    output_options,
    wanted_outputs,
    write_outputs,
)
from synth.errors import ExitCode
from synth.evidence import require_usable
from synth.report.build import build
from synth.report.inputs import Inputs, belonging
from synth.report.text import finding_line


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Profile to report on.",
)
@click.option(
    "--validation",
    "replays",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Replay that `validate -o` wrote; repeatable.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Only say whether profile, provenance, recordings and validations belong together.",
)
@click.option(
    "--attest",
    "attest_folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write in-toto statements about recordings and validations there, to be signed.",
)
@files_options
@output_options
@pass_settings
def report(
    settings: Settings,
    recordings: tuple[Path, ...],
    profile_path: Path,
    replays: tuple[Path, ...],
    verify: bool,
    attest_folder: Path | None,
    capabilities_path: Path | None,
    provenance_path: Path | None,
    baseline_name: str | None,
    outputs: tuple[str, ...],
    fail_on: str,
    force: bool,
) -> int:
    """Write what a reviewer reads: verdict, evidence, what is left and what stays shut.

    Exits with 1 if there is a finding of the severity that --fail-on names. The HTML file is
    complete in itself and runs no script.

    \b
    Example:
      seccomp-synth report ls.recording.json --profile out/seccomp.json \\
        --validation ls.replay.json --output html=review.html --output sarif=review.sarif
    """
    silent = (verify or attest_folder is not None) and not outputs
    wanted = [] if silent else wanted_outputs(settings, outputs, force=force)
    loaded = load_recordings(recordings)
    # an unhealthy recording is reported as such; an empty one has nothing to report
    require_usable(
        [one for _, one in loaded], allow_unhealthy=True, names=[name for name, _ in loaded]
    )
    inputs = load_inputs(
        settings,
        profile_path,
        loaded,
        replays,
        capabilities_path,
        provenance_path,
        baseline_name,
    )
    together = _verified(settings, inputs) if verify else True
    if attest_folder is not None:
        granted = capabilities_path or profile_path.parent / "capabilities.json"
        attest(settings, inputs, attest_folder, (profile_path, granted), force=force)
    if not wanted:
        return int(ExitCode.OK if together else ExitCode.ANSWER_IS_NO)
    made = build(inputs)
    write_outputs(settings, made, wanted, force=force)
    bad = fails(made, fail_on) or not together
    return int(ExitCode.ANSWER_IS_NO if bad else ExitCode.OK)


def _verified(settings: Settings, inputs: Inputs) -> bool:
    """Print what belongs together and what does not; nothing may be missing."""
    found = belonging(inputs)
    for finding in found:
        settings.warn(finding_line(finding))
    verdict = "do not belong together" if found else "belong together"
    files = len(inputs.recordings) + len(inputs.replays) + 2
    click.echo(
        clean(f"{inputs.name} (sha256 {inputs.profile_sha256}): the {files} files {verdict}")
    )
    return not found
