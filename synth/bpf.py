"""Run seccomp filters as the kernel does: the part of classic BPF that libseccomp writes.

A filter reads ``struct seccomp_data`` (number, architecture, instruction pointer, six arguments
as sixteen little-endian words) and returns a 32-bit value: an action in the high half, its errno
in the low one.  Jumps go forward only, so every filter ends.

``run`` decides one call, ``run_many`` hundreds of thousands at once.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from synth.errors import DataError
from synth.model import Answer
from synth.syscalls import X32_BIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

MAX_INSTRUCTIONS = 4096
"""Longest filter the kernel loads (BPF_MAXINSNS)."""

WORDS = 16
"""Words of ``struct seccomp_data``; the arguments begin at word 4, low half first."""

# Source: include/uapi/linux/audit.h.  x32 calls are those of x86-64 with X32_BIT in the number.
AUDIT_ARCHES = {
    "x86_64": 0xC000003E,
    "x86": 0x40000003,
    "x32": 0xC000003E,
    "aarch64": 0xC00000B7,
    "arm": 0x40000028,
}
"""What the kernel puts into ``struct seccomp_data`` for a call of each of our architectures."""

# Source: include/uapi/linux/seccomp.h; SCMP_ACT_KILL is another name of SCMP_ACT_KILL_THREAD.
_VALUES = {
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_NAMES = {value: name for name, value in _VALUES.items()}

LOAD, AND, JUMP, RETURN = 0x20, 0x54, 0x05, 0x06
EQUAL, GREATER, AT_LEAST, ANY_BIT = 0x15, 0x25, 0x35, 0x45
_COMPARING = frozenset((EQUAL, GREATER, AT_LEAST, ANY_BIT))
_LITTLE_ENDIAN = struct.Struct("<HBBI")


class Instruction(NamedTuple):
    """One ``struct sock_filter``: opcode, how far to jump if it holds and if not, constant."""

    code: int
    if_true: int
    if_false: int
    constant: int


Program = tuple[Instruction, ...]


def decode(content: bytes) -> Program:
    """Return the program in ``content``, an array of little-endian ``struct sock_filter``.

    Raises ``DataError`` (``bad-filter``) for what the kernel would not load, and for
    instructions that no filter of libseccomp's has.
    """
    if not content or len(content) % _LITTLE_ENDIAN.size:
        raise _bad(f"{len(content)} bytes are not a list of instructions")
    program = tuple(Instruction(*fields) for fields in _LITTLE_ENDIAN.iter_unpack(content))
    if len(program) > MAX_INSTRUCTIONS:
        raise _bad(f"{len(program)} instructions; a kernel loads at most {MAX_INSTRUCTIONS}")
    for position, one in enumerate(program):
        _check(one, position, len(program) - position - 1)
    if program[-1].code != RETURN:
        raise _bad("the last instruction does not return")
    return program


def encode(program: Program) -> bytes:
    """Return ``program`` as the array that the kernel loads; the inverse of ``decode``."""
    return b"".join(_LITTLE_ENDIAN.pack(*one) for one in program)


def run(program: Program, number: int, arch: str, arguments: Sequence[int]) -> Answer:
    """Return what the filter answers to one call.

    ``number`` is the architecture's own, x32 with or without its bit; ``arguments`` are six
    unsigned 64-bit values.  Raises ``KeyError`` for an architecture that is none of ours.
    """
    bit = X32_BIT if arch == "x32" else 0
    data = struct.pack("<IIQ6Q", (number | bit) & 0xFFFF_FFFF, AUDIT_ARCHES[arch], 0, *arguments)
    words = struct.unpack("<16I", data)
    accumulator = position = 0
    while True:
        code, if_true, if_false, constant = program[position]
        position += 1
        if code == LOAD:
            accumulator = words[constant // 4]
        elif code == AND:
            accumulator &= constant
        elif code == JUMP:
            position += constant
        elif code == RETURN:
            return answer_of_value(constant)
        else:
            position += if_true if _holds(code, accumulator, constant) else if_false


def words_of(numbers: NDArray[np.uint32], arch: str, arguments: NDArray[np.uint64]) -> Words:
    """Return calls as ``run_many`` takes them: one column a call, sixteen rows.

    ``numbers`` has shape ``(calls,)``, ``arguments`` ``(6, calls)``; x32 numbers with or without
    their bit.
    """
    import numpy as np

    words = np.zeros((WORDS, len(numbers)), np.uint32)
    words[0] = numbers | np.uint32(X32_BIT if arch == "x32" else 0)
    words[1] = AUDIT_ARCHES[arch]
    words[4::2] = arguments & np.uint64(0xFFFF_FFFF)
    words[5::2] = arguments >> np.uint64(32)
    return words


def run_many(program: Program, words: Words) -> Words:
    """Return the values that the filter returns for many calls, see ``words_of``.

    All calls move through the program together: since no jump goes back, each instruction is
    reached once, by the calls that the ones before it have sent there.
    """
    import numpy as np

    count = words.shape[1]
    result = np.zeros(count, np.uint32)
    waiting: list[list[tuple[NDArray[np.intp], Words]]] = [[] for _ in program]
    waiting[0].append((np.arange(count), np.zeros(count, np.uint32)))
    for position, (code, if_true, if_false, constant) in enumerate(program):
        arrived = [group for group in waiting[position] if group[0].size]
        waiting[position] = []
        if not arrived:
            continue
        calls = np.concatenate([group[0] for group in arrived])
        held = np.concatenate([group[1] for group in arrived])
        following = position + 1
        if code == LOAD:
            waiting[following].append((calls, words[constant // 4, calls]))
        elif code == AND:
            waiting[following].append((calls, held & np.uint32(constant)))
        elif code == JUMP:
            waiting[following + constant].append((calls, held))
        elif code == RETURN:
            result[calls] = constant
        else:
            yes = _hold(code, held, constant)
            waiting[following + if_true].append((calls[yes], held[yes]))
            waiting[following + if_false].append((calls[~yes], held[~yes]))
    return result


def answer_of_value(value: int) -> Answer:
    """Return a filter's 32-bit return value as an answer; the kernel kills on unknown actions."""
    action = _NAMES.get(value & 0xFFFF_0000, "SCMP_ACT_KILL_PROCESS")
    return Answer(action, value & 0xFFFF if action == "SCMP_ACT_ERRNO" else 0)


