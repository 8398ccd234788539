"""Find out what this host offers, by looking at what is there rather than at version numbers."""

from __future__ import annotations

import os
import re
from pathlib import Path

from synth.errors import HostError

KALLSYMS = Path("/proc/kallsyms")
LOCKDOWN = Path("/sys/kernel/security/lockdown")
CGROUPS = Path("/proc/cgroups")
PID_NAMESPACE = Path("/proc/self/ns/pid")
HOST_PIDS = 0xEFFFFFFC  # PROC_PID_INIT_INO of the kernel

# Kernel functions that ask for a capability without caring for the answer (no audit record).
UNAUDITED = (
    "security_vm_enough_memory_mm",
    "ns_capable_noaudit",
    "has_ns_capability_noaudit",
)

_FUNCTION = re.compile(rb"^([0-9a-f]+) [tT] ", re.MULTILINE)


def require_root() -> None:
    """Raise ``HostError`` unless we may load BPF programs."""
    if os.geteuid() != 0:
        raise HostError(
            "recording needs root (it loads BPF programs)",
            slug="not-root",
            fix="run it with sudo, in the same folder",
        )


def why_refused() -> str:
    """Return why the kernel may refuse our programs, as far as it can be known, or nothing."""
    try:
        mode = LOCKDOWN.read_text()
    except OSError:
        return ""  # a kernel without lockdown, or securityfs is not mounted
    if "[confidentiality]" in mode:
        return "it is locked down for confidentiality: no program may read kernel memory"
    return ""


def uses_v1_pids() -> bool:
    """Tell whether the pids controller is on a v1 hierarchy (v1 and hybrid hosts)."""
    for line in CGROUPS.read_text().splitlines():
        fields = line.split()
        if fields[:1] == ["pids"]:
            return fields[1] != "0"
    return False


def sees_host_processes() -> bool:
    """Tell whether we are in the host's PID namespace, whose inode number is fixed."""
    return PID_NAMESPACE.stat().st_ino == HOST_PIDS


def cgroup_layout() -> str:
    """Return ``v1``, ``v2`` or ``hybrid``."""
    if not uses_v1_pids():
        return "v2"
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return "hybrid" if any(line.split()[2] == "cgroup2" for line in mounts) else "v1"


def unaudited_ranges() -> list[tuple[int, int]]:
    """Return ``(start, end)`` of each function in ``UNAUDITED``; ``(0, 0)`` if unknown.

    The end is the next symbol's start.  Addresses are 0 when the kernel hides them.
    """
    text = KALLSYMS.read_bytes()
    return [_range_of(text, name.encode()) for name in UNAUDITED]


def _range_of(text: bytes, name: bytes) -> tuple[int, int]:
    # 120,000 lines sorted by address: a search takes a twentieth of looking at each
    at = max(text.find(b" %b %b\n" % (kind, name)) for kind in (b"t", b"T"))
    start = int(text[text.rfind(b"\n", 0, at) + 1 : at], 16) if at > 0 else 0
    if start:
        for line in _FUNCTION.finditer(text, at):  # other names of it may come first
            if int(line[1], 16) > start:
                return start, int(line[1], 16)
    return 0, 0
