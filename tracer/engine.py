"""Say what recording and replay need of a container engine, whichever it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from synth.errors import HostError
from synth.model import Container

STDOUT, STDERR = 1, 2


@dataclass(frozen=True)
class EngineInfo:
    """What the engine says about itself."""

    name: str
    version: str
    runtime: str
    runtime_version: str
    seccomp: str
    user_namespaces: bool


@dataclass(frozen=True)
class Image:
    """An image that is here: its digest, the user it starts as, its entry point.

    ``devcontainer`` is its label ``devcontainer.metadata``, which is JSON if it is honest.
    """

    digest: str
    user: str
    entrypoint: tuple[str, ...] = ()
    devcontainer: str = ""


@dataclass(frozen=True)
class ContainerState:
    """What the engine says about a container; ``stop_signal`` is empty for the default."""

    running: bool
    pid: int
    exit_status: int
    security_options: tuple[str, ...]
    stop_signal: str = ""


@dataclass(frozen=True)
class Running:
    """A container that somebody else has started: what it is, and the filter asked for it.

    ``profile``: seccomp JSON, ``None`` for the engine's default.  Values of variables are empty.
    """

    id: str
    name: str
    pid: int
    container: Container
    image: Image
    profile: str | None


class Output(Protocol):
    """Where a run's output goes while it is produced: stream is 1 or 2."""

    def __call__(self, stream: int, data: bytes) -> None:
        """Take the next piece."""


class Engine(Protocol):
    """What recording and replay need of a container engine."""

    url: str

    def info(self) -> EngineInfo: ...  # noqa: D102
    def image(self, reference: str, *, pull: bool) -> Image: ...  # noqa: D102
    def has_network(self, name: str) -> bool: ...  # noqa: D102
    def create(  # noqa: D102
        self,
        container: Container,
        *,
        name: str,
        command: tuple[str, ...],
        labels: dict[str, str],
        profile: str | None,
        replace_entrypoint: bool = False,
    ) -> str: ...
    def find(self, reference: str) -> Running: ...  # noqa: D102
    def put(self, container_id: str, archive: bytes) -> None: ...  # noqa: D102
    def fetch(self, container_id: str, path: str) -> Generator[bytes] | None: ...  # noqa: D102
    def start(self, container_id: str) -> None: ...  # noqa: D102
    def attach(self, container_id: str, *, tty: bool) -> Iterator[tuple[int, bytes]]: ...  # noqa: D102
    def state(self, container_id: str) -> ContainerState: ...  # noqa: D102
    def exec_start(  # noqa: D102
        self, container_id: str, container: Container, command: tuple[str, ...]
    ) -> tuple[str, Iterator[tuple[int, bytes]]]: ...
    def exec_state(self, exec_id: str) -> ContainerState: ...  # noqa: D102
    def stop(self, container_id: str, *, grace_s: int) -> None: ...  # noqa: D102
    def kill(self, container_id: str) -> None: ...  # noqa: D102
    def remove(self, container_id: str) -> None: ...  # noqa: D102
    def labelled(self, label: str, *, names: bool = False) -> dict[str, str]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class EngineTimeout(HostError):
    """The engine did not answer in time."""
