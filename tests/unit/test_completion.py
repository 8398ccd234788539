"""Completion, in a real bash and in what the other shells ask; nothing loads what it need not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import typed

PROJECT = """
container = {compose = "compose.yaml", service = "web"}
[[workload]]
name = "tests"
run = ["true"]
[[workload]]
name = "server"
run = ["true"]
"""
COMPOSE = """
services:
  web: {image: debian}
  db: {image: debian}
  "not; a name": {image: debian}
"""

TRY = """
eval "$(seccomp-synth completion bash)" || exit 1
compopt() { echo "$*"; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_seccomp_synth_completion seccomp-synth
echo "${COMPREPLY[*]}"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a project")
    (folder / "seccomp-synth.toml").write_text(PROJECT)
    (folder / "compose.yaml").write_text(COMPOSE)
    return folder


def run(command: list[str], folder: Path, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def completed(folder: Path, *words: str) -> str:
    shown = run(["bash", "--norc", "-c", TRY, "bash", "seccomp-synth", *words], folder)
    return " ".join(shown.split())


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["s"], "synth"),
        (["syn"], "synth"),
        (["record", "--save"], "--save-every"),
        (["synth", "--tightness", ""], "exact portable baseline"),
        (["explain", "clon"], "clone clone3"),
        (["explain", "clone", ""], "-o default"),
        (["synth", ""], "-o default"),
        (["baseline", "v"], "verify"),
        (["baseline", "show", "podman"], "podman-4.3"),
        (["diff", "x.json", "--against", "podman"], "-o default podman-4.3"),
        (["check", "--against", "pod"], "-o default"),
        (["record", "debian", "--cap-add", "net_a"], "net_admin"),
        (["validate", "--allow-capability", "CAP_SYS_AD"], "CAP_SYS_ADMIN"),
        (["record", "--only", ""], "tests server"),
        (["synth", "--service", ""], "db web"),
        (["record", "--compose", "compose.yaml", "--service", "d"], "db"),
        (["synth", "--emit", "compose,do"], "compose,docker"),
        (["report", "--output", "mark"], "markdown"),
        (["nonsense", "--"], "--version --quiet --verbose --color --help"),
        (["check", "--config", "none.toml", "--only", ""], ""),
    ],
)
def test_words_in_bash(project: Path, words: list[str], answer: str) -> None:
    assert completed(project, *words) == answer


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("completion", shell) == 0
    script = capsys.readouterr().out
    assert f"_SECCOMP_SYNTH_COMPLETE={shell}_complete" in script
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert typed("completion") == 0
    assert capsys.readouterr().out == script


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_ask_and_are_answered(project: Path, shell: str) -> None:
    asked = run(
        ["seccomp-synth"],
        project,
        _SECCOMP_SYNTH_COMPLETE=f"{shell}_complete",
        COMP_WORDS="seccomp-synth explain clon",
        COMP_CWORD="clon" if shell == "fish" else "2",
    )
    assert {"clone", "clone3"} <= set(asked.replace(",", "\n").split("\n"))


def test_another_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/bin/dash")
    assert typed("completion") == 2
    assert "[no-such-shell]" in capsys.readouterr().err


def test_command_names_are_completed_without_loading_commands(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.environ |= {'_SECCOMP_SYNTH_COMPLETE': 'bash_complete', "
        "'COMP_WORDS': 'seccomp-synth ', 'COMP_CWORD': '1'}\n"
        "from synth.cli.main import main\n"
        "try: main([])\n"
        "finally: print([one for one in sys.modules if one.startswith('synth.cli.')])"
    )
    lines = run([sys.executable, "-c", code], tmp_path).splitlines()
    assert "plain,validate" in lines
    assert lines[-1] == "['synth.cli.choosing', 'synth.cli.common', 'synth.cli.main']"
