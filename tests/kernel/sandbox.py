"""Run a program as a container runtime would, without an engine: a cgroup, a filter, execve."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tracer.cgroups import hierarchy, subtree
from tracer.observe import Joined, Observation, Observer

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ARGUMENT_0 = 16  # offset of the first argument's low word in struct seccomp_data


def errno_action(number: int) -> int:
    """Return the filter action that answers ``number``."""
    return 0x00050000 | number


def refuse(number: int, action: int, *, argument: int | None = None) -> bytes:
    """Return a filter that answers ``action`` to one syscall (with one first argument)."""
    program = [(_LOAD, 0, 0, 0), (_JUMP_EQUAL, 0, 1 if argument is None else 3, number)]
    if argument is not None:
        program += [(_LOAD, 0, 0, _ARGUMENT_0), (_JUMP_EQUAL, 0, 1, argument)]
    program += [(_RETURN, 0, 0, action), (_RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *one) for one in program)


ALLOW_ALL = struct.pack("<HBBI", _RETURN, 0, 0, ALLOW)

# Runs in the child: join the cgroup, install the filter, become the program.
_CHILD = """
import ctypes, os, sys
cgroup, program, *command = sys.argv[1:]
with open(cgroup + "/cgroup.procs", "w") as procs:
    procs.write(str(os.getpid()))
code = ctypes.create_string_buffer(bytes.fromhex(program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
fprog = Program(len(code.raw) // 8, ctypes.cast(code, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, ctypes.byref(fprog), 0, 0):
    sys.exit("no filter: errno %d" % ctypes.get_errno())
os.execv(command[0], command)
"""


def command_line(cgroup: Path, command: Sequence[str], program: bytes = ALLOW_ALL) -> list[str]:
    """Return what runs ``command`` in a cgroup under a filter."""
    return [sys.executable, "-c", _CHILD, str(cgroup), program.hex(), *command]


def run(
    observer: Observer,
    command: Sequence[str],
    *,
    program: bytes = ALLOW_ALL,
    name: str = "{}",
    nested: bool = False,
    until: Callable[[], bool] = lambda: True,
) -> tuple[Observation, subprocess.CompletedProcess[str]]:
    """Run ``command`` watched and filtered; return what was seen and what came of it.

    ``name``: what the runtime calls the cgroup, or its path; ``nested``: run in a child cgroup of
    it.  ``{cgroup}`` in the command stands for its folder.  After the command, waits ``until``.
    """
    container_id = uuid.uuid4().hex * 2
    watch = observer.watch(container_id)
    slot = watch.begin()
    root = hierarchy()
    cgroup = root / name.format(container_id)
    inner = cgroup / "inner" if nested else cgroup
    try:
        inner.mkdir(parents=True)
        line = [part.replace("{cgroup}", str(cgroup)) for part in command]
        done = subprocess.run(
            command_line(inner, line, program),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        wait_until(until)
        return watch.end(slot), done
    finally:
        watch.close()
        remove(root / cgroup.relative_to(root).parts[0])


def wait_until(true: Callable[[], bool]) -> None:
    """Wait ten seconds at most."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def remove(cgroup: Path) -> None:
    """End what is in and below a cgroup, and remove it."""
    folders = sorted(subtree(cgroup), reverse=True)
    for folder in folders:
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text())  # type: ignore[misc]
        folder.rmdir()


class Box:
    """A filtered program that runs in a cgroup before anybody looks.  Use as a context manager."""

    def __init__(self, command: Sequence[str], program: bytes = ALLOW_ALL) -> None:
        self.id = uuid.uuid4().hex * 2
        self.cgroup = hierarchy() / self.id
        self._line = command_line(self.cgroup, command, program)

    def __enter__(self) -> Box:
        self.cgroup.mkdir()
        self.start()
        return self

    def start(self) -> None:
        """Start the program and wait for its first line."""
        self.process = subprocess.Popen(
            self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.listen()

    def listen(self) -> str:
        """Return the program's next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> str:
        """Send the program a line and return its next one."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.listen()

    def stop(self) -> None:
        """End the program."""
        self.process.kill()
        self.process.communicate()

    def joined(self) -> Joined:
        """Return what a recorder is told that joins."""
        namespace = Path(f"/proc/{self.process.pid}/ns/user").stat().st_ino
        return Joined(self.cgroup, namespace, ())

    def __exit__(self, *_: object) -> None:
        self.stop()
        remove(self.cgroup)


def workload_names(observation: Observation, arch: str = "x86_64") -> set[str]:
    """Return the names of the calls after execve."""
    return {
        use.name for use in observation.syscalls if use.phase == "workload" and use.arch == arch
    }


def programs_of(pid: int) -> set[int]:
    """Return the ids of the BPF programs that a process holds attached."""
    text = "".join(one.read_text() for one in Path(f"/proc/{pid}/fdinfo").iterdir())
    return {int(one) for one in re.findall(r"^prog_id:\s*(\d+)$", text, re.MULTILINE)}


def program_ids() -> set[int]:
    """Return the ids of all BPF programs loaded in the kernel (BPF_PROG_GET_NEXT_ID)."""
    libc = ctypes.CDLL(None, use_errno=True)
    found: set[int] = set()
    attributes = (ctypes.c_uint32 * 3)(0, 0, 0)
    while libc.syscall(321, 11, ctypes.byref(attributes), ctypes.sizeof(attributes)) == 0:
        found.add(attributes[1])
        attributes[0] = attributes[1]
    return found


def compile_program(folder: Path, source: Path) -> str:
    """Compile a freestanding test program and return its path."""
    target = folder / source.stem
    subprocess.run(
        ["gcc", "-O1", "-static", "-nostdlib", "-fno-stack-protector", "-o", target, source],
        check=True,
        timeout=60,
    )
    target.chmod(0o755)
    return str(target)
