"""Verdicts do not depend on the order of runs, and name what they are about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from synth.model import Recording, Run, Workload
from synth.replay import Replay
from synth.verdict import judge
from tests import builders
from tests.strategies import runs

OUTCOMES = ("ok", "ok", "ok", "failed", "timeout", "not-started", "interrupted")
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()


@st.composite
def cases(draw: st.DrawFn) -> tuple[Recording, Replay]:
    """A recording of two workloads and a replay of it in which anything may have happened."""
    names = ("a", "b")

    def one(name: str, index: int) -> Run:
        return replace(draw(runs(name, index)), outcome=draw(st.sampled_from(OUTCOMES)))

    def some(most: int) -> tuple[Run, ...]:
        return tuple(
            one(name, index) for name in names for index in range(draw(st.integers(0, most)))
        )

    recorded = tuple(draw(runs(name, 0)) for name in names)
    work = tuple(Workload(name, ("true",)) for name in names)
    recording = builders.recording(*recorded, workloads=work)
    replay = Replay(
        "0" * 64, "0" * 64, (), recording.host, recording.health, some(3), some(3),
        tolerant=draw(st.booleans()),
    )  # fmt: skip
    return recording, replay


@given(cases(), st.randoms())
def test_the_order_of_runs_does_not_matter(case: tuple[Recording, Replay], random: object) -> None:
    recording, replay = case

    def shuffled(runs: tuple[Run, ...]) -> tuple[Run, ...]:
        result = list(runs)
        random.shuffle(result)  # type: ignore[attr-defined]
        return tuple(result)

    other = replace(replay, runs=shuffled(replay.runs), controls=shuffled(replay.controls))
    assert judge(recording, other) == judge(recording, replay)


@given(cases())
def test_every_error_is_documented_and_names_a_workload(case: tuple[Recording, Replay]) -> None:
    recording, replay = case
    verdict = judge(recording, replay)
    names = {work.name for work in recording.workloads}
    for one in verdict.findings:
        assert f"{one.id}" in DOCUMENTED
        assert one.subject in names | {"replay"}
    assert {*verdict.passed, *verdict.failed} == {run.workload for run in replay.runs}
    assert not {*verdict.passed} & {*verdict.failed}


@given(cases())
def test_every_refusal_is_attributed_once(case: tuple[Recording, Replay]) -> None:
    recording, replay = case
    verdict = judge(recording, replay)
    met = sum(one.count for run in replay.runs for one in run.denials)
    assert sum(one.denial.count for one in verdict.denials) == met
    assert all(1 <= one.runs <= one.of for one in verdict.denials)


@given(cases())
def test_what_is_equal_to_its_controls_passes(case: tuple[Recording, Replay]) -> None:
    recording, replay = case
    live = tuple(
        replace(run, outcome="ok", exit_status=0)
        for run in replay.controls
        if run.syscalls or run.denials
    )
    verdict = judge(recording, replace(replay, runs=live, controls=live, partial=True))
    assert verdict.ok, verdict.findings


@given(cases())
def test_a_run_that_the_baseline_makes_as_well_fails_nobody(
    case: tuple[Recording, Replay],
) -> None:
    """A further control that is equal to a run under the profile only excuses."""
    recording, replay = case
    before = judge(recording, replay)
    more = tuple(replace(run, index=run.index + 100) for run in replay.runs if run.outcome == "ok")
    after = judge(recording, replace(replay, controls=(*replay.controls, *more)))
    assert set(after.failed) <= set(before.failed)
