"""The snippet for a devcontainer.json, pasted as it says, and started by the Dev Containers CLI.

Collected by ``scripts/devcontainer`` alone, which has the CLI.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from synth.project.jsonc import parse_jsonc
from tests.engine.conftest import DEMO, Cli

pytestmark = pytest.mark.engine

LOOK = "grep -E '^(CapBnd|Seccomp):' /proc/self/status; mkdir /tmp/made || echo refused"
IN_FORCE = ["CapBnd:", "0000000000000000", "Seccomp:", "2", "refused"]
OUT = "the out"
BEFORE: dict[str, Any] = {
    "remoteUser": "root",
    "updateRemoteUserUID": False,
    "capAdd": ["SYS_PTRACE"],
    "securityOpt": ["seccomp=unconfined"],
}

Tool = Callable[..., str]


@pytest.fixture
def tool(tmp_path: Path, api: docker.DockerClient) -> Iterator[Tool]:
    """Run the CLI in the project, whose containers go at the end."""

    def run(command: str, *arguments: str) -> str:
        done = subprocess.run(
            [
                os.environ["SECCOMP_SYNTH_DEVCONTAINER"],
                *(command, "--workspace-folder", str(tmp_path), *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    yield run
    for one in api.containers.list(all=True):
        one.remove(force=True)


def emitted(folder: Path, cli: Cli, document: dict[str, Any]) -> dict[str, Any]:
    """Record, without what is unconfined; return the keys to put into devcontainer.json."""
    place = folder / ".devcontainer/devcontainer.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({**document, "securityOpt": []}))
    (folder / "seccomp-synth.toml").write_text(
        'container = {devcontainer = ".devcontainer/devcontainer.json"}\n'
        '[[workload]]\nname = "look"\n'
        'run = "id; uname -a; grep Seccomp /proc/self/status; touch /tmp/x; cat /etc/passwd"\n'
        'mode = "exec"\n'
    )
    cli("record", "-o", "a.json")
    cli("synth", "a.json", "-o", OUT, "--emit", "devcontainer")
    place.write_text(json.dumps(document))
    snippet = parse_jsonc((folder / OUT / "devcontainer.snippet.jsonc").read_bytes(), where="x")
    assert isinstance(snippet, dict)
    return snippet


def paste(folder: Path, document: dict[str, Any]) -> None:
    (folder / ".devcontainer/devcontainer.json").write_text(json.dumps(document))


def started(tool: Tool, *arguments: str) -> str:
    answer = json.loads(tool("up", *arguments).splitlines()[-1])
    assert answer["outcome"] == "success"
    return str(answer["containerId"])


def test_an_image(tool: Tool, cli: Cli, tmp_path: Path) -> None:
    document = {**BEFORE, "image": DEMO, "postCreateCommand": "true"}
    snippet = emitted(tmp_path, cli, document)
    first = started(tool)
    assert "Seccomp:\t0" in tool("exec", "sh", "-c", LOOK)
    paste(tmp_path, {**document, **snippet})
    assert started(tool) == first, "as the snippet says: nothing is noticed"
    assert started(tool, "--remove-existing-container") != first
    assert tool("exec", "sh", "-c", LOOK).split() == IN_FORCE
    merged = json.loads(tool("read-configuration", "--include-merged-configuration"))
    said = merged["mergedConfiguration"]
    assert said["securityOpt"] == [f"seccomp={tmp_path}/{OUT}/seccomp.json"]
    assert said["runArgs"] == ["--cap-drop=ALL"]


@pytest.mark.parametrize("compose", [".devcontainer/docker-compose.yml", "compose.yaml"])
def test_compose_files(tool: Tool, cli: Cli, tmp_path: Path, compose: str) -> None:
    service = {"image": DEMO, "command": "sleep 1000", "network_mode": "none", "init": True}
    (tmp_path / compose).parent.mkdir(exist_ok=True)
    (tmp_path / compose).write_text(json.dumps({"name": "dev", "services": {"app": service}}))
    named = os.path.relpath(tmp_path / compose, tmp_path / ".devcontainer")
    plain = {"dockerComposeFile": named, "service": "app", "workspaceFolder": "/tmp"}
    snippet = emitted(tmp_path, cli, {**BEFORE, **plain})
    assert snippet.keys() == {"dockerComposeFile"}
    paste(tmp_path, {**BEFORE, **plain, **snippet})
    started(tool)
    assert "Seccomp:\t0" in tool("exec", "sh", "-c", LOOK), "why the snippet says: take them out"
    kept = {key: BEFORE[key] for key in ("remoteUser", "updateRemoteUserUID")}
    paste(tmp_path, {**kept, **plain, **snippet})
    started(tool, "--remove-existing-container")
    assert tool("exec", "sh", "-c", LOOK).split() == IN_FORCE


LABELS = [
    ({"securityOpt": ["seccomp=unconfined"]}, "0000000000000000", "2"),
    ({"capAdd": ["SYS_ADMIN"]}, "0000000000200000", "2"),
    ({"privileged": True}, "", "0"),
]


@pytest.mark.parametrize(("label", "capabilities", "seccomp"), LABELS)
def test_what_an_images_label_takes_away(
    tool: Tool,
    cli: Cli,
    tmp_path: Path,
    api: docker.DockerClient,
    label: dict[str, Any],
    capabilities: str,
    seccomp: str,
) -> None:
    """As the snippet warns."""
    snippet = emitted(tmp_path, cli, {**BEFORE, "image": DEMO})
    bare = api.containers.create(DEMO)
    image = bare.commit(
        "labelled", changes=[f"LABEL devcontainer.metadata={json.dumps(json.dumps([label]))}"]
    )
    bare.remove()
    try:
        paste(tmp_path, {**BEFORE, "image": "labelled", **snippet})
        started(tool)
        said = dict(line.split("\t") for line in tool("exec", "sh", "-c", LOOK).splitlines()[:2])
        assert said["Seccomp:"] == seccomp
        assert said["CapBnd:"] == capabilities or not capabilities
    finally:
        for one in api.containers.list(all=True):
            one.remove(force=True)
        api.images.remove(image.id, force=True)
