"""Turn an engine's own default profile into a baseline in our format.

The project commits no files of other projects: a baseline says the same by syscall, and names its
source by project, version, path and digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.errors import DataError
from synth.files import parse_json
from synth.model import Gate, Profile, Rule
from synth.profile import gate_entry
from synth.profile_problems import Problem
from synth.profile_reader import ProfileReader
from synth.profile_rules import answer_of, check_rules, together


@dataclass(frozen=True, slots=True)
class Imported:
    """A baseline as text, and what was left out of it and why."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an engine's file comes from."""

    project: str
    version: str
    path: str


def import_baseline(
    content: bytes,
    *,
    name: str,
    engine: str,
    order: int,
    versions: Sequence[str],
    source: Source,
    where: str,
) -> Imported:
    """Return the baseline of an engine's file; ``engine`` is ``docker`` or ``podman``.

    Raises ``DataError`` for a file that is no profile, or one that a baseline cannot hold.
    """
    document = parse_json(content, where=where)

    def refuse(problem: Problem) -> None:
        raise problem.error(where)

    profile, notes = without_dead(ProfileReader(engine, refuse).profile(document))
    check_rules(profile.rules, f"{where}: syscalls")
    if profile.architectures or profile.flags:
        raise DataError(
            "architectures and flags have no place in a baseline",
            where=where,
            slug="bad-baseline",
            fix="import the engine's own file, which has archMap",
        )
    default: dict[str, Any] = {"action": profile.default_action}
    if profile.default_errno is not None:
        default["errno"] = profile.default_errno
    head: dict[str, Any] = {
        "schema": "seccomp-synth/baseline",
        "schema_version": "1.0.0",
        "name": name,
        "engine": engine,
        "order": order,
        "versions": list(versions),
        "source": {
            "project": source.project,
            "version": source.version,
            "path": source.path,
            "sha256": hashlib.sha256(content).hexdigest(),
        },
        **({"notes": list(notes)} if notes else {}),
        "default": default,
        "architectures": {native: list(subs) for native, subs in profile.arch_map},
    }
    return Imported(render(head, by_syscall(profile)), notes)


def without_dead(profile: Profile) -> tuple[Profile, tuple[str, ...]]:
    """Return the profile without rules that can never win, and a sentence for each.

    libseccomp keeps the first rule without conditions; where that one depends on neither
    capabilities nor host, whatever an engine's file says later about the name is dead.
    """
    default = answer_of(profile.default_action, profile.default_errno)
    always: dict[str, Rule] = {}
    kept: list[Rule] = []
    notes: list[str] = []
    for rule in profile.rules:
        dead = {
            name
            for name in rule.names
            if name in always
            and (always[name].action, always[name].errno) != (rule.action, rule.errno)
            and together(always[name], rule)
        }
        notes += [
            f"{name}: {rule.action} is in the file as well, but comes after {always[name].action} "
            "without conditions, which wins"
            for name in sorted(dead)
        ]
        names = tuple(name for name in rule.names if name not in dead)
        if names:
            kept.append(replace(rule, names=names))
        answers = answer_of(rule.action, rule.errno)
        free = not rule.comparisons and rule.includes == rule.excludes == Gate()
        if free and answers != default:  # runtimes leave out what equals the default
            for name in rule.names:
                always.setdefault(name, rule)
    return replace(profile, rules=tuple(kept)), tuple(notes)


def by_syscall(profile: Profile) -> dict[str, list[dict[str, Any]]]:
    """Return the rules of every name, in the profile's order."""
    result: dict[str, list[dict[str, Any]]] = {}
    for rule in profile.rules:
        for name in rule.names:
            entry = rule_entry(rule)
            if entry not in result.setdefault(name, []):
                result[name].append(entry)
    return result


def rule_entry(rule: Rule) -> dict[str, Any]:
    """Return one rule without its names and without empty fields."""
    entry: dict[str, Any] = {"action": rule.action}
    if rule.errno is not None:
        entry["errno"] = rule.errno
    if rule.comparisons:
        entry["when"] = [
            {"argument": one.index, "op": one.op, "value": one.value}
            | ({"value_two": one.value_two} if one.op == "SCMP_CMP_MASKED_EQ" else {})
            for one in rule.comparisons
        ]
    for key, gate in (("requires", rule.includes), ("unless", rule.excludes)):
        if gate != Gate():
            entry[key] = gate_entry(gate, capabilities="capabilities", kernel="min_kernel")
    if rule.comment:
        entry["comment"] = rule.comment
    return entry


def render(head: dict[str, Any], syscalls: dict[str, list[dict[str, Any]]]) -> str:
    """Return the document with one syscall a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(syscalls[name])}" for name in sorted(syscalls)]
    return (
        json.dumps(head, indent=2)[:-2] + ',\n  "syscalls": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    )
