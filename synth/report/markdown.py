"""Write a report as GitHub's Markdown, for pull requests and step summaries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from synth.model import Finding
from synth.report.model import NO, OPEN, YES, RefusalRow, Report, SyscallRow

MARKS = {YES: "✅", NO: "❌", OPEN: "❔"}
SEVERITIES = {"error": "❌", "warning": "⚠️", "note": "ℹ️"}  # noqa: RUF001 - the sign meant
MAX_NAMES = 400

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~^$:/@=])")


def escape(text: str) -> str:
    """Return foreign text so that Markdown shows it as it is, in a table too.

    Every character that could mean something is escaped, ``<``, ``>`` and ``&`` as entities;
    ``@``, ``#``, ``:`` and ``/`` too, so that nobody is mentioned and nothing becomes a link.
    """
    flat = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(_entity, flat)


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};" if match[0] in "@:/#|`" else f"\\{match[0]}"


def render(report: Report) -> str:
    """Return the report as Markdown."""
    parts = [
        f"## {MARKS[report.answer]} {escape(report.headline)}",
        "",
        f"Profile {escape(report.title)}, against {escape(report.baseline)}.",
        "",
        *_table(
            ("", "Question", "Answer"),
            ((MARKS[one.answer], one.question, one.detail) for one in report.checks),
        ),
        *_section("Findings", _findings(report.findings)),
        *_section("What is left of the default profile", _grades(report)),
        *_section("Capabilities", _capabilities(report)),
        *_section("Workloads", _workloads(report)),
        *_folded("Every allowed syscall", _syscalls(report.syscalls)),
        *_folded("Removed syscalls", _removed(report)),
        *_folded("Validation", _validations(report)),
        *_folded("Refused under the profile", _refusals(report.of_profile())),
        *_folded("Refused under the baseline too", _refusals(report.of_baseline())),
        *_folded("Refused while recording", _denials(report)),
        *_folded("Ways out of the container", _shut(report)),
        *_folded("Discovery", _discovery(report)),
        *_folded("Environment and digests", _facts(report)),
        *_folded("Limits", [f"- {escape(one)}" for one in report.limits]),
    ]
    return "\n".join(parts) + "\n"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    rows = (
        (
            SEVERITIES[one.severity],
            one.id,
            one.subject,
            one.message + (f" ({'; '.join(one.evidence[:12])})" if one.evidence else ""),
            one.fix,
        )
        for one in findings
    )
    yield from _table(("", "Id", "Subject", "Finding", "What to do"), rows)


def _grades(report: Report) -> Iterator[str]:
    yield from _table(
        ("Class", "Meaning", "Kept", "Narrowed", "Removed", "Widened"),
        (
            (row.grade, row.meaning, row.kept, row.narrowed, row.removed, row.widened)
            for row in report.grades
        ),
    )


def _capabilities(report: Report) -> Iterator[str]:
    rows = [row for row in report.capabilities if row.granted]
    if not rows:
        yield "None, after dropping all."
    yield from _table(
        ("Granted", "Used by"), ((row.name, ", ".join(row.uses) or "not seen") for row in rows)
    )


def _workloads(report: Report) -> Iterator[str]:
    yield from _table(
        ("Workload", "Recorded", "Runs", "Syscalls", "In no other", "Validated"),
        (
            (row.name, row.outcome, row.runs, row.syscalls, row.only, MARKS[row.validated])
            for row in report.workloads
        ),
    )


def _syscalls(syscalls: Iterable[SyscallRow]) -> Iterator[str]:
    yield from _table(
        ("Syscall", "Class", "Against the default", "Origin", "Reason", "Workloads", "Programs"),
        (
            (
                row.name,
                row.grade,
                row.status + (f": {row.condition}" if row.condition else ""),
                row.origin,
                row.reason,
                ", ".join(row.workloads),
                ", ".join(row.programs),
            )
            for row in syscalls
        ),
    )


def _removed(report: Report) -> Iterator[str]:
    for grade in report.grades:
        names = [row.name for row in report.removed if row.grade == grade.grade]
        if names:
            yield f"**{grade.grade}** {escape(', '.join(names[:MAX_NAMES]))}"
            yield ""


def _denials(report: Report) -> Iterator[str]:
    yield from _table(
        ("When", "Call", "Answer", "Programs", "Workloads", "Times"),
        (
            (
                row.when,
                row.call,
                row.answer,
                ", ".join(row.programs),
                ", ".join(row.workloads),
                row.count,
            )
            for row in report.denials
        ),
    )


def _validations(report: Report) -> Iterator[str]:
    for row in report.validations:
        state = "; ".join((row.state(), f"on {row.environment}", *row.problems, *row.notes))
        masks = ", ".join(row.masks) or "none"
        yield f"{escape(row.name)}: {escape(state)}. Masks: {escape(masks)}."
        yield ""
        yield from _table(
            ("", "Workload", "Under profile, baseline", "Compared", "Noise", "Refused, tolerated"),
            (
                (
                    MARKS[YES if one.passed else NO],
                    one.workload,
                    f"{one.profile_runs}, {one.baseline_runs}",
                    ", ".join(one.compared),
                    ", ".join(one.varies),
                    f"{one.refused}, {one.tolerated}",
                )
                for one in row.trials
            ),
        )
        yield ""


def _refusals(rows: Iterable[RefusalRow]) -> Iterator[str]:
    yield from _table(
        ("", "Workload", "Call", "Answer", "Program", "Times", "Runs", "What came of it"),
        (
            (
                SEVERITIES[row.severity],
                row.workload,
                row.call,
                row.answer,
                row.who(),
                row.count,
                f"{row.runs} of {row.of}",
                row.meaning,
            )
            for row in rows
        ),
    )


def _shut(report: Report) -> Iterator[str]:
    shut = sum(row.shut for row in report.shut)
    yield f"{shut} of {len(report.shut)} are refused, {escape(report.tried)}."
    yield ""
    yield from _table(
        ("", "Way out", "Call", "Filter", "Kernel", "Default", "Verdict"),
        (
            (
                MARKS[row.mark],
                row.label,
                row.call,
                row.answer,
                row.seen or "not tried",
                row.default,
                row.verdict,
            )
            for row in report.shut
        ),
    )


def _discovery(report: Report) -> Iterator[str]:
    yield from _table(
        ("Run", "Syscalls", "New", "In all"),
        ((one.label, one.syscalls, one.new, one.total) for one in report.discovery),
    )
    if report.saturation is not None:
        yield ""
        share = escape(f"{report.saturation:.0%}")
        yield f"Of another workload's calls about {share} would be new."


def _facts(report: Report) -> Iterator[str]:
    facts = (*report.environment, *report.digests)
    yield from _table(("", ""), ((one.label, ", ".join(one.values)) for one in facts))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(escape(str(cell)) for cell in row)} |" for row in rows]
    if not lines:
        return []
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return ["", f"### {title}", "", *body] if body else []


def _folded(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    if not body:
        return []
    return ["", f"<details><summary>{title}</summary>", "", *body, "", "</details>"]
