"""Check what a profile allows on a given host, as Docker and libseccomp would have it."""

from __future__ import annotations

from typing import Any

import pytest

from synth.conditions import matches
from synth.errors import DataError
from synth.model import Answer, Comparison, Gate, Profile, Rule, Target
from synth.profile import resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, syscall_names

ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
LOG = "SCMP_ACT_LOG"
KILL = "SCMP_ACT_KILL_PROCESS"
ONE = (Comparison(0, "SCMP_CMP_EQ", 1),)
TWO = (Comparison(0, "SCMP_CMP_EQ", 2),)


def target(arch: str = "x86_64", *more: str, kernel: tuple[int, int] = (6, 1)) -> Target:
    """Return a host with Docker's default capabilities and ``more``."""
    return Target(arch, DOCKER_DEFAULT_CAPABILITIES | set(more), kernel)


def profile(*rules: Rule, default: str = ERRNO, **changes: Any) -> Profile:
    """Return a profile that refuses by default."""
    return Profile(default, rules, **changes)


def test_names_without_a_rule_get_the_default() -> None:
    resolved = resolve(profile(default_errno=38), target())
    assert resolved.names() == frozenset()
    assert resolved.allowed("read") == ()
    assert resolved.refusal("read") == Answer(ERRNO, 38)
    assert resolved.answer("read", [0] * 6) == Answer(ERRNO, 38)


def test_an_errno_that_is_not_given_is_eperm() -> None:
    resolved = resolve(profile(Rule(("read",), ERRNO)), target())
    assert resolved.default == Answer(ERRNO, 1)
    assert resolved.refusal("read") == Answer(ERRNO, 1)


def test_allowed_logged_and_refused() -> None:
    resolved = resolve(
        profile(Rule(("read",), ALLOW), Rule(("write",), LOG), Rule(("brk",), KILL)), target()
    )
    assert resolved.names() == {"read", "write"}
    assert resolved.allowed("read") == resolved.allowed("write") == ((),)
    assert resolved.allowed("brk") == ()
    assert resolved.refusal("brk") == Answer(KILL)


def test_an_unconditional_rule_swallows_conditional_ones() -> None:
    rules = (Rule(("socket",), ALLOW, comparisons=ONE), Rule(("socket",), ALLOW))
    assert resolve(profile(*rules), target()).allowed("socket") == ((),)
    assert resolve(profile(*reversed(rules)), target()).allowed("socket") == ((),)


def test_the_first_unconditional_rule_wins() -> None:
    rules = (Rule(("read",), ERRNO, 38), Rule(("read",), ALLOW))
    assert resolve(profile(*rules), target()).refusal("read") == Answer(ERRNO, 38)
    assert resolve(profile(*reversed(rules)), target()).allowed("read") == ((),)


def test_a_rule_that_equals_the_default_is_left_out() -> None:
    rules = (Rule(("read",), ERRNO, 1), Rule(("read",), ALLOW))
    assert resolve(profile(*rules), target()).allowed("read") == ((),)


def test_conditions_are_alternatives() -> None:
    rules = [Rule(("socket",), ALLOW, comparisons=c) for c in (TWO, ONE, TWO)]
    resolved = resolve(profile(*rules), target())
    assert resolved.allowed("socket") == (ONE, TWO)
    assert resolved.refusal("socket") == Answer(ERRNO, 1)
    assert resolved.answer("socket", [2, 0, 0, 0, 0, 0]) == Answer(ALLOW)
    assert resolved.answer("socket", [3, 0, 0, 0, 0, 0]) == Answer(ERRNO, 1)


def test_a_default_that_allows_is_turned_around() -> None:
    resolved = resolve(
        profile(Rule(("socket",), ERRNO, 38, ONE), Rule(("mount",), KILL), default=ALLOW),
        target(),
    )
    assert resolved.names() == syscall_names("x86_64") - {"mount"}
    assert resolved.allowed("read") == ((),)
    assert resolved.allowed("mount") == ()
    assert resolved.allowed("socket") == ((Comparison(0, "SCMP_CMP_NE", 1),),)
    assert resolved.refusal("socket") == Answer(ERRNO, 38)
    assert resolved.refusal("mount") == Answer(KILL)
    conditions = resolved.allowed("socket")
    assert not any(matches(one, [1, 0, 0, 0, 0, 0]) for one in conditions)


GATED = [
    (Gate(capabilities=("CAP_SYS_ADMIN",)), Gate(), target(), False),
    (Gate(capabilities=("CAP_SYS_ADMIN",)), Gate(), target("x86_64", "CAP_SYS_ADMIN"), True),
    (Gate(capabilities=("CAP_CHOWN", "CAP_SYS_ADMIN")), Gate(), target(), False),
    (Gate(), Gate(capabilities=("CAP_CHOWN", "CAP_SYS_ADMIN")), target(), False),
    (Gate(), Gate(capabilities=("CAP_SYS_ADMIN",)), target(), True),
    (Gate(arches=("amd64",)), Gate(), target(), True),
    (Gate(arches=("arm64", "arm")), Gate(), target(), False),
    (Gate(arches=("arm64", "arm")), Gate(), target("aarch64"), True),
    (Gate(), Gate(arches=("amd64",)), target(), False),
    (Gate(), Gate(arches=("s390x",)), target(), True),
    (Gate(min_kernel="4.8"), Gate(), target(kernel=(4, 8)), True),
    (Gate(min_kernel="4.8"), Gate(), target(kernel=(4, 7)), False),
    (Gate(min_kernel="4.8"), Gate(), target(kernel=(4, 10)), True),
    (Gate(), Gate(min_kernel="4.8"), target(kernel=(4, 8)), False),
    (Gate(), Gate(min_kernel="4.8"), target(kernel=(4, 7)), True),
]


@pytest.mark.parametrize(("includes", "excludes", "host", "applies"), GATED)
def test_a_rule_applies_where_its_gates_say(
    includes: Gate, excludes: Gate, host: Target, applies: bool
) -> None:
    rule = Rule(("read",), ALLOW, includes=includes, excludes=excludes)
    assert bool(resolve(profile(rule), host).allowed("read")) is applies


def test_architectures_of_the_native_entry_count() -> None:
    arch_map = (
        ("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86", "SCMP_ARCH_X32")),
        ("SCMP_ARCH_AARCH64", ("SCMP_ARCH_ARM",)),
        ("SCMP_ARCH_S390X", ("SCMP_ARCH_S390",)),
    )
    mapped = profile(arch_map=arch_map)
    assert resolve(mapped, target()).architectures == (
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_X86",
    )
    assert resolve(mapped, target("aarch64")).arches() == ("aarch64", "arm")
    assert resolve(mapped, target("arm")).arches() == ("arm",)


def test_listed_architectures_are_in_beside_the_native_one() -> None:
    listed = profile(architectures=("SCMP_ARCH_MIPS", "SCMP_ARCH_X86"))
    resolved = resolve(listed, target())
    assert resolved.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_MIPS", "SCMP_ARCH_X86")
    assert resolved.arches() == ("x86_64", "x86")


def test_an_architecture_we_have_no_table_of_is_refused() -> None:
    with pytest.raises(DataError, match="no such architecture 'mips'"):
        resolve(profile(), target("mips"))
