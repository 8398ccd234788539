"""``init`` as typed: what it finds, writes, says, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.config import load_config
from tests.unit.test_cli_synth import typed

COMPOSE = """
services:
  db: {image: postgres}
  web:
    build: .
    volumes: [".:/app"]
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost"]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, where no docker command is found: our own reading is what is tested."""
    project = tmp_path / "My Project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("PATH", "/nonexistent")
    return project


def test_a_compose_project(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.pytest.ini_options]\n')
    (folder / ".git").mkdir()
    assert typed("init") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "services: db, web; web is taken (another: --service NAME)" in err
    assert "(from pytest is configured; on)" in err
    assert "first: docker compose -f" in err
    assert "next: sudo seccomp-synth record" in err
    config = load_config(folder / "seccomp-synth.toml")
    assert config.source is not None
    assert (config.source.kind, config.source.service) == ("compose", "web")
    assert config.source.path.resolve() == folder / "compose.yaml"
    assert [work.name for work in config.workloads] == ["health", "tests", "install", "git"]
    assert {work.mode for work in config.workloads} == {"exec"}
    assert config.workloads[0].command[-3:] == ("curl", "-f", "http://localhost")


def test_another_service(folder: Path) -> None:
    (folder / "compose.yaml").write_text(COMPOSE)
    assert typed("init", "--service", "db") == 0
    text = (folder / "seccomp-synth.toml").read_text()
    assert 'service = "db"' in text
    config = load_config(folder / "seccomp-synth.toml")
    assert [work.name for work in config.workloads] == ["version"], "it has nothing of the project"


def test_a_devcontainer_goes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / ".devcontainer").mkdir()
    (folder / ".devcontainer/devcontainer.json").write_text(
        '{"image": "dev:1", "postCreateCommand": "npm ci", /* c */ }'
    )
    (folder / "package.json").write_text(json.dumps({"scripts": {"test": "jest"}}))
    assert typed("init") == 0
    assert "both a devcontainer and compose.yaml are here" in capsys.readouterr().err
    config = load_config(folder / "seccomp-synth.toml")
    assert config.source is not None
    assert config.source.kind == "devcontainer"
    assert [work.name for work in config.workloads] == ["post-create-command", "tests", "install"]


def test_a_dockerfile(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("FROM x\n")
    (folder / "go.mod").write_text("module x\n")
    assert typed("init") == 0
    assert "docker build -t my-project -f Dockerfile ." in capsys.readouterr().err
    config = load_config(folder / "seccomp-synth.toml")
    assert config.container.image == "my-project"
    text = (folder / "seccomp-synth.toml").read_text()
    assert '# run = "go test ./..."' in text, "the image may not have the project's files"


def test_nothing_at_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("init") == 2
    assert "init --image debian:bookworm" in capsys.readouterr().err
    assert typed("init", "--image", "debian:bookworm") == 0
    assert load_config(folder / "seccomp-synth.toml").container.image == "debian:bookworm"


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "seccomp-synth.toml").write_text("mine")
    assert typed("init", "--image", "x") == 2
    assert "exists already" in capsys.readouterr().err
    assert (folder / "seccomp-synth.toml").read_text() == "mine"
    assert typed("init", "--image", "x", "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--image", "x", "--compose", "c"), "exclude each other"),
        (("--image", "x", "--service", "c"), "exclude each other"),
        (("--compose", "none.yaml"), "no such file"),
        (("--devcontainer",), "there is no devcontainer.json"),
        (("--image", "--privileged"), "not an image name"),
        (("-o", "none/x.toml", "--image", "x"), "cannot be written"),
    ],
)
def test_wrong_usage(
    folder: Path,
    arguments: tuple[str, ...],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed("init", *arguments) == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b", "a\nimage = 'x'", 'q"\\', "\x1b[31m", "\u202eevil", "é", "a\u2028b"]
)
def test_any_service_name_is_data(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    service = {"image": "x", "healthcheck": {"test": f"echo {name}"}}
    (folder / "compose.yaml").write_text(json.dumps({"services": {name: service}}))
    status = typed("init")
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert status == 0
    config = load_config(folder / "seccomp-synth.toml")
    assert config.source is not None
    assert config.source.service == name
    assert config.workloads[0].command[-1] == f"echo {name}"


def test_files_that_are_broken_are_no_reason_to_fail(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[[[")
    (folder / "package.json").write_text("{")
    (folder / "Makefile").symlink_to("/dev/zero")
    assert typed("init", "--image", "x") == 0
