"""Complete words in the shell: names that only we know, for the options that take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from synth.baseline import available
from synth.config import DEFAULT_NAME, load_config
from synth.errors import SeccompSynthError
from synth.project.compose import read_compose
from synth.report.formats import FORMATS
from synth.syscalls import CAPABILITIES, SCMP_ARCHES, syscall_names

Completer = Callable[[click.Context, str], Iterable[str]]

MAX_COMPOSE = 32


class Completed(click.types.StringParamType):
    """A word whose completions we know; ``files`` if it may name a file as well."""

    def __init__(self, completer: Completer, *, files: bool = False) -> None:
        self.completer = completer
        self.files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what ``incomplete`` may become; rather nothing than an error."""
        try:
            words = [one for one in self.completer(ctx, incomplete) if one.startswith(incomplete)]
        except SeccompSynthError:
            words = []
        # the file first: the shells' scripts then offer files where no word fits
        files = [CompletionItem(incomplete, type="file")] if self.files else []
        return files + [CompletionItem(one) for one in words]


def add_completions(command: click.Command) -> None:
    """Complete the plain words of a command, and of those below it, by their names."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            add_completions(one)
    for param in command.params:
        known = _completed(command, param)
        if known is not None and type(param.type) is click.types.StringParamType:
            param.type = known


def _completed(command: click.Command, param: click.Parameter) -> Completed | None:
    completers = ARGUMENTS if isinstance(param, click.Argument) else OPTIONS
    for name in param.opts:
        completer = completers.get(f"{command.name} {name}") or completers.get(name)
        if completer is not None:
            return Completed(completer, files=name == "--against")
    return None


def _syscalls(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    return sorted(frozenset().union(*(syscall_names(arch) for arch in SCMP_ARCHES)))


def _baselines(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    return available()


def _capabilities(_ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Return the names as they are being typed: with ``CAP_`` or without, in any case."""
    bare = [one.removeprefix("CAP_") for one in CAPABILITIES]
    names = CAPABILITIES if incomplete.upper().startswith("CAP_") else [*bare, "ALL"]
    lower = incomplete != "" and incomplete == incomplete.lower()
    return [one.lower() for one in names] if lower else names


def _arches(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    return ("amd64", "arm64")


def _runtimes(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    return ("runc", "crun")


def _workloads(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    config = load_config(_config(ctx.params))
    return [one.name for one in config.workloads]


def _services(ctx: click.Context, _incomplete: str) -> Iterable[str]:
    typed = ctx.params.get("compose")
    if typed is None:
        source = load_config(_config(ctx.params)).source
        typed = None if source is None or source.kind != "compose" else source.path
    if typed is None:
        return ()
    services = [one.get("services") for one in read_compose(Path(typed)).documents[:MAX_COMPOSE]]
    names = {str(name) for one in services if isinstance(one, Mapping) for name in one}
    return sorted(name for name in names if re.fullmatch(r"[A-Za-z0-9._-]{1,128}", name))


def _emitters(_ctx: click.Context, incomplete: str) -> Iterable[str]:
    from synth.cli.emitting import EMITTERS

    before, comma, _ = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{one}" for one in (*EMITTERS, "none") if one not in taken]


def _formats(_ctx: click.Context, _incomplete: str) -> Iterable[str]:
    return FORMATS


def _config(params: Mapping[str, object]) -> Path:
    return Path(str(params.get("config") or DEFAULT_NAME))


OPTIONS: Mapping[str, Completer] = {
    "--against": _baselines,  # of diff and explain; check's takes files
    "--allow-capability": _capabilities,
    "--arch": _arches,
    "--baseline": _baselines,
    "--cap-add": _capabilities,
    "--cap-drop": _capabilities,
    "--emit": _emitters,
    "--only": _workloads,
    "--output": _formats,
    "--runtime": _runtimes,
    "--service": _services,
    "verify --name": _baselines,
}

ARGUMENTS: Mapping[str, Completer] = {"syscall": _syscalls, "show name": _baselines}
