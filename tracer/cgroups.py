"""Find the cgroups of a container that runs, and the threads in them.

Looks at the hierarchy that the kernel side looks at: that of the pids controller on v1 and hybrid
hosts, the unified one elsewhere.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tracer.probes import uses_v1_pids

# What container runtimes call the cgroup of a container: cgroupfs and systemd drivers of
# Docker, Podman, containerd and CRI-O.
NAMES = (
    "{}",
    "docker-{}.scope",
    "libpod-{}",
    "libpod-{}.scope",
    "cri-containerd-{}.scope",
    "crio-{}.scope",
)

ANY_CALL = 0xFFFF_FFFF
"""Stands for the call of a thread that was on a CPU (see ``shared.h``)."""


def names_of(container_id: str) -> tuple[str, ...]:
    """Return what the cgroup of a container may be called."""
    return tuple(name.format(container_id) for name in NAMES)


def hierarchy() -> Path:
    """Return where the hierarchy is mounted; raises ``OSError`` if it is not."""
    v1 = uses_v1_pids()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options = line.split()[:4]
        fits = "pids" in options.split(",") if v1 else True
        if (
            kind == ("cgroup" if v1 else "cgroup2")
            and fits
            and Path(where, "cgroup.procs").exists()
        ):
            return Path(where)  # else hidden under another mount
    raise FileNotFoundError("no cgroup hierarchy is mounted")


def of_container(container_id: str, pid: int) -> Path | None:
    """Return the cgroup folder of a container whose main process is ``pid``, if it is visible.

    The process may be in a child of it: an init system moves itself into one.
    """
    wanted = names_of(container_id)
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        root = hierarchy()
    except OSError:
        return None
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(",") if uses_v1_pids() else number == "0":
            parts = path.split("/")
            for depth, part in enumerate(parts):
                folder = root.joinpath(*parts[1 : depth + 1])
                if part in wanted and folder.is_dir():
                    return folder
    return None


def subtree(folder: Path) -> Iterator[Path]:
    """Yield a cgroup folder and those below it, as far as they are still there."""
    for path, _, _ in os.walk(folder):
        yield Path(path)


def identity(folder: Path) -> int:
    """Return a cgroup's id: the inode number of its folder."""
    return folder.stat().st_ino


def threads(folder: Path) -> dict[int, int]:
    """Return thread -> number of the call it is in, for all threads in and below a cgroup.

    ``ANY_CALL`` for one that is running, or that cannot be looked at.
    """
    found: dict[int, int] = {}
    for path in subtree(folder):
        for name in ("tasks", "cgroup.threads"):  # v1, v2
            with contextlib.suppress(OSError, ValueError):
                for line in path.joinpath(name).read_text().splitlines():
                    found[int(line)] = _call_of(int(line))
                break
    return found


def _call_of(tid: int) -> int:
    try:
        first = Path(f"/proc/{tid}/syscall").read_text().split()[:1]
        number = int(first[0])
    except (OSError, ValueError, IndexError):
        return ANY_CALL  # "running"
    return ANY_CALL if number < 0 else number
