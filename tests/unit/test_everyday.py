"""What every command has in common: paths of any kind, next commands, -q, -v, colour."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.command import typed
from tests.unit.test_manual import commands

SAMPLE = Path(__file__).parents[1] / "data" / "recording-1.0.0.json"
RECORDING, OUT = "auf nahme ü.json", "aus gabe \U0001f512"
PROFILE = f"{OUT}/seccomp.json"
COMPOSE = "compose – x.yaml"


@pytest.fixture(autouse=True)
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A folder whose name, like all that is in it, has spaces and more than ASCII."""
    path = tmp_path / "ein Ordner é"
    path.mkdir()
    monkeypatch.chdir(path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(SAMPLE, RECORDING)
    (path / COMPOSE).write_text("services: {web: {image: debian}}")
    assert typed("-q", "synth", RECORDING, "-o", OUT) == 0
    capsys.readouterr()
    return path


WITHOUT_ENGINE = {
    "init": ("--compose", COMPOSE, "-o", "pro jekt.toml"),
    "synth": (RECORDING, "-o", "an deres"),
    "validate": ("--offline", RECORDING, "--profile", PROFILE),
    "check": ("--profile", PROFILE, "--recording", RECORDING),
    "combine": (RECORDING, RECORDING, "-o", "zu sammen.json"),
    "diff": (PROFILE, "--against", PROFILE),
    "explain": ("read", PROFILE, "--recording", RECORDING),
    "report": (RECORDING, "--profile", PROFILE, "--output", "html=be richt.html"),
    "lint": (PROFILE,),
    "baseline list": (),
    "baseline show": ("docker-25.0",),
    "completion": ("zsh",),
    "man": (),
}


def words(name: str) -> tuple[str, ...]:
    return (*name.split(), *WITHOUT_ENGINE[name])


@pytest.mark.parametrize("name", WITHOUT_ENGINE)
def test_paths_with_spaces_and_other_letters(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*words(name)) == 0
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", WITHOUT_ENGINE)
def test_quiet_leaves_the_answer_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*words(name)) == 0
    loud = capsys.readouterr()
    shutil.rmtree("an deres", ignore_errors=True)
    for made in ("pro jekt.toml", "zu sammen.json", "be richt.html"):
        Path(made).unlink(missing_ok=True)
    assert typed(*words(name), "-q") == 0
    quiet = capsys.readouterr()
    assert quiet.out == loud.out
    assert quiet.err == ""


@pytest.mark.parametrize("name", ["synth", "combine"])
def test_the_next_command_can_be_pasted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*words(name)) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    command = shlex.split(last.removeprefix("next: seccomp-synth "))
    assert typed(*command, *(["--offline"] if command[0] == "validate" else [])) == 0


def test_the_update_of_check_is_named_so_that_it_can_be_pasted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = json.loads(Path(PROFILE).read_text())
    for rule in document["syscalls"]:
        rule["names"] = [one for one in rule["names"] if one != "mkdir"]
    Path(PROFILE).write_text(json.dumps(document))
    assert typed(*words("check")) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert typed(*shlex.split(last.removeprefix("next: seccomp-synth "))) == 1, "it is wider"


def test_init_names_its_file_so_that_it_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*words("init")) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "next: sudo seccomp-synth record --config 'pro jekt.toml'"


@pytest.mark.parametrize("names", [one for one in commands() if one], ids=" ".join)
def test_every_command_takes_the_common_options(names: tuple[str, ...]) -> None:
    assert typed("-v", "--color", "never", *names, "-q", "-v", "--help") == 0


@pytest.mark.parametrize(
    ("line", "variables", "colored"),
    [
        ((), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_where_it_is_asked_for(
    line: tuple[str, ...],
    variables: dict[str, str],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert typed(*line, "lint", PROFILE) == 0
    assert ("\x1b[33m\x1b[1mwarning\x1b[0m[SS416]" in capsys.readouterr().out) is colored
    assert typed(*line, "explain", "raed") == 2
    assert ("\x1b[31m\x1b[1merror\x1b[0m: " in capsys.readouterr().err) is colored


def test_files_and_documents_have_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    report = ("--color", "always", "report", RECORDING, "--profile", PROFILE)
    assert typed(*report, "--output", "text=be richt.txt", "--output", "json") == 0
    assert "\x1b" not in Path("be richt.txt").read_text() + capsys.readouterr().out
    assert typed("--color", "always", "lint", PROFILE, "--output", "json") == 0
    assert "\x1b" not in capsys.readouterr().out
