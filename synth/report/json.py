"""Write a report as JSON; the format is ``synth/schemas/report-1.1.0.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from synth.document import compact_json
from synth.report.model import Report

SCHEMA = "seccomp-synth/report"
SCHEMA_VERSION = "1.1.0"
# Versions:
# 1.0.0: first
# 1.1.0: "validations", "refusals", "tried"; what was seen of each way out; probes


def render(report: Report) -> str:
    """Return the report as JSON; equal reports give equal bytes."""
    return compact_json(as_document(report))


def as_document(report: Report) -> dict[str, Any]:
    """Return the report as a JSON value: the model's names, without the map of lines."""
    body = asdict(report)
    del body["lines"]
    for finding, entry in zip(report.findings, body["findings"], strict=True):
        entry["line"] = report.line_of(finding)
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **body}
