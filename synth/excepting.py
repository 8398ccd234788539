"""Put a project's exceptions into a generated profile, and say which of them widen it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace

from synth.conditions import overlap, witness
from synth.errors import UsageError
from synth.exceptions import SyscallException
from synth.generate import Generated
from synth.model import Finding, Profile, Rule
from synth.profile_format import ALLOW
from synth.resolve import resolve
from synth.text import printable
from synth.wanted import Decision, Origin

IN_FORCE, WIDENS, EXPIRED, NEEDLESS = "SS320", "SS321", "SS322", "SS323"
COMMENT_LENGTH = 400


@dataclass(frozen=True)
class Excepted:
    """What exceptions made of a profile; ``widened`` are the calls beyond the baseline."""

    generated: Generated
    widened: tuple[str, ...]


def apply_exceptions(
    generated: Generated, exceptions: Iterable[SyscallException], today: datetime.date
) -> Excepted:
    """Return the profile with the exceptions that still count, and a finding for each.

    Raises ``UsageError`` for one that goes beyond the baseline and names no owner.
    """
    profile = generated.profile
    decisions = {one.name: one for one in generated.decisions}
    findings: list[Finding] = []
    widened: set[str] = set()
    for one in exceptions:
        if one.expired(today):
            findings.append(_expired(one))
            continue
        if witness((one.when,), generated.resolved.allowed(one.name)) is None:
            findings.append(_needless(one))
            continue
        call = witness((one.when,), generated.baseline.allowed(one.name))
        if call is None:
            findings.append(_in_force(one))
        else:
            _require_owner(one)
            widened.add(one.name)
            findings.append(_widens(one, call))
        profile = _with(profile, one)
        reason = f"exception: {one.describe()}"
        before = decisions.get(one.name)
        decisions[one.name] = (
            replace(before, reason=f"{before.reason}; {reason}")
            if before is not None
            else Decision(one.name, Origin.EXCEPTION, reason)
        )
    result = replace(
        generated,
        profile=profile,
        decisions=tuple(decisions[name] for name in sorted(decisions)),
        findings=tuple(sorted((*generated.findings, *findings))),
        resolved=resolve(profile, generated.resolved.target),
    )
    return Excepted(result, tuple(sorted(widened)))


def _with(profile: Profile, one: SyscallException) -> Profile:
    """Return the profile with one more allowed call.

    No name may be in two rules that contradict each other: which of them wins is decided
    silently.  So what refuses the call, and for an unconditional one what else allows it, goes.
    """
    rules = []
    for rule in profile.rules:
        if one.name in rule.names and _in_the_way(rule, one):
            rest = tuple(name for name in rule.names if name != one.name)
            rules += [replace(rule, names=rest)] if rest else []
        else:
            rules.append(rule)
    comment = printable(f"exception: {one.describe()}", COMMENT_LENGTH)
    rules.append(Rule((one.name,), ALLOW, comparisons=one.when, comment=comment))
    return replace(profile, rules=tuple(rules))


def _in_the_way(rule: Rule, one: SyscallException) -> bool:
    if not one.when or not rule.comparisons:
        return True
    return rule.action != ALLOW and overlap(rule.comparisons, one.when)


def _require_owner(one: SyscallException) -> None:
    if not one.owner:
        raise UsageError(
            f"the exception for {one.name} goes beyond the engine's default profile",
            slug="exception-without-owner",
            fix='name who answers for it: owner = "…"; an expiry is a good idea as well',
        )


def _in_force(one: SyscallException) -> Finding:
    message = f"allowed by an exception, not by a recording: {one.describe()}"
    return Finding(IN_FORCE, "note", one.name, message)


def _widens(one: SyscallException, call: Iterable[int]) -> Finding:
    example = f"{one.name}({', '.join(hex(value) for value in call)})"
    message = f"an exception allows what the default refuses: {one.describe()}"
    return Finding(WIDENS, "warning", one.name, message, (example,), "do without it if you can")


def _expired(one: SyscallException) -> Finding:
    message = f"the exception has expired and is not applied: {one.describe()}"
    return Finding(EXPIRED, "warning", one.name, message, fix="renew it or take it out")


def _needless(one: SyscallException) -> Finding:
    message = f"the exception changes nothing: the recordings allow it ({one.describe()})"
    return Finding(NEEDLESS, "note", one.name, message, fix="take it out")
