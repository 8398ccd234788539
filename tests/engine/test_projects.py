"""Containers taken from compose files and devcontainers, on a real engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import BASE, DEMO, Cli, load, names

pytestmark = pytest.mark.engine

CHECK = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')"


def project(folder: Path, **service: object) -> Path:
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "index.html").write_text("hello")
    settings = {
        "image": DEMO,
        "user": "1000",
        "entrypoint": ["env", "FROM=entrypoint"],
        "command": "python3 -m http.server 8000",
        "working_dir": "/srv",
        "environment": {"MODE": "${MODE:-dev}"},
        "volumes": ["./site:/srv:ro", "data:/var/tmp/data"],
        "cap_add": ["SYS_PTRACE"],
        "healthcheck": {"test": ["CMD", "python3", "-c", CHECK]},
        **service,
    }
    path = folder / "compose.yaml"
    path.write_text(json.dumps({"services": {"web": settings}, "volumes": {"data": {}}}))
    return path


def test_a_service_from_nothing_to_a_container_that_runs(
    cli: Cli, tmp_path: Path, api: docker.DockerClient
) -> None:
    """init, record, synth, validate: what the next line says is all that has to be typed."""
    project(tmp_path)
    assert "next: sudo seccomp-synth record" in cli("init").stderr
    text = (tmp_path / "seccomp-synth.toml").read_text()
    run = 'run = "echo $FROM $MODE; cat index.html; ls -d /var/tmp/data"'
    (tmp_path / "seccomp-synth.toml").write_text(f'{text}\n[[workload]]\nname = "look"\n{run}\n')
    done = cli("record")
    assert "entrypoint dev" in done.stdout
    assert "hello" in done.stdout
    recording = load(tmp_path / "web.recording.json")
    assert {run["workload"] for run in recording["runs"]} == {"main", "health", "look"}
    assert {run["outcome"] for run in recording["runs"]} == {"ok"}
    assert {"bind", "accept4"} <= names(recording), "the service itself is in it"
    assert str(tmp_path) not in (tmp_path / "web.recording.json").read_text()
    done = cli("synth", "web.recording.json", "-o", "out", "--emit", "compose,docker")
    assert "-f out/compose.override.yaml up -d" in done.stderr
    done = cli("validate", "web.recording.json", "--profile", "out/seccomp.json")
    assert "3 passed, 0 failed" in done.stdout
    assert api.volumes.list() == [], "fresh volumes go with their containers"
    status = "grep -E ^Seccomp:.2 /proc/self/status && grep CapBnd /proc/self/status"
    script = subprocess.run(
        ["sh", str(tmp_path / "out/docker-run.sh"), "--rm", DEMO, "sh", "-c", status],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert script.stdout.split() == ["Seccomp:", "2", "CapBnd:", "0000000000000000"]


def test_validate_notices_another_container(cli: Cli, tmp_path: Path) -> None:
    compose = project(tmp_path)
    named = ("--compose", "compose.yaml", "--service", "web")
    cli("record", *named, "-o", "a.json", "--", "id", "-u")
    cli("synth", "a.json", "-o", "out")
    cli("validate", "a.json", *named, "--profile", "out/seccomp.json")
    compose.write_text(compose.read_text().replace('"user": "1000"', '"user": "0"'))
    done = cli("validate", "a.json", *named, "--profile", "out/seccomp.json", status=2)
    assert "other user" in done.stderr
    done = cli("validate", "a.json", "--profile", "out/seccomp.json", status=2)
    assert "--allow-capability CAP_SYS_PTRACE" in done.stderr, "a recording's word is not enough"


def test_an_unconfined_service_is_recorded_unrefused_and_said(cli: Cli, tmp_path: Path) -> None:
    project(tmp_path, user="0", cap_add=["SYS_ADMIN"], security_opt=["seccomp=unconfined"])
    words = ("--compose", "compose.yaml", "-o", "a.json", "--", "unshare", "--net", "true")
    done = cli("record", *words)
    assert "it runs with seccomp=unconfined" in done.stderr
    recording = load(tmp_path / "a.json")
    assert recording["filter"]["kind"] == "profile"
    assert "unshare" in names(recording)
    done = cli("synth", "a.json", "-o", "out", status=4)
    assert "--baseline" in done.stderr


def test_what_cannot_be_recorded(cli: Cli, tmp_path: Path) -> None:
    project(tmp_path, privileged=True)
    done = cli("record", "--compose", "compose.yaml", "--", "true", status=2)
    assert "[privileged-service]" in done.stderr
    (tmp_path / "compose.yaml").write_text('{"name": "n", "services": {"a": {"build": "."}}}')
    done = cli("record", "--compose", "compose.yaml", "--", "true", status=2)
    assert "n-a or n_a" in done.stderr
    assert "compose.yaml build a" in done.stderr
    assert not list(tmp_path.glob("*.recording.json"))


def test_a_devcontainer(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".devcontainer").mkdir()
    (tmp_path / ".devcontainer/devcontainer.json").write_text(
        f'{{"image": "{BASE}", "postCreateCommand": "touch made", /* dev */ }}'
    )
    cli("init", "-o", "seccomp-synth.toml")
    cli("record", "-o", "a.json")
    assert (tmp_path / "made").exists(), "the workspace is mounted"
    cli("synth", "a.json", "-o", "out", "--emit", "devcontainer")
    done = cli("validate", "a.json", "--profile", "out/seccomp.json")
    assert "2 passed, 0 failed" in done.stdout
    snippet = (tmp_path / "out/devcontainer.snippet.jsonc").read_text()
    assert "seccomp=${localWorkspaceFolder}/out/seccomp.json" in snippet
