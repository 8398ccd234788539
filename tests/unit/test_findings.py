"""Findings on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from synth.errors import DataError
from synth.findings import SHOWN, dump_findings, parse_findings, shortened
from synth.model import Finding

FINDINGS = (
    Finding("SS204", "error", "git", "mkdir refused", ("x", "y"), "allow it"),
    Finding("SS208", "note", "git", "varies"),
)


def test_round_trip_in_any_order() -> None:
    text = dump_findings(FINDINGS)
    assert text == dump_findings(FINDINGS[::-1])
    assert parse_findings(json.loads(text), where="x") == FINDINGS


def test_many_of_a_kind_are_shortened_for_a_screen() -> None:
    many = [Finding("SS205", "warning", "w", f"call {i} refused") for i in range(SHOWN + 1)]
    other = Finding("SS205", "warning", "other", "call refused")
    few = shortened([*many, other])
    assert few == [*many[: SHOWN - 1], replace(many[0], message="2 more; -v shows them"), other]
    assert shortened([*many[:-1], other]) == [*many[:-1], other]


def test_a_wrong_id_is_refused() -> None:
    document = json.loads(dump_findings(FINDINGS))
    document["findings"][0]["id"] = "X1"
    with pytest.raises(DataError):
        parse_findings(document, where="x")
