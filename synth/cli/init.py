"""``seccomp-synth init``: look at a project and write its seccomp-synth.toml."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from synth.cli.common import Settings, pass_settings
from synth.cli.container_options import WHERE
from synth.cli.sources import describe, source_options, typed_source
from synth.config import DEFAULT_NAME, ContainerSource, check_image, parse_config, slug
from synth.errors import ExitCode, UsageError
from synth.files import require_writable, write_atomic
from synth.project.compose import find_compose, read_compose
from synth.project.described import Described
from synth.project.devcontainer import (
    find_devcontainer,
    lifecycle_commands,
    load_devcontainer,
)
from synth.project.guess import Guess, guess_workloads
from synth.project.toml import write_toml

LIKELY = ("app", "web", "api", "server", "backend", "dev")
DOCKERFILES = ("Dockerfile", "Containerfile", "docker/Dockerfile")


@dataclass(frozen=True)
class Found:
    """The container that was found: a file's, or an image's name; why, and how to build it."""

    container: ContainerSource | str
    why: str
    build: str = ""


@click.command()
@click.option("--image", metavar="NAME", help="Take the container from this image.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_NAME,
    show_default=True,
    help="File to write; its folder is the project's.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@source_options
@pass_settings
def init(
    settings: Settings,
    image: str | None,
    output: Path,
    force: bool,
    compose: Path | None,
    service: str | None,
    devcontainer: Path | None,
) -> int:
    """Write a seccomp-synth.toml from the project's compose, devcontainer or Docker files.

    Guesses the container and the workloads (tests, installation, git, health check), says why,
    and changes nothing else. Nothing of the project is run.

    \b
    Examples:
      seccomp-synth init
      seccomp-synth init --compose compose.yaml --service web
    """
    require_writable(output, force=force)
    folder = Path(os.path.abspath(output)).parent
    if image is not None and (compose or devcontainer or service):
        raise _bad("--image and a file or service exclude each other", "give one")
    if service is not None and compose is None and image is None and devcontainer is None:
        compose = find_compose(folder)
    found = _typed(image, compose, service, devcontainer) or _look(folder, settings)
    if isinstance(found.container, ContainerSource):
        found = replace(found, container=_with_service(found.container, settings))
    described, lifecycle = _described(found.container, settings)
    guesses = guess_workloads(folder, described, lifecycle)
    text = _text(found, folder, described, guesses)
    parse_config(text.encode(), output)  # what we write, we read
    write_atomic(output, text, force=force)
    _explain(settings, found, described, guesses, output)
    return int(ExitCode.OK)


def _typed(
    image: str | None, compose: Path | None, service: str | None, devcontainer: Path | None
) -> Found | None:
    if image is not None:
        return Found(check_image(image, WHERE), "as named with --image")
    source = typed_source(compose, service, devcontainer)
    return Found(source, "as named on the command line") if source is not None else None


def _look(folder: Path, settings: Settings) -> Found:
    """Return the container of a project: its devcontainer, compose file or Dockerfile."""
    devcontainer, compose = find_devcontainer(folder), find_compose(folder)
    if devcontainer is not None:
        if compose is not None:
            settings.note(
                f"both a devcontainer and {compose.name} are here; the devcontainer is taken "
                f"(for a service: init --compose {compose.name} --service NAME)"
            )
        where = devcontainer.relative_to(folder)
        return Found(ContainerSource("devcontainer", devcontainer), f"there is a {where}")
    if compose is not None:
        return Found(ContainerSource("compose", compose), f"there is a {compose.name}")
    for name in DOCKERFILES:
        if (folder / name).is_file():
            image = slug(folder.name)
            build = f"docker build -t {image} -f {name} ."
            return Found(image, f"there is a {name}; build it: {build}", build)
    raise UsageError(
        "no compose file, devcontainer.json or Dockerfile is here",
        where=str(folder),
        slug="nothing-to-record",
        fix="name an image: seccomp-synth init --image debian:bookworm",
    )


def _with_service(source: ContainerSource, settings: Settings) -> ContainerSource:
    """Return the source with a service: the only one, the likeliest, or the one chosen."""
    if source.kind != "compose" or source.service:
        return source
    services: dict[str, object] = {}
    for document in read_compose(source.path).documents:
        services.update(document.get("services") or {})
    names = [str(name) for name in services]
    if len(names) <= 1:
        return replace(source, service=names[0] if names else "")
    built = [name for name in names if isinstance(one := services[name], dict) and one.get("build")]
    likely = [name for name in LIKELY if name in names]
    choice = ([name for name in likely if name in built] + likely + built + names)[0]
    if sys.stdin.isatty() and sys.stderr.isatty():
        asked = click.prompt(
            "service", default=choice, type=click.Choice(names), err=True, show_choices=True
        )
        return replace(source, service=str(asked))
    settings.note(f"services: {', '.join(names)}; {choice} is taken (another: --service NAME)")
    return replace(source, service=choice)


def _described(
    container: ContainerSource | str, settings: Settings
) -> tuple[Described | None, dict[str, tuple[str, ...]]]:
    if isinstance(container, str):
        return None, {}
    described = describe(container, settings)
    if container.kind == "devcontainer":
        return described, lifecycle_commands(load_devcontainer(container.path))
    return described, {}


def _text(
    found: Found, folder: Path, described: Described | None, guesses: tuple[Guess, ...]
) -> str:
    container, path = found.container, ""
    name = slug(folder.name)
    # a service and a devcontainer run on, and work is done inside; an image is run for each
    mode = "run" if described is None else "exec"
    if isinstance(container, ContainerSource):
        path = os.path.relpath(os.path.abspath(container.path), folder)
        if container.service:
            name = slug(container.service)
    return write_toml(name, container, path, found.why, guesses, mode)


def _explain(
    settings: Settings,
    found: Found,
    described: Described | None,
    guesses: tuple[Guess, ...],
    output: Path,
) -> None:
    what = found.container
    label = what if isinstance(what, str) else f"{what.kind} {what.path.name} {what.service}"
    settings.note(f"container: {label.strip()} ({found.why})")
    for one in guesses:
        state = "off, the container does not have the project's files" if one.doubtful else "on"
        settings.note(f"workload {one.name}: {one.shown()[:120]} (from {one.why}; {state})")
    if not guesses:
        settings.note("workloads: none found; write down what the container is for")
    if described is not None:
        for warning in described.warnings:
            settings.warn(warning)
        if described.left_out:
            settings.note(f"not repeated while recording: {', '.join(described.left_out)}")
    settings.note(f"wrote {output}: read it, correct it, keep it in the repository")
    build = found.build or (described.build if described is not None else "")
    if build:
        settings.note(f"first: {build}")
    where = () if str(output) == DEFAULT_NAME else ("--config", output)
    settings.next("record", *where, root=True)


def _bad(what: str, fix: str) -> UsageError:
    return UsageError(what, where=WHERE, slug="bad-option", fix=fix)
