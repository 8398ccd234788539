"""List the calls that lead out of a container or into the kernel's weak spots.

Each is tried under a profile, in a container.  The arguments are such that a kernel that gets to
see the call answers an error and does nothing: flags that contradict each other, a socket type
that does not exist, no memory behind a pointer.  A filter sees what it would see in earnest.
"""

from __future__ import annotations

from typing import NamedTuple

from synth.model import Answer
from synth.syscalls import syscall_number

Arguments = tuple[int, int, int, int, int, int]

MAX_U64 = 0xFFFF_FFFF_FFFF_FFFF
NO_DESCRIPTOR = MAX_U64
NO_TYPE = 15
"""A socket type beyond the last: EINVAL before any module is loaded for the family."""

HIGH = 1 << 32
"""Where the kernel reads 32 bits, it drops this bit; a filter that compares 64 does not."""

CLONE_FS, CLONE_THREAD = 0x200, 0x10000
NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "UTS": 0x04000000,
    "IPC": 0x08000000,
    "user": 0x10000000,
    "PID": 0x20000000,
    "network": 0x40000000,
}
ADDR_NO_RANDOMIZE = 0x0040000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
NO_PROCESS = 0x7FFF_FFFE


class Attempt(NamedTuple):
    """One call to try.

    ``label`` says what it is for; ``arch`` is the table its number is from.
    """

    label: str
    arch: str
    name: str
    arguments: Arguments

    @property
    def number(self) -> int:
        """Return the number on ``arch``, x32 without its bit."""
        found = syscall_number(self.arch, self.name)
        if found is None:
            raise KeyError(self.name)
        return found


class Outcome(NamedTuple):
    """What a call came to: the value returned, or the signal that it was answered with."""

    returned: int | None
    signal: int


class Tried(NamedTuple):
    """What attempts came to, in their order; ``None`` for one that was not made.

    ``reached``: ``(arch, name)`` that the kernel's own tracing saw pass the filter.  ``losses``
    say what that tracing missed.
    """

    outcomes: tuple[Outcome | None, ...]
    reached: frozenset[tuple[str, str]]
    losses: tuple[str, ...] = ()


class Attempted(NamedTuple):
    """One attempt with all that there is to judge it by.

    ``profile`` and ``default`` are what the two filters answer as compiled; ``outcome`` is what
    the kernel answered, ``None`` if it was not asked; ``reached``: a call of that name was seen
    to pass the filter.
    """

    attempt: Attempt
    profile: Answer
    default: Answer
    outcome: Outcome | None
    reached: bool


def attempts(arch: str) -> tuple[Attempt, ...]:
    """Return what is to be tried on a machine of ``arch``, in order.

    x86-64 has two more ways into the kernel, whose tables are tried as well.
    """
    result = [*_namespaces(arch), *_mounts(arch), *_kernel(arch), *_processes(arch)]
    result += [*_sockets(arch), *_terminal(arch)]
    if arch == "x86_64":
        result += _other_tables()
    return tuple(result)


def _call(arch: str, label: str, name: str, *arguments: int) -> Attempt:
    a, b, c, d, e, f = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    return Attempt(label, arch, name, (a, b, c, d, e, f))


def _namespaces(arch: str) -> list[Attempt]:
    """Contradictory flags: no namespace with a shared file system, no thread without memory."""
    result = []
    for kind, flag in NAMESPACES.items():
        # unshare knows no CLONE_PARENT_SETTID; clone refuses a thread that shares no handlers
        result.append(_call(arch, f"{kind} namespace (unshare)", "unshare", flag | 0x100000))
        result.append(_call(arch, f"{kind} namespace (clone)", "clone", flag | CLONE_THREAD))
    high = HIGH | NAMESPACES["user"] | CLONE_THREAD
    return [
        *result,
        _call(arch, "user namespace (clone, high word set)", "clone", high),
        _call(arch, "namespaces out of a filter's sight (clone3)", "clone3"),
        _call(arch, "another process's namespace", "setns", NO_DESCRIPTOR),
    ]


