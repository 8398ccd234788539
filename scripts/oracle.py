"""Compare what the recorder saw of a run with what strace saw of the same run.

Started by ``scripts/oracle``, whose engine attaches strace to every container.  strace sees a call
before the filter decides, the recorder what the filter let through and, apart, what it refused:
together that must be the same.  Both are compared by table and number, refusals by how often too.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from errno import errorcode
from pathlib import Path

from synth.model import Container, Run, Workload
from synth.syscalls import syscall_name
from tracer.docker_engine import DockerEngine, engine_url
from tracer.execute import Executor
from tracer.observe import Counts, Observer
from tracer.record import DEFAULT_ERRNOS
from tracer.workload import remove_stale

IMAGE = "seccomp-synth-oracle"
Key = tuple[str, int]

SHELL = """
set -e
cd /tmp; trap 'echo trapped' USR1; kill -USR1 $$
for i in 1 2 3; do echo $i; done | sort -r | tail -n 1 > out & wait
(umask 077; cat <<END > private
text
END
)
test -s private && ls -la / > list; read -r line < list; sleep 0.01; rm out private list
"""
GIT = """
set -e
cd /tmp; git init -q a; cd a; echo one > file; git add file; git commit -q -m one
git checkout -q -b branch; echo two >> file; git commit -q -a -m two; git checkout -q -
git merge -q branch; git log --oneline > /dev/null; git gc -q; git clone -q /tmp/a /tmp/b
"""
THREADS = """
import concurrent.futures, queue, subprocess, tempfile, threading, time
items = queue.Queue()
def work(n):
    with tempfile.TemporaryFile() as file:
        file.write(bytes(10000)); file.flush()
    time.sleep(0.001); items.put(n)
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(50)))
assert subprocess.run(["echo", "child"], capture_output=True).stdout == b"child\\n"
"""
PROCESSES = """
import multiprocessing, os, signal, time
def work(n): return os.getpid() and n * n
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(work, range(20))[3] == 9
    child = multiprocessing.Process(target=time.sleep, args=(60,))
    child.start(); child.kill(); child.join()
    r, w = os.pipe()
    if os.fork() == 0: os.write(w, b"x"); os._exit(0)
    os.read(r, 1); os.wait()
    signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
"""
ASYNCIO = """
import asyncio
async def answer(reader, writer):
    writer.write(await reader.readline()); await writer.drain(); writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async def client():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\\n"); assert await reader.readline() == b"hello\\n"; writer.close()
    await asyncio.gather(*(client() for _ in range(20)))
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert (await child.communicate(b"x"))[0] == b"x"
    await asyncio.to_thread(sum, [1, 2])
asyncio.run(main())
"""
COMPILE = """
set -e
cd /tmp; printf '#include <stdio.h>\\nint main(void) { puts("hello"); return 0; }\\n' > hello.c
gcc -O2 -Wall -pipe -o hello hello.c; ./hello
"""
NODE = """
const fs = require("fs"), http = require("http"), { execFileSync } = require("child_process");
const { Worker } = require("worker_threads");
fs.mkdtempSync("/tmp/node-"); fs.writeFileSync("/tmp/node.txt", "x".repeat(5000));
new Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true });
execFileSync("echo", ["child"]);
const server = http.createServer((_, answer) => answer.end("hello")).listen(0, "127.0.0.1", () =>
  http.get({ port: server.address().port, host: "127.0.0.1" }, (answer) =>
    answer.on("data", () => {}).on("end", () => server.close())));
