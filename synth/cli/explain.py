"""``seccomp-synth explain``: say all that is known of one syscall."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from synth.baseline import load_baseline, newest
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.target import (
    container_capabilities,
    kernel_option,
    profile_arch,
    target_options,
)
from synth.errors import ExitCode, UsageError
from synth.explain import Asked, Decision, Explanation, RuleView, User
from synth.explain import explain as explained
from synth.files import dump_json
from synth.model import Target
from synth.profile import load_profile
from synth.recording import load_recording
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, is_known, suggest

COLUMNS = 100
LABEL = 11
USERS = 12
ALTERNATIVES = 4
"""Conditions of one rule after another that are shown before the rest is counted."""
SCHEMA, SCHEMA_VERSION = "seccomp-synth/explanation", "1.0.0"


@click.command()
@click.argument("syscall")
@click.argument("profile", required=False, type=click.Path(path_type=Path))
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Say who used it in this recording; repeatable.",
)
@click.option(
    "--against",
    metavar="BASELINE",
    help="The engine's default to ask; the newest known if not given.",
)
@click.option(
    "--output",
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the answer: for people or for programs.",
)
@target_options
@pass_settings
def explain(
    settings: Settings,
    syscall: str,
    profile: Path | None,
    recordings: tuple[Path, ...],
    against: str | None,
    form: str,
    kernel: str,
    arch: str | None,
    cap_add: tuple[str, ...],
) -> int:
    """Say what a syscall is, how risky, who allows it and who used it.

    Names the rule that decides in PROFILE and in the engine's default, and what programs do when
    it is refused.

    \b
    Example:
      seccomp-synth explain clone3
      seccomp-synth explain mount out/seccomp.json --recording tests.recording.json
    """
    if not is_known(syscall):
        raise _unknown(syscall)
    baseline = newest() if against is None else load_baseline(against)
    mine = None if profile is None else load_profile(profile)
    native = arch or ("x86_64" if mine is None else profile_arch(mine))
    version = kernel_option(kernel)
    added = container_capabilities(profile, cap_add, settings)
    default = Target(native, added | DOCKER_DEFAULT_CAPABILITIES, version)
    asked = [Asked(baseline.name, baseline.profile, default, file=False)]
    if mine is not None:
        asked.append(Asked(str(profile), mine, Target(native, added, version)))
    found = explained(syscall, asked, [load_recording(path) for path in recordings])
    text = dump_json(as_document(found)) if form == "json" else as_text(found)
    click.echo(clean(text), nl=False)
    return int(ExitCode.OK)


def as_text(found: Explanation) -> str:
    """Return an explanation for people."""
    numbers = ", ".join(f"{arch} {number}" for arch, number in found.numbers)
    lines = [f"{found.name} ({numbers or 'on other architectures only'})"]
    lines += [found.description] if found.description else []
    grade = f"class {found.risk.grade}: " if found.risk.grade else ""
    lines += ["", *_paragraph("risk", grade + found.risk.meaning)]
    lines += _paragraph("", found.risk.why)
    for one in found.risk.vulnerabilities:
        lines += _paragraph("", f"{one.id}: {one.what}")
        lines.append(f"{'':{LABEL + 2}}{one.source}")
    for position, decision in enumerate(found.decisions):
        lines += _decided("profile" if position else "default", decision)
    lines += _used(found)
    lines += _refused(found)
    others = [f"{name} ({reason})" for name, reason in found.equivalents]
    lines += _paragraph("equivalent", ", ".join(others) or "none")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_document(found: Explanation) -> dict[str, Any]:
    """Return an explanation for programs."""
    document = asdict(found) | {
        "numbers": dict(found.numbers),
        "equivalents": [{"name": name, "reason": reason} for name, reason in found.equivalents],
    }
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **document}


def _decided(label: str, decision: Decision) -> list[str]:
    words = {
        "allowed": "allows it",
        "refused": f"does not allow it: {decision.otherwise}",
        "conditional": f"allows it under conditions; otherwise {decision.otherwise}",
    }
    lines = _paragraph(label, f"{decision.profile} {words[decision.verdict]}")
    rules = sorted(decision.rules, key=lambda one: not one.in_force)
    for _, alike in groupby(rules, key=_but_condition):
        lines += _paragraph("", _alternatives(tuple(alike)))
    if not any(one.in_force for one in decision.rules):
        lines += _paragraph("", "decided by the default action")
    return lines


def _but_condition(one: RuleView) -> tuple[str, str, str, str, bool]:
    return (one.answer, one.gate, one.comment, one.idle, bool(one.when))


def _alternatives(rules: Sequence[RuleView]) -> str:
    """Return rules that differ in their conditions alone: any of these will do."""
    first, last = rules[0], rules[-1]
    place = first.where if len(rules) == 1 else f"{first.where} to {last.where}"
    shown = [one.when for one in rules[:ALTERNATIVES]]
    if len(rules) > ALTERNATIVES:
        shown.append(f"any of {len(rules) - ALTERNATIVES} more")
    when = f"if {' or '.join(shown)}" if first.when else ""
    said = " ".join(part for part in (first.answer, when, first.gate) if part)
    idle = f"{first.idle}: " if first.idle else ""
    return (
        f"{idle}{place}: {said}{_comment(first)}" if first.where else idle + said + _comment(first)
    )


def _comment(one: RuleView) -> str:
    return f" ({one.comment})" if one.comment else ""


def _used(found: Explanation) -> list[str]:
    if not found.recordings:
        return []
    what = f"{found.recordings} recording{'s' if found.recordings > 1 else ''}"
    if not found.users:
        return _paragraph("used", f"by nobody in {what}")
    lines = _paragraph("used", f"in {what}:")
    for one in found.users[:USERS]:
        lines += _paragraph("", _user(one))
    if len(found.users) > USERS:
        lines += _paragraph("", f"and {len(found.users) - USERS} more")
    return lines


def _user(one: User) -> str:
    by = "the container runtime" if one.phase == "runtime" else one.workload
    foreign = "" if one.arch == "x86_64" else f" on {one.arch}"
    return f"{one.what} by {by} ({one.program}){foreign}"


def _refused(found: Explanation) -> list[str]:
    lines = _paragraph("refused", f"profiles of synth answer {found.answers}")
    if found.refusing is not None:
        need = {"": "", "none": ""}.get(found.refusing.errno, f"needs {found.refusing.errno}: ")
        lines += _paragraph("", need + found.refusing.effect)
        if found.refusing.fallback:
            lines += _paragraph("", "falls back on " + ", ".join(found.refusing.fallback))
    return lines


def _paragraph(label: str, text: str) -> list[str]:
    if not text:
        return []
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * (LABEL + 2),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _unknown(syscall: str) -> UsageError:
    near = [one for one in suggest(syscall) if is_known(one)]
    fix = f"did you mean {' or '.join(repr(one) for one in near)}?" if near else "see syscalls(2)"
    if syscall.upper().startswith("CAP_"):
        fix = "that is a capability: see capabilities(7)"
    if re.fullmatch(r"SS[0-9]{3}", syscall, re.ASCII | re.IGNORECASE):
        fix = "that is a finding: see docs/findings.md"
    shown = syscall[:40] + ("…" if len(syscall) > 40 else "")  # noqa: PLR2004 - a line's length
    return UsageError(
        f"no syscall is named {shown!r}", where="explain", slug="no-such-syscall", fix=fix
    )