def _mounts(arch: str) -> list[Attempt]:
    return [
        _call(arch, "mount", "mount"),
        _call(arch, "unmount", "umount2", 0, 0x1000),
        _call(arch, "root of the file system", "pivot_root"),
        _call(arch, "mount (new interface)", "fsopen"),
        _call(arch, "mount (new interface)", "fsconfig", NO_DESCRIPTOR, 99),
        _call(arch, "mount (new interface)", "fsmount", NO_DESCRIPTOR, 0x1000),
        _call(arch, "mount (new interface)", "fspick", NO_DESCRIPTOR, 0, 0x1000),
        _call(arch, "mount (new interface)", "open_tree", NO_DESCRIPTOR, 0, 0x10),
        _call(
            arch, "mount (new interface)", "move_mount", NO_DESCRIPTOR, 0, NO_DESCRIPTOR, 0, 4096
        ),
        _call(arch, "mount (new interface)", "mount_setattr", NO_DESCRIPTOR, 0, 0x10),
        _call(arch, "file by handle, past every mount", "open_by_handle_at", NO_DESCRIPTOR),
    ]


def _kernel(arch: str) -> list[Attempt]:
    return [
        _call(arch, "keyrings", "add_key"),
        _call(arch, "keyrings", "request_key"),
        _call(arch, "keyrings", "keyctl", 9999),
        _call(arch, "BPF programs", "bpf", 9999),
        _call(arch, "performance counters", "perf_event_open"),
        _call(arch, "page faults handled by the caller", "userfaultfd", 0x10000000),
        _call(arch, "another kernel", "kexec_load", 0, 0xFFFF, 0, 0),
        _call(
            arch, "another kernel", "kexec_file_load", NO_DESCRIPTOR, NO_DESCRIPTOR, 0, 0, 0x1000
        ),
        _call(arch, "kernel module", "init_module"),
        _call(arch, "kernel module", "finit_module", NO_DESCRIPTOR, 0, 0x1000),
        _call(arch, "kernel module", "delete_module"),
        _call(arch, "io_uring, out of a filter's sight", "io_uring_setup"),
        _call(arch, "io_uring, out of a filter's sight", "io_uring_enter", NO_DESCRIPTOR),
        _call(arch, "io_uring, out of a filter's sight", "io_uring_register", NO_DESCRIPTOR),
        _call(arch, "restart of the machine", "reboot"),
        _call(arch, "swap space", "swapon", 0, MAX_U64),
    ]


def _processes(arch: str) -> list[Attempt]:
    return [
        _call(arch, "another process's registers", "ptrace", 0x4206, NO_PROCESS),
        _call(arch, "another process's memory", "process_vm_readv", NO_PROCESS, 0, 0, 0, 0, 1),
        _call(arch, "another process's memory", "process_vm_writev", NO_PROCESS, 0, 0, 0, 0, 1),
        _call(arch, "another process's files", "pidfd_getfd", NO_DESCRIPTOR, 0, 1),
        _call(arch, "comparison of kernel pointers", "kcmp", NO_PROCESS, NO_PROCESS),
        _call(arch, "no random addresses", "personality", ADDR_NO_RANDOMIZE),
        _call(arch, "no random addresses (high word set)", "personality", HIGH | ADDR_NO_RANDOMIZE),
    ]


def _sockets(arch: str) -> list[Attempt]:
    families = {"AF_ALG": 38, "AF_VSOCK": 40, "AF_PACKET": 17}
    result = []
    for name, family in families.items():
        result.append(_call(arch, f"{name} socket", "socket", family, NO_TYPE))
        result.append(
            _call(arch, f"{name} socket (high word set)", "socket", HIGH | family, NO_TYPE)
        )
        result.append(_call(arch, f"{name} socket pair", "socketpair", family, NO_TYPE))
    return result


def _terminal(arch: str) -> list[Attempt]:
    return [
        _call(arch, "typing into a terminal (TIOCSTI)", "ioctl", NO_DESCRIPTOR, TIOCSTI),
        _call(
            arch, "typing into a terminal (high word set)", "ioctl", NO_DESCRIPTOR, HIGH | TIOCSTI
        ),
        _call(arch, "typing into a terminal (TIOCLINUX)", "ioctl", NO_DESCRIPTOR, TIOCLINUX),
    ]


def _other_tables() -> list[Attempt]:
    """The last ones: a filter that does not admit these tables kills the caller."""
    return [
        _call("x32", "x32 calls", "getpid"),
        _call("x32", "AF_VSOCK socket by x32", "socket", 40, NO_TYPE),
        _call("x86", "i386 calls (int 0x80)", "getpid"),
        # call 1 is socket; the arguments are in memory, where no filter sees them
        _call("x86", "any socket, out of a filter's sight", "socketcall", 1),
        _call("x86", "user namespace by i386", "unshare", NAMESPACES["user"] | 0x100000),
    ]
