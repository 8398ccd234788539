"""``seccomp-synth validate``: replay recorded workloads under a profile and judge the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from synth.cli.common import Settings, pass_settings
from synth.cli.engines import engine_options
from synth.cli.sources import source_options
from synth.cli.validation import Request, carry_out


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path),
    help="Profile to validate; needed unless --cross makes its own.",
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
    default=150,
    show_default=True,
    help="With --minimize: times to run workloads without some calls.",
)
@click.option(
    "--cross",
    is_flag=True,
    help="Leave each workload out in turn: what would it lack under a profile of the others?",
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
def validate(settings: Settings, /, **options: Any) -> int:
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
      seccomp-synth validate a.recording.json b.recording.json --cross
    """
    return carry_out(settings, Request(**options))
