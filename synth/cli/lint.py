"""``seccomp-synth lint``: say what engines read otherwise than a profile's writer meant it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from synth.cli.common import Settings, clean, pass_settings
from synth.config import capability_names
from synth.document import refuse_ours
from synth.errors import ExitCode
from synth.files import dump_json
from synth.lint import Checked, lint
from synth.lint_targets import ENGINES
from synth.profile import read_located
from synth.profile_format import DIALECTS
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES


@click.command("lint")
@click.argument("profile", type=click.Path(path_type=Path))
@click.option(
    "--dialect",
    type=click.Choice(["auto", *DIALECTS]),
    default="auto",
    show_default=True,
    help="Whose format it is; told by its keys if not named.",
)
@click.option(
    "--target",
    "engines",
    multiple=True,
    type=click.Choice([*ENGINES]),
    help="Engine to judge for; by default all that read the dialect.",
)
@click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the answer: for people or for programs.",
)
@click.option("--cap-add", multiple=True, metavar="CAP", help="The container has this as well.")
@click.option("--no-new-privileges", "quiet", is_flag=True, help="The container has it set.")
@pass_settings
def lint_command(
    settings: Settings,
    profile: Path,
    dialect: str,
    engines: tuple[str, ...],
    form: str,
    cap_add: tuple[str, ...],
    quiet: bool,
) -> int:
    """Name what engines would ignore, misread or refuse in a profile.

    Every problem has a line and a column, what it does on which engine, and how to mend it. Exits
    with 1 if one of them is an error, with 4 if the file is no JSON at all.

    \b
    Example:
      seccomp-synth lint seccomp.json
      seccomp-synth lint seccomp.json --target podman --target kubernetes --output json
    """
    typed = frozenset(capability_names(cap_add, "--cap-add"))
    granted = frozenset(CAPABILITIES) if "ALL" in typed else DOCKER_DEFAULT_CAPABILITIES | typed
    located = read_located(profile)
    refuse_ours(located.value, str(profile))
    checked = lint(located, dialect=dialect, engines=engines, capabilities=granted, quiet=quiet)
    if form == "json":
        click.echo(clean(as_json(profile, checked)), nl=False)
    else:
        settings.answer(as_table(profile, checked))
    if checked.cut:
        settings.warn("there are more problems than are listed; mend these first")
    return int(ExitCode.ANSWER_IS_NO if checked.errors else ExitCode.OK)


def as_table(profile: Path, checked: Checked) -> str:
    """Return one problem a line, as compilers write them, and a line that counts them."""
    name = str(profile).replace("\n", " ")
    lines = [
        f"{name}:{one.line}:{one.column}: {one.severity}[{one.id}]: {one.message}; {one.fix}"
        for one in checked.found
    ]
    lines = [line.replace("\n", " ") for line in lines]
    counts = {
        severity: sum(one.severity == severity for one in checked.found)
        for severity in ("error", "warning", "note")
    }
    summary = ", ".join(f"{count} {severity}s" for severity, count in counts.items())
    engines = ", ".join(checked.engines)
    return (
        "\n".join([*lines, f"{name}: {checked.dialect} profile, for {engines}: {summary}"]) + "\n"
    )


def as_json(profile: Path, checked: Checked) -> str:
    """Return the problems for programs."""
    return dump_json(
        {
            "schema": "seccomp-synth/lint",
            "schema_version": "1.0.0",
            "profile": str(profile),
            "dialect": checked.dialect,
            "targets": list(checked.engines),
            "findings": [asdict(one) for one in checked.found],
        }
    )
