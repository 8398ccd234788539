"""Watch containers through the loaded probes and read what each run did.

A container is watched from before it starts; a run is a slot of the kernel's maps that the
container records into between ``begin`` and ``end``.  Slots are used again, so that their
number bounds the runs at one time, not the runs of a recording.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import HostError
from synth.model import ArgumentUse, CapabilityUse, Denial, SyscallUse
from synth.syscalls import CAPABILITIES
from tracer import cgroups, decode
from tracer.loader import (
    MAX_CONTAINERS,
    MAX_NEAR,
    MAX_SLOTS,
    WORDS,
    Probes,
    Scope,
    wait_for_programs,
)

SETTLING, IN_FLIGHT = 0x8000_0000, 0x4000_0000
"""Flags of ``recording``; must equal shared.h."""

MAX_IN_FLIGHT = 32768
"""Threads listed when a run begins; half of what the map holds."""


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

    ``errnos`` are what the filter in force can answer to a refused call.  ``all_programs``: keep
    every program that made a call, not the first alone; ``syscalls_only``: nothing but syscalls.
    """

    def __init__(
        self, errnos: frozenset[int], *, all_programs: bool = False, syscalls_only: bool = False
    ) -> None:
        self._probes = Probes(all_programs=all_programs, syscalls_only=syscalls_only)
        self._all_programs = all_programs
        table = self._probes.table("refusal_errnos")
        for errno in errnos:
            table[ctypes.c_int(errno)] = ctypes.c_ubyte(1)
        self._free_slots = list(range(MAX_SLOTS))
        self._free_containers = list(range(MAX_CONTAINERS))  # a heap: the first are the fastest
        self._started: dict[int, int] = {}
        # Deleting what another thread stands on makes its walk through a map begin anew.
        self._lock = threading.Lock()
        self._probes.attach()

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._probes.close()

    def pause(self) -> None:
        """Detach the probes until ``go_on``; what they have seen stays."""
        self._probes.detach()

    def go_on(self) -> None:
        """Attach the probes again."""
        self._probes.attach()

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
            raise self._too_many("containers", MAX_CONTAINERS)
        return Watch(self, heapq.heappop(self._free_containers), container_id, None)

    def join(self, container_id: str, joined: Joined) -> Watch:
        """Watch a container that runs already."""
        if not self._free_containers:
            raise self._too_many("containers", MAX_CONTAINERS)
        return Watch(self, heapq.heappop(self._free_containers), container_id, joined)

    # The rest is for Watch.

    def table(self, name: str) -> Any:
        """Return a map of the kernel side."""
        return self._probes.table(name)

    @property
    def scope(self) -> Scope:
        """What both sides read and write of all containers."""
        return self._probes.scope

    def take_slot(self) -> int:
        """Return a free slot; its start time is now."""
        if not self._free_slots:
            raise self._too_many("runs", MAX_SLOTS)
        slot = self._free_slots.pop(0)
        self._started[slot] = time.monotonic_ns()
        return slot

    @staticmethod
    def _too_many(what: str, limit: int) -> HostError:
        return HostError(
            f"more than {limit} {what} at once",
            slug="too-many-containers",
            fix="record fewer at a time",
        )

    def give_back(self, slot: int) -> None:
        """Clear a slot's data and make it free."""
        names = ["firsts", "arguments", "argument_counts", "denials", "capabilities"]
        with self._lock:
            for name in [*names, "programs"] if self._all_programs else names:
                table = self.table(name)
                _delete(table, [key for key in table if key.slot == slot])
        words = slice(slot * WORDS, (slot + 1) * WORDS)
        for bitmap in (self.scope.workload, self.scope.runtime, self.scope.overflow):
            bitmap[words] = [0] * WORDS
        self._free_slots.append(slot)

    def forget(self, container: int) -> None:
        """Make a container's number free, with its cgroups."""
        table = self.table("cgroups")
        with self._lock:
            _delete(table, [key for key, value in table.items() if value.value == container])
        wait_for_programs()  # one that has looked before may still keep what it found
        if container < MAX_NEAR:
            self.scope.near[container] = 0
        heapq.heappush(self._free_containers, container)

    def _bitmaps(self, slot: int) -> decode.Bitmaps:
        words = slice(slot * WORDS, (slot + 1) * WORDS)
        scope = self.scope
        return decode.Bitmaps(scope.workload[words], scope.runtime[words], scope.overflow[words])

    def read(self, slot: int) -> Observation:
        """Return what a slot holds."""
        with self._lock:
            return self._read(slot)

    def _read(self, slot: int) -> Observation:
        run = self._bitmaps(slot)
        firsts = {
            (key.index, key.phase): (value.ns, decode.program_of(value.program))
            for key, value in self.table("firsts").items()
            if key.slot == slot
        }
        return Observation(
            tuple(sorted(decode.syscalls(run, firsts, self._programs(slot), self._started[slot]))),
            tuple(sorted(decode.arguments(self.table("arguments"), run, slot))),
            tuple(sorted(decode.denials(self.table("denials"), slot))),
            tuple(sorted(decode.capabilities(self.table("capabilities"), slot))),
        )

    def _programs(self, slot: int) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        if self._all_programs:
            for key in self.table("programs"):
                if key.slot == slot:
                    found.setdefault(key.index, set()).add(decode.program_of(key.program))
        return found

    def count(self, slot: int) -> Counts:
        """Return a quick count of what a slot holds."""
        run = self._bitmaps(slot)
        seen = sum((a | b).bit_count() for a, b in zip(run.workload, run.runtime, strict=True))
        return Counts(seen, sum(1 for key in self.table("denials") if key.slot == slot))