"""
HTTP = """
set -e
cd /usr/share; python3 -m http.server -b 127.0.0.1 8000 2> /dev/null & server=$!
for i in 1 2 3 4 5; do curl -sf --retry 50 --retry-connrefused -o /dev/null 127.0.0.1:8000/; done
kill $server; wait $server || true
"""
SQLITE = """
set -e
cd /tmp; sqlite3 a.db "pragma journal_mode=wal; create table t (a, b); create index i on t (a);
with recursive n (x) as (values (1) union all select x + 1 from n where x < 5000)
insert into t select x, hex(randomblob(50)) from n; delete from t where a % 3 = 0; vacuum;"
sqlite3 a.db .dump | sqlite3 b.db; sqlite3 b.db "select count(*) from t"
"""
SUDO = """
set -e
sudo id; sudo chown root /etc/hostname.old 2> /dev/null || true; sudo -u nobody true
sudo sh -c 'touch /root/a; chown nobody /root/a; chmod 4711 /root/a; mknod /root/null c 1 3'
"""
TAR = """
set -e
cd /tmp; tar -cJf a.tar.xz -C /usr/share/doc gcc git; mkdir x; tar -xJf a.tar.xz -C x
tar -cf - x | tar -tf - > /dev/null; cp -a x y; diff -r --no-dereference x y; rm -rf x y
"""
CRASH = """
ulimit -c unlimited; cd /tmp
python3 -c 'import os; os.abort()'; python3 -c 'import ctypes; ctypes.string_at(0)'
"""
REFUSED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for number in (272, 165, 250, 321, 175, 169, 400, 435, 310, 246):
    assert libc.syscall(number, 0, 0, 0, 0, 0) == -1
libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
query, fixed = ctypes.c_ulong(0xffffffff), ctypes.c_ulong(0x40000)
assert libc.personality(query) == 0 and libc.personality(fixed) == -1
for family in (2, 38, 40): libc.socket(family, 1, 0)
os.getpriority(os.PRIO_PROCESS, 0)
"""
WORKLOADS: dict[str, tuple[tuple[str, ...], int]] = {
    "shell": (("bash", "-c", SHELL), 0),
    "git": (("bash", "-c", GIT), 0),
    "python threads": (("python3", "-c", THREADS), 0),
    "python processes": (("python3", "-c", PROCESSES), 0),
    "python asyncio": (("python3", "-c", ASYNCIO), 0),
    "C compile": (("sh", "-c", COMPILE), 0),
    "node": (("node", "-e", NODE), 0),
    "go": (("oracle-go",), 0),
    "rust": (("oracle-rust",), 0),
    "http server": (("sh", "-c", HTTP), 0),
    "sqlite": (("sh", "-c", SQLITE), 0),
    "sudo": (("sh", "-c", SUDO), 0),
    "tar": (("sh", "-c", TAR), 0),
    "crash with core": (("sh", "-c", CRASH), 139),
    "32-bit": (("oracle-i386",), 0),
    "dying threads": (("oracle-dying",), 0),
    "refused calls": (("python3", "-c", REFUSED), 0),
}
"""Name -> command and the exit status it ends with."""

_LINE = re.compile(r"^(\d+) +\[ *(\d+)\] (?:<\.\.\. )?([a-z_0-9]+)(.*)$")
_ERROR = re.compile(r"= -1 (E[A-Z0-9]+) ")
# nobody comes back from these
_ENDS = {"exit", "exit_group", "rt_sigreturn", "sigreturn"}


@dataclass
class Trace:
    """What strace saw of one run: calls, how many came back, and with which errors."""

    calls: Counter[Key] = field(default_factory=Counter)
    returned: Counter[Key] = field(default_factory=Counter)
    errors: Counter[tuple[Key, str]] = field(default_factory=Counter)

    def never_returned(self) -> set[Key]:
        """Return the calls that no thread survived."""
        return {
            key for key in self.calls if not self.returned[key] and syscall_name(*key) not in _ENDS
        }


