"""Calls taken out of any profile are refused; all others answer as before."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.model import Profile, Target
from synth.removing import without
from synth.resolve import resolve
from tests.property.test_inclusion import NAMES, TARGETS
from tests.property.test_repair import ALLOWING, PROFILES, WIDE, read_back

CALLS = [(a, b, 0, 0, 0, 0) for a, b in itertools.product(WIDE, repeat=2)]


@settings(max_examples=200, deadline=None)
@given(PROFILES, st.sampled_from(TARGETS), st.sets(st.sampled_from([*NAMES, "statx", "mount"])))
def test_what_is_taken_out_is_refused_and_nothing_else(
    profile: Profile, target: Target, names: set[str]
) -> None:
    result = without(profile, names)
    assert read_back(result) == result
    assert without(result, names) == result
    before, now = resolve(profile, target), resolve(result, target)
    for name in (*NAMES, "statx", "mount", "read"):
        for call in CALLS:
            answer = now.answer(name, call)
            if name in names:
                assert answer.action not in ALLOWING
            else:
                assert answer == before.answer(name, call)
