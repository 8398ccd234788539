"""Read and write files as if everyone who wrote them meant harm.

Reading is bounded (regular files only, a size limit, a depth limit, no duplicate keys) and
writing is atomic: a reader sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from synth.errors import DataError, UsageError

MAX_BYTES = 16 * 1024 * 1024
"""Largest file we parse; the largest honest recording seen is well under a megabyte."""

MAX_DEPTH = 32
"""Deepest JSON nesting we parse; our own files need 7."""


def read_bounded(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises ``UsageError`` when there is no such file, ``DataError`` when it is not a regular
    file or is larger.  Opened non-blocking, so that a FIFO or a device cannot hang us.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UsageError(
            "no such file", where=str(path), slug="no-such-file", fix="check the path"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be opened ({getattr(error, 'strerror', None) or error})",
            where=str(path),
            slug="unreadable-file",
            fix="check the path and its permissions",
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(
            "not a regular file", where=str(path), slug="not-a-file", fix="name a JSON file"
        )
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            f"larger than {limit} bytes",
            where=str(path),
            slug="oversized",
            fix="this is not a file of ours; record again",
        )
    return content


def parse_json(content: bytes, *, where: str) -> Any:
    """Parse strict JSON: UTF-8, one document, no duplicate key, no NaN, bounded depth.

    Raises ``DataError`` with line and column.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_json(f"not UTF-8 (byte {error.start})", where) from None
    if not _certainly_flat(content):
        check_depth(text, where)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}"
        if not text.strip():
            raise bad_json("empty file", where) from None
        raise bad_json(f"not valid JSON ({error.msg})", place) from None
    except _NotOurJson as error:
        raise bad_json(str(error), where) from None
    except (RecursionError, ValueError) as error:
        raise bad_json(f"not valid JSON ({type(error).__name__})", where) from None


def load_json(path: Path, *, limit: int = MAX_BYTES) -> Any:
    """Read and parse one strict JSON file; see ``read_bounded`` and ``parse_json``."""
    return parse_json(read_bounded(path, limit=limit), where=str(path))


def dump_json(document: Mapping[str, Any]) -> str:
    """Return ``document`` as our JSON: two spaces, non-ASCII escaped, one final newline.

    Key order is the writer's, which is fixed; equal documents give equal bytes.
    """
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise ``UsageError`` if ``path`` exists (even as a dangling link) and ``force`` is off."""
    if not force and os.path.lexists(path):
        raise UsageError(
            "exists already",
            where=str(path),
            slug="output-exists",
            fix="name another or add --force",
        )


def require_writable(path: Path, *, force: bool) -> None:
    """Raise ``UsageError`` now if ``path`` could not be written later; for long work before it."""
    refuse_existing(path, force=force)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def write_atomic(path: Path, text: str, *, force: bool = False) -> None:
    """Write ``text`` to ``path`` whole or not at all.

    Without ``force`` an existing path is refused, also when it appears while we write.  A
    symbolic link at ``path`` is replaced, never followed.  Raises ``UsageError``.
    """
    refuse_existing(path, force=force)
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if force:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
            os.unlink(temporary)
        temporary = None
    except FileExistsError:
        refuse_existing(path, force=False)
        raise
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot be written ({error.strerror})",
        where=str(path),
        slug="unwritable-output",
        fix="name a writable path with -o",
    )


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


class _NotOurJson(Exception):
    """Carry a refusal out of the json hooks."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            # Go's decoder takes the last one, others the first: what such a file means depends
            # on who reads it.
            raise _NotOurJson(f"duplicate key {key[:80]!r}")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise _NotOurJson(f"{name} is not JSON")


_OTHERS = bytes(sorted(set(range(256)) - set(b'"[]{}')))
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STRING = re.compile(rb'"[^"]*"')


def _certainly_flat(content: bytes) -> bool:
    """Tell whether the nesting is certainly within the limit; ``False`` means nothing.

    Only quotes and brackets are looked at, and text with escapes is left to the slow way.  Two
    quotes in a row may go wherever they are: what is inside a string stays inside.  Then each
    pass takes the innermost pairs away, one level.
    """
    if b"\\" in content:
        return False
    marks = content.translate(_SAME_BRACKETS, _OTHERS).replace(b'""', b"")
    marks = _STRING.sub(b"", marks)
    for _ in range(MAX_DEPTH):
        if not marks:
            break
        marks = marks.replace(b"[]", b"")
    return not marks


def write_all(
    folder: Path,
    texts: Mapping[str, str],
    *,
    force: bool,
    fix: str = "name a writable folder",
) -> None:
    """Write ``texts`` (path in ``folder`` -> content) in their order, making folders as needed.

    Raises ``UsageError`` before anything is written if one is there already, unless ``force``.
    """
    for name in texts:
        refuse_existing(folder / name, force=force)
    try:
        for parent in {folder, *((folder / name).parent for name in texts)}:
            parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be made a folder ({error.strerror})",
            where=str(folder),
            slug="unwritable-output",
            fix=fix,
        ) from None
    for name, text in texts.items():
        write_atomic(folder / name, text, force=force)


def check_depth(text: str, where: str) -> None:
    """Bound the nesting before the parser recurses: count brackets outside strings."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise bad_json(f"nested deeper than {MAX_DEPTH} levels", where)
        elif character in "]}":
            depth -= 1


def bad_json(what: str, where: str) -> DataError:
    """Return the error for text that is no JSON, or JSON that nobody would write."""
    return DataError(what, where=where, slug="bad-json", fix="restore the file or make it again")
