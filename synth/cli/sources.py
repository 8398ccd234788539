"""Find the container that a project describes: by image, compose service or devcontainer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synth.cli.common import Settings
from synth.cli.container_options import WHERE
from synth.config import DEFAULT_NAME, Config, ContainerSource, load_config, slug
from synth.errors import DataError, UsageError
from synth.files import parse_json
from synth.model import Container, Subject, Workload
from synth.project.compose import merge_compose, read_compose, service_of
from synth.project.described import Described
from synth.project.devcontainer import (
    KEEP_ALIVE,
    compose_of,
    describe_devcontainer,
    find_devcontainer,
    load_devcontainer,
    metadata_warnings,
)
from synth.project.guess import waiting
from synth.project.service import describe_service

if TYPE_CHECKING:
    from tracer.engine import Engine, Image


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a compose service or a devcontainer."""
    for option in reversed(
        (
            click.option(
                "--compose",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Take the container from this compose file.",
            ),
            click.option("--service", metavar="NAME", help="The service of the compose file."),
            click.option(
                "--devcontainer",
                type=click.Path(path_type=Path),
                is_flag=False,
                flag_value=".",
                metavar="[FILE]",
                help="Take the container from a devcontainer.json.",
            ),
        )
    ):
        function = option(function)
    return function


def typed_source(
    compose: Path | None, service: str | None, devcontainer: Path | None
) -> ContainerSource | None:
    """Return the source that the command line names, if any; raises ``UsageError``."""
    if compose is not None and devcontainer is not None:
        raise _bad("--compose and --devcontainer exclude each other", "give one")
    if service is not None and compose is None:
        raise _bad("--service belongs to --compose", "add --compose FILE")
    if compose is not None:
        return ContainerSource("compose", compose, service or "")
    if devcontainer is None:
        return None
    path = find_devcontainer(devcontainer) if devcontainer.is_dir() else devcontainer
    if path is None:
        raise _bad(f"there is no devcontainer.json in {devcontainer}", "name the file")
    return ContainerSource("devcontainer", path)


def located(config: Config, settings: Settings, engine: str = "") -> Config:
    """Return the project with its container as it is to be made on its engine, or ``engine``.

    Raises ``UsageError``, and ``HostError`` without an engine.
    """
    if config.source is None:
        return config
    described = describe(config.source, settings)
    return _on_engine(described, replace(config, engine=engine or config.engine), settings)


def from_source(
    source: ContainerSource,
    config: Path,
    command: tuple[str, ...],
    name: str | None,
    settings: Settings,
    engine: str = "",
) -> Config:
    """Return a project for a source on the command line.

    Its workload is ``command``; else those of the project file at ``config``, if it is of this
    source; else the service's health check.
    """
    described = describe(source, settings)
    label = slug(name or source.service or source.path.resolve().parent.name)
    if command:
        workload = Workload(slug(name or os.path.basename(command[0])), command)
        typed = Config(label, Container(""), (workload,), engine, source)
        return _on_engine(described, typed, settings)
    if config.exists():
        known = load_config(config)
        if known.source is not None and _same(known.source, source):
            known = replace(known, name=label, engine=engine or known.engine)
            return _on_engine(described, known, settings)
    workloads = default_workloads(described, label)
    return _on_engine(described, Config(label, Container(""), workloads, engine, source), settings)


def recorded_container(
    named: Path | ContainerSource | None, subject: Subject, settings: Settings, engine: str = ""
) -> Container | None:
    """Return the project's container, if it is the one that was recorded.

    ``named`` is a project file or a source; ``None`` takes the project file of this folder, if
    there is one.  Raises ``UsageError`` if what was named is another container.
    """
    if isinstance(named, ContainerSource):
        config = Config("", Container(""), (), source=named)
    else:
        path = named or Path(DEFAULT_NAME)
        if named is None and not path.exists():
            return None
        config = load_config(path)
    image = config.container.image
    if named is None and config.source is None and image != subject.image:
        return None  # a project file that has nothing to do with this recording
    container = located(config, settings, engine).container
    different = [
        what
        for what, ours, recorded in (
            ("image", container.image, subject.image),
            ("variables", tuple(sorted(dict(container.environment))), subject.environment),
            ("mounts", tuple(sorted(one for _, one, _ in container.mounts)), subject.mounts),
            ("user", container.user or subject.user, subject.user),
            ("workdir", container.workdir, subject.workdir),
            ("tty", container.tty, subject.tty),
            ("no_new_privileges", container.no_new_privileges, subject.no_new_privileges),
            ("cap_add", container.cap_add, subject.cap_add),
            ("cap_drop", container.cap_drop, subject.cap_drop),
        )
        if ours != recorded
    ]
    if not different and container.network != subject.network:
        raise UsageError(
            f"it was recorded in the network {subject.network}, which is not there",
            where=where_of(config),
            slug="no-network",
            fix="start what it needs first: docker compose up -d NAME",
        )
    if not different:
        return container
    what = f"the project's container is not the one recorded: other {', '.join(different)}"
    if named is None:
        settings.note(f"note: {what}; it is not used")
        return None
    raise _bad(what, "record it again, or name the project file that it was recorded with")


