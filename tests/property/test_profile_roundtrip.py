"""Check that a written profile reads back as itself, and that order of input does not matter."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.conditions import MAX_VALUE, OPERATORS
from synth.errors import DataError
from synth.model import Comparison, Gate, Profile, Rule
from synth.profile import dump_profile, parse_profile
from synth.profile_format import FLAGS, GATE_ARCHES, SCMP_ARCHITECTURES
from synth.profile_rules import check_rules
from synth.syscalls import CAPABILITIES, syscall_names

NAMES = sorted(syscall_names("x86_64"))
UINT64 = st.integers(0, MAX_VALUE)


@st.composite
def comparison(draw: st.DrawFn, index: int) -> Comparison:
    """Return a comparison that can be meant."""
    op = draw(st.sampled_from(OPERATORS))
    if op != "SCMP_CMP_MASKED_EQ":
        return Comparison(index, op, draw(UINT64))
    mask = draw(st.integers(1, MAX_VALUE))
    return Comparison(index, op, mask, draw(UINT64) & mask)


@st.composite
def gate(draw: st.DrawFn) -> Gate:
    """Return a gate, most often an empty one."""
    if draw(st.booleans()):
        return Gate()
    return Gate(
        tuple(sorted(draw(st.sets(st.sampled_from(CAPABILITIES), max_size=3)))),
        tuple(sorted(draw(st.sets(st.sampled_from(GATE_ARCHES), max_size=3)))),
        draw(st.sampled_from(["", "4.8", "6.12"])),
    )


@st.composite
def rule(draw: st.DrawFn) -> Rule:
    """Return an entry in canonical order."""
    action = draw(st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG"]))
    errno = st.one_of(st.none(), st.integers(1, 4095))
    indexes = sorted(draw(st.sets(st.integers(0, 5), max_size=3)))
    return Rule(
        tuple(sorted(draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=5)))),
        action,
        draw(errno) if action == "SCMP_ACT_ERRNO" else None,
        tuple(draw(comparison(index)) for index in indexes),
        draw(st.text(max_size=20)),
        draw(gate()),
        draw(gate()),
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Return a profile without contradictions."""
    kept: list[Rule] = []
    for one in draw(st.lists(rule(), max_size=6)):
        try:
            check_rules([*kept, one], "here")
        except DataError:
            continue
        kept.append(one)
    arches = tuple(draw(st.lists(st.sampled_from(SCMP_ARCHITECTURES), unique=True, max_size=3)))
    mapped = draw(st.booleans())
    return Profile(
        "SCMP_ACT_ERRNO",
        tuple(kept),
        draw(st.one_of(st.none(), st.integers(1, 4095))),
        () if mapped else arches,
        tuple((native, arches[:1]) for native in arches) if mapped else (),
        tuple(sorted(draw(st.sets(st.sampled_from(FLAGS))))),
    )


@settings(max_examples=200, deadline=None)
@given(profiles())
def test_a_written_profile_reads_back_as_itself(profile: Profile) -> None:
    text = dump_profile(profile)
    assert parse_profile(json.loads(text), where="here") == profile
    assert dump_profile(parse_profile(json.loads(text), where="here")) == text
    assert text.isascii()


@settings(max_examples=100, deadline=None)
@given(profiles(), st.randoms(use_true_random=False))
def test_the_order_of_names_and_keys_does_not_matter(
    profile: Profile, chance: random.Random
) -> None:
    document = json.loads(dump_profile(profile))
    for entry in document["syscalls"]:
        chance.shuffle(entry["names"])
        chance.shuffle(entry.get("args", []))
    shuffled = dict(chance.sample(sorted(document.items(), key=lambda one: one[0]), len(document)))
    assert parse_profile(shuffled, where="here") == profile


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["names", "action", "args", "index", "op", "value", "caps", "syscalls"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["defaultAction", "defaultErrnoRet", "archMap", "architectures", "flags", "syscalls"]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(JSON, st.dictionaries(KEYS, JSON)), st.booleans())
def test_any_json_is_read_or_refused_in_one_line(document: object, valid: bool) -> None:
    if valid and isinstance(document, dict):
        document = {**document, "defaultAction": "SCMP_ACT_ERRNO"}
    try:
        assert isinstance(parse_profile(document, where="here"), Profile)
    except DataError as error:
        assert "\n" not in str(error).replace("\\n", "")
        assert len(str(error)) < 400
