"""Run a program as a container runtime would, without an engine: a cgroup, a filter, execve."""

from __future__ import annotations

import ctypes
import struct
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from tracer.observe import Observation, Observer
from tracer.probes import uses_v1_pids

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


def cgroup_root() -> Path:
    """Return the hierarchy that the tracer looks at."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options = line.split()[:4]
        if not Path(where, "cgroup.procs").exists():
            continue  # hidden under another mount
        if uses_v1_pids() and kind == "cgroup" and "pids" in options.split(","):
            return Path(where)
        if not uses_v1_pids() and kind == "cgroup2":
            return Path(where)
    raise RuntimeError("no cgroup hierarchy is mounted")


def run(
    observer: Observer,
    command: Sequence[str],
    *,
    program: bytes = ALLOW_ALL,
    name: str = "{}",
    nested: bool = False,
) -> tuple[Observation, subprocess.CompletedProcess[str]]:
    """Run ``command`` watched and filtered; return what was seen and what came of it.

    ``name``: what the runtime calls the cgroup; ``nested``: run in a child cgroup of it.
    """
    container_id = uuid.uuid4().hex * 2
    watch = observer.watch(container_id)
    slot = watch.begin()
    cgroup = cgroup_root() / name.format(container_id)
    cgroup.mkdir()
    inner = cgroup / "inner"
    try:
        if nested:
            inner.mkdir()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                _CHILD,
                str(inner if nested else cgroup),
                program.hex(),
                *command,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return watch.end(slot), done
    finally:
        watch.close()
        if nested:
            inner.rmdir()
        cgroup.rmdir()


def workload_names(observation: Observation, arch: str = "x86_64") -> set[str]:
    """Return the names of the calls after execve."""
    return {
        use.name for use in observation.syscalls if use.phase == "workload" and use.arch == arch
    }


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
