"""Run what is measured: loops of system calls and real commands, inside a container or beside."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracer.cgroups import hierarchy, subtree
from tracer.observe import Joined, Observer, Watch

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cost:
    """Nanoseconds per call, or seconds per command."""

    cpu: float
    wall: float


def compile_worker(folder: Path) -> Path:
    """Compile the worker and return its path."""
    target = folder / "worker"
    subprocess.run(
        ["gcc", "-O2", "-pthread", "-o", target, HERE / "worker.c"], check=True, timeout=60
    )
    return target


class Worker:
    """A long-lived process that answers requests for loops.  Use as a context manager."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # it ends with its input

    def measure(self, loop: str, calls: int, batches: int) -> Cost:
        """Return the cost of one call of a loop, the smallest of the batches."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("both are pipes")
        self._process.stdin.write(f"{loop} {calls} {batches}\n")
        self._process.stdin.flush()
        cpu, wall = self._process.stdout.readline().split()
        return Cost(float(cpu), float(wall))


class Cell:
    """A cgroup for recorded tasks, which enter it under a filter.  Use as a context manager."""

    def __init__(self, worker: Path) -> None:
        self.worker = worker
        self.id = os.urandom(32).hex()
        self.cgroup = hierarchy() / self.id

    def __enter__(self) -> Cell:
        self.cgroup.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        for folder in sorted(subtree(self.cgroup), reverse=True):
            for _ in range(50):  # busy until the last process is gone for good
                try:
                    folder.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)

    def enter(self, *command: str | Path) -> list[str]:
        """Return what runs a command inside."""
        return [str(part) for part in (self.worker, "enter", self.cgroup, *command)]

    def move(self, pid: int) -> None:
        """Move a process in here."""
        (self.cgroup / "cgroup.procs").write_text(str(pid))

    def join(self, observer: Observer) -> tuple[Watch, int]:
        """Have what happens inside recorded; return the watch and its slot."""
        namespace = Path("/proc/self/ns/user").stat().st_ino
        watch = observer.join(self.id, Joined(self.cgroup, namespace, ()))
        return watch, watch.begin()


def run_timed(command: Sequence[str]) -> Cost:
    """Run a command and return its CPU time (all its children included) and duration."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=600,
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall,
    )


_SQLITE = """
import os, sqlite3, sys
base = sqlite3.connect(":memory:")
base.execute("create table t (a integer primary key, b text)")
for i in range(20000 * SCALE):
    base.execute("insert into t values (?, ?)", (i, str(i) * 5))
base.commit()
file = sqlite3.connect("/dev/shm/seccomp-synth-bench.db")
file.execute("pragma journal_mode=wal")
file.execute("create table t (a integer primary key, b text)")
for i in range(2000 * SCALE):
    file.execute("insert into t values (?, ?)", (i, str(i) * 5))
    file.commit()
file.close()
os.unlink("/dev/shm/seccomp-synth-bench.db")
"""
_IMPORTS = (
    "import asyncio, ctypes, decimal, email.message, http.server, json, logging, multiprocessing, "
    "sqlite3, ssl, tarfile, unittest, urllib.request, xml.dom.minidom, zipfile"
)


def real_commands(worker: Path, scale: int) -> dict[str, list[str]]:
    """Return the real work, by name; ``scale`` tenths of a second of it."""
    python = shutil.which("python3", path="/usr/bin") or "python3"
    times = f"for i in $(seq {scale}); do"
    return {
        "dd bs=512": ["dd", "if=/dev/zero", "of=/dev/null", "bs=512", f"count={scale * 400000}"],
        "tar": ["sh", "-c", f"{times} tar -C /usr/share -cf - doc locale | cat; done"],
        "fork+exec": [str(worker), "fork", str(scale * 150)],
        "find+stat": ["sh", "-c", f"{times} find /usr/share -print0 | xargs -0 stat -c %s; done"],
        "python sqlite": [python, "-c", _SQLITE.replace("SCALE", str(scale))],
        "python imports": ["sh", "-c", f'{times} {python} -c "{_IMPORTS}"; done'],
    }
