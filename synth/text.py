"""Make text from inside containers fit for files that people and other programs read."""

from __future__ import annotations

from collections.abc import Iterable

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
