"""Check inclusion of profiles against brute force: every call of a small world, one by one.

Constants have a low word below 4 and a high word of 0 or 1.  Any other value of an argument
behaves like one in the world: low words up to 7 and high words up to 3 have every combination of
the bits that masks look at, on either side of every constant.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synth.conditions import OPERATORS
from synth.diff import gate_changes
from synth.errors import DataError
from synth.inclusion import escape, escapes, inside
from synth.model import Comparison, Gate, Profile, Rule, Target
from synth.profile import resolve
from synth.profile_rules import check_rules
from synth.resolve import Resolved

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
NAMES = ("socket", "socketcall", "personality", "ioctl")
VALUES = [low | high << 32 for low in range(8) for high in range(4)]
WORLD = {
    "x86_64": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(VALUES, repeat=2)],
    "x86": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(range(8), repeat=2)],
    "x32": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(range(8), repeat=2)],
}
TARGETS = [
    Target("x86_64", frozenset(capabilities), kernel)
    for capabilities in ((), ("CAP_SYS_ADMIN",), ("CAP_BPF",), ("CAP_SYS_ADMIN", "CAP_BPF"))
    for kernel in ((4, 4), (6, 1))
]

HIGH = st.sampled_from([0, 1])
CONSTANTS = st.builds(lambda low, high: low | high << 32, st.integers(0, 3), HIGH)
COMPARISONS = st.builds(
    lambda index, op, value, two: Comparison(
        index, op, value, two & value if op == "SCMP_CMP_MASKED_EQ" else 0
    ),
    st.integers(0, 1),
    st.sampled_from(OPERATORS),
    CONSTANTS,
    CONSTANTS,
)
CONDITIONS = st.lists(COMPARISONS, max_size=2, unique_by=lambda one: one.index).map(tuple)
GATES = st.sampled_from(
    [
        Gate(),
        Gate(),
        Gate(("CAP_SYS_ADMIN",)),
        Gate(("CAP_BPF", "CAP_SYS_ADMIN")),
        Gate(min_kernel="4.8"),
        Gate(arches=("amd64",)),
        Gate(arches=("arm64",)),
    ]
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Return a profile that the reader would take."""
    default = draw(st.sampled_from([ERRNO, ERRNO, ALLOW]))
    rules = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=5)):
        action = draw(st.sampled_from([ALLOW, ALLOW, ERRNO] if default == ERRNO else [ERRNO]))
        errno = 97 if action == ERRNO else None
        gates = draw(GATES), draw(st.sampled_from([Gate(), Gate(), Gate(("CAP_BPF",))]))
        rules.append(Rule((name,), action, errno, draw(CONDITIONS), "", *gates))
    arches = draw(st.sampled_from(["", "X86", "X32", "X86 X32"])).split()
    try:
        check_rules(rules, "")
    except DataError:
        assume(False)
    subs = tuple(f"SCMP_ARCH_{one}" for one in arches)
    return Profile(default, tuple(rules), arch_map=(("SCMP_ARCH_X86_64", subs),))


def let_through(resolved: Resolved, arch: str, name: str, call: tuple[int, ...]) -> bool:
    """Tell whether the filter passes one call."""
    return resolved.decide(arch, name, call).action == ALLOW


@settings(max_examples=150, deadline=None)
@given(profiles(), profiles(), st.sampled_from(TARGETS), st.sampled_from(NAMES))
def test_a_call_escapes_exactly_when_brute_force_finds_one(
    first: Profile, second: Profile, target: Target, name: str
) -> None:
    inner, outer = resolve(first, target), resolve(second, target)
    for arch, world in WORLD.items():
        if arch != "x86" and name == "socketcall":
            continue
        try:
            found = escape(inner, outer, name, arch)
        except DataError as error:
            assert error.slug == "conflicting-rules"
            assert arch != "x86_64"
            continue
        expected = [
            call
            for call in world
            if let_through(inner, arch, name, call) and not let_through(outer, arch, name, call)
        ]
        assert (found is not None) is bool(expected), (arch, found, expected[:1])
        if found is not None:
            assert let_through(inner, arch, name, found)
            assert not let_through(outer, arch, name, found)
            assert arch == "x86_64" or max(found) < 1 << 32


@settings(max_examples=150, deadline=None)
@given(profiles(), profiles(), st.sampled_from(TARGETS))
def test_what_escapes_a_whole_profile_is_let_through_by_it_alone(
    first: Profile, second: Profile, target: Target
) -> None:
    inner, outer = resolve(first, target), resolve(second, target)
    try:
        found = list(escapes(inner, outer))
    except DataError:
        return
    for one in found:
        syscall = int(one.name[1:]) if one.name.startswith("#") else one.name
        assert inner.decide(one.arch, syscall, one.arguments).action == ALLOW
        assert outer.decide(one.arch, syscall, one.arguments).action != ALLOW
    assert inside(inner, outer) == (found[0] if found else None)
    seen = {(one.arch, one.name) for one in found}
    for arch in inner.arches():
        for name in NAMES:
            if name != "socketcall" or arch == "x86":
                alone = escape(inner, outer, name, arch) is not None
                assert ((arch, name) in seen) is alone


@settings(max_examples=60, deadline=None)
@given(profiles(), st.sampled_from(TARGETS))
def test_a_profile_is_inside_itself(profile: Profile, target: Target) -> None:
    resolved = resolve(profile, target)
    try:
        assert inside(resolved, resolved) is None
    except DataError as error:
        assert error.slug == "conflicting-rules"


@settings(max_examples=150, deadline=None)
@given(profiles(), profiles(), st.sampled_from(TARGETS))
def test_a_capability_that_only_one_profile_asks_for_is_found(
    free: Profile, bound: Profile, target: Target
) -> None:
    found = {(one.capability, one.change.name) for one in gate_changes(free, bound, target)}
    for one in gate_changes(free, bound, target):
        without = replace(target, capabilities=target.capabilities - {one.capability})
        holding = replace(target, capabilities=target.capabilities | {one.capability})
        call = one.change.arguments
        assert let_through(resolve(free, without), "x86_64", one.change.name, call)
        assert not let_through(resolve(bound, without), "x86_64", one.change.name, call)
        assert let_through(resolve(bound, holding), "x86_64", one.change.name, call)
    for capability in ("CAP_SYS_ADMIN", "CAP_BPF"):
        without = replace(target, capabilities=target.capabilities - {capability})
        holding = replace(target, capabilities=target.capabilities | {capability})
        freely, strictly = resolve(free, without), resolve(bound, without)
        permitted = resolve(bound, holding)
        for name in ("socket", "personality", "ioctl"):
            expected = any(
                let_through(freely, "x86_64", name, call)
                and not let_through(strictly, "x86_64", name, call)
                and let_through(permitted, "x86_64", name, call)
                for call in WORLD["x86_64"]
            )
            assert ((capability, name) in found) is expected, (capability, name)
