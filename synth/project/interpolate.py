"""Put variables into compose files, and read ``.env`` files, as Compose does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from synth.errors import UsageError
from synth.project.yaml import Override

MAX_NESTING = 8
MAX_LENGTH = 65536

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*(?:[=:][ \t]*(.*))?", re.ASCII)


class Interpolator:
    """Replace ``$NAME`` and ``${NAME…}`` by ``variables``; ``unset`` collects what was missing."""

    def __init__(self, variables: Mapping[str, str], where: str) -> None:
        self.variables = variables
        self.where = where
        self.unset: set[str] = set()

    def document(self, value: Any) -> Any:
        """Return ``value`` with every string in it interpolated, keys excepted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.document(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.document(one) for one in value]
        if isinstance(value, Override):
            return Override(self.document(value.value))
        return value

    def text(self, text: str, nesting: int = 0) -> str:
        """Return one string interpolated; raises ``UsageError`` for ``${NAME:?message}``."""
        if nesting > MAX_NESTING:
            raise self._bad("variables nested too deeply")
        found: list[str] = []
        position = 0
        while (dollar := text.find("$", position)) >= 0:
            found.append(text[position:dollar])
            value, position = self._variable(text, dollar + 1, nesting)
            found.append(value)
        found.append(text[position:])
        result = "".join(found)
        if len(result) > MAX_LENGTH:
            raise self._bad("a value becomes too long")
        return result

    def _variable(self, text: str, start: int, nesting: int) -> tuple[str, int]:
        if text[start : start + 1] == "$":
            return "$", start + 1
        if text[start : start + 1] == "{":
            end = _closing(text, start)
            if end < 0:
                raise self._bad(f"no closing brace: {text[start - 1 : start + 40]!r}")
            return self._braced(text[start + 1 : end], nesting), end + 1
        name = _NAME.match(text, start)
        if name is None:
            raise self._bad(f"a $ that starts no variable: {text[start - 1 : start + 40]!r}")
        return self._value(name[0]), name.end()

    def _braced(self, inside: str, nesting: int) -> str:
        name = _NAME.match(inside)
        rest = inside[name.end() :] if name else inside
        operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
        if name is None or (rest and not operator):
            raise self._bad(f"not a variable: {'${' + inside[:40] + '}'!r}")
        if not operator:
            return self._value(name[0])
        value = self.variables.get(name[0])
        missing = value is None or (operator[0] == ":" and value == "")
        word = rest[len(operator) :]
        kind = operator[-1]
        if kind == "+":
            return "" if missing else self.text(word, nesting + 1)
        if not missing:
            return value or ""
        if kind == "?":
            raise self._bad(f"the variable {name[0]} is not set: {word[:80]}")
        return self.text(word, nesting + 1)

    def _value(self, name: str) -> str:
        if name not in self.variables:
            self.unset.add(name)
        return self.variables.get(name, "")

    def _bad(self, what: str) -> UsageError:
        return UsageError(
            what, where=self.where, slug="bad-compose", fix="set it in .env, or mend the file"
        )


def parse_env_file(text: str, variables: Mapping[str, str], where: str) -> dict[str, str | None]:
    """Return the variables of a ``.env`` file; ``None`` for a name without a value.

    ``variables`` go before the file's own when one refers to another.
    """
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise UsageError(
                f"line {number} is not NAME=VALUE",
                where=where,
                slug="bad-compose",
                fix="mend the file (values over several lines are not read)",
            )
        raw = match[2]
        if raw is None:
            found[match[1]] = variables.get(match[1])
            continue
        known = {**{k: v for k, v in found.items() if v is not None}, **variables}
        found[match[1]] = _env_value(raw, Interpolator(known, f"{where}:{number}"))
    return found


def _env_value(raw: str, interpolator: Interpolator) -> str:
    if raw[:1] == "'" and (end := raw.find("'", 1)) > 0:
        return raw[1:end]
    if raw[:1] == '"' and (quoted := re.match(r'"((?:[^"\\]|\\.)*)"', raw)):
        escapes = {"n": "\n", "t": "\t", "r": "\r"}
        plain = re.sub(r"\\(.)", lambda one: escapes.get(one[1], one[1]), quoted[1])
        return interpolator.text(plain)
    return interpolator.text(re.split(r"\s#", raw, maxsplit=1)[0].rstrip())


def _closing(text: str, start: int) -> int:
    """Return where the brace at ``start`` closes, or -1."""
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{" and (position == start or text[position - 1] == "$"):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    return -1
