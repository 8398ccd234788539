"""Show a comparison of profiles as text, Markdown or JSON: three views of one list of findings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from synth.model import Finding, Target
from synth.syscalls import table_source

COLUMNS = 100
SCHEMA, SCHEMA_VERSION = "seccomp-synth/difference", "1.0.0"


class Head(NamedTuple):
    """What stands above a comparison: two names, and what it is for, if that matters."""

    name: str
    against: str
    note: str = ""


@dataclass(frozen=True)
class Question:
    """Which profiles are compared, and for which container and host."""

    profile_name: str
    against_name: str
    target: Target
    added: tuple[str, ...]

    @property
    def head(self) -> Head:
        """Return what stands above the comparison."""
        return Head(self.profile_name, self.against_name, self.host())

    def host(self) -> str:
        """Return architecture, kernel and capabilities beyond Docker's as one phrase."""
        kernel = ".".join(map(str, self.target.kernel))
        return ", ".join((self.target.arch, f"kernel {kernel}", *self.added))


class Section(NamedTuple):
    """A kind of finding: its word in outputs and for ``--fail-on``.

    ``listed``: one finding whose evidence is the list of syscalls; else one finding for each.
    ``always``: shown even if there is none.
    """

    key: str
    title: str
    ids: tuple[str, ...]
    threshold: str
    listed: bool = False
    always: bool = False


SECTIONS = (
    Section("kept", "kept", ("SS111",), "", listed=True, always=True),
    Section("removed", "removed", ("SS101",), "removed", listed=True, always=True),
    Section("narrowed", "narrowed", ("SS102",), "narrowed", always=True),
    Section("widened", "widened", ("SS103", "SS107"), "widened", always=True),
    Section("architectures_added", "architectures added", ("SS104",), "widened"),
    Section("ungated", "no longer gated by a capability", ("SS109",), "capability"),
    Section("doubtful", "compiled in doubt", ("SS110",), "doubtful"),
    Section("errno_changed", "errno changed", ("SS106",), "errno", listed=True),
    Section("gated", "now gated by a capability", ("SS108",), "capability"),
    Section("architectures_removed", "architectures removed", ("SS105",), "removed"),
)

ANY, NEVER = "any", "never"
THRESHOLDS = (*dict.fromkeys(one.threshold for one in SECTIONS if one.threshold), ANY, NEVER)
"""What ``--fail-on`` takes."""


def fails(
    findings: Iterable[Finding], fail_on: Sequence[str], sections: Sequence[Section] = SECTIONS
) -> bool:
    """Tell whether a finding is of a kind that ``fail_on``, some of the thresholds, names."""
    wanted = {
        identifier
        for section in sections
        if section.threshold and (section.threshold in fail_on or ANY in fail_on)
        for identifier in section.ids
    }
    return any(one.id in wanted for one in findings)


def as_text(
    head: Head,
    findings: Sequence[Finding],
    sections: Sequence[Section] = SECTIONS,
    *,
    verbose: bool,
) -> str:
    """Return the comparison for people: a table of counts, then the names behind them.

    Names of changed refusals only if ``verbose``.
    """
    note = f" ({head.note})" if head.note else ""
    shown = _shown(findings, sections)
    width = max((len(section.title) for section, _ in shown), default=0)
    lines = [f"{head.name} compared with {head.against}{note}", ""]
    for section, members in shown:
        ids = " ".join(sorted({one.id for one in members}))
        lines.append(f"{section.title:<{width}}  {_count(section, members):>4}  {ids}".rstrip())
    if not shown:
        lines.append("no difference")
    for section, members in shown:
        if not members:
            continue
        lines += ["", f"{section.title}:"]
        for one in members:
            if section.listed:
                lines += [f"  {one.message}"] if section.key == "errno_changed" else []
                named = verbose or section.key != "errno_changed"
                lines += [_filled(one.evidence)] if named else []
            else:
                lines.append(f"  {_sentence(one)}")
    return "\n".join(lines) + "\n"


def as_markdown(
    head: Head, findings: Sequence[Finding], sections: Sequence[Section] = SECTIONS
) -> str:
    """Return the comparison for a pull request: a table, then lists that can be unfolded."""
    shown = _shown(findings, sections)
    lines = [f"### {_code(head.name)} compared with {_code(head.against)}", ""]
    lines += [f"For {head.note}.", ""] if head.note else []
    lines += ["| | count | finding |", "|---|---:|---|"] if shown else ["No difference."]
    for section, members in shown:
        ids = " ".join(sorted({one.id for one in members}))
        lines.append(f"| {section.title} | {_count(section, members)} | {ids} |")
    for section, members in shown:
        if section.listed and members:
            lines += ["", f"<details><summary>{section.title}</summary>", ""]
            for one in members:
                lines += [f"{one.message}: " + " ".join(_code(name) for name in one.evidence), ""]
            lines.append("</details>")
        elif members:
            lines += ["", f"**{section.title}**", ""]
            lines += [f"- {_code(one.subject)} {_told(one, code=True)}" for one in members]
    return "\n".join(lines) + "\n"


def as_document(question: Question, findings: Sequence[Finding], *, wider: bool) -> dict[str, Any]:
    """Return the comparison for programs."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "profile": question.profile_name,
        "against": question.against_name,
        "target": {
            "arch": question.target.arch,
            "kernel": ".".join(map(str, question.target.kernel)),
            "capabilities": sorted(question.target.capabilities),
        },
        "syscall_table": table_source(),
        "wider": wider,
        "summary": {
            section.key: _count(section, _members(section, findings)) for section in SECTIONS
        },
        "findings": [asdict(one) for one in findings],
    }


def _shown(
    findings: Sequence[Finding], sections: Sequence[Section]
) -> list[tuple[Section, list[Finding]]]:
    every = [(section, _members(section, findings)) for section in sections]
    return [(section, members) for section, members in every if members or section.always]


def _members(section: Section, findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.id in section.ids]


def _count(section: Section, members: Sequence[Finding]) -> int:
    return sum(len(one.evidence) for one in members) if section.listed else len(members)


def _sentence(finding: Finding) -> str:
    return f"{finding.subject} {_told(finding)}"


def _told(finding: Finding, *, code: bool = False) -> str:
    """Return message and evidence of a finding as one clause."""
    shown = ", ".join(_code(one) if code else one for one in finding.evidence)
    return f"{finding.message}: {shown}" if shown else finding.message


def _filled(names: Iterable[str]) -> str:
    return textwrap.fill(
        " ".join(names),
        COLUMNS,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _code(text: str) -> str:
    """Return foreign text as Markdown code that cannot end early or break a table."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
