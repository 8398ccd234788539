"""Let the user choose the container engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

ENGINES = ("docker", "podman")


@dataclass(frozen=True)
class EngineChoice:
    """Which engine and runtime to use; empty means to find out."""

    name: str = ""
    runtime: str = ""


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose the engine."""
    for option in (
        click.option("--runtime", metavar="NAME", help="OCI runtime, such as runc or crun."),
        click.option("--engine", type=click.Choice(ENGINES), help="Engine; default: any here."),
    ):
        function = option(function)
    return function
