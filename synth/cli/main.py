"""Offer the command line: options for all commands, and the commands, loaded when named."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from synth import __version__
from synth.cli.choosing import offer_nearest
from synth.cli.common import Settings, run_command, use_color
from synth.text import nearest

# name -> module:attribute; the module is imported only when its command is asked for, so that
# ``--help`` and the pure commands need neither Linux nor root nor an engine.
COMMANDS = {
    "init": "synth.cli.init:init",
    "record": "synth.cli.record:record",
    "synth": "synth.cli.synth:synth",
    "validate": "synth.cli.validate:validate",
    "observe": "synth.cli.observe:observe",
    "check": "synth.cli.check:check",
    "combine": "synth.cli.combine:combine",
    "diff": "synth.cli.diff:diff",
    "explain": "synth.cli.explain:explain",
    "report": "synth.cli.report:report",
    "lint": "synth.cli.lint:lint_command",
    "baseline": "synth.cli.baseline:baseline",
    "doctor": "synth.cli.doctor:doctor",
    "completion": "synth.cli.completion:completion",
    "man": "synth.cli.manual:man",
}

SUMMARIES = {
    "init": "Write a seccomp-synth.toml from the project's compose, devcontainer or Docker files.",
    "record": "Record the syscalls and capabilities that workloads use in a container.",
    "synth": "Make a minimal seccomp profile and capability list from recordings.",
    "validate": "Replay recorded workloads under a profile and name what it denies.",
    "observe": "Log what a profile would refuse before it refuses, and read what was logged.",
    "check": "Record again and fail if the committed profile no longer fits.",
    "combine": "Make one recording of many of the same container.",
    "diff": "Compare a profile with a default or another; a replay or recording with an older.",
    "explain": "Say what a syscall is, how risky, who allows it and who used it.",
    "report": "Write what a reviewer reads: verdict, evidence, what is left and what stays shut.",
    "lint": "Name what engines would ignore, misread or refuse in a profile.",
    "baseline": "Show, import and verify the default profiles of engines.",
    "doctor": "Say what this host can do, and the command that mends what it can't.",
    "completion": "Write what makes a shell complete commands, options, files and names.",
    "man": "Write the manual page, with all commands, for man(1).",
}


class LazyGroup(click.Group):
    """A click group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or ``None``."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a typo in COMMANDS, not input
        _add_verbosity(command)
        offer_nearest(command)
        if ctx.resilient_parsing:  # completing, which needs more than running does
            from synth.cli.completing import add_completions

            add_completions(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from ``SUMMARIES``, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that ``incomplete`` may become, without importing them."""
        items = [
            CompletionItem(name, help=SUMMARIES[name])
            for name in COMMANDS
            if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command name, offering the nearest one for a typo."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            hint = nearest(name, COMMANDS, f"choose from {', '.join(COMMANDS)}")
            ctx.fail(f"no such command {name[:64]!r}; {hint}")
        return super().resolve_command(ctx, args)


def _add_verbosity(command: click.Command) -> None:
    """Let -q and -v be typed after the command as well, where people try them first."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _add_verbosity(one)

    def change(ctx: click.Context, param: click.Parameter, value: int) -> None:
        if value:
            settings = ctx.ensure_object(Settings)
            settings.verbosity = -1 if param.name == "quiet" else settings.verbosity + value

    if any(param.name == "verbose" for param in command.params):
        return
    for names, counted, text in (
        (["-q", "--quiet"], False, "Say less."),
        (["-v", "--verbose"], True, "Say more."),
    ):
        option = click.Option(
            names,
            is_flag=not counted or None,
            count=counted,
            expose_value=False,
            callback=change,
            help=text,
        )
        command.params.append(option)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="seccomp-synth")
@click.option("-q", "--quiet", is_flag=True, help="Print errors and warnings only.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for debugging.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour the output; NO_COLOR and FORCE_COLOR count too.",
)
@click.pass_context
def cli(ctx: click.Context, quiet: bool, verbose: int, color: str) -> None:
    """Give a container exactly what it needs.

    Record what workloads use, make a minimal seccomp profile and capability list from it, and
    prove it by replaying them.

    \b
    Example:
      seccomp-synth record debian:bookworm -o ls.recording.json -- ls -la /
      seccomp-synth synth ls.recording.json -o out/
      seccomp-synth validate ls.recording.json --profile out/seccomp.json
      seccomp-synth diff out/seccomp.json
    """
    settings = ctx.ensure_object(Settings)
    settings.verbosity = -1 if quiet else verbose
    environment = dict(os.environ)
    settings.color = use_color(color, environment, terminal=sys.stderr.isatty())
    settings.answer_color = use_color(color, environment, terminal=sys.stdout.isatty())


offer_nearest(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    settings = Settings()

    def run() -> object:
        return cli.main(arguments, "seccomp-synth", standalone_mode=False, obj=settings)

    sys.exit(run_command(run, settings))


if __name__ == "__main__":
    main()
