"""Files of a container, and what a hostile archive can do."""

from __future__ import annotations

import io
import re
import tarfile
import threading
from collections.abc import Generator
from typing import Any, cast

import pytest

from synth.errors import HostError
from synth.model import FileDigest
from tracer import results
from tracer.engine import Engine


class Files:
    """Gives out archives by path, in small pieces."""

    def __init__(self, **archives: bytes) -> None:
        self._archives = {f"/{name}": content for name, content in archives.items()}

    def fetch(self, _container_id: str, path: str) -> Generator[bytes] | None:
        found = self._archives.get(path)
        if found is None:
            return None
        return (found[at : at + 100] for at in range(0, len(found), 100))


def archive(*entries: tuple[str, bytes | str | None]) -> bytes:
    """Return a tar archive: bytes are a file's, text is where a link leads, ``None`` a folder."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as made:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                entry.size = len(content)
                made.addfile(entry, io.BytesIO(content))
                continue
            entry.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE
            entry.linkname = content or ""
            made.addfile(entry)
    return result.getvalue()


def digest(content: bytes | None, *masks: Any) -> FileDigest:
    files = Files(**({} if content is None else {"f": content}))
    (found,) = results.file_digests(cast(Engine, files), "id", ("/f",), masks)
    return found


def test_a_file_is_its_content() -> None:
    one, other = (digest(archive(("f", text))) for text in (b"a\n", b"b\n"))
    assert one == digest(archive(("renamed", b"a\n")))
    assert one != other
    assert digest(None) == FileDigest("/f", None)


def test_a_folder_is_its_names_and_contents_in_order() -> None:
    folder = (("d", None), ("d/a", b"1"), ("d/b", b"2"))
    assert digest(archive(*folder)) == digest(archive(folder[0], folder[2], folder[1]))
    for other in (
        (("d", None), ("d/a", b"1"), ("d/c", b"2")),
        (("d", None), ("d/a", b"1"), ("d/b", b"x")),
        (("d", None), ("d/a", b"1")),
        (("d", None), ("d/a", b"1"), ("d/b", "a")),
    ):
        assert digest(archive(*folder)) != digest(archive(*other))


def test_masked_text_does_not_count() -> None:
    mask = re.compile(rb"id=\w+")
    one, same, other = (
        digest(archive(("f", text)), mask).digest for text in (b"id=abc x", b"id=q x", b"id=q y")
    )
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.sha256 == same.sha256 != other.sha256


def test_hostile_archives_come_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archive(("../../etc/passwd", b"x"), ("/abs", "/etc/shadow"))
    assert digest(whole).digest is not None, "names are only text"
    assert digest(whole[:700]).digest is None
    assert digest(b"no archive at all").digest is None
    assert digest(b"").digest is None
    monkeypatch.setattr(results, "MAX_BYTES", 2000)
    assert digest(archive(("f", b"x" * 100_000))).digest is None


def test_a_hole_of_any_size_is_not_walked_through() -> None:
    entry = tarfile.TarInfo("f")
    entry.size = 1 << 62
    found: list[FileDigest] = []
    content = entry.tobuf(format=tarfile.GNU_FORMAT) + bytes(5 << 20)
    thread = threading.Thread(target=lambda: found.append(digest(content)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == [FileDigest("/f", None)]


def test_what_the_engine_cannot_read_has_no_digest() -> None:
    closed = []

    def broken() -> Generator[bytes]:
        try:
            yield archive(("f", b"x" * 1000))[:600]
            raise HostError("the connection broke", slug="engine-error")
        finally:
            closed.append(True)

    class Broken:
        def fetch(self, _container_id: str, path: str) -> Generator[bytes]:
            if path == "/loop":
                raise HostError("too many links", slug="engine-error")
            return broken()

    engine = cast(Engine, Broken())
    found = results.file_digests(engine, "id", ("/loop", "/broken"), ())
    assert found == (FileDigest("/loop", None), FileDigest("/broken", None))
    assert closed == [True]


def test_too_many_entries_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_ENTRIES", 3)
    many = archive(*((f"d/{number}", b"") for number in range(10)))
    assert digest(many) == digest(archive(*((f"d/{number}", b"") for number in range(3))))
