"""Say what differs between processors: tables, registers, how a 32-bit task is told.

The kernel side has the same differences behind ``#ifdef ARM64`` in ``bpf/shared.h``.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from synth.errors import HostError
from synth.syscalls import syscall_name, syscall_number

# Must equal shared.h.
COMPAT_BASE, X32_BASE = 512, 1024
PRIVATE_BIT = 504
"""The last eight bits of the 32-bit table stand for Arm's calls from ``PRIVATE_NUMBER`` on."""

PRIVATE_NUMBER = 0x0F0000


@dataclass(frozen=True)
class Architecture:
    """One processor architecture that the tracer knows.

    ``native`` and ``compat`` are names of syscall tables.  ``offsets`` are further ``-D`` names
    with struct and member, ``options`` further compiler options.  ``indirect`` names the calls of
    the 32-bit table whose arguments lie behind a pointer.
    """

    native: str
    compat: str
    offsets: tuple[tuple[str, tuple[str, str]], ...]
    options: tuple[str, ...]
    indirect: tuple[str, ...] = ()

    def identify(self, bit: int) -> tuple[str, int, str]:
        """Return table, number and name of the syscall behind a bit."""
        if bit >= X32_BASE:
            arch, number = "x32", bit - X32_BASE
        elif bit >= COMPAT_BASE:
            arch, number = self.compat, bit - COMPAT_BASE
            if self.compat == "arm" and number >= PRIVATE_BIT:
                number += PRIVATE_NUMBER - PRIVATE_BIT
        else:
            arch, number = self.native, bit
        return arch, number, syscall_name(arch, number)

    def bit(self, name: str, *, compat: bool) -> int | None:
        """Return the bit of a syscall by name, or ``None`` where the table has no such call."""
        number = syscall_number(self.compat if compat else self.native, name)
        if number is None or (compat and name in self.indirect):
            return None
        if number >= PRIVATE_NUMBER:
            number += PRIVATE_BIT - PRIVATE_NUMBER
        return number + COMPAT_BASE if compat else number


X86_64 = Architecture(
    "x86_64",
    "x86",
    (
        ("O_task_abi", ("task_struct", "thread_info.status")),
        ("O_regs_args", ("pt_regs", "bp")),
        ("O_regs_first", ("pt_regs", "di")),
        ("O_regs_syscall", ("pt_regs", "orig_ax")),
    ),
    ("-DABI_32BIT=2",),  # TS_COMPAT
    ("mmap",),
)

AARCH64 = Architecture(
    "aarch64",
    "arm",
    (
        ("O_task_abi", ("task_struct", "thread_info.flags")),
        ("O_regs_args", ("pt_regs", "regs")),
        # a call's result overwrites regs[0]
        ("O_regs_first", ("pt_regs", "orig_x0")),
        ("O_regs_syscall", ("pt_regs", "syscallno")),
    ),
    ("-DARM64", "-DABI_32BIT=0x400000"),  # bit TIF_32BIT, which is 22
)

_BY_MACHINE = {"x86_64": X86_64, "aarch64": AARCH64}


def of_machine(machine: str = "") -> Architecture:
    """Return the architecture of ``machine``, or of this one; raises ``HostError``."""
    machine = machine or platform.machine()
    if machine not in _BY_MACHINE:
        raise HostError(
            f"recording on {machine} is not supported",
            slug="unsupported-architecture",
            fix="record on an x86_64 or aarch64 host",
        )
    return _BY_MACHINE[machine]
