"""Make text from inside containers fit for files that people and other programs read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

PROGRAM_LENGTH = 16
"""The kernel's own limit for a task's name."""


def printable(text: str, limit: int = PROGRAM_LENGTH) -> str:
    """Return ``text`` as printable ASCII, ``?`` for the rest, at most ``limit`` characters."""
    return "".join(one if " " <= one <= "~" else "?" for one in text[:limit]) or "?"


def listed(items: Iterable[str], limit: int) -> str:
    """Join ``items`` with commas, at most ``limit`` of them, and count the rest."""
    everything = list(items)
    shown = ", ".join(everything[:limit])
    rest = len(everything) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def many(number: int, what: str) -> str:
    """Return a count with its noun: ``1 run``, ``2 runs``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``did you mean …?`` with the known word that is nearest, or ``otherwise``."""
    spelled = {one.lower(): one for one in known}
    near = get_close_matches(word[:64].lower(), spelled, n=1)
    return f"did you mean {spelled[near[0]][:64]!r}?" if near else otherwise


_STRONG_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def visible(text: str) -> str:
    """Return ``text`` with every control, format and bidirectional character made visible.

    Newlines and tabs stay.  Names of programs and paths come from inside containers; a terminal
    must not obey them.
    """
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character)[0] not in "CZ" or character == " "
        else _escaped(character)
        for character in text
    )


def one_line(text: str, limit: int = 200) -> str:
    """Return foreign ``text`` as one line of at most ``limit`` characters for any report.

    Besides what ``visible`` shows, letters that are written from right to left and marks that
    are drawn over others are escaped: they would turn around or cover what stands beside them.
    """
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    return "".join(_escaped(one) if _disturbs(one) else one for one in visible(cut))


def _disturbs(character: str) -> bool:
    return (
        character in "\n\t"
        or unicodedata.category(character)[0] == "M"
        or unicodedata.bidirectional(character) in _STRONG_RIGHT_TO_LEFT
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
