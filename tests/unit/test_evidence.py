"""What may be combined, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synth.errors import DataError
from synth.evidence import combine, recorded_baseline, require_usable
from synth.model import Filter, Health, Recording
from tests import builders

GOOD = builders.recording()


@pytest.mark.parametrize(
    ("recording", "complaint", "can_be_allowed"),
    [
        (replace(GOOD, runs=()), "empty recording", False),
        (
            builders.recording(builders.run(calls=[builders.call("read", phase="runtime")])),
            "empty recording",
            False,
        ),
        (replace(GOOD, partial=True), "partial", True),
        (replace(GOOD, health=Health(problems=("lost 3",))), "not healthy: lost 3", True),
        (
            builders.recording(builders.run(), builders.run(index=1, outcome="failed")),
            "did not succeed",
            True,
        ),
    ],
)
def test_what_is_not_usable(recording: Recording, complaint: str, can_be_allowed: bool) -> None:
    with pytest.raises(DataError, match=complaint) as refusal:
        require_usable([GOOD, recording], allow_unhealthy=False, names=["good", "bad"])
    assert refusal.value.where == "bad"
    if can_be_allowed:
        require_usable([recording], allow_unhealthy=True)
    else:
        with pytest.raises(DataError, match=complaint):
            require_usable([recording], allow_unhealthy=True)


def test_architectures_do_not_mix() -> None:
    other = replace(GOOD, host=builders.host(arch="aarch64"))
    with pytest.raises(DataError, match="different architectures"):
        require_usable([GOOD, other], allow_unhealthy=False)


def test_baselines_do_not_mix_by_accident() -> None:
    other = replace(GOOD, filter=Filter("default", "docker-25.0"))
    assert recorded_baseline(combine([GOOD, GOOD])) == "docker-20.10"
    with pytest.raises(DataError, match=r"docker-20\.10, docker-25\.0"):
        recorded_baseline(combine([GOOD, other]))


def test_values_are_known_only_if_all_are() -> None:
    known = builders.run(calls=["socket"], arguments=[builders.sockets(1)])
    overflow = builders.run(calls=["socket"], arguments=[builders.sockets(1, overflow=True)])
    missing = builders.run(calls=["socket"])
    for run, expected in ((known, True), (overflow, False), (missing, False)):
        evidence = combine([builders.recording(known), builders.recording(run)])
        assert evidence.knows_values("x86_64", "socket") is expected
