"""Decide exactly which calls argument conditions let through, over all six 64-bit arguments.

The question is always the same: is there a call that one list of conditions allows and another
does not?  Comparisons are unsigned over 64 bits, as the kernel's filter makes them, whatever the
type of the parameter; that is how ``socket(0x100000028, …)`` walks past a rule on 40.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from synth.errors import DataError
from synth.model import Comparison, Conjunction

ARGUMENTS = 6
MAX_VALUE = (1 << 64) - 1
MAX_STEPS = 5_000
"""Most branches one question may take.  Masks make it as hard as satisfiability; Docker's own
profiles need fewer than a hundred."""
MAX_CASES = 2048
"""Most conjunctions that ``complement`` returns."""

Arguments = tuple[int, ...]


def matches(conjunction: Conjunction, arguments: Sequence[int]) -> bool:
    """Tell whether a call with these six argument values fulfils every comparison."""
    return all(_holds(comparison, arguments[comparison.index]) for comparison in conjunction)


def witness(inner: Sequence[Conjunction], outer: Sequence[Conjunction]) -> Arguments | None:
    """Return argument values that fulfil one of ``inner`` but none of ``outer``, or ``None``.

    ``None`` means that ``outer`` allows all that ``inner`` does.  Raises ``DataError`` when the
    conditions are too many to decide.
    """
    if () in outer:
        return None
    search = _Search()
    for conjunction in inner:
        space = _Space().narrowed(conjunction)
        found = search.outside(space, outer) if space is not None else None
        if found is not None:
            return found.point()
    return None


def overlap(first: Conjunction, second: Conjunction) -> bool:
    """Tell whether some call fulfils both conjunctions."""
    return _Space().narrowed(first + second) is not None


def complement(conjunctions: Sequence[Conjunction]) -> tuple[Conjunction, ...]:
    """Return conjunctions that hold for exactly the calls that fulfil none of the given ones.

    Raises ``DataError`` when there would be more than ``MAX_CASES``.
    """
    result: tuple[Conjunction, ...] = ((),)
    for conjunction in conjunctions:
        opposites = [opposite for comparison in conjunction for opposite in _negated(comparison)]
        result = tuple(
            dict.fromkeys(
                (*kept, opposite)
                for kept in result
                for opposite in opposites
                if _Space().narrowed((*kept, opposite)) is not None
            )
        )
        if len(result) > MAX_CASES:
            raise _too_many()
    return result


_PLAIN: dict[str, Callable[[int, int], bool]] = {
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_GE": operator.ge,
    "SCMP_CMP_GT": operator.gt,
}
_OPPOSITE = {
    "SCMP_CMP_EQ": "SCMP_CMP_NE",
    "SCMP_CMP_NE": "SCMP_CMP_EQ",
    "SCMP_CMP_LT": "SCMP_CMP_GE",
    "SCMP_CMP_GE": "SCMP_CMP_LT",
    "SCMP_CMP_LE": "SCMP_CMP_GT",
    "SCMP_CMP_GT": "SCMP_CMP_LE",
}
OPERATORS: tuple[str, ...] = (*_PLAIN, "SCMP_CMP_MASKED_EQ")


def _holds(comparison: Comparison, argument: int) -> bool:
    if comparison.op == "SCMP_CMP_MASKED_EQ":
        # Bits of the wanted value outside the mask do not count, as in libseccomp.
        return argument & comparison.value == comparison.value_two & comparison.value
    return _PLAIN[comparison.op](argument, comparison.value)


def _negated(comparison: Comparison) -> list[Comparison]:
    """Return comparisons of which exactly one holds wherever ``comparison`` does not."""
    index, value = comparison.index, comparison.value
    if comparison.op in _OPPOSITE:
        return [Comparison(index, _OPPOSITE[comparison.op], value)]
    # A masked value differs in its first, or else its second … bit: disjoint cases.
    cases = []
    prefix = 0
    for bit in (1 << position for position in reversed(range(64)) if value >> position & 1):
        prefix |= bit
        wanted = (comparison.value_two & prefix) ^ bit
        cases.append(Comparison(index, "SCMP_CMP_MASKED_EQ", prefix, wanted))
    return cases


@dataclass(frozen=True)
class _Domain:
    """The values one argument may still have: fixed bits, an interval, without some values."""

    mask: int = 0
    bits: int = 0
    low: int = 0
    high: int = MAX_VALUE
    excluded: frozenset[int] = frozenset()

    def narrowed(self, comparison: Comparison) -> _Domain | None:
        """Return the values for which ``comparison`` holds too, or ``None`` if there are none."""
        value = comparison.value
        match comparison.op:
            case "SCMP_CMP_EQ":
                result = replace(self, low=max(self.low, value), high=min(self.high, value))
            case "SCMP_CMP_NE":
                result = replace(self, excluded=self.excluded | {value})
            case "SCMP_CMP_LT":
                result = replace(self, high=min(self.high, value - 1))
            case "SCMP_CMP_LE":
                result = replace(self, high=min(self.high, value))
            case "SCMP_CMP_GE":
                result = replace(self, low=max(self.low, value))
            case "SCMP_CMP_GT":
                result = replace(self, low=max(self.low, value + 1))
            case "SCMP_CMP_MASKED_EQ":
                wanted = comparison.value_two & value
                if (wanted ^ self.bits) & value & self.mask:
                    return None
                result = replace(self, mask=self.mask | value, bits=self.bits | wanted)
            case _:
                raise ValueError(comparison.op)
        return result if result.least() is not None else None

    def least(self) -> int | None:
        """Return the smallest value left, or ``None``."""
        value = _next_with_bits(self.low, self.mask, self.bits)
        while value is not None and value <= self.high:
            if value not in self.excluded:
                return value
            value = _next_with_bits(value + 1, self.mask, self.bits)
        return None


def _next_with_bits(low: int, mask: int, bits: int) -> int | None:
    """Return the smallest 64-bit value of at least ``low`` whose ``mask`` bits are ``bits``."""
    if low > MAX_VALUE:
        return None
    wrong = (low & mask) ^ bits
    if not wrong:
        return low
    top = wrong.bit_length() - 1
    if bits >> top & 1:
        # Raising this bit is enough: everything below it may be as small as it can.
        keep = low >> (top + 1) << (top + 1)
        return keep | (1 << top) | (bits & ((1 << top) - 1))
    for position in range(top + 1, 64):
        if not mask >> position & 1 and not low >> position & 1:
            keep = low >> (position + 1) << (position + 1)
            return keep | (1 << position) | (bits & ((1 << position) - 1))
    return None


@dataclass(frozen=True)
class _Space:
    """A set of calls: one domain per argument."""

    domains: tuple[_Domain, ...] = field(default=(_Domain(),) * ARGUMENTS)

    def narrowed(self, conjunction: Conjunction) -> _Space | None:
        """Return the calls that fulfil ``conjunction`` too, or ``None`` if there are none."""
        domains = list(self.domains)
        for comparison in conjunction:
            domain = domains[comparison.index].narrowed(comparison)
            if domain is None:
                return None
            domains[comparison.index] = domain
        return _Space(tuple(domains))

    def point(self) -> Arguments:
        """Return the smallest call; every domain has one, ``narrowed`` sees to it."""
        return tuple(domain.least() or 0 for domain in self.domains)


class _Search:
    """Look for a call outside a union of conjunctions, counting the steps."""

    def __init__(self) -> None:
        self.steps = 0

    def outside(self, space: _Space, outer: Sequence[Conjunction]) -> _Space | None:
        """Return a part of ``space`` that fulfils none of ``outer``, or ``None``.

        Whatever can be violated in one way only is done at once, so that a list of plain
        values is passed without ever going back; the rest is tried, fewest ways first.
        """
        stack = [(space, list(outer))]
        while stack:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise _too_many()
            forced = self._forced(*stack.pop())
            if forced is None:
                continue
            space, open_ones = forced
            if not open_ones:
                return space
            chosen = min(open_ones, key=lambda one: len(self._ways(space, one)))
            rest = [one for one in open_ones if one is not chosen]
            stack.extend((way, rest) for way in reversed(self._ways(space, chosen)))
        return None

    def _forced(
        self, space: _Space, outer: list[Conjunction]
    ) -> tuple[_Space, list[Conjunction]] | None:
        """Violate all that can be violated in one way; return what is left to be tried."""
        changed = True
        while changed:
            changed = False
            remaining: list[Conjunction] = []
            for one in outer:
                if space.narrowed(one) is None:
                    continue
                ways = self._ways(space, one)
                if not ways:
                    return None
                if len(ways) == 1:
                    space = ways[0]
                    changed = True
                else:
                    remaining.append(one)
            outer = remaining
        return space, outer

    @staticmethod
    def _ways(space: _Space, conjunction: Conjunction) -> list[_Space]:
        """Return disjoint parts of ``space`` in which ``conjunction`` does not hold."""
        ways: list[_Space] = []
        held: _Space | None = space
        for comparison in conjunction:
            if held is None:
                break
            parts = (held.narrowed((opposite,)) for opposite in _negated(comparison))
            ways.extend(part for part in parts if part is not None)
            held = held.narrowed((comparison,))
        return ways


def _too_many() -> DataError:
    return DataError(
        "the argument conditions are too many to compare",
        slug="too-many-conditions",
        fix="split the masks or write fewer conditions",
    )
