"""Find the profiles of earlier runs that nothing names any more."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from synth.emit.deployment import FOLDER, content_name
from synth.errors import SeccompSynthError
from synth.files import read_bounded
from synth.profile import MAX_PROFILE_BYTES

MAX_FILES = 1000
"""Files of a folder that are looked at; more is not a folder of ours."""

MAX_NAMING = 4 * 1024 * 1024
"""Largest file that is searched for names of profiles."""


def outdated(folder: Path, service: str, naming: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Return the profiles in ``folder`` of this service that no file names, sorted.

    Only a regular file whose name is ``SERVICE-SHA12.json`` with the digest of its own content is
    returned: that is one that was written here and never changed since.  Looked through for names
    are the files directly in ``folder`` and those of ``naming``; if one of them cannot be read,
    nothing is returned.
    """
    found = [path for path in _regular(folder / FOLDER) or () if _is_ours(path, service)]
    beside = _regular(folder)
    if not found or beside is None:
        return ()
    texts = [_text(path) for path in (*beside, *naming)]
    if None in texts:
        return ()
    named = b"\n".join(text for text in texts if text is not None)
    return tuple(path for path in found if path.name.encode() not in named)


def _regular(folder: Path) -> Sequence[Path] | None:
    """Return the regular files directly in the folder, sorted; ``None`` if there are too many."""
    try:
        entries = list(islice(folder.iterdir(), MAX_FILES + 1))
        files = [one for one in entries if stat.S_ISREG(one.lstat().st_mode)]
    except OSError:
        return None
    return sorted(files) if len(entries) <= MAX_FILES else None


def _is_ours(path: Path, service: str) -> bool:
    if re.fullmatch(r"[A-Za-z0-9._-]+-[0-9a-f]{12}\.json", path.name) is None:
        return False
    try:
        text = read_bounded(path, limit=MAX_PROFILE_BYTES).decode()
    except (SeccompSynthError, UnicodeDecodeError):
        return False
    return path.name == content_name(service, text)


def _text(path: Path) -> bytes | None:
    try:
        return read_bounded(path, limit=MAX_NAMING)
    except SeccompSynthError:
        return None
