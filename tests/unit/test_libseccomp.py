"""Compare what we say a profile answers with what the compiled filter answers.

libseccomp compiles the resolved rules as a container runtime has it do, and a few lines here run
the filter's classic BPF.  Needs libseccomp and an x86-64 host, no privileges: nothing is loaded
into the kernel.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import random
import struct
import tempfile
from collections.abc import Iterable

import pytest

from synth.baseline import available, load_baseline
from synth.conditions import MAX_VALUE, matches
from synth.model import Answer, Comparison, Profile, Rule, Target
from synth.profile import resolve
from synth.profile_rules import answer_of
from synth.resolve import applies
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES, syscall_names, syscall_number

LIBRARY = ctypes.util.find_library("seccomp")

pytestmark = pytest.mark.skipif(
    LIBRARY is None or platform.machine() != "x86_64", reason="needs libseccomp on x86-64"
)

AUDIT_ARCH_X86_64 = 0xC000003E
# include/seccomp.h
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
ACTIONS = {
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}

Program = list[tuple[int, int, int, int]]
Call = tuple[int, ...]


class ArgumentCompare(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def code(answer: Answer) -> int:
    """Return an answer as the filter's return value."""
    return ACTIONS[answer.action] | answer.errno


def compile_filter(default: Answer, rules: Iterable[tuple[Rule, Answer]]) -> Program:
    """Return the filter that libseccomp makes of the rules, for x86-64 alone."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(code(default))))
    assert context
    try:
        for rule, answer in rules:
            if answer == default:
                continue
            compares = (ArgumentCompare * max(1, len(rule.comparisons)))(
                *(
                    ArgumentCompare(one.index, OPERATORS[one.op], one.value, one.value_two)
                    for one in rule.comparisons
                )
            )
            for name in rule.names:
                number = syscall_number("x86_64", name)
                if number is not None:
                    result = library.seccomp_rule_add_array(
                        context,
                        ctypes.c_uint32(code(answer)),
                        number,
                        len(rule.comparisons),
                        compares,
                    )
                    assert result == 0, (name, os.strerror(-result))
        with tempfile.TemporaryFile() as stream:
            assert library.seccomp_export_bpf(context, stream.fileno()) == 0
            stream.seek(0)
            return list(struct.iter_unpack("<HBBI", stream.read()))
    finally:
        library.seccomp_release(context)


def run_filter(program: Program, number: int, arguments: Call) -> int:
    """Return what the filter answers; the instructions that seccomp filters are made of."""
    data = struct.pack("<iIQ6Q", number, AUDIT_ARCH_X86_64, 0, *arguments)
    accumulator = position = 0
    while True:
        opcode, if_true, if_false, constant = program[position]
        position += 1
        match opcode:
            case 0x20:  # load a word of struct seccomp_data
                (accumulator,) = struct.unpack_from("<I", data, constant)
            case 0x54:  # and
                accumulator &= constant
            case 0x05:  # jump
                position += constant
            case 0x06:  # return
                return constant
            case 0x15:
                position += if_true if accumulator == constant else if_false
            case 0x25:
                position += if_true if accumulator > constant else if_false
            case 0x35:
                position += if_true if accumulator >= constant else if_false
            case 0x45:
                position += if_true if accumulator & constant else if_false
            case _:
                raise AssertionError(f"opcode {opcode:#x}")


def interesting(profile: Profile, name: str, chance: random.Random) -> list[Call]:
    """Return calls at and around the values that the rules for ``name`` mention."""
    values = {0, 1, MAX_VALUE, 1 << 32, 1 << 63}
    for rule in profile.rules:
        for one in rule.comparisons if name in rule.names else ():
            for value in (one.value, one.value_two):
                values |= {value, value ^ 1, value + 1, value ^ 1 << 32, value & -value}
    pool = sorted(value & MAX_VALUE for value in values)
    calls = [(value, 0, 0, 0, 0, 0) for value in pool]
    return calls + [tuple(chance.choice(pool) for _ in range(6)) for _ in range(20)]


def check(profile: Profile, target: Target, names: Iterable[str]) -> int:
    """Compare both answers to calls of every name; return how many were compared."""
    resolved = resolve(profile, target)
    rules = [
        (rule, answer_of(rule.action, rule.errno))
        for rule in profile.rules
        if applies(rule, target)
    ]
    program = compile_filter(resolved.default, rules)
    chance = random.Random(1)  # noqa: S311 - a test's choice of values
    compared = 0
    for name in sorted(names):
        number = syscall_number("x86_64", name)
        assert number is not None
        for call in interesting(profile, name, chance):
            answer = resolved.answer(name, call)
            assert run_filter(program, number, call) == code(answer), (name, call)
            allowed = any(matches(one, call) for one in resolved.allowed(name))
            assert allowed is (answer.action in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG"))
            compared += 1
    return compared


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("more", [(), ("CAP_SYS_ADMIN",), CAPABILITIES])
def test_a_baseline_answers_as_its_filter_does(name: str, more: tuple[str, ...]) -> None:
    target = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES | set(more), (6, 1))
    assert check(load_baseline(name).profile, target, syscall_names("x86_64")) > 5000


def random_comparison(chance: random.Random, index: int) -> Comparison:
    """Return a comparison by one of the operators that libseccomp compiles faithfully."""
    value = chance.choice([0, 1, 2, 40, 0xFFFFFFFF, 0x100000028, 0x7E020000, MAX_VALUE])
    op = chance.choice(["SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"])
    if op != "SCMP_CMP_MASKED_EQ":
        return Comparison(index, op, value)
    return Comparison(index, op, value or 1, chance.getrandbits(64) & (value or 1))


@pytest.mark.parametrize("seed", range(40))
def test_random_rules_answer_as_their_filter_does(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's choice of rules
    rules = []
    for name in ("socket", "personality", "ioctl"):
        for _ in range(chance.randint(1, 4)):
            indexes = sorted(chance.sample(range(6), chance.randint(0, 2)))
            comparisons = tuple(random_comparison(chance, index) for index in indexes)
            rules.append(Rule((name,), "SCMP_ACT_ALLOW", comparisons=comparisons))
    profile = Profile("SCMP_ACT_ERRNO", tuple(rules), 38)
    target = Target("x86_64", frozenset(), (6, 1))
    assert check(profile, target, ("socket", "personality", "ioctl", "read")) > 50
