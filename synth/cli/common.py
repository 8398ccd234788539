"""Share what every command needs: consoles, escaping, the mapping of errors to exit statuses."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from synth.errors import ExitCode, SeccompSynthError
from synth.text import visible as clean

__all__ = ["Settings", "clean", "pass_settings", "run_command", "usage_hint", "use_color"]

COLORS = {"error": "red", "missing": "red", "warning": "yellow", "limited": "yellow", "ok": "green"}

_STATES = re.compile(
    r"(?<![\w-])(error|warning)(?=\[SS\d{3}\])|^(?:ok|limited|missing)(?= )", re.MULTILINE
)

ISSUES = "please report it with the lines above"


@dataclass
class Settings:
    """What the options before the command say: verbosity (-1 quiet, 0, 1 …) and colour.

    ``color`` is for stderr, ``answer_color`` for stdout: one of them may be no terminal.
    """

    verbosity: int = 0
    color: bool = False
    answer_color: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, text: str, *, level: int = 0) -> None:
        """Print one line on stderr unless the user asked for less."""
        if self.verbosity >= level:
            click.echo(clean(text), err=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr; ``-q`` does not silence it."""
        label = painted("warning", self.color)
        click.echo(f"seccomp-synth: {label}: {clean(text)}", err=True, color=self.color)

    def next(self, *words: object, root: bool = False) -> None:
        """Say what to type next, so that it can be pasted whatever the paths are."""
        line = shlex.join(("seccomp-synth", *map(str, words)))
        self.note(f"next: {'sudo ' if root else ''}{line}")

    def answer(self, text: str) -> None:
        """Print lines for people on stdout, states and severities in their colours."""
        shown = clean(text)
        if self.answer_color:
            shown = _STATES.sub(lambda found: painted(found[0], True), shown)
        click.echo(shown, nl=False, color=self.answer_color)


def painted(word: str, color: bool) -> str:
    """Return one of our own words in its colour."""
    return click.style(word, fg=COLORS[word], bold=True) if color else word


pass_settings = click.make_pass_decorator(Settings, ensure=True)


def use_color(choice: str, environment: dict[str, str], *, terminal: bool) -> bool:
    """Decide on colour: the option, then NO_COLOR and FORCE_COLOR, then the terminal."""
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return terminal and environment.get("TERM") != "dumb"


def run_command(main: Callable[[], object], settings: Settings | None = None) -> int:
    """Run the click command ``main`` and return the exit status of the process.

    Expected errors become one line on stderr; the rest is our bug and shows its traceback.
    ``settings`` are those that ``main`` reads into.
    """
    settings = settings or Settings()
    try:
        result = main()
    except SeccompSynthError as error:
        _complain(f"{error} [{error.slug}]", settings)
        return int(error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        hint = f" [{usage_hint(error)}]" if usage_hint(error) else ""
        _complain(f"{error.format_message()}{hint}", settings)
        return int(ExitCode.USAGE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("seccomp-synth: interrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone; nothing more can be said, and Python must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception:
        traceback.print_exc()
        click.echo(f"seccomp-synth: this is a bug in seccomp-synth; {ISSUES}", err=True)
        return int(ExitCode.BUG)
    return result if isinstance(result, int) else 0


def _complain(text: str, settings: Settings) -> None:
    line = clean(text).replace("\n", " ")
    label = painted("error", settings.color)
    click.echo(f"seccomp-synth: {label}: {line}", err=True, color=settings.color)


def usage_hint(error: click.ClickException) -> str:
    """Return the help command that belongs to a usage error, or nothing."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"see {error.ctx.command_path} --help"
    return ""
