"""Read JSON with comments and trailing commas: devcontainer.json is written so, nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synth.errors import DataError
from synth.files import parse_json, read_bounded

MAX_BYTES = 512 * 1024


def load_jsonc(path: Path) -> Any:
    """Return the document of a file; raises ``DataError`` with line and column."""
    return parse_jsonc(read_bounded(path, limit=MAX_BYTES), where=str(path))


def parse_jsonc(content: bytes, *, where: str) -> Any:
    """Return the document; what is taken out becomes spaces, so that positions stay true."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 (byte {error.start})", where=where, slug="bad-json", fix="mend the file"
        ) from None
    return parse_json(_strict(text, where).encode(), where=where)


def _strict(text: str, where: str) -> str:
    out = list(text)
    position, comma, before = 0, -1, ""
    while position < len(text):
        character = text[position]
        pair = text[position : position + 2]
        if character == '"':
            position = _string_end(text, position)
            comma, before = -1, character
        elif pair == "//":
            position = _blank(out, position, _line_end(text, position))
        elif pair == "/*":
            end = text.find("*/", position + 2)
            if end < 0:
                line = text.count("\n", 0, position) + 1
                raise DataError(
                    "a comment without an end",
                    where=f"{where}:{line}",
                    slug="bad-json",
                    fix="mend the file",
                )
            position = _blank(out, position, end + 2)
        else:
            if character in "]}" and comma >= 0:
                out[comma] = " "
            if not character.isspace():
                # a comma after a value only; "[,]" stays wrong
                comma = position if character == "," and before not in ("", *"[{,") else -1
                before = character
            position += 1
    return "".join(out)


def _string_end(text: str, start: int) -> int:
    position = start + 1
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return position + 1


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _blank(out: list[str], start: int, end: int) -> int:
    for position in range(start, end):
        if out[position] not in "\r\n":
            out[position] = " "
    return end
