"""Say what a rule means on each architecture of a filter, as libseccomp compiles it.

Three things differ from the native 64-bit table.  On 32-bit tables (x32 included) only the low
words of arguments and of the rule's values are compared.  On x86 a rule for a socket or System V
call also applies to the multiplexer that does the same, ``socketcall`` or ``ipc``: there the first
argument is the number of the call within it, so that the rule's condition on the first argument
is lost.  And x32 calls carry ``X32_BIT`` in the number of an x86-64 call.

All of it is measured with libseccomp 2.5.4; tests/unit/test_libseccomp.py compares it with the
installed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from synth.model import Answer, Comparison, Conjunction
from synth.syscalls import X32_BIT, syscall_name, syscall_number

WORD = 0xFFFF_FFFF
NARROW = frozenset(("x86", "x32", "arm"))
"""Architectures of which the filter compares the low 32 bits of an argument only."""

NO_SYSCALL = 0xFFFF_FFFF
"""The number of a call that a tracer has cancelled."""

Entries = list[tuple[Conjunction, Answer]]

# Source: include/uapi/linux/net.h and ipc.h.  accept, send, recv, semop and semtimedop are not
# here: x86 has no call of its own for them, and libseccomp then leaves the multiplexer alone.
_SOCKETCALL = {
    "socket": 1,
    "bind": 2,
    "connect": 3,
    "listen": 4,
    "getsockname": 6,
    "getpeername": 7,
    "socketpair": 8,
    "sendto": 11,
    "recvfrom": 12,
    "shutdown": 13,
    "setsockopt": 14,
    "getsockopt": 15,
    "sendmsg": 16,
    "recvmsg": 17,
    "accept4": 18,
    "recvmmsg": 19,
    "sendmmsg": 20,
}
_IPC = {
    "semget": 2,
    "semctl": 3,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}
MULTIPLEXED: Mapping[str, tuple[str, int]] = {
    **{name: ("socketcall", number) for name, number in _SOCKETCALL.items()},
    **{name: ("ipc", number) for name, number in _IPC.items()},
}
"""The multiplexer of each call on x86, and its first argument there."""


def entries_on(arch: str, rules: Iterable[tuple[str, Answer, Conjunction]]) -> dict[str, Entries]:
    """Return the conditions and answers of every name as they are on ``arch``.

    Conditions on a narrow architecture hold for arguments below 2^32.
    """
    found: dict[str, Entries] = {}
    for name, answer, given in rules:
        conjunction = _low(given) if arch in NARROW else given
        found.setdefault(name, []).append((conjunction, answer))
        if arch == "x86" and name in MULTIPLEXED:
            multiplexer, number = MULTIPLEXED[name]
            rest = tuple(one for one in conjunction if one.index)
            entry = ((Comparison(0, "SCMP_CMP_EQ", number), *rest), answer)
            entries = found.setdefault(multiplexer, [])
            if entry not in entries:
                entries.append(entry)
    return found


def arguments_on(arch: str, arguments: Sequence[int]) -> Sequence[int]:
    """Return what of the arguments the filter compares on ``arch``."""
    return [one & WORD for one in arguments] if arch in NARROW else arguments


def real_calls(arch: str, conjunction: Conjunction) -> Conjunction:
    """Return ``conjunction`` limited to arguments that a call of ``arch`` can have.

    Only x32 has registers that are wider than what is compared; calls with equal low words are
    answered alike there, so that the one with nothing else stands for them.
    """
    if arch not in NARROW:
        return conjunction
    indexes = sorted({one.index for one in conjunction})
    return (*conjunction, *(Comparison(index, "SCMP_CMP_LE", WORD) for index in indexes))


def call_of(arch: str, syscall: int | str) -> tuple[str, str]:
    """Return the architecture and name of a call as the kernel tells it to a filter.

    A number of ``NO_SYSCALL`` keeps its architecture and has no name.
    """
    if isinstance(syscall, str):
        return arch, syscall
    number = syscall & WORD
    if arch in ("x86_64", "x32") and number != NO_SYSCALL:
        arch = "x32" if arch == "x32" or number >= X32_BIT else arch
    return arch, syscall_name(arch, number)


def exists_on(arch: str, name: str) -> bool:
    """Tell whether ``arch`` has a call of this name, ``#NUMBER`` included."""
    return name.startswith("#") or syscall_number(arch, name) is not None


def _low(conjunction: Conjunction) -> Conjunction:
    """Compare low words only; a mask without low bits holds for every call."""
    low = (
        Comparison(one.index, one.op, one.value & WORD, one.value_two & WORD) for one in conjunction
    )
    return tuple(one for one in low if one.op != "SCMP_CMP_MASKED_EQ" or one.value)
