"""A profile is never said to have drifted from what it was made from, and always from less."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synth.baseline import load_baseline
from synth.drift import Committed, drift
from synth.model import Recording
from synth.profile_format import ALLOW
from synth.wanted import Origin
from tests import reports
from tests.strategies import BASELINE, recordings

DEFAULT = load_baseline(BASELINE)


def committed(*found: Recording) -> Committed:
    inputs = reports.made(*found)
    return Committed(inputs.profile, inputs.cap_add or (), inputs.provenance)


@settings(max_examples=60, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3))
def test_what_a_profile_was_made_from_is_inside(found: list[Recording]) -> None:
    before = committed(*found)
    for recording in found:
        result = drift(before, [recording], [DEFAULT])
        assert result.inside, result.findings
    assert drift(before, found, [DEFAULT] * len(found)).inside


@settings(max_examples=60, deadline=None)
@given(recordings(), st.data())
def test_a_call_taken_away_is_missed(recording: Recording, data: st.DataObject) -> None:
    before = committed(recording)
    assert before.provenance is not None
    seen = {one.name for one in before.provenance.decisions if one.origin is Origin.OBSERVED}
    # of personality values are recorded that the default refuses: nothing is missed of those
    names = sorted(seen - {"personality"})
    assume(names)
    gone = data.draw(st.sampled_from(names))
    rules = []
    for rule in before.profile.rules:
        kept = tuple(name for name in rule.names if name != gone or rule.action != ALLOW)
        if kept:
            rules.append(replace(rule, names=kept))
    less = replace(before, profile=replace(before.profile, rules=tuple(rules)))
    missed = drift(less, [recording], [DEFAULT]).findings
    assert ("SS501", gone) in {(one.id, one.subject) for one in missed}
