"""Write a report as plain text, for a terminal or a log."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from synth.model import Finding
from synth.report.model import NO, OPEN, YES, Fact, Report
from synth.text import many

COLUMNS = 100
MARKS = {YES: "yes ", NO: "NO  ", OPEN: "open"}


def render(report: Report) -> str:
    """Return the report as text."""
    parts = [
        *_first(report),
        *_section("Syscalls", _syscalls(report)),
        *_section("Capabilities", _capabilities(report)),
        *_section("Workloads", _workloads(report)),
        *_section("Validation", _validations(report)),
        *_section("Refused under the profile", _refusals(report)),
        *_section("Refused while recording", _denials(report)),
        *_section("Ways out", _shut(report)),
        *_section("Discovery", _discovery(report)),
        *_section("Environment", _facts(report.environment)),
        *_section("Digests (SHA-256)", _facts(report.digests)),
        *_section("Limits", (line for one in report.limits for line in _wrapped(one, "- "))),
    ]
    return "\n".join(parts) + "\n"


def summary(report: Report) -> str:
    """Return what comes first: the answer, why, and the findings."""
    return "\n".join(_first(report)) + "\n"


def _first(report: Report) -> list[str]:
    return [
        report.headline,
        "",
        *(f"  {MARKS[one.answer]}  {one.question} {one.detail}" for one in report.checks),
        *_section("Findings", _findings(report.findings)),
    ]


def finding_line(finding: Finding) -> str:
    """Return a finding on one line."""
    evidence = f" [{'; '.join(finding.evidence)}]" if finding.evidence else ""
    fix = f"; {finding.fix}" if finding.fix else ""
    return f"{finding.severity}[{finding.id}] {finding.subject}: {finding.message}{evidence}{fix}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = [f"  {line}" for line in lines]
    return ["", title, *body] if body else []


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.severity != "note":
            yield from _wrapped(finding_line(finding))
    notes = sum(finding.severity == "note" for finding in findings)
    if notes:
        yield f"{many(notes, 'note')}; the other formats have them"


def _syscalls(report: Report) -> Iterator[str]:
    yield (
        f"{len(report.syscalls)} allowed; of {report.baseline}: {report.counted('kept')} kept, "
        f"{report.counted('narrowed')} narrowed, {len(report.removed)} removed, "
        f"{report.counted('widened')} widened"
    )
    for row in report.grades:
        yield (
            f"class {row.grade}: {row.kept + row.narrowed + row.widened:3} allowed, "
            f"{row.removed:3} removed  ({row.meaning})"
        )
    for call in report.syscalls:
        if call.grade in "SA":
            who = ", ".join(call.workloads) or call.reason
            yield f"  {call.grade}  {call.name}: {call.risk}; {call.origin}: {who}"


def _capabilities(report: Report) -> Iterator[str]:
    granted = [row for row in report.capabilities if row.granted]
    if not granted:
        yield "none, after dropping all"
    for row in granted:
        yield from _wrapped(f"{row.name}: {', '.join(row.uses) or 'not seen in use'}")
    dropped = [row.name for row in report.capabilities if row.default and not row.granted]
    if dropped:
        yield from _wrapped(f"dropped: {' '.join(dropped)}")


def _workloads(report: Report) -> Iterator[str]:
    for row in report.workloads:
        shown = {YES: "passed", NO: "FAILED", OPEN: "not validated"}[row.validated]
        yield (
            f"{row.name}: {row.outcome}, {many(row.runs, 'run')}, {many(row.syscalls, 'syscall')} "
            f"({row.only} in no other), validation: {shown}"
        )


def _validations(report: Report) -> Iterator[str]:
    for row in report.validations:
        yield from _wrapped(f"{row.name}: {row.state()}")
        yield from _wrapped(f"on {row.environment}", "  ")
        yield from _wrapped(f"masks: {', '.join(row.masks) or 'none'}", "  ")
        for one in row.trials:
            answer = "passed" if one.passed else "FAILED"
            yield from _wrapped(
                f"{one.workload}: {answer}, {one.profile_runs} under the profile and "
                f"{one.baseline_runs} under the baseline; compared: {', '.join(one.compared)}"
                + (f"; noise: {', '.join(one.varies)}" if one.varies else ""),
                "  ",
            )


def _refusals(report: Report) -> Iterator[str]:
    for row in report.of_profile():
        yield from _wrapped(f"{row.severity}: {row.sentence()}; {row.meaning}")
    both = report.of_baseline()
    if both:
        yield f"as under the baseline: {many(len(both), 'refusal')}"
    for row in both:
        yield from _wrapped(row.sentence(), "  ")


def _denials(report: Report) -> Iterator[str]:
    for row in report.denials:
        who = f"{', '.join(row.programs)} in {', '.join(row.workloads)}"
        yield from _wrapped(f"{row.when}: {row.call} answered {row.answer} to {who}")


def _shut(report: Report) -> Iterator[str]:
    shut = sum(row.shut for row in report.shut)
    yield f"{shut} of {len(report.shut)} are refused, {report.tried}"
    for row in report.shut:
        if not row.shut:
            seen = f"; the kernel answered {row.seen}" if row.seen else ""
            yield from _wrapped(
                f"{row.verdict}: {row.label}, {row.call}: the filter answers {row.answer}, "
                f"the default {row.default}{seen}"
            )


def _discovery(report: Report) -> Iterator[str]:
    for point in report.discovery[-5:]:
        yield f"{point.label}: {point.syscalls} made, {point.new} new, {point.total} in all"
    if report.saturation is not None:
        yield (
            f"of the calls of another workload of this kind about {report.saturation:.0%} "
            "would be new"
        )


def _facts(facts: Iterable[Fact]) -> Iterator[str]:
    for fact in facts:
        yield from _wrapped(f"{fact.label}: {', '.join(fact.values)}")


def _wrapped(text: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent="  " if first == "- " else f"{first}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
