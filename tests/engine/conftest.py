"""Run our command line against a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tracer.docker_engine import engine_url
from tracer.workload import LABEL

BASE, DEMO = "seccomp-synth-base", "seccomp-synth-demo"
# it needs a program that scripts/test does without
collect_ignore = (
    [] if os.environ.get("SECCOMP_SYNTH_DEVCONTAINER") else ["test_devcontainer_cli.py"]
)
COMMAND = (sys.executable, "-m", "synth.cli.main")

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def api() -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(engine_url(dict(os.environ)), timeout=60)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def nothing_left(api: docker.DockerClient) -> Iterator[None]:
    """No test leaves a container of ours behind."""
    yield
    assert api.containers.list(all=True, filters={"label": LABEL}) == []


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command line in ``tmp_path``; fail unless it exits as expected."""
    return _runner(tmp_path)


@pytest.fixture(scope="module")
def module_cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Run the command line in a folder that a module's tests share."""
    return _runner(tmp_path_factory.mktemp("cli"))


def _runner(folder: Path) -> Cli:
    def run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *(str(one) for one in arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == status, (
            f"{arguments}: {done.returncode}\n{done.stderr}{done.stdout}"
        )
        return done

    return run


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def names(recording: dict[str, Any], phase: str | None = None, workload: str = "") -> set[str]:
    """Return the names of the calls in a recording."""
    return {
        use["name"]
        for run in recording["runs"]
        for use in run["syscalls"]
        if (phase is None or use["phase"] == phase) and workload in ("", run["workload"])
    }


def allowed(profile: dict[str, Any]) -> set[str]:
    """Return the names of the calls that a profile allows, conditionally or not."""
    return {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }


def without(profile: dict[str, Any], *removed: str) -> str:
    """Return the profile as text, with some calls no longer allowed."""
    rules = []
    for rule in profile["syscalls"]:
        kept = [name for name in rule["names"] if name not in removed]
        if kept:
            rules.append({**rule, "names": kept})
    return json.dumps({**profile, "syscalls": rules})
