"""Read, write and resolve profiles; see the modules of the same names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.errors import DataError
from synth.files import bad_json, read_bounded
from synth.model import Comparison, Gate, Profile, Rule
from synth.positions import Located, locate
from synth.profile_format import RESOLVED_DIALECTS
from synth.profile_problems import ProfileError
from synth.profile_reader import parse_profile
from synth.resolve import Resolved, decide, resolve

__all__ = [
    "Resolved",
    "decide",
    "dump_profile",
    "load_profile",
    "parse_profile",
    "read_located",
    "resolve",
]

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Largest profile we read; engines take 3 MB without complaint, ours are under 20 kB."""


def load_profile(path: Path, dialect: str = "docker") -> Profile:
    """Read a profile file in one of ``profile_format.DIALECTS``, or ``auto``.

    Raises ``DataError`` that names line and column, ``UsageError`` when there is no such file.
    """
    name = str(path)
    located = read_located(path)
    for inner, offset in located.duplicates:
        line, column = located.at(offset)
        key = inner.rpartition(".")[2]
        raise bad_json(f"duplicate key {key[:80]!r}", f"{name}:{line}:{column}")
    try:
        return parse_profile(located.value, where=name, dialect=dialect)
    except ProfileError as error:
        line, column = located.position(error.path)
        error.where = f"{name}:{line}:{column}{error.where.removeprefix(name)}"
        raise


def read_located(path: Path) -> Located:
    """Read a profile file's JSON and remember where everything stands; raises as above."""
    return locate(read_bounded(path, limit=MAX_PROFILE_BYTES), where=str(path))


def dump_profile(profile: Profile, dialect: str = "docker") -> str:
    """Return ``profile`` as one dialect has it, one name a line, without empty fields.

    Names are sorted within an entry; entries keep their order.  Equal profiles give equal bytes.
    Raises ``DataError`` when the dialect cannot say what the profile says.
    """
    _require_said(profile, dialect)
    document: dict[str, Any] = {"defaultAction": profile.default_action}
    if profile.default_errno is not None:
        document["defaultErrnoRet"] = profile.default_errno
    if profile.architectures:
        document["architectures"] = list(profile.architectures)
    if profile.arch_map:
        document["archMap"] = [
            {"architecture": native, "subArchitectures": list(subs)}
            for native, subs in profile.arch_map
        ]
    if profile.flags:
        document["flags"] = list(profile.flags)
    document["syscalls"] = [
        _rule(replace(rule, comment="") if dialect in RESOLVED_DIALECTS else rule)
        for rule in profile.rules
    ]
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _require_said(profile: Profile, dialect: str) -> None:
    gates = [gate for rule in profile.rules for gate in (rule.includes, rule.excludes)]
    what = ""
    if dialect in RESOLVED_DIALECTS:
        if profile.arch_map or any(gate != Gate() for gate in gates):
            what = "conditions on the container or the host, which OCI's form does not have"
    elif dialect == "podman" and any(gate.min_kernel for gate in gates):
        what = "conditions on the kernel, which Podman ignores"
    if what:
        raise DataError(
            f"the profile has {what}", slug="not-resolved", fix="resolve it for one host first"
        )


def _rule(rule: Rule) -> dict[str, Any]:
    entry: dict[str, Any] = {"names": sorted(rule.names), "action": rule.action}
    if rule.errno is not None:
        entry["errnoRet"] = rule.errno
    if rule.comparisons:
        entry["args"] = [_comparison(comparison) for comparison in rule.comparisons]
    if rule.comment:
        entry["comment"] = rule.comment
    for key, gate in (("includes", rule.includes), ("excludes", rule.excludes)):
        if gate != Gate():
            entry[key] = gate_entry(gate)
    return entry


def _comparison(comparison: Comparison) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": comparison.index, "value": comparison.value}
    if comparison.value_two or comparison.op == "SCMP_CMP_MASKED_EQ":
        entry["valueTwo"] = comparison.value_two
    entry["op"] = comparison.op
    return entry


def gate_entry(
    gate: Gate, *, capabilities: str = "caps", kernel: str = "minKernel"
) -> dict[str, Any]:
    """Return one gate without empty fields; the names of two of them differ between formats."""
    entry: dict[str, Any] = {}
    if gate.capabilities:
        entry[capabilities] = list(gate.capabilities)
    if gate.arches:
        entry["arches"] = list(gate.arches)
    if gate.min_kernel:
        entry[kernel] = gate.min_kernel
    return entry
