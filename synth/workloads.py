"""Read what the project file says of workloads and of how their outputs are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from synth.errors import UsageError
from synth.model import Workload
from synth.probe import METHOD, probe_problem

OK = 200
"""The HTTP status that a probe expects unless it says another."""

MAX_MASK = 1024

_OF_PROBES, _OF_COMMANDS = ("get", "expected_status"), ("run", "mode", "expected_exit")


def read_workload(table: Mapping[str, Any], where: str) -> Workload:
    """Return a workload of a project file; the schema has been checked.

    Raises ``UsageError`` unless it either runs a command or asks a URL.
    """
    place = f"{where}: workload {table['name']}"
    is_probe = "get" in table
    if is_probe == ("run" in table):
        what = "run and get exclude each other" if is_probe else "nothing to run"
        raise _bad(place, what, "name one of run (a command) and get (a URL)")
    strange = [key for key in (_OF_COMMANDS if is_probe else _OF_PROBES) if key in table]
    if strange:
        raise _bad(place, f"{strange[0]} belongs to {'run' if is_probe else 'get'}")
    command = (METHOD, table["get"]) if is_probe else command_of(table["run"])
    problem = probe_problem(command) if is_probe else ""
    if problem:
        raise _bad(f"{place}.get", problem, 'write get = "http://localhost:PORT/PATH"')
    expected = table.get("expected_status", OK) if is_probe else table.get("expected_exit", 0)
    return Workload(
        name=table["name"],
        command=command,
        mode="probe" if is_probe else table.get("mode", "run"),
        timeout_s=float(table.get("timeout", 300.0)),
        repeat=table.get("repeat", 1),
        expected_exit=expected,
        files=tuple(table.get("files", ())),
    )


def command_of(value: str | list[str]) -> tuple[str, ...]:
    """Return the argument vector of a command; a line of text is for the shell."""
    return ("sh", "-c", value) if isinstance(value, str) else tuple(value)


def check_masks(masks: Iterable[str], where: str) -> tuple[str, ...]:
    """Return regular expressions as they are; raises ``UsageError`` for one that is none."""
    result = []
    for mask in masks:
        try:
            pattern = re.compile(mask.encode())
        except re.error as error:
            raise _bad(
                f"{where}: masks", f"not a regular expression: {mask[:80]!r} ({error})"
            ) from None
        if len(mask) > MAX_MASK or pattern.fullmatch(b""):
            raise _bad(f"{where}: masks", f"too long, or matches nothing at all: {mask[:80]!r}")
        result.append(mask)
    return tuple(result)


def _bad(where: str, what: str, fix: str = "see docs/formats.md") -> UsageError:
    return UsageError(what, where=where, slug="bad-config", fix=fix)
