"""Say what a refused call answers, where it matters.

ENOSYS is what libc and language runtimes fall back on; EPERM breaks many of them (glibc 2.34 and
later start no thread when clone3 answers EPERM).  The ways out of a container answer EPERM, as
they do under Docker: that is a policy, not an old kernel, and tools say so.
"""

from __future__ import annotations

from synth.syscalls import syscall_names, syscall_number

EPERM, ENOSYS = 1, 38


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ESCAPES = _names(
    "acct add_key bpf chroot clock_settime delete_module finit_module fsconfig fsmount fsopen "
    "fspick init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie "
    "mount mount_setattr move_mount open_by_handle_at open_tree perf_event_open pivot_root "
    "process_vm_readv process_vm_writev ptrace quotactl quotactl_fd reboot request_key "
    "setdomainname sethostname setns settimeofday swapoff swapon syslog umount umount2 "
    "unshare userfaultfd vhangup"
)
"""Answer EPERM: escape and control primitives."""

FALLBACKS = _names(
    "clone3 copy_file_range dup3 epoll_pwait execveat faccessat2 fchmodat2 flistxattr "
    "fsetxattr memfd_create pipe2 preadv2 prlimit64 pwritev2 renameat2 sched_getaffinity "
    "sendfile statx utimensat waitid"
)
"""Answer ENOSYS: measured, EPERM breaks something that ENOSYS does not."""

OLDEST_NEW_NUMBER = 334
"""The first x86-64 number (rseq, Linux 4.18) of the calls that programs probe for: ENOSYS is the
answer of an older kernel, which they expect."""


def answers_enosys(arch: str) -> frozenset[str]:
    """Return the calls of ``arch`` for which ENOSYS must be said aloud.

    Engines that ignore ``defaultErrnoRet`` (Docker 20.10) would answer EPERM.
    """
    newer = {
        name
        for name in syscall_names(arch)
        if (syscall_number("x86_64", name) or 0) >= OLDEST_NEW_NUMBER
    }
    return (FALLBACKS & syscall_names(arch) | newer) - ESCAPES


def answers_eperm(arch: str) -> frozenset[str]:
    """Return the calls of ``arch`` for which EPERM must be said aloud."""
    return ESCAPES & syscall_names(arch)


NEVER_FAMILIES = {38: "AF_ALG", 40: "AF_VSOCK"}
"""Socket families that no profile of ours opens: kernel crypto (CVE-2026-31431), and the host or
hypervisor behind the container's back (CVE-2021-26708)."""

NAMESPACE_FLAGS = (
    0x00020000,  # CLONE_NEWNS
    0x02000000,  # CLONE_NEWCGROUP
    0x04000000,  # CLONE_NEWUTS
    0x08000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
"""The flags of clone that make namespaces: together Docker's mask 0x7E020000."""
