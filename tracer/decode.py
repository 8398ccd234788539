"""Turn what the kernel's maps hold of one run into the data model's terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synth.model import ArgumentUse, CapabilityUse, Denial, SyscallUse
from synth.syscalls import CAPABILITIES
from tracer.architecture import of_machine
from tracer.arguments import POINTED, SPECS
from tracer.loader import BITS

PHASES = ("workload", "runtime")


@dataclass(frozen=True)
class Bitmaps:
    """One run's words of each bitmap."""

    workload: list[int]
    runtime: list[int]
    overflow: list[int]


def program_of(raw: bytes) -> str:
    """Return a task's name; any bytes are possible, they are escaped where shown."""
    return raw.split(b"\0")[0].decode("utf-8", "backslashreplace")


def identify(bit: int) -> tuple[str, int, str]:
    """Return table, number and name of the syscall behind a bit on this machine."""
    return of_machine().identify(bit)


def _is_set(words: Any, bit: int) -> bool:
    return bool(words[bit >> 6] >> (bit & 63) & 1)


def syscalls(
    run: Bitmaps,
    firsts: dict[tuple[int, int], tuple[int, str]],
    programs: dict[int, set[str]],
    start_ns: int,
) -> Iterator[SyscallUse]:
    """Yield what a run called, in both phases; ``programs`` is empty unless all were kept."""
    for phase, phase_name in enumerate(PHASES):
        for bit in range(BITS):
            if _is_set(getattr(run, phase_name), bit):
                arch, number, name = identify(bit)
                ns, program = firsts.get((bit, phase), (start_ns, ""))
                first_ms = round(max(0, ns - start_ns) / 1e6, 1)
                every = programs.get(bit, set()) if phase_name == "workload" else set()
                others = tuple(sorted(every - {program}))
                yield SyscallUse(arch, name, number, phase_name, program, first_ms, others)


def arguments(table: Any, run: Bitmaps, slot: int) -> Iterator[ArgumentUse]:
    """Yield the argument values of a run."""
    values: dict[int, set[tuple[int, ...]]] = {}
    for key in table:
        if key.slot == slot:
            values.setdefault(key.index, set()).add(tuple(key.value))
    for bit, tuples in values.items():
        arch, _, name = identify(bit)
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


def denials(table: Any, slot: int) -> Iterator[Denial]:
    """Yield the calls of a run that were refused."""
    for key, count in table.items():
        if key.slot != slot:
            continue
        arch, number, name = identify(key.index)
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
            program_of(key.program),
            int(count.value),
            triples,
        )


def capabilities(table: Any, slot: int) -> Iterator[CapabilityUse]:
    """Yield the capability uses of a run that would have mattered."""
    for key, count in table.items():
        if key.slot != slot or key.unaudited or key.capability >= len(CAPABILITIES):
            continue
        syscall = identify(key.index)[2] if key.index < BITS else ""
        yield CapabilityUse(
            CAPABILITIES[key.capability], syscall, program_of(key.program), int(count.value)
        )
