"""Say what a refused call answers, where it matters.

ENOSYS is what libc and language runtimes fall back on; EPERM breaks many of them (glibc 2.34 and
later start no thread when clone3 answers EPERM).  The ways out of a container answer EPERM, as
they do under Docker: that is a policy, not an old kernel, and tools say so.
"""

from __future__ import annotations

EPERM, ENOSYS = 1, 38

ESCAPES = frozenset(
    "acct add_key bpf chroot clock_settime delete_module finit_module fsconfig fsmount fsopen fspick "
    "init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mount "
    "mount_setattr move_mount open_by_handle_at open_tree perf_event_open pivot_root "
    "process_vm_readv process_vm_writev ptrace quotactl quotactl_fd reboot request_key setdomainname "
    "sethostname setns settimeofday swapoff swapon syslog umount umount2 unshare userfaultfd "
    "vhangup".split()
)
"""Answer EPERM: escape and control primitives."""

FALLBACKS = frozenset(
    # Measured: EPERM breaks something that ENOSYS does not.
    "clone3 copy_file_range dup3 epoll_pwait execveat faccessat2 fchmodat2 flistxattr fsetxattr "
    "pipe2 preadv2 prlimit64 pwritev2 renameat2 sched_getaffinity sendfile statx utimensat waitid "
    # Newer than most kernels: ENOSYS is what probing code expects.
    "cachestat close_range epoll_pwait2 file_getattr file_setattr futex_requeue futex_wait "
    "futex_waitv futex_wake getxattrat io_uring_enter io_uring_register io_uring_setup "
    "landlock_add_rule landlock_create_ruleset landlock_restrict_self listmount listns listxattrat "
    "lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack memfd_secret mseal "
    "open_tree_attr openat2 pidfd_getfd pidfd_open pidfd_send_signal process_madvise "
    "process_mrelease removexattrat rseq set_mempolicy_home_node setxattrat statmount uretprobe".split()
)
"""Answer ENOSYS: a fallback exists and is taken only then."""

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
