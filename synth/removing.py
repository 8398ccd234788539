"""Take calls out of any profile; they then answer as ``synth`` would have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from synth.model import Answer, Gate, Profile, Rule
from synth.profile_format import ALLOWING, ERRNO
from synth.profile_rules import answer_of
from synth.refusals import ENOSYS, EPERM, ESCAPES, answers_enosys
from synth.syscalls import SCMP_ARCHES

COMMENT = "refused: the workloads did not miss it"


def without(profile: Profile, names: Iterable[str]) -> Profile:
    """Return the profile with every call of ``names`` refused, whatever the conditions.

    They answer as calls without a rule do, or by a rule of their own where the errno matters
    (``synth.refusals``) and where the default allows.  On x86 the multiplexers ``socketcall``
    and ``ipc`` let through what a rule for them or for one of their calls still allows.
    """
    gone = frozenset(names)
    opens = profile.default_action in ALLOWING
    default = answer_of(profile.default_action, profile.default_errno)
    answered = {
        name
        for rule in profile.rules
        if not opens and rule.action not in ALLOWING and not rule.comparisons
        for name in gone.intersection(rule.names)
    }
    aloud = {
        name: errno
        for name, errno in _errnos(gone - answered, opens=opens).items()
        # engines that ignore defaultErrnoRet answer EPERM, so that another errno is said aloud
        if errno != EPERM or default != Answer(ERRNO, EPERM)
    }
    rules: list[Rule] = []
    for rule in profile.rules:
        # a condition beside the rule for all calls would contradict it
        dead = gone if opens or rule.action in ALLOWING else frozenset(aloud)
        rest = tuple(name for name in rule.names if name not in dead)
        if rest:
            rules.append(rule if rest == rule.names else replace(rule, names=rest))
    for errno in sorted(set(aloud.values())):
        _refuse(rules, tuple(sorted(name for name in aloud if aloud[name] == errno)), errno)
    return replace(profile, rules=tuple(rules))


def _errnos(names: frozenset[str], *, opens: bool) -> dict[str, int]:
    """Return the errno of each call that must be refused aloud."""
    probed = frozenset().union(*(answers_enosys(arch) for arch in SCMP_ARCHES))
    result = dict.fromkeys(names if opens else names & probed, ENOSYS)
    return {**result, **dict.fromkeys(names & ESCAPES, EPERM)}


def _refuse(rules: list[Rule], names: tuple[str, ...], errno: int) -> None:
    """Refuse the names, in an entry that refuses others so if there is one."""
    for i, rule in enumerate(rules):
        plain = not rule.comparisons and rule.includes == rule.excludes == Gate()
        if plain and rule.action == ERRNO and answer_of(ERRNO, rule.errno).errno == errno:
            rules[i] = replace(rule, names=tuple(sorted({*rule.names, *names})))
            return
    rules.append(Rule(names, ERRNO, errno, comment=COMMENT))
