"""Watch containers through the loaded probes and read what each run did.

A container is watched from before it starts; a run is a slot of the kernel's maps that the
container records into between ``begin`` and ``end``.  Slots are used again, so that their
number bounds the runs at one time, not the runs of a recording.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synth.errors import HostError
from synth.model import ArgumentUse, CapabilityUse, Denial, SyscallUse
from synth.syscalls import CAPABILITIES, syscall_name
from tracer.arguments import POINTED, SPECS
from tracer.loader import BITS, COMPAT_BASE, MAX_CONTAINERS, MAX_SLOTS, X32_BASE, Probes

PHASES = ("workload", "runtime")

# What container runtimes call the cgroup of a container: cgroupfs and systemd drivers of
# Docker, Podman, containerd and CRI-O.
CGROUP_NAMES = (
    "{}",
    "docker-{}.scope",
    "libpod-{}",
    "libpod-{}.scope",
    "cri-containerd-{}.scope",
    "crio-{}.scope",
)


@dataclass(frozen=True)
class Observation:
    """What one run did, in the data model's terms, sorted."""

    syscalls: tuple[SyscallUse, ...]
    arguments: tuple[ArgumentUse, ...]
    denials: tuple[Denial, ...]
    capabilities: tuple[CapabilityUse, ...]


@dataclass(frozen=True)
class Counts:
    """How much a run has done so far, for a progress line."""

    syscalls: int
    denials: int


class Observer:
    """Attach the probes and hand out runs.  Use as a context manager.

    ``errnos`` are what the filter in force can answer to a refused call.
    """

    def __init__(self, errnos: frozenset[int]) -> None:
        self._probes = Probes()
        table = self._probes.table("refusal_errnos")
        for errno in errnos:
            table[ctypes.c_int(errno)] = ctypes.c_ubyte(1)
        self._free_slots = list(range(MAX_SLOTS))
        self._free_containers = list(range(MAX_CONTAINERS))
        self._started: dict[int, int] = {}
        self._probes.attach()

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._probes.close()

    @property
    def tracepoints(self) -> tuple[str, ...]:
        """The tracepoints in use."""
        return self._probes.features.tracepoints

    @property
    def capability_note(self) -> str:
        """``recorded``, or why capability uses are not."""
        return self._probes.features.capabilities

    def losses(self) -> list[str]:
        """Return a sentence for everything that had no room in the kernel's maps."""
        return [
            f"{count} {kind} had no room and are missing" for kind, count in self._probes.losses()
        ]

    def watch(self, container_id: str) -> Watch:
        """Watch a container that was created and not yet started."""
        if not self._free_containers:
            raise HostError(
                f"more than {MAX_CONTAINERS} containers at once",
                slug="too-many-containers",
                fix="record fewer at a time",
            )
        return Watch(self, self._free_containers.pop(0), container_id)

    # The rest is for Watch.

    def table(self, name: str) -> Any:
        """Return a map of the kernel side."""
        return self._probes.table(name)

    def take_slot(self) -> int:
        """Return a free slot; its start time is now."""
        if not self._free_slots:
            raise HostError(
                f"more than {MAX_SLOTS} runs at once",
                slug="too-many-containers",
                fix="record fewer at a time",
            )
        slot = self._free_slots.pop(0)
        self._started[slot] = time.monotonic_ns()
        return slot

    def give_back(self, slot: int) -> None:
        """Clear a slot's data and make it free."""
        for name in ("firsts", "arguments", "argument_counts", "denials", "capabilities"):
            table = self.table(name)
            for key in [key for key in table if key.slot == slot]:
                del table[key]
        self.table("slots")[ctypes.c_int(slot)] = self.table("slots").Leaf()
        self._free_slots.append(slot)

    def forget(self, container: int) -> None:
        """Make a container's number free, with its cgroups."""
        table = self.table("cgroups")
        for key in [key for key, value in table.items() if value.value == container]:
            del table[key]
        self._free_containers.append(container)

    def read(self, slot: int) -> Observation:
        """Return what a slot holds."""
        run = self.table("slots")[ctypes.c_int(slot)]
        firsts = {
            (key.index, key.phase): (value.ns, _program(value.program))
            for key, value in self.table("firsts").items()
            if key.slot == slot
        }
        return Observation(
            tuple(sorted(_syscalls(run, firsts, self._started[slot]))),
            tuple(sorted(_arguments(self.table("arguments"), run, slot))),
            tuple(sorted(_denials(self.table("denials"), slot))),
            tuple(sorted(_capabilities(self.table("capabilities"), slot))),
        )

    def count(self, slot: int) -> Counts:
        """Return a quick count of what a slot holds."""
        run = self.table("slots")[ctypes.c_int(slot)]
        seen = sum((a | b).bit_count() for a, b in zip(run.workload, run.runtime, strict=True))
        return Counts(seen, sum(1 for key in self.table("denials") if key.slot == slot))


