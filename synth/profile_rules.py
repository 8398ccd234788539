"""Find rules of one profile that contradict each other, and decide where a rule applies.

Inside a filter an unconditional rule beats every conditional one and the first of two
unconditional ones wins, silently; two conditional ones that overlap are refused by the compiler
or not, as the condition happens to be written.  None of that can be meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from synth import profile_format as words
from synth.conditions import overlap
from synth.model import Answer, Gate, Rule
from synth.profile_problems import Problem

MAX_CONDITIONS = 4096
"""Comparisons of arguments per profile: each takes an instruction, and a kernel filter has 4096."""

MAX_PER_NAME = 256
"""Rules with conditions on one syscall; Docker's have 5.  All of them are compared with all."""

_KERNEL = re.compile(r"(\d{1,5})\.(\d{1,5})", re.ASCII)


def parse_kernel(text: str) -> tuple[int, int] | None:
    """Return ``"4.8"`` as ``(4, 8)``; ``None`` for anything but two numbers, as Docker does."""
    found = _KERNEL.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None


def answer_of(action: str, errno: int | None) -> Answer:
    """Return what a rule answers; an errno that is not given is EPERM.

    ``SCMP_ACT_KILL`` is the old name of ``SCMP_ACT_KILL_THREAD``.
    """
    if action != words.ERRNO:
        return Answer("SCMP_ACT_KILL_THREAD" if action == "SCMP_ACT_KILL" else action)
    return Answer(action, words.EPERM if errno is None else errno)


def check_rules(rules: Sequence[Rule], where: str) -> None:
    """Raise ``DataError`` for the first two rules that contradict each other.

    Rules that can never apply together (one asks for a capability, the other for its absence)
    do not; Docker's own default is built of such pairs.
    """
    for problem in contradictions(rules):
        raise problem.error(where.partition(": ")[0])


def contradictions(rules: Sequence[Rule], places: Sequence[int] = ()) -> Iterator[Problem]:
    """Yield what contradicts in a profile; ``places`` are the entries' indexes in the document."""
    conditions = sum(len(rule.names) * len(rule.comparisons) for rule in rules)
    most = max(
        Counter(name for one in rules if one.comparisons for name in one.names).values(), default=0
    )
    if conditions > MAX_CONDITIONS or most > MAX_PER_NAME:
        yield _conflict(
            f"{conditions} comparisons of arguments, more than a filter can hold"
            if conditions > MAX_CONDITIONS
            else f"{most} argument rules on one syscall, more than {MAX_PER_NAME}",
            "syscalls",
            "write fewer argument rules",
            "SS419",
        )
        return
    index = places or range(len(rules))
    by_name: dict[str, list[int]] = {}
    for i, second in enumerate(rules):
        seen: set[int] = set()
        for name in second.names:
            for j in by_name.setdefault(name, []):
                if j in seen:
                    continue
                seen.add(j)
                problem, dead = _problem(rules[j], second)
                if problem:
                    shared = min(set(second.names) & set(rules[j].names))
                    what = f"{shared} is also in syscalls[{index[j]}]: {problem}"
                    place = f"syscalls[{index[i]}]"
                    yield _conflict(
                        what, place, "keep one of the two", "SS409" if dead else "SS408"
                    )
            if not by_name[name] or by_name[name][-1] != i:
                by_name[name].append(i)


def _problem(first: Rule, second: Rule) -> tuple[str, bool]:
    """Say why two rules for one name cannot both be meant, or nothing.

    The second is true where both answer the same, so that only a condition is useless.
    """
    if not together(first, second):
        return "", False
    same = answer_of(first.action, first.errno) == answer_of(second.action, second.errno)
    free = [rule for rule in (first, second) if not rule.comparisons]
    problem = ""
    if len(free) == 1 and not same:
        problem = "the rule without conditions wins over the other"
    elif len(free) == 1 and _gate_implied(free[0], second if free[0] is first else first):
        problem = "the rule without conditions makes the other's condition useless"
    elif free and not same:
        problem = "two different answers, of which the first wins silently"
    elif not same and overlap(first.comparisons, second.comparisons):
        problem = "two different answers to calls that fulfil both conditions"
    return problem, same


def together(first: Rule, second: Rule) -> bool:
    """Tell whether there is a container and host in which both rules apply."""
    for one, other in ((first, second), (second, first), (first, first), (second, second)):
        if set(one.includes.capabilities) & set(other.excludes.capabilities):
            return False
        if _kernel(one.includes) >= _excluded_from(other.excludes):
            return False
    allowed = [set(rule.includes.arches) for rule in (first, second) if rule.includes.arches]
    if allowed:
        excluded = set(first.excludes.arches) | set(second.excludes.arches)
        return bool(set.intersection(*allowed) - excluded)
    return True


def _gate_implied(free: Rule, bound: Rule) -> bool:
    """Tell whether ``free`` applies wherever ``bound`` does, as far as the gates show it."""
    plain = free.includes == Gate() and free.excludes == Gate()
    return plain or (free.includes, free.excludes) == (bound.includes, bound.excludes)


def _kernel(gate: Gate) -> tuple[int, int]:
    return parse_kernel(gate.min_kernel) or (0, 0)


def _excluded_from(gate: Gate) -> tuple[float, float]:
    """Return the kernel from which on the gate excludes a rule."""
    return parse_kernel(gate.min_kernel) or (float("inf"), 0.0)


def _conflict(what: str, path: str, fix: str, finding: str) -> Problem:
    severity = "warning" if finding == "SS409" else "error"
    return Problem(what, path, fix, finding, slug="conflicting-rules", severity=severity)
