"""Offer the options that describe a container, for every command that makes one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from synth.config import capability_names, parse_mount, parse_variable
from synth.model import Container

WHERE = "command line"


@dataclass(frozen=True)
class ContainerOptions:
    """The container options of the command line, as typed."""

    user: str | None
    workdir: str | None
    network: str | None
    tty: bool
    no_new_privileges: bool
    cap_add: tuple[str, ...]
    cap_drop: tuple[str, ...]
    env: tuple[str, ...]
    mount: tuple[str, ...]

    def apply(self, container: Container) -> Container:
        """Return ``container`` with what was typed put over it."""
        changes: dict[str, Any] = {
            name: value
            for name, value in (
                ("user", self.user),
                ("workdir", self.workdir),
                ("network", self.network),
                ("tty", self.tty or None),
                ("no_new_privileges", self.no_new_privileges or None),
                ("cap_add", capability_names(self.cap_add, WHERE) or None),
                ("cap_drop", capability_names(self.cap_drop, WHERE) or None),
            )
            if value is not None
        }
        if self.env:
            added = parse_env_options(self.env)
            changes["environment"] = tuple(
                sorted({**dict(container.environment), **dict(added)}.items())
            )
        if self.mount:
            mounts = tuple(parse_mount(text, WHERE, Path.cwd()) for text in self.mount)
            changes["mounts"] = tuple(sorted({*container.mounts, *mounts}))
        return replace(container, **changes)


def container_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the container."""
    for option in reversed(
        (
            click.option("--user", help="User (name or uid) in the container."),
            click.option("--workdir", help="Working directory in the container."),
            click.option("--network", type=click.Choice(["default", "none"]), help="Network."),
            click.option("-t", "--tty", is_flag=True, help="Give the workload a terminal."),
            click.option(
                "--no-new-privileges", is_flag=True, help="Forbid gaining privileges (sudo fails)."
            ),
            click.option("--cap-add", multiple=True, metavar="CAP", help="Add a capability."),
            click.option(
                "--cap-drop", multiple=True, metavar="CAP", help="Drop a capability, or ALL."
            ),
            click.option(
                "-e",
                "--env",
                multiple=True,
                metavar="NAME[=VALUE]",
                help="Set a variable; only its name is kept.",
            ),
            click.option(
                "--mount",
                multiple=True,
                metavar="SRC:DST[:ro]",
                help="Mount a folder; only DST is kept.",
            ),
        )
    ):
        function = option(function)
    return function


def parse_env_options(options: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return ``(name, value)`` of each ``NAME[=VALUE]``; a bare name takes our own value."""
    pairs = []
    for text in options:
        name, given, value = text.partition("=")
        pairs.append(parse_variable(name, value if given else os.environ.get(name, ""), WHERE))
    return tuple(pairs)
