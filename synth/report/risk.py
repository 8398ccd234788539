"""Grade syscalls for the cells of a table; what is known of each is in ``synth.knowledge``."""

from __future__ import annotations

from typing import NamedTuple

from synth.knowledge import risk


class Risk(NamedTuple):
    """The class of a syscall and why it is in it; no reason for class ``C``."""

    grade: str
    why: str = ""


GRADES: tuple[tuple[str, str], ...] = tuple(
    # one call of each class, to ask for the meaning
    (risk(name).grade, risk(name).meaning)
    for name in ("bpf", "ptrace", "ioctl", "read")
)
"""Every class, the worst first, with its meaning."""


def risk_of(name: str) -> Risk:
    """Return the class of a syscall; ``C`` for one that x86-64 does not have."""
    known = risk(name)
    if known.grade in ("", "C"):
        return Risk("C")
    numbers = ", ".join(one.id for one in known.vulnerabilities)
    return Risk(known.grade, f"{known.why.rstrip('.')} ({numbers})." if numbers else known.why)
