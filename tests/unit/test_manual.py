"""The texts of the commands: their help, and the manual page that is made of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from synth.cli.main import cli
from synth.cli.manual import EXITS
from synth.errors import ExitCode
from tests.command import typed

WIDTH = 100


def commands(
    command: click.Command = cli, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    yield names
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from commands(inner, (*names, name))


def command_of(names: tuple[str, ...]) -> click.Command:
    command: click.Command | None = cli
    for name in names:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    return command


@pytest.mark.parametrize("names", list(commands()), ids=" ".join)
def test_help_has_an_example_and_fits(
    names: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    assert typed(*names, "--help") == 0
    text = capsys.readouterr().out
    (start,) = (text.index(one) for one in ("Example:", "Examples:") if one in text)
    assert f"seccomp-synth {' '.join(names[:1])}".rstrip() in text[start:]
    assert max(map(len, text.splitlines())) <= WIDTH
    short = [
        one.opts
        for one in command_of(names).params
        if isinstance(one, click.Option) and not one.help
    ]
    assert short == []


def test_every_exit_status_is_in_the_page() -> None:
    assert {code for code, _ in EXITS} == set(ExitCode)


@pytest.fixture
def page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert typed("man") == 0
    path = tmp_path / "seccomp-synth.1"
    path.write_text(capsys.readouterr().out, encoding="ascii")
    return path


def test_the_page_has_every_command_and_option(page: Path) -> None:
    text = page.read_text()
    assert text.startswith('.TH SECCOMP\\-SYNTH 1 2023-11-14 "')
    sections = text.split("\n.SS ")
    titles = [one.split("\n", 1)[0] for one in sections[1:]]
    assert titles == [" ".join(names) for names in commands() if names]
    for names, section in zip([one for one in commands() if one], sections[1:], strict=True):
        for param in command_of(names).params:
            if isinstance(param, click.Option) and param.name not in ("quiet", "verbose"):
                assert param.opts[-1].replace("-", "\\-") in section


@pytest.mark.parametrize(
    "command", [("mandoc", "-Tlint", "-Wall"), ("groff", "-man", "-Tutf8", "-ww", "-z")]
)
def test_no_reader_complains(page: Path, command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]}")
    done = subprocess.run([*command, page], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_what_is_typed_in_examples_comes_out_as_it_is(page: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("there is no groff")
    done = subprocess.run(["groff", "-man", "-Tascii", page], capture_output=True, check=True)
    assert b'eval "$(seccomp-synth completion bash)"' in done.stdout
    assert b"~/.config/fish/completions/seccomp-synth.fish" in done.stdout