def _delete(table: Any, keys: list[Any]) -> None:
    """Delete keys; one may be listed twice, or gone, since others delete while a map is walked."""
    for key in keys:
        with contextlib.suppress(KeyError):
            del table[key]


@dataclass(frozen=True)
class Joined:
    """What the kernel side cannot learn of a container that started before it was watched.

    ``folder``: its cgroup; ``user_namespace``: inode number; ``bounding``: capabilities by name.
    """

    folder: Path
    user_namespace: int
    bounding: tuple[str, ...]


class Watch:
    """One watched container, recording into at most one run at a time."""

    def __init__(
        self, observer: Observer, number: int, container_id: str, joined: Joined | None
    ) -> None:
        self._observer = observer
        self._number = number
        self._folder = joined.folder if joined else None
        self._bounding = joined.bounding if joined else ()
        self._joined = 0
        self._in_flight: list[int] = []
        leaf = observer.table("containers").Leaf()
        leaf.number = number
        leaf.user_ns = joined.user_namespace if joined else 0
        observer.table("containers")[ctypes.c_int(number)] = leaf
        observer.scope.runtime_tasks[number] = 0
        self._names = [name.encode() for name in cgroups.names_of(container_id)]
        table = observer.table("names")
        for name in self._names:
            key = table.Key()
            key.text = name
            table[key] = ctypes.c_uint(number)
        if joined:
            self._add_cgroups(joined.folder)

    def _add_cgroups(self, folder: Path) -> None:
        """Learn the cgroups that are there; the kernel side learns those made from now on."""
        table = self._observer.table("cgroups")
        for path in cgroups.subtree(folder):
            with contextlib.suppress(FileNotFoundError):  # it may have gone meanwhile
                table[ctypes.c_ulonglong(cgroups.identity(path))] = ctypes.c_uint(self._number)
                self._joined += 1

    def running_in(self, folder: Path) -> None:
        """Say where the container's threads are: runs that begin from now on meet live ones."""
        self._folder = folder

    def begin(self) -> int:
        """Start a run: everything inside from now on is recorded into the returned slot."""
        slot = self._observer.take_slot()
        self.resume(slot)
        return slot

    def resume(self, slot: int) -> None:
        """Record into ``slot`` again."""
        if self._folder is None:
            self._record_into(slot)
            return
        # What a thread is doing now has not been seen to enter in this run: its return must not
        # be taken for a refusal.  Listed after the run has begun, so that no call slips between.
        self._record_into(slot, SETTLING | IN_FLIGHT)
        self._forget_in_flight()
        table = self._observer.table("in_flight")
        for tid, call in itertools.islice(cgroups.threads(self._folder).items(), MAX_IN_FLIGHT):
            table[ctypes.c_uint(tid)] = ctypes.c_uint(call)
            self._in_flight.append(tid)
        self._record_into(slot, IN_FLIGHT)

    def _forget_in_flight(self) -> None:
        """Drop what was listed before: numbers of threads are used again."""
        table = self._observer.table("in_flight")
        for tid in self._in_flight:
            with contextlib.suppress(KeyError):  # most have entered a call since
                del table[ctypes.c_uint(tid)]
        self._in_flight.clear()

    def end(self, slot: int) -> Observation:
        """End a run, return what it did and free its slot."""
        self._record_into(None)
        wait_for_programs()  # a thread may have been interrupted between look-up and store
        observation = self._observer.read(slot)
        self._observer.give_back(slot)
        return observation

    def count(self, slot: int) -> Counts:
        """Return what a run has done so far."""
        return self._observer.count(slot)

    @property
    def cgroups(self) -> int:
        """How many cgroups were learned; 0 means that nothing could be recorded."""
        return int(self._leaf().cgroups) + self._joined

    @property
    def execs(self) -> int:
        """How many programs were started under the filter."""
        return int(self._leaf().execs)

    @property
    def bounding(self) -> tuple[str, ...]:
        """The bounding set that the first program had, by name."""
        if self._bounding:
            return self._bounding
        bits = int(self._leaf().bounding)
        return tuple(name for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)

    def close(self) -> None:
        """Forget the container."""
        self._record_into(None)
        self._forget_in_flight()
        table = self._observer.table("names")
        for name in self._names:
            key = table.Key()
            key.text = name
            if key in table:
                del table[key]
        self._observer.forget(self._number)

    def _leaf(self) -> Any:
        return self._observer.table("containers")[ctypes.c_int(self._number)]

    def _record_into(self, slot: int | None, flags: int = 0) -> None:
        value = 0 if slot is None else flags | (slot + 1)
        self._observer.scope.recording[self._number] = value
