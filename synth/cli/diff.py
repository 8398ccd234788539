"""``seccomp-synth diff``: compare profiles, replays or recordings."""

from __future__ import annotations

from pathlib import Path

import click

from synth.baseline import is_baseline, load_baseline, newest
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.difference import (
    THRESHOLDS,
    Question,
    as_document,
    as_markdown,
    as_text,
    fails,
)
from synth.cli.evidence_diff import PROFILE, bad_option, evidence_diff, kind_of
from synth.cli.target import (
    container_capabilities,
    kernel_option,
    named_baseline,
    profile_arch,
    target_options,
)
from synth.diff import compare_profiles, findings
from synth.errors import ExitCode
from synth.files import dump_json, refuse_existing, write_atomic
from synth.model import Profile, Target
from synth.profile import load_profile
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES

DEFAULT_AGAINST = "docker-default"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--against",
    default=DEFAULT_AGAINST,
    show_default=True,
    metavar="BASELINE|FILE",
    help="A baseline's name or another profile; by default the baseline the profile was made from. "
    "For a replay or a recording: the older one.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Form of the answer: for people, for programs or for a comment.",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(THRESHOLDS),
    default=("widened",),
    show_default=True,
    help="Exit with 1 on this kind of difference; repeatable. Not of profiles: any or never.",
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Recording that a replay is of, to judge it by as `validate` does; repeatable.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@target_options
@pass_settings
def diff(
    settings: Settings,
    file: Path,
    against: str,
    form: str,
    fail_on: tuple[str, ...],
    recordings: tuple[Path, ...],
    output: Path | None,
    force: bool,
    kernel: str,
    arch: str | None,
    cap_add: tuple[str, ...],
) -> int:
    """Compare a profile with a default or another; a replay or recording with an older.

    Profiles: by argument conditions, not only names, on every architecture, with an example call
    for each difference.  Exits with 1 if FILE lets anything through that the other one does not,
    or on what --fail-on names; -v names the calls whose errno differs as well.

    Replays that `validate -o` wrote: workloads that fail now, refusals, ways out that answer
    otherwise, what has moved around them.  Exits with 1 if FILE has errors that the older one
    has not.  Recordings: calls, refusals and capabilities by workload.

    \b
    Example:
      seccomp-synth diff out/seccomp.json
      seccomp-synth diff new.json --against old.json --fail-on any --format markdown -o diff.md
      seccomp-synth diff new.replay.json --against old.replay.json
    """
    if output is not None:
        refuse_existing(output, force=force)
    kind = kind_of(file)
    if kind == PROFILE:
        if recordings:
            raise bad_option("--recording belongs to replays", "leave it out")
        text, bad = _profiles(settings, file, against, form, fail_on, kernel, arch, cap_add)
    else:
        if arch or cap_add:
            raise bad_option("--arch and --cap-add belong to profiles", "leave them out")
        older = None if against == DEFAULT_AGAINST else Path(against)
        text, bad = evidence_diff(settings, kind, file, older, recordings, form, fail_on)
    text = clean(text)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text, force=force)
        settings.note(f"wrote {output}")
    return int(ExitCode.ANSWER_IS_NO if bad else ExitCode.OK)


def _profiles(
    settings: Settings,
    profile: Path,
    against: str,
    form: str,
    fail_on: tuple[str, ...],
    kernel: str,
    arch: str | None,
    cap_add: tuple[str, ...],
) -> tuple[str, bool]:
    """Return the comparison of profiles, and whether it fails."""
    mine = load_profile(profile)
    other, name = _against(against, profile, settings)
    added = container_capabilities(profile, cap_add, settings)
    target = Target(arch or profile_arch(mine), added, kernel_option(kernel))
    # The default is compared as it would be for a container with at least its own capabilities,
    # so that dropping one never looks like a widening.
    default = Target(target.arch, added | DOCKER_DEFAULT_CAPABILITIES, target.kernel)
    difference = compare_profiles(mine, other, target, default)
    found = findings(difference, kept=True)
    question = Question(
        str(profile).replace("\n", " "),
        name.replace("\n", " "),
        target,
        tuple(sorted(added - DOCKER_DEFAULT_CAPABILITIES)),
    )
    if form == "json":
        text = dump_json(as_document(question, found, wider=difference.wider))
    elif form == "markdown":
        text = as_markdown(question.head, found)
    else:
        text = as_text(question.head, found, verbose=settings.verbosity > 0)
    return text, fails(found, fail_on)


def _against(text: str, profile: Path, settings: Settings) -> tuple[Profile, str]:
    """Return the profile to compare with and its name; say so when we chose it."""
    if text == DEFAULT_AGAINST:
        named = named_baseline(profile.parent / "provenance.json", "--against")
        chosen = newest() if named is None else load_baseline(named)
        why = "the newest default known" if named is None else "named in provenance.json"
        settings.note(f"comparing with {chosen.name}, {why}")
        return chosen.profile, chosen.name
    if not is_baseline(text) and (text.endswith(".json") or "/" in text or Path(text).exists()):
        return load_profile(Path(text)), text
    return load_baseline(text).profile, text
