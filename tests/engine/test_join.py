"""``record --container`` on a real engine: a container that others have started."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from tests.engine.conftest import BASE, COMMAND, Cli, load, names

pytestmark = pytest.mark.engine

LOOP = ["sh", "-c", "while :; do mkdir -p /x; rmdir /x; sleep 0.1; done"]


@pytest.fixture
def busy(api: docker.DockerClient) -> Iterator[Container]:
    box = api.containers.run(BASE, LOOP, detach=True, name="busy", environment={"TOKEN": "hunter2"})
    yield box
    box.remove(force=True)


def start_recorder(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start to record ``busy`` and wait until the probes are on."""
    recorder = subprocess.Popen(
        [*COMMAND, "-v", "record", "--container", "busy", "-o", "a.json", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert recorder.stderr is not None
    assert "recording busy" in recorder.stderr.readline()
    return recorder


def test_a_running_container(cli: Cli, tmp_path: Path, busy: Container) -> None:
    done = cli("record", "--container", "busy", "--for", "2s")
    recording = load(tmp_path / "busy.recording.json")
    seen = names(recording, "workload")
    assert {"mkdir", "rmdir", "wait4", "execve", "openat"} <= seen
    assert not names(recording, "runtime"), "nobody started anything through the engine"
    assert not recording["partial"]
    assert recording["health"]["ok"]
    assert "joined while it ran" in recording["health"]["notes"][0]
    assert recording["workloads"][0]["mode"] == "join"
    assert "TOKEN" in recording["subject"]["environment"]
    assert "hunter2" not in (tmp_path / "busy.recording.json").read_text()
    assert recording["runs"][0]["denials"] == []
    assert "next: seccomp-synth synth" in done.stderr
    busy.reload()
    assert busy.status == "running"


def test_what_others_exec_is_inside(tmp_path: Path, busy: Container) -> None:
    recorder = start_recorder(tmp_path, "--for", "60s")
    busy.exec_run(["chown", "1", "/tmp"])
    busy.exec_run(["unshare", "-U", "true"])
    recorder.send_signal(signal.SIGINT)
    _, stderr = recorder.communicate(timeout=30)
    assert recorder.returncode == 0, f"Ctrl-C is how this ends\n{stderr}"
    recording = load(tmp_path / "a.json")
    (run,) = recording["runs"]
    assert "capset" in names(recording, "runtime")
    assert ("fchownat", "chown") in {(use["name"], use["program"]) for use in run["syscalls"]}
    assert "CAP_CHOWN" in {use["name"] for use in run["capabilities"]}
    assert [one["name"] for one in run["denials"]] == ["unshare"]


def test_a_restart_is_inside(tmp_path: Path, busy: Container) -> None:
    recorder = start_recorder(tmp_path)
    busy.restart(timeout=0)
    time.sleep(1)
    recorder.send_signal(signal.SIGTERM)
    recorder.communicate(timeout=30)
    assert recorder.returncode == 0
    recording = load(tmp_path / "a.json")
    assert "execve" in names(recording, "runtime")
    assert "mkdir" in names(recording, "workload")


def test_it_is_saved_at_intervals(cli: Cli, tmp_path: Path, busy: Container) -> None:
    recorder = start_recorder(tmp_path, "--save-every", "1s")
    for _ in range(100):
        if (tmp_path / "a.json").exists():
            break
        time.sleep(0.1)
    recorder.kill()
    recorder.communicate()
    recording = load(tmp_path / "a.json")
    assert recording["partial"]
    assert "mkdir" in names(recording)
    assert "partial" in cli("synth", "a.json", "-o", "out", status=4).stderr
    busy.reload()
    assert busy.status == "running"


def test_it_ends_with_the_container(
    cli: Cli, tmp_path: Path, busy: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start_recorder(tmp_path)
    busy.kill()
    _, stderr = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, stderr
    assert not load(tmp_path / "a.json")["partial"]


def test_together_with_a_recording_of_the_start(cli: Cli, tmp_path: Path, busy: Container) -> None:
    cli("record", "--container", "busy", "--for", "1s", "-o", "joined.json")
    cli("record", BASE, "-o", "start.json", "--", "true")
    done = cli("synth", "joined.json", "-o", "alone")
    assert "SS310" in done.stderr
    assert "joined" in done.stderr
    done = cli("synth", "joined.json", "start.json", "-o", "both")
    assert "SS310" not in done.stderr
    assert (
        "nothing-to-replay"
        in cli(*("validate", "joined.json", "--profile", "both/seccomp.json"), status=2).stderr
    )


def test_what_cannot_be_joined(cli: Cli, api: docker.DockerClient, busy: Container) -> None:
    assert "no-container" in cli("record", "--container", "nobody", status=2).stderr
    box = api.containers.run(
        BASE, ["sleep", "60"], detach=True, name="free", security_opt=["seccomp=unconfined"]
    )
    try:
        done = cli("record", "--container", "free", status=2)
        assert "unfiltered-container" in done.stderr
    finally:
        box.remove(force=True)
    assert "no-container" in cli("record", "--container", "free", status=2).stderr
    assert "bad-option" in cli("record", "--container", "busy", "--for", "soon", status=2).stderr
    assert "bad-option" in cli("record", BASE, "--container", "busy", status=2).stderr
    assert "bad-option" in cli("record", BASE, "--for", "3s", status=2).stderr


def test_under_a_profile_of_ones_own_the_next_command_names_the_default(
    cli: Cli, tmp_path: Path, api: docker.DockerClient
) -> None:
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW"})
    box = api.containers.run(
        BASE, LOOP, detach=True, name="lax", security_opt=[f"seccomp={profile}"]
    )
    try:
        done = cli("record", "--container", "lax", "--for", "2s")
    finally:
        box.remove(force=True)
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("next: "))
    cli(*shlex.split(line.removeprefix("next: seccomp-synth ")))
    assert (tmp_path / "out" / "seccomp.json").exists()
