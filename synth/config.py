"""Read the project file ``seccomp-synth.toml``: the container and the workloads."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.exceptions import SyscallException, read_exceptions
from synth.files import parse_json, read_bounded
from synth.model import Container, Workload
from synth.syscalls import CAPABILITIES
from synth.text import nearest
from synth.workloads import check_masks, command_of, read_workload

DEFAULT_NAME = "seccomp-synth.toml"
MAX_CONFIG_BYTES = 1024 * 1024

# Docker's reference grammar, loosely: it keeps out options, spaces and control characters.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_MOUNT_PARTS = (2, 3)
_CHANGES = frozenset(
    [
        "user",
        "workdir",
        "network",
        "tty",
        "no_new_privileges",
        "cap_add",
        "cap_drop",
        "environment",
        "mounts",
        "command",
    ]
)


@dataclass(frozen=True)
class ContainerSource:
    """The project's own file that describes the container: ``compose`` or ``devcontainer``.

    ``service`` is empty for a compose file's only one.
    """

    kind: str
    path: Path
    service: str = ""


@dataclass(frozen=True)
class Config:
    """A project file's content.  ``name`` is the folder's unless the file says another.

    ``engine`` is ``docker``, ``podman`` or empty: what is there.
    ``masks`` are regular expressions: what they match does not count when outputs are compared.
    With a ``source`` the container is what that says, changed by the names in ``changed``, whose
    values ``container`` has.  ``unconfined``: the source runs it without a filter.
    """

    name: str
    container: Container
    workloads: tuple[Workload, ...]
    engine: str = ""
    source: ContainerSource | None = None
    changed: frozenset[str] = frozenset()
    exceptions: tuple[SyscallException, ...] = ()
    unconfined: bool = False
    masks: tuple[str, ...] = ()

    def applied(self, base: Container) -> Container:
        """Return the source's container with what the project file says put over it."""
        values = {name: getattr(self.container, name) for name in self.changed}
        if "environment" in values:
            merged = {**dict(base.environment), **dict(self.container.environment)}
            values["environment"] = tuple(sorted(merged.items()))
        if "mounts" in values:
            taken = {target for _, target, _ in self.container.mounts}
            kept = {mount for mount in base.mounts if mount[1] not in taken}
            values["mounts"] = tuple(sorted(kept | set(self.container.mounts)))
        return replace(base, **values)


def load_config(path: Path) -> Config:
    """Read and check a project file.

    Raises ``UsageError`` that names the key.
    """
    return parse_config(read_bounded(path, limit=MAX_CONFIG_BYTES), path)


def parse_config(content: bytes, path: Path) -> Config:
    """Return what a project file at ``path`` says; see ``load_config``."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(str(path), f"not valid TOML ({error})") from None
    _check_schema(document, str(path))
    name = document.get("name") or slug(path.resolve().parent.name)
    workloads = tuple(read_workload(entry, str(path)) for entry in document["workload"])
    names = [workload.name for workload in workloads]
    for one in names:
        if names.count(one) > 1:
            raise _bad(str(path), f"two workloads are named {one!r}")
        if one == "main":
            raise _bad(str(path), "'main' is the name of the container's own process")
    table = document["container"]
    source = _source(table, path)
    return Config(
        name,
        _container(table, path),
        workloads,
        table.get("engine", ""),
        source,
        frozenset(table) & _CHANGES if source else frozenset(),
        read_exceptions(document.get("exception", []), str(path)),
        masks=check_masks(document.get("masks", ()), str(path)),
    )


def slug(text: str) -> str:
    """Return ``text`` as a safe file name part: ``[a-z0-9._-]``, at most 64 characters."""
    cleaned = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")[:64]
    return cleaned or "container"


def check_image(reference: str, where: str) -> str:
    """Return an image reference; raises ``UsageError`` if it cannot be one."""
    if not _IMAGE.fullmatch(reference):
        raise UsageError(
            f"not an image name: {reference[:80]!r}",
            where=where,
            slug="bad-image-name",
            fix="name it as docker does, such as debian:bookworm",
        )
    return reference


def capability_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return capabilities as ``CAP_…``, sorted; ``ALL`` and any case are understood.

    Raises ``UsageError`` for an unknown one.
    """
    found = set()
    for name in names:
        upper = name.strip().upper()
        full = upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"
        if full != "ALL" and full not in CAPABILITIES:
            bare = [known.removeprefix("CAP_") for known in CAPABILITIES]
            near = get_close_matches(full.removeprefix("CAP_"), bare, n=1)
            hint = f"did you mean CAP_{near[0]}?" if near else "see capabilities(7)"
            raise UsageError(
                f"unknown capability {name[:40]!r}",
                where=where,
                slug="unknown-capability",
                fix=hint,
            )
        found.add(full)
    return tuple(sorted(found))


