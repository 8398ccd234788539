"""Name the syscall arguments that a filter can look at and that are worth knowing.

Each entry is ``(index, mask)`` per argument, at most three; ``POINTED`` reads the first word
that the argument points to (no filter can see it; it says what clone3 was used for).
``int`` parameters are masked to 32 bits, since the kernel takes no more of the register.
"""

from __future__ import annotations

INT = 0xFFFF_FFFF
LONG = 0xFFFF_FFFF_FFFF_FFFF
PROTECTION = 0x7
SOCKET_TYPE = 0xF  # without SOCK_CLOEXEC and SOCK_NONBLOCK

POINTED: tuple[tuple[int, int], ...] = ()
"""Marks clone3: the value is the first word behind the pointer."""

SPECS: dict[str, tuple[tuple[int, int], ...]] = {
    "arch_prctl": ((0, INT),),
    "bpf": ((0, INT),),
    "clone": ((0, LONG),),
    "clone3": POINTED,
    "fcntl": ((1, INT),),
    "fsconfig": ((1, INT),),
    "fsopen": ((1, INT),),
    "futex": ((1, INT),),
    "getsockopt": ((1, INT), (2, INT)),
    "io_uring_register": ((1, INT),),
    "ioctl": ((1, INT),),
    "kcmp": ((2, INT),),
    "kexec_load": ((3, LONG),),
    "keyctl": ((0, INT),),
    "madvise": ((2, INT),),
    "memfd_create": ((1, INT),),
    "mmap": ((2, PROTECTION), (3, INT)),
    "mount": ((3, LONG),),
    "move_mount": ((4, INT),),
    "mprotect": ((2, PROTECTION),),
    "msgctl": ((1, INT),),
    "open_tree": ((2, INT),),
    "perf_event_open": ((4, LONG),),
    "personality": ((0, INT),),
    "pkey_mprotect": ((2, PROTECTION),),
    "prctl": ((0, INT),),
    "prlimit64": ((1, INT),),
    "ptrace": ((0, LONG),),
    "quotactl": ((0, INT),),
    "reboot": ((2, INT),),
    "rt_sigprocmask": ((0, INT),),
    "sched_setscheduler": ((1, INT),),
    "seccomp": ((0, INT), (1, INT)),
    "semctl": ((2, INT),),
    "setns": ((1, INT),),
    "setsockopt": ((1, INT), (2, INT)),
    "shmctl": ((1, INT),),
    "socket": ((0, INT), (1, SOCKET_TYPE), (2, INT)),
    "socketpair": ((0, INT), (1, SOCKET_TYPE)),
    "syslog": ((0, INT),),
    "umount2": ((1, INT),),
    "unshare": ((0, LONG),),
    "userfaultfd": ((0, INT),),
}
