"""Findings on disk."""

from __future__ import annotations

import json

import pytest

from synth.errors import DataError
from synth.findings import dump_findings, parse_findings
from synth.model import Finding

FINDINGS = (
    Finding("SS204", "error", "git", "mkdir refused", ("x", "y"), "allow it"),
    Finding("SS208", "note", "git", "varies"),
)


def test_round_trip_in_any_order() -> None:
    text = dump_findings(FINDINGS)
    assert text == dump_findings(FINDINGS[::-1])
    assert parse_findings(json.loads(text), where="x") == FINDINGS


def test_a_wrong_id_is_refused() -> None:
    document = json.loads(dump_findings(FINDINGS))
    document["findings"][0]["id"] = "X1"
    with pytest.raises(DataError):
        parse_findings(document, where="x")
