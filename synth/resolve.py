"""Work out what a profile allows in one container on one host.

Rules by capability, architecture and kernel are resolved as Docker's daemon does it, the rest as
libseccomp compiles it: rules that equal the default are left out, an unconditional rule beats the
conditional ones, and the first unconditional one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from synth import profile_format as words
from synth.conditions import complement, matches
from synth.errors import DataError
from synth.model import Answer, Conjunction, FilterRules, Gate, Profile, Rule, Target
from synth.profile_rules import answer_of, parse_kernel
from synth.syscalls import GO_ARCHES, SCMP_ARCHES, arch_of_scmp, syscall_names

ALWAYS: tuple[Conjunction, ...] = ((),)
NEVER: tuple[Conjunction, ...] = ()


@dataclass(frozen=True)
class _Answers:
    """What one syscall answers: ``fixed`` to every call, or by the first condition that holds."""

    fixed: Answer | None
    conditional: tuple[tuple[Conjunction, Answer], ...] = ()


@dataclass(frozen=True)
class Resolved:
    """A profile as it is in force for one target.

    ``default`` answers every syscall without a rule.  ``architectures`` are the ``SCMP_ARCH_…``
    the filter admits, the native one first; a call of any other kills the caller.
    """

    default: Answer
    architectures: tuple[str, ...]
    target: Target
    _rules: Mapping[str, _Answers] = field(repr=False)

    def names(self) -> frozenset[str]:
        """Return every syscall of which at least some calls are allowed.

        Names of other architectures' syscalls are among them if the profile has them.
        """
        candidates = set(self._rules)
        if self.default.action in words.ALLOWING:
            for arch in self.arches():
                candidates |= syscall_names(arch)
        return frozenset(name for name in candidates if self.allowed(name))

    def arches(self) -> tuple[str, ...]:
        """Return the architectures of the filter that we have tables of, by our names."""
        known = (arch_of_scmp(name) for name in self.architectures)
        return tuple(arch for arch in known if arch is not None)

    def allowed(self, name: str) -> tuple[Conjunction, ...]:
        """Return the conditions under which ``name`` is allowed: one of them must hold.

        ``()`` means refused, ``((),)`` always allowed.  Raises ``DataError`` if the rules of an
        allow-by-default profile are too many to turn around.
        """
        answers = self._rules.get(name)
        if answers is None or answers.fixed is not None:
            answer = self.default if answers is None else answers.fixed
            return ALWAYS if answer is not None and answer.action in words.ALLOWING else NEVER
        passing = [c for c, answer in answers.conditional if answer.action in words.ALLOWING]
        if self.default.action in words.ALLOWING:
            refused = [
                c for c, answer in answers.conditional if answer.action not in words.ALLOWING
            ]
            return complement(refused)
        return tuple(sorted(set(passing)))

    def refusal(self, name: str) -> Answer:
        """Return what a refused call of ``name`` answers.

        With several refusing conditions it is what a call that fulfils no condition gets, and
        where the default allows, the first of them.
        """
        answers = self._rules.get(name)
        if answers is None:
            return self.default
        if answers.fixed is not None:
            return answers.fixed
        if self.default.action in words.ALLOWING:
            refusing = (a for _, a in answers.conditional if a.action not in words.ALLOWING)
            return next(refusing, self.default)
        return self.default

    def answer(self, name: str, arguments: Sequence[int]) -> Answer:
        """Return what one call answers, its six argument values given."""
        answers = self._rules.get(name)
        if answers is None:
            return self.default
        if answers.fixed is not None:
            return answers.fixed
        for conjunction, answer in answers.conditional:
            if matches(conjunction, arguments):
                return answer
        return self.default


def resolve(profile: Profile, target: Target) -> Resolved:
    """Return ``profile`` as it is in force for ``target``.

    Raises ``DataError`` when the target's architecture is none of ours.
    """
    given = filter_rules(profile, target)
    by_name: dict[str, list[tuple[Conjunction, Answer]]] = {}
    for name, answer, conjunction in given.rules:
        by_name.setdefault(name, []).append((conjunction, answer))
    rules = {name: _answers(entries) for name, entries in by_name.items()}
    return Resolved(given.default, given.architectures, target, rules)


def filter_rules(profile: Profile, target: Target) -> FilterRules:
    """Return what a runtime gives to libseccomp for ``profile`` on ``target``.

    Raises ``DataError`` when the target's architecture is none of ours.
    """
    if target.arch not in GO_ARCHES:
        raise DataError(
            f"no such architecture {target.arch!r}",
            slug="unknown-architecture",
            fix=f"name one of {', '.join(GO_ARCHES)}",
        )
    default = answer_of(profile.default_action, profile.default_errno)
    rules = [
        (name, answer, rule.comparisons)
        for rule in profile.rules
        if (answer := answer_of(rule.action, rule.errno)) != default and applies(rule, target)
        for name in rule.names
    ]
    return FilterRules(target.arch, default, _architectures(profile, target.arch), tuple(rules))


def applies(rule: Rule, target: Target) -> bool:
    """Tell whether Docker puts ``rule`` into the filter for ``target``."""
    arch = GO_ARCHES[target.arch]
    excludes, includes = rule.excludes, rule.includes
    if arch in excludes.arches or target.capabilities & set(excludes.capabilities):
        return False
    if excludes.min_kernel and _kernel_at_least(target, excludes):
        return False
    if includes.arches and arch not in includes.arches:
        return False
    if not target.capabilities >= set(includes.capabilities):
        return False
    return not includes.min_kernel or _kernel_at_least(target, includes)


def _kernel_at_least(target: Target, gate: Gate) -> bool:
    return target.kernel >= (parse_kernel(gate.min_kernel) or (0, 0))


def _answers(entries: Iterable[tuple[Conjunction, Answer]]) -> _Answers:
    kept = tuple(entries)
    for conjunction, answer in kept:
        if not conjunction:
            return _Answers(answer)
    return _Answers(None, kept)


def _architectures(profile: Profile, arch: str) -> tuple[str, ...]:
    """Return the native architecture, which is always in, and those the profile adds."""
    native = SCMP_ARCHES[arch]
    added = profile.architectures or dict(profile.arch_map).get(native, ())
    return (native, *sorted(set(added) - {native}))
