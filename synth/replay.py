"""Write and read replays; the format is ``synth/schemas/replay-1.0.0.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth.document import check_document, compact_json
from synth.files import load_json
from synth.model import Replay
from synth.wire import health_from, health_to, host_from, host_to, run_from, run_to

SCHEMA = "seccomp-synth/replay"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first


def dump_replay(replay: Replay) -> str:
    """Return a replay as JSON; equal replays give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "recording_sha256": replay.recording_sha256,
            "profile_sha256": replay.profile_sha256,
            "cap_add": list(replay.cap_add),
            "host": host_to(replay.host),
            "health": health_to(replay.health),
            "partial": replay.partial,
            "runs": [run_to(run) for run in replay.runs],
            "controls": [run_to(run) for run in replay.controls],
        }
    )


def parse_replay(document: object, *, where: str) -> Replay:
    """Check a parsed JSON document and return the replay; raises ``DataError``."""
    checked: dict[str, Any] = check_document(
        document, schema=SCHEMA, versions=(SCHEMA_VERSION,), where=where
    )
    return Replay(
        recording_sha256=checked["recording_sha256"],
        profile_sha256=checked["profile_sha256"],
        cap_add=tuple(checked["cap_add"]),
        host=host_from(checked["host"]),
        health=health_from(checked["health"]),
        runs=tuple(run_from(run, where=where) for run in checked["runs"]),
        controls=tuple(run_from(run, where=where) for run in checked["controls"]),
        partial=checked["partial"],
    )


def load_replay(path: Path) -> Replay:
    """Read a replay file; raises ``DataError`` or ``UsageError``."""
    return parse_replay(load_json(path), where=str(path))