class Watch:
    """One watched container, recording into at most one run at a time."""

    def __init__(self, observer: Observer, number: int, container_id: str) -> None:
        self._observer = observer
        self._number = number
        leaf = observer.table("containers").Leaf()
        leaf.number = number
        observer.table("containers")[ctypes.c_int(number)] = leaf
        self._names = [pattern.format(container_id).encode() for pattern in CGROUP_NAMES]
        table = observer.table("names")
        for name in self._names:
            key = table.Key()
            key.text = name
            table[key] = ctypes.c_uint(number)

    def begin(self) -> int:
        """Start a run: everything inside from now on is recorded into the returned slot."""
        slot = self._observer.take_slot()
        self.resume(slot)
        return slot

    def resume(self, slot: int) -> None:
        """Record into ``slot`` again."""
        self._record_into(slot)

    def end(self, slot: int) -> Observation:
        """End a run, return what it did and free its slot."""
        self._record_into(None)
        observation = self._observer.read(slot)
        self._observer.give_back(slot)
        return observation

    def count(self, slot: int) -> Counts:
        """Return what a run has done so far."""
        return self._observer.count(slot)

    @property
    def cgroups(self) -> int:
        """How many cgroups were learned; 0 means that nothing could be recorded."""
        return int(self._leaf().cgroups)

    @property
    def execs(self) -> int:
        """How many programs were started under the filter."""
        return int(self._leaf().execs)

    @property
    def bounding(self) -> tuple[str, ...]:
        """The bounding set that the first program had, by name."""
        bits = int(self._leaf().bounding)
        return tuple(name for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)

    def close(self) -> None:
        """Forget the container."""
        self._record_into(None)
        table = self._observer.table("names")
        for name in self._names:
            key = table.Key()
            key.text = name
            if key in table:
                del table[key]
        self._observer.forget(self._number)

    def _leaf(self) -> Any:
        return self._observer.table("containers")[ctypes.c_int(self._number)]

    def _record_into(self, slot: int | None) -> None:
        value = 0 if slot is None else slot + 1
        self._observer.table("recording")[ctypes.c_int(self._number)] = ctypes.c_uint(value)


def _program(raw: bytes) -> str:
    """Return a task's name; any bytes are possible, they are escaped where shown."""
    return raw.split(b"\0")[0].decode("utf-8", "backslashreplace")


def _identify(bit: int) -> tuple[str, int, str]:
    """Return table, number and name of the syscall behind a bit."""
    if bit >= X32_BASE:
        arch, number = "x32", bit - X32_BASE
    elif bit >= COMPAT_BASE:
        arch, number = "x86", bit - COMPAT_BASE
    else:
        arch, number = "x86_64", bit
    return arch, number, syscall_name(arch, number)


def _is_set(words: Any, bit: int) -> bool:
    return bool(words[bit >> 6] >> (bit & 63) & 1)


def _syscalls(
    run: Any, firsts: dict[tuple[int, int], tuple[int, str]], start_ns: int
) -> Iterator[SyscallUse]:
    for phase, phase_name in enumerate(PHASES):
        for bit in range(BITS):
            if _is_set(getattr(run, phase_name), bit):
                arch, number, name = _identify(bit)
                ns, program = firsts.get((bit, phase), (start_ns, ""))
                first_ms = round(max(0, ns - start_ns) / 1e6, 1)
                yield SyscallUse(arch, name, number, phase_name, program, first_ms)


def _arguments(table: Any, run: Any, slot: int) -> Iterator[ArgumentUse]:
    values: dict[int, set[tuple[int, ...]]] = {}
    for key in table:
        if key.slot == slot:
            values.setdefault(key.index, set()).add(tuple(key.value))
    for bit, tuples in values.items():
        arch, _, name = _identify(bit)
        fields = SPECS[name]
        pointed = fields is POINTED
        width = max(1, len(fields))
        yield ArgumentUse(
            arch,
            name,
            ((0, 2**64 - 1),) if pointed else fields,
            tuple(sorted(value[:width] for value in tuples)),
            overflow=_is_set(run.overflow, bit),
            pointed=pointed,
        )


def _denials(table: Any, slot: int) -> Iterator[Denial]:
    for key, count in table.items():
        if key.slot != slot:
            continue
        arch, number, name = _identify(key.index)
        triples: tuple[tuple[int, int, int], ...] = ()
        if key.by_argument:
            triples = tuple(
                (index, mask, int(value))
                for (index, mask), value in zip(SPECS[name], key.value, strict=False)
            )
        yield Denial(
            arch,
            name,
            number,
            int(key.error),
            PHASES[key.phase],
            _program(key.program),
            int(count.value),
            triples,
        )


def _capabilities(table: Any, slot: int) -> Iterator[CapabilityUse]:
    for key, count in table.items():
        if key.slot != slot or key.unaudited or key.capability >= len(CAPABILITIES):
            continue
        syscall = _identify(key.index)[2] if key.index < BITS else ""
        yield CapabilityUse(
            CAPABILITIES[key.capability], syscall, _program(key.program), int(count.value)
        )
