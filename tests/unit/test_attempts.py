"""Ways out that are tried: what a killed program tells of the call that killed it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from synth.errors import HostError
from synth.model import Container
from synth.primitives import Attempt, Outcome
from synth.syscalls import syscall_number
from tests import builders
from tracer import attempts
from tracer.observe import Observation
from tracer.stub import RECORD, Call

NAMES = ("mount", "bpf", "unshare", "getpid")


def attempt(name: str, arch: str = "x86_64") -> Attempt:
    assert syscall_number(arch, name) is not None
    return Attempt(name, arch, name, (0,) * 6)


class Kernel:
    """Answers EPERM to each call, and kills or ends the program at some."""

    def __init__(self, fatal: dict[str, int], todo: Sequence[Attempt]) -> None:
        self.fatal, self.todo = fatal, todo
        self.made: list[list[str]] = []

    def run(self, *given: Any) -> tuple[bytes, int, Observation]:
        calls: Sequence[tuple[int, Call]] = given[-1]
        output = b""
        self.made.append([])
        for position, call in calls:
            one = self.todo[position]
            key = one.name if call.arch == "x86_64" else f"{call.arch} {one.name}"
            self.made[-1].append(key)
            if key in self.fatal:
                return output, self.fatal[key], Observation((builders.call("read"),), (), (), ())
            output += RECORD.pack(position, -1)
        return output, 0, Observation((builders.call("read"),), (), (), ())


class Watcher:
    def losses(self) -> list[str]:
        return []


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Any:
    @contextmanager
    def observer(_errnos: object) -> Iterator[Watcher]:
        yield Watcher()

    monkeypatch.setattr(attempts, "Observer", observer)
    monkeypatch.setattr(attempts, "require_root", lambda: None)
    monkeypatch.setattr(attempts, "remove_stale", lambda _engine: 0)

    def run(todo: Sequence[Attempt], **fatal: int) -> tuple[tuple[Outcome | None, ...], Kernel]:
        kernel = Kernel({key.replace("__", " "): value for key, value in fatal.items()}, todo)
        monkeypatch.setattr(attempts, "_run", kernel.run)
        done = attempts.try_all(
            None,  # type: ignore[arg-type]
            Container("x"),
            "{}",
            frozenset((1,)),
            todo,
        )
        return done.outcomes, kernel

    return run


def test_what_kills_is_noted_and_the_rest_is_tried(tried: Any) -> None:
    outcomes, kernel = tried([attempt(name) for name in NAMES], bpf=128 + 31, getpid=128 + 31)
    assert outcomes == (Outcome(-1, 0), Outcome(None, 31), Outcome(-1, 0), Outcome(None, 31))
    assert kernel.made == [["mount", "bpf"], ["unshare", "getpid"]]


def test_a_table_that_kills_getpid_is_shut_as_a_whole(tried: Any) -> None:
    todo = [attempt("getpid", "x86"), attempt("mount", "x86"), attempt("mount")]
    outcomes, kernel = tried(todo, x86__getpid=128 + 31)
    assert outcomes == (Outcome(None, 31), Outcome(None, 31), Outcome(-1, 0))
    assert kernel.made == [["x86 getpid"], ["mount"]]


def test_containers_are_bounded(tried: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_CONTAINERS", 2)
    outcomes, _ = tried([attempt(name) for name in NAMES], **dict.fromkeys(NAMES, 128 + 31))
    assert outcomes == (Outcome(None, 31), Outcome(None, 31), None, None)


def test_a_program_that_ends_by_itself_proves_nothing(tried: Any) -> None:
    """A filter that refuses its writes leaves nothing to read."""
    with pytest.raises(HostError, match="ended with status 0 after 1 calls, before bpf"):
        tried([attempt(name) for name in NAMES], bpf=0)


def test_anyone_may_execute_the_program() -> None:
    with tarfile.open(fileobj=io.BytesIO(attempts._archive(b"program"))) as archive:
        (entry,) = archive.getmembers()
        assert entry.mode & 0o111 == 0o111
        assert (entry.name, entry.size) == (attempts.NAME, 7)
