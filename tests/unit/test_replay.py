"""Replays on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from synth.errors import DataError
from synth.model import Health, Replay
from synth.replay import dump_replay, parse_replay
from tests import builders

REPLAY = Replay(
    recording_sha256="a" * 64,
    profile_sha256="b" * 64,
    cap_add=("CAP_CHOWN",),
    host=builders.host(),
    health=Health(notes=("a note",)),
    runs=(builders.run(denials=[builders.denial("mkdir", 38)]),),
    controls=(builders.run(), builders.run(index=1)),
)


def test_round_trip() -> None:
    document = json.loads(dump_replay(REPLAY))
    assert parse_replay(document, where="x") == REPLAY
    assert parse_replay(json.loads(dump_replay(replace(REPLAY, partial=True))), where="x").partial


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "seccomp-synth/recording"}, "not a replay"),
        ({"schema_version": "2.0.0"}, "version"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"profile_sha256": "zz"}, "form"),
        ({"runs": [{}]}, "missing"),
    ],
)
def test_what_is_refused(change: dict[str, object], complaint: str) -> None:
    document = {**json.loads(dump_replay(REPLAY)), **change}
    with pytest.raises(DataError, match=complaint):
        parse_replay(document, where="x")