def value_of(answer: Answer) -> int:
    """Return the 32-bit value of an answer; raises ``KeyError`` for an action that is none."""
    action = "SCMP_ACT_KILL_THREAD" if answer.action == "SCMP_ACT_KILL" else answer.action
    return _VALUES[action] | answer.errno


def _holds(code: int, held: int, constant: int) -> bool:
    if code == EQUAL:
        return held == constant
    if code == GREATER:
        return held > constant
    if code == AT_LEAST:
        return held >= constant
    return bool(held & constant)


def _hold(code: int, held: Words, constant: int) -> NDArray[np.bool_]:
    import numpy as np

    value = np.uint32(constant)
    if code == EQUAL:
        return np.equal(held, value)
    if code == GREATER:
        return np.greater(held, value)
    if code == AT_LEAST:
        return np.greater_equal(held, value)
    shared: Words = held & value
    return np.not_equal(shared, 0)


def _check(one: Instruction, position: int, left: int) -> None:
    """Refuse an instruction with ``left`` more behind it, as the kernel's checker would."""
    code, if_true, if_false, constant = one
    if code == LOAD and (constant % 4 or constant >= WORDS * 4):
        raise _bad(f"instruction {position} loads offset {constant}")
    furthest = constant if code == JUMP else max(if_true, if_false) if code in _COMPARING else 0
    if furthest and furthest >= left:
        raise _bad(f"instruction {position} jumps out of the program")
    if code not in _COMPARING and code not in (LOAD, AND, JUMP, RETURN):
        raise _bad(f"instruction {position} has the opcode {code:#x}")


def _bad(what: str) -> DataError:
    return DataError(
        f"not a seccomp filter of libseccomp's: {what}",
        slug="bad-filter",
        fix="make the filter again from its profile",
    )
