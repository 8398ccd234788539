"""Write and read lists of findings; the format is ``synth/schemas/findings-1.0.0.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from synth.document import check_document, compact_json
from synth.model import Finding
from synth.text import one_line

SCHEMA = "seccomp-synth/findings"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first


def dump_findings(findings: Iterable[Finding]) -> str:
    """Return findings as JSON, sorted; equal findings give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "findings": [asdict(one) for one in sorted(findings)],
        }
    )


def fit_for_print(finding: Finding) -> Finding:
    """Return a finding of which every text is one line that no reader obeys."""
    return Finding(
        finding.id,
        finding.severity,
        one_line(finding.subject),
        one_line(finding.message, 1000),
        tuple(one_line(text, 300) for text in finding.evidence),
        one_line(finding.fix, 1000),
    )


def parse_findings(document: object, *, where: str) -> tuple[Finding, ...]:
    """Return the findings of a parsed JSON document; raises ``DataError``."""
    checked = check_document(document, schema=SCHEMA, versions=(SCHEMA_VERSION,), where=where)
    return tuple(
        Finding(**{**entry, "evidence": tuple(entry["evidence"])}) for entry in checked["findings"]
    )
