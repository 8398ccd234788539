"""Write and read recordings; the format is ``synth/schemas/recording-1.1.0.json``."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from synth.document import bad_document, check_document, compact_json
from synth.files import load_json
from synth.model import Filter, Recording, Subject, Workload
from synth.wire import (
    check_arches,
    check_capability_names,
    check_unique,
    health_from,
    health_to,
    host_from,
    host_to,
    run_from,
    run_to,
)

SCHEMA = "seccomp-synth/recording"
SCHEMA_VERSIONS = ("1.0.0", "1.1.0")
# 1.0.0: first
# 1.1.0: mode "join"; "others" of a syscall; up to 20,000 runs


def dump_recording(recording: Recording) -> str:
    """Return a recording as JSON; equal recordings give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSIONS[-1],
            "subject": _plain(recording.subject),
            "host": host_to(recording.host),
            "filter": _plain(recording.filter),
            "probes": list(recording.probes),
            "health": health_to(recording.health),
            "partial": recording.partial,
            "workloads": [_plain(workload) for workload in recording.workloads],
            "runs": [run_to(run) for run in recording.runs],
        }
    )


def parse_recording(document: object, *, where: str) -> Recording:
    """Check a parsed JSON document and return the recording.

    Raises ``DataError`` with the place of what breaks the schema or contradicts itself.
    """
    checked = check_document(document, schema=SCHEMA, versions=SCHEMA_VERSIONS, where=where)
    recording = Recording(
        subject=_subject_from(checked["subject"]),
        host=host_from(checked["host"]),
        filter=Filter(**checked["filter"]),
        probes=tuple(checked["probes"]),
        health=health_from(checked["health"]),
        workloads=tuple(_workload_from(value, where) for value in checked["workloads"]),
        runs=tuple(run_from(value, where=where) for value in checked["runs"]),
        partial=checked["partial"],
    )
    _check(recording, where)
    if checked["health"]["ok"] != recording.health.ok:
        raise bad_document("health.ok contradicts health.problems", where)
    return recording


def load_recording(path: Path) -> Recording:
    """Read a recording file; raises ``DataError`` or ``UsageError``."""
    return parse_recording(load_json(path), where=str(path))


def recording_digest(recording: Recording) -> str:
    """Return the SHA-256 of the canonical text, whatever the file's layout."""
    return hashlib.sha256(dump_recording(recording).encode("ascii")).hexdigest()


def _check(recording: Recording, where: str) -> None:
    """Raise ``DataError`` for what no schema can say of a whole recording."""
    names = [workload.name for workload in recording.workloads]
    check_unique(names, "workload", where)
    check_unique([(run.workload, run.index) for run in recording.runs], "run", where)
    for run in recording.runs:
        if run.workload not in names:
            raise bad_document(f"a run of {run.workload!r}, which is no workload here", where)
    subject = recording.subject
    check_capability_names(subject.capabilities, where)
    check_capability_names({*subject.cap_add, *subject.cap_drop} - {"ALL"}, where)
    check_unique(subject.capabilities, "capability", where)
    check_arches(recording.runs, recording.host.arch, where)


def _plain(value: Subject | Filter | Workload) -> dict[str, Any]:
    """Return a flat dataclass as a JSON value: tuples become lists."""
    pairs = ((name, getattr(value, name)) for name in value.__slots__)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in pairs}


def _subject_from(value: dict[str, Any]) -> Subject:
    fields: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in value.items()
    }
    return Subject(**fields)


def _workload_from(value: dict[str, Any], where: str) -> Workload:
    if not math.isfinite(value["timeout_s"]):
        raise bad_document("a time limit that is not a number", where)
    return Workload(
        name=value["name"],
        command=tuple(value["command"]),
        mode=value["mode"],
        timeout_s=float(value["timeout_s"]),
        repeat=int(value["repeat"]),
        expected_exit=int(value["expected_exit"]),
    )


__all__ = [
    "check_document",
    "dump_recording",
    "health_from",
    "health_to",
    "host_from",
    "host_to",
    "load_recording",
    "parse_recording",
    "recording_digest",
    "run_from",
    "run_to",
]
