"""Write and read recordings; the format is ``synth/schemas/recording-1.3.0.json``."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from synth.document import bad_document, check_document, compact_json
from synth.files import load_json
from synth.model import Filter, Recording, Source, Subject, Workload
from synth.probe import probe_problem
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
SCHEMA_VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
# 1.0.0: first
# 1.1.0: mode "join"; "others" of a syscall; up to 20,000 runs
# 1.2.0: "sources" of a combined recording
# 1.3.0: "files" of a workload and of a run; mode "probe"

MAX_RUNS_1_0 = 4096


def dump_recording(recording: Recording) -> str:
    """Return a recording as JSON; equal recordings give equal bytes."""
    return _text(recording, SCHEMA_VERSIONS[-1])


def _text(recording: Recording, version: str) -> str:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": version,
        "subject": _plain(recording.subject),
        "host": host_to(recording.host),
        "filter": _plain(recording.filter),
        "probes": list(recording.probes),
        "health": health_to(recording.health),
        "partial": recording.partial,
        "workloads": [_workload_to(workload) for workload in recording.workloads],
        "runs": [run_to(run) for run in recording.runs],
    }
    if recording.sources:
        document["sources"] = [
            {"sha256": one.sha256, "host": host_to(one.host)} for one in recording.sources
        ]
    return compact_json(document)


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
        sources=tuple(
            sorted(
                Source(one["sha256"], host_from(one["host"])) for one in checked.get("sources", ())
            )
        ),
    )
    _check(recording, where)
    if checked["health"]["ok"] != recording.health.ok:
        raise bad_document("health.ok contradicts health.problems", where)
    return recording


def load_recording(path: Path) -> Recording:
    """Read a recording file; raises ``DataError`` or ``UsageError``."""
    return parse_recording(load_json(path), where=str(path))


def recording_digest(recording: Recording) -> str:
    """Return the SHA-256 of the canonical text, whatever the file's layout.

    The text is that of the oldest version that can say it, so that a digest written down by an
    older release is still the recording's.
    """
    text = _text(recording, _oldest(recording))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _oldest(recording: Recording) -> str:
    if any(work.files or work.mode == "probe" for work in recording.workloads):
        return "1.3.0"
    if recording.sources:
        return "1.2.0"
    joined = any(workload.mode == "join" for workload in recording.workloads)
    others = any(use.others for run in recording.runs for use in run.syscalls)
    return "1.1.0" if joined or others or len(recording.runs) > MAX_RUNS_1_0 else "1.0.0"


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
    check_unique([one.sha256 for one in recording.sources], "source", where)
    if any(one.host.arch != recording.host.arch for one in recording.sources):
        raise bad_document("a source of another architecture", where)


def _plain(value: Subject | Filter | Workload) -> dict[str, Any]:
    """Return a flat dataclass as a JSON value: tuples become lists."""
    pairs = ((name, getattr(value, name)) for name in value.__slots__)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in pairs}


def _subject_from(value: dict[str, Any]) -> Subject:
    fields: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in value.items()
    }
    return Subject(**fields)


def _workload_to(workload: Workload) -> dict[str, Any]:
    value = _plain(workload)
    if not workload.files:  # older versions do not know them
        del value["files"]
    return value


def _workload_from(value: dict[str, Any], where: str) -> Workload:
    if not math.isfinite(value["timeout_s"]):
        raise bad_document("a time limit that is not a number", where)
    if value["mode"] == "probe" and (problem := probe_problem(value["command"])):
        raise bad_document(f"a probe that cannot be made: {problem}", where)
    return Workload(
        name=value["name"],
        command=tuple(value["command"]),
        mode=value["mode"],
        timeout_s=float(value["timeout_s"]),
        repeat=int(value["repeat"]),
        expected_exit=int(value["expected_exit"]),
        files=tuple(value.get("files", ())),
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
