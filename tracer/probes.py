"""Find out what this host offers, by looking at what is there rather than at version numbers."""

from __future__ import annotations

import bisect
import os
from pathlib import Path

from synth.errors import HostError

KALLSYMS = Path("/proc/kallsyms")
LOCKDOWN = Path("/sys/kernel/security/lockdown")
CGROUPS = Path("/proc/cgroups")

# Kernel functions that ask for a capability without caring for the answer (no audit record).
UNAUDITED = (
    "security_vm_enough_memory_mm",
    "ns_capable_noaudit",
    "has_ns_capability_noaudit",
)


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
    wanted: dict[str, int] = {}
    addresses: list[int] = []
    with KALLSYMS.open() as lines:
        for line in lines:
            address, kind, name = line.split()[:3]
            if kind in "tT":
                addresses.append(int(address, 16))
                if name in UNAUDITED:
                    wanted[name] = int(address, 16)
    addresses.sort()
    ranges: list[tuple[int, int]] = []
    for name in UNAUDITED:
        start = wanted.get(name, 0)
        position = bisect.bisect_right(addresses, start)
        known = start and position < len(addresses)
        ranges.append((start, addresses[position]) if known else (0, 0))
    return ranges
