"""Name the calls that the kernel allows with a capability only: a rule for one needs it too.

Only calls that do nothing at all without it; those that merely do less (``quotactl``, ``syslog``,
``ioperm``, ``mknod``) are not here.  Source: the kernel's ``capable()`` checks, capabilities(7).
"""

from __future__ import annotations

_BY_CAPABILITY = {
    "CAP_SYS_ADMIN": "fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount "
    "pivot_root setdomainname sethostname swapoff swapon umount umount2",
    "CAP_SYS_BOOT": "kexec_file_load kexec_load reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_RAWIO": "iopl",
    "CAP_SYS_TIME": "clock_settime settimeofday",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

NEEDED: dict[str, str] = {
    name: capability for capability, names in _BY_CAPABILITY.items() for name in names.split()
}
"""Syscall -> the capability without which the kernel answers EPERM."""


def useless(name: str, granted: frozenset[str], *, namespaces: bool) -> str | None:
    """Return the capability that ``name`` lacks, or ``None`` if nothing speaks against it.

    ``namespaces``: whether the profile lets a program make a user namespace, in which it has
    every capability.
    """
    needed = NEEDED.get(name)
    return None if namespaces or needed is None or needed in granted else needed
