"""Put allowed calls into any profile, without rules that contradict each other.

No name may be in two rules of which one wins silently, so what refuses an added call goes, and
so do conditions that it makes useless.  Rules that are not in force here, but would contradict
where they are, are kept: the new rule is then gated so that both never apply together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from synth.abi import entries_on
from synth.conditions import overlap, witness
from synth.model import Answer, Conjunction, Gate, Profile, Rule, Target
from synth.profile_format import ALLOW, ALLOWING, LOG
from synth.profile_rules import parse_kernel, together
from synth.resolve import applies, resolve
from synth.syscalls import GO_ARCHES


def with_allowed(
    profile: Profile,
    target: Target,
    name: str,
    conditions: Sequence[Conjunction],
    comment: str,
) -> Profile:
    """Return the profile with ``name`` allowed under each of ``conditions`` on ``target``.

    Those that hold already are not written once more.
    """
    now = resolve(profile, target)
    arches = now.arches()
    wanted = [one for one in conditions if witness((one,), now.allowed(name)) is not None]
    named = [rule for rule in profile.rules if name in rule.names]
    action = LOG if any(rule.action == LOG for rule in named) else ALLOW
    new = [Rule((name,), action, None, one, comment) for one in dict.fromkeys(wanted)]
    if not new:
        return profile
    includes, excludes = Gate(), Gate()
    for rule in named:
        if not applies(rule, target) and _in_the_way(rule, name, new, arches):
            includes, excludes = _apart(rule, target, includes, excludes)
    new = [replace(one, includes=includes, excludes=excludes) for one in new]
    rules: list[Rule] = []
    for rule in profile.rules:
        goes = name in rule.names and (
            (applies(rule, target) and _in_the_way(rule, name, new, arches)) or _needless(rule, new)
        )
        rules += _without(rule, frozenset((name,))) if goes else [rule]
    if profile.default_action not in ALLOWING:
        for one in new:
            _append(rules, one)
    return replace(profile, rules=tuple(rules))


def _without(rule: Rule, names: frozenset[str]) -> list[Rule]:
    rest = tuple(one for one in rule.names if one not in names)
    if rest == rule.names:
        return [rule]
    return [replace(rule, names=rest)] if rest else []


def _in_the_way(rule: Rule, name: str, new: Iterable[Rule], arches: Sequence[str]) -> bool:
    """Tell whether a rule for ``name`` cannot be meant together with the new ones."""
    return any(together(rule, one) and _contradict(rule, one, name, arches) for one in new)


def _contradict(rule: Rule, new: Rule, name: str, arches: Sequence[str]) -> bool:
    if rule.action in ALLOWING:
        return bool(rule.comparisons) != bool(new.comparisons)
    return any(_meet(arch, name, rule.comparisons, new.comparisons) for arch in arches)


def _meet(arch: str, name: str, first: Conjunction, second: Conjunction) -> bool:
    """Tell whether some call fulfils both; on x86 also one through the multiplexer."""
    one, other = Answer("first"), Answer("second")
    table = entries_on(arch, [(name, one, first), (name, other, second)])
    return any(
        overlap(condition, another)
        for entries in table.values()
        for condition, answer in entries
        for another, opposite in entries
        if answer == one and opposite == other
    )


def _needless(rule: Rule, new: Sequence[Rule]) -> bool:
    """Tell whether all that a rule allows is allowed by the new ones, wherever it applies."""
    plain = all(one.includes == Gate() and one.excludes == Gate() for one in new)
    same = all((one.includes, one.excludes) == (rule.includes, rule.excludes) for one in new)
    return (
        rule.action in ALLOWING
        and (plain or same)
        and witness((rule.comparisons,), [one.comparisons for one in new]) is None
    )


def _apart(rule: Rule, target: Target, includes: Gate, excludes: Gate) -> tuple[Gate, Gate]:
    """Return gates that hold on ``target`` and never where ``rule`` applies."""
    native = GO_ARCHES[target.arch]
    held = sorted(target.capabilities & set(rule.excludes.capabilities))
    lacking = sorted(set(rule.includes.capabilities) - target.capabilities)
    wrong_arch = rule.includes.arches and native not in rule.includes.arches
    if native in rule.excludes.arches or wrong_arch:
        return replace(includes, arches=(native,)), excludes
    if held:
        more = tuple(sorted({*includes.capabilities, held[0]}))
        return replace(includes, capabilities=more), excludes
    if lacking:
        more = tuple(sorted({*excludes.capabilities, lacking[0]}))
        return includes, replace(excludes, capabilities=more)
    until, since = rule.excludes.min_kernel, rule.includes.min_kernel
    if until and target.kernel >= _version(until):
        newest = max((until, includes.min_kernel), key=_version)
        return replace(includes, min_kernel=newest), excludes
    oldest = min((one for one in (since, excludes.min_kernel) if one), key=_version)
    return includes, replace(excludes, min_kernel=oldest)


def _version(text: str) -> tuple[int, int]:
    return parse_kernel(text) or (0, 0)


def _append(rules: list[Rule], new: Rule) -> None:
    """Add a rule, to an entry that says the same if there is one: entries are few."""
    for i, rule in enumerate(rules):
        if new.comment and replace(rule, names=new.names) == new:
            rules[i] = replace(rule, names=tuple(sorted({*rule.names, *new.names})))
            return
    rules.append(new)
