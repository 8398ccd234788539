"""Measure what recording costs, beside other tracers; see docs/measurements.md.

    sudo scripts/benchmark [--quick] [--only PART]

One interleaved run: every round switches each tracer on, measures and switches it off again, so
that a busy machine is busy for all of them.  Prints medians and the quartiles around them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bounds import print_bounds
from benchmarks.tracers import (
    Empty,
    External,
    Hook,
    Nothing,
    Ours,
    Programs,
    Tracer,
    Unavailable,
    switched_on,
)
from benchmarks.workers import Cell, Cost, Worker, compile_worker, real_commands, run_timed

LOOPS = ("getppid", "read", "mixed")
CALLS, BATCHES = 200_000, 6
BPFTRACE = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }"
SLOW_CALLS, SLOW_BATCHES = 4_000, 2  # where a call takes microseconds
REAL_SCALE = 6  # about half a second of each
SLOW_ROUNDS = 2  # of real work: tens of seconds each, and far from the rest
STRACE = "strace -f -c"
SECCOMP_BPF = "strace -f --seccomp-bpf, calls not traced"
COLUMNS = (*LOOPS, "beside")
Samples = dict[tuple[str, str], list[tuple[Cost, Cost]]]
"""(tracer, column) -> pairs of a cost without and with the tracer."""


def available(make: Sequence[tuple[str, Callable[[], Tracer]]]) -> tuple[list[Tracer], list[str]]:
    """Make the tracers; return those that work and a line for each that does not."""
    tracers: list[Tracer] = []
    problems: list[str] = []
    for name, maker in make:
        try:
            tracers.append(maker())
        except Unavailable as reason:
            problems.append(f"{name}: not available, because {reason}")
    return tracers, problems


def makers(cell: Cell, pid: int) -> list[tuple[str, Callable[[], Tracer]]]:
    """Return how to make each tracer for a recorded process ``pid``."""
    programs = Programs()
    target = str(pid)
    return [
        ("again", Nothing),
        ("empty", lambda: Empty("empty raw tracepoint (enter)", programs, "sys_enter")),
        ("empty", lambda: Empty("empty (enter and exit)", programs, "sys_enter", "sys_exit")),
        ("ours", lambda: Ours("ours, syscalls only", cell, pid, syscalls_only=True)),
        ("ours", lambda: Ours("ours, everything", cell, pid)),
        ("ours", lambda: Ours("ours, everything, joined", cell, pid, joined=True)),
        ("ours", lambda: Ours("ours, --evidence full", cell, pid, all_programs=True)),
        ("hook", lambda: Hook(programs, pid)),
        (
            "bpftrace",
            lambda: External(
                "bpftrace count()",
                ["bpftrace", "-B", "line", "-e", BPFTRACE],
                ready="Attaching",
                settle=1.5,
            ),
        ),
        (
            "perf trace -s",
            lambda: External(
                "perf trace -s",
                ["perf", "trace", "-s", "-p", target],
                settle=1.5,
                prefix=("perf", "trace", "-s", "-o", "/dev/null", "--"),
            ),
        ),
        (
            STRACE,
            lambda: External(
                STRACE,
                ["strace", "-f", "-c", "-p", target],
                ready="attached",
                prefix=("strace", "-f", "-c", "-o", "/dev/null", "--"),
            ),
        ),
    ]


def measure_loops(
    tracers: list[Tracer], inside: Worker, outside: Worker, sealed: Worker | None, rounds: int
) -> Samples:
    """Return ``(tracer, column) -> samples``; columns are the loops inside, and ``beside``.

    The machine's speed changes from one second to the next: each sample is taken right after one
    without a tracer, ``("untraced", column)``, which stands at the same place in its list.
    """
    samples: Samples = defaultdict(list)
    for _ in range(rounds):
        for tracer in tracers:
            slow = isinstance(tracer, External) and bool(tracer.prefix)
            size = (SLOW_CALLS, SLOW_BATCHES) if slow else (CALLS, BATCHES)
            for column in COLUMNS:
                worker = outside if column == "beside" else inside
                loop = "getppid" if column == "beside" else column
                untraced = worker.measure(loop, CALLS, BATCHES)
                with switched_on(tracer):
                    traced = worker.measure(loop, *(size if worker is inside else (CALLS, BATCHES)))
                samples[tracer.name, column].append((untraced, traced))
        if sealed is not None:
            for loop in LOOPS:
                untraced = inside.measure(loop, CALLS, BATCHES)
                traced = sealed.measure(loop, CALLS, BATCHES)
                samples[SECCOMP_BPF, loop].append((untraced, traced))
    return samples


def measure_real(tracers: list[Tracer], cell: Cell, worker: Path, rounds: int) -> Samples:
    """Return ``(tracer, command) -> samples`` of real work inside."""
    samples: Samples = defaultdict(list)
    whole, small = real_commands(worker, REAL_SCALE), real_commands(worker, 1)
    for number in range(rounds):
        for name in whole:
            run_timed(cell.enter(*whole[name]))  # warms the caches
            for tracer in tracers:
                prefix = tracer.prefix if isinstance(tracer, External) else ()
                if prefix and number >= SLOW_ROUNDS:
                    continue
                command = small[name] if prefix else whole[name]
                untraced = run_timed(cell.enter(*command))
                place = tracer.cell if isinstance(tracer, Ours) else cell
                with contextlib.nullcontext() if prefix else switched_on(tracer):
                    traced = run_timed(place.enter(*prefix, *command))
                samples[tracer.name, name].append((untraced, traced))
    return samples


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return median and quartiles."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def untraced(samples: Samples, column: str) -> float:
    """Return the median CPU time without any tracer."""
    return statistics.median(base.cpu for base, _ in samples[Nothing.name, column])


def print_loops(samples: Samples) -> None:
    """Print nanoseconds added to a call, CPU time; for ptrace the duration beside it."""
    base = {column: untraced(samples, column) for column in COLUMNS}
    print("\nCPU nanoseconds added to a call: median [quartiles], and ratio to untraced\n")
    print("| tracer |", " | ".join((*(f"inside: {c}" for c in LOOPS), "beside: getppid")), "|")
    print("|---|---|---|---|---|")
    print("| untraced (itself) |", " | ".join(f"{base[c]:.0f}" for c in COLUMNS), "|")
    for name in dict.fromkeys(name for name, _ in samples):
        cells = []
        for column in COLUMNS:
            if (name, column) not in samples:
                cells.append("")
                continue
            middle, low, high = spread([one.cpu - b.cpu for b, one in samples[name, column]])
            ratio = 1 + middle / base[column]
            cells.append(f"{middle:+.0f} [{low:.0f}, {high:.0f}] {ratio:.2f}x")
        print(f"| {name} |", " | ".join(cells), "|")
    for name in (STRACE, "perf trace -s"):
        if (name, "getppid") in samples:
            wall = statistics.median(one.wall for _, one in samples[name, "getppid"])
            print(f"\n{name}: {wall / 1000:.1f} µs of real time for a getppid", end="")
    print()


def print_real(samples: Samples) -> None:
    """Print ratios of CPU time to untraced; for ptrace that of the duration too."""
    commands = list(dict.fromkeys(command for _, command in samples))
    print("\nReal work, ratio of CPU time to untraced: median [quartiles] (real time for ptrace)\n")
    print("| tracer |", " | ".join(commands), "|")
    print("|---|" + "---|" * len(commands))
    seconds = [untraced(samples, command) for command in commands]
    print("| untraced (seconds) |", " | ".join(f"{one:.2f}" for one in seconds), "|")
    for name in dict.fromkeys(name for name, _ in samples):
        cells = []
        for command in commands:
            pairs = samples[name, command]
            middle, low, high = spread([one.cpu / base.cpu for base, one in pairs])
            cell = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
            if name in (STRACE, "perf trace -s"):
                cell += f" ({statistics.median(one.wall / base.wall for base, one in pairs):.1f})"
            cells.append(cell)
        print(f"| {name} |", " | ".join(cells), "|")


_START = """
import json, os, time
began = time.monotonic()
from tracer.observe import Observer
observer = Observer(frozenset({1, 38}))
seconds = time.monotonic() - began
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
memory = {name: int(status[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM", "RssAnon")}
found = {"prog_id": set(), "map_id": set(), "link_id": set()}
for name in os.listdir("/proc/self/fdinfo"):
    try:
        lines = open("/proc/self/fdinfo/" + name).read().splitlines()
    except OSError:
        continue
    for key, _, value in (line.partition(":") for line in lines):
        if key in found:
            found[key].add(value)
print(json.dumps([seconds, memory, {name: len(ids) for name, ids in found.items()}]))
"""


def print_start(rounds: int) -> None:
    """Print how long the recorder takes to start, its memory and its kernel objects."""
    results = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", _START], check=True, capture_output=True, text=True, timeout=60
        )
        results.append(json.loads(done.stdout))
    middle, low, high = spread([one[0] for one in results])
    memory, objects = results[-1][1:]
    print(
        f"\nStart (import, compile, load, attach): {middle:.2f} s [{low:.2f}, {high:.2f}]"
        f"\nMemory of the recorder: {memory['VmRSS']} MB resident (of it {memory['RssAnon']} MB "
        f"its own; peak {memory['VmHWM']} MB)"
        f"\nKernel objects: {objects['prog_id']} programs, {objects['map_id']} maps, "
        f"{objects['link_id']} links"
    )


def measure(parts: set[str], rounds: int, real_rounds: int) -> None:
    """Measure and print loops and real work."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seccomp-synth-")))
        worker = compile_worker(folder)
        cell = stack.enter_context(Cell(worker))
        inside = stack.enter_context(Worker(cell.enter(worker)))
        # in a pid namespace of its own, or the hook would take it for the container
        outside = stack.enter_context(Worker(["unshare", "--pid", "--fork", worker]))
        inside.measure("mixed", 1000, 1)
        outside.measure("mixed", 1000, 1)
        sealed = None
        with contextlib.suppress(FileNotFoundError):
            line = ("strace", "-f", "-c", "--seccomp-bpf", "-e", "trace=execve", worker)
            sealed = stack.enter_context(Worker(cell.enter(*line)))
        tracers, problems = available(makers(cell, inside.pid))
        for tracer in tracers:
            stack.callback(tracer.close)
        if "loops" in parts:
            print_loops(measure_loops(tracers, inside, outside, sealed, rounds))
        if "real" in parts:
            print_real(measure_real(tracers, cell, worker, real_rounds))
        print("\n".join(problems))


def main() -> None:
    """Print everything that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller bounds")
    parser.add_argument("--only", choices=("loops", "real", "start", "bounds"))
    parser.add_argument("--rounds", type=int, default=0, help="not 9 for loops, 5 for work")
    options = parser.parse_args()
    parts = {options.only} if options.only else {"loops", "real", "start", "bounds"}
    rounds = options.rounds or (3 if options.quick else 9)
    real_rounds = options.rounds or (2 if options.quick else 5)
    print(f"Linux {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    if parts & {"loops", "real"}:
        measure(parts, rounds, real_rounds)
    if "start" in parts:
        print_start(rounds)
    if "bounds" in parts:
        print_bounds(quick=options.quick)


if __name__ == "__main__":
    main()
