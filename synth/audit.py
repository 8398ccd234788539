"""Read what the kernel has logged about seccomp: audit records of type 1326, as text.

From ``dmesg``, ``journalctl -k`` (plain or ``-o json``) or auditd's ``audit.log``.  A log is
hostile and may be endless: lines are cut, kinds of calls and identities are bounded, and what is
decoded is made printable here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from synth.abi import NO_SYSCALL, call_of
from synth.errors import DataError
from synth.files import parse_json
from synth.text import PROGRAM_LENGTH, printable

MAX_LINE = 64 * 1024
"""Longest line that is looked at; a record has some 300 bytes."""
MAX_KINDS = 20_000
MAX_IDENTITIES = 200_000
"""Records whose identity is remembered, so that one in two logs counts once."""

PATH_LENGTH = 120

# Source: include/uapi/linux/audit.h
AUDIT_ARCHES = {
    0xC000003E: "x86_64",
    0x40000003: "x86",
    0xC00000B7: "aarch64",
    0x40000028: "arm",
}

# Source: include/uapi/linux/seccomp.h, the high half of what a filter returns
_ACTIONS = {
    0x7FFC: "LOG",
    0x8000: "KILL_PROCESS",
    0x0000: "KILL_THREAD",
    0x0003: "TRAP",
    0x0005: "ERRNO",
    0x7FF0: "TRACE",
    0x7FC0: "NOTIFY",
}
LOGGED = "LOG"
KILLS = ("KILL_PROCESS", "KILL_THREAD")

_RECORD = re.compile(
    rb"type=(?:1326|SECCOMP)\b[^\n]{0,64}?audit\(([0-9.]{1,32}:[0-9]{1,20})\):([^\n]*)"
)
_SUPPRESSED = re.compile(rb"(?:kauditd|audit)_printk_skb: ([0-9]{1,15}) callbacks suppressed")
_LOST = re.compile(rb"audit_lost=([0-9]{1,15})")
_NUMBERS = {
    b"arch": (re.compile(rb"[0-9a-f]{1,8}"), 16),
    b"syscall": (re.compile(rb"-1|[0-9]{1,10}"), 10),
    b"code": (re.compile(rb"0x[0-9a-f]{1,8}"), 16),
}
_HEX = re.compile(rb"(?:[0-9A-F]{2}){1,4096}")


class Kind(NamedTuple):
    """What records are counted by.  ``arch`` is a number as text if we have no name for it."""

    action: str
    arch: str
    name: str
    program: str
    path: str


@dataclass
class AuditLog:
    """What was read: records by kind, and what is missing.

    ``suppressed`` are records that the kernel says it did not write; ``unreadable`` lines look
    like records and are none; ``dropped`` records are of more kinds than are kept.
    """

    counts: Counter[Kind] = field(default_factory=Counter)
    suppressed: int = 0
    unreadable: int = 0
    dropped: int = 0
    lines: int = 0
    _seen: set[bytes] = field(default_factory=set, repr=False)
    _lost: int = field(default=0, repr=False)

    @property
    def records(self) -> int:
        """Count the records that could be read."""
        return sum(self.counts.values()) + self.dropped

    @property
    def logged(self) -> int:
        """Count the records of calls that were let through."""
        kept = sum(count for kind, count in self.counts.items() if kind.action == LOGGED)
        return kept + self.dropped

    def read(self, lines: Iterable[bytes]) -> None:
        """Add the records of one log; ``lines`` may be parts of a longer line."""
        for line in lines:
            self.lines += 1
            self._add(_message(line[:MAX_LINE]))

    def _add(self, line: bytes) -> None:
        if (found := _SUPPRESSED.search(line)) is not None:
            self.suppressed += int(found[1])
        elif (found := _LOST.search(line)) is not None and b"type=" not in line:
            # counted by the kernel since it was started
            self.suppressed += max(0, int(found[1]) - self._lost)
            self._lost = max(self._lost, int(found[1]))
        elif (found := _RECORD.search(line)) is not None:
            self._record(found[1], found[2])

    def _record(self, identity: bytes, rest: bytes) -> None:
        if identity in self._seen:
            return
        kind = _kind(_fields(rest))
        if kind is None:
            self.unreadable += 1
            return
        if len(self._seen) < MAX_IDENTITIES:
            self._seen.add(identity)
        if kind in self.counts or len(self.counts) < MAX_KINDS:
            self.counts[kind] += 1
        else:
            self.dropped += 1


def _message(line: bytes) -> bytes:
    """Return the text of a journal's JSON line, any other line as it is."""
    if not line.startswith(b"{"):
        return line
    try:
        entry = parse_json(line, where="log")
    except DataError:
        return line
    message = entry.get("MESSAGE") if isinstance(entry, dict) else None
    if isinstance(message, list):  # the journal's way to write bytes that are no text
        if not all(isinstance(one, int) and 0 <= one <= 0xFF for one in message):  # noqa: PLR2004
            return b""
        return bytes(message)
    return message.encode("utf-8", "replace") if isinstance(message, str) else b""


def _fields(rest: bytes) -> dict[bytes, bytes]:
    """Return the first value of each key; a quoted value holds no blank and no quote."""
    found: dict[bytes, bytes] = {}
    # auditd appends its own reading after 0x1d; dmesg --json escapes the quotes
    for token in rest.replace(b"\x1d", b" ").replace(b'\\"', b'"').split():
        key, equals, value = token.partition(b"=")
        if equals:
            found.setdefault(key, value)
    return found


def _kind(given: dict[bytes, bytes]) -> Kind | None:
    numbers = {}
    for key, (form, base) in _NUMBERS.items():
        value = given.get(key, b"").rstrip(b'"')  # the end of a text in JSON
        if not form.fullmatch(value):
            return None
        numbers[key] = int(value, base)
    action = _ACTIONS.get(numbers[b"code"] >> 16)
    number = numbers[b"syscall"]
    if action is None or number > NO_SYSCALL:
        return None
    arch = AUDIT_ARCHES.get(numbers[b"arch"], f"0x{numbers[b'arch']:x}")
    arch, name = call_of(arch, number)
    program = _text(given.get(b"comm", b""), PROGRAM_LENGTH)
    return Kind(action, arch, name, program, _path(given.get(b"exe", b"")))


def _text(value: bytes, limit: int) -> str:
    """Decode a text that the kernel writes in quotes, or in hex if it is not harmless."""
    if value.startswith(b'"'):
        value = value.strip(b'"')
    elif _HEX.fullmatch(value):
        value = bytes.fromhex(value.decode("ascii"))
    return printable(value.decode("utf-8", "replace"), limit)


def _path(value: bytes) -> str:
    return "" if value in (b"", b"(null)") else _text(value, PATH_LENGTH)
