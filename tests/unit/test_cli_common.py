"""Errors become one line and the right exit status; hostile text stays text."""

from __future__ import annotations

import click
import pytest

from synth.cli.common import clean, run_command, use_color
from synth.cli.main import COMMANDS, SUMMARIES, cli, main
from synth.errors import (
    DataError,
    ExitCode,
    HostError,
    Interrupted,
    SeccompSynthError,
    UsageError,
    WorkloadError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError, 2), (HostError, 3), (DataError, 4), (WorkloadError, 5), (Interrupted, 130)],
)
def test_an_expected_error_is_one_line(
    error: type[SeccompSynthError], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error("bad\nthing\x1b[31m", slug="some-slug", where="x.json", fix="mend it")

    assert run_command(fail) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "seccomp-synth: error: x.json: bad thing\\x1b[31m; mend it [some-slug]\n"


def test_a_bug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    assert run_command(fail) == ExitCode.BUG
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    assert run_command(fail) == 130


def test_a_command_returns_its_status() -> None:
    assert run_command(lambda: 1) == 1
    assert run_command(lambda: None) == 0


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b]8;;http://evil\x07", "\\x1b]8;;http://evil\\x07"),
        ("a\rb", "a\\rb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("tab\tand\nline stay", "tab\tand\nline stay"),
        ("größe – 大", "größe – 大"),
    ],
)
def test_control_characters_are_made_visible(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "expected"),
    [
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {}, True, True),
        ("auto", {}, False, False),
    ],
)
def test_color(choice: str, environment: dict[str, str], terminal: bool, expected: bool) -> None:
    assert use_color(choice, environment, terminal=terminal) is expected


def test_every_command_loads_and_has_help() -> None:
    assert set(COMMANDS) == set(SUMMARIES)
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
        assert command.help.splitlines()[0] == SUMMARIES[name], "one summary, said twice the same"


def test_a_typo_is_answered_with_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["recrod"])
    assert stop.value.code == 2
    assert "did you mean 'record'?" in capsys.readouterr().err


def test_without_a_command_help_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: cli.main([], standalone_mode=False)) == 2
    assert "\nCommands:\n  init " in capsys.readouterr().err


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["record", "--nope"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
