"""``seccomp-synth combine``: make one recording of many."""

from __future__ import annotations

from pathlib import Path

import click

from synth.cli.common import Settings, pass_settings
from synth.errors import DataError, ExitCode
from synth.files import MAX_BYTES, refuse_existing, write_atomic
from synth.merge import merge_recordings
from synth.recording import dump_recording, load_recording
from synth.text import many


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write the combined recording to.",
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@pass_settings
def combine(settings: Settings, recordings: tuple[Path, ...], output: Path, force: bool) -> int:
    """Make one recording of many of the same container.

    Neither the order nor repeats matter, and combined recordings can be combined again. They
    must be of one image, one set of options and one default profile.

    \b
    Example:
      seccomp-synth combine monday.json tuesday.json -o week.recording.json
    """
    refuse_existing(output, force=force)
    loaded = [load_recording(path) for path in recordings]
    made = merge_recordings(loaded, [str(path) for path in recordings])
    text = dump_recording(made)
    if len(text) > MAX_BYTES:
        raise DataError(
            f"cannot be made one recording: larger than {MAX_BYTES} bytes",
            where=str(output),
            slug="cannot-combine",
            fix="synth, check and report take several recordings as they are",
        )
    write_atomic(output, text, force=force)
    names = {(use.arch, use.name) for run in made.runs for use in run.syscalls}
    settings.note(
        f"wrote {output}: {many(len(made.sources), 'recording')}, {many(len(made.runs), 'run')} of "
        f"{many(len(made.workloads), 'workload')}, {many(len(names), 'syscall')}"
    )
    for problem in made.health.problems:
        settings.warn(problem)
    settings.next("synth", output, "-o", "out/")
    return int(ExitCode.OK)
