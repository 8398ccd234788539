"""Read, write and resolve profiles in Docker's format; see the modules of the same names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.files import load_json
from synth.model import Comparison, Gate, Profile, Rule
from synth.profile_reader import parse_profile
from synth.resolve import Resolved, decide, resolve

__all__ = ["Resolved", "decide", "dump_profile", "load_profile", "parse_profile", "resolve"]

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Largest profile we read; engines take 3 MB without complaint, ours are under 20 kB."""


def load_profile(path: Path) -> Profile:
    """Read a profile file.

    Raises ``DataError`` that names the place, ``UsageError`` when there is no such file.
    """
    return parse_profile(load_json(path, limit=MAX_PROFILE_BYTES), where=str(path))


def dump_profile(profile: Profile) -> str:
    """Return ``profile`` as Docker reads it, one name a line, without empty fields.

    Names are sorted within an entry; entries keep their order.  Equal profiles give equal bytes.
    """
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
    document["syscalls"] = [_rule(rule) for rule in profile.rules]
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


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
            entry[key] = _gate(gate)
    return entry


def _comparison(comparison: Comparison) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": comparison.index, "value": comparison.value}
    if comparison.value_two or comparison.op == "SCMP_CMP_MASKED_EQ":
        entry["valueTwo"] = comparison.value_two
    entry["op"] = comparison.op
    return entry


def _gate(gate: Gate) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if gate.capabilities:
        entry["caps"] = list(gate.capabilities)
    if gate.arches:
        entry["arches"] = list(gate.arches)
    if gate.min_kernel:
        entry["minKernel"] = gate.min_kernel
    return entry
