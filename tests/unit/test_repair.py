"""Repairs of generated and hand-written profiles, each judged by what it lets through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from synth.baseline import available, load_baseline
from synth.errors import HostError
from synth.evidence import combine
from synth.files import parse_json
from synth.generate import generate
from synth.inclusion import inside
from synth.lint import lint
from synth.model import Answer, Comparison, Denial, Gate, Profile, Rule, Target
from synth.positions import locate
from synth.profile import dump_profile, load_profile, parse_profile, resolve
from synth.repair import (
    Ended,
    Limit,
    Mended,
    Refused,
    Trial,
    difference,
    mend,
    repair,
    repair_findings,
)
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES, syscall_number
from tests import builders

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
INT, LONG = builders.INT, (1 << 64) - 1
MASKED = "SCMP_CMP_MASKED_EQ"
DOCKER = load_baseline("docker-25.0").profile
TARGET = Target("x86_64", frozenset(), (6, 1))
LIMIT = Limit(DOCKER, TARGET)
ROOT = Path(__file__).parents[2]


def made(*more: str) -> Profile:
    """Return a profile that ``synth`` made, with AF_UNIX sockets."""
    calls = [*builders.START, "socket", *more]
    evidence = combine(
        [builders.recording(builders.run("w", calls, arguments=[builders.sockets(1)]))]
    )
    return generate(evidence, DOCKER, ()).profile


def hand(*rules: Rule, default: str = ERRNO, arches: str = "") -> Profile:
    names = tuple(f"SCMP_ARCH_{one}" for one in arches.split())
    return Profile(default, rules, None, architectures=names)


def refused(
    name: str, *arguments: tuple[int, int, int], arch: str = "x86_64", program: str = "sh"
) -> Refused:
    number = syscall_number(arch, name)
    assert number is not None
    return Refused(Denial(arch, name, number, 38, "workload", program, 1, arguments), "tests")


def mended(profile: Profile, *given: Refused, limit: Limit = LIMIT) -> Mended:
    """Mend, and check what holds for every repair."""
    result = mend(profile, limit, given)
    text = dump_profile(result.profile)
    assert parse_profile(parse_json(text.encode(), where="x"), where="x") == result.profile
    now, before = (resolve(one, limit.target) for one in (result.profile, profile))
    assert inside(before, now) is None
    return result


def reasons(result: Mended) -> list[str]:
    return [one.reason for one in result.remaining]


def test_a_call_that_the_baseline_always_allows_is_allowed() -> None:
    result = mended(made(), refused("inotify_init1", program="we\x1b[31mird"))
    assert resolve(result.profile, TARGET).allowed("inotify_init1") == ((),)
    assert result.profile.rules[-1].comment == "repair: refused to we?[31mird in workload tests"
    assert not result.remaining


def test_the_refused_value_alone_is_allowed_as_the_profile_writes_values() -> None:
    result = mended(made(), refused("socket", (0, INT, 10), (1, 15, 1), (2, INT, 6)))
    now = resolve(result.profile, TARGET)
    assert now.answer("socket", [10, 1, 0, 0, 0, 0]).action == ALLOW
    assert now.answer("socket", [2, 0, 0, 0, 0, 0]).action == ERRNO
    assert result.added[0].conditions == ((Comparison(0, "SCMP_CMP_EQ", 10),),)


@pytest.mark.parametrize(
    ("name", "index", "have", "want"),
    [
        ("ioctl", 1, (MASKED, INT, 0x5401), (MASKED, INT, 0x5413)),
        ("prctl", 0, ("SCMP_CMP_EQ", 0x5401), ("SCMP_CMP_EQ", 0x5413)),
        ("prctl", 0, (MASKED, 0xFFFF_FFFF_FFFF, 1), (MASKED, 0xFFFF_FFFF_FFFF, 0x5413)),
        ("prctl", 0, (MASKED, 1, 0), (MASKED, INT, 0x5413)),
    ],
)
def test_masks_of_the_profile_are_used(
    name: str, index: int, have: tuple[str, int, int], want: tuple[str, int, int]
) -> None:
    profile = hand(Rule((name,), ALLOW, comparisons=(Comparison(index, *have),)))
    result = mended(profile, refused(name, (index, INT, 0x5413)))
    assert result.added[0].conditions == ((Comparison(index, *want),),)


def test_the_masks_of_the_baseline_are_used_for_clone() -> None:
    result = mended(hand(), refused("clone", (0, LONG, 0x01200011)))
    assert result.added[0].conditions == resolve(DOCKER, TARGET).allowed("clone")


def test_without_values_the_conditions_are_the_baselines() -> None:
    result = mended(hand(), refused("personality"))
    assert set(result.added[0].conditions) == set(resolve(DOCKER, TARGET).allowed("personality"))


def test_families_are_listed_one_by_one_and_never_the_two() -> None:
    result = mended(hand(), refused("socket"))
    now = resolve(result.profile, TARGET)
    for family in range(46):
        answer = now.answer("socket", [family, 0, 0, 0, 0, 0])
        assert (answer.action == ALLOW) is (family not in (38, 40)), family
    assert now.answer("socket", [40 | 1 << 32, 0, 0, 0, 0, 0]).action == ERRNO


def test_a_call_refused_again_with_its_value_allowed_gets_a_wider_condition() -> None:
    """The low word is all that a denial tells; a high word is seen by the filter alone."""
    first = mended(made(), refused("socket", (0, INT, 10)))
    second = mended(first.profile, refused("socket", (0, INT, 10)))
    now = resolve(second.profile, TARGET)
    assert now.answer("socket", [10 | 1 << 32, 0, 0, 0, 0, 0]).action == ALLOW
    assert not mended(second.profile, refused("socket", (0, INT, 10))).added


@pytest.mark.parametrize(
    ("given", "reason", "as_baseline"),
    [
        (refused("mount"), "the baseline refuses it too", True),
        (refused("clone3"), "ENOSYS", True),
        (refused("personality", (0, INT, 0x40000)), "too with these values", True),
        (refused("socket", (0, INT, 38)), "AF_ALG", False),
        (refused("read", arch="x86"), "kills every x86 call", False),
        (refused("read", arch="aarch64"), "kills every aarch64 call", True),
        (refused("read"), "allows all that the baseline does", False),
        (
            Refused(Denial("x86_64", "#999", 999, 38, "workload", "a", 1), "w"),
            "no name",
            False,
        ),
    ],
)
def test_what_cannot_be_repaired_says_why(given: Refused, reason: str, as_baseline: bool) -> None:
    profile = made()
    result = mended(profile, given)
    assert result.profile == profile
    assert reason in reasons(result)[0]
    assert result.remaining[0].as_baseline is as_baseline


def test_a_capability_decides_what_the_baseline_allows() -> None:
    limit = Limit(DOCKER, Target("x86_64", frozenset(("CAP_SYS_ADMIN",)), (6, 1)))
    result = mended(made(), refused("mount"), limit=limit)
    assert resolve(result.profile, limit.target).allowed("mount") == ((),)
    refusing = [rule for rule in result.profile.rules if rule.action == ERRNO]
    assert not any("mount" in rule.names for rule in refusing)


def test_an_explicit_refusal_goes_and_the_others_stay() -> None:
    result = mended(hand(Rule(("ptrace", "read"), ERRNO, 38)), refused("ptrace"))
    assert result.profile.rules[0].names == ("read",)
    assert resolve(result.profile, TARGET).allowed("ptrace") == ((),)


def test_conditions_go_when_the_call_is_always_allowed() -> None:
    one = (Comparison(0, "SCMP_CMP_EQ", 1),)
    profile = hand(
        Rule(("prctl",), ALLOW, comparisons=one),
        Rule(("prctl",), ERRNO, 97, (Comparison(0, "SCMP_CMP_EQ", 5),)),
    )
    result = mended(profile, refused("prctl"))
    assert [rule.comparisons for rule in result.profile.rules] == [()]


def test_a_rule_not_in_force_here_is_kept_apart() -> None:
    gated = Rule(("ptrace",), ERRNO, 97, includes=Gate(("CAP_SYS_ADMIN",)))
    older = Rule(("ptrace",), ERRNO, 97, excludes=Gate(min_kernel="4.8"))
    result = mended(hand(gated, older), refused("ptrace"))
    admin = Target("x86_64", frozenset(("CAP_SYS_ADMIN",)), (6, 1))
    assert resolve(result.profile, TARGET).allowed("ptrace") == ((),)
    assert resolve(result.profile, admin).refusal("ptrace") == Answer(ERRNO, 97)
    old = Target("x86_64", frozenset(), (4, 4))
    assert resolve(result.profile, old).refusal("ptrace") == Answer(ERRNO, 97)


def test_what_a_gated_rule_covers_here_is_kept_for_elsewhere() -> None:
    ten, high = ((Comparison(0, "SCMP_CMP_EQ", value),) for value in (10, 10 | 1 << 32))
    older = Rule(("socket",), ERRNO, 97, high, excludes=Gate(min_kernel="4.8"))
    profile = hand(Rule(("socket",), ALLOW, comparisons=ten), older)
    result = mended(profile, refused("socket", (0, INT, 10)))
    now = resolve(result.profile, TARGET)
    assert now.answer("socket", [10 | 1 << 32, 0, 0, 0, 0, 0]).action == ALLOW
    old = resolve(result.profile, Target("x86_64", frozenset(), (4, 4)))
    assert old.answer("socket", [10, 0, 0, 0, 0, 0]).action == ALLOW
    assert old.answer("socket", [10 | 1 << 32, 0, 0, 0, 0, 0]) == Answer(ERRNO, 97)


def test_what_is_logged_or_allowed_stays_so() -> None:
    """Two answers that let a call through must not meet either; then nothing is added."""
    logged = Rule(("ioctl",), "SCMP_ACT_LOG", comparisons=(Comparison(1, "SCMP_CMP_EQ", 1),))
    plain = Rule(("ioctl",), ALLOW, comparisons=(Comparison(2, "SCMP_CMP_EQ", 5),))
    profile = hand(logged)
    now = resolve(mended(profile, refused("ioctl", (1, INT, 2))).profile, TARGET)
    assert now.answer("ioctl", [0, 2, 0, 0, 0, 0]).action == "SCMP_ACT_LOG"
    apart = hand(
        replace(logged, comparisons=(*logged.comparisons, Comparison(2, "SCMP_CMP_EQ", 6))), plain
    )
    mended(apart, refused("ioctl", (1, INT, 2)))


def test_a_profile_that_allows_by_default_loses_its_refusal() -> None:
    result = mended(hand(Rule(("ptrace", "mount"), ERRNO), default=ALLOW), refused("ptrace"))
    now = resolve(result.profile, TARGET)
    assert now.allowed("ptrace") == ((),)
    assert not now.allowed("mount")


def test_a_refusal_that_covers_more_than_the_baseline_allows_stays() -> None:
    profile = hand(Rule(("personality",), ERRNO), default=ALLOW)
    result = mended(profile, refused("personality", (0, INT, 8)))
    assert result.profile == profile
    assert "stays inside the baseline" in reasons(result)[0]


def test_dockers_own_default_can_be_repaired_with_a_newer_one() -> None:
    """The baseline's NE conditions, gates and architectures are in the profile here."""
    older = load_baseline("docker-20.10").profile
    now = resolve(DOCKER, TARGET)
    before = resolve(older, TARGET)
    missing = sorted(now.names() - before.names() - {"clone3"})
    given = [refused(name) for name in missing if syscall_number("x86_64", name) is not None]
    assert given
    result = mended(older, *given)
    assert {one.name for one in result.added} == {one.denial.name for one in given}


