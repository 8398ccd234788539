"""Guess from a project's files what its workloads are: tests, installation, git, health."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import SeccompSynthError
from synth.files import parse_json, read_bounded
from synth.project.described import Described

MAX_BYTES = 1024 * 1024
LIFECYCLE_TIMEOUT_S = 900


@dataclass(frozen=True)
class Guess:
    """A workload that a project seems to have, and why we think so.

    ``command`` is a shell line or words; ``tried`` is what it tries until that succeeds.  A
    doubtful one is written as a comment.
    """

    name: str
    command: str | tuple[str, ...]
    why: str
    doubtful: bool = False
    timeout_s: int = 0
    tried: tuple[str, ...] = ()

    def shown(self) -> str:
        """Return the command as a reader wants to see it."""
        if self.tried:
            return f"{' '.join(self.tried)} (tried until it succeeds)"
        return self.command if isinstance(self.command, str) else " ".join(self.command)


def guess_workloads(
    folder: Path, described: Described | None, lifecycle: dict[str, tuple[str, ...]]
) -> tuple[Guess, ...]:
    """Return the guesses for a project, the surest first, names unique.

    What works on the project's files is doubtful if the container does not have them.
    """
    found: list[Guess] = []
    if described is not None and described.check:
        check = described.check
        why = "the service's health check"
        found.append(Guess("health", waiting(check), why, tried=check))
    found += [
        Guess(name_of(key), command, f"{key} of devcontainer.json", timeout_s=LIFECYCLE_TIMEOUT_S)
        for key, command in lifecycle.items()
    ]
    mounts = described.container.mounts if described is not None else ()
    has_files = any(source == str(folder) for source, _, _ in mounts)
    for one in _on_files(folder):
        found.append(one if has_files else Guess(one.name, one.command, one.why, doubtful=True))
    unique: dict[str, Guess] = {}
    for one in found:
        unique.setdefault(one.name, one)
    return tuple(unique.values())


def waiting(check: tuple[str, ...]) -> tuple[str, ...]:
    """Return a health check that is tried until it succeeds, for half a minute."""
    loop = 'n=0; until "$@"; do n=$((n+1)); [ "$n" -lt 30 ] || exit 1; sleep 1; done'
    return ("sh", "-c", loop, "sh", *check)


def name_of(text: str) -> str:
    """Return ``text`` as the name of a workload."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", text).lower()
    cleaned = re.sub(r"[^a-z0-9._-]+", "-", spaced).strip("-.")[:64]
    return cleaned if cleaned not in ("", "main") else "work"


def _on_files(folder: Path) -> Iterator[Guess]:
    yield from _python(folder)
    yield from _node(folder)
    if (folder / "go.mod").is_file():
        yield Guess("tests", "go test ./...", "go.mod")
        yield Guess("install", "go mod download", "go.mod")
    if (folder / "Cargo.toml").is_file():
        yield Guess("tests", "cargo test", "Cargo.toml")
        yield Guess("install", "cargo fetch", "Cargo.toml")
    target = re.search(r"^(test|check)[ \t]*:(?!=)", _text(folder / "Makefile"), re.MULTILINE)
    if target:
        yield Guess("tests", f"make {target[1]}", "a target of the Makefile")
    if (folder / ".git").exists():
        yield Guess("git", "git status && git log -n 1 && git diff --stat", "the folder .git")


def _python(folder: Path) -> Iterator[Guess]:
    settings = _toml(folder / "pyproject.toml")
    tool = settings.get("tool")
    mentions = "pytest" in (tool if isinstance(tool, dict) else {})
    configured = mentions or any((folder / name).is_file() for name in ("pytest.ini", "tox.ini"))
    is_python = bool(settings) or any(
        (folder / name).is_file() for name in ("setup.py", "setup.cfg", "requirements.txt")
    )
    if configured or (is_python and (folder / "tests").is_dir()):
        why = "pytest is configured" if configured else "a Python project with a folder tests"
        yield Guess("tests", "python3 -m pytest -q -p no:cacheprovider", why)
    target = "--target /tmp/seccomp-synth-install"  # not into the project, and by any user
    if (folder / "requirements.txt").is_file():
        yield Guess(
            "install",
            f"python3 -m pip install --no-input {target} -r requirements.txt",
            "requirements.txt",
        )
    elif "project" in settings or (folder / "setup.py").is_file():
        why = "pyproject.toml" if settings else "setup.py"
        yield Guess("install", f"python3 -m pip install --no-input {target} .", why)


def _node(folder: Path) -> Iterator[Guess]:
    path = folder / "package.json"
    if not path.is_file():
        return
    try:
        document = parse_json(read_bounded(path, limit=MAX_BYTES), where=str(path))
    except SeccompSynthError:
        return  # not ours to mend, and a guess less
    scripts = document.get("scripts") if isinstance(document, dict) else None
    test = scripts.get("test") if isinstance(scripts, dict) else None
    if isinstance(test, str) and "no test specified" not in test:
        yield Guess("tests", "npm test", "the script test of package.json")
    locked = (folder / "package-lock.json").is_file()
    why = "package-lock.json" if locked else "package.json"
    yield Guess("install", "npm ci" if locked else "npm install", why)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _text(path: Path) -> str:
    """Return a file of the project as text; empty if it is not there or not to be read."""
    try:
        return read_bounded(path, limit=MAX_BYTES).decode("utf-8", "replace")
    except SeccompSynthError:
        return ""
