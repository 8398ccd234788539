"""Replays on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from synth.errors import DataError
from synth.model import Answer, FileDigest, Health
from synth.primitives import Attempt, Attempted, Outcome
from synth.replay import Replay, dump_replay, parse_replay
from tests import builders

REPLAY = Replay(
    recording_sha256="a" * 64,
    profile_sha256="b" * 64,
    cap_add=("CAP_CHOWN",),
    host=builders.host(),
    health=Health(notes=("a note",)),
    runs=(
        replace(
            builders.run(denials=[builders.denial("mkdir", 38)]),
            files=(FileDigest("/gone", None), FileDigest("/out", builders.EMPTY)),
        ),
    ),
    controls=(builders.run(), builders.run(index=1)),
    masks=("session=[0-9a-f]+",),
    attempts=(
        Attempted(
            Attempt("AF_VSOCK socket", "x86_64", "socket", (0x1_0000_0028, 15, 0, 0, 0, 0)),
            Answer("SCMP_ACT_ERRNO", 1),
            Answer("SCMP_ACT_ERRNO", 38),
            Outcome(-1, 0),
            reached=False,
        ),
        Attempted(
            Attempt("i386 calls", "x86", "getpid", (0, 0, 0, 0, 0, 0)),
            Answer("SCMP_ACT_KILL_THREAD"),
            Answer("SCMP_ACT_ALLOW"),
            None,
            reached=True,
        ),
    ),
)


def test_round_trip() -> None:
    document = json.loads(dump_replay(REPLAY))
    assert parse_replay(document, where="x") == REPLAY
    assert parse_replay(json.loads(dump_replay(replace(REPLAY, partial=True))), where="x").partial


def test_an_older_version_is_still_read() -> None:
    document = json.loads(dump_replay(replace(REPLAY, runs=REPLAY.controls)))
    for name in ("attempts", "masks", "tolerant"):
        del document[name]
    old = parse_replay({**document, "schema_version": "1.0.0"}, where="x")
    assert old == replace(REPLAY, runs=REPLAY.controls, attempts=(), masks=())


def test_what_contradicts_itself_is_refused() -> None:
    twice = replace(REPLAY, runs=(REPLAY.runs[0], REPLAY.runs[0]))
    with pytest.raises(DataError, match="same run is listed twice"):
        parse_replay(json.loads(dump_replay(twice)), where="x")
    odd = replace(REPLAY, cap_add=("CAP_NONSENSE",))
    with pytest.raises(DataError, match="unknown capability"):
        parse_replay(json.loads(dump_replay(odd)), where="x")
    strange = REPLAY.attempts[0]._replace(
        attempt=Attempt("a", "x86", "arch_prctl", (0, 0, 0, 0, 0, 0))
    )
    document = json.loads(dump_replay(replace(REPLAY, attempts=(strange,))))
    document["attempts"][0]["name"] = "not_a_call"
    with pytest.raises(DataError, match="does not have"):
        parse_replay(document, where="x")


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
