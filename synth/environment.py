"""Say where recordings were made, and what has moved between two sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from synth.model import Recording


@dataclass(frozen=True, slots=True, order=True)
class Environment:
    """What a recording depends on besides its workloads; empty where it is not known."""

    image: str = ""
    image_digest: str = ""
    libc: str = ""
    arch: str = ""
    kernel: str = ""
    engine: str = ""
    engine_version: str = ""
    runtime: str = ""
    runtime_version: str = ""
    baseline: str = ""


LABELS = {
    "image": "image",
    "image_digest": "image digest",
    "libc": "libc",
    "arch": "architecture",
    "kernel": "kernel",
    "engine": "engine",
    "engine_version": "engine version",
    "runtime": "runtime",
    "runtime_version": "runtime version",
    "baseline": "default profile",
}
"""What to call each field, in the order of a table."""


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A field of which the two sides know different values."""

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def environments(recordings: Iterable[Recording]) -> tuple[Environment, ...]:
    """Return the environments of ``recordings``, sorted, each once."""
    found = {
        Environment(
            image=recording.subject.image,
            image_digest=recording.subject.image_digest,
            libc=recording.subject.libc,
            arch=host.arch,
            kernel=host.kernel,
            engine=host.engine,
            engine_version=host.engine_version,
            runtime=host.runtime,
            runtime_version=host.runtime_version,
            baseline=recording.filter.baseline or recording.filter.kind,
        )
        for recording in recordings
        for host in [one.host for one in recording.sources] or [recording.host]
    }
    return tuple(sorted(found))


def moved(before: Sequence[Environment], after: Sequence[Environment]) -> tuple[Move, ...]:
    """Return the fields whose known values differ; a side that knows none is not compared."""
    moves = []
    for field in fields(Environment):
        then, now = values(before, field.name), values(after, field.name)
        if then and now and then != now:
            moves.append(Move(field.name, then, now))
    return tuple(moves)


def values(environments: Iterable[Environment], field: str) -> tuple[str, ...]:
    """Return the known values of one field, sorted."""
    return tuple(sorted({str(getattr(one, field)) for one in environments} - {""}))
