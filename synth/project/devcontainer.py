"""Turn a devcontainer.json into a container to record."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.config import capability_names, check_image, parse_variable
from synth.errors import UsageError
from synth.model import Container
from synth.project.compose import inside
from synth.project.described import (
    Described,
    flag,
    mount_warning,
    only_unknown,
    security_options,
    strings,
)
from synth.project.jsonc import load_jsonc

PLACES = (".devcontainer/devcontainer.json", ".devcontainer.json")

_REPEATED = frozenset(
    [
        "image",
        "build",
        "dockerFile",
        "dockerfile",
        "context",
        "workspaceFolder",
        "workspaceMount",
        "containerUser",
        "remoteUser",
        "containerEnv",
        "remoteEnv",
        "mounts",
        "runArgs",
        "capAdd",
        "securityOpt",
        "privileged",
        "init",
        "dockerComposeFile",
        "service",
        "runServices",
        "overrideCommand",
    ]
)
_IRRELEVANT = frozenset(
    [
        "name",
        "$schema",
        "customizations",
        "forwardPorts",
        "portsAttributes",
        "otherPortsAttributes",
        "hostRequirements",
        "shutdownAction",
        "updateRemoteUserUID",
        "waitFor",
        "userEnvProbe",
        "appPort",
    ]
)
_LIFECYCLE = (
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
)
KEEP_ALIVE = ("/bin/sh", "-c", 'trap "exit 0" TERM; while sleep 1 & wait $!; do :; done')
"""What the editor's tools start in place of the image's own command; its calls are used too."""

_VARIABLE = re.compile(r"\$\{([^{}]{1,200})\}")
# the options of `docker run` that runArgs may hold and that we repeat
_TAKES_VALUE = {"--cap-add", "--cap-drop", "--security-opt", "--user", "-u", "--network", "--tmpfs"}


@dataclass(frozen=True)
class ComposeReference:
    """The compose files and the service that a devcontainer is made of."""

    files: tuple[Path, ...]
    service: str
    workdir: str
    user: str


def find_devcontainer(folder: Path) -> Path | None:
    """Return the devcontainer.json of a project, or ``None``."""
    return next((folder / place for place in PLACES if (folder / place).is_file()), None)


def load_devcontainer(path: Path) -> dict[str, Any]:
    """Read a devcontainer.json; raises ``DataError`` or ``UsageError``."""
    document = load_jsonc(path)
    if not isinstance(document, dict):
        raise _bad("the top level is not an object", str(path))
    return document


def project_folder(path: Path) -> Path:
    """Return the folder that ``${localWorkspaceFolder}`` means."""
    path = Path(os.path.abspath(path))
    parents = list(path.parents)
    for depth, folder in enumerate(parents):
        if folder.name == ".devcontainer":
            return parents[depth + 1]
    return path.parent


def compose_of(document: Mapping[str, Any], path: Path) -> ComposeReference | None:
    """Return the compose service that a devcontainer is, or ``None``.

    Raises ``UsageError`` for files outside the project.
    """
    named = document.get("dockerComposeFile")
    if not named:
        return None
    where = str(path)
    folder = project_folder(path)
    files = tuple(
        Path(os.path.abspath(path.parent / one))
        for one in (strings(named) if isinstance(named, list) else [str(named)])
    )
    for file in files:
        if not inside(file, folder):
            raise UsageError(
                f"refers to a file outside the project: {str(file)[:80]!r}",
                where=where,
                slug="outside-project",
                fix="copy it into the project",
            )
    service = document.get("service")
    if not files or not isinstance(service, str) or not service:
        raise _bad("dockerComposeFile without a service", where)
    return ComposeReference(
        files,
        service,
        str(document.get("workspaceFolder") or ""),
        str(document.get("remoteUser") or document.get("containerUser") or ""),
    )


def describe_devcontainer(
    document: Mapping[str, Any], path: Path, environment: Mapping[str, str]
) -> Described:
    """Return the container of a devcontainer.json that is made of an image or a Dockerfile.

    ``environment`` serves ``${localEnv:NAME}``.  Raises ``UsageError``.
    """
    where = str(path)
    folder = project_folder(path)
    if flag(document.get("privileged")):
        raise _privileged(where)
    workspace = str(document.get("workspaceFolder") or f"/workspaces/{folder.name}")
    values = _Values(folder, workspace, environment, where)
    warnings: list[str] = []
    left_out = only_unknown(document, _REPEATED | _IRRELEVANT | set(_LIFECYCLE))
    if document.get("features"):
        left_out.remove("features")
        warnings.append(
            "its features are not installed: build the image with them (devcontainer build "
            "--image-name NAME) and record that; a feature may also ask for privileges"
        )
    run_args = _RunArgs.parse([values.put(one) for one in strings(document.get("runArgs"))], where)
    left_out += run_args.left_out
    options = run_args.security + [values.put(one) for one in strings(document.get("securityOpt"))]
    no_new_privileges, unconfined = security_options(options, warnings, left_out)
    image, build = _image(document, folder, path, where)
    container = Container(
        image=image,
        user=str(document.get("remoteUser") or document.get("containerUser") or run_args.user),
        workdir=workspace,
        network=run_args.network,
        no_new_privileges=no_new_privileges,
        cap_add=capability_names([*strings(document.get("capAdd")), *run_args.added], where),
        cap_drop=capability_names(run_args.dropped, where),
        environment=_environment(document, values, where),
        mounts=_mounts(document, values, folder, warnings),
        command=KEEP_ALIVE,
        init=flag(document.get("init")) or run_args.init,
        tmpfs=tuple(sorted(run_args.tmpfs)),
    )
    return Described(
        source=f"devcontainer {path.name}",
        container=container,
        candidates=(f"{_slug(folder.name)}-devcontainer",) if not image else (),
        build=build,
        unconfined=unconfined,
        warnings=tuple(warnings),
        left_out=tuple(sorted(set(left_out))),
    )


def lifecycle_commands(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the commands that run inside the container when it is made or started, by key."""
    found: dict[str, tuple[str, ...]] = {}
    for key in _LIFECYCLE:
        value = document.get(key)
        if isinstance(value, str) and value:
            found[key] = ("sh", "-c", value)
        elif isinstance(value, list) and value:
            found[key] = tuple(strings(value))
        elif isinstance(value, dict):  # commands side by side, each with a name
            for name, one in sorted(value.items()):
                words = ("sh", "-c", one) if isinstance(one, str) else tuple(strings(one))
                if words:
                    found[f"{key}-{name}"] = words
    return found


