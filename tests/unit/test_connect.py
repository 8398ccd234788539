"""Which engine is chosen, by name, by environment, by what answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synth.errors import HostError, UsageError
from tracer import connect as module
from tracer import podman_engine
from tracer.connect import connect
from tracer.podman_engine import PodmanEngine, runtime_version


class Docker:
    """Stands for a Docker engine that answers (or not), or for Podman at its socket."""

    answers, is_podman = True, False

    def __init__(self, url: str, runtime: str) -> None:
        if not self.answers:
            raise HostError("no engine", slug="no-engine")
        self.url, self.runtime = url, runtime

    def components(self) -> list[dict[str, Any]]:
        return [{"Name": "Podman Engine" if self.is_podman else "Engine"}]

    def close(self) -> None:
        pass


class Podman:
    def __init__(self, url: str, runtime: str) -> None:
        self.url, self.runtime = url, runtime


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DockerEngine", Docker)
    monkeypatch.setattr(module, "PodmanEngine", Podman)
    monkeypatch.setattr(module.shutil, "which", lambda _: "/usr/bin/podman")
    monkeypatch.setattr(Docker, "answers", True)
    monkeypatch.setattr(Docker, "is_podman", False)


def found(name: str = "", **environment: str) -> tuple[str, str]:
    engine = connect(name, "crun", environment)
    assert engine.runtime == "crun"  # type: ignore[attr-defined]
    return type(engine).__name__, engine.url


def test_docker_goes_first() -> None:
    assert found()[0] == "Docker"
    assert found(CONTAINER_HOST="unix:///p") == ("Podman", "unix:///p")
    assert found(CONTAINER_HOST="unix:///p", DOCKER_HOST="unix:///d") == ("Docker", "unix:///d")


def test_podman_where_no_docker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Docker, "answers", False)
    assert found() == ("Podman", "")
    for name, environment in (("docker", {}), ("", {"DOCKER_HOST": "unix:///d"})):
        with pytest.raises(HostError, match="no engine"):
            found(name, **environment)
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with pytest.raises(HostError, match="no engine"):
        found()


def test_podman_by_name() -> None:
    assert found("podman") == ("Podman", "")
    assert found("podman", CONTAINER_HOST="unix:///p") == ("Podman", "unix:///p")


def test_podman_at_dockers_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Docker, "is_podman", True)
    assert found(DOCKER_HOST="unix:///d") == ("Podman", "unix:///d")
    with pytest.raises(UsageError, match="what answers at unix:///d is Podman"):
        found("docker", DOCKER_HOST="unix:///d")


def test_a_running_service_has_its_own_runtime() -> None:
    with pytest.raises(UsageError, match="cannot be chosen"):
        PodmanEngine("unix:///x", "crun")


def test_podman_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman_engine.shutil, "which", lambda _: None)
    with pytest.raises(HostError, match="podman is not installed"):
        PodmanEngine()


def test_a_service_that_does_not_come_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "podman"
    broken.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 125\n")
    broken.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(podman_engine.shutil, "which", lambda _: str(broken))
    make = podman_engine.tempfile.mkdtemp
    monkeypatch.setattr(podman_engine.tempfile, "mkdtemp", lambda **_: make(dir=place))
    with pytest.raises(HostError, match=r"does not start \(no space left"):
        PodmanEngine()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("crun version 1.8.1\ncommit: f8a096b", "1.8.1"),
        ("runc version 1.1.5+ds1\nspec: 1.0.2-dev", "1.1.5+ds1"),
        ("", ""),
    ],
)
def test_versions_of_runtimes(text: str, version: str) -> None:
    assert runtime_version(text) == version
