"""``seccomp-synth completion``: write the script that lets a shell complete our words."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class

from synth.errors import ExitCode, UsageError

SHELLS = ("bash", "zsh", "fish")
PROGRAM, VARIABLE = "seccomp-synth", "_SECCOMP_SYNTH_COMPLETE"


@click.command()
@click.argument("shell", required=False, type=click.Choice(SHELLS), metavar="SHELL")
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> int:
    """Write what makes a shell complete commands, options, files and names.

    SHELL is that of $SHELL if it is not given. Names are syscalls, capabilities, default profiles,
    and the workloads and services of the project.

    \b
    Example:
      eval "$(seccomp-synth completion bash)"
      seccomp-synth completion fish > ~/.config/fish/completions/seccomp-synth.fish
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    made = get_completion_class(name) if name in SHELLS else None
    if made is None:
        raise UsageError(
            f"no completions are known for the shell {name[:40]!r}",
            where="completion",
            slug="no-such-shell",
            fix=f"name one of {', '.join(SHELLS)}",
        )
    click.echo(made(ctx.find_root().command, {}, PROGRAM, VARIABLE).source(), nl=False)
    return int(ExitCode.OK)
