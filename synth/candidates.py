"""List what could be allowed so that a refused call passes, from the least to the most.

Only ``EQ`` and ``MASKED_EQ`` are written, and one condition on an argument, as in ``narrow``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synth.conditions import overlap, witness
from synth.model import Comparison, Conjunction, Denial
from synth.narrow import EQ, EXACT_ARGUMENTS, INT, LAST_FAMILY, LONG, MASKED_EQ
from synth.refusals import NEVER_FAMILIES
from synth.resolve import Resolved

NARROWED = {**EXACT_ARGUMENTS, "socket": (0, LONG), "socketpair": (0, INT)}
"""Call -> the argument that ``narrow`` looks at, and how much of it."""

Conditions = tuple[Conjunction, ...]
Triple = tuple[int, int, int]


def known_call(denial: Denial) -> Conjunction:
    """Return all that is known of the refused call's arguments, as a condition."""
    return tuple(Comparison(index, MASKED_EQ, mask, value) for index, mask, value in _once(denial))


def candidates(denial: Denial, profile: Resolved, baseline: Resolved) -> Iterator[Conditions]:
    """Yield conditions for the call, each to be added as a whole, narrow ones first.

    They are not all inside the baseline, and some may be allowed already.
    """
    name = denial.name
    own = [one for one, answer in profile.conditions(name) if answer.action == "SCMP_ACT_ALLOW"]
    base = baseline.allowed(name) or baseline.allowed(name, denial.arch)
    for chosen in _choices(_once(denial), name, own, base):
        yield (tuple(_as_written(one, name, own, base) for one in chosen),)
        yield (tuple(Comparison(index, EQ, value) for index, _, value in chosen),)
        yield (tuple(Comparison(*_masked(one)) for one in chosen),)
    written = writable(name, base)
    if denial.arguments:
        written = tuple(one for one in written if overlap(one, known_call(denial)))
    if written:
        yield written


def writable(name: str, base: Conditions) -> Conditions:
    """Return the baseline's conditions as far as they can be written; families one by one."""
    if name == "socket":
        families = [
            (Comparison(0, EQ, family),)
            for family in range(LAST_FAMILY + 1)
            if family not in NEVER_FAMILIES
        ]
        return tuple(one for one in families if witness((one,), base) is None)
    return tuple(one for one in base if _plain(one))


def never_opened(denial: Denial) -> str:
    """Return the name of the socket family that no profile of ours opens, if it is one."""
    if denial.name != "socket":
        return ""
    family = next((value for index, _, value in denial.arguments if index == 0), -1)
    return NEVER_FAMILIES.get(family, "")


def _once(denial: Denial) -> tuple[Triple, ...]:
    """Return one triple an argument: two conditions on one argument would be alternatives."""
    return tuple(sorted({one[0]: one for one in denial.arguments if one[1]}.values()))


def _plain(conjunction: Conjunction) -> bool:
    indexes = {one.index for one in conjunction}
    return len(indexes) == len(conjunction) and all(
        one.op in (EQ, MASKED_EQ) for one in conjunction
    )


def _choices(
    triples: Sequence[Triple], name: str, own: Sequence[Conjunction], base: Conditions
) -> Iterator[tuple[Triple, ...]]:
    """Yield which of the values to look at: those the profile does, the baseline too, or all."""
    looked = {one.index for conjunction in own for one in conjunction}
    if not looked and name in NARROWED:
        looked = {NARROWED[name][0]}
    also = looked | {one.index for conjunction in base for one in conjunction}
    seen = set()
    for indexes in (looked, also, {index for index, _, _ in triples}):
        chosen = tuple(one for one in triples if one[0] in indexes)
        if chosen and chosen not in seen:
            seen.add(chosen)
            yield chosen


def _as_written(
    triple: Triple, name: str, own: Sequence[Conjunction], base: Conditions
) -> Comparison:
    """Write a value as the profile writes such values, or as ``synth`` would."""
    index, known, value = triple
    masks = [mask for mask in _masks(index, own) if mask & known == known]
    if not masks and NARROWED.get(name, (-1, 0))[0] == index:
        masks = [NARROWED[name][1]]
    mask = (masks or _masks(index, base) or [known])[0]
    if mask == LONG:
        return Comparison(index, EQ, value)
    return Comparison(index, MASKED_EQ, mask, value & mask)


def _masks(index: int, conditions: Sequence[Conjunction]) -> list[int]:
    """Return how much of an argument conditions compare, the most common first."""
    found = [
        LONG if one.op == EQ else one.value
        for conjunction in conditions
        for one in conjunction
        if one.index == index and one.op in (EQ, MASKED_EQ)
    ]
    return sorted(set(found), key=lambda mask: (-found.count(mask), -mask))


def _masked(triple: Triple) -> tuple[int, str, int, int]:
    index, mask, value = triple
    return (index, EQ, value, 0) if mask == LONG else (index, MASKED_EQ, mask, value & mask)
