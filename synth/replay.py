"""Define, write and read replays; the format is ``synth/schemas/replay-1.1.0.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.document import bad_document, check_document, compact_json
from synth.files import load_json
from synth.model import Answer, Health, Host, Run
from synth.primitives import Attempt, Attempted, Outcome
from synth.syscalls import syscall_number
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

SCHEMA = "seccomp-synth/replay"
SCHEMA_VERSIONS = ("1.0.0", "1.1.0")
# 1.0.0: first
# 1.1.0: "attempts", "masks"; controls of every workload; files of a run

RECORDED = ("recorded",)
"""In place of ``cap_add``: the capabilities were left as they were recorded."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The runs of recorded workloads under a profile, and beside them under the baseline.

    ``runs`` are those under the profile with ``cap_add`` alone, ``controls`` those of the same
    workloads under the recorded filter and capabilities, in between.  ``masks`` are the regular
    expressions of the user whose matches do not count where outputs are compared.  ``attempts``
    are the ways out of the container that were tried under the profile.  ``tolerant``: to refuse
    a recorded call is no failure if nothing came of it.  ``recording_sha256`` and
    ``profile_sha256`` are of the files' canonical texts.
    """

    recording_sha256: str
    profile_sha256: str
    cap_add: tuple[str, ...]
    host: Host
    health: Health
    runs: tuple[Run, ...]
    controls: tuple[Run, ...] = ()
    partial: bool = False
    masks: tuple[str, ...] = ()
    attempts: tuple[Attempted, ...] = ()
    tolerant: bool = False


def dump_replay(replay: Replay) -> str:
    """Return a replay as JSON; equal replays give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSIONS[-1],
            "recording_sha256": replay.recording_sha256,
            "profile_sha256": replay.profile_sha256,
            "cap_add": list(replay.cap_add),
            "host": host_to(replay.host),
            "health": health_to(replay.health),
            "partial": replay.partial,
            "masks": list(replay.masks),
            "tolerant": replay.tolerant,
            "runs": [run_to(run) for run in replay.runs],
            "controls": [run_to(run) for run in replay.controls],
            "attempts": [_attempt_to(one) for one in replay.attempts],
        }
    )


def parse_replay(document: object, *, where: str) -> Replay:
    """Check a parsed JSON document and return the replay; raises ``DataError``."""
    checked: dict[str, Any] = check_document(
        document, schema=SCHEMA, versions=SCHEMA_VERSIONS, where=where
    )
    replay = Replay(
        recording_sha256=checked["recording_sha256"],
        profile_sha256=checked["profile_sha256"],
        cap_add=tuple(checked["cap_add"]),
        host=host_from(checked["host"]),
        health=health_from(checked["health"]),
        runs=tuple(run_from(run, where=where) for run in checked["runs"]),
        controls=tuple(run_from(run, where=where) for run in checked["controls"]),
        partial=checked["partial"],
        masks=tuple(checked.get("masks", ())),
        tolerant=checked.get("tolerant", False),
        attempts=tuple(_attempt_from(one, where) for one in checked.get("attempts", ())),
    )
    for runs in (replay.runs, replay.controls):
        check_unique([(run.workload, run.index) for run in runs], "run", where)
        check_arches(runs, replay.host.arch, where)
    check_unique([one.attempt for one in replay.attempts], "attempt", where)
    check_capability_names(set(replay.cap_add) - set(RECORDED), where)
    if checked["health"]["ok"] != replay.health.ok:
        raise bad_document("health.ok contradicts health.problems", where)
    return replay


def load_replay(path: Path) -> Replay:
    """Read a replay file; raises ``DataError`` or ``UsageError``."""
    return parse_replay(load_json(path), where=str(path))


def _attempt_to(one: Attempted) -> dict[str, Any]:
    return {
        "label": one.attempt.label,
        "arch": one.attempt.arch,
        "name": one.attempt.name,
        "arguments": [hex(value) for value in one.attempt.arguments],
        "profile": {"action": one.profile.action, "errno": one.profile.errno},
        "default": {"action": one.default.action, "errno": one.default.errno},
        "outcome": None if one.outcome is None else one.outcome._asdict(),
        "reached": one.reached,
    }


def _attempt_from(value: dict[str, Any], where: str) -> Attempted:
    arch, name = value["arch"], value["name"]
    if syscall_number(arch, name) is None:
        raise bad_document(f"an attempt of {name!r}, which {arch} does not have", where)
    a, b, c, d, e, f = (int(one, 16) for one in value["arguments"])
    outcome = value["outcome"]
    return Attempted(
        Attempt(value["label"], arch, name, (a, b, c, d, e, f)),
        Answer(value["profile"]["action"], int(value["profile"]["errno"])),
        Answer(value["default"]["action"], int(value["default"]["errno"])),
        None if outcome is None else Outcome(outcome["returned"], int(outcome["signal"])),
        value["reached"],
    )
