"""Say what a project file asks of a container, and what of it a recording does not repeat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.model import Container

UNCONFINED = "unconfined"


@dataclass(frozen=True)
class Described:
    """A container as a project describes it.

    ``image`` is empty if it is built and has no name of its own; ``candidates`` are the names
    that a build gives it.  ``build`` is the command that builds it.  ``command`` and
    ``entrypoint`` of the container are the project's; ``()`` leaves the image's.  ``networks``
    are names on the engine, best first.  ``check`` is the health check's command.
    ``unconfined``: no seccomp filter is asked for.  ``warnings`` and ``left_out`` are sentences
    and names for the user.
    """

    source: str
    container: Container
    candidates: tuple[str, ...] = ()
    build: str = ""
    networks: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    unconfined: bool = False
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def security_options(
    options: list[str], found: list[str], left_out: list[str]
) -> tuple[bool, bool]:
    """Return ``(no_new_privileges, unconfined)`` of engine options such as ``seccomp=FILE``.

    What a reader should know is added to ``found``, what is not repeated to ``left_out``.
    """
    no_new_privileges = unconfined = False
    for text in options:
        name, _, value = re.sub(r"[:=]", "=", text, count=1).partition("=")
        if name == "no-new-privileges":
            no_new_privileges = value.lower() in ("", "true", "1", "t")
        elif name == "seccomp":
            unconfined = value == UNCONFINED  # the last one wins, as on the engine
            if value not in (UNCONFINED, "builtin", ""):
                found.append(f"seccomp={value[:80]} is not used: recording takes the default")
        else:
            left_out.append(f"security option {name[:40]}")
    if unconfined:
        found.append(
            "it runs with seccomp=unconfined, so everything is allowed while it is recorded; what "
            "the engine's default refuses stays out of the profile unless an exception names it"
        )
    return no_new_privileges, unconfined


def mount_warning(source: str, target: str, folder: Path) -> str:
    """Return what a reader should know about a bind mount, or nothing."""
    if source.endswith(("docker.sock", "podman.sock", "containerd.sock")):
        return (
            f"{source} is mounted: whoever has the engine's socket has the host, "
            "which no seccomp profile changes"
        )
    if not Path(source).is_relative_to(folder):
        return f"{source} is mounted at {target}, from outside the project"
    return ""


def strings(value: Any) -> list[str]:
    """Return a list of scalars as strings; anything else is empty."""
    if not isinstance(value, list):
        return []
    return [str(one) for one in value if isinstance(one, str | int | float)]


def flag(value: Any) -> bool:
    """Return a boolean that may have been written as text."""
    return value is True or str(value).lower() == "true"


def only_unknown(mapping: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """Return the keys that say something and are not in ``known``, sorted."""
    empty: tuple[object, ...] = (None, "", [], {}, False)
    return sorted(
        key[:40] for key, value in mapping.items() if key not in known and value not in empty
    )
