"""``seccomp-synth baseline``: list, show, import and verify the engines' default profiles."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import click

from synth import profile_format as words
from synth.baseline import Baseline, available, for_engine, load_baseline, parse_baseline
from synth.baseline_import import Source, import_baseline
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.engines import EngineChoice, engine_options
from synth.diff import Difference, compare, findings
from synth.errors import ExitCode, HostError, UsageError
from synth.files import dump_json, parse_json, read_bounded, write_atomic
from synth.model import Container, Profile, Target
from synth.profile import MAX_PROFILE_BYTES, dump_profile, resolve
from synth.profile_problems import Problem
from synth.profile_reader import ProfileReader
from synth.syscalls import SCMP_ARCHES

OUTPUT = click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the answer: for people or for programs.",
)


@click.group("baseline")
def baseline() -> None:
    """Show, import and verify the default profiles of engines.

    \b
    Example:
      seccomp-synth baseline list
      seccomp-synth baseline verify --image debian:bookworm
    """


@baseline.command("list")
@OUTPUT
def list_command(form: str) -> None:
    """List the default profiles there are, with the engine versions that use them.

    \b
    Example:
      seccomp-synth baseline list
    """
    found = [load_baseline(name) for name in available()]
    if form == "json":
        click.echo(dump_json({"baselines": [_head(one) for one in found]}), nl=False)
        return
    width = max(len(one.name) for one in found)
    for one in found:
        source = dict(one.source)
        versions = " ".join(one.versions) or "no engine version known to use it"
        click.echo(
            clean(
                f"{one.name:{width}}  {one.engine:6}  {versions}  "
                f"({source['project']} {source['version']})"
            )
        )


@baseline.command("show")
@click.argument("name")
@OUTPUT
def show_command(name: str, form: str) -> None:
    """Show a default profile: its source, or with --output json the profile itself.

    \b
    Example:
      seccomp-synth baseline show docker-25.0
      seccomp-synth baseline show docker-25.0 --output json > default.json
    """
    one = load_baseline(name)
    if form == "json":
        click.echo(dump_profile(one.profile), nl=False)
        return
    head = _head(one)
    rules = one.profile.rules
    lines = [
        f"{one.name}: default of {one.engine} {' '.join(one.versions)}".rstrip(),
        f"source: {head['source']}",
        f"default: {one.profile.default_action} {one.profile.default_errno or ''}".rstrip(),
        f"entries: {len(rules)}, of {len({name for rule in rules for name in rule.names})} calls",
        *(f"note: {note}" for note in one.notes),
    ]
    click.echo(clean("\n".join(lines)))


@baseline.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the baseline, such as docker-25.0.")
@click.option("--project", "--source", required=True, help="Whose file it is, such as moby/moby.")
@click.option("--tag", default="unknown", show_default=True, help="The version it is of.")
@click.option("--path", default="default.json", show_default=True, help="Its path in the project.")
@click.option(
    "--engine",
    type=click.Choice(["docker", "podman"]),
    default="docker",
    show_default=True,
    help="Engine whose default it is.",
)
@click.option("--order", type=click.IntRange(0), default=0, help="Position, the oldest first.")
@click.option("--versions", multiple=True, help="Engine versions that use it, e.g. '>=25,<28.2'.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Default: NAME.json.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@pass_settings
def import_command(
    settings: Settings,
    file: Path,
    name: str,
    project: str,
    tag: str,
    path: str,
    engine: str,
    order: int,
    versions: tuple[str, ...],
    output: Path | None,
    force: bool,
) -> None:
    """Write an engine's default profile as a baseline; in baselines/ it is one of ours.

    \b
    Example:
      seccomp-synth baseline import default.json --name docker-25.0 --project moby/moby
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+_-]{0,63}", name):
        raise UsageError(
            f"not a baseline's name: {name[:80]!r}",
            slug="bad-option",
            where="--name",
            fix="use small letters, digits, '.', '+', '_' and '-'",
        )
    made = import_baseline(
        read_bounded(file, limit=MAX_PROFILE_BYTES),
        name=name,
        engine=engine,
        order=order,
        versions=versions,
        source=Source(project, tag, path),
        where=str(file),
    )
    parse_baseline(parse_json(made.text.encode(), where=name))
    target = output or Path(f"{name}.json")
    write_atomic(target, made.text, force=force)
    for note in made.notes:
        settings.note(f"note: {note}")
    settings.note(f"wrote {target}")


@dataclass(frozen=True)
class Verified:
    """What an engine applied, compared with the baseline we take for it."""

    baseline: Baseline
    engine: str
    difference: Difference
    reverse: Difference

    @property
    def same(self) -> bool:
        """Tell whether both let the same calls through and refuse with the same errno."""
        return not (self.difference.wider or self.reverse.wider or self.difference.refusals)


