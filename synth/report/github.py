"""Write findings as workflow commands, which GitHub shows beside the profile's lines."""

from __future__ import annotations

from synth.model import Finding
from synth.report.model import Report

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
MAX_MESSAGE = 2000


def render(report: Report) -> str:
    """Return one command a finding; what the notes of a comparison list is left to the summary.

    GitHub shows ten errors, ten warnings and ten notices of a step; the worst come first.
    """
    return "".join(f"{_command(report, one)}\n" for one in report.findings)


def _command(report: Report, finding: Finding) -> str:
    evidence = f" ({'; '.join(finding.evidence[:8])})" if finding.evidence else ""
    fix = f". To do: {finding.fix}" if finding.fix else ""
    message = f"{finding.subject}: {finding.message}{evidence}{fix}"[:MAX_MESSAGE]
    properties = {
        "file": report.path,
        "line": str(report.line_of(finding)),
        "title": f"seccomp-synth {finding.id}",
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{COMMANDS[finding.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a command's message, as the runner unescapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
