"""Parse JSON and remember where everything stands, so that a problem has a line and a column.

The values are what ``synth.files.parse_json`` returns; a key that is there twice is kept for the
caller to judge, who may want to name every problem of a file and not only the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synth.files import bad_json, check_depth

MAX_VALUES = 200_000
"""Most values of a document; the largest default profile has some 900."""

# the standard library's own, which the published types leave out
_scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?[0-9A-Za-z.+-]+")
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Located:
    """A JSON value, the offset of everything in it by path, and keys that are there twice.

    A path is ``syscalls[0].names[1]``; ``offsets`` has the place of each value, ``keys`` the
    place of each key.  ``duplicates`` are ``(path, offset)`` of second keys.
    """

    value: Any
    text: str = field(repr=False)
    offsets: Mapping[str, int] = field(repr=False)
    keys: Mapping[str, int] = field(repr=False)
    duplicates: tuple[tuple[str, int], ...] = ()

    def position(self, path: str) -> tuple[int, int]:
        """Return line and column, from 1, of a value; of what holds it if it is not there."""
        while path and path not in self.keys and path not in self.offsets:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.at(self.keys.get(path, self.offsets.get(path, 0)))

    def at(self, offset: int) -> tuple[int, int]:
        """Return line and column, from 1, of an offset."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset) + 1, offset - start + 1


def locate(content: bytes, *, where: str) -> Located:
    """Parse strict JSON except for duplicate keys; raises ``DataError`` with line and column."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_json(f"not UTF-8 (byte {error.start})", where) from None
    check_depth(text, where)
    parser = _Parser(text)
    try:
        if text.startswith("\ufeff"):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM", text, 0)
        value = parser.value(parser.skip(0), "")
        end = parser.skip(parser.end)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise bad_json("empty file", where) from None
        place = f"{where}:{error.lineno}:{error.colno}"
        raise bad_json(f"not valid JSON ({error.msg})", place) from None
    return Located(value, text, parser.offsets, parser.keys, tuple(parser.duplicates))


class _Parser:
    """Read values one after the other; ``end`` is where the last one ended."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.offsets: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self.duplicates: list[tuple[str, int]] = []

    def skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, path: str) -> Any:
        self.offsets[path] = at
        if len(self.offsets) > MAX_VALUES:
            raise json.JSONDecodeError(f"more than {MAX_VALUES} values", self.text, at)
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at, path)
        if first == "[":
            return self._array(at, path)
        if first == '"':
            text, self.end = _scan_string(self.text, at + 1, True)
            return text
        return self._scalar(at)

    def _scalar(self, at: int) -> Any:
        found = _SCALAR.match(self.text, at)
        if not found:
            raise json.JSONDecodeError("Expecting value", self.text, at)
        self.end = found.end()
        if found[0] in _WORDS:
            return _WORDS[found[0]]
        if found[0] in ("NaN", "Infinity", "-Infinity"):
            raise json.JSONDecodeError(f"{found[0]} is not JSON", self.text, at)
        try:
            return json.loads(found[0])
        except ValueError:  # also a number of more digits than Python converts
            raise json.JSONDecodeError("Expecting value", self.text, at) from None

    def _object(self, at: int, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "}":
            self.end = at + 1
            return result
        while True:
            if self.text[at : at + 1] != '"':
                raise json.JSONDecodeError(
                    "Expecting property name enclosed in double quotes", self.text, at
                )
            key, end = _scan_string(self.text, at + 1, True)
            inner = f"{path}.{key}" if path else key
            if key in result:
                self.duplicates.append((inner, at))
            self.keys.setdefault(inner, at)
            at = self.skip(end)
            if self.text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", self.text, at)
            value = self.value(self.skip(at + 1), inner)
            result.setdefault(key, value)
            at = self.skip(self.end)
            if self.text[at : at + 1] == "}":
                self.end = at + 1
                return result
            at = self._comma(at)

    def _array(self, at: int, path: str) -> list[Any]:
        result: list[Any] = []
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "]":
            self.end = at + 1
            return result
        while True:
            result.append(self.value(at, f"{path}[{len(result)}]"))
            at = self.skip(self.end)
            if self.text[at : at + 1] == "]":
                self.end = at + 1
                return result
            at = self._comma(at)

    def _comma(self, at: int) -> int:
        if self.text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", self.text, at)
        return self.skip(at + 1)
