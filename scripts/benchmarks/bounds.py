"""What happens at the bounds: many runs, argument values, processes, threads, calls a second.

Each line says what was done, whether the recording is complete or what its health says, and how
much the recorder's memory grew.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.workers import Cell, compile_worker
from synth.errors import HostError
from tests.kernel.sandbox import workload_names
from tracer.loader import MAX_CONTAINERS, MAX_SLOTS
from tracer.observe import Observation, Observer


def resident_kb() -> int:
    """Return this process's resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def kernel_kb() -> int:
    """Return how much memory the kernel holds for this process's maps and programs."""
    total = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            for line in path.read_text().splitlines():
                if line.startswith("memlock:"):
                    total += int(line.split()[1])
    return total // 1024


def run_in(cell: Cell, *command: str | Path, timeout: float = 300) -> None:
    """Run a command inside, whatever its exit status."""
    subprocess.run(
        cell.enter(*command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )


def one_run(observer: Observer, worker: Path, *command: str | Path) -> Observation:
    """Record a command from its start, as a container of its own."""
    cell = Cell(worker)
    watch = observer.watch(cell.id)
    slot = watch.begin()
    with cell:
        run_in(cell, *command)
    observation = watch.end(slot)
    watch.close()
    return observation


def health(observer: Observer) -> str:
    """Return what a recording's health would say."""
    return "; ".join(observer.losses()) or "nothing lost"


def runs(observer: Observer, worker: Path, count: int) -> str:
    """Record one program again and again; every run must have exactly the same calls."""
    expected = workload_names(one_run(observer, worker, "/bin/true"))
    different = sum(
        workload_names(one_run(observer, worker, "/bin/true")) != expected for _ in range(count)
    )
    return f"{different} of {count} runs differ from the first ({len(expected)} calls)"


def at_once(observer: Observer, worker: Path, _: int) -> str:
    """Watch as many containers as there is room for, all with many argument values."""
    cells = [Cell(worker) for _ in range(MAX_CONTAINERS)]
    watches = [observer.watch(cell.id) for cell in cells]
    slots = [watch.begin() for watch in watches]
    try:
        observer.watch("one more")
        beyond = "one more was taken"
    except HostError as error:
        beyond = f"one more: {error.args[0]}"
    with contextlib.ExitStack() as stack:
        for cell in cells:
            stack.enter_context(cell)
        children = [
            subprocess.Popen(cell.enter(worker, "tuples", "4000"), stdin=subprocess.DEVNULL)
            for cell in cells
        ]
        for child in children:
            child.wait()
    seen = [watch.end(slot) for watch, slot in zip(watches, slots, strict=True)]
    for watch in watches:
        watch.close()
    complete = sum("semctl" in workload_names(one) for one in seen)
    return f"{complete} of {MAX_SLOTS} have all their calls; {beyond}"


def tuples(observer: Observer, worker: Path, count: int) -> str:
    """Make calls with ever new argument values."""
    seen = one_run(observer, worker, worker, "tuples", str(count))
    marked = [use for use in seen.arguments if use.overflow]
    kept = max(len(use.values) for use in marked)
    return f"{len(marked)} syscalls marked as having more, {kept} values kept of each"


def fork_bomb(observer: Observer, worker: Path, seconds: int) -> str:
    """Let a shell fork without end, in a cgroup that bounds it."""
    cell = Cell(worker)
    watch = observer.watch(cell.id)
    slot = watch.begin()
    with cell:
        (cell.cgroup / "pids.max").write_text("400")
        bomb = ["sh", "-c", "bomb() { bomb | bomb & }; bomb; sleep 60"]
        child = subprocess.Popen(
            cell.enter("nice", "-n", "19", *bomb),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        (cell.cgroup / "pids.max").write_text("0")  # no new ones while these are killed
        while pids := (cell.cgroup / "cgroup.procs").read_text().split():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            time.sleep(0.05)
        child.wait()
        seen = watch.end(slot)
    watch.close()
    names = workload_names(seen)
    return f"{len(names)} calls, fork among them: {bool(names & {'fork', 'vfork', 'clone'})}"


def threads(observer: Observer, worker: Path, count: int) -> str:
    """Have many threads make their first call at the same time."""
    seen = workload_names(one_run(observer, worker, worker, "threads", str(count)))
    return f"{len(seen)} calls, gettid among them: {'gettid' in seen}"


def flood(observer: Observer, worker: Path, seconds: int) -> str:
    """Make a million calls a second."""
    cell = Cell(worker)
    watch = observer.watch(cell.id)
    slot = watch.begin()
    with cell:
        done = subprocess.run(
            cell.enter(worker, "flood", "1000000", str(seconds)),
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    seen = workload_names(watch.end(slot))
    watch.close()
    calls, took = done.stdout.split()
    rate = int(calls) / float(took) / 1e6
    return f"{int(calls) / 1e6:.0f} million calls, {rate:.2f} a µs; {len(seen)} distinct"


Case = tuple[str, Callable[[Observer, Path, int], str], int, int]
CASES: tuple[Case, ...] = (
    ("64 runs", runs, 64, 64),
    ("1,000 runs", runs, 1_000, 200),
    ("10,000 runs", runs, 10_000, 500),
    ("100,000 argument values in a run", tuples, 100_000, 100_000),
    ("64 containers at once, with 32,768 argument values", at_once, 0, 0),
    ("a fork bomb of at most 400 processes", fork_bomb, 5, 2),
    ("5,000 threads at once", threads, 5_000, 5_000),
    ("a million calls a second", flood, 60, 3),
)
"""What, how, and how much of it; then how much if it has to be quick."""


def print_bounds(*, quick: bool) -> None:
    """Print a table."""
    print("\n| bound | took | outcome | health | memory, kernel's |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="seccomp-synth-") as folder:
        worker = compile_worker(Path(folder))
        for name, case, full, short in CASES:
            with Observer(frozenset({1, 38})) as observer:
                one_run(observer, worker, "/bin/true")  # allocates what a first run does
                before = resident_kb()
                began = time.monotonic()
                outcome = case(observer, worker, short if quick else full)
                took = time.monotonic() - began
                print(
                    f"| {name} | {took:.1f} s | {outcome} | {health(observer)} "
                    f"| {(resident_kb() - before) / 1024:+.1f} MB, {kernel_kb() / 1024:.1f} MB |",
                    flush=True,
                )
