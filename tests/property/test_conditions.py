"""Check the decision about argument conditions against brute force on a small world.

Constants below 8 make a world of 16 values per argument enough: every larger value behaves like
one of 8 to 15, which has the same low bits and is larger than every constant.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.conditions import (
    ARGUMENTS,
    MAX_VALUE,
    OPERATORS,
    complement,
    matches,
    overlap,
    witness,
)
from synth.errors import DataError
from synth.model import Comparison, Conjunction

WORLD = [(a, b, 0, 0, 0, 0) for a, b in itertools.product(range(16), repeat=2)]


def comparisons(values: st.SearchStrategy[int], indexes: int) -> st.SearchStrategy[Comparison]:
    """Return comparisons of the first ``indexes`` arguments with constants from ``values``."""
    return st.builds(
        lambda index, op, value, two: Comparison(
            index, op, value, two if op == "SCMP_CMP_MASKED_EQ" else 0
        ),
        st.integers(0, indexes - 1),
        st.sampled_from(OPERATORS),
        values,
        values,
    )


def conjunctions(values: st.SearchStrategy[int], indexes: int) -> st.SearchStrategy[Conjunction]:
    """Return conjunctions of up to three comparisons."""
    return st.lists(comparisons(values, indexes), max_size=3).map(tuple)


SMALL = conjunctions(st.integers(0, 7), 2)
WIDE_VALUES = st.one_of(
    st.integers(0, 9),
    st.sampled_from([MAX_VALUE, MAX_VALUE - 1, 1 << 63, 1 << 32, (1 << 32) - 1, 0x7E020000]),
    st.integers(0, MAX_VALUE),
)
WIDE = conjunctions(WIDE_VALUES, ARGUMENTS)


def holds(conditions: Iterable[Conjunction], call: Sequence[int]) -> bool:
    """Tell whether one of the conditions holds for ``call``."""
    return any(matches(one, call) for one in conditions)


@settings(max_examples=400, deadline=None)
@given(st.lists(SMALL, max_size=4), st.lists(SMALL, max_size=4))
def test_a_witness_exists_exactly_when_brute_force_finds_one(
    inner: list[Conjunction], outer: list[Conjunction]
) -> None:
    found = witness(inner, outer)
    expected = any(holds(inner, call) and not holds(outer, call) for call in WORLD)
    assert (found is not None) is expected
    if found is not None:
        assert holds(inner, found)
        assert not holds(outer, found)


@settings(max_examples=300, deadline=None)
@given(st.lists(WIDE, max_size=4), st.lists(WIDE, max_size=6))
def test_a_witness_is_a_call_that_tells_the_sides_apart(
    inner: list[Conjunction], outer: list[Conjunction]
) -> None:
    found = witness(inner, outer)
    if found is not None:
        assert len(found) == ARGUMENTS
        assert all(0 <= value <= MAX_VALUE for value in found)
        assert holds(inner, found)
        assert not holds(outer, found)


@settings(max_examples=200, deadline=None)
@given(st.lists(WIDE, max_size=5), st.lists(st.tuples(*[WIDE_VALUES] * ARGUMENTS), max_size=20))
def test_no_witness_means_that_no_call_is_outside(
    outer: list[Conjunction], calls: list[tuple[int, ...]]
) -> None:
    if witness([()], outer) is None:
        assert all(holds(outer, call) for call in calls)


@settings(max_examples=200, deadline=None)
@given(SMALL, SMALL)
def test_conjunctions_overlap_when_a_call_fulfils_both(
    first: Conjunction, second: Conjunction
) -> None:
    expected = any(matches(first, call) and matches(second, call) for call in WORLD)
    assert overlap(first, second) is expected


@settings(max_examples=200, deadline=None)
@given(st.lists(SMALL, max_size=3))
def test_a_complement_holds_for_exactly_the_other_calls(conditions: list[Conjunction]) -> None:
    opposite = complement(conditions)
    assert all(holds(opposite, call) is not holds(conditions, call) for call in WORLD)


@settings(max_examples=100, deadline=None)
@given(st.lists(WIDE, max_size=3))
def test_conditions_and_their_complement_make_everything(conditions: list[Conjunction]) -> None:
    try:
        opposite = complement(conditions)
    except DataError as error:
        assert error.slug == "too-many-conditions"
        return
    found, expected = witness(opposite, conditions), witness([()], conditions)
    assert (found is None) is (expected is None)
    assert found is None or (holds(opposite, found) and not holds(conditions, found))
    for one in opposite:
        for other in conditions:
            assert not overlap(one, other)


def test_a_long_list_of_values_is_passed_quickly() -> None:
    values = [(Comparison(0, "SCMP_CMP_EQ", value),) for value in range(1000)]
    assert witness([()], values) == (1000, 0, 0, 0, 0, 0)
    assert witness(values, list(reversed(values))) is None


def test_dockers_socket_rules_let_a_high_family_through() -> None:
    docker = [
        (Comparison(0, "SCMP_CMP_LT", 38),),
        (Comparison(0, "SCMP_CMP_EQ", 39),),
        (Comparison(0, "SCMP_CMP_GT", 40),),
    ]
    vsock = (Comparison(0, "SCMP_CMP_MASKED_EQ", 0xFFFFFFFF, 40),)
    assert witness([vsock], docker) == (40, 0, 0, 0, 0, 0)
    assert matches(docker[2], (0x1_0000_0028, 0, 0, 0, 0, 0))
    assert witness([vsock + docker[2]], []) == (0x1_0000_0028, 0, 0, 0, 0, 0)


def test_a_question_that_is_too_hard_is_refused() -> None:
    # Pigeons: seven values for eight arguments' bits, in masks; no short proof exists.
    holes = 6
    pigeons = [[hole + holes * pigeon for hole in range(holes)] for pigeon in range(holes + 1)]
    nowhere = []
    for places in pigeons:
        mask = sum(1 << place for place in places)
        nowhere.append((Comparison(0, "SCMP_CMP_MASKED_EQ", mask, 0),))
    shared = []
    for hole in range(holes):
        for first, second in itertools.combinations(range(holes + 1), 2):
            mask = (1 << pigeons[first][hole]) | (1 << pigeons[second][hole])
            shared.append((Comparison(0, "SCMP_CMP_MASKED_EQ", mask, mask),))
    try:
        assert witness([()], nowhere + shared) is None
    except DataError as error:
        assert error.slug == "too-many-conditions"


def test_an_unknown_operator_is_our_bug() -> None:
    with pytest.raises(KeyError):
        matches((Comparison(0, "SCMP_CMP_XX", 1),), [0] * ARGUMENTS)
