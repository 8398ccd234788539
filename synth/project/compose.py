"""Find, check and read a project's compose files without running anything.

What ``docker compose config`` would read is checked here first: only files of the project, no
remote ones, no bombs.  Where there is no such command the files are merged here; ``extends`` and
``include`` then have to be refused, as Compose's rules for them are long.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.files import read_bounded
from synth.project.interpolate import Interpolator, parse_env_file
from synth.project.yaml import Override, Reset, load_yaml
from synth.text import nearest

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
MAX_FILES = 32
MAX_ENV_BYTES = 256 * 1024

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|oci:|git@|[^/]+\.git(#|$)|github\.com/", re.I)
_REPLACED = frozenset({"command", "entrypoint"})
_LISTS = frozenset({"env_file", "tmpfs"})  # or one string
_MAPS = frozenset({"environment", "labels", "args", "annotations"})
"""Lists of ``NAME=VALUE`` that are maps in truth: a later value replaces an earlier one."""


@dataclass(frozen=True)
class ComposeFiles:
    """The files of a project, checked, and whether Compose's own reader is needed for them."""

    files: tuple[Path, ...]
    documents: tuple[dict[str, Any], ...]
    needs_compose: bool

    @property
    def folder(self) -> Path:
        """Return the project's folder, where Compose resolves paths."""
        return self.files[0].parent


def find_compose(folder: Path) -> Path | None:
    """Return the compose file that Compose would take in ``folder``."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read_compose(path: Path) -> ComposeFiles:
    """Read a compose file, its ``override`` companion, and whatever they include or extend.

    Raises ``UsageError`` for what is not a compose file, and for files outside the project.
    """
    path = Path(os.path.abspath(path))
    files = [path]
    if path.name in NAMES:
        stem = path.name.rsplit(".", 1)[0]
        others = (path.with_name(f"{stem}.override.{end}") for end in ("yml", "yaml"))
        files += [one for one in others if one.is_file()][:1]
    documents = tuple(_document(one) for one in files)
    further: list[Path] = []
    for file, document in zip(files, documents, strict=True):
        further += _references(document, file, path.parent)
    seen = set(files)
    while further:
        one = further.pop()
        if one in seen:
            continue
        seen.add(one)
        if len(seen) > MAX_FILES:
            raise bad_compose(f"more than {MAX_FILES} files", str(path))
        further += _references(_document(one), one, path.parent)
    return ComposeFiles(tuple(files), documents, len(seen) > len(files) or _extends(documents))


def merge_compose(
    source: ComposeFiles, environment: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the project as one document with variables put in, and the names of unset ones.

    ``environment`` goes before the project's ``.env``.  Raises ``UsageError`` if the files
    include or extend others.
    """
    where = str(source.files[0])
    if source.needs_compose:
        raise UsageError(
            "include and extends are resolved by docker compose, which is not here",
            where=where,
            slug="compose-needed",
            fix="install docker's compose plugin (docker compose version)",
        )
    variables: dict[str, str] = {}
    dotenv = source.folder / ".env"
    if dotenv.is_file() and inside(dotenv, source.folder):
        found = parse_env_file(_text(dotenv), environment, str(dotenv))
        variables.update({name: value for name, value in found.items() if value is not None})
    variables.update(environment)
    merged: Any = {}
    unset: set[str] = set()
    for file, document in zip(source.files, source.documents, strict=True):
        interpolator = Interpolator(variables, str(file))
        merged = _merge(merged, interpolator.document(document), ())
        unset |= interpolator.unset
    merged.setdefault("name", variables.get("COMPOSE_PROJECT_NAME") or source.folder.name)
    merged["name"] = project_name(str(merged["name"]))
    for name, service in merged.get("services", {}).items():
        service["environment"] = _environment(service, variables, source.folder, f"{where}: {name}")
    return merged, tuple(sorted(unset))


