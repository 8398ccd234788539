"""Turn runs, hosts and health into JSON values and back.

The schema has been checked before anything here reads a value; what is left to check is what a
schema cannot say: that names and numbers agree, that nothing is there twice, that values fit
their masks.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from synth.document import bad_document, shorten
from synth.model import (
    ArgumentUse,
    CapabilityUse,
    Denial,
    FileDigest,
    Health,
    Host,
    OutputDigest,
    Run,
    SyscallUse,
)
from synth.syscalls import CAPABILITIES, syscall_name, syscall_number

FOREIGN = {"x86_64": ("x86", "x32"), "aarch64": ("arm",)}
"""Architectures whose calls a kernel takes beside its own."""


def run_to(run: Run) -> dict[str, Any]:
    """Return a run as a JSON value, everything in canonical order."""
    value = {
        "workload": run.workload,
        "index": run.index,
        "outcome": run.outcome,
        "exit_status": run.exit_status,
        "duration_ms": run.duration_ms,
        "stdout": _digest_to(run.stdout),
        "stderr": _digest_to(run.stderr),
        "syscalls": [_syscall_to(use) for use in sorted(run.syscalls)],
        "arguments": [_argument_to(use) for use in sorted(run.arguments)],
        "denials": [_denial_to(denial) for denial in sorted(run.denials)],
        "capabilities": [_capability_to(use) for use in sorted(run.capabilities)],
    }
    if run.files:  # older versions do not know them
        value["files"] = [
            {"path": one.path, "digest": None if one.digest is None else _digest_to(one.digest)}
            for one in run.files
        ]
    return value


def run_from(value: dict[str, Any], *, where: str) -> Run:
    """Return the run of a checked JSON value; raises ``DataError`` for an impossible one."""
    place = f"{where}: run {shorten(value['workload'])}[{value['index']}]"
    return Run(
        workload=value["workload"],
        index=int(value["index"]),
        outcome=value["outcome"],
        exit_status=None if value["exit_status"] is None else int(value["exit_status"]),
        duration_ms=_milliseconds(value["duration_ms"], place),
        stdout=_digest_from(value["stdout"]),
        stderr=_digest_from(value["stderr"]),
        syscalls=_syscalls_from(value["syscalls"], place),
        arguments=_arguments_from(value["arguments"], place),
        denials=_denials_from(value["denials"], place),
        capabilities=_capabilities_from(value["capabilities"], place),
        files=_files_from(value.get("files", ()), place),
    )


def host_to(host: Host) -> dict[str, Any]:
    """Return a host as a JSON value."""
    return {name: getattr(host, name) for name in Host.__slots__}


def host_from(value: dict[str, Any]) -> Host:
    """Return the host of a checked JSON value."""
    return Host(**value)


def health_to(health: Health) -> dict[str, Any]:
    """Return health as a JSON value."""
    return {
        "ok": health.ok,
        "problems": list(health.problems),
        "notes": list(health.notes),
        "capabilities": health.capabilities,
    }


def health_from(value: dict[str, Any]) -> Health:
    """Return the health of a checked JSON value; ``ok`` follows from the problems."""
    return Health(tuple(value["problems"]), tuple(value["notes"]), value["capabilities"])


def check_arches(runs: Iterable[Run], native: str, where: str) -> None:
    """Raise ``DataError`` if a call is of an architecture that this kernel cannot run."""
    possible = {native, *FOREIGN.get(native, ())}
    for run in runs:
        arches = {use.arch for use in run.syscalls} | {use.arch for use in run.arguments}
        for arch in sorted(arches | {denial.arch for denial in run.denials}):
            if arch not in possible:
                raise bad_document(f"{arch} calls cannot happen on {native}", where)


def check_capability_names(names: Iterable[str], where: str) -> None:
    """Raise ``DataError`` for a capability that no kernel has."""
    for name in names:
        if name not in CAPABILITIES:
            raise bad_document(f"unknown capability {shorten(name)!r}", where)


def check_unique(keys: Sequence[Hashable], what: str, where: str) -> None:
    """Raise ``DataError`` if a key is there twice: which one counts would be a guess."""
    if len(set(keys)) != len(keys):
        raise bad_document(f"the same {what} is listed twice", where)


def _digest_to(digest: OutputDigest) -> dict[str, Any]:
    return {"size": digest.size, "sha256": digest.sha256, "shape": digest.shape}


def _digest_from(value: dict[str, Any]) -> OutputDigest:
    return OutputDigest(int(value["size"]), value["sha256"], value["shape"])


def _files_from(values: Sequence[dict[str, Any]], where: str) -> tuple[FileDigest, ...]:
    files = tuple(
        FileDigest(
            value["path"], None if value["digest"] is None else _digest_from(value["digest"])
        )
        for value in values
    )
    check_unique([one.path for one in files], "file", where)
    return files


def _syscall_to(use: SyscallUse) -> dict[str, Any]:
    value = {name: getattr(use, name) for name in SyscallUse.__slots__ if name != "others"}
    return {**value, "others": list(use.others)} if use.others else value


def _syscalls_from(values: list[dict[str, Any]], where: str) -> tuple[SyscallUse, ...]:
    uses = tuple(
        sorted(
            SyscallUse(
                value["arch"],
                value["name"],
                int(value["number"]),
                value["phase"],
                value["program"],
                _milliseconds(value["first_ms"], where),
                tuple(sorted(value.get("others", ()))),
            )
            for value in values
        )
    )
    check_unique([(use.arch, use.number, use.phase) for use in uses], "syscall", where)
    for use in uses:
        _check_number(use.arch, use.name, use.number, where)
        check_unique((use.program, *use.others), "program", where)
    return uses


def _argument_to(use: ArgumentUse) -> dict[str, Any]:
    return {
        "arch": use.arch,
        "name": use.name,
        "fields": [{"index": index, "mask": hex(mask)} for index, mask in use.fields],
        "values": [[hex(value) for value in values] for values in sorted(use.values)],
        "overflow": use.overflow,
        "pointed": use.pointed,
    }


def _arguments_from(values: list[dict[str, Any]], where: str) -> tuple[ArgumentUse, ...]:
    uses = tuple(sorted(_argument_from(value, where) for value in values))
    check_unique([(use.arch, use.name) for use in uses], "argument list", where)
    return uses


def _argument_from(value: dict[str, Any], where: str) -> ArgumentUse:
    arch, name = value["arch"], value["name"]
    if syscall_number(arch, name) is None:
        raise bad_document(f"arguments of {name!r}, which {arch} does not have", where)
    fields = tuple((int(one["index"]), int(one["mask"], 16)) for one in value["fields"])
    tuples = tuple(sorted(tuple(int(one, 16) for one in row) for row in value["values"]))
    check_unique([index for index, _ in fields], "argument", where)
    check_unique(tuples, "argument value", where)
    for row in tuples:
        if len(row) != len(fields):
            raise bad_document(f"{name}: {len(row)} values for {len(fields)} arguments", where)
        if any(one & ~mask for one, (_, mask) in zip(row, fields, strict=True)):
            raise bad_document(f"{name}: an argument value lies outside its mask", where)
    return ArgumentUse(arch, name, fields, tuples, value["overflow"], value["pointed"])


def _denial_to(denial: Denial) -> dict[str, Any]:
    return {
        **{name: getattr(denial, name) for name in Denial.__slots__ if name != "arguments"},
        "arguments": [
            {"index": index, "mask": hex(mask), "value": hex(value)}
            for index, mask, value in denial.arguments
        ],
    }


def _denials_from(values: list[dict[str, Any]], where: str) -> tuple[Denial, ...]:
    denials = tuple(
        sorted(
            Denial(
                value["arch"],
                value["name"],
                int(value["number"]),
                int(value["errno"]),
                value["phase"],
                value["program"],
                int(value["count"]),
                tuple(
                    (int(one["index"]), int(one["mask"], 16), int(one["value"], 16))
                    for one in value["arguments"]
                ),
            )
            for value in values
        )
    )
    keys = [
        (one.arch, one.number, one.errno, one.phase, one.program, one.arguments) for one in denials
    ]
    check_unique(keys, "denial", where)
    for denial in denials:
        _check_number(denial.arch, denial.name, denial.number, where)
        check_unique([index for index, _, _ in denial.arguments], "argument", where)
        if any(value & ~mask for _, mask, value in denial.arguments):
            raise bad_document(f"{denial.name}: an argument value lies outside its mask", where)
    return denials


def _capability_to(use: CapabilityUse) -> dict[str, Any]:
    return {name: getattr(use, name) for name in CapabilityUse.__slots__}


def _capabilities_from(values: list[dict[str, Any]], where: str) -> tuple[CapabilityUse, ...]:
    uses = tuple(
        sorted(
            CapabilityUse(value["name"], value["syscall"], value["program"], int(value["count"]))
            for value in values
        )
    )
    check_unique([(use.name, use.syscall, use.program) for use in uses], "capability use", where)
    check_capability_names((use.name for use in uses), where)
    return uses


def _check_number(arch: str, name: str, number: int, where: str) -> None:
    """A wrong number under a harmless name would put another call into the profile."""
    expected = syscall_name(arch, number)
    if name != expected:
        raise bad_document(f"{arch} syscall {number} is {expected!r}, not {shorten(name)!r}", where)


def _milliseconds(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise bad_document("a time that is not a number", where)
    return float(value)
