"""The interval that a comparison of throughput states."""

from __future__ import annotations

import pytest

from scripts.throughput import interval, row


@pytest.mark.parametrize(
    ("count", "low", "high"), [(6, 1, 6), (9, 2, 8), (15, 4, 12), (25, 8, 18), (31, 10, 22)]
)
def test_bounds_are_the_order_statistics_of_the_tables(count: int, low: int, high: int) -> None:
    values = list(range(count, 0, -1))
    assert interval(values) == ((count + 1) / 2, low, high)


def test_too_few_values_bound_nothing_inside() -> None:
    assert interval([3, 1, 2]) == (2, 1, 3)


def test_a_row_compares_within_a_turn() -> None:
    """A machine that becomes slower half-way makes no difference."""
    plain = [(100.0, 10.0)] * 8 + [(50.0, 20.0)] * 7
    better = [(rate * 1.5, cpu / 2) for rate, cpu in plain]
    line = row("x", {"default": plain, "profile": better, "again": plain})
    assert line == (
        "| x | 100 | 150 | 1.500 [1.500, 1.500] | 1.000 [1.000, 1.000] "
        "| 0.500 [0.500, 0.500] | 1.000 [1.000, 1.000] |"
    )
