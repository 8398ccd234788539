"""Write baselines/NAME.json, in our format, from an engine's default seccomp profile.

Usage, once per profile:
  import_baseline.py PROFILE.json --name docker-25.0 --order 5 --versions '>=25,<28.2' \\
      --project moby/moby --tag v25.0.5 --path profiles/seccomp/default.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from synth.files import parse_json
from synth.model import Gate, Profile, Rule
from synth.profile import parse_profile

FOLDER = Path(__file__).resolve().parent.parent / "baselines"


def plain_errnos(document: Any) -> Any:
    """Return Podman's document without errno names, which must only repeat the numbers."""
    for entry, name, number in (
        (document, "defaultErrno", "defaultErrnoRet"),
        *((rule, "errno", "errnoRet") for rule in document.get("syscalls", [])),
    ):
        text = entry.pop(name, "")
        if text and {"EPERM": 1, "ENOSYS": 38, "EINVAL": 22}.get(text) != entry.get(number):
            raise SystemExit(f"{name} {text!r} is not what {number} says")
    return document


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
            entry[key] = gate_entry(gate)
    if rule.comment:
        entry["comment"] = rule.comment
    return entry


def gate_entry(gate: Gate) -> dict[str, Any]:
    """Return one gate without empty fields."""
    entry: dict[str, Any] = {}
    if gate.capabilities:
        entry["capabilities"] = list(gate.capabilities)
    if gate.arches:
        entry["arches"] = list(gate.arches)
    if gate.min_kernel:
        entry["min_kernel"] = gate.min_kernel
    return entry


def render(head: dict[str, Any], syscalls: dict[str, list[dict[str, Any]]]) -> str:
    """Return the document with one syscall a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(syscalls[name])}" for name in sorted(syscalls)]
    return (
        json.dumps(head, indent=2)[:-2] + ',\n  "syscalls": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    )


def main() -> None:
    """Import the profile named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("profile", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--engine", choices=["docker", "podman"], default="docker")
    parser.add_argument("--order", type=int, required=True, help="position, oldest first")
    parser.add_argument("--versions", action="append", default=[], help="repeatable")
    parser.add_argument("--project", required=True)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()

    content = options.profile.read_bytes()
    document = parse_json(content, where=str(options.profile))
    if options.engine == "podman":
        document = plain_errnos(document)
    profile = parse_profile(document, where=str(options.profile))
    if profile.architectures or profile.flags:
        raise SystemExit("architectures and flags have no place in a baseline")
    default = {"action": profile.default_action}
    head = {
        "schema": "seccomp-synth/baseline",
        "schema_version": "1.0.0",
        "name": options.name,
        "engine": options.engine,
        "order": options.order,
        "versions": options.versions,
        "source": {
            "project": options.project,
            "version": options.tag,
            "path": options.path,
            "sha256": hashlib.sha256(content).hexdigest(),
        },
        "default": default
        | ({} if profile.default_errno is None else {"errno": profile.default_errno}),
        "architectures": {native: list(subs) for native, subs in profile.arch_map},
    }
    text = render(head, by_syscall(profile))
    (options.folder / f"{options.name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
