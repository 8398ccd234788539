"""What may be combined, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synth.errors import DataError
from synth.evidence import combine, recorded_baseline, require_usable
from synth.model import ArgumentUse, Filter, Health, Recording, Run
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


def sockets_by(fields: tuple[tuple[int, int], ...], *values: tuple[int, ...]) -> Run:
    """Return a run of ``socket`` whose arguments were recorded in another way."""
    seen = ArgumentUse("x86_64", "socket", fields, values)
    return builders.run("other", calls=["socket"], arguments=[seen])


INT = 0xFFFFFFFF
KNOWN = builders.run(calls=["socket"], arguments=[builders.sockets(1)])
I386 = builders.call("socket", arch="x86")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (KNOWN, {1}),
        (sockets_by(((0, INT),), (2,)), {1, 2}),
        (sockets_by(((0, 2**64 - 1),), (2,)), {1, 2}),
        (builders.run("other", calls=["socket"]), None),
        (builders.run(calls=["socket"], arguments=[builders.sockets(1, overflow=True)]), None),
        # a masked family stands for many, and a list of types for no family at all
        (sockets_by(((0, 0xF),), (8,)), None),
        (sockets_by(((1, 0xF),), (1,)), None),
        (sockets_by(((0, INT),)), None),
        # another architecture's calls go through the same rule
        (builders.run(calls=[I386]), None),
        (builders.run(calls=[I386], arguments=[builders.sockets(3, arch="x86")]), {1, 3}),
    ],
)
def test_values_are_known_only_if_all_are(other: Run, expected: set[int] | None) -> None:
    for pair in ((KNOWN, other), (other, KNOWN)):
        evidence = combine([builders.recording(one) for one in pair])
        assert evidence.known_values("socket", 0) == expected


def test_values_of_a_call_that_nobody_made_are_not_known() -> None:
    assert combine([GOOD]).known_values("socket", 0) is None