def read_trace(log: Path, init: int) -> Trace:
    """Read what strace wrote.

    Until the container's process has become its first program, the other threads are the runtime's
    and have no filter: they are left out.
    """
    trace = Trace()
    started = False
    runtime: set[int] = set()
    arch: dict[int, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        pid, number, name, rest = int(match[1]), int(match[2]), match[3], match[4]
        if not started and pid != init:
            runtime.add(pid)
        if pid in runtime:
            continue
        arch[pid] = _arch(number, name, arch.get(pid, "x86_64"))
        key = (arch[pid], number)
        if not rest.startswith(" resumed"):
            trace.calls[key] += 1
        if " = " in rest and not rest.endswith("= ?"):
            trace.returned[key] += 1
            error = _ERROR.search(rest)
            if error:
                trace.errors[key, error[1]] += 1
        started = started or (name == "execve" and rest.endswith("= 0"))
    return trace


def _arch(number: int, name: str, before: str) -> str:
    """Tell the table from number and name; new calls are the same in both, then it is as before."""
    fits = [arch for arch in ("x86_64", "x86") if syscall_name(arch, number) == name]
    if len(fits) == 1:
        return fits[0]
    if not fits and number in (102, 117):  # socketcall and ipc, which strace shows as what they do
        return "x86"
    return before


@dataclass
class Row:
    """The comparison of all runs of one workload."""

    runs: int = 0
    oracle: set[Key] = field(default_factory=set)
    ours: set[Key] = field(default_factory=set)
    refused: set[Key] = field(default_factory=set)
    missing: set[Key] = field(default_factory=set)
    died: set[Key] = field(default_factory=set)
    extra: set[Key] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    calls: int = 0

    def add(self, run: Run, trace: Trace) -> None:
        """Compare one run."""
        seen = {(use.arch, use.number) for use in run.syscalls}
        workload = {(use.arch, use.number) for use in run.syscalls if use.phase == "workload"}
        refused = {(one.arch, one.number) for one in run.denials}
        lacking = set(trace.calls) - seen - refused
        died = lacking & trace.never_returned()
        self.runs += 1
        self.calls += trace.calls.total()
        self.oracle |= set(trace.calls)
        self.ours |= seen & set(trace.calls) | workload
        self.refused |= refused
        self.missing |= lacking - died
        self.died |= died
        self.extra |= (workload | refused) - set(trace.calls)
        for one in run.denials:
            key = (one.arch, one.number)
            counted = trace.errors[key, errorcode.get(one.errno, "?")]
            whole = key not in seen and not one.arguments
            ours = sum(
                other.count
                for other in run.denials
                if (other.arch, other.number, other.errno) == (*key, one.errno)
            )
            if counted < ours or (whole and counted != ours):
                self.problems.append(f"{one.name}: refused {ours} times, strace has {counted}")


class Recorder:
    """Record one run after the other and wait for strace in between; implements ``Events``."""

    def __init__(self, folder: Path, rows: dict[str, Row]) -> None:
        self._folder = folder
        self._rows = rows

    def started(self, workload: Workload, index: int) -> None:
        """Tell the runtime how to name its log."""
        self._name = f"{workload.name.replace(' ', '-')}.{index}"
        (self._folder / "current").write_text(self._name)

    def progress(self, workload: Workload, counts: Counts, seconds: float) -> None:
        """Show nothing."""

    def output(self, stream: int, data: bytes) -> None:
        """Show nothing."""

    def finishing(self) -> None:
        """Stop naming."""
        (self._folder / "current").unlink(missing_ok=True)

    def finished(self, run: Run, message: str, stderr_tail: str) -> None:
        """Compare the run with its trace."""
        row = self._rows[run.workload]
        base = self._folder / self._name
        if run.outcome != "ok":
            row.problems.append(f"{run.outcome}: {message} {stderr_tail.strip()[-200:]}")
        try:
            strace = int(base.with_name(self._name + ".strace").read_text())
            init = int(base.with_name(self._name + ".init").read_text())
        except (OSError, ValueError):
            row.problems.append("strace was not started")
            return
        for _ in range(200):
            if not Path(f"/proc/{strace}/fd").exists() or not _is_strace(strace):
                break
            time.sleep(0.05)
        row.add(run, read_trace(base.with_name(self._name + ".log"), init))


def _is_strace(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"strace\0")
    except OSError:
        return False


def _names(keys: set[Key]) -> str:
    return ", ".join(
        sorted(("" if arch == "x86_64" else f"{arch}:") + syscall_name(arch, n) for arch, n in keys)
    )


def print_table(rows: dict[str, Row]) -> None:
    """Print the comparison."""
    print("| workload | runs | calls | strace | ours | refused | missing | died | extra |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        sizes = [row.runs, row.calls, len(row.oracle), len(row.ours), len(row.refused)]
        sets = [_names(one) or "0" for one in (row.missing, row.died, row.extra)]
        print("|", " | ".join([name, *map(str, sizes), *sets]), "|")
    total = [sum(row.runs for row in rows.values()), sum(row.calls for row in rows.values())]
    print("| all |", " | ".join(map(str, total)), "| | | | | | |")


def main() -> int:
    """Record, compare, print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("names", nargs="*", metavar="WORKLOAD")
    options = parser.parse_args()
    unknown = set(options.names) - set(WORKLOADS)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    workloads = tuple(
        Workload(name, command, repeat=options.repeat, expected_exit=status)
        for name, (command, status) in WORKLOADS.items()
        if name in options.names or not options.names
    )
    rows = {workload.name: Row() for workload in workloads}
    engine = DockerEngine(engine_url(dict(os.environ)))
    remove_stale(engine)
    container = Container(IMAGE, network="none")
    with Observer(DEFAULT_ERRNOS["docker"]) as observer:
        recorder = Recorder(options.folder, rows)
        result = Executor(engine, observer, container, None, recorder).execute(workloads)
        losses = observer.losses()
    info = engine.info()
    engine.close()
    strace = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=True)
    print(
        f"Linux {platform.release()}, {info.name} {info.version}, "
        f"{strace.stdout.splitlines()[0]}, {os.cpu_count()} CPUs\n"
    )
    print_table(rows)
    problems = [f"{name}: {text}" for name, row in rows.items() for text in row.problems]
    problems += [*losses, *result.problems]
    print(
        "\n" + "\n".join(problems or ["health: nothing lost; every refusal counted alike by both"])
    )
    incomplete = result.partial or any(row.runs < options.repeat for row in rows.values())
    return int(
        bool(problems) or incomplete or any(row.missing or row.extra for row in rows.values())
    )


if __name__ == "__main__":
    sys.exit(main())
