"""Read the exceptions of a project file: calls that somebody wants allowed, and says why."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from synth.errors import UsageError
from synth.model import Comparison, Conjunction
from synth.syscalls import is_known, suggest

INT = 0xFFFF_FFFF
LARGEST = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, order=True)
class SyscallException:
    """A call that a project wants allowed whatever the recordings say.

    ``when`` are conditions that must all hold, ``()`` any call.  ``expires`` is the first day
    on which it no longer counts.
    """

    name: str
    when: Conjunction
    reason: str
    owner: str = ""
    expires: datetime.date | None = None

    def expired(self, today: datetime.date) -> bool:
        """Tell whether it no longer counts."""
        return self.expires is not None and today >= self.expires

    def describe(self) -> str:
        """Return its reason, with owner and expiry where there are any."""
        until = f"until {self.expires.isoformat()}" if self.expires else ""
        details = ", ".join(one for one in (self.owner, until) if one)
        return f"{self.reason} ({details})" if details else self.reason


def read_exceptions(entries: list[dict[str, Any]], where: str) -> tuple[SyscallException, ...]:
    """Return the exceptions of a checked project file, sorted; raises ``UsageError``."""
    found = [
        _exception(entry, f"{where}: exception.{index}") for index, entry in enumerate(entries)
    ]
    for index, one in enumerate(found):
        if any((one.name, one.when) == (other.name, other.when) for other in found[:index]):
            raise _bad(f"{where}: exception.{index}", f"{one.name} is excepted twice", "keep one")
    return tuple(sorted(found, key=lambda one: (one.name, one.when)))


def _exception(entry: dict[str, Any], where: str) -> SyscallException:
    name = entry["syscall"]
    if not is_known(name):
        near = suggest(name)
        hint = f"did you mean {near[0]}?" if near else "see syscalls(2)"
        raise _bad(where, f"no such syscall {name!r}", hint)
    if name == "clone3":
        fix = "libc falls back on clone, whose flags a filter sees; except clone"
        raise _bad(where, "clone3 cannot be excepted: its flags are behind a pointer", fix)
    for key in ("reason", "owner"):
        if any(not (" " <= one <= "~" or one.isalnum()) for one in entry.get(key, "")):
            raise _bad(where, f"{key} has characters that are not printable", "write plain text")
    expires = entry.get("expires")
    if isinstance(expires, str):
        try:
            expires = datetime.date.fromisoformat(expires)
        except ValueError:
            expires = False
    if expires is not None and type(expires) is not datetime.date:
        raise _bad(where, "expires is not a date", "write expires = 2027-01-31")
    return SyscallException(
        name,
        _conditions(entry.get("when", []), where),
        entry["reason"],
        entry.get("owner", ""),
        expires,
    )


def _conditions(entries: list[dict[str, Any]], where: str) -> Conjunction:
    positions = [entry["argument"] for entry in entries]
    if len(set(positions)) < len(positions):
        # runtimes split two conditions on one argument into two rules: "and" becomes "or"
        raise _bad(where, "two conditions on one argument", "write two exceptions")
    found = []
    for entry in sorted(entries, key=lambda one: one["argument"]):
        mask, value = entry.get("mask", INT), entry["equals"]
        if mask > LARGEST or value > LARGEST or value & ~mask:
            raise _bad(where, "equals has bits that the mask (0xffffffff) has not", "give the mask")
        found.append(Comparison(entry["argument"], "SCMP_CMP_MASKED_EQ", mask, value))
    return tuple(found)


def _bad(where: str, what: str, fix: str) -> UsageError:
    return UsageError(what, where=where, slug="bad-config", fix=fix)