def parse_mount(text: str, where: str, folder: Path) -> tuple[str, str, str]:
    """Return ``(source, target, mode)`` of ``SRC:DST[:ro|rw]``; SRC is relative to ``folder``."""
    parts = text.split(":")
    if len(parts) not in _MOUNT_PARTS or not parts[0] or not parts[1].startswith("/"):
        raise _bad(where, f"not a mount: {text[:80]!r}", "write SRC:DST or SRC:DST:ro")
    mode = parts[2] if len(parts) == _MOUNT_PARTS[1] else "rw"
    if mode not in ("ro", "rw"):
        raise _bad(where, f"mount mode {mode[:20]!r} is neither ro nor rw")
    return (str((folder / Path(parts[0]).expanduser()).resolve()), parts[1], mode)


def parse_variable(name: str, value: str, where: str) -> tuple[str, str]:
    """Return ``(name, value)`` of an environment variable; raises ``UsageError``."""
    if not _VARIABLE.fullmatch(name):
        raise _bad(where, f"not a variable name: {name[:80]!r}")
    return (name, value)


def _source(table: dict[str, Any], path: Path) -> ContainerSource | None:
    """Return what the container is taken from; ``None`` for an image."""
    kinds = [kind for kind in ("image", "compose", "devcontainer") if kind in table]
    if len(kinds) != 1:
        what = f"{' and '.join(kinds)} exclude each other" if kinds else "nothing to run"
        fix = "name one of image, compose (with service) and devcontainer"
        raise _bad(f"{path}: container", what, fix)
    if "service" in table and kinds != ["compose"]:
        raise _bad(f"{path}: container", "service belongs to compose")
    if kinds == ["image"]:
        return None
    return ContainerSource(kinds[0], path.parent / table[kinds[0]], table.get("service", ""))


def _container(table: dict[str, Any], path: Path) -> Container:
    where = f"{path}: container"
    return Container(
        image=check_image(table["image"], where) if "image" in table else "",
        user=table.get("user", ""),
        workdir=table.get("workdir", ""),
        network=table.get("network", "default"),
        tty=table.get("tty", False),
        no_new_privileges=table.get("no_new_privileges", False),
        cap_add=capability_names(table.get("cap_add", ()), where),
        cap_drop=capability_names(table.get("cap_drop", ()), where),
        environment=tuple(
            sorted(
                parse_variable(name, value, where)
                for name, value in table.get("environment", {}).items()
            )
        ),
        mounts=tuple(
            sorted(parse_mount(text, where, path.parent) for text in table.get("mounts", ()))
        ),
        command=command_of(table.get("command", ["sleep", "infinity"])),
    )


def _check_schema(document: dict[str, Any], where: str) -> None:
    import jsonschema  # a tenth of the time a short command takes

    schema = parse_json(
        resources.files("synth.schemas").joinpath("config-1.0.0.json").read_bytes(),
        where="config schema",
    )
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is None:
        return
    place = ".".join(str(part) for part in error.absolute_path) or "top level"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        hint = nearest(unknown, known, f"known here: {', '.join(known)}")
        raise _bad(f"{where}: {place}", f"unknown key {unknown[:80]!r}", hint)
    raise _bad(f"{where}: {place}", error.message[:200])


def _bad(where: str, what: str, fix: str = "see docs/formats.md") -> UsageError:
    return UsageError(what, where=where, slug="bad-config", fix=fix)