def test_an_i386_call_is_repaired_where_the_profile_admits_them() -> None:
    profile = hand(Rule(("read",), ALLOW), arches="X86_64 X86")
    result = mended(
        profile, refused("_newselect", arch="x86"), refused("socket", (0, INT, 1), arch="x86")
    )
    now = resolve(result.profile, TARGET)
    assert now.allowed("_newselect", "x86") == ((),)
    assert now.decide("x86", "socket", (1, 0, 0, 0, 0, 0)).action == ALLOW
    assert now.decide("x86", "socketcall", (1, 0, 0, 0, 0, 0)).action == ALLOW


def test_an_errno_for_a_family_gives_way_where_both_meet_in_socketcall() -> None:
    other = Rule(("socket",), ERRNO, 97, (Comparison(0, "SCMP_CMP_EQ", 38),))
    result = mended(hand(other, arches="X86_64 X86"), refused("socket", (0, INT, 10)))
    assert [rule.action for rule in result.profile.rules] == [ALLOW]
    result = mended(hand(other), refused("socket", (0, INT, 10)))
    assert [rule.action for rule in result.profile.rules] == [ERRNO, ALLOW]


def test_a_call_that_would_open_the_multiplexer_beyond_the_baseline_stays_refused() -> None:
    rules = (Rule(("socketcall",), ERRNO, 97), Rule(("bind",), ALLOW))
    limit = Limit(hand(*rules, arches="X86_64 X86"), TARGET)
    assert mended(hand(), refused("bind"), limit=limit).added
    assert not mended(hand(arches="X86_64 X86"), refused("bind"), limit=limit).added


