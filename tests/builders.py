"""Build small recordings by hand, for every test that needs one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synth.model import (
    ArgumentUse,
    CapabilityUse,
    Denial,
    Filter,
    Health,
    Host,
    OutputDigest,
    Recording,
    Run,
    Subject,
    SyscallUse,
    Workload,
)
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, syscall_number

EMPTY = OutputDigest(0, "0" * 64, "0" * 64)
INT = 0xFFFF_FFFF
START = ("brk", "close", "execve", "exit_group", "mmap", "openat", "read", "write")
"""A few calls that every program makes."""


def call(
    name: str, program: str = "true", *, arch: str = "x86_64", phase: str = "workload"
) -> SyscallUse:
    """Return one use of a syscall."""
    number = syscall_number(arch, name)
    assert number is not None, name
    return SyscallUse(arch, name, number, phase, program, 1.0)


def sockets(
    *families: int, overflow: bool = False, arch: str = "x86_64", name: str = "socket"
) -> ArgumentUse:
    """Return the arguments of ``socket`` as the tracer writes them: family, type, protocol."""
    return ArgumentUse(
        arch,
        name,
        ((0, INT), (1, 0xF), (2, INT)),
        tuple(sorted((family, 1, 0) for family in families)),
        overflow,
    )


def personalities(*values: int, arch: str = "x86_64") -> ArgumentUse:
    """Return the arguments of ``personality``."""
    return ArgumentUse(arch, "personality", ((0, INT),), tuple((one,) for one in sorted(values)))


def denial(
    name: str,
    errno: int = 1,
    program: str = "true",
    *,
    arguments: tuple[tuple[int, int, int], ...] = (),
) -> Denial:
    """Return one refused call."""
    number = syscall_number("x86_64", name)
    assert number is not None, name
    return Denial("x86_64", name, number, errno, "workload", program, 1, arguments)


def run(
    workload: str = "work",
    calls: Iterable[str | SyscallUse] = START,
    *,
    index: int = 0,
    outcome: str = "ok",
    arguments: Iterable[ArgumentUse] = (),
    denials: Iterable[Denial] = (),
    capabilities: Iterable[CapabilityUse] = (),
) -> Run:
    """Return one run; plain names are calls of the program ``true``."""
    uses = {one if isinstance(one, SyscallUse) else call(one) for one in calls}
    return Run(
        workload,
        index,
        outcome,
        0 if outcome == "ok" else None,
        12.5,
        EMPTY,
        EMPTY,
        tuple(sorted(uses)),
        tuple(sorted(arguments)),
        tuple(sorted(denials)),
        tuple(sorted(capabilities)),
    )


def recording(*runs: Run, **changes: Any) -> Recording:
    """Return a recording of ``runs``; keyword arguments replace what is the default."""
    found = runs or (run(),)
    names = sorted({one.workload for one in found})
    values: dict[str, Any] = {
        "subject": subject(),
        "host": host(),
        "filter": Filter("default", "docker-20.10"),
        "probes": ("sys_enter", "sys_exit"),
        "health": Health(),
        "workloads": tuple(Workload(name, ("true",)) for name in names),
        "runs": tuple(found),
        **changes,
    }
    return Recording(**values)


def subject(**changes: Any) -> Subject:
    """Return a container with Docker's default capabilities."""
    values: dict[str, Any] = {
        "image": "debian:bookworm",
        "image_digest": "sha256:" + "a" * 64,
        "libc": "glibc 2.36",
        "capabilities": tuple(sorted(DOCKER_DEFAULT_CAPABILITIES)),
        **changes,
    }
    return Subject(**values)


def host(**changes: Any) -> Host:
    """Return a host with Docker 20.10 and runc."""
    values: Mapping[str, Any] = {
        "kernel": "6.1.0",
        "arch": "x86_64",
        "engine": "docker",
        "engine_version": "20.10.24",
        "runtime": "runc",
        "runtime_version": "1.1.5",
        "cgroup": "v2",
        **changes,
    }
    return Host(**values)
