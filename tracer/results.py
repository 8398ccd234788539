"""Digest files of a container, read out as an archive that is never unpacked."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator

from synth.errors import HostError
from synth.model import FileDigest, OutputDigest
from tracer.engine import Engine
from tracer.output import Masks, OutputRecorder

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 10_000
PIECE = 1024 * 1024


def file_digests(
    engine: Engine, container_id: str, paths: tuple[str, ...], masks: Masks
) -> tuple[FileDigest, ...]:
    """Return the digests of files or folders of a container, running or ended.

    Of a folder count its entries' names, kinds and contents, in the order of the names.  More
    than ``MAX_BYTES`` or ``MAX_ENTRIES`` are not read.  What is mounted over a path (a tmpfs) is
    not seen.  A path that the engine cannot read (links in a circle) has no digest.
    """
    return tuple(FileDigest(path, _digest(engine, container_id, path, masks)) for path in paths)


def _digest(engine: Engine, container_id: str, path: str, masks: Masks) -> OutputDigest | None:
    recorder = OutputRecorder()
    try:
        pieces = engine.fetch(container_id, path)
        if pieces is None:
            return None
        with contextlib.closing(pieces):  # or the engine waits for us to read the rest
            entries = _entries(pieces)
    except (tarfile.TarError, EOFError, UnicodeError, HostError):
        return None  # larger than we read, not an archive, not to be read: nothing to compare
    for name, kind, content in sorted(entries):
        if len(entries) > 1 or kind != "file":
            recorder.write(f"{name} {kind}\n".encode("utf-8", "backslashreplace"))
        recorder.write(content)
    return recorder.digest(masks)


def _entries(pieces: Iterator[bytes]) -> list[tuple[str, str, bytes]]:
    with tarfile.open(fileobj=io.BufferedReader(_Pieces(pieces)), mode="r|") as archive:
        return _read(archive)


def _read(archive: tarfile.TarFile) -> list[tuple[str, str, bytes]]:
    found: list[tuple[str, str, bytes]] = []
    left = MAX_BYTES
    for entry in archive:
        if len(found) >= MAX_ENTRIES:
            break
        left -= entry.size
        if left < 0:  # to walk over the rest takes as long as it says to be, even if it is a hole
            raise tarfile.TarError("larger than we read")
        if entry.isfile():
            source = archive.extractfile(entry)
            found.append((entry.name, "file", source.read(PIECE * 4) if source else b""))
        elif entry.issym():
            found.append((entry.name, f"link to {entry.linkname}", b""))
        else:
            found.append((entry.name, "folder" if entry.isdir() else "other", b""))
    return found


class _Pieces(io.RawIOBase):
    """A stream of pieces as a file, ending after ``MAX_BYTES``."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self._taken = pieces, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None or self._taken > MAX_BYTES:
                return 0
            self._taken += len(piece)
            self._left = piece
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
