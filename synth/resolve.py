"""Work out what a profile allows in one container on one host.

Rules by capability, architecture and kernel are resolved as Docker's daemon does it, the rest as
libseccomp compiles it: rules that equal the default are left out, an unconditional rule beats the
conditional ones, and the first unconditional one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from synth import profile_format as words
from synth.abi import arguments_on, call_of, entries_on, exists_on
from synth.conditions import complement, matches, overlap
from synth.errors import DataError
from synth.model import Answer, Conjunction, FilterRules, Gate, Profile, Rule, Target
from synth.profile_rules import answer_of, parse_kernel
from synth.syscalls import GO_ARCHES, SCMP_ARCHES, arch_of_scmp, syscall_names

ALWAYS: tuple[Conjunction, ...] = ((),)
NEVER: tuple[Conjunction, ...] = ()
NO_ARGUMENTS = (0,) * 6

FOREIGN = Answer("SCMP_ACT_KILL_THREAD")
"""What libseccomp answers to calls of architectures that are not in the filter."""


@dataclass(frozen=True)
class _Answers:
    """What one syscall answers: ``fixed`` to every call, or by the first condition that holds.

    ``contradictory``: some call fulfils two conditions with different answers.
    """

    fixed: Answer | None
    conditional: tuple[tuple[Conjunction, Answer], ...] = ()
    contradictory: bool = False


@dataclass(frozen=True)
class Resolved:
    """A profile as it is in force for one target.

    ``default`` answers every syscall without a rule.  ``architectures`` are the ``SCMP_ARCH_…``
    the filter admits, the native one first; a call of any other kills the caller.

    Where an architecture may be given and is not, it is the native one; names that only others
    have then mean what they would mean natively.
    """

    default: Answer
    architectures: tuple[str, ...]
    target: Target
    _rules: Mapping[str, Mapping[str, _Answers]] = field(repr=False)

    def names(self) -> frozenset[str]:
        """Return every syscall of which at least some calls are allowed.

        Names of other architectures' syscalls are among them if the profile has them.
        """
        candidates = set(self._rules[self.target.arch])
        if self.default.action in words.ALLOWING:
            for arch in self.arches():
                candidates |= syscall_names(arch)
        return frozenset(name for name in candidates if self.allowed(name))

    def ruled(self, arch: str) -> frozenset[str]:
        """Return the syscalls of ``arch``, one of the filter's, that have rules."""
        return frozenset(self._rules[arch]) & syscall_names(arch)

    def arches(self) -> tuple[str, ...]:
        """Return the architectures of the filter that we have tables of, by our names."""
        return tuple(self._rules)

    def allowed(self, name: str, arch: str = "") -> tuple[Conjunction, ...]:
        """Return the conditions under which ``name`` is allowed: one of them must hold.

        ``()`` means refused, ``((),)`` always allowed.  On a narrow architecture they are about
        arguments below 2^32.  Raises ``DataError`` if the rules of an allow-by-default profile
        are too many to turn around, or contradict each other on this architecture.
        """
        answers = self._answers(name, arch)
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

    def refusal(self, name: str, arch: str = "") -> Answer:
        """Return what a refused call of ``name`` answers.

        With several refusing conditions it is what a call that fulfils no condition gets, and
        where the default allows, the first of them.
        """
        answers = self._answers(name, arch)
        if answers is None:
            return self.default
        if answers.fixed is not None:
            return answers.fixed
        if self.default.action in words.ALLOWING:
            refusing = (a for _, a in answers.conditional if a.action not in words.ALLOWING)
            return next(refusing, self.default)
        return self.default

    def conditions(self, name: str, arch: str = "") -> tuple[tuple[Conjunction, Answer], ...]:
        """Return the conditional answers to ``name``; what none of them holds for gets the rest."""
        answers = self._answers(name, arch)
        return () if answers is None else answers.conditional

    def answer(self, name: str, arguments: Sequence[int], arch: str = "") -> Answer:
        """Return what one call answers, its six argument values given."""
        answers = self._answers(name, arch)
        if answers is None:
            return self.default
        if answers.fixed is not None:
            return answers.fixed
        compared = arguments_on(arch or self.target.arch, arguments)
        for conjunction, answer in answers.conditional:
            if matches(conjunction, compared):
                return answer
        return self.default

    def decide(
        self, arch: str, syscall: int | str, arguments: Sequence[int] = NO_ARGUMENTS
    ) -> Answer:
        """Return what the filter answers to a call of ``arch``, by number or by name.

        x32 calls may also be given as the kernel sees them: of x86-64, with ``X32_BIT``.  Raises
        ``DataError`` for a name that ``arch`` does not have.
        """
        arch, name = call_of(arch, syscall)
        if not exists_on(arch, name):
            raise DataError(
                f"{arch} has no syscall {name[:40]!r}",
                slug="unknown-syscall",
                fix="check the name and the architecture",
            )
        if arch not in self._rules:
            return FOREIGN
        return self.answer(name, arguments, arch)

    def _answers(self, name: str, arch: str) -> _Answers | None:
        found = self._rules[arch or self.target.arch].get(name)
        if found is not None and found.contradictory:
            raise DataError(
                f"the rules for {name} contradict each other on {arch}, where conditions on the "
                "first argument of a multiplexed call and on high words are lost",
                slug="conflicting-rules",
                fix=f"drop {arch} from the architectures, or give {name} one answer",
            )
        return found


