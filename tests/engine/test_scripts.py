"""The scripts leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.conftest import BASE
from tracer.docker_engine import engine_url

pytestmark = pytest.mark.engine

SCRIPTS = Path(__file__).parents[2] / "scripts"


def traces(marks: list[str]) -> list[str]:
    """Return processes, mounts, cgroups and folders that have one of ``marks`` in their name."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [f"process {line}" for mark in marks if mark in line]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts for mark in marks if mark in line]
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {folder}" for mark in marks if mark in folder]
    found += [f"folder {one}" for one in Path("/tmp").iterdir() for m in marks if m in str(one)]
    return found


def none_left(url: str, state: Path) -> list[str]:
    """Wait until nothing of the engine at ``url`` is left, and return what is."""
    run = Path(url.removeprefix("unix://")).parent
    left: list[str] = []
    for _ in range(50):  # a killed process takes a moment to go
        left = traces([str(run), run.name.rpartition(".")[2], str(state)])
        if not left:
            break
        time.sleep(0.1)
    return left


def start(state: Path, command: str) -> tuple[subprocess.Popen[str], str]:
    """Start an engine with its command in a session as a terminal has it; return its URL too."""
    engine = subprocess.Popen(
        [SCRIPTS / "private-dockerd", state, "--", "sh", "-c", f"echo $DOCKER_HOST; {command}"],
        env={**os.environ, "OTHER": engine_url(dict(os.environ))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert engine.stdout is not None
    url = engine.stdout.readline().strip()
    assert url.startswith("unix:///"), engine.communicate()
    assert Path(url.removeprefix("unix://")).parent.is_dir()
    return engine, url


CONTAINER = f"""
set -e
docker -H "$OTHER" save {BASE} | docker load -q
docker run -d {BASE} sh -c 'sleep 600 & exec sleep 600'
echo running
"""


@pytest.mark.parametrize(
    ("command", "status"),
    [("docker info", 0), ("exit 7", 7), (CONTAINER, 0), ("setsid sleep 600 &", 0)],
    ids=["by itself", "failure", "container", "background"],
)
def test_a_private_engine_goes_as_it_came(tmp_path: Path, command: str, status: int) -> None:
    engine, url = start(tmp_path / "state", command)
    output = engine.communicate(timeout=60)
    assert engine.returncode == status, output
    assert none_left(url, tmp_path / "state") == []


@pytest.mark.parametrize("target", ["group", "alone", "terminated", "terminated group"])
def test_an_interrupted_engine_goes_after_its_command(tmp_path: Path, target: str) -> None:
    """Ctrl-C is for the command, which cleans up with the engine still there."""
    script = "import docker, time\n"
    script += "try: print('waiting', flush=True); time.sleep(600)\n"
    script += "except KeyboardInterrupt: time.sleep(0.5); print(docker.from_env().ping())"
    engine, url = start(tmp_path / "state", f'{sys.executable} -c "{script}"')
    assert engine.stdout is not None
    assert engine.stdout.readline() == "waiting\n"
    if "group" in target:
        os.killpg(engine.pid, signal.SIGINT if target == "group" else signal.SIGTERM)
    else:
        engine.send_signal(signal.SIGINT if target == "alone" else signal.SIGTERM)
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == (143 if "terminated" in target else 130)
    assert ("True" in output) == ("terminated" not in target)
    assert none_left(url, tmp_path / "state") == []


def test_an_engine_left_by_a_killed_script_is_removed_by_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    engine, url = start(state, CONTAINER + "exec sleep 600")
    assert engine.stdout is not None
    while engine.stdout.readline() != "running\n":
        assert engine.poll() is None
    engine.kill()
    engine.wait()
    assert traces([url.removeprefix("unix://")]) != []
    again, _ = start(state, "docker ps -q")
    output, errors = again.communicate(timeout=60)
    assert (again.returncode, output) == (0, "")
    assert "left behind" in errors
    assert none_left(url, state) == []


def test_a_second_engine_does_not_touch_the_first_one(tmp_path: Path) -> None:
    """Two engines in one network namespace would take away each other's bridge."""
    before = Path("/proc/net/dev").read_text().count(":")
    subprocess.run(
        [SCRIPTS / "private-dockerd", tmp_path / "state", "--", "docker", "info"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert Path("/proc/net/dev").read_text().count(":") == before


def test_wrong_use_is_said() -> None:
    done = subprocess.run(
        [SCRIPTS / "private-dockerd"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "usage:" in done.stderr
