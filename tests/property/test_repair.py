"""Repairs of any profile: nothing beyond baseline and profile, by brute force in a small world."""

from __future__ import annotations

import itertools

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from synth.adding import with_allowed
from synth.conditions import matches
from synth.errors import DataError
from synth.files import parse_json
from synth.model import Comparison, Denial, Profile, Rule, Target
from synth.profile import dump_profile, parse_profile, resolve
from synth.repair import Limit, Refused, mend
from synth.resolve import Resolved, applies
from synth.syscalls import syscall_number
from tests.property.test_inclusion import COMPARISONS, NAMES, TARGETS, profiles

ALLOWING = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
INT, LONG = 0xFFFF_FFFF, (1 << 64) - 1
WIDE = [low | high << 32 for low in range(5) for high in (0, 1)]
WORLD = {
    "x86_64": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(WIDE, repeat=2)],
    "x86": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(range(5), repeat=2)],
    "x32": [(a, b, 0, 0, 0, 0) for a, b in itertools.product(range(5), repeat=2)],
}


def read_back(profile: Profile) -> Profile:
    """Return a profile as our reader has it; raises ``DataError`` if it refuses."""
    text = dump_profile(profile)
    assert text.isascii()
    return parse_profile(parse_json(text.encode(), where="x"), where="x")


@st.composite
def readable(draw: st.DrawFn) -> Profile:
    try:
        return read_back(draw(profiles()))
    except DataError:
        reject()


MEANT = COMPARISONS.filter(lambda one: one.op != "SCMP_CMP_MASKED_EQ" or one.value > 0)
BOUND = st.lists(MEANT, min_size=1, max_size=2, unique_by=lambda one: one.index).map(
    lambda found: tuple(sorted(found))
)
PROFILES = readable()


@st.composite
def generous(draw: st.DrawFn) -> Profile:
    """Return a baseline that allows much, so that there is something to add."""
    rules = []
    for name in (*NAMES, "read"):
        if draw(st.booleans()):
            rules.append(Rule((name,), "SCMP_ACT_ALLOW"))
        else:
            bound = draw(st.lists(BOUND, max_size=2))
            rules += [Rule((name,), "SCMP_ACT_ALLOW", comparisons=one) for one in bound]
    subs = ("SCMP_ARCH_X86", "SCMP_ARCH_X32")
    return Profile("SCMP_ACT_ERRNO", tuple(rules), arch_map=(("SCMP_ARCH_X86_64", subs),))


BASELINES = st.one_of(PROFILES, generous(), generous())


@st.composite
def refusals(draw: st.DrawFn) -> Refused:
    arch = draw(st.sampled_from(["x86_64"] * 4 + ["x86", "x32", "aarch64"]))
    name = draw(st.sampled_from([*NAMES, "clone3", "read"]))
    number = syscall_number(arch, name) or 0
    triple = st.builds(
        lambda index, mask, value: (index, mask, value & mask),
        st.integers(0, 2),
        st.sampled_from([3, INT, LONG]),
        st.sampled_from(WIDE),
    )
    arguments = tuple(draw(st.lists(triple, max_size=3)))
    denial = Denial(arch, name, number, 1, "workload", draw(st.text(max_size=9)), 1, arguments)
    return Refused(denial, draw(st.text(max_size=9)))


def passing(resolved: Resolved, name: str, arch: str) -> set[tuple[int, ...]]:
    """Return the calls of the small world that are let through."""
    if arch not in resolved.arches() or syscall_number(arch, name) is None:
        return set()
    return {call for call in WORLD[arch] if resolved.decide(arch, name, call).action in ALLOWING}


@settings(max_examples=300, deadline=None)
@given(PROFILES, BASELINES, st.sampled_from(TARGETS), st.lists(refusals(), max_size=4))
def test_a_repair_stays_inside_baseline_and_profile(
    profile: Profile, baseline: Profile, target: Target, given: list[Refused]
) -> None:
    result = mend(profile, Limit(baseline, target), given)
    assert read_back(result.profile) == result.profile
    assert result == mend(profile, Limit(baseline, target), list(reversed(given)))
    before, limit, now = (resolve(one, target) for one in (profile, baseline, result.profile))
    for name in (*NAMES, "clone3", "read"):
        for arch in now.arches():
            try:
                old, base = passing(before, name, arch), passing(limit, name, arch)
            except DataError:
                continue  # contradicts itself in the multiplexer, before any repair
            assert old <= passing(now, name, arch) <= old | base, (name, arch)
    done = {one.refused for one in result.remaining}
    done |= {each for one in result.added for each in one.refused}
    assert done == set(given)


@settings(max_examples=300, deadline=None)
@given(PROFILES, BASELINES, st.sampled_from(TARGETS), st.lists(refusals(), max_size=4))
def test_what_a_repair_writes_is_plain(
    profile: Profile, baseline: Profile, target: Target, given: list[Refused]
) -> None:
    result = mend(profile, Limit(baseline, target), given)
    for rule in result.profile.rules:
        if rule.comment:
            assert rule.comment.startswith("repair: refused to ")
            assert len(rule.comment) <= 400
            assert {one.op for one in rule.comparisons} <= {"SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"}
            assert len({one.index for one in rule.comparisons}) == len(rule.comparisons)
    for one in result.added:
        ours = [
            bool(rule.comparisons)
            for rule in result.profile.rules
            if one.name in rule.names and rule.action in ALLOWING and applies(rule, target)
        ]
        assert len(set(ours)) <= 1, "an unconditional rule beside a conditional one"
        assert one.name != "clone3"


@settings(max_examples=300, deadline=None)
@given(
    PROFILES,
    st.sampled_from(TARGETS),
    st.sampled_from(NAMES),
    st.lists(BOUND, min_size=1, max_size=2) | st.just([()]),
)
def test_what_is_added_is_allowed_and_nothing_is_lost(
    profile: Profile, target: Target, name: str, conditions: list[tuple[Comparison, ...]]
) -> None:
    before = resolve(profile, target)
    after = resolve(with_allowed(profile, target, name, conditions, "added"), target)
    for call in WORLD["x86_64"]:
        if before.answer(name, call).action in ALLOWING or any(
            matches(conjunction, call) for conjunction in conditions
        ):
            assert after.answer(name, call).action in ALLOWING
