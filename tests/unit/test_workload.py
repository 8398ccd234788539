"""Which processes belong to a container that has to be ended from outside."""

from __future__ import annotations

import pytest

from tracer.workload import _is_inside

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("cgroups", "inside"),
    [
        (f"8:pids:/docker/{ID}\n0::/", True),
        (f"0::/system.slice/docker-{ID}.scope\n", True),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", True),
        (f"0::/machine.slice/libpod-conmon-{ID}.scope\n", False),
        ("8:pids:/libpod_parent/conmon\n", False),
        ("0::/user.slice\n", False),
        ("", False),
    ],
)
def test_monitors_are_spared(cgroups: str, inside: bool) -> None:
    assert _is_inside(ID, cgroups) is inside
