"""Write a commented ``seccomp-synth.toml``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from synth.config import ContainerSource
from synth.project.guess import Guess
from synth.text import printable

_HEADER = """\
# What seccomp-synth records, and where. All keys: docs/formats.md.
#   seccomp-synth record                     # needs root; writes {name}.recording.json
#   seccomp-synth synth {name}.recording.json -o out/
"""

_OPTIONS = """\
# What is said here goes before what that file says:
# user = "1000"
# environment = {NAME = "value"}
# mounts = ["fixtures:/fixtures:ro"]
# cap_add = ["SYS_PTRACE"]
# network = "none"
"""

_MODE = {
    "exec": "# exec: in one container that runs its own command; run: a container for each",
    "run": "# run: a container for each; exec: in one container that runs its own command",
}

_NONE = """\
# Nothing that looks like a test suite or a health check was found. A profile covers what the
# workloads do: write down what this container is for.
[[workload]]
name = "version"
run = "uname -a"
mode = "{mode}"
"""

_EXCEPTIONS = """\
# Calls that the recordings do not show and that shall be allowed all the same. Each appears in
# provenance.json and as a finding; one beyond the engine's default needs an owner.
# [[exception]]
# syscall = "ptrace"
# reason = "the debugger, on demand"
# owner = "you@example.org"
# expires = 2027-01-31
"""


def write_toml(
    name: str,
    container: ContainerSource | str,
    path: str,
    why: str,
    guesses: Sequence[Guess],
    mode: str,
) -> str:
    """Return the project file; ``container`` is an image's name or a file of the project.

    ``path`` is that file's, as it is to be written.
    """
    parts = [_HEADER.format(name=name), f"name = {quoted(name)}\n", "[container]"]
    parts[-1] += f"  # {printable(why, 200)}\n"
    if isinstance(container, str):
        parts[-1] += f"image = {quoted(container)}\n"
    else:
        parts[-1] += f"{container.kind} = {quoted(path)}\n"
        if container.service:
            parts[-1] += f"service = {quoted(container.service)}\n"
    parts[-1] += _OPTIONS
    entries = [_workload(one, mode) for one in guesses]
    if all(one.doubtful for one in guesses):
        entries.insert(0, _NONE.format(mode=mode))
    return "\n".join([*parts, *entries, _EXCEPTIONS])


def _workload(one: Guess, mode: str) -> str:
    words = one.command
    run = (
        quoted(words)
        if isinstance(words, str)
        else "[" + ", ".join(quoted(word) for word in words) + "]"
    )
    lines = [
        "[[workload]]",
        f"name = {quoted(one.name)}",
        f"run = {run}",
        f"mode = {quoted(mode)}  {_MODE[mode]}",
    ]
    if one.timeout_s:
        lines.append(f"timeout = {one.timeout_s}")
    head = f"# Guessed from: {printable(one.why, 200)}."
    if one.doubtful:
        head += " The container does not have the project's files, so that it is off."
        lines = [f"# {line}" for line in lines]
    return "\n".join([head, *lines]) + "\n"


def quoted(text: str) -> str:
    """Return ``text`` as a TOML basic string; what is not printable is escaped."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    out = []
    for one in text:
        if one in escapes:
            out.append(escapes[one])
        elif 0xD800 <= ord(one) <= 0xDFFF:  # noqa: PLR2004 - half a character is none
            out.append("?")
        elif unicodedata.category(one)[0] == "C" or unicodedata.category(one) in ("Zl", "Zp"):
            out.append(f"\\U{ord(one):08X}")
        else:
            out.append(one)
    return '"' + "".join(out) + '"'
