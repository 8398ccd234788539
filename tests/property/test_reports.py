"""Reports on whatever a recording holds: they can be made, and say one thing in every format."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.document import check_document
from synth.model import Recording
from synth.report.build import build
from synth.report.formats import FORMATS, render
from synth.report.inputs import belonging
from tests import reports
from tests.strategies import recordings


@settings(max_examples=25, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=2))
def test_every_format_can_be_made_and_obeys_nothing(found: list[Recording]) -> None:
    report = build(reports.proven(*found))
    for form in FORMATS:
        text = render(report, form)
        assert text.endswith("\n")
        assert not [
            one for one in text if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"
        ]
    document = json.loads(render(report, "json"))
    check_document(document, schema="seccomp-synth/report", versions=("1.1.0",), where="x")


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_the_numbers_add_up(recording: Recording) -> None:
    report = build(reports.made(recording))
    assert not report.counted("widened"), "a profile of ours is never wider"
    assert {row.name for row in report.syscalls}.isdisjoint(row.name for row in report.removed)
    assert sum(row.kept + row.narrowed for row in report.grades) == len(report.syscalls)
    assert report.discovery[-1].total == len(
        {(use.arch, use.name) for run in recording.runs for use in run.syscalls}
    )
    assert all(row.origin != "unknown" for row in report.syscalls), "each has its reason"


@settings(max_examples=40, deadline=None)
@given(recordings(), recordings())
def test_what_was_made_together_belongs_together(one: Recording, other: Recording) -> None:
    inputs = reports.proven(one)
    assert belonging(inputs) == ()
    if one != other:
        stranger = replace(inputs, recordings=(*inputs.recordings, ("x", other)))
        assert {found.id for found in belonging(stranger)} == {"SS602"}
