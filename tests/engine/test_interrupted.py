"""Interrupted validations: what was done is said, nothing is left, nothing is half written."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import BASE, COMMAND, Cli, load, without

pytestmark = pytest.mark.engine


@pytest.fixture
def recorded(tmp_path: Path, cli: Cli) -> Path:
    cli("record", BASE, "-o", "r.json", "--", "sh", "-c", "nice; sleep 3")
    cli("synth", "r.json", "-o", "out")
    return tmp_path


def interrupted(
    folder: Path, number: int, when: Callable[[str], bool], *options: str
) -> tuple[str, str]:
    """Run ``validate``, send it a signal as soon as ``when`` is true of its stderr."""
    command = [*COMMAND, "-v", "validate", "r.json", *options]
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert process.stdout is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(iter(process.stderr.readline, "")))
    reader.start()
    limit = time.monotonic() + 90
    while not when("".join(said)):
        assert time.monotonic() < limit, said
        assert process.poll() is None, said
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    shown = process.stdout.read()
    assert process.wait(60) == 130, said
    reader.join(10)
    process.stdout.close()
    process.stderr.close()
    return shown, "".join(said)


@pytest.mark.parametrize(
    ("number", "world"),
    [(signal.SIGINT, "baseline (run 1)"), (signal.SIGTERM, "profile (run 2)")],
)
def test_in_a_run(recorded: Path, number: int, world: str) -> None:
    options = ("--profile", "out/seccomp.json", "-o", "replay.json")
    shown, _ = interrupted(recorded, number, lambda said: f"under the {world}" in said, *options)
    assert "not finished: r.json" in shown
    assert "passed:" not in shown
    assert load(recorded / "replay.json")["partial"] is True


def test_while_the_ways_out_are_tried(recorded: Path, api: docker.DockerClient) -> None:
    def trying(_said: str) -> bool:
        return any("attempts" in one["Command"] for one in api.api.containers(all=True))

    options = ("--profile", "out/seccomp.json", "-o", "replay.json", "--repeat", "1")
    shown, _ = interrupted(recorded, signal.SIGINT, trying, *options)
    assert "not finished: r.json: 1 passed" in shown
    assert len(load(recorded / "replay.json")["runs"]) == 1


def test_while_repairing(recorded: Path) -> None:
    """Half a trial in which nothing failed so far is no repaired profile."""
    (recorded / "out/seccomp.json").write_text(
        without(load(recorded / "out/seccomp.json"), "getpriority")
    )
    options = ("--profile", "out/seccomp.json", "--repair", "-o", "new.json")
    shown, _ = interrupted(recorded, signal.SIGINT, lambda said: True, *options)
    assert "repaired" not in shown
    assert not (recorded / "new.json").exists()


def test_while_minimizing(recorded: Path) -> None:
    options = ("--profile", "out/seccomp.json", "--minimize", "-o", "new.json")
    shown, said = interrupted(recorded, signal.SIGTERM, lambda said: "without" in said, *options)
    assert "SS806" in shown
    assert "nothing is written" in said
    assert not (recorded / "new.json").exists()
