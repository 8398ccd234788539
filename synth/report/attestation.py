"""Write in-toto statements about a recording and a validation, for signing with other tools.

Statement v1 with the predicates runtime-trace v0.2 and test-result v0.1.  Digests are of the
files as they are, so that a verifier can compare them with what it has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synth.denials import TOLERATED
from synth.model import Recording, Run
from synth.replay import Replay
from synth.shut import NEEDED, NOT_SHUT, OPEN, WIDER
from synth.syscalls import errno_name
from synth.text import one_line, printable
from synth.verdict import Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
TRACE = "https://in-toto.io/attestation/runtime-trace/v0.2"
RESULT = "https://in-toto.io/attestation/test-result/v0.1"
OURS = "https://seccomp-synth.dev"


@dataclass(frozen=True, slots=True)
class File:
    """A file that a statement is about: its name, and the SHA-256 of its bytes."""

    name: str
    sha256: str


def trace_statement(file: File, recording: Recording, digest: str) -> str:
    """Return the statement that ``file`` holds what was traced; ``digest`` is its content's.

    The subjects are the file and the image that ran.
    """
    subjects = [_descriptor(file)]
    algorithm, _, image = recording.subject.image_digest.partition(":")
    if algorithm == "sha256" and len(image) == len(file.sha256):
        subjects.append(
            {"name": one_line(recording.subject.image, 512), "digest": {"sha256": image}}
        )
    predicate = {
        "monitor": {
            "type": f"{OURS}/monitor/ebpf/v1",
            "tracePolicy": {
                "filter": recording.filter.baseline or recording.filter.kind,
                "probes": [one_line(probe) for probe in recording.probes],
                "healthy": recording.health.ok and not recording.partial,
            },
        },
        "monitoredProcess": {
            # a recording names no machine
            "hostID": f"{OURS}/host/unnamed",
            "type": f"{OURS}/process/container-workloads/v1",
            "event": f"sha256:{digest}",
        },
        "monitorLog": {"process": [_process(run) for run in recording.runs]},
    }
    return _statement(subjects, TRACE, predicate)


def result_statement(
    files: Iterable[File],
    validation: File,
    replay: Replay,
    verdict: Verdict,
    configuration: Mapping[str, str],
) -> str:
    """Return the statement of how a validation of ``files``, profile and list, ended.

    ``validation`` is the replay's file, ``configuration`` has the SHA-256 of what else it was
    made with, by name.  A test is a workload; what else was wrong failed by its own name.
    """
    warned = {one.subject for one in verdict.findings if one.severity == "warning"}
    wrong = {one.subject for one in verdict.findings if one.severity == "error"}
    passed = [name for name in verdict.passed if name not in warned]
    if not verdict.ok or replay.partial:
        result = "FAILED"
    else:
        result = "PASSED" if len(passed) == len(verdict.passed) else "WARNED"
    made_with: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": digest}} for name, digest in configuration.items()
    ]
    made_with.append(
        {
            "name": "validation",
            "digest": {"sha256": validation.sha256},
            "annotations": _made_how(replay, verdict),
        }
    )
    predicate = {
        "result": result,
        "configuration": sorted(made_with, key=lambda one: str(one["name"])),
        "passedTests": passed,
        "warnedTests": [name for name in verdict.passed if name in warned],
        "failedTests": [
            *verdict.failed,
            *sorted(one_line(name) for name in wrong - set(verdict.failed)),
        ],
    }
    return _statement([_descriptor(one) for one in files], RESULT, predicate)


def _made_how(replay: Replay, verdict: Verdict) -> dict[str, Any]:
    """Return how far a validation goes, for policies that ask for more than its result.

    The fewest runs of a workload, how outputs were compared, the ways out that were tried.
    """
    names = {run.workload for run in replay.runs}
    tried = [one for one in replay.attempts if one.outcome is not None]
    open_ways = {
        one.subject for one in verdict.findings if one.id in (NEEDED, OPEN, WIDER, NOT_SHUT)
    }
    return {
        "runsUnderProfile": _fewest(names, replay.runs),
        "runsUnderBaseline": _fewest(names, replay.controls),
        "masks": [one_line(mask, 1024) for mask in replay.masks],
        "varies": [f"{name}: {one_line(what)}" for name, what in verdict.noise],
        "toleratedRefusals": sum(
            one.effect == TOLERATED and not one.is_error for one in verdict.denials
        ),
        "tolerant": replay.tolerant,
        "partial": replay.partial,
        "waysOutTried": len(tried),
        "waysOutOpen": sorted(one_line(one) for one in open_ways),
    }


def _fewest(names: Iterable[str], runs: Iterable[Run]) -> int:
    counts = Counter(run.workload for run in runs)
    return min((counts[name] for name in names), default=0)


def _process(run: Run) -> dict[str, Any]:
    """Return what was seen of one run: names only, as in the recording."""
    return {
        "workload": run.workload,
        "index": run.index,
        "outcome": run.outcome,
        "syscalls": sorted({use.name for use in run.syscalls}),
        "programs": sorted({printable(use.program) for use in run.syscalls}),
        "capabilities": sorted({use.name for use in run.capabilities}),
        "refused": sorted(
            {
                f"{one.name}: {errno_name(one.errno) if one.errno else 'SIGSYS'}"
                for one in run.denials
            }
        ),
    }


def _descriptor(file: File) -> dict[str, Any]:
    return {"name": one_line(file.name), "digest": {"sha256": file.sha256}}


def _statement(subjects: list[dict[str, Any]], kind: str, predicate: dict[str, Any]) -> str:
    document = {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
