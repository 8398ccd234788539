"""Write a report as SARIF 2.1.0, with each finding at its line of the profile."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from synth import __version__
from synth.model import Finding
from synth.report.model import Report
from synth.report.rules import RULES

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def render(report: Report) -> str:
    """Return the findings as one SARIF run; equal reports give equal bytes."""
    used = sorted({one.id for one in report.findings})
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "seccomp-synth",
                        "semanticVersion": __version__,
                        "rules": [_rule(one) for one in used],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "results": [_result(report, one, used) for one in report.findings],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _rule(identifier: str) -> dict[str, Any]:
    severity, meaning = RULES.get(identifier, ("warning", identifier))
    return {
        "id": identifier,
        "shortDescription": {"text": meaning},
        "defaultConfiguration": {"level": LEVELS[severity]},
    }


def _result(report: Report, finding: Finding, used: list[str]) -> dict[str, Any]:
    evidence = f" ({'; '.join(finding.evidence[:20])})" if finding.evidence else ""
    fix = f". To do: {finding.fix}" if finding.fix else ""
    return {
        "ruleId": finding.id,
        "ruleIndex": used.index(finding.id),
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.subject}: {finding.message}{evidence}{fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri_of(report.path)},
                    "region": {"startLine": report.line_of(finding)},
                }
            }
        ],
        "partialFingerprints": {"seccompSynth/v1": _fingerprint(finding)},
    }


def uri_of(path: str) -> str:
    """Return a path as a URI reference: relative as it is, absolute as ``file://``."""
    quoted = quote(path.removeprefix("./"), safe="/")
    return f"file://{quoted}" if path.startswith("/") else quoted


def _fingerprint(finding: Finding) -> str:
    """Return what stays the same while a finding does: not its line, not its evidence."""
    return hashlib.sha256(f"{finding.id}\0{finding.subject}".encode()).hexdigest()[:32]