def metadata_warnings(entries: Any) -> tuple[str, ...]:
    """Return what the label ``devcontainer.metadata`` of an image asks for beyond the file.

    The label comes with the image: a base image may ask for privileges that nobody here wrote.
    """
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict):
            continue
        who = str(entry.get("id") or "the image")[:80]
        if flag(entry.get("privileged")):
            found.append(f"{who} asks for privileged: true in its devcontainer.metadata label")
        asked = strings(entry.get("capAdd"))
        if asked:
            found.append(f"{who} asks for {', '.join(asked)[:200]} in its label")
        options = [one for one in strings(entry.get("securityOpt")) if one.startswith("seccomp")]
        if options:
            found.append(f"{who} asks for {options[-1][:80]} in its label")
    return tuple(found)


@dataclass(frozen=True)
class _Values:
    folder: Path
    workspace: str
    environment: Mapping[str, str]
    where: str

    def put(self, text: str) -> str:
        """Return ``text`` with the variables of devcontainer.json put in."""

        def value(match: re.Match[str]) -> str:
            kind, _, rest = match[1].partition(":")
            name, _, default = rest.partition(":")
            known = {
                "localWorkspaceFolder": str(self.folder),
                "localWorkspaceFolderBasename": self.folder.name,
                "containerWorkspaceFolder": self.workspace,
                "containerWorkspaceFolderBasename": self.workspace.rsplit("/", 1)[-1],
            }
            if kind in ("localEnv", "env"):
                return self.environment.get(name, default)
            return known.get(match[1], match[0])

        return _VARIABLE.sub(value, text)


