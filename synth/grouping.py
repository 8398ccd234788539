"""Write decisions as few rules, each with a comment that a reviewer can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from synth.model import Conjunction, Rule
from synth.narrow import Conditions
from synth.profile_format import ALLOW, ERRNO
from synth.refusals import ENOSYS, EPERM
from synth.text import listed
from synth.wanted import Decision, Origin

MAX_GROUPS = 40
"""Entries per origin; engines and other tools cap a profile at 128 entries."""

NAMES_SHOWN = 6

_COMMENTS = {
    Origin.RUNTIME: "runtime: container runtimes call it after the filter is on (start, exec)",
    Origin.FALLBACK: "fallback: taken instead of clone3",
    Origin.INJECTED: "injected: made by the kernel, or on another clock source",
    Origin.EQUIVALENT: "equivalent: not observed; reaches the same kernel code as observed calls",
    Origin.LIBC: "libc: not observed; made when a program starts with another libc",
    Origin.BASELINE: "baseline: allowed by the engine's default",
}


class Group(NamedTuple):
    """What the entries of one comment have in common."""

    order: int
    comment: str


def rules_of(
    decisions: Mapping[str, Decision],
    conditions: Mapping[str, Conditions],
    refusals: Mapping[str, int],
) -> tuple[Rule, ...]:
    """Return the rules: unconditional ones by reason, conditional ones, explicit refusals."""
    plain = [one for name, one in decisions.items() if conditions[name].allowed == ((),)]
    rules = [
        Rule(tuple(sorted(names)), ALLOW, comment=group.comment)
        for group, names in sorted(_grouped(plain).items())
    ]
    for name in sorted(decisions):
        if conditions[name].allowed != ((),):
            rules += _conditional(decisions[name], conditions[name])
    for errno, why in (
        (EPERM, "refused as a policy: a way out of the container, or refused when recorded"),
        (ENOSYS, "refused as not implemented: programs then take their fallback"),
    ):
        names = tuple(sorted(name for name, answer in refusals.items() if answer == errno))
        if names:
            rules.append(Rule(names, ERRNO, errno, comment=why))
    return tuple(rules)


def comment_of(decision: Decision) -> str:
    """Return the reason of one decision, for a comment."""
    if decision.origin is Origin.OBSERVED:
        workloads = listed(decision.workloads, NAMES_SHOWN)
        return f"observed: {workloads} ({listed(decision.programs, NAMES_SHOWN)})"
    return _COMMENTS[decision.origin]


def _grouped(decisions: Iterable[Decision]) -> dict[Group, list[str]]:
    """Group by reason; observed calls by the workloads that made them.

    With too many different sets of workloads, by how many they are: provenance.json has the
    rest.
    """
    by_workloads: dict[tuple[str, ...], list[Decision]] = {}
    groups: dict[Group, list[str]] = {}
    order = list(Origin)
    for one in decisions:
        if one.origin is Origin.OBSERVED:
            by_workloads.setdefault(one.workloads, []).append(one)
        else:
            group = Group(order.index(one.origin), _COMMENTS[one.origin])
            groups.setdefault(group, []).append(one.name)
    if len(by_workloads) > MAX_GROUPS:
        by_workloads = _by_count(by_workloads)
    for workloads, members in by_workloads.items():
        programs = sorted({program for one in members for program in one.programs})
        comment = f"observed: {listed(workloads, NAMES_SHOWN)} ({listed(programs, NAMES_SHOWN)})"
        groups.setdefault(Group(0, comment), []).extend(one.name for one in members)
    return groups


def _by_count(
    by_workloads: Mapping[tuple[str, ...], list[Decision]],
) -> dict[tuple[str, ...], list[Decision]]:
    total = len({name for workloads in by_workloads for name in workloads})
    merged: dict[tuple[str, ...], list[Decision]] = {}
    for workloads, members in by_workloads.items():
        label = f"{len(workloads)} of {total} workloads, see provenance.json"
        key = workloads if len(workloads) == 1 else (label,)
        merged.setdefault(key, []).extend(members)
    if len(merged) > MAX_GROUPS:
        everything = [one for members in merged.values() for one in members]
        return {("see provenance.json for the workloads",): everything}
    return merged


def _conditional(decision: Decision, conditions: Conditions) -> list[Rule]:
    comment = f"{comment_of(decision)}; {conditions.note}"
    rules = [_rule(decision.name, conjunction, None, comment) for conjunction in conditions.allowed]
    rules += [
        _rule(decision.name, conjunction, errno, f"refused for the rest of {decision.name}")
        for conjunction, errno in conditions.refused
    ]
    return rules


def _rule(name: str, conjunction: Conjunction, errno: int | None, comment: str) -> Rule:
    action = ALLOW if errno is None else ERRNO
    return Rule((name,), action, errno, conjunction, comment)
