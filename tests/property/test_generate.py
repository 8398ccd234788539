"""Properties of every generated profile."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.baseline import load_baseline
from synth.capabilities import derive_capabilities
from synth.conditions import witness
from synth.evidence import Evidence, combine
from synth.files import parse_json
from synth.generate import Generated, generate
from synth.model import Comparison, Recording, Target
from synth.oci import to_oci
from synth.profile import dump_profile
from synth.profile_reader import parse_profile
from synth.refusals import NEVER_FAMILIES
from synth.resolve import resolve
from synth.wanted import Tightness
from tests.strategies import BASELINE, recordings

TIGHTNESS = st.sampled_from([Tightness.EXACT, Tightness.PORTABLE])
PROFILE = load_baseline(BASELINE).profile


def made(evidence: Evidence, tightness: Tightness) -> Generated:
    granted = derive_capabilities(evidence).cap_add
    return generate(evidence, PROFILE, granted, tightness)


@settings(max_examples=60, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3), TIGHTNESS)
def test_every_observed_call_is_allowed_if_the_default_allows_it(
    several: list[Recording], tightness: Tightness
) -> None:
    evidence = combine(several)
    generated = made(evidence, tightness)
    for arch, name in evidence.syscalls:
        limit = generated.baseline.allowed(name)
        if not limit or name == "clone3":
            assert not generated.resolved.allowed(name)
        elif name == "socket":
            for value in evidence.values.get((arch, "socket"), ()):
                call = [(Comparison(0, "SCMP_CMP_EQ", value.value),)]
                refused = witness(call, generated.resolved.allowed(name)) is not None
                if value.position == 0:
                    assert refused is (value.value in NEVER_FAMILIES)
        elif name == "personality":
            for value in evidence.values.get((arch, name), ()):
                call = [(Comparison(0, "SCMP_CMP_EQ", value.value),)]
                refused = witness(call, generated.resolved.allowed(name)) is not None
                assert refused is (witness(call, limit) is not None)
        else:
            assert generated.resolved.allowed(name), name


@settings(max_examples=60, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3), st.sampled_from(list(Tightness)))
def test_nothing_is_allowed_that_the_default_refuses(
    several: list[Recording], tightness: Tightness
) -> None:
    evidence = combine(several)
    granted = frozenset(derive_capabilities(evidence).cap_add)
    generated = made(evidence, tightness)
    # through the written file, as an engine reads it
    text = dump_profile(generated.profile)
    profile = parse_profile(parse_json(text.encode(), where="x"), where="x")
    assert profile == generated.profile
    target = Target("x86_64", granted, (6, 1))
    result, limit = resolve(profile, target), resolve(PROFILE, target)
    for name in result.names():
        assert witness(result.allowed(name), limit.allowed(name)) is None, name
    assert not result.allowed("clone3")
    assert result.answer("clone3", [0] * 6).errno == 38


@settings(max_examples=40, deadline=None)
@given(recordings(), recordings(), TIGHTNESS)
def test_another_recording_never_narrows(
    first: Recording, second: Recording, tightness: Tightness
) -> None:
    before = made(combine([first]), tightness).resolved
    after = made(combine([first, second]), tightness).resolved
    for name in before.names():
        assert witness(before.allowed(name), after.allowed(name)) is None, name
    assert set(before.architectures) <= set(after.architectures)


@settings(max_examples=40, deadline=None)
@given(recordings(), TIGHTNESS)
def test_portable_holds_exact(recording: Recording, tightness: Tightness) -> None:
    evidence = combine([recording])
    exact = made(evidence, Tightness.EXACT).resolved
    portable = made(evidence, Tightness.PORTABLE).resolved
    for name in exact.names():
        assert witness(exact.allowed(name), portable.allowed(name)) is None, name


@settings(max_examples=40, deadline=None)
@given(st.lists(recordings(), min_size=2, max_size=4), st.randoms(), TIGHTNESS)
def test_the_order_does_not_matter(
    several: list[Recording], random: object, tightness: Tightness
) -> None:
    shuffled = list(several)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = made(combine(several), tightness)
    second = made(combine(shuffled), tightness)
    assert dump_profile(first.profile) == dump_profile(second.profile)
    assert first.decisions == second.decisions
    assert first.findings == second.findings


@settings(max_examples=30, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3), TIGHTNESS)
def test_the_profile_can_be_read_and_loaded(several: list[Recording], tightness: Tightness) -> None:
    text = dump_profile(made(combine(several), tightness).profile)
    assert text.isascii()
    assert len(text) < 2**20
    document = parse_json(text.encode(), where="x")
    assert len(document["syscalls"]) <= 128
    named = [name for rule in document["syscalls"] for name in rule["names"]]
    for rule in document["syscalls"]:
        assert rule["comment"]
        assert len(rule["comment"]) <= 400
        if not rule.get("args"):
            assert all(named.count(name) == 1 for name in rule["names"]), "one rule a name"


@settings(max_examples=30, deadline=None)
@given(st.lists(recordings(), min_size=1, max_size=3), TIGHTNESS)
def test_the_resolved_form_is_the_same_filter(
    several: list[Recording], tightness: Tightness
) -> None:
    generated = made(combine(several), tightness)
    text = dump_profile(to_oci(generated.profile, generated.resolved.target), "oci")
    assert len(text) < 2**20
    document = parse_json(text.encode(), where="x")
    assert set(document) <= {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"}
    assert len(document["syscalls"]) <= 128
    profile = parse_profile(document, where="x", dialect="kubernetes")
    again = resolve(profile, Target("x86_64", frozenset(), (0, 0)))
    before = generated.resolved
    assert again.architectures == before.architectures
    for name in again.names() | before.names():
        assert witness(again.allowed(name), before.allowed(name)) is None, name
        assert witness(before.allowed(name), again.allowed(name)) is None, name
        assert again.refusal(name) == before.refusal(name)
