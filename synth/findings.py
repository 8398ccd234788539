"""Write and read lists of findings; the format is ``synth/schemas/findings-1.0.0.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from synth.document import check_document, compact_json
from synth.model import Finding
from synth.text import one_line

SCHEMA = "seccomp-synth/findings"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first

SHOWN = 6
"""Lines that findings of one kind on one subject take on a screen at most."""


def dump_findings(findings: Iterable[Finding]) -> str:
    """Return findings as JSON, sorted; equal findings give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "findings": [asdict(one) for one in sorted(findings)],
        }
    )


def shortened(findings: Sequence[Finding], limit: int = SHOWN) -> list[Finding]:
    """Return findings for a screen: of many of one kind on one subject a few, and a count."""
    total = Counter((one.id, one.subject) for one in findings)
    seen: Counter[tuple[str, str]] = Counter()
    result = []
    for one in findings:
        kind = (one.id, one.subject)
        seen[kind] += 1
        if total[kind] <= limit or seen[kind] < limit:
            result.append(one)
        elif seen[kind] == limit:
            rest = total[kind] - limit + 1
            result.append(Finding(one.id, one.severity, one.subject, f"{rest} more; -v shows them"))
    return result


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