@dataclass
class _RunArgs:
    security: list[str]
    added: list[str]
    dropped: list[str]
    left_out: list[str]
    tmpfs: list[str]
    user: str = ""
    network: str = "default"
    init: bool = False

    @classmethod
    def parse(cls, arguments: list[str], where: str) -> _RunArgs:
        found = cls([], [], [], [], [])
        queue = list(arguments)
        while queue:
            option, given, value = queue.pop(0).partition("=")
            if option in _TAKES_VALUE and not given:
                value = queue.pop(0) if queue else ""
            if option == "--privileged" and value.lower() != "false":
                raise _privileged(where)
            found._take(option, value)
        return found

    def _take(self, option: str, value: str) -> None:
        lists = {
            "--security-opt": self.security,
            "--cap-add": self.added,
            "--cap-drop": self.dropped,
            "--tmpfs": self.tmpfs,
        }
        if option in lists:
            lists[option].append(value)
        elif option in ("--user", "-u"):
            self.user = value
        elif option == "--network" and value in ("none", "bridge"):
            self.network = "none" if value == "none" else "default"
        elif option == "--init":
            self.init = value.lower() != "false"
        elif option.startswith("-"):
            self.left_out.append(f"runArgs {option[:40]}")


def _image(document: Mapping[str, Any], folder: Path, path: Path, where: str) -> tuple[str, str]:
    image = document.get("image")
    if isinstance(image, str) and image:
        return check_image(image, where), ""
    build = document.get("build")
    build = build if isinstance(build, dict) else {}
    dockerfile = build.get("dockerfile") or document.get("dockerFile")
    if not dockerfile:
        raise _bad("neither image, build.dockerfile nor dockerComposeFile", where)
    context = build.get("context") or document.get("context") or "."
    command = ["docker", "build", "-t", f"{_slug(folder.name)}-devcontainer"]
    command += ["-f", str(path.parent / str(dockerfile)), str(path.parent / str(context))]
    return "", shlex.join(command)


def _environment(
    document: Mapping[str, Any], values: _Values, where: str
) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for key in ("containerEnv", "remoteEnv"):
        table = document.get(key)
        for name, value in (table if isinstance(table, dict) else {}).items():
            text = values.put(str(value)) if value is not None else ""
            # ${containerEnv:PATH} is known inside only
            if value is not None and "${containerEnv" not in text:
                found.update([parse_variable(name, text, where)])
    return tuple(sorted(found.items()))


def _mounts(
    document: Mapping[str, Any], values: _Values, folder: Path, warnings: list[str]
) -> tuple[tuple[str, str, str], ...]:
    """Return the workspace and the bind mounts; volumes become fresh ones."""
    workspace = document.get("workspaceMount")
    found: set[tuple[str, str, str]] = set()
    if workspace is None:
        found.add((str(folder), values.workspace, "rw"))
    entries = [workspace] if workspace else []
    mounts = document.get("mounts")
    for entry in [*entries, *(mounts if isinstance(mounts, list) else [])]:
        mount = _mount(entry, values)
        source, target, _ = mount
        if not target.startswith("/"):
            warnings.append(f"a mount that is not understood is left out: {str(entry)[:80]!r}")
            continue
        found.add(mount)
        if source:
            warning = mount_warning(source, target, folder)
            warnings += [warning] if warning else []
    return tuple(sorted(found))


def _mount(entry: Any, values: _Values) -> tuple[str, str, str]:
    if isinstance(entry, dict):
        fields = {str(key): str(value) for key, value in entry.items()}
    else:
        pairs = (part.partition("=") for part in str(entry).split(","))
        fields = {key.strip(): value for key, _, value in pairs}
    source = values.put(fields.get("source") or fields.get("src") or "")
    target = values.put(
        fields.get("target") or fields.get("dst") or fields.get("destination") or ""
    )
    mode = "ro" if fields.keys() & {"ro", "readonly"} else "rw"
    if fields.get("type", "bind") != "bind" or not source.startswith("/"):
        source, mode = "", "rw"
    return source, target, mode


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "project"


def _privileged(where: str) -> UsageError:
    return UsageError(
        "the devcontainer is privileged: it owns the host, and no profile is worth its name there",
        where=where,
        slug="privileged-service",
        fix="replace privileged by the capabilities it needs (capAdd), then record",
    )


def _bad(what: str, where: str) -> UsageError:
    return UsageError(what, where=where, slug="bad-devcontainer", fix="see https://containers.dev")