def decide(
    profile: Profile,
    architecture: str,
    syscall: int | str,
    arguments: Sequence[int] = NO_ARGUMENTS,
    *,
    capabilities: Iterable[str],
    kernel: tuple[int, int],
    native: str = "",
) -> Answer:
    """Return what a container with ``profile`` gets for one call: an action and its errno.

    ``capabilities`` are the container's bounding set, ``kernel`` the host's version, ``native``
    the host's architecture if the call is of another.  For more than a few calls, ``resolve``
    once and ask the result.  Raises ``DataError``.
    """
    target = Target(native or architecture, frozenset(capabilities), kernel)
    return resolve(profile, target).decide(architecture, syscall, arguments)


def resolve(profile: Profile, target: Target) -> Resolved:
    """Return ``profile`` as it is in force for ``target``.

    Raises ``DataError`` when the target's architecture is none of ours.
    """
    given = filter_rules(profile, target)
    known = (arch_of_scmp(name) for name in given.architectures)
    rules = {arch: _table(arch, given) for arch in known if arch is not None}
    return Resolved(given.default, given.architectures, target, rules)


def _table(arch: str, given: FilterRules) -> dict[str, _Answers]:
    """Return what the rules make of each name on ``arch``."""
    entries = entries_on(arch, given.rules)
    # Rules that the reader has let through agree natively; elsewhere they may meet.
    return {name: _answers(found, check=arch != given.arch) for name, found in entries.items()}


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


def _answers(entries: Sequence[tuple[Conjunction, Answer]], *, check: bool) -> _Answers:
    for conjunction, answer in entries:
        if not conjunction:
            return _Answers(answer)
    return _Answers(None, tuple(entries), contradictory=check and _contradictory(entries))


def _contradictory(entries: Sequence[tuple[Conjunction, Answer]]) -> bool:
    return len({answer for _, answer in entries}) > 1 and any(
        answer != other and overlap(conjunction, another)
        for (conjunction, answer), (another, other) in combinations(entries, 2)
    )


def _architectures(profile: Profile, arch: str) -> tuple[str, ...]:
    """Return the native architecture, which is always in, and those the profile adds."""
    native = SCMP_ARCHES[arch]
    added = profile.architectures or dict(profile.arch_map).get(native, ())
    return (native, *sorted(set(added) - {native}))
