"""Decide under which conditions a wanted syscall is allowed: the baseline's, or narrower ones.

Only ``EQ`` and ``MASKED_EQ`` are written: the compilers get ordered comparisons wrong, and on
``int`` parameters an ordered 64-bit comparison can be walked around with the high word.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.conditions import overlap, witness
from synth.evidence import Evidence
from synth.model import Comparison, Conjunction
from synth.refusals import ENOSYS, EPERM, NAMESPACE_FLAGS, NEVER_FAMILIES
from synth.resolve import Resolved
from synth.wanted import Tightness

EQ, MASKED_EQ = "SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
INTERNET = frozenset((AF_INET, AF_INET6, AF_NETLINK))
LAST_FAMILY = 45
"""AF_MCTP; families above are unknown to libseccomp's and Docker's authors as to us."""

MAX_VALUES = LAST_FAMILY + 1
"""Values of one argument that are written one by one: more are a scan, not a need."""

MAX_REFUSALS = 16
"""Refused values that keep their errno; the entries of a profile are few (128), and a recording
may list thousands."""

MAX_LISTED = 16
"""Values of one argument that an exact profile lists; one rule each."""

INT, LONG = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF

EXACT_ARGUMENTS = {
    "bpf": (0, INT),
    "ioctl": (1, INT),
    "keyctl": (0, INT),
    "prctl": (0, INT),
    "ptrace": (0, LONG),
    "setns": (1, INT),
    "unshare": (0, LONG),
}
"""Call -> the argument that an exact profile narrows, and how much of it the kernel looks at: calls
of which each value is a call of its own.  Measured: docs/narrowing.md."""

RUNTIME_PRCTL = frozenset((8, 23, 24, 38, 47))
"""What runtimes ask for between filter and execve, in one way of starting or another: KEEPCAPS,
CAPBSET_READ, CAPBSET_DROP, NO_NEW_PRIVS, CAP_AMBIENT (include/uapi/linux/prctl.h)."""

FAMILY_NAMES = {
    AF_UNIX: "AF_UNIX",
    AF_INET: "AF_INET",
    AF_INET6: "AF_INET6",
    AF_NETLINK: "AF_NETLINK",
}


RECORDED = "with the recorded values"

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Requests that put words into a terminal's input, as if its user had typed them
(include/uapi/asm-generic/ioctls.h; the same on x86-64, i386 and arm)."""

