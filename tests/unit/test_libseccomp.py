"""Compare what we say a profile answers with what the compiled filter answers.

libseccomp compiles the resolved rules as a container runtime has it do, and ``synth.bpf`` runs
the filter.  At least ``CALLS`` calls per profile: every number of every architecture, the values
of every condition and their neighbours, and random ones.  Needs libseccomp, no privileges.
"""

from __future__ import annotations

import platform
import random
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from synth.abi import MULTIPLEXED
from synth.baseline import available, load_baseline
from synth.bpf import run, run_many, value_of, words_of
from synth.capabilities import derive_capabilities, load_capabilities
from synth.conditions import MAX_VALUE, matches
from synth.errors import DataError, HostError
from synth.evidence import combine
from synth.faithful import disagreement, faithful
from synth.generate import generate
from synth.lint import MAX_INSTRUCTIONS
from synth.model import Answer, Comparison, FilterRules, Profile, Rule, Target
from synth.profile import load_profile, resolve
from synth.recording import load_recording
from synth.resolve import Resolved, decide, filter_rules
from synth.staging import stage
from synth.syscalls import (
    CAPABILITIES,
    DOCKER_DEFAULT_CAPABILITIES,
    X32_BIT,
    syscall_name,
    syscall_names,
    syscall_number,
)
from synth.wanted import Tightness
from tests import builders
from tracer import libseccomp
from tracer.libseccomp import compile_bounded, compile_rules, number_of, version

try:
    VERSION: tuple[int, ...] = version()
except HostError:
    VERSION = ()
pytestmark = pytest.mark.skipif(
    not VERSION or platform.machine() not in ("x86_64", "aarch64"),
    reason="needs libseccomp on x86-64 or arm64",
)

CALLS = 200_000
UNKNOWN = 5000
"""A number that no architecture has."""

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
ALLOW, EPERM = Answer("SCMP_ACT_ALLOW"), Answer("SCMP_ACT_ERRNO", 1)
ODD_NUMBERS = [
    0xFFFF_FFFF,
    0xFFFF_FFFE,
    0x7FFF_FFFF,
    0x8000_0000,
    X32_BIT,
    X32_BIT | UNKNOWN,
    UNKNOWN,
]


def known(arch: str, number: int) -> bool:
    """Tell whether the installed library has the call; an older one leaves out its rules."""
    if arch == "x86_64" and number >= X32_BIT:
        arch, number = "x32", number & ~X32_BIT
    name = syscall_name(arch, number)
    return name.startswith("#") or name in MULTIPLEXED or number_of(arch, name) is not None


def boundary(resolved: Resolved, arch: str, name: str) -> list[int]:
    """Return the values of all conditions on ``name``, their neighbours and high words."""
    values = {0, 1, MAX_VALUE, 1 << 32, 1 << 63}
    for conjunction, _ in resolved.conditions(name, arch):
        for one in conjunction:
            for value in (one.value, one.value_two):
                values |= {value, value + 1, value - 1, value ^ 1, value ^ 1 << 32, value | 5 << 40}
                values |= {value & -value, value ^ (value & -value), ~value}
    return sorted({value & MAX_VALUE for value in values})


