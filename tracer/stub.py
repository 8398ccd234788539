"""Write a program that makes given syscalls and says what each returned: a static ELF file.

It needs nothing: no compiler on the host, no shell or library in the image, no stack and no
writable memory of its own but the stack the kernel gives it.  For every call it writes sixteen
bytes to its standard output, the call's position and the value returned, both little-endian,
before it makes the next; so what was written last says which call ended it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

BASE = 0x40_0000
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
ENTRY_OFFSET = HEADER.size + SEGMENT.size
RECORD = struct.Struct("<Qq")

# Opcodes of "mov register, imm64" in the order of the syscall convention, rax first.
_MOV_64 = tuple(
    bytes.fromhex(code) for code in ("48b8", "48bf", "48be", "48ba", "49ba", "49b8", "49b9")
)
# "mov register, imm32" (eax, ebx, ecx, edx, esi, edi, ebp), which clears the high half.
_MOV_32 = tuple(bytes.fromhex(code) for code in ["b8", "bb", "b9", "ba", "be", "bf", "bd"])
_SYSCALL, _INT_80 = b"\x0f\x05", b"\xcd\x80"
_WRITE, _EXIT_GROUP = 1, 231
_X32_BIT = 0x4000_0000


class Call(NamedTuple):
    """One call: how to enter the kernel (x86_64, x32 or x86), its number there, six arguments."""

    arch: str
    number: int
    arguments: Sequence[int]


def program(calls: Sequence[tuple[int, Call]]) -> bytes:
    """Return an x86-64 ELF executable that makes the calls; each has the position it reports.

    Raises ``ValueError`` for another architecture's call.
    """
    code = b"".join(_attempt(position, call) for position, call in calls)
    code += _load_64(_EXIT_GROUP, 0) + _SYSCALL
    size = ENTRY_OFFSET + len(code)
    header = HEADER.pack(
        b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE + ENTRY_OFFSET, HEADER.size, 0, 0,
        HEADER.size, SEGMENT.size, 1, 0, 0, 0,
    )  # fmt: skip
    segment = SEGMENT.pack(1, 5, 0, BASE, BASE, size, size, 0x1000)  # PT_LOAD, read and execute
    return header + segment + code


def results(output: bytes, limit: int) -> dict[int, int]:
    """Return position -> returned value from the program's output.

    Stops at what cannot be its output: a record cut off, or a position beyond ``limit``.
    """
    found: dict[int, int] = {}
    for start in range(0, min(len(output), limit * RECORD.size) - RECORD.size + 1, RECORD.size):
        position, value = RECORD.unpack_from(output, start)
        if position >= limit or position in found:
            break
        found[position] = value
    return found


def _attempt(position: int, call: Call) -> bytes:
    if call.arch == "x86":
        # its 32-bit result is in eax: "cdqe" extends the sign
        made = _load_32(call.number, *call.arguments) + _INT_80 + b"\x48\x98"
    elif call.arch in ("x86_64", "x32"):
        bit = _X32_BIT if call.arch == "x32" else 0
        made = _load_64(call.number | bit, *call.arguments) + _SYSCALL
    else:
        raise ValueError(call.arch)
    push_result = b"\x50"
    push_position = b"\x68" + struct.pack("<i", position)
    to_stack = b"\x48\x89\xe6"  # mov rsi, rsp
    return (
        made
        + push_result
        + push_position
        + _load_64(_WRITE, 1)
        + to_stack
        + _MOV_64[3]
        + struct.pack("<Q", RECORD.size)
        + _SYSCALL
        + b"\x48\x83\xc4\x10"  # add rsp, 16
    )


def _load_64(*values: int) -> bytes:
    return b"".join(
        opcode + struct.pack("<Q", value) for opcode, value in zip(_MOV_64, values, strict=False)
    )


def _load_32(*values: int) -> bytes:
    return b"".join(
        opcode + struct.pack("<I", value & 0xFFFF_FFFF)
        for opcode, value in zip(_MOV_32, values, strict=False)
    )
