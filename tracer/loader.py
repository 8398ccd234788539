"""Compile, load and attach the BPF programs, and give access to their maps.

The only importer of bcc.  Programs are attached as raw tracepoints held by file descriptors of
this process: whatever ends it, also takes them away.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import HostError
from tracer.architecture import X32_BASE, Architecture, of_machine
from tracer.arguments import POINTED, SPECS
from tracer.bcc_import import load_bcc, stub_kernel_tree
from tracer.btf import Btf
from tracer.probes import unaudited_ranges, uses_v1_pids, why_refused

BPF_FOLDER = Path(__file__).parent / "bpf"
SOURCES = ("maps", "scope", "syscalls", "denials", "capabilities")

# Must equal shared.h; a test compares them with what the compiler saw.
WORDS, BITS = 32, 2048
MAX_SLOTS, MAX_CONTAINERS, MAX_NEAR, MAX_TUPLES = 64, 64, 8, 64
LOSSES = (
    "cgroups",
    "runtime tasks",
    "first programs",
    "argument tuples",
    "denials",
    "capability uses",
    "unknown syscall numbers",
    "programs",
)

# tracepoint -> program; those in OPTIONAL may be missing from a kernel.
PROGRAMS = {
    "cgroup_mkdir": "on_cgroup_mkdir",
    "cgroup_rmdir": "on_cgroup_rmdir",
    "sched_process_exec": "on_exec",
    "sched_process_fork": "on_fork",
    "sched_process_exit": "on_task_exit",
    "sys_enter": "on_sys_enter",
    "sys_exit": "on_sys_exit",
    "signal_generate": "on_signal",
    "cap_capable": "on_cap_capable",
}
OPTIONAL = ("cap_capable",)
_SYS_MEMBARRIER = 324

BEYOND_SYSCALLS = ("sys_exit", "signal_generate", "cap_capable")

# -D name -> struct, member; those of the processor are in architecture.py
OFFSETS = {
    "O_task_cgroups": ("task_struct", "cgroups"),
    "O_task_seccomp_mode": ("task_struct", "seccomp.mode"),
    "O_task_real_cred": ("task_struct", "real_cred"),
    "O_task_pid": ("task_struct", "pid"),
    "O_cred_user_ns": ("cred", "user_ns"),
    "O_cred_bounding": ("cred", "cap_bset"),
    "O_user_ns_inum": ("user_namespace", "ns.inum"),
    "O_css_set_default": ("css_set", "dfl_cgrp"),
    "O_css_cgroup": ("cgroup_subsys_state", "cgroup"),
    "O_cgroup_kn": ("cgroup", "kn"),
    "O_cgroup_root": ("cgroup", "root"),
    "O_cgroup_parent": ("cgroup", "self.parent"),
    "O_root_mask": ("cgroup_root", "subsys_mask"),
    "O_root_hierarchy": ("cgroup_root", "hierarchy_id"),
    "O_kn_id": ("kernfs_node", "id"),
    "O_kn_name": ("kernfs_node", "name"),
    "O_siginfo_syscall": ("kernel_siginfo", "_sifields._sigsys._syscall"),
}


class Scope(ctypes.Structure):
    """``struct scope``: what every call needs, and what the runs called."""

    _fields_ = (
        ("near", ctypes.c_uint64 * MAX_NEAR),
        ("specified", ctypes.c_uint64 * (X32_BASE // 64)),
        ("recording", ctypes.c_uint32 * MAX_CONTAINERS),
        ("runtime_tasks", ctypes.c_uint32 * MAX_CONTAINERS),
        ("workload", ctypes.c_uint64 * (MAX_SLOTS * WORDS)),
        ("runtime", ctypes.c_uint64 * (MAX_SLOTS * WORDS)),
        ("overflow", ctypes.c_uint64 * (MAX_SLOTS * WORDS)),
    )


@dataclass(frozen=True)
class Features:
    """What this kernel lets us see: attached tracepoints and how capability checks are judged."""

    tracepoints: tuple[str, ...]
    capabilities: str

    def without(self, unwanted: tuple[str, ...]) -> Features:
        """Return these features less some tracepoints."""
        kept = tuple(tp for tp in self.tracepoints if tp not in unwanted)
        return Features(kept, "not recorded: not asked for")


class Probes:
    """The loaded programs; ``attach`` them, read ``maps`` by name, ``close`` them.

    What is assigned in ``scope`` is in force at once.

    ``syscalls_only``: no arguments, denials and capabilities; what the least costs.  Raises
    ``HostError`` when the kernel or the installation cannot do it.
    """

    def __init__(self, *, all_programs: bool = False, syscalls_only: bool = False) -> None:
        here = of_machine()
        bcc = load_bcc()
        btf = Btf()
        try:
            options, self.features = _options(btf, here)
            if all_programs:
                options.append("-DALL_PROGRAMS")
            if syscalls_only:
                self.features = self.features.without(BEYOND_SYSCALLS)
            else:
                options.append("-DARGUMENTS")
        finally:
            btf.close()
        self._bpf: Any = None
        tree = stub_kernel_tree()
        # bcc reads the variable when it compiles; without it, it looks for kernel headers.
        os.environ["BCC_KERNEL_SOURCE"] = tree.name
        try:
            self._bpf = bcc.BPF(text=_source().encode(), cflags=options)
        except Exception as error:
            # bcc raises bare Exceptions, its compiler prints the reason itself
            raise _refused(f"the BPF programs cannot be compiled or loaded ({error})") from None
        finally:
            tree.cleanup()
        self._memory = mmap.mmap(self.table("scope").get_fd(), ctypes.sizeof(Scope))
        self.scope = Scope.from_buffer(self._memory)
        _load_specs(self._bpf, self.scope, here)

    def attach(self) -> None:
        """Attach every program that this kernel has the tracepoint for."""
        for tracepoint in self.features.tracepoints:
            try:
                self._bpf.attach_raw_tracepoint(
                    tp=tracepoint.encode(), fn_name=PROGRAMS[tracepoint].encode()
                )
            except Exception as error:
                raise _refused(f"the kernel refuses the probe on {tracepoint} ({error})") from None

    def detach(self) -> None:
        """Detach every program; they stay loaded and can be attached again."""
        for tracepoint in self.features.tracepoints:
            self._bpf.detach_raw_tracepoint(tp=tracepoint.encode())

    def table(self, name: str) -> Any:
        """Return the bcc table of the map ``name`` in maps.bpf.c."""
        return self._bpf[name.encode()]

    def losses(self) -> Iterator[tuple[str, int]]:
        """Yield what had no room in its map, with how often."""
        table = self.table("losses")
        for number, kind in enumerate(LOSSES):
            count = int(table[ctypes.c_int(number)].value)
            if count:
                yield kind, count

    def close(self) -> None:
        """Detach and free everything; may be called twice."""
        if self._bpf is not None:
            del self.scope  # a buffer that is looked at cannot be closed
            self._memory.close()
            self._bpf.cleanup()
            self._bpf = None


def wait_for_programs() -> None:
    """Return when no program runs any more that was running when this was called (10 ms)."""
    # membarrier(MEMBARRIER_CMD_GLOBAL) waits for an RCU grace period, which no program outlives;
    # it is not there with nohz_full.
    if ctypes.CDLL(None).syscall(_SYS_MEMBARRIER, 1, 0, 0):
        time.sleep(0.1)


def _refused(what: str) -> HostError:
    reason = why_refused()
    if reason:
        return HostError(
            f"{what}: {reason}",
            slug="bpf-load",
            fix="boot without lockdown=confidentiality (integrity will do)",
        )
    return HostError(what, slug="bpf-load", fix="run: seccomp-synth doctor, as root on the host")


def _source() -> str:
    """Return all programs as one translation unit, each part under its own file name."""
    parts = ['#include "shared.h"\n']
    for name in SOURCES:
        path = BPF_FOLDER / f"{name}.bpf.c"
        parts.append(f'#line 1 "{path.name}"\n{path.read_text()}')
    return "".join(parts)


def _options(btf: Btf, here: Architecture) -> tuple[list[str], Features]:
    """Return the compiler options for this kernel, and what they make visible."""
    try:
        members = {**OFFSETS, **dict(here.offsets)}
        values = {name: btf.offset(*member) for name, member in members.items()}
        if uses_v1_pids():
            pids = btf.enumerator("cgroup_subsys_id", "pids_cgrp_id")
            values["PIDS_SUBSYS"] = pids
            values["O_css_set_pids"] = btf.offset("css_set", "subsys") + 8 * pids
    except KeyError as unknown:
        raise HostError(
            f"this kernel's types lack {unknown}",
            slug="unsupported-kernel",
            fix="use a kernel from 5.15 on",
        ) from None
    options = [f"-I{BPF_FOLDER}", *here.options]
    if "PIDS_SUBSYS" in values:
        options.append("-DCGROUP_V1")
    options += [f"-D{name}={value}" for name, value in values.items()]
    for name in ("seccomp", "prctl"):
        options.append(f"-DNR_{name.upper()}={here.bit(name, compat=False)}")
    ranges = unaudited_ranges()
    for number, (start, end) in enumerate(ranges):
        options.append(f"-DUNAUDITED_{number}={start:#x}ULL")
        options.append(f"-DUNAUDITED_{number}_END={end:#x}ULL")
    missing = [tp for tp in PROGRAMS if not btf.has_tracepoint(tp)]
    required = [tp for tp in missing if tp not in OPTIONAL]
    if required:
        raise HostError(
            f"this kernel has no tracepoint {', '.join(required)}",
            slug="unsupported-kernel",
            fix="use a kernel from 5.15 on",
        )
    return options, Features(
        tuple(tp for tp in PROGRAMS if tp not in missing), _capability_note(missing, ranges)
    )


def _capability_note(missing: list[str], ranges: list[tuple[int, int]]) -> str:
    if "cap_capable" in missing:
        return "not recorded: this kernel has no cap_capable tracepoint (Linux 6.13 has)"
    if not any(start for start, _ in ranges):
        return "not recorded: /proc/kallsyms hides addresses, checks without audit look real"
    return "recorded"


def _load_specs(bpf: Any, scope: Scope, here: Architecture) -> None:
    """Tell the kernel side which arguments matter, natively and for 32-bit calls."""
    table = bpf[b"specs"]
    for name, fields in SPECS.items():
        for compat in (False, True):
            bit = here.bit(name, compat=compat)
            if bit is None:
                continue
            leaf = table.Leaf()
            leaf.pointed = int(fields is POINTED)
            leaf.count = max(1, len(fields))
            for position, (index, mask) in enumerate(fields):
                leaf.index[position] = index
                leaf.mask[position] = mask
            table[ctypes.c_int(bit)] = leaf
            scope.specified[bit >> 6] |= 1 << (bit & 63)