def calls_of(resolved: Resolved, arch: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers, and arguments in shape ``(6, calls)``, for one architecture."""
    source = random.Random(f"{arch} {count}")  # noqa: S311 - a test's choice of values
    top = max((syscall_number(arch, name) or 0) for name in syscall_names(arch)) + 40
    numbers = [*range(min(top, 1200)), *ODD_NUMBERS]
    numbers += [syscall_number(arch, name) or 0 for name in sorted(syscall_names(arch))]
    if arch == "x86_64":
        numbers += [number | X32_BIT for number in range(600)]
    arguments: list[list[int]] = [[0] * 6 for _ in numbers]
    conditional = [name for name in sorted(syscall_names(arch)) if resolved.conditions(name, arch)]
    pools = {name: boundary(resolved, arch, name) for name in conditional}
    for name, pool in pools.items():
        number = syscall_number(arch, name) or 0
        for position in range(6):
            for value in pool:
                numbers.append(number)
                arguments.append([source.choice(pool) for _ in range(6)])
                arguments[-1][position] = value
    some = numbers[: len(arguments)]
    while len(numbers) < count:
        if conditional and source.random() < 0.5:
            name = source.choice(conditional)
            numbers.append(syscall_number(arch, name) or 0)
            arguments.append([source.choice(pools[name]) for _ in range(6)])
        else:
            numbers.append(source.choice(some))
            arguments.append([source.getrandbits(64) >> source.choice((0, 32, 56))] * 6)
    return np.array(numbers, np.uint32), np.array(arguments, np.uint64).T


def check(profile: Profile, target: Target) -> int:
    """Compare both answers; return the number of calls that were compared."""
    resolved = resolve(profile, target)
    given = filter_rules(profile, target)
    programs = [compile_rules(given), compile_rules(given, binary_tree=True)]
    compared = 0
    share = CALLS // len(resolved.arches()) + 1
    for arch in resolved.arches():
        numbers, arguments = calls_of(resolved, arch, share)
        words = words_of(numbers, arch, arguments)
        plain = list(zip(numbers.tolist(), arguments.T.tolist(), strict=True))
        seen = {
            one: one if known(arch, one) else one & X32_BIT | UNKNOWN
            for one in set(numbers.tolist())
        }
        expected = np.array(
            [value_of(resolved.decide(arch, seen[number], call)) for number, call in plain],
            np.uint32,
        )
        for program in programs:
            answers = run_many(program, words)
            wrong = np.flatnonzero(answers != expected)
            assert not wrong.size, (
                arch,
                syscall_name(arch, plain[wrong[0]][0]),
                plain[wrong[0]],
                hex(answers[wrong[0]]),
            )
            for number, call in plain[:: len(plain) // 50]:
                assert value_of(run(program, number, arch, call)) in answers
        compared += len(plain)
    for arch in ("x86_64", "x86", "x32", "aarch64", "arm"):
        if arch not in resolved.arches():
            assert run(programs[0], 3, arch, [0] * 6) == resolved.decide(arch, 3)
    return compared


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize(
    ("arch", "more", "kernel"),
    [
        ("x86_64", (), (6, 1)),
        ("x86_64", CAPABILITIES, (6, 1)),
        ("x86_64", ("CAP_SYS_ADMIN",), (4, 4)),
        ("aarch64", (), (6, 1)),
    ],
)
def test_a_baseline_answers_as_its_filter_does(
    name: str, arch: str, more: tuple[str, ...], kernel: tuple[int, int]
) -> None:
    target = Target(arch, DOCKER_DEFAULT_CAPABILITIES | set(more), kernel)
    assert check(load_baseline(name).profile, target) >= CALLS


@cache
def made(tightness: Tightness) -> tuple[Profile, Target]:
    """Return the profile that ``synth`` makes of the sample recording."""
    evidence = combine([load_recording(DATA / "recording-1.0.0.json")])
    granted = derive_capabilities(evidence, consented=()).cap_add
    generated = generate(evidence, load_baseline("docker-25.0").profile, granted, tightness)
    return generated.profile, generated.resolved.target


@pytest.mark.parametrize("tightness", list(Tightness))
def test_a_generated_profile_answers_as_its_filter_does(tightness: Tightness) -> None:
    assert check(*made(tightness)) >= CALLS


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("profiles/*/seccomp.json")), ids=lambda path: path.parent.name
)
def test_a_worked_example_answers_as_its_filter_does(path: Path) -> None:
    granted = frozenset(load_capabilities(path.parent / "capabilities.json"))
    assert check(load_profile(path), Target("x86_64", granted, (6, 1))) >= CALLS


@pytest.mark.parametrize(
    "name", ["docker-20.10-debian", "docker-25.0", "moby-profiles-0.2.3", "podman-4.3"]
)
def test_an_observing_form_answers_as_its_filter_does(name: str) -> None:
    folder = ROOT / "profiles" / "python-devcontainer"
    granted = frozenset(load_capabilities(folder / "capabilities.json"))
    target = Target("x86_64", granted, (6, 1))
    form = stage(load_profile(folder / "seccomp.json"), load_baseline(name).profile, target)
    assert check(form.profile, target) >= CALLS
    assert len(compile_rules(filter_rules(form.profile, target))) <= MAX_INSTRUCTIONS


@pytest.mark.parametrize("tightness", list(Tightness))
@pytest.mark.parametrize("more", [(), ("socketcall",)])
def test_a_generated_profile_with_32_bit_calls_compiles(
    tightness: Tightness, more: tuple[str, ...]
) -> None:
    foreign = [builders.call(name, arch="x86") for name in ("socket", "read", "clone", *more)]
    calls = [*builders.START, "socket", "clone", *foreign, builders.call("read", arch="x32")]
    arguments = [builders.sockets(1, 2), builders.sockets(1, arch="x86")]
    evidence = combine([builders.recording(builders.run("w", calls, arguments=arguments))])
    generated = generate(evidence, load_baseline("docker-25.0").profile, (), tightness)
    assert generated.resolved.arches() == ("x86_64", "x32", "x86")
    assert check(generated.profile, generated.resolved.target) >= CALLS


def rules(
    *given: tuple[str, Answer, tuple[Comparison, ...]], arches: str = "x86_64"
) -> FilterRules:
    """Return rules on top of a default of EPERM."""
    architectures = tuple(f"SCMP_ARCH_{one.upper()}" for one in arches.split())
    return FilterRules(arches.split(maxsplit=1)[0], EPERM, architectures, given)


def is_(index: int, op: str, value: int, wanted: int = 0) -> Comparison:
    return Comparison(index, f"SCMP_CMP_{op}", value, wanted)


@pytest.mark.parametrize("name", sorted(MULTIPLEXED))
def test_a_multiplexed_call_is_also_let_through_the_multiplexer(name: str) -> None:
    profile = Profile(
        "SCMP_ACT_ERRNO",
        (Rule((name,), "SCMP_ACT_ALLOW", comparisons=(is_(0, "EQ", 77), is_(1, "EQ", 5))),),
        architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    )
    target = Target("x86_64", frozenset(), (6, 1))
    resolved, program = resolve(profile, target), compile_rules(filter_rules(profile, target))
    multiplexer, own = MULTIPLEXED[name]
    number = syscall_number("x86", multiplexer)
    assert number is not None
    for first in (own, own + 1, 77):
        for second in (5, 6, 5 + (1 << 32)):
            call = (first, second, 0, 0, 0, 0)
            assert run(program, number, "x86", call) == resolved.decide("x86", number, call)
    assert resolved.decide("x86", multiplexer, (own, 5, 0, 0, 0, 0)) == ALLOW
    assert resolved.decide("x86", multiplexer, (own, 6, 0, 0, 0, 0)) == EPERM


@pytest.mark.parametrize("name", ["accept", "send", "recv", "semop", "semtimedop"])
def test_calls_without_a_number_on_x86_leave_the_multiplexer_alone(name: str) -> None:
    program = compile_rules(rules((name, ALLOW, ()), arches="x86_64 x86"))
    for multiplexer in ("socketcall", "ipc"):
        number = syscall_number("x86", multiplexer)
        assert number is not None
        answers = {run(program, number, "x86", (one, 0, 0, 0, 0, 0)) for one in range(30)}
        assert answers == {EPERM}


def test_two_answers_that_meet_in_the_multiplexer_are_refused() -> None:
    profile = Profile(
        "SCMP_ACT_ERRNO",
        (
            Rule(("socket",), "SCMP_ACT_ALLOW", comparisons=(is_(0, "EQ", 1),)),
            Rule(("socket",), "SCMP_ACT_ERRNO", 97, (is_(0, "EQ", 38),)),
        ),
        architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    )
    target = Target("x86_64", frozenset(), (6, 1))
    with pytest.raises(DataError, match="File exists") as refused:
        compile_rules(filter_rules(profile, target))
    assert refused.value.slug == "filter-refused"
    assert resolve(profile, target).decide("x86_64", "socket", (1, 0, 0, 0, 0, 0)) == ALLOW
    with pytest.raises(DataError, match="contradict each other on x86"):
        resolve(profile, target).decide("x86", "socketcall", (1, 0, 0, 0, 0, 0))


def random_comparison(chance: random.Random, index: int, ops: list[str]) -> Comparison:
    value = chance.choice([0, 1, 2, 40, 0xFFFFFFFF, 0x100000028, 0x7E020000, MAX_VALUE])
    op = chance.choice(ops)
    if op != "MASKED_EQ":
        return is_(index, op, value)
    return is_(index, op, value or 1, chance.getrandbits(64) & (value or 1))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("ops", "width"), [(["EQ", "MASKED_EQ"], 3), (["EQ", "NE", "MASKED_EQ"], 1)]
)
def test_random_rules_answer_as_their_filter_does(seed: int, ops: list[str], width: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's choice of rules
    given = []
    for name in ("socket", "personality", "ioctl"):
        for _ in range(chance.randint(1, 4)):
            indexes = sorted(chance.sample(range(width), chance.randint(0, width)))
            comparisons = tuple(random_comparison(chance, index, ops) for index in indexes)
            given.append(Rule((name,), "SCMP_ACT_ALLOW", comparisons=comparisons))
    arches = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
    profile = Profile("SCMP_ACT_ERRNO", tuple(given), 38, architectures=arches)
    target = Target("x86_64", frozenset(), (6, 1))
    resolved, program = resolve(profile, target), compile_rules(filter_rules(profile, target))
    for arch in resolved.arches():
        names = ["socket", "personality", "ioctl", "read"]
        for name in [*names, "socketcall"] if arch == "x86" else names:
            pool = boundary(resolved, arch, name)
            number = syscall_number(arch, name)
            assert number is not None
            for _ in range(100):
                call = [chance.choice(pool) for _ in range(6)]
                answer = resolved.decide(arch, name, call)
                assert run(program, number, arch, call) == answer, (arch, name, call)
                low = [one & 0xFFFFFFFF for one in call] if arch != "x86_64" else call
                allowed = any(matches(one, low) for one in resolved.allowed(name, arch))
                assert allowed is (answer == ALLOW)


def test_one_call_is_decided_without_more_ado() -> None:
    profile = load_baseline("moby-profiles-0.2.3").profile

    def answer(arch: str, syscall: int | str, *arguments: int, **more: str) -> Answer:
        call = (*arguments, *[0] * (6 - len(arguments)))
        given = DOCKER_DEFAULT_CAPABILITIES | {more.pop("cap", "CAP_CHOWN")}
        return decide(
            profile, arch, syscall, call, capabilities=given, kernel=(6, 1), native="x86_64"
        )

    assert answer("x86_64", "read") == answer("x86", "read") == answer("x32", 0) == ALLOW
    assert answer("x86_64", "socket", 40) == EPERM
    assert answer("x86_64", "socket", 40 + (1 << 32)) == ALLOW
    assert answer("x32", "socket", 40 + (1 << 32)) == EPERM
    assert answer("x86", "socketcall", 1) == ALLOW
    assert answer("x86_64", "mount") == EPERM
    assert answer("x86_64", "mount", cap="CAP_SYS_ADMIN") == ALLOW
    assert answer("aarch64", "read") == Answer("SCMP_ACT_KILL_THREAD")
    assert answer("x86_64", -1) == EPERM
    with pytest.raises(DataError, match="aarch64 has no syscall 'open'"):
        answer("aarch64", "open")


ROWS = re.findall(
    r"^\| (`a\d.*) \| (0x\w+), (0x\w+) \| (allowed|refused) \| (allowed|refused) \|$",
    (ROOT / "docs" / "libseccomp.md").read_text(),
    re.MULTILINE,
)
SIGNS = {"<": "LT", "≤": "LE", "≥": "GE", ">": "GT", "≠": "NE", "=": "EQ"}


def conditions_of(text: str) -> list[tuple[Comparison, ...]]:
    """Return the conditions of a row of the documentation's table."""
    found = []
    for conjunction in text.replace("`", "").split(" or "):
        parts = [one.split() for one in conjunction.split(" and ")]
        found.append(tuple(is_(int(a[1]), SIGNS[sign], int(value, 16)) for a, sign, value in parts))
    return found


@pytest.mark.parametrize("row", ROWS, ids=[f"{one[0]} {one[1]}" for one in ROWS])
def test_the_miscompilations_that_are_documented(row: tuple[str, ...]) -> None:
    text, first, second, meant, compiled = row
    conditions = conditions_of(text)
    call = (int(first, 16), int(second, 16), 0, 0, 0, 0)
    assert any(matches(one, call) for one in conditions) is (meant == "allowed")
    assert meant != compiled
    assert not faithful(conditions)
    program = compile_rules(rules(*(("personality", ALLOW, one) for one in conditions)))
    number = syscall_number("x86_64", "personality")
    assert number is not None
    if run(program, number, "x86_64", call) != (ALLOW if compiled == "allowed" else EPERM):
        assert VERSION > (2, 6, 1), "no longer so: the table is out of date"
        pytest.skip("mended in this libseccomp")


@pytest.mark.parametrize("text", sorted({row[0] for row in ROWS}))
def test_a_miscompilation_is_found_with_a_call_that_shows_it(text: str) -> None:
    given = [
        Rule(("personality",), "SCMP_ACT_ALLOW", comparisons=one) for one in conditions_of(text)
    ]
    profile = Profile("SCMP_ACT_ERRNO", tuple(given), architectures=("SCMP_ARCH_X86_64",))
    target = Target("x86_64", frozenset(), (6, 1))
    resolved, program = resolve(profile, target), compile_rules(filter_rules(profile, target))
    call = disagreement(resolved, program, "personality", "x86_64")
    if call is None:
        assert VERSION > (2, 6, 1)
        pytest.skip("mended in this libseccomp")
    meant = resolved.decide("x86_64", "personality", call)
    assert run(program, 135, "x86_64", call) != meant


@pytest.mark.parametrize("name", available())
def test_no_default_is_compiled_wrongly(name: str) -> None:
    target = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
    profile = load_baseline(name).profile
    resolved, program = resolve(profile, target), compile_rules(filter_rules(profile, target))
    for arch in resolved.arches():
        for syscall in sorted(resolved.ruled(arch)):
            if resolved.conditions(syscall, arch):
                assert disagreement(resolved, program, syscall, arch) is None
                assert faithful(one for one, _ in resolved.conditions(syscall, arch))


def test_the_table_has_rows_of_both_kinds() -> None:
    assert len(ROWS) >= 12
    assert {row[4] for row in ROWS} == {"allowed", "refused"}


@pytest.mark.parametrize("seed", range(8))
def test_faithful_conditions_are_compiled_faithfully(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's choice of rules
    ops = [["EQ", "MASKED_EQ"], ["GE", "GT", "EQ", "NE"], ["LT", "LE", "GE", "GT", "EQ", "NE"]]
    values = [0, 1, 5, 7, 39, 40, 0xFFFF_FFFF, 1 << 32, (1 << 32) + 5, 2 << 32]
    tried = 0
    for _ in range(400):
        operators = chance.choice(ops)
        width = 3 if "MASKED_EQ" in operators else 1
        conditions = []
        for _ in range(chance.randint(2, 4)):
            indexes = sorted(chance.sample(range(width), chance.randint(1, width)))
            conditions.append(
                tuple(
                    is_(index, op, value, value & 5 if op == "MASKED_EQ" else 0)
                    for index in indexes
                    for op, value in [(chance.choice(operators), chance.choice(values[1:]))]
                )
            )
        if not faithful(conditions):
            continue
        tried += 1
        program = compile_rules(rules(*(("personality", ALLOW, one) for one in conditions)))
        near = [value + step for value in values for step in (0, 1)]
        for _ in range(40):
            call = [chance.choice(near) for _ in range(6)]
            expected = ALLOW if any(matches(one, call) for one in conditions) else EPERM
            assert run(program, 135, "x86_64", call) == expected, (conditions, call)
    assert tried > 200


def test_a_compilation_that_would_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libseccomp, "MAX_SECONDS", 1)
    few = rules(("read", ALLOW, ()), ("write", ALLOW, (Comparison(0, "SCMP_CMP_EQ", 1),)))
    assert compile_bounded(few) == compile_rules(few)
    places = [(i % 6, (i + 1 + i // 6 % 5) % 6) for i in range(200)]
    hard = [
        ("read", ALLOW, tuple(Comparison(one, "SCMP_CMP_GT", 7919 * i) for one in sorted(both)))
        for i, both in enumerate(places)
    ]
    with pytest.raises(DataError, match="within 1 s"):
        compile_bounded(rules(*hard))


def test_what_is_refused_in_the_child_is_said_in_the_parent() -> None:
    twice = [("read", ALLOW, (Comparison(7, "SCMP_CMP_EQ", 1),))]
    with pytest.raises(DataError, match="a rule for read"):
        compile_bounded(rules(*twice))