def test_a_refusal_that_no_rule_of_that_name_makes_is_not_repaired() -> None:
    profile = hand(Rule(("socket",), ERRNO, 97), default=ALLOW, arches="X86_64 X86")
    result = mended(profile, refused("socketcall", arch="x86"))
    assert result.profile == profile
    assert not result.added


def test_values_that_are_too_many_are_no_list() -> None:
    only = (Comparison(0, "SCMP_CMP_MASKED_EQ", INT, 8),)
    given = [refused("prctl", (0, INT, value)) for value in range(100, 140)]
    result = mended(hand(Rule(("prctl",), ALLOW, comparisons=only)), *given)
    assert resolve(result.profile, TARGET).allowed("prctl") == ((),)
    assert [one.names for one in result.profile.rules] == [("prctl",)]


def test_programs_and_workloads_are_named_once_and_bounded() -> None:
    given = [
        Refused(builders.denial("ptrace", program=f"p{number}"), "w" * 300) for number in range(9)
    ]
    comment = mended(hand(), *given).profile.rules[-1].comment
    assert comment.startswith("repair: refused to p0 in workload www")
    assert comment.endswith("and 6 more")
    assert len(comment) <= 400


def needing(*calls: tuple[str, tuple[int, ...]]):  # type: ignore[no-untyped-def]
    """Return a workload that makes calls one by one and ends at the first that is refused."""

    def oracle(profile: Profile) -> Trial:
        now = resolve(profile, TARGET)
        for name, arguments in calls:
            padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
            if now.answer(name, padded).action != ALLOW:
                triples = tuple((i, INT, value) for i, value in enumerate(arguments))
                return Trial(False, (refused(name, *triples),))
        return Trial(True)

    return oracle


