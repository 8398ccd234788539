"""The search for calls nobody misses, against every subset of a small world."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.minimize import DENSE, Minimized, Trial, minimize

NAMES = tuple("abcdefghij")


class Step(NamedTuple):
    """What a program does: the calls that would do, whether it goes on without, its guard."""

    calls: tuple[str, ...]
    optional: bool
    guard: str = ""


class Program:
    """A deterministic program: it ends at the first step of which every call is refused.

    Each step asks for its calls in order until one is not refused.  An optional step is done
    without.  A step with a guard is made only if that call passes: losing more does less harm.
    """

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.tried: list[frozenset[str]] = []

    def passes(self, removed: frozenset[str]) -> bool:
        return self.run(removed).ok

    def __call__(self, removed: frozenset[str]) -> Trial:
        self.tried.append(removed)
        return self.run(removed)

    def run(self, removed: frozenset[str]) -> Trial:
        denied: set[str] = set()
        for number, step in enumerate(self.steps):
            if step.guard in removed:
                denied.add(step.guard)
                continue
            refused = set(itertools.takewhile(removed.__contains__, step.calls))
            denied |= refused
            if len(refused) == len(step.calls) and not step.optional:
                return Trial(False, frozenset(denied), f"ended at step {number}")
        return Trial(True, frozenset(denied))


CALLS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple)
OPTIONAL = st.sampled_from([True, True, False])
STEPS = st.lists(st.builds(Step, CALLS, OPTIONAL, st.just("")), max_size=8)
GUARDED = st.lists(st.builds(Step, CALLS, OPTIONAL, st.sampled_from(["", *NAMES])), max_size=8)
GROUPS = st.lists(st.sampled_from([0, 1, 2]), min_size=len(NAMES), max_size=len(NAMES)).map(
    lambda places: [
        [name for name, place in zip(NAMES, places, strict=True) if place == number]
        for number in range(3)
    ]
)


@settings(max_examples=500, deadline=None)
@given(STEPS, GROUPS)
def test_what_can_go_together_is_found(steps: list[Step], groups: list[list[str]]) -> None:
    program = Program(steps)
    result = minimize(groups, program, 1000)
    removable = frozenset(result.removable)
    needed = {one.name for one in result.needed}
    assert not result.undecided
    assert removable | needed == set(NAMES)
    assert not removable & needed
    assert program.passes(removable)
    good = [removed for removed in program.tried if program.passes(removed)]
    assert (good[-1] if good else frozenset()) == removable
    # nothing more can go: each needed call was convicted beside what can go
    for name in needed:
        assert not program.passes(removable | {name}), name
    for one in result.needed:
        trial = Program(steps)(program.tried[one.trial - 1])
        assert not trial.ok
        assert trial.reason == one.reason
        assert one.name in trial.denied
    # by brute force: no set that can go is larger by a call that was kept
    for size in range(len(NAMES) + 1):
        for subset in map(frozenset, itertools.combinations(NAMES, size)):
            assert not (program.passes(subset) and subset > removable), subset
    alone = {name for name in NAMES if not program.passes(frozenset((name,)))}
    assert alone <= needed


@settings(max_examples=300, deadline=None)
@given(st.one_of(STEPS, GUARDED), GROUPS)
def test_trials_are_few(steps: list[Step], groups: list[list[str]]) -> None:
    result = minimize(groups, Program(steps), 1000)
    log = math.ceil(math.log2(len(NAMES)))
    filled = sum(bool(group) for group in groups)
    assert result.trials <= filled + len(result.needed) * (log + 2) + len(NAMES)
    if not result.needed:
        assert result.trials == filled


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(0, 12), st.randoms(use_true_random=False))
def test_trials_are_few_among_many_calls(count: int, needed: int, random: Random) -> None:
    """Each failure shows every refused call up to the end: here all of them are needed."""
    names = [f"call{number}" for number in range(count)]
    wanted = random.sample(names, min(needed, count))

    def all_at_once(removed: frozenset[str]) -> Trial:
        return Trial(not removed & set(wanted), removed)

    def one_by_one(removed: frozenset[str]) -> Trial:
        first = next((name for name in wanted if name in removed), None)
        return Trial(first is None, frozenset() if first is None else frozenset((first,)))

    log = math.ceil(math.log2(count)) if count > 1 else 0
    for oracle in (all_at_once, one_by_one):
        result = minimize([names], oracle, 10_000)
        assert {one.name for one in result.needed} == set(wanted)
        assert set(result.removable) == set(names) - set(wanted)
        assert result.trials <= 1 + len(wanted) * (log + 2)
    # one_by_one; where many were needed at first, each of the next ones is tried
    assert result.trials <= 2 + DENSE * len(wanted)


@settings(max_examples=300, deadline=None)
@given(st.one_of(STEPS, GUARDED), GROUPS, st.lists(st.booleans(), max_size=60), st.integers(0, 40))
def test_a_flaky_workload_never_makes_more_go(
    steps: list[Step],
    groups: list[list[str]],
    flakes: list[bool],
    most: int,
) -> None:
    program = Program(steps)
    chance = iter(flakes)

    def flaky(removed: frozenset[str]) -> Trial:
        trial = program(removed)
        return Trial(False, trial.denied) if next(chance, False) else trial

    result: Minimized = minimize(groups, flaky, most)
    assert result.trials == len(program.tried) <= most
    assert program.passes(frozenset(result.removable))
    settled = [*result.removable, *result.undecided, *(one.name for one in result.needed)]
    assert sorted(settled) == sorted(NAMES)
