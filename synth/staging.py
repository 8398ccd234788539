"""Make the form of a profile that logs what the profile would refuse.

Three answers, decided by conditions: what the profile allows is allowed; what only the baseline
allows is logged; what both refuse is refused as the baseline does.  The default answer is the
baseline's, not ``LOG``: calls without a name and calls newer than the engine cannot be listed, so
that a default of ``LOG`` would open them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.abi import MULTIPLEXED, real_calls
from synth.cells import MASKED_EQ, pieces
from synth.conditions import MAX_VALUE, overlap, witness
from synth.errors import DataError
from synth.faithful import EXACT, faithful
from synth.model import Answer, Comparison, Conjunction, Profile, Rule, Target
from synth.profile_format import ALLOW, ALLOWING, ERRNO, LOG
from synth.resolve import ALWAYS, NEVER, Resolved, filter_rules, resolve
from synth.syscalls import arch_of_scmp, syscall_names

ALLOWED, LOGGED = Answer(ALLOW), Answer(LOG)

MAX_RULES = 128
"""Entries of a profile; what would take more is logged whatever its arguments."""

Entries = tuple[tuple[Conjunction, Answer], ...]
Cut = Callable[[Sequence[Conjunction], Sequence[Conjunction]], tuple[Conjunction, ...] | None]

_COMMENTS = {
    ALLOW: "allowed by the profile",
    LOG: "logged: allowed by the engine's default, refused by the profile",
    "coarse": "logged whatever its arguments: the profile allows some of them",
    ERRNO: "refused as by the engine's default",
}


@dataclass(frozen=True)
class Staged:
    """The observing form and what it cannot tell apart.

    ``logged`` are the names of which some calls are logged.  ``coarse`` are those of them that
    are logged whatever their arguments, though the profile allows some.  ``left_out`` are the
    architectures that the baseline admits and this form does not.
    """

    profile: Profile
    logged: tuple[str, ...]
    coarse: tuple[str, ...]
    left_out: tuple[str, ...]


def stage(profile: Profile, baseline: Profile, target: Target) -> Staged:
    """Return the form of ``profile`` that logs, for one container and host.

    It admits the architectures of both, since the profile kills calls of those it leaves out:
    there, what profile and baseline allow is let through, logged or not.  An architecture on
    which that would be more than the baseline lets through is left out.  Raises ``DataError``
    (``cannot-observe``).
    """
    inner, limit = resolve(profile, target), resolve(baseline, target)
    _require_enforcing(profile, inner)
    foreign = tuple(one for one in limit.architectures if one not in inner.architectures)
    wider = [one for one in inner.architectures if one not in limit.architectures]
    if wider:
        raise _cannot(f"it admits {', '.join(wider)}, which the default kills")
    parts = _Parts(profile, baseline, target, inner, limit)
    staged = parts.staged(limit.architectures, ()) if foreign else None
    staged = staged or parts.staged(inner.architectures, foreign)
    if staged is None:
        raise _cannot("its rules and the default's cannot be in one filter")
    return staged


def _require_enforcing(profile: Profile, inner: Resolved) -> None:
    if inner.default.action in ALLOWING:
        raise _cannot("it allows what it does not name, which no list can repeat")
    if any(rule.action == LOG for rule in profile.rules):
        raise _cannot("it logs already")


def _cannot(why: str) -> DataError:
    return DataError(
        f"no observing form can be made of the profile: {why}",
        slug="cannot-observe",
        fix="name an enforcing profile, such as the seccomp.json that synth writes",
    )


@dataclass(frozen=True)
class _Parts:
    """A profile and a baseline, resolved for one target."""

    profile: Profile
    baseline: Profile
    target: Target
    inner: Resolved
    limit: Resolved

    def staged(self, architectures: tuple[str, ...], left_out: tuple[str, ...]) -> Staged | None:
        """Return the form for these architectures, or ``None`` if there is none that is right."""
        arches = [arch for arch in map(arch_of_scmp, architectures) if arch is not None]
        exists = frozenset[str]().union(*(syscall_names(arch) for arch in arches))
        choices: dict[str, list[Entries]] = {}
        for name in sorted(self._named() & exists):
            given = [one for one in self._candidates(name) if one is not None]
            fitting = [one for one in given if self._fits(name, one, architectures)]
            if not fitting:
                return None
            choices[name] = list(dict.fromkeys(fitting))
        chosen = _within(MAX_RULES, choices)
        rules = _rules(chosen, lambda name: self._is_coarse(name, chosen[name]))
        made = self._profile(rules, architectures)
        if not self._right(made):
            return None
        logged = [name for name in chosen if any(answer == LOGGED for _, answer in chosen[name])]
        rough = [name for name in logged if self._is_coarse(name, chosen[name])]
        return Staged(made, tuple(logged), tuple(rough), left_out)

    def _profile(self, rules: tuple[Rule, ...], architectures: tuple[str, ...]) -> Profile:
        default = self.limit.default
        return Profile(default.action, rules, default.errno or None, architectures)

    def _named(self) -> set[str]:
        return {
            name
            for given in (self.profile, self.baseline)
            for name, _, _ in filter_rules(given, self.target).rules
        }

    def _is_coarse(self, name: str, entries: Entries) -> bool:
        mine = self.inner.allowed(name)
        return bool(mine) and mine != ALWAYS and ALLOWED not in {answer for _, answer in entries}

    def _baseline(self, name: str) -> Entries:
        """Return what the baseline answers by rule, the calls it lets through as ``LOGGED``."""
        conditional = self.limit.conditions(name)
        if not conditional:
            conditional = (((), self._fixed(name)),)
        return tuple(
            (conjunction, LOGGED if answer.action in ALLOWING else answer)
            for conjunction, answer in conditional
            if answer != self.limit.default
        )

    def _fixed(self, name: str) -> Answer:
        return LOGGED if self.limit.allowed(name) else self.limit.refusal(name)

    def _candidates(self, name: str) -> Iterator[Entries | None]:
        """Yield what the form may answer to ``name``, the best first, the coarse one last."""
        mine = self.inner.allowed(name)
        if mine == ALWAYS:
            yield (((), ALLOWED),)
            return
        yield self._cut(name, mine, pieces)
        yield self._cut(name, mine, _below)
        yield self._coarse(name, mine)
        if not all(map(_is_exact, mine)) and (sharp := pieces(mine, ())) is not None:
            yield self._cut(name, sharp, pieces)
            yield self._coarse(name, sharp)

    def _cut(self, name: str, mine: Sequence[Conjunction], cut: Cut) -> Entries | None:
        """Return the answers told apart by ``cut``, or ``None`` if it cannot."""
        found: list[tuple[Conjunction, Answer]] = [(one, ALLOWED) for one in mine]
        for conjunction, answer in self._baseline(name):
            apart = not any(overlap(conjunction, one) for one in mine)
            if apart and (not mine or cut is _below or _is_exact(conjunction)):
                found.append((conjunction, answer))
                continue
            rest = cut((conjunction,), mine)
            if rest is None:
                return None
            found += [(one, answer) for one in rest]
        return tuple(dict.fromkeys(found))

    def _coarse(self, name: str, mine: Sequence[Conjunction]) -> Entries | None:
        """Return the same with every call that is let through logged."""
        theirs = self._baseline(name)
        if ((), LOGGED) in theirs:
            return (((), LOGGED),)
        found = [(one, LOGGED) for one in mine]
        found += [(one, LOGGED) for one, answer in theirs if answer == LOGGED]
        if not faithful(one for one, _ in (*found, *theirs)):
            cut = pieces([one for one, _ in found], ())
            found = found if cut is None else [(one, LOGGED) for one in cut]
        for conjunction, answer in (one for one in theirs if one[1] != LOGGED):
            apart = not any(overlap(conjunction, one) for one in mine)
            rest = (conjunction,) if apart else pieces((conjunction,), mine)
            if rest is None:
                return None
            found += [(one, answer) for one in rest]
        return tuple(dict.fromkeys(found))

    def _fits(self, name: str, entries: Entries, architectures: tuple[str, ...]) -> bool:
        """Tell whether ``entries`` let the same calls through on every architecture.

        And whether they are compiled as they are meant, if those of the two profiles are.
        """
        if len(entries) == 1 and not entries[0][0]:
            return True
        if name in MULTIPLEXED and "SCMP_ARCH_X86" in architectures:
            multiplexer, _ = MULTIPLEXED[name]
            if not self._always(multiplexer):
                return False
        before = (self.limit.conditions(name), self.inner.conditions(name))
        if all(faithful(one for one, _ in given) for given in before) and not faithful(
            one for one, _ in entries
        ):
            return False
        if _is_mixed(entries) and not _is_mixed(before[0]):
            return False
        made = resolve(self._profile(_rules({name: entries}, _never), architectures), self.target)
        return all(self._same(made, name, arch) for arch in made.arches())

    def _always(self, name: str) -> bool:
        """Tell whether a call has one answer, which goes before those of the calls within it."""
        return self.inner.allowed(name) == ALWAYS or not self.limit.conditions(name)

    def _same(self, made: Resolved, name: str, arch: str) -> bool:
        """Tell whether ``made`` lets through what one of both does, and refuses as the baseline."""
        try:
            passing: list[Conjunction] = []
            for one in (self.inner, self.limit):
                passing += one.allowed(name, arch) if arch in one.arches() else NEVER
            if not _equal(arch, made.allowed(name, arch), passing, ()):
                return False
            now, then = _refusals(made, name, arch), _refusals(self.limit, name, arch)
            return all(
                _equal(arch, now.get(answer, ()), then.get(answer, ()), passing)
                for answer in {*now, *then}
            )
        except DataError:  # answers that meet in a multiplexed call, or too many conditions
            return False

    def _right(self, made: Profile) -> bool:
        """Check the whole form: what it lets through, and what it answers to the rest."""
        resolved = resolve(made, self.target)
        for arch in resolved.arches():
            names = set[str]()
            for one in (resolved, self.inner, self.limit):
                names |= one.ruled(arch) if arch in one.arches() else set()
            if not all(self._same(resolved, name, arch) for name in sorted(names)):
                return False
        return resolved.default == self.limit.default


def _below(
    inner: Sequence[Conjunction], outer: Sequence[Conjunction]
) -> tuple[Conjunction, ...] | None:
    """Do as ``pieces`` with one ordered comparison for all that is above every value named.

    That is much less to write, and holds on 32-bit tables too; engines read it well where no
    other ordered comparison is beside it.
    """
    comparisons = [one for conjunction in (*inner, *outer) for one in conjunction]
    if len({one.index for one in comparisons}) != 1 or any(
        one.op == MASKED_EQ for one in comparisons
    ):
        return None
    index, top = comparisons[0].index, max(one.value for one in comparisons)
    up_to, above = Comparison(index, "SCMP_CMP_LE", top), Comparison(index, "SCMP_CMP_GT", top)
    low = pieces([(*one, up_to) for one in inner], outer)
    # what lies above all values is in or out as a whole
    high = top < MAX_VALUE and witness([(*one, above) for one in inner], outer) is not None
    return None if low is None else (*low, *(((above,),) if high else ()))


def _refusals(resolved: Resolved, name: str, arch: str) -> dict[Answer, list[Conjunction]]:
    """Return by which rules a call is refused with another answer than the default."""
    given = resolved.conditions(name, arch)
    if not given and not resolved.allowed(name, arch):
        given = (((), resolved.refusal(name, arch)),)
    found: dict[Answer, list[Conjunction]] = {}
    for conjunction, answer in given:
        if answer.action not in ALLOWING and answer != resolved.default:
            found.setdefault(answer, []).append(conjunction)
    return found


def _equal(
    arch: str,
    first: Sequence[Conjunction],
    second: Sequence[Conjunction],
    apart: Sequence[Conjunction],
) -> bool:
    """Tell whether two lists hold for the same calls, but for those that ``apart`` holds for."""
    return all(
        witness([real_calls(arch, one) for one in inner], [*outer, *apart]) is None
        for inner, outer in ((first, second), (second, first))
    )


def _is_mixed(entries: Entries) -> bool:
    """Tell whether answers differ by several arguments, which libseccomp does not always take."""
    indexes = {one.index for conjunction, _ in entries for one in conjunction}
    return len(indexes) > 1 and len({answer for _, answer in entries}) > 1


def _is_exact(conjunction: Conjunction) -> bool:
    return all(one.op in EXACT for one in conjunction)


def _never(_: str) -> bool:
    return False


def _within(most: int, choices: Mapping[str, list[Entries]]) -> dict[str, Entries]:
    """Choose for each name the best entries, in their order, for which there is room.

    At first each gets the last; then those of which something shorter is exact, the cheapest
    first; then the longer ones.
    """
    chosen = {name: given[-1] for name, given in choices.items()}
    left = most - sum(map(_cost, chosen.values()))
    for pick in (min, _first):
        order = sorted(choices, key=lambda name: (_cost(pick(choices[name][:2], key=_cost)), name))
        for name in order:
            better = pick(choices[name][:2], key=_cost)
            more = _cost(better) - _cost(chosen[name])
            if better != chosen[name] and more <= left:
                chosen[name], left = better, left - more
    return chosen


def _first(given: list[Entries], *, key: Callable[[Entries], int]) -> Entries:
    return given[0]


def _cost(entries: Entries) -> int:
    """Return how many rules of its own a call takes; calls without conditions share theirs."""
    return sum(bool(conjunction) for conjunction, _ in entries)


def _rules(chosen: Mapping[str, Entries], is_coarse: Callable[[str], bool]) -> tuple[Rule, ...]:
    """Return the rules: those without conditions first, which the multiplexers of x86 need."""
    plain: dict[tuple[str, Answer], list[str]] = {}
    conditional: list[Rule] = []
    for name, entries in sorted(chosen.items()):
        for conjunction, answer in entries:
            comment = _comment(answer, coarse=answer == LOGGED and is_coarse(name))
            if conjunction:
                conditional.append(_rule((name,), answer, comment, conjunction))
            else:
                plain.setdefault((comment, answer), []).append(name)
    order = sorted(plain, key=lambda key: (_order(key[1]), key))
    return (*(_rule(plain[key], key[1], key[0]) for key in order), *conditional)


def _rule(
    names: Iterable[str], answer: Answer, comment: str, conjunction: Conjunction = ()
) -> Rule:
    errno = answer.errno if answer.action == ERRNO else None
    return Rule(tuple(sorted(names)), answer.action, errno, conjunction, comment)


def _order(answer: Answer) -> int:
    return (ALLOW, LOG).index(answer.action) if answer.action in (ALLOW, LOG) else 2


def _comment(answer: Answer, *, coarse: bool) -> str:
    return _COMMENTS["coarse" if coarse else answer.action if answer.action in _COMMENTS else ERRNO]
