"""Check the interpreter of filters: one call, many calls, and what it refuses to run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.bpf import (
    AND,
    ANY_BIT,
    AT_LEAST,
    AUDIT_ARCHES,
    EQUAL,
    GREATER,
    JUMP,
    LOAD,
    MAX_INSTRUCTIONS,
    RETURN,
    Instruction,
    Program,
    answer_of_value,
    decode,
    encode,
    run,
    run_many,
    value_of,
    words_of,
)
from synth.errors import DataError
from synth.model import Answer
from synth.syscalls import X32_BIT

ALLOW, ERRNO = Answer("SCMP_ACT_ALLOW"), Answer("SCMP_ACT_ERRNO", 38)
NOTHING = (0,) * 6
END = Instruction(RETURN, 0, 0, value_of(ALLOW))
VALUES = st.one_of(
    st.integers(0, 9), st.sampled_from([1 << 31, 1 << 32, (1 << 32) - 1, (1 << 64) - 1])
)


def returns(answer: Answer) -> Instruction:
    return Instruction(RETURN, 0, 0, value_of(answer))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Return programs of up to 24 instructions with jumps anywhere ahead."""
    length = draw(st.integers(1, 24))
    body = []
    for position in range(length):
        ahead = st.integers(0, length - position - 1)
        code = draw(st.sampled_from([LOAD, AND, JUMP, RETURN, EQUAL, GREATER, AT_LEAST, ANY_BIT]))
        constant = draw(st.integers(0, 15)) * 4 if code == LOAD else draw(VALUES) & 0xFFFF_FFFF
        if code == JUMP:
            constant = draw(ahead)
        if code == RETURN:
            constant = draw(st.sampled_from([0x7FFF0000, 0x50001, 0x50026, 0]))
        jumps = code not in (LOAD, AND, JUMP, RETURN)
        yes, no = (draw(ahead), draw(ahead)) if jumps else (0, 0)
        body.append(Instruction(code, yes, no, constant))
    return (*body, END)


def by_hand(program: Program, words: list[int]) -> int:
    """Run a program the way the kernel's documentation words it."""
    held, position = 0, 0
    while True:
        code, yes, no, constant = program[position]
        position += 1
        if code == LOAD:
            held = words[constant // 4]
        if code == AND:
            held = held & constant
        if code == JUMP:
            position += constant
        if code == RETURN:
            return constant
        test = {EQUAL: held == constant, GREATER: held > constant, AT_LEAST: held >= constant}
        test[ANY_BIT] = held & constant != 0
        if code in test:
            position += yes if test[code] else no


@settings(max_examples=300, deadline=None)
@given(programs(), st.lists(st.tuples(VALUES, *[VALUES] * 6), min_size=1, max_size=8))
def test_one_call_and_many_agree(program: Program, calls: list[tuple[int, ...]]) -> None:
    numbers = np.array([one[0] & 0xFFFF_FFFF for one in calls], np.uint32)
    arguments = np.array([one[1:] for one in calls], np.uint64).T
    words = words_of(numbers, "x86", arguments)
    together = run_many(program, words)
    for column, one in enumerate(calls):
        expected = by_hand(program, [int(word) for word in words[:, column]])
        assert together[column] == expected
        assert run(program, one[0], "x86", one[1:]) == answer_of_value(expected)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_a_program_survives_its_bytes(program: Program) -> None:
    assert decode(encode(program)) == program


def test_the_words_of_a_call_are_those_of_the_kernel() -> None:
    loads = (Instruction(LOAD, 0, 0, 4), Instruction(EQUAL, 0, 1, AUDIT_ARCHES["x86_64"]))
    program = (
        *loads,
        Instruction(LOAD, 0, 0, 16 + 8 * 5 + 4),
        Instruction(EQUAL, 0, 1, 7),
        returns(ALLOW),
        returns(ERRNO),
    )
    assert run(program, 0, "x86_64", (0, 0, 0, 0, 0, 7 << 32)) == ALLOW
    assert run(program, 0, "x86_64", (0, 0, 0, 0, 0, 7)) == ERRNO


@pytest.mark.parametrize("number", [1, 1 | X32_BIT])
def test_an_x32_number_carries_its_bit(number: int) -> None:
    program = (
        Instruction(LOAD, 0, 0, 0),
        Instruction(EQUAL, 0, 1, 1 | X32_BIT),
        returns(ALLOW),
        returns(ERRNO),
    )
    assert run(program, number, "x32", NOTHING) == ALLOW
    words = words_of(np.array([number], np.uint32), "x32", np.zeros((6, 1), np.uint64))
    assert run_many(program, words)[0] == value_of(ALLOW)
    assert run(program, 1, "x86_64", NOTHING) == ERRNO


@pytest.mark.parametrize("action", ["ALLOW", "LOG", "TRAP", "KILL_THREAD", "KILL_PROCESS", "TRACE"])
def test_an_answer_survives_its_value(action: str) -> None:
    answer = Answer(f"SCMP_ACT_{action}")
    assert answer_of_value(value_of(answer)) == answer


def test_an_unknown_action_kills() -> None:
    assert answer_of_value(0x00990000) == Answer("SCMP_ACT_KILL_PROCESS")
    assert answer_of_value(value_of(Answer("SCMP_ACT_KILL"))) == Answer("SCMP_ACT_KILL_THREAD")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ((), "0 bytes"),
        ((Instruction(LOAD, 0, 0, 64), END), "loads offset 64"),
        ((Instruction(LOAD, 0, 0, 2), END), "loads offset 2"),
        ((Instruction(JUMP, 0, 0, 1), END), "jumps out"),
        ((Instruction(EQUAL, 0, 9, 1), END), "jumps out"),
        ((Instruction(JUMP, 0, 0, 0xFFFF_FFFF), END), "jumps out"),
        ((Instruction(0x16, 0, 0, 0), END), "opcode 0x16"),
        ((Instruction(LOAD, 0, 0, 0),), "does not return"),
        ((END,) * (MAX_INSTRUCTIONS + 1), "at most 4096"),
    ],
)
def test_what_no_kernel_would_load_is_refused(program: Program, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        decode(encode(program))
    assert caught.value.slug == "bad-filter"


def test_half_an_instruction_is_refused() -> None:
    with pytest.raises(DataError, match="9 bytes"):
        decode(encode((END,)) + b"x")
