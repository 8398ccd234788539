"""Name syscalls, capabilities, errnos and architectures the way every engine and kernel does.

Numbers come from ``synth/data/syscalls.json``, which ``scripts/gen_syscall_table.py`` makes from
libseccomp's table; its ``source`` says which version.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any

X32_BIT = 0x40000000
"""Set in the number of every x32 call; the tables hold the numbers without it."""

# Source: include/uapi/linux/capability.h, in number order (0 is CAP_CHOWN).
CAPABILITIES: tuple[str, ...] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

# What Docker grants without --cap-add; CapBnd 00000000a80425fb.
DOCKER_DEFAULT_CAPABILITIES: frozenset[str] = frozenset(
    {
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    }
)

SCMP_ARCHES: dict[str, str] = {
    "x86_64": "SCMP_ARCH_X86_64",
    "x86": "SCMP_ARCH_X86",
    "x32": "SCMP_ARCH_X32",
    "aarch64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
}
"""Our architecture names and libseccomp's."""

GO_ARCHES: dict[str, str] = {
    "x86_64": "amd64",
    "x86": "x86",
    "x32": "x32",
    "aarch64": "arm64",
    "arm": "arm",
}
"""Our architecture names and those that Docker's ``includes.arches`` uses."""

# Numbers 1 to 133 of asm-generic/errno.h, which all architectures above use; "-" is unassigned.
# Spelled out because Python's errno module answers for the host, which may not be Linux.
_ERRNO_NAMES = """
EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK
EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE
EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM
ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC
EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO
EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX
ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN
ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED
EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
""".split()  # noqa: SIM905 - a list of 133 lines says no more

MAX_ERRNO = 4095
"""Largest errno a kernel can answer (MAX_ERRNO in include/linux/err.h)."""


def syscall_name(arch: str, number: int) -> str:
    """Return the name of ``number`` on ``arch``, or ``"#NUMBER"`` if the table has none.

    An x32 number may carry the x32 bit.  An unknown architecture knows no names.
    """
    plain = number & ~X32_BIT if arch == "x32" and number > 0 else number
    return _by_number(arch).get(plain, f"#{number}")


def syscall_number(arch: str, name: str) -> int | None:
    """Return the number of ``name`` on ``arch`` (x32 without the x32 bit), or ``None``."""
    return _by_name(arch).get(name)


def syscall_names(arch: str) -> frozenset[str]:
    """Return every name that exists on ``arch``; empty for an architecture we do not know."""
    return frozenset(_by_name(arch))


def is_known(name: str) -> bool:
    """Tell whether ``name`` is a syscall on any architecture libseccomp knows."""
    return name in _table()["names"]


def suggest(name: str) -> tuple[str, ...]:
    """Return up to three known names near ``name``, the best first."""
    plain = name.strip().lower()
    for prefix in ("sys_", "__nr_"):
        plain = plain.removeprefix(prefix)
    if is_known(plain):
        return (plain,)
    return tuple(get_close_matches(plain[:64], sorted(_table()["names"]), n=3))


def errno_name(number: int) -> str:
    """Return the name of a Linux errno, or the number as text."""
    if 1 <= number <= len(_ERRNO_NAMES) and _ERRNO_NAMES[number - 1] != "-":
        return _ERRNO_NAMES[number - 1]
    return str(number)


def errno_number(name: str) -> int | None:
    """Return the number of a Linux errno's name, or ``None``."""
    return _ERRNO_NAMES.index(name) + 1 if name in _ERRNO_NAMES and name != "-" else None


def scmp_arch(arch: str) -> str:
    """Return libseccomp's name of our ``arch``; raises ``KeyError``."""
    return SCMP_ARCHES[arch]


def arch_of_scmp(name: str) -> str | None:
    """Return our name of ``SCMP_ARCH_…``, or ``None`` for one we have no table of."""
    return next((arch for arch, scmp in SCMP_ARCHES.items() if scmp == name), None)


def go_arch(arch: str) -> str:
    """Return the name that Docker's ``includes.arches`` uses for ``arch``; raises ``KeyError``."""
    return GO_ARCHES[arch]


def table_source() -> dict[str, str]:
    """Return where the table comes from: project, version, path, kernel, sha256."""
    return dict(_table()["source"])


@cache
def _table() -> Any:
    text = resources.files("synth").joinpath("data/syscalls.json").read_text(encoding="utf-8")
    return json.loads(text)


@cache
def _by_name(arch: str) -> dict[str, int]:
    table = _table()
    if arch not in table["arches"]:
        return {}
    column = table["arches"].index(arch)
    return {
        name: numbers[column]
        for name, numbers in table["names"].items()
        if numbers[column] is not None
    }


@cache
def _by_number(arch: str) -> dict[int, str]:
    return {number: name for name, number in _by_name(arch).items()}
