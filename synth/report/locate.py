"""Find the line of a profile's file that a finding is about."""

from __future__ import annotations

import re
from collections.abc import Mapping

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r'"([a-z_][a-z0-9_]{0,63})"', re.ASCII)


def lines_of(text: str) -> Mapping[str, int]:
    """Return the first line, counted from 1, of every syscall name in a profile's text.

    A name is a string in a list; keys, comments and actions stand before or after a colon.
    """
    found: dict[str, int] = {}
    line = position = 0
    for match in _STRING.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        name = _NAME.fullmatch(match[0])
        if name and _is_item(text, match.start(), match.end()):
            found.setdefault(name[1], line + 1)
    return found


def _is_item(text: str, start: int, end: int) -> bool:
    before = start - 1
    while before >= 0 and text[before].isspace():
        before -= 1
    after = end
    while after < len(text) and text[after].isspace():
        after += 1
    return before >= 0 and text[before] in "[," and not text.startswith(":", after)
