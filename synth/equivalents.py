"""List families of syscalls that reach the same kernel code through another entry point.

Another libc version, or another libc, calls another member of the family for the same work.
Allowing the whole family gives no new power: class A is the same operation on the same kind of
object; class B adds flags that do no harm.  Wider relations are left out on purpose
(openat -> open_by_handle_at, execve -> execveat, read -> io_uring, sendfile -> splice,
clone -> unshare, one socket family -> another, one ioctl -> another).
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """Calls that do the same, what that is, and the class of the relation."""

    members: frozenset[str]
    reason: str
    grade: str


def _family(names: str, reason: str, grade: str = "A") -> Family:
    return Family(frozenset(names.split()), reason, grade)


FAMILIES = (
    _family("open creat openat openat2", "open a file"),
    _family(
        "stat lstat fstat newfstatat statx stat64 lstat64 fstat64 fstatat64",
        "ask for a file's status",
    ),
    _family("access faccessat faccessat2", "ask for access to a file"),
    _family("readlink readlinkat", "read a link"),
    _family("chmod fchmodat fchmodat2", "change a mode"),
    _family("chown lchown fchownat chown32 lchown32", "change an owner"),
    _family("fchown fchown32", "change an owner"),
    _family("rename renameat renameat2", "rename a file", "B"),
    _family("link linkat", "link a file"),
    _family("symlink symlinkat", "make a symbolic link"),
    _family("mkdir mkdirat", "make a folder"),
    _family("mknod mknodat", "make a node"),
    _family("unlink rmdir unlinkat", "remove a name"),
    _family("dup2 dup3", "copy a descriptor"),
    _family("pipe pipe2", "make a pipe"),
    _family("poll ppoll ppoll_time64", "wait for descriptors"),
    _family("select pselect6 _newselect pselect6_time64", "wait for descriptors"),
    _family("epoll_create epoll_create1", "make an epoll"),
    _family("epoll_wait epoll_pwait epoll_pwait2", "wait for an epoll"),
    _family("eventfd eventfd2", "make an eventfd"),
    _family("signalfd signalfd4", "make a signalfd"),
    _family("inotify_init inotify_init1", "make an inotify"),
    _family("accept accept4", "accept a connection"),
    _family("fork vfork clone", "make a process or thread (clone: without new namespaces)", "B"),
    # A shell waits by signal only if the child has not ended yet: seen in one run of four.
    _family("wait4 waitid waitpid rt_sigsuspend", "wait for a child, or for its signal", "B"),
    _family("nanosleep clock_nanosleep clock_nanosleep_time64", "sleep"),
    _family("utime utimes futimesat utimensat utimensat_time64", "set a file's times"),
    _family("getdents getdents64", "list a folder"),
    _family("getrlimit setrlimit prlimit64 ugetrlimit", "read and set limits", "B"),
    _family("sendfile sendfile64 copy_file_range", "copy between files"),
    _family("pread64 preadv preadv2", "read at a place"),
    _family("pwrite64 pwritev pwritev2", "write at a place"),
    _family("read readv", "read"),
    _family("write writev", "write"),
    _family("recvfrom recvmsg recvmmsg recv recvmmsg_time64", "receive", "B"),
    _family("sendto sendmsg sendmmsg send", "send", "B"),
    _family("semop semtimedop semtimedop_time64", "use a semaphore"),
    _family(
        "futex futex_wait futex_wake futex_requeue futex_waitv futex_time64", "wait on memory", "B"
    ),
    _family("tkill tgkill", "signal a thread"),
    _family("getpgrp getpgid", "ask for a process group"),
    _family("pause ppoll", "wait for a signal"),
    _family("alarm setitimer", "set a timer"),
    _family("mmap mmap2", "map memory"),
    _family("fcntl fcntl64", "control a descriptor"),
    _family("lseek _llseek", "seek"),
    _family("statfs statfs64", "ask for a file system's status"),
    _family("fstatfs fstatfs64", "ask for a file system's status"),
    _family("fadvise64 fadvise64_64 arm_fadvise64_64", "advise on a file"),
    _family("getxattr lgetxattr fgetxattr getxattrat", "read an attribute"),
    _family("setxattr lsetxattr fsetxattr setxattrat", "set an attribute"),
    _family("listxattr llistxattr flistxattr listxattrat", "list attributes"),
    _family("removexattr lremovexattr fremovexattr removexattrat", "remove an attribute"),
    _family("getuid getuid32", "ask for an id"),
    _family("geteuid geteuid32", "ask for an id"),
    _family("getgid getgid32", "ask for an id"),
    _family("getegid getegid32", "ask for an id"),
    _family("setuid setuid32", "change an id"),
    _family("setgid setgid32", "change an id"),
    _family("arch_prctl set_thread_area", "set the thread pointer"),
    _family("exit exit_group", "end"),
)


class Successor(NamedTuple):
    """Calls that newer programs make (``newer``) for what older ones did with ``older``."""

    older: frozenset[str]
    newer: frozenset[str]
    reason: str
    grade: str


SUCCESSORS = (
    # cp of coreutils 9.10 preserves a mode through the descriptor it has
    Successor(
        frozenset({"chmod", "fchmodat", "fchmodat2"}),
        frozenset({"fchmod"}),
        "change the mode of an open file",
        "A",
    ),
    # curl 8 wakes its loop with an eventfd and does not fall back
    Successor(
        frozenset({"pipe", "pipe2", "socketpair"}),
        frozenset({"eventfd", "eventfd2"}),
        "wake a loop with a counter, not a pipe",
        "B",
    ),
)
"""Seen when programs of Debian 12 and of sid were compared; they do not hold the other way."""


def equivalents(names: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Return the names that ``names`` stand for: name -> (one that was observed, reason).

    One step only: an equivalent brings no further ones.
    """
    found: dict[str, tuple[str, str]] = {}
    for family in FAMILIES:
        observed = family.members & names
        if observed:
            for name in sorted(family.members - names):
                reason = f"{family.reason}, class {family.grade}"
                found.setdefault(name, (min(observed), reason))
    for one in SUCCESSORS:
        observed = one.older & names
        if observed:
            for name in sorted(one.newer - names):
                found.setdefault(name, (min(observed), f"{one.reason}, class {one.grade}"))
    return found
