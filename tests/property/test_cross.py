"""Cross-validation of any recordings: what it may not depend on, and what must come out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.baseline import load_baseline
from synth.capabilities import derive_capabilities
from synth.cross import cross, lacked_offline, offline_oracle, without_workload, workloads
from synth.document import check_document
from synth.evidence import combine
from synth.files import parse_json
from synth.generate import generate
from synth.model import Recording
from synth.report.cross import render_json, render_markdown, render_text
from synth.resolve import Resolved
from synth.wanted import Tightness
from tests.strategies import BASELINE, recordings

PROFILE = load_baseline(BASELINE).profile


def make(several: tuple[Recording, ...]) -> Resolved:
    evidence = combine(several)
    granted = derive_capabilities(evidence).cap_add
    return generate(evidence, PROFILE, granted, Tightness.EXACT).resolved


@settings(max_examples=40, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3), st.randoms())
def test_the_table_does_not_depend_on_the_order(several: list[Recording], random: object) -> None:
    result = cross(several, offline_oracle(make))
    shuffled = list(several)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cross(shuffled, offline_oracle(make)) == result
    assert [row.workload for row in result.rows] == sorted(workloads(several))
    for row in result.rows:
        assert 0 <= row.covered <= 1
        assert row.alone is (without_workload(several, row.workload) == ())
    document = parse_json(render_json(result).encode(), where="x")
    check_document(document, schema="seccomp-synth/cross", versions=("1.0.0",), where="x")
    assert len(render_text(result).splitlines()) == len(result.rows) + 3
    assert len(render_markdown(result).splitlines()) == len(result.rows) + 4


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_of_two_alike_neither_lacks_more_than_together(recording: Recording) -> None:
    def renamed(name: str) -> str:
        return f"{name}-again"

    again = replace(
        recording,
        workloads=tuple(replace(one, name=renamed(one.name)) for one in recording.workloads),
        runs=tuple(replace(one, workload=renamed(one.workload)) for one in recording.runs),
    )
    whole = make((recording, again))
    for row in cross([recording, again], offline_oracle(make)).rows:
        assert not row.own
        assert set(row.lacked) == lacked_offline(whole, (recording, again), row.workload)
