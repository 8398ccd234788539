"""Read what an engine really gave its runtime: the OCI document of a running container.

The runtime's bundle is found through the process that watches the container: containerd's shim
works in it, Podman's conmon has it on its command line.  Nothing of the engine's configuration
has to be known, and an engine with folders of its own is no other case.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from synth.errors import DataError, HostError
from synth.files import parse_json, read_bounded

MAX_SPEC = 4 * 1024 * 1024
KNOWN = (
    "/run/containerd/io.containerd.runtime.v2.task/moby/{id}",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}",
    "/var/lib/containers/storage/overlay-containers/{id}/userdata",
    "/run/containers/storage/overlay-containers/{id}/userdata",
)


@dataclass(frozen=True, slots=True)
class Applied:
    """The seccomp section a runtime got (``None`` if there is none) and the bounding set."""

    seccomp: Any
    capabilities: frozenset[str]
    path: str


def applied_filter(container_id: str, pid: int) -> Applied:
    """Return what the runtime of a running container was given.

    ``pid`` is the container's first process.  Raises ``HostError`` that says why it cannot be
    found.
    """
    tried: list[str] = []
    for folder in _candidates(container_id, pid):
        path = folder / "config.json"
        tried.append(str(path))
        if path.is_file():
            return _read(path, container_id)
    raise _cannot(f"no OCI document of the container at {', '.join(tried) or 'any known place'}")


def _candidates(container_id: str, pid: int) -> list[Path]:
    found: list[Path] = []
    parent = _parent(pid)
    if parent:
        try:
            where = os.readlink(f"/proc/{parent}/cwd")
        except OSError:
            where = ""
        if container_id in where:
            found.append(Path(f"/proc/{parent}/cwd"))
        arguments = _arguments(parent)
        for flag, value in pairwise(arguments):
            if flag in ("-b", "--bundle") and container_id in value:
                found.append(Path(f"/proc/{parent}/root") / value.lstrip("/"))
    return found + [Path(known.format(id=container_id)) for known in KNOWN]


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    found = re.search(r"^PPid:\s*(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _arguments(pid: int) -> list[str]:
    try:
        content = Path(f"/proc/{pid}/cmdline").read_bytes()[:65536]
    except OSError:
        return []
    return content.decode(errors="replace").split("\0")


def _read(path: Path, container_id: str) -> Applied:
    try:
        document = parse_json(read_bounded(path, limit=MAX_SPEC), where=str(path))
    except DataError as error:
        raise _cannot(f"the OCI document cannot be read: {error}") from None
    try:
        bounding = document["process"]["capabilities"]["bounding"]
        linux = document["linux"]
        capabilities = frozenset(str(one) for one in bounding)
        seccomp = linux.get("seccomp")
    except (KeyError, TypeError, AttributeError):
        raise _cannot(f"{path} is no OCI document of a Linux container") from None
    if container_id not in str(linux.get("cgroupsPath")):
        raise _cannot(f"{path} is of another container")
    return Applied(seccomp, capabilities, str(path))


def _cannot(why: str) -> HostError:
    return HostError(
        f"cannot tell what the engine applied, because {why}",
        slug="no-applied-filter",
        fix="run as root on the engine's host",
    )
