"""Turn one service of a compose project into a container to record."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.config import capability_names, check_image, parse_variable
from synth.errors import UsageError
from synth.model import Container
from synth.project.compose import bad_compose, project_name
from synth.project.described import (
    Described,
    flag,
    mount_warning,
    only_unknown,
    security_options,
    strings,
)

_REPEATED = frozenset(
    [
        "image",
        "build",
        "user",
        "working_dir",
        "tty",
        "environment",
        "env_file",
        "volumes",
        "cap_add",
        "cap_drop",
        "security_opt",
        "privileged",
        "network_mode",
        "networks",
        "command",
        "entrypoint",
        "healthcheck",
        "init",
        "read_only",
        "tmpfs",
        "group_add",
    ]
)
_IRRELEVANT = frozenset(
    [
        "container_name",
        "depends_on",
        "deploy",
        "develop",
        "expose",
        "extends",
        "hostname",
        "labels",
        "links",
        "logging",
        "platform",
        "ports",
        "profiles",
        "pull_policy",
        "restart",
        "scale",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "annotations",
        "attach",
        "x-",
    ]
)
_VOLUME_KINDS = ("volume", "tmpfs", "bind")


def describe_service(
    document: Mapping[str, Any], name: str, service: Mapping[str, Any], file: Path
) -> Described:
    """Return the container of a service; ``document`` is merged and interpolated.

    Raises ``UsageError`` for what cannot be recorded, such as a privileged one.
    """
    where = f"{file}: services.{name}"
    if flag(service.get("privileged")):
        raise UsageError(
            "the service is privileged: it owns the host, and no profile is worth its name there",
            where=where,
            slug="privileged-service",
            fix="replace privileged: true by the capabilities it needs (cap_add), then record",
        )
    warnings: list[str] = []
    left_out = [
        key for key in only_unknown(service, _REPEATED | _IRRELEVANT) if not key.startswith("x-")
    ]
    project = project_name(str(document.get("name") or file.parent.name))
    no_new_privileges, unconfined = security_options(
        strings(service.get("security_opt")), warnings, left_out
    )
    mounts = _mounts(service, file.parent, where, warnings)
    image, candidates = _image(service, project, name, where)
    container = Container(
        image=image,
        user=_text(service, "user", where),
        workdir=_text(service, "working_dir", where),
        tty=flag(service.get("tty")),
        no_new_privileges=no_new_privileges,
        cap_add=capability_names(strings(service.get("cap_add")), where),
        cap_drop=capability_names(strings(service.get("cap_drop")), where),
        environment=_environment(service.get("environment"), where),
        mounts=tuple(sorted(mounts)),
        command=_words(service.get("command"), where),
        entrypoint=_words(service.get("entrypoint"), where),
        init=flag(service.get("init")),
        read_only=flag(service.get("read_only")),
        tmpfs=tuple(sorted(_tmpfs(service))),
        groups=tuple(strings(service.get("group_add"))),
    )
    networks = _networks(document, service, project, left_out)
    if networks[:1] == ("none",):
        container = replace(container, network="none")
    return Described(
        source=f"service {name} of {file.name}",
        container=container,
        candidates=candidates,
        build=shlex.join(["docker", "compose", "-f", str(file), "build", name])
        if service.get("build")
        else "",
        networks=networks,
        check=_check(service.get("healthcheck")),
        unconfined=unconfined,
        warnings=tuple(warnings),
        left_out=tuple(sorted(set(left_out))),
    )


def _image(
    service: Mapping[str, Any], project: str, name: str, where: str
) -> tuple[str, tuple[str, ...]]:
    image = service.get("image")
    if image:
        return check_image(str(image), where), ()
    if not service.get("build"):
        raise bad_compose("neither image nor build", where)
    # what Compose 2 and Compose 1 call what they build
    return "", tuple(check_image(f"{project}{joint}{name}".lower(), where) for joint in ("-", "_"))


def _text(service: Mapping[str, Any], key: str, where: str) -> str:
    value = service.get(key)
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        raise bad_compose(f"{key} is not a string", where)
    return str(value)


def _words(value: Any, where: str) -> tuple[str, ...]:
    """Return a command's words; a string is split as a shell would, without running one."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(strings(value))
    try:
        return tuple(shlex.split(str(value)))
    except ValueError as error:
        raise bad_compose(f"a command that cannot be split ({error})", where) from None


