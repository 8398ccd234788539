"""Cut what one list of conditions allows and another does not into conditions a filter can hold.

The pieces compare an argument once only, by ``MASKED_EQ`` only: two comparisons of one argument
mean something else to runtimes, and ordered ones are compiled wrongly.  Found by fixing one bit
after the other, of those that the conditions look at, until everything that is left is in or out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from synth.conditions import ARGUMENTS, MAX_VALUE
from synth.model import Comparison, Conjunction

MASKED_EQ = "SCMP_CMP_MASKED_EQ"

MAX_PIECES = 96
"""Most pieces of one answer; each is an entry of the profile and some instructions."""
MAX_STEPS = 4096


@dataclass(frozen=True, slots=True)
class _Cell:
    """Calls whose arguments have some bits fixed."""

    masks: tuple[int, ...] = (0,) * ARGUMENTS
    bits: tuple[int, ...] = (0,) * ARGUMENTS

    def fixed(self, index: int, bit: int, *, on: bool) -> _Cell:
        """Return the part where ``bit`` of one argument is on, or off."""
        masks, bits = list(self.masks), list(self.bits)
        masks[index] |= bit
        bits[index] |= bit if on else 0
        return replace(self, masks=tuple(masks), bits=tuple(bits))

    def holds(self, one: Comparison) -> bool | None:
        """Tell whether ``one`` holds for all of the calls, for none, or neither."""
        mask, bits, value = self.masks[one.index], self.bits[one.index], one.value
        low, high = bits, bits | (~mask & MAX_VALUE)
        if one.op == MASKED_EQ:
            if (one.value_two ^ bits) & value & mask:
                return False
            return None if value & ~mask else True
        if one.op in ("SCMP_CMP_EQ", "SCMP_CMP_NE"):
            equal = one.op == "SCMP_CMP_EQ"
            if (value ^ bits) & mask:
                return not equal
            return equal if low == high else None
        always, never = {
            "SCMP_CMP_LT": (high < value, low >= value),
            "SCMP_CMP_LE": (high <= value, low > value),
            "SCMP_CMP_GT": (low > value, high <= value),
            "SCMP_CMP_GE": (low >= value, high < value),
        }[one.op]
        return True if always else False if never else None

    def fulfils(self, conjunction: Conjunction) -> bool | None:
        """Tell the same of a whole conjunction."""
        answers = {self.holds(one) for one in conjunction}
        return False if False in answers else None if None in answers else True

    def among(self, conjunctions: Sequence[Conjunction]) -> bool | None:
        """Tell the same of fulfilling one of several."""
        answers = {self.fulfils(one) for one in conjunctions}
        return True if True in answers else None if None in answers else False

    def next_bit(self, conjunctions: Sequence[Conjunction]) -> tuple[int, int]:
        """Return the argument and the highest bit that something undecided looks at."""
        undecided = [one for one in conjunctions if self.fulfils(one) is None]
        looked_at = [
            (one.index, (one.value if one.op == MASKED_EQ else MAX_VALUE) & ~self.masks[one.index])
            for conjunction in undecided
            for one in conjunction
            if self.holds(one) is None
        ]
        index = min(index for index, _ in looked_at)
        open_bits = max(bits for position, bits in looked_at if position == index)
        return index, 1 << (open_bits.bit_length() - 1)

    def conjunction(self) -> Conjunction:
        """Return the condition that holds for exactly these calls."""
        return tuple(
            Comparison(index, MASKED_EQ, mask, bits)
            for index, (mask, bits) in enumerate(zip(self.masks, self.bits, strict=True))
            if mask
        )


def pieces(
    inner: Sequence[Conjunction], outer: Sequence[Conjunction]
) -> tuple[Conjunction, ...] | None:
    """Return conditions for exactly the calls that fulfil one of ``inner`` and none of ``outer``.

    No two of them hold for one call.  ``None`` if there would be more than ``MAX_PIECES``.
    """
    found: list[Conjunction] = []
    stack = [_Cell()]
    for _ in range(MAX_STEPS):
        if not stack:
            return tuple(found)
        cell = stack.pop()
        within, without = cell.among(inner), cell.among(outer)
        if within is False or without is True:
            continue
        if within and without is False:
            found.append(cell.conjunction())
            if len(found) > MAX_PIECES:
                return None
            continue
        index, bit = cell.next_bit((*inner, *outer))
        stack += [cell.fixed(index, bit, on=True), cell.fixed(index, bit, on=False)]
    return None
