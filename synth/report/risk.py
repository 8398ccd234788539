"""Grade syscalls by what they mean to someone who wants out of a container.

Four classes: ``S`` ways out and holes in the kernel's control; ``A`` rare, powerful or
historically buggy; ``B`` normal, but exploited before; ``C`` what every program does.  The
reasons are short on purpose: they stand in one cell of a table.
"""

from __future__ import annotations

from typing import NamedTuple


class Risk(NamedTuple):
    """The class of a syscall and why it is in it; no reason for class ``C``."""

    grade: str
    why: str = ""


GRADES: tuple[tuple[str, str], ...] = (
    ("S", "ways out of a container"),
    ("A", "rare, powerful or historically buggy"),
    ("B", "normal, but exploited before"),
    ("C", "what every program does"),
)
"""Every class, the worst first, with its meaning."""

_TABLE = (
    ("S", "unshare setns", "new namespaces open file system and network code to anyone"),
    ("S", "clone3", "makes namespaces, and no filter can see its flags"),
    (
        "S",
        "mount umount umount2 move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick "
        "mount_setattr pivot_root",
        "changes what is mounted",
    ),
    ("S", "bpf", "runs code in the kernel, past its verifier"),
    (
        "S",
        "init_module finit_module delete_module create_module kexec_load kexec_file_load reboot "
        "iopl ioperm swapon swapoff",
        "controls the kernel or the machine",
    ),
    ("S", "open_by_handle_at", "opens files outside of the container (Shocker)"),
    (
        "S",
        "io_uring_setup io_uring_enter io_uring_register",
        "works past every filter, and a favourite of exploits",
    ),
    ("S", "keyctl add_key request_key", "the kernel's keyrings, shared with the host"),
    ("S", "userfaultfd", "stops the kernel where an attacker wants it"),
    (
        "A",
        "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise",
        "reads or steers other processes",
    ),
    ("A", "perf_event_open", "a large interface that has leaked and broken before"),
    ("A", "splice vmsplice tee", "moves pages between files (CVE-2022-0847)"),
    ("A", "modify_ldt remap_file_pages", "an old interface, buggy before"),
    ("A", "mbind set_mempolicy migrate_pages move_pages", "moves memory, buggy before"),
    ("A", "acct quotactl quotactl_fd lookup_dcookie syslog", "reaches the whole machine"),
    ("A", "fanotify_init fanotify_mark name_to_handle_at", "sees files outside of the container"),
    ("A", "chroot", "changes the root folder: the first half of an old way out"),
    ("A", "socketcall", "makes any socket, and no filter can see which"),
    ("B", "socket", "by family: AF_ALG, AF_VSOCK, AF_PACKET and others are class A"),
    ("B", "clone", "with flags for new namespaces it would be class S"),
    ("B", "personality", "can switch off address randomization"),
    ("B", "ioctl", "a door to every driver; TIOCSTI types into the terminal"),
    ("B", "waitid", "CVE-2017-5123"),
    ("B", "futex", "CVE-2014-3153"),
    ("B", "madvise", "CVE-2016-5195"),
    ("B", "mq_notify", "CVE-2017-11176"),
    ("B", "recvmmsg", "CVE-2014-0038"),
    ("B", "msgget msgsnd msgrcv", "used to shape the kernel's memory"),
    ("B", "setxattr lsetxattr fsetxattr setxattrat", "used to shape the kernel's memory"),
    ("B", "io_setup io_submit timer_create mremap", "buggy before"),
)

_RISKS = {name: Risk(grade, why) for grade, names, why in _TABLE for name in names.split()}


def risk_of(name: str) -> Risk:
    """Return the class of a syscall; ``C`` for one that has no reason to be in another."""
    return _RISKS.get(name, Risk("C"))
