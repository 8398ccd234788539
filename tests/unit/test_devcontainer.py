"""devcontainer.json: comments, variables, what is taken over and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.errors import DataError, SeccompSynthError
from synth.project.described import Described
from synth.project.devcontainer import (
    compose_of,
    describe_devcontainer,
    find_devcontainer,
    lifecycle_commands,
    load_devcontainer,
    metadata_warnings,
)
from synth.project.jsonc import parse_jsonc

FULL = """\ufeff// a comment
{
  "image": "registry.example/dev:1", /* why
  */ "remoteUser": "dev",
  "workspaceFolder": "/workspaces/here",
  "containerEnv": {"A": "${localEnv:HERE:none}", "B": "${containerEnv:PATH}:x"},
  "mounts": [
    "source=${localWorkspaceFolder}/cache,target=/cache,type=bind,readonly",
    {"type": "volume", "source": "vol", "target": "/vol"},
    "source=/var/run/docker.sock,target=/var/run/docker.sock,type=bind",
  ],
  "runArgs": ["--cap-drop=ALL", "--cap-add", "SYS_PTRACE", "--init", "--network=none",
              "--gpus", "all", "--security-opt", "seccomp=unconfined"],
  "capAdd": ["kill"],
  "securityOpt": ["seccomp=${localWorkspaceFolder}/s.json", "no-new-privileges"],
  "postCreateCommand": "pip install -e . // not a comment",
  "postStartCommand": {"a": "echo a", "b": ["echo", "b"]},
  "features": {"ghcr.io/devcontainers/features/node:1": {}},
  "customizations": {"vscode": {}},
  "somethingNew": 1,
}
"""


def write(folder: Path, text: str) -> Path:
    (folder / ".devcontainer").mkdir(exist_ok=True)
    path = folder / ".devcontainer" / "devcontainer.json"
    path.write_text(text)
    return path


def described(path: Path) -> Described:
    return describe_devcontainer(load_devcontainer(path), path, {"HERE": "there"})


def test_a_full_file(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    assert find_devcontainer(tmp_path) == path
    found = described(path)
    box = found.container
    assert (box.image, box.user, box.workdir) == (
        "registry.example/dev:1",
        "dev",
        "/workspaces/here",
    )
    assert box.environment == (("A", "there"),)
    assert set(box.mounts) == {
        (str(tmp_path), "/workspaces/here", "rw"),
        (str(tmp_path / "cache"), "/cache", "ro"),
        ("", "/vol", "rw"),
        ("/var/run/docker.sock", "/var/run/docker.sock", "rw"),
    }
    assert (box.cap_add, box.cap_drop) == (("CAP_KILL", "CAP_SYS_PTRACE"), ("ALL",))
    assert (box.init, box.network, box.no_new_privileges) == (True, "none", True)
    assert not found.unconfined, "securityOpt comes after runArgs, and the last one wins"
    assert set(found.left_out) == {"runArgs --gpus", "somethingNew"}
    said = "\n".join(found.warnings)
    assert "features are not installed" in said
    assert "has the host" in said
    assert lifecycle_commands(load_devcontainer(path)) == {
        "postCreateCommand": ("sh", "-c", "pip install -e . // not a comment"),
        "postStartCommand-a": ("sh", "-c", "echo a"),
        "postStartCommand-b": ("echo", "b"),
    }


def test_one_that_is_built(tmp_path: Path) -> None:
    text = '{"build": {"dockerfile": "Dockerfile", "context": ".."}}'
    folder = tmp_path / "My Project"
    folder.mkdir()
    found = described(write(folder, text))
    assert found.candidates == ("my-project-devcontainer",)
    assert found.build.startswith("docker build -t my-project-devcontainer -f '")
    assert found.container.workdir == "/workspaces/My Project"


def test_one_that_is_a_compose_service(tmp_path: Path) -> None:
    text = (
        '{"dockerComposeFile": ["../compose.yaml", "c.yml"], "service": "app", "remoteUser": "u"}'
    )
    path = write(tmp_path, text)
    reference = compose_of(load_devcontainer(path), path)
    assert reference is not None
    assert reference.files == (tmp_path / "compose.yaml", tmp_path / ".devcontainer/c.yml")
    assert (reference.service, reference.user) == ("app", "u")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('{"privileged": true, "image": "x"}', "privileged-service"),
        ('{"image": "x", "runArgs": ["--privileged"]}', "privileged-service"),
        ('{"image": "x", "runArgs": ["--privileged=true"]}', "privileged-service"),
        ('{"image": "a b"}', "bad-image-name"),
        ('{"name": "x"}', "bad-devcontainer"),
        ("[]", "bad-devcontainer"),
        ('{"image": "x", "image": "y"}', "bad-json"),
        ('{"image": "x" /* }', "bad-json"),
        ('{"image": "x"} trailing', "bad-json"),
        ("[" * 5000, "bad-json"),
        ('{"image": "x", "capAdd": ["NOPE"]}', "unknown-capability"),
        ('{"image": "x", "containerEnv": {"A B": "1"}}', "bad-config"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, slug: str) -> None:
    with pytest.raises(SeccompSynthError) as caught:
        described(write(tmp_path, text))
    assert caught.value.slug == slug


def test_compose_files_outside_the_project(tmp_path: Path) -> None:
    path = write(tmp_path, '{"dockerComposeFile": "../../x.yaml", "service": "a"}')
    with pytest.raises(SeccompSynthError) as caught:
        compose_of(load_devcontainer(path), path)
    assert caught.value.slug == "outside-project"


def test_positions_in_messages_are_those_of_the_file() -> None:
    text = b'{ // one\n  "a": 1, /* two\n */ "b": oops\n}'
    with pytest.raises(DataError, match="x:3:10"):
        parse_jsonc(text, where="x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "//x", "b": "/*", "c": ",]"}', {"a": "//x", "b": "/*", "c": ",]"}),
        ('["a\\"//", ]', ['a"//']),
        ("[1, /* , */ ]", [1]),
        ("[1, // x\r\n]", [1]),
    ],
)
def test_what_is_a_comment_and_what_is_not(text: str, value: object) -> None:
    assert parse_jsonc(text.encode(), where="x") == value


@pytest.mark.parametrize("text", ["[,]", "[1,,]", '{"a": 1,, }', "// only"])
def test_what_stays_wrong(text: str) -> None:
    with pytest.raises(DataError):
        parse_jsonc(text.encode(), where="x")


def test_an_images_label_is_read_with_suspicion() -> None:
    entries = [
        {"id": "f\x1b", "privileged": True, "capAdd": ["SYS_ADMIN"], "securityOpt": ["label=x"]},
        {"securityOpt": ["seccomp=unconfined"]},
        "nonsense",
    ]
    said = metadata_warnings(entries)
    assert len(said) == 3
    assert "privileged" in said[0]
    assert "SYS_ADMIN" in said[1]
    assert "the image asks for seccomp=unconfined" in said[2]
    assert metadata_warnings(None) == ()
