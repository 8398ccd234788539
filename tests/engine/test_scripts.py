"""The scripts leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

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
        found += [f"process {line}" for mark in marks if mark in line and "pytest" not in line]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts for mark in marks if mark in line]
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {folder}" for mark in marks if mark in folder]
    found += [f"folder {one}" for one in Path("/tmp").iterdir() for m in marks if m in str(one)]
    return found


@pytest.mark.parametrize("ending", ["by itself", "failure", "terminated"])
def test_a_private_engine_goes_as_it_came(tmp_path: Path, ending: str) -> None:
    state = tmp_path / "state"
    command = {
        "by itself": "docker info >/dev/null && echo $DOCKER_HOST",
        "failure": "echo $DOCKER_HOST; exit 7",
        "terminated": "echo $DOCKER_HOST; exec sleep 600",
    }[ending]
    engine = subprocess.Popen(
        [SCRIPTS / "private-dockerd", state, "--", "sh", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    url = engine.stdout.readline().strip()
    assert url.startswith("unix:///"), engine.communicate()
    if ending == "terminated":
        assert Path(url.removeprefix("unix://")).is_socket()
        engine.send_signal(signal.SIGTERM)
    engine.communicate(timeout=60)
    assert engine.returncode == {"by itself": 0, "failure": 7, "terminated": 143}[ending]
    run = Path(url.removeprefix("unix://")).parent
    for _ in range(50):  # a killed process takes a moment to go
        left = traces([str(run), run.name.rpartition(".")[2]])
        if not left:
            break
        time.sleep(0.1)
    assert left == []


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
