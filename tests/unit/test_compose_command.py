"""What ``docker compose config`` is asked, and how its answer is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.errors import UsageError
from tracer.compose import compose_model, has_compose


def docker(folder: Path, body: str) -> dict[str, str]:
    """Put a docker into PATH that does what ``body`` says, and return the environment."""
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    (path / "docker").write_text(f'#!/bin/sh\necho "$@" >>{folder}/asked\n{body}\n')
    (path / "docker").chmod(0o755)
    return {"PATH": f"{path}:/usr/bin:/bin"}


def test_dollars_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose prints what it could read again: every dollar twice."""
    model = {"services": {"a": {"command": ["echo $$HOME $$$$x"], "n": 1, "t": True}}}
    (tmp_path / "answer").write_text(json.dumps(model))
    environment = docker(tmp_path, f"cat {tmp_path}/answer; env >{tmp_path}/env")
    monkeypatch.setenv("PATH", environment["PATH"])
    found = compose_model((tmp_path / "a b.yaml", tmp_path / "c.yaml"), environment)
    assert found["services"]["a"] == {"command": ["echo $HOME $$x"], "n": 1, "t": True}
    asked = (tmp_path / "asked").read_text()
    assert f"compose -f {tmp_path}/a b.yaml -f {tmp_path}/c.yaml --profile * config" in asked
    assert "COMPOSE_EXPERIMENTAL_GIT_REMOTE=false" in (tmp_path / "env").read_text()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("echo one >&2; echo 'the reason' >&2; exit 15", "the reason"),
        ("exit 1", "no reason given"),
        ("echo not json", "printed no project"),
        ("echo '[]'", "printed no project"),
        ("head -c 9000000 /dev/zero", "too large"),
    ],
)
def test_answers_that_are_none(
    tmp_path: Path, body: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = docker(tmp_path, body)
    monkeypatch.setenv("PATH", environment["PATH"])
    with pytest.raises(UsageError, match=complaint):
        compose_model((tmp_path / "compose.yaml",), environment)


@pytest.mark.parametrize(
    ("body", "there"), [("echo 2.40.3", True), ("echo 1.29.2", False), ("exit 1", False)]
)
def test_whether_it_is_there(
    tmp_path: Path, body: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = docker(tmp_path, body)
    monkeypatch.setenv("PATH", environment["PATH"])
    assert has_compose(environment) is there


def test_no_docker_at_all(tmp_path: Path) -> None:
    assert not has_compose({"PATH": str(tmp_path)})
