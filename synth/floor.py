"""List the calls that a container needs whatever its workload does, with the reason for each.

The runtime installs the filter and then has still to drop privileges, find the program and
execute it; these calls are part of every profile, or the container does not start.  They were
measured between filter and execve with runc 1.1.5, 1.1.15 and 1.3.6 and crun 1.8 to 1.28, for
run, exec, restart, with and without a terminal, a user, capabilities, no-new-privileges.
"""

from __future__ import annotations

import re


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


RUNC = _names(
    "capget capset chdir close epoll_ctl execve faccessat2 fchown fcntl fstat fstatfs futex getcwd "
    "getdents64 getpid getppid newfstatat openat prctl read setgid setgroups setuid write"
)

RUNC_SAFE_PROCFS = _names("close_range faccessat openat2 statx uname")
"""What runc's hardening of /proc (1.2.8, 1.3.3, 1.4) takes in addition."""

CRUN = _names(
    "capset close close_range execve fchown fstat ioctl openat prctl pselect6 read rt_sigaction "
    "rt_sigprocmask setgroups setresgid setresuid statx umask write"
)

GO_NOISE = _names(
    "clock_gettime clone epoll_pwait exit exit_group futex getrandom gettid madvise mmap mprotect "
    "munmap nanosleep rt_sigprocmask rt_sigreturn sched_yield sigaltstack tgkill"
)
"""What the Go runtime inside runc does in some starts and not in others (garbage collection,
preemption by signal), and what it needs to end when a start fails: without it, it hangs."""

ANY_RUNTIME = RUNC | RUNC_SAFE_PROCFS | CRUN | GO_NOISE | _names("select")

INJECTED = _names("restart_syscall rt_sigreturn sigreturn")
"""What the kernel itself makes a program call: after a signal handler, after SIGSTOP/SIGCONT."""

CLOCK = _names("clock_getres clock_gettime getcpu gettimeofday time")
"""Answered without a syscall on most machines, and with one on another clock source."""

LIBC = _names(
    "access arch_prctl brk clock_getres clock_gettime close close_range exit exit_group fcntl "
    "fstat futex get_robust_list getcpu getcwd getpid getppid getrandom gettid gettimeofday "
    "ioctl lseek madvise map_shadow_stack membarrier mmap mprotect mremap mseal munmap "
    "newfstatat openat pread64 prlimit64 read readlink readlinkat restart_syscall rseq "
    "rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield set_robust_list "
    "set_tid_address sigaltstack sysinfo tgkill time uname write writev"
)
"""What the start of a program takes with some version of glibc or musl; with it, programs
recorded on one Debian release ran on the next but one."""

_SAFE_PROCFS_SINCE = {2: 8, 3: 3}


def runtime_floor(runtime: str, version: str) -> frozenset[str]:
    """Return what one runtime takes; an unknown runtime gets the union."""
    if runtime == "crun":
        return CRUN | _names("exit_group")
    if runtime != "runc":
        return ANY_RUNTIME
    return RUNC | GO_NOISE | (RUNC_SAFE_PROCFS if _has_safe_procfs(version) else frozenset())


def _has_safe_procfs(version: str) -> bool:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        return True
    major, minor, patch = (int(part) for part in match.groups())
    if major != 1 or minor >= max(_SAFE_PROCFS_SINCE) + 1:
        return major >= 1
    return minor in _SAFE_PROCFS_SINCE and patch >= _SAFE_PROCFS_SINCE[minor]