def where_of(config: Config) -> str:
    """Return the file that describes the container, for messages."""
    return str(config.source.path) if config.source is not None else WHERE


def _same(one: ContainerSource, other: ContainerSource) -> bool:
    same_service = one.service == other.service or not (one.service and other.service)
    return one.kind == other.kind and one.path.resolve() == other.path.resolve() and same_service


def _on_engine(described: Described, config: Config, settings: Settings) -> Config:
    # imported here: needs Linux, and everything else must work without
    from tracer.connect import connect

    engine = connect(config.engine, "", os.environ)
    try:
        container = settle(described, config, engine, settings)
    finally:
        engine.close()
    return replace(config, container=container, unconfined=described.unconfined)


def describe(source: ContainerSource, settings: Settings) -> Described:
    """Return what the project's file says of the container; raises ``UsageError``.

    Asks ``docker compose config`` if it is there, and reads the files itself if not.
    """
    if source.kind == "compose":
        return _service(source.path, source.service or None, settings)
    document = load_devcontainer(source.path)
    reference = compose_of(document, source.path)
    if reference is None:
        return describe_devcontainer(document, source.path, os.environ)
    if len(reference.files) > 1:
        settings.note("note: the first compose file of the devcontainer is taken, not its overlays")
    found = _service(reference.files[0], reference.service, settings)
    container = replace(
        found.container,
        user=reference.user or found.container.user,
        workdir=reference.workdir or found.container.workdir,
        # the editor's tools keep such a container alive in place of its own command
        command=KEEP_ALIVE,
        entrypoint=(),
    )
    return replace(found, container=container)


def _service(path: Path, service: str | None, settings: Settings) -> Described:
    from tracer.compose import compose_model, has_compose

    files = read_compose(path)
    document: Mapping[str, Any]
    if has_compose(os.environ):
        document = compose_model(files.files, os.environ)
    else:
        document, unset = merge_compose(files, os.environ)
        for name in unset:
            settings.warn(f"{path}: the variable {name} is not set; it is taken as empty")
    name, mapping = service_of(document, service, str(path))
    return describe_service(document, name, mapping, files.files[0])


def settle(described: Described, config: Config, engine: Engine, settings: Settings) -> Container:
    """Return the container as it is to be made on this engine, and say what is different.

    A built image has to be there; networks are joined if they are there.  Raises ``UsageError``.
    """
    container = config.applied(described.container)
    image, found = _built(described, container, engine)
    for warning in described.warnings:
        settings.warn(f"{described.source}: {warning}")
    for warning in _label_warnings(found):
        settings.warn(f"{described.source}: {warning}; not followed here")
    if described.left_out:
        settings.note(f"note: {described.source}: not repeated: {', '.join(described.left_out)}")
    command = container.command
    if "command" not in config.changed and command and described.container.command == command:
        entrypoint = container.entrypoint or found.entrypoint
        # replaces the entry point as well
        overridden = command in (Container(image="").command, KEEP_ALIVE)
        command = command if overridden else (*entrypoint, *command)
    elif not command:
        command = container.entrypoint
    return replace(
        container,
        image=image,
        command=command,
        network=_network(described, container, engine, settings),
    )


def _built(described: Described, container: Container, engine: Engine) -> tuple[str, Image]:
    """Return name and description of the image; one that has to be built must be there."""
    names = (container.image,) if container.image else described.candidates
    for name in names:
        try:
            return name, engine.image(name, pull=bool(container.image) and not described.build)
        except UsageError as error:
            if error.slug != "no-image" or (container.image and not described.build):
                raise
    raise UsageError(
        f"the image of {described.source} ({' or '.join(names)}) is not built",
        slug="image-not-built",
        fix=f"run: {described.build}",
    )


def _label_warnings(image: Image) -> tuple[str, ...]:
    if not image.devcontainer:
        return ()
    try:
        return metadata_warnings(parse_json(image.devcontainer.encode(), where="label"))
    except DataError:
        return ("the image's label devcontainer.metadata is not JSON",)


def _network(described: Described, container: Container, engine: Engine, settings: Settings) -> str:
    if container.network != "default":
        return container.network
    for name in described.networks:
        if engine.has_network(name):
            others = [one for one in described.networks if one != name]
            if others:
                settings.note(f"note: joins the network {name} only, not {', '.join(others)}")
            return name
    if described.networks and described.networks != ("default",):
        settings.note(
            f"note: there is no network {described.networks[0]}: other services will not be "
            "found; start those it needs first (docker compose up -d NAME), without this one"
        )
    return "default"


def default_workloads(described: Described, label: str) -> tuple[Workload, ...]:
    """Return what to record when nobody said: the service itself, seen through its health check.

    Raises ``UsageError`` if there is none: how long a server is to run nobody knows.
    """
    if not described.check:
        raise UsageError(
            f"nothing to do in {described.source}: no command is given and it has no health check",
            where=WHERE,
            slug="nothing-to-record",
            fix="add -- COMMAND…, or write [[workload]] entries (seccomp-synth init)",
        )
    return (Workload(f"{slug(label)}-health", waiting(described.check), mode="exec"),)


def _bad(what: str, fix: str) -> UsageError:
    return UsageError(what, where=WHERE, slug="bad-option", fix=fix)
