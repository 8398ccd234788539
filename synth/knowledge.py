"""Say what each x86-64 syscall is, how risky, and what was seen when it is refused.

The texts are in ``synth/data/explanations.json``, our own and kept by hand.  Of the kernel's
vulnerabilities only those are named that were checked in the public source given with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A vulnerability of the kernel that was reached through a syscall, and where it is told."""

    id: str
    what: str
    source: str


@dataclass(frozen=True, slots=True)
class Risk:
    """The class of a syscall (``S``, ``A``, ``B``, ``C``), what that means, and why it is in it."""

    grade: str
    meaning: str
    why: str = ""
    vulnerabilities: tuple[Vulnerability, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusing:
    """What was measured with the call refused.

    ``errno`` is what it must answer for programs to fall back, empty if any will do, ``none`` if
    none helps; ``fallback`` the calls that must then be allowed.
    """

    errno: str
    effect: str
    fallback: tuple[str, ...] = ()


def description(name: str) -> str:
    """Return one line on what ``name`` does; nothing for most calls that x86-64 does not have."""
    entry = _data()["syscalls"].get(name)
    return str(entry[1]) if entry else ""


def risk(name: str) -> Risk:
    """Return the risk class of ``name``, empty for a call that has no description."""
    data = _data()
    entry = data["syscalls"].get(name)
    if entry is None:
        return Risk("", "not graded: x86-64 does not have it")
    grade = entry[0]
    reasons = [one["why"] for one in data["reasons"] if name in one["calls"]]
    found = tuple(
        Vulnerability(one["id"], one["what"], one["source"])
        for one in data["cves"]
        if name in one["calls"]
    )
    return Risk(grade, data["grades"][grade], " ".join(reasons), found)


def refusing(name: str) -> Refusing | None:
    """Return what is known of programs that are refused ``name``, or ``None``."""
    for one in _data()["refusing"]:
        if name in one["calls"]:
            return Refusing(one["errno"], one["effect"], tuple(one["fallback"]))
    return None


@cache
def _data() -> Any:
    path = resources.files("synth").joinpath("data/explanations.json")
    return json.loads(path.read_text(encoding="utf-8"))
