"""Write the manual page from what the commands say of themselves."""

from __future__ import annotations

import datetime
import inspect
import os
import textwrap
from collections.abc import Iterator, Sequence

import click

from synth import __version__
from synth.cli.emitting import today
from synth.errors import ExitCode

EXITS = (
    (ExitCode.OK, "done; the answer is yes"),
    (ExitCode.ANSWER_IS_NO, "the answer is no: failed validation, drift, a wider profile"),
    (ExitCode.USAGE, "usage or configuration"),
    (ExitCode.HOST_CANNOT, "this host cannot do it; the message says what to do"),
    (ExitCode.BAD_DATA, "bad, incomplete or unhealthy data"),
    (ExitCode.WORKLOAD_FAILED, "a workload failed while it was recorded"),
    (ExitCode.BUG, "a bug of ours"),
    (ExitCode.INTERRUPTED, "interrupted; what was recorded is saved and marked partial"),
)

ENVIRONMENT = (
    ("NO_COLOR, FORCE_COLOR", "No colour, or colour though the output is no terminal."),
    ("DOCKER_HOST, CONTAINER_HOST", "Where the engine's socket is; it has to be on this host."),
    ("SOURCE_DATE_EPOCH", "The day on which exceptions are looked at, instead of today."),
)

FILES = (
    ("seccomp-synth.toml", "Project file: container, workloads, exceptions. Written by init."),
    ("NAME.recording.json", "What record writes and synth, validate, check and report read."),
)

SEE_ALSO = (("capabilities", 7), ("docker", 1), ("podman", 1), ("seccomp", 2), ("syscalls", 2))

_ESCAPES = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    '"': r"\(dq",
}


@click.command()
@click.pass_context
def man(ctx: click.Context) -> int:
    """Write the manual page, with all commands, for man(1).

    \b
    Example:
      seccomp-synth man | man -l -
      seccomp-synth man > /usr/local/share/man/man1/seccomp-synth.1
    """
    click.echo(manual_page(ctx.find_root(), today(os.environ)), nl=False)
    return int(ExitCode.OK)


def manual_page(root: click.Context, date: datetime.date) -> str:
    """Return the page in the language of man(7)."""
    program = root.info_name or "seccomp-synth"
    group = root.command
    lines = [
        f'.TH {_plain(program.upper())} 1 {date.isoformat()} "{_plain(program)} {__version__}"',
        ".SH NAME",
        f"{_plain(program)} \\- {_plain(_first(group).removesuffix('.'))}",
        ".SH SYNOPSIS",
        *_usage(group, root),
        ".SH DESCRIPTION",
        *_prose(group),
        ".SH OPTIONS",
        *_options(group, root),
        ".SH COMMANDS",
        "Each takes \\-h, \\-q and \\-v as well.",
        *(line for one, ctx in _below(group, root) for line in _command(one, ctx)),
        *_list("EXIT STATUS", [(str(int(code)), text) for code, text in EXITS]),
        *_list("ENVIRONMENT", ENVIRONMENT),
        *_list("FILES", FILES),
        ".SH SEE ALSO",
    ]
    last = len(SEE_ALSO) - 1
    lines += [
        f".BR {name} ({section}){',' if index < last else ''}"
        for index, (name, section) in enumerate(SEE_ALSO)
    ]
    return "\n".join(lines) + "\n"


def _below(
    command: click.Command, ctx: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield every command below a group, each group before its own."""
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(ctx):
        one = command.get_command(ctx, name)
        if one is not None and not one.hidden:
            inner = click.Context(one, info_name=name, parent=ctx)
            yield one, inner
            yield from _below(one, inner)


def _command(command: click.Command, ctx: click.Context) -> list[str]:
    name = ctx.command_path.split(" ", 1)[1]
    return [
        f".SS {_plain(name)}",
        *_usage(command, ctx),
        ".PP",
        *_prose(command),
        *_options(command, ctx),
    ]


def _usage(command: click.Command, ctx: click.Context) -> list[str]:
    words = [_plain(one) for one in command.collect_usage_pieces(ctx)]
    return [f"\\fB{_plain(ctx.command_path)}\\fP {' '.join(words)}"]


def _prose(command: click.Command) -> list[str]:
    """Return the help text; what click is told not to wrap stays as it is."""
    lines: list[str] = []
    text = inspect.cleandoc(command.help or "").split("\f")[0]
    for paragraph in text.split("\n\n"):
        kept = paragraph.startswith("\b")
        lines += [".PP"] if lines else []
        if kept:
            body = paragraph.removeprefix("\b").strip("\n").splitlines()
            lines += [".nf", *(_line(one) for one in body), ".fi"]
        else:
            lines += _filled(paragraph)
    return lines


def _options(command: click.Command, ctx: click.Context) -> list[str]:
    general = () if ctx.parent is None else ("quiet", "verbose")
    lines = []
    for param in command.params:
        if not isinstance(param, click.Option) or param.name in general:
            continue
        record = param.get_help_record(ctx)
        if record is not None:
            lines += [".TP", f"\\fB{_plain(record[0])}\\fP", *_filled(record[1])]
    return lines


def _list(title: str, entries: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f".SH {title}"]
    for name, text in entries:
        lines += [".TP", f"\\fB{_plain(name)}\\fP", *_filled(text)]
    return lines


def _first(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").splitlines()[0]


def _filled(text: str) -> list[str]:
    """Return a paragraph in lines of a length that linters like."""
    return [
        _line(one)
        for one in textwrap.wrap(text, 60, break_on_hyphens=False, break_long_words=False)
    ]


def _line(text: str) -> str:
    """Return one line of text that is no request, whatever it begins with."""
    plain = _plain(text)
    return f"\\&{plain}" if plain.startswith((".", "\\(aq")) else plain


def _plain(text: str) -> str:
    """Return text without anything that roff would act on or show as another character."""
    return "".join(
        _ESCAPES.get(one) or (one if " " <= one <= "~" else f"\\[u{ord(one):04X}]") for one in text
    )