def project_name(text: str) -> str:
    """Return a project's name as Compose normalises it."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-") or "default"


def service_of(document: Mapping[str, Any], name: str | None, where: str) -> tuple[str, Any]:
    """Return name and mapping of one service; the only one if ``name`` is ``None``."""
    services = document.get("services")
    if not isinstance(services, dict) or not services:
        raise bad_compose("no services", where)
    if name is None and len(services) == 1:
        name = next(iter(services))
    if name is None or name not in services:
        what = "several services" if name is None else f"no service {name[:64]!r}"
        listed = ", ".join(str(one)[:64] for one in list(services)[:20])
        fix = nearest(name or "", (str(one) for one in services), f"choose from {listed}")
        raise UsageError(what, where=where, slug="no-such-service", fix=fix)
    service = services[name]
    if not isinstance(service, dict):
        raise bad_compose(f"services.{name[:64]} is not a map", where)
    return name, service


def bad_compose(what: str, where: str) -> UsageError:
    """Return the error for a compose file that says something impossible."""
    return UsageError(what, where=where, slug="bad-compose", fix="see the Compose file reference")


def inside(path: Path, folder: Path) -> bool:
    """Tell whether ``path`` is in ``folder``, links followed."""
    return path.resolve().is_relative_to(folder.resolve())


def _document(path: Path) -> dict[str, Any]:
    document = load_yaml(path)
    if not isinstance(document, dict):
        raise bad_compose("not a compose file: the top level is not a map", str(path))
    services = document.get("services", {})
    if not isinstance(services, dict):
        raise bad_compose("services is not a map", str(path))
    for name, service in services.items():
        if not isinstance(service, dict | Override | Reset):
            raise bad_compose(f"services.{name[:64]} is not a map", str(path))
    return document


def _references(document: Mapping[str, Any], file: Path, folder: Path) -> list[Path]:
    """Return the compose files that one refers to; check that all it reads is the project's."""
    found: list[Path] = []
    for one in _listed(document.get("include")):
        paths = one.get("path") if isinstance(one, dict) else one
        found += [_own(text, file, folder) for text in _listed(paths)]
        if isinstance(one, dict):
            for text in _listed(one.get("env_file")):
                _own(text, file, folder)
    for service in document.get("services", {}).values():
        if not isinstance(service, dict):
            continue
        extends = service.get("extends")
        if isinstance(extends, dict) and "file" in extends:
            found.append(_own(extends["file"], file, folder))
        for entry in _listed(service.get("env_file")):
            _own(entry.get("path") if isinstance(entry, dict) else entry, file, folder)
    return found


def _own(text: Any, file: Path, folder: Path) -> Path:
    if not isinstance(text, str) or not text:
        raise bad_compose("a file is not named by a string", str(file))
    if _REMOTE.match(text):
        raise UsageError(
            f"refers to a remote file: {text[:80]!r}",
            where=str(file),
            slug="outside-project",
            fix="copy it into the project",
        )
    path = Path(os.path.abspath(file.parent / text))
    if "$" not in text and not inside(path, folder):
        raise UsageError(
            f"refers to a file outside the project: {text[:80]!r}",
            where=str(file),
            slug="outside-project",
            fix="copy it into the project",
        )
    if "$" in text:
        raise UsageError(
            f"refers to a file by a variable: {text[:80]!r}",
            where=str(file),
            slug="outside-project",
            fix="name the file itself",
        )
    return path


def _extends(documents: tuple[dict[str, Any], ...]) -> bool:
    return any(
        isinstance(service, dict) and "extends" in service
        for document in documents
        for service in document.get("services", {}).values()
    )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _merge(base: Any, over: Any, path: tuple[str, ...]) -> Any:
    if isinstance(over, Override):
        return over.value
    if isinstance(base, dict) and isinstance(over, dict):
        result = dict(base)
        for key, value in over.items():
            if isinstance(value, Reset):
                result.pop(key, None)
            else:
                result[key] = _merge(result.get(key), value, (*path, key))
        return result
    if base is None or (path and path[-1] in _REPLACED):
        return _untagged(over)
    if path and path[-1] in _MAPS:
        return {**_as_map(base), **_as_map(over)}
    if path and path[-1] in _LISTS:
        base, over = _listed(base), _listed(over)
    if isinstance(base, list) and isinstance(over, list):
        return _appended(base, over, path)
    return over


def _untagged(value: Any) -> Any:
    """Return a value that is merged with nothing: tags have nothing to act on."""
    if isinstance(value, dict):
        return {key: _untagged(one) for key, one in value.items() if not isinstance(one, Reset)}
    return value.value if isinstance(value, Override) else value


def _appended(base: list[Any], over: list[Any], path: tuple[str, ...]) -> list[Any]:
    """Append, except that a volume replaces one at the same place."""
    if path[-1] == "volumes":
        taken = {_volume_target(one) for one in over}
        base = [one for one in base if _volume_target(one) not in taken]
    return [*base, *(one for one in over if one not in base)]


def _volume_target(volume: Any) -> str:
    if isinstance(volume, dict):
        return str(volume.get("target", ""))
    parts = str(volume).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _as_map(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    pairs = (str(one).partition("=") for one in _listed(value))
    return {name: text if given else None for name, given, text in pairs}


def _environment(
    service: Mapping[str, Any], variables: Mapping[str, str], folder: Path, where: str
) -> dict[str, str]:
    """Return the variables of a service: its files', then its own; bare names are looked up."""
    found: dict[str, Any] = {}
    for entry in _listed(service.get("env_file")):
        name = entry.get("path") if isinstance(entry, dict) else entry
        required = entry.get("required", True) if isinstance(entry, dict) else True
        path = folder / str(name)
        if path.is_file():
            found.update(parse_env_file(_text(path), variables, str(path)))
        elif required:
            raise bad_compose(f"env_file {str(name)[:80]!r} is not there", where)
    found.update(_as_map(service.get("environment")))
    result = {}
    for name, value in found.items():
        taken = variables.get(name) if value is None else value
        if taken is not None:
            result[name] = str(taken).lower() if isinstance(taken, bool) else str(taken)
    return result


def _text(path: Path) -> str:
    try:
        return read_bounded(path, limit=MAX_ENV_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise bad_compose("not UTF-8", str(path)) from None