LOW_WORD = 0xFFFF


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a call is allowed, and which other calls of it are refused with what errno.

    ``allowed`` of ``((),)`` means always.  ``note`` says what was done, for the rule's comment.
    """

    allowed: tuple[Conjunction, ...]
    refused: tuple[tuple[Conjunction, int], ...] = ()
    note: str = ""


def conditions_of(
    name: str, baseline: Resolved, evidence: Evidence, tightness: Tightness
) -> Conditions:
    """Return the conditions for ``name``; nothing allowed if the baseline refuses it."""
    base = baseline.allowed(name)
    if not base:
        return Conditions(())
    if name == "socket":
        return _socket(base, evidence, tightness)
    if base == ((),):
        listed = _listed(name, evidence, tightness)
        if listed is not None:
            return Conditions(listed, (), RECORDED)
        if name == "ioctl" and _never_typed(evidence, tightness):
            return Conditions(BUT_TYPING, TYPING, "but typing into a terminal")
        return Conditions(base)
    if name == "clone":
        namespaces = tuple(((_masked(0, flag, flag),), EPERM) for flag in NAMESPACE_FLAGS)
        return Conditions(base, namespaces, "without new namespaces")
    refused = tuple(
        (conjunction, errno)
        for conjunction, errno in _recorded_refusals(name, evidence)
        if not any(overlap(conjunction, permitted) for permitted in base)
    )
    narrowed = _recorded_values(name, base, evidence) if tightness is Tightness.EXACT else None
    if narrowed is not None:
        return Conditions(narrowed, refused[:MAX_REFUSALS], RECORDED)
    return Conditions(base, refused[:MAX_REFUSALS], "with the values that the default allows")


def families(evidence: Evidence, tightness: Tightness) -> frozenset[int] | None:
    """Return the socket families to allow, or ``None`` when the recorded ones are not all known."""
    seen = evidence.known_values("socket", 0)
    if seen is None or len(seen) > MAX_VALUES:
        return None
    if tightness is Tightness.EXACT:
        return seen
    return seen | {AF_UNIX} | (INTERNET if seen & INTERNET else frozenset())


def _socket(base: tuple[Conjunction, ...], evidence: Evidence, tightness: Tightness) -> Conditions:
    """Allow families one by one; other values of the 64-bit register reach no rule."""
    known = families(evidence, tightness) if tightness is not Tightness.BASELINE else None
    wanted = frozenset(range(LAST_FAMILY + 1)) if known is None else known
    allowed = tuple(
        (Comparison(0, EQ, family),)
        for family in sorted(wanted - set(NEVER_FAMILIES))
        if witness([(Comparison(0, EQ, family),)], base) is None
    )
    # On x86 every rule for socket is one for socketcall(1) too, and two answers there are refused.
    refused = tuple(
        ((Comparison(0, EQ, family),), EPERM)
        for family in sorted(NEVER_FAMILIES)
        if "x86" not in evidence.foreign_arches()
    )
    if known is None:
        return Conditions(allowed, refused, "all families but AF_ALG and AF_VSOCK")
    names = ", ".join(
        FAMILY_NAMES.get(one, str(one)) for one in sorted(wanted - set(NEVER_FAMILIES))
    )
    return Conditions(allowed, refused, f"families {names}")


def _never_typed(evidence: Evidence, tightness: Tightness) -> bool:
    """Tell whether all requests are known, and none typed into a terminal."""
    if tightness is Tightness.BASELINE:
        return False
    if not any(name == "ioctl" for _, name in evidence.syscalls):
        return True  # what nobody called is allowed for the sake of runtimes and libc
    known = evidence.known_values("ioctl", 1)
    return known is not None and not {value & LOW_WORD for value in known} & {TIOCSTI, TIOCLINUX}


def _listed(name: str, evidence: Evidence, tightness: Tightness) -> tuple[Conjunction, ...] | None:
    """Return the recorded values of a call that the baseline always allows, one condition each.

    ``None`` where nothing is narrowed: values not known, too many, or of no use.
    """
    position, mask, more = 0, INT, frozenset[int]()
    if name == "socketpair" and tightness is not Tightness.BASELINE:
        more = frozenset((AF_UNIX,)) if tightness is Tightness.PORTABLE else more
    elif name in EXACT_ARGUMENTS and tightness is Tightness.EXACT:
        position, mask = EXACT_ARGUMENTS[name]
        more = RUNTIME_PRCTL if name == "prctl" else more
        if name == "ioctl" and any(host.runtime != "runc" for host in evidence.hosts):
            return None  # crun makes some of its own, by way of starting
    else:
        return None
    values = evidence.known_values(name, position)
    if values is None or len(values | more) > MAX_LISTED:
        return None
    if mask == LONG:
        return tuple((Comparison(position, EQ, value),) for value in sorted(values | more))
    return tuple((_masked(position, INT, value),) for value in sorted(values | more))


def _recorded_values(
    name: str, base: tuple[Conjunction, ...], evidence: Evidence
) -> tuple[Conjunction, ...] | None:
    """Return the recorded values of the one argument that the baseline looks at.

    ``None`` if there are more arguments, or values that are not known or too many to list.
    """
    positions = {one.index for conjunction in base for one in conjunction}
    if len(positions) != 1:
        return None
    (position,) = positions
    values = evidence.known_values(name, position)
    if values is None or len(values) > MAX_VALUES:
        return None
    candidates = [(Comparison(position, EQ, value),) for value in sorted(values)]
    return tuple(one for one in candidates if witness([one], base) is None)


def _recorded_refusals(name: str, evidence: Evidence) -> list[tuple[Conjunction, int]]:
    """Return the calls of ``name`` that an argument rule refused, with the errno they got.

    One errno for each, EPERM if there were two: libseccomp takes no filter with both.
    """
    found: dict[Conjunction, int] = {}
    for one in evidence.refusals:
        if one.name == name and one.arch == evidence.arch and one.arguments:
            conjunction = tuple(_masked(*argument) for argument in one.arguments)
            if one.errno in (EPERM, ENOSYS):
                found[conjunction] = min(one.errno, found.get(conjunction, one.errno))
    return sorted(found.items())


def _masked(index: int, mask: int, value: int) -> Comparison:
    return Comparison(index, MASKED_EQ, mask, value)


def _other_bits(mask: int, value: int) -> list[Conjunction]:
    """Return one condition for each bit of ``mask``: that it is not as in ``value``."""
    bits = [1 << number for number in range(16) if mask >> number & 1]
    return [(_masked(1, bit, ~value & bit),) for bit in bits]


TYPING: tuple[tuple[Conjunction, int], ...] = tuple(
    ((_masked(1, LOW_WORD, request),), EPERM) for request in (TIOCSTI, TIOCLINUX)
)
BUT_TYPING: tuple[Conjunction, ...] = (
    # the two differ in the bits 1, 2 and 3 alone: 001 and 110; any other pattern is one of these
    *_other_bits(LOW_WORD & ~0xE, TIOCSTI),
    (_masked(1, 0x6, 0x0),),
    (_masked(1, 0x6, 0x6),),
    (_masked(1, 0xC, 0x4),),
    (_masked(1, 0xC, 0x8),),
)
"""Every request whose low word is neither, each bit compared apart: no comparison says "not equal"
of 32 bits alone, and one of 64 is walked around with the high word."""
