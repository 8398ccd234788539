"""Decide whether one profile lets through nothing that another refuses, and show a call if not.

Exact over all six 64-bit arguments, on every architecture of the filter, for one container and
host: both profiles are resolved for them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from synth.abi import real_calls
from synth.conditions import Arguments, witness
from synth.profile_format import ALLOWING
from synth.resolve import NEVER, NO_ARGUMENTS, Resolved
from synth.syscalls import syscall_name, syscall_names


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call: our name of the architecture, the syscall's, six argument values.

    ``#NUMBER`` stands for the numbers without a name.
    """

    arch: str
    name: str
    arguments: Arguments


def escape(inner: Resolved, outer: Resolved, name: str, arch: str) -> Arguments | None:
    """Return arguments with which ``inner`` lets ``name`` on ``arch`` through and ``outer`` not.

    ``None`` means that there are none.  Raises ``DataError`` when the conditions are too many.
    """
    if arch not in inner.arches():
        return None
    now = inner.allowed(name, arch)
    if not now:
        return None
    then = outer.allowed(name, arch) if arch in outer.arches() else NEVER
    return witness([real_calls(arch, one) for one in now], then)


def escapes(inner: Resolved, outer: Resolved) -> Iterator[Call]:
    """Yield one call for each syscall that ``inner`` lets through and ``outer`` not always.

    Nothing at all means that all that ``inner`` allows is allowed by ``outer``, on the
    architectures that we have tables of.
    """
    for arch in inner.arches():
        known = arch in outer.arches()
        unnamed = _allows_by_default(inner) and not (known and _allows_by_default(outer))
        if unnamed:
            yield Call(arch, _first_unnamed(arch), NO_ARGUMENTS)
        names = inner.ruled(arch) | (outer.ruled(arch) if known else frozenset())
        for name in sorted(syscall_names(arch) if unnamed else names):
            found = escape(inner, outer, name, arch)
            if found is not None:
                yield Call(arch, name, found)


def inside(inner: Resolved, outer: Resolved) -> Call | None:
    """Return a call that ``inner`` lets through and ``outer`` not, or ``None``."""
    return next(escapes(inner, outer), None)


def _allows_by_default(resolved: Resolved) -> bool:
    return resolved.default.action in ALLOWING


def _first_unnamed(arch: str) -> str:
    return next(
        name for number in range(1 << 20) if (name := syscall_name(arch, number)).startswith("#")
    )