def test_the_loop_learns_one_call_a_round() -> None:
    oracle = needing(("ptrace", ()), ("socket", (2,)), ("socket", (10,)), ("read", ()))
    result = repair(made(), LIMIT, oracle, rounds=3)
    assert (result.ended, result.trials, len(result.added)) == (Ended.OK, 4, 3)
    assert oracle(result.profile).ok
    assert {one.id for one in repair_findings(result)} == {"SS801"}


@pytest.mark.parametrize(
    ("oracle", "ended", "finding"),
    [
        (needing(("ptrace", ()), ("socket", (2,)), ("msgget", ())), Ended.ROUNDS, "SS803"),
        (lambda _: Trial(False), Ended.NOTHING, "SS804"),
        (needing(("ptrace", ()), ("mount", ())), Ended.BASELINE, "SS805"),
    ],
)
def test_the_loop_says_why_it_stopped(oracle, ended: Ended, finding: str) -> None:  # type: ignore[no-untyped-def]
    tried = []

    def watched(profile: Profile) -> Trial:
        tried.append(profile)
        return oracle(profile)  # type: ignore[no-any-return]

    result = repair(hand(Rule(("read",), ALLOW)), LIMIT, watched, rounds=2)
    assert not result.ok
    assert result.ended is ended
    assert result.trials == len(tried) <= 3
    assert result.profile == tried[-1]
    assert finding in {one.id for one in repair_findings(result)}


def test_the_difference_is_one_of_canonical_texts() -> None:
    profile = made()
    result = mended(profile, refused("inotify_init1"))
    text = difference(profile, result.profile, names=("old.json", "new.json"))
    assert text.startswith("--- old.json\n+++ new.json\n")
    assert '+        "inotify_init1"\n' in text
    assert difference(profile, profile) == ""


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("profiles/*/seccomp.json")), ids=lambda one: one.parent.name
)
def test_a_worked_example_repaired_has_no_more_errors_than_before(path: Path) -> None:
    profile = load_profile(path)
    names = ("ptrace", "msgget", "personality", "socket", "inotify_init1", "mbind")
    result = mended(profile, *(refused(name) for name in names))
    assert result.added

    def errors(one: Profile) -> int:
        return lint(locate(dump_profile(one).encode(), where="x")).errors

    assert errors(result.profile) <= errors(profile)


@pytest.mark.parametrize("name", ["docker-20.10", available()[-1]])
@pytest.mark.parametrize("capabilities", [DOCKER_DEFAULT_CAPABILITIES, frozenset(CAPABILITIES)])
def test_libseccomp_makes_of_it_what_we_do(name: str, capabilities: frozenset[str]) -> None:
    from tests.unit.test_libseccomp import VERSION, check

    if not VERSION:
        pytest.skip("needs libseccomp")
    target = Target("x86_64", capabilities, (6, 1))
    given = [
        refused("socket", (0, INT, 10)),
        refused("personality", (0, INT, 8)),
        refused("ptrace"),
        refused("clone", (0, LONG, 0x01200011)),
        refused("unshare"),
        refused("_newselect", arch="x86"),
        refused("semget", arch="x86"),
    ]
    refusing = (
        Rule(("ptrace", "unshare"), ERRNO, 1),
        Rule(("socket",), ERRNO, 97, (Comparison(0, "SCMP_CMP_EQ", 38),)),
    )
    profile = hand(Rule(("read", "write"), ALLOW), *refusing, arches="X86_64 X86 X32")
    result = mended(profile, *given, limit=Limit(load_baseline(name).profile, target))
    assert result.added
    try:
        assert check(result.profile, target)
    except HostError:
        pytest.skip("needs libseccomp")