@baseline.command("verify")
@click.option("--image", default="seccomp-synth-base", show_default=True, help="Image to start.")
@click.option("--name", "wanted", help="Baseline to compare with; by default the engine's.")
@OUTPUT
@engine_options
@pass_settings
def verify_command(
    settings: Settings,
    image: str,
    wanted: str | None,
    form: str,
    engine: str | None,
    runtime: str | None,
) -> int:
    """Start a container and compare what the engine applied with our baseline.

    Exits with 1 if they differ, which is what a distribution patched, and with 3 if what was
    applied cannot be found.

    \b
    Example:
      seccomp-synth baseline verify --image debian:bookworm
    """
    verified = _verify(image, wanted, EngineChoice(engine or "", runtime or ""))
    added = verified.difference.widened
    removed = verified.reverse.widened
    if form == "json":
        text = dump_json(
            {
                "schema": "seccomp-synth/baseline-check",
                "schema_version": "1.0.0",
                "engine": verified.engine,
                "baseline": verified.baseline.name,
                "known": verified.baseline.exact,
                "same": verified.same,
                "allowed_by_engine_only": [one.call() for one in added],
                "allowed_by_baseline_only": [one.call() for one in removed],
                "findings": [one.message for one in findings(verified.difference)],
            }
        )
        click.echo(clean(text), nl=False)
    else:
        lines = [f"{verified.engine} compared with {verified.baseline.name}"]
        lines += [f"only the engine allows {one.call()}" for one in added]
        lines += [f"only the baseline allows {one.call()}" for one in removed]
        lines += [f"admitted by the engine only: {one}" for one in _arches(verified.difference)]
        lines += [f"admitted by the baseline only: {one}" for one in _arches(verified.reverse)]
        lines += [
            f"other errno ({one.before.errno} in the baseline, {one.after.errno}): "
            + " ".join(one.names)
            for one in verified.difference.refusals
        ]
        lines.append("the same" if verified.same else "not the same")
        click.echo(clean("\n".join(lines)))
    if not verified.baseline.exact:
        settings.warn("the engine's version is not among those known to use this baseline")
    return int(ExitCode.OK if verified.same else ExitCode.ANSWER_IS_NO)


def _arches(difference: Difference) -> tuple[str, ...]:
    return difference.architectures_added


def _verify(image: str, wanted: str | None, choice: EngineChoice) -> Verified:
    """Ask the engine in use; raises ``HostError`` if that cannot be told."""
    # imported here: the other commands of this group need no engine
    from tracer.applied import applied_filter
    from tracer.connect import connect
    from tracer.workload import Ending, created, start

    engine = connect(choice.name, choice.runtime, os.environ)
    try:
        info = engine.info()
        engine.image(image, pull=False)
        container = Container(image)
        with created(
            engine, container, ("sleep", "60"), profile=None, replace_entrypoint=True
        ) as container_id:
            ending = Ending()
            start(engine, container_id, ending, tty=False, output=None)
            if ending.message:
                raise HostError(
                    f"the container did not start: {ending.message}",
                    slug="no-applied-filter",
                    fix="name another image with --image",
                )
            state = engine.state(container_id)
            applied = applied_filter(container_id, state.pid)
    finally:
        engine.close()
    if applied.seccomp is None:
        raise HostError(
            "the engine starts containers without any seccomp filter",
            slug="engine-without-seccomp",
            fix="use an engine with seccomp",
        )
    profile = _read(applied.seccomp, applied.path)
    base = load_baseline(wanted) if wanted else for_engine(info.name, info.version)
    kernel = tuple(int(one) for one in re.findall(r"\d+", os.uname().release)[:2])
    machine = os.uname().machine
    arch = machine if machine in SCMP_ARCHES else "x86_64"
    target = Target(arch, applied.capabilities, (kernel[0], kernel[1]))
    ours, theirs = resolve(base.profile, target), resolve(profile, target)
    return Verified(
        base,
        f"{info.name} {info.version}",
        compare(theirs, ours, arch=arch),
        compare(ours, theirs, arch=arch),
    )


def _read(document: object, where: str) -> Profile:
    """Read what a runtime got as the runtime does: contradictions stand, unknown names go."""

    def report(problem: Problem) -> None:
        if problem.finding not in ("SS405", "SS406", "SS416"):
            raise problem.error(where)

    return ProfileReader(words.DIALECTS[2], report).profile(document)


def _head(one: Baseline) -> dict[str, object]:
    return {
        "name": one.name,
        "engine": one.engine,
        "versions": list(one.versions),
        "source": " ".join(value for _, value in one.source),
        "entries": len(one.profile.rules),
        "notes": list(one.notes),
    }