def _environment(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    pairs = (
        parse_variable(name, str(one), where) for name, one in value.items() if one is not None
    )
    return tuple(sorted(pairs))


def _mounts(
    service: Mapping[str, Any], folder: Path, where: str, warnings: list[str]
) -> set[tuple[str, str, str]]:
    """Return bind mounts as they are; a named volume becomes a fresh one."""
    found: set[tuple[str, str, str]] = set()
    fresh: list[str] = []
    for volume in service.get("volumes") or []:
        kind, source, target, mode = _volume(volume, where)
        if kind == "tmpfs":
            continue
        if kind == "bind":
            path = os.path.abspath(folder / Path(source).expanduser())
            found.add((path, target, mode))
            warning = mount_warning(path, target, folder)
            warnings += [warning] if warning else []
            continue
        found.add(("", target, "rw"))
        fresh += [source] if source else []
    if fresh:
        warnings.append(
            f"the volumes {', '.join(sorted(fresh))} are replaced by empty ones of the same place: "
            "recording never touches your data"
        )
    return found


def _volume(volume: Any, where: str) -> tuple[str, str, str, str]:
    """Return ``(kind, source, target, mode)`` of the short or the long form."""
    if isinstance(volume, dict):
        kind, target = str(volume.get("type", "volume")), str(volume.get("target", ""))
        source = str(volume.get("source") or "")
        mode = "ro" if flag(volume.get("read_only")) else "rw"
    else:
        parts = str(volume).split(":")
        source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        options = parts[2].split(",") if len(parts) > 2 else []  # noqa: PLR2004
        mode = "ro" if "ro" in options else "rw"
        kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    if kind not in _VOLUME_KINDS or not target.startswith("/") or (kind == "bind" and not source):
        raise bad_compose(f"a volume that is not understood: {str(volume)[:80]!r}", where)
    return kind, source, target, mode


def _tmpfs(service: Mapping[str, Any]) -> set[str]:
    value = service.get("tmpfs")
    found = set(strings(value) if isinstance(value, list) else [str(value)] if value else [])
    for volume in service.get("volumes") or []:
        if isinstance(volume, dict) and volume.get("type") == "tmpfs":
            found.add(str(volume.get("target", "")))
    return {one for one in found if one.startswith("/")}


def _networks(
    document: Mapping[str, Any], service: Mapping[str, Any], project: str, left_out: list[str]
) -> tuple[str, ...]:
    mode = service.get("network_mode")
    if mode == "none":
        return ("none",)
    if mode:
        if mode not in ("bridge", "default"):
            left_out.append(f"network_mode {str(mode)[:40]}")
        return ()
    wanted = service.get("networks")
    names = [str(one) for one in wanted] if isinstance(wanted, dict | list) else []
    declared = document.get("networks")
    declared = declared if isinstance(declared, dict) else {}
    found = []
    for one in names or ["default"]:
        settings = declared.get(one)
        settings = settings if isinstance(settings, dict) else {}
        plain = one if settings.get("external") else f"{project}_{one}"
        found.append(str(settings.get("name") or plain))
    return tuple(found)


def _check(value: Any) -> tuple[str, ...]:
    """Return the command of a health check; ``()`` if there is none."""
    if not isinstance(value, dict) or flag(value.get("disable")):
        return ()
    test = value.get("test")
    if isinstance(test, str):
        return ("sh", "-c", test)
    words = strings(test)
    if words[:1] == ["CMD-SHELL"]:
        return ("sh", "-c", " ".join(words[1:]))
    return tuple(words[1:]) if words[:1] == ["CMD"] else ()
