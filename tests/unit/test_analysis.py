"""How far the evidence stands."""

from __future__ import annotations

from synth.analysis import discovery, incidence, saturation
from tests import builders

RECORDING = builders.recording(
    builders.run("a", calls=["read", "write", "mkdir"]),
    builders.run("a", calls=["read", "write"], index=1),
    builders.run("b", calls=["read", "rmdir", builders.call("capset", phase="runtime")]),
)


def test_incidence_is_by_workload() -> None:
    table = incidence([RECORDING])
    assert list(table.columns) == ["a", "b"]
    assert list(table.index) == ["x86_64:mkdir", "x86_64:read", "x86_64:rmdir", "x86_64:write"]
    assert table.loc["x86_64:mkdir"].tolist() == [True, False]


def test_discovery_counts_what_is_new() -> None:
    table = discovery([RECORDING])
    assert table["new"].tolist() == [3, 0, 2]
    assert table["total"].tolist() == [3, 3, 5]


def test_saturation() -> None:
    found = saturation([RECORDING])
    assert (found.workloads, found.syscalls, found.single) == (2, 4, 3)
    assert found.next_new == 3 / 5
