"""Which calls are tried, what is said of them, and what a profile without them answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.baseline import load_baseline
from synth.evidence import combine
from synth.files import parse_json
from synth.generate import generate
from synth.inclusion import inside
from synth.lint import lint
from synth.minimize import Minimized, Needed, Trial, candidates, minimize, minimize_findings
from synth.model import Answer, Comparison, Gate, Profile, Rule, Target
from synth.positions import locate
from synth.profile import dump_profile, load_profile, parse_profile, resolve
from synth.refusals import ESCAPES
from synth.removing import without
from tests import builders

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
TARGET = Target("x86_64", frozenset(), (6, 1))
ROOT = Path(__file__).parents[2]


def test_never_recorded_calls_are_tried_first_and_the_floor_never() -> None:
    calls = [*builders.START, "openat2", builders.call("getppid", phase="runtime")]
    recording = builders.recording(builders.run("w", calls))
    floor = ("restart_syscall", "execve", "exit_group", "clone", "clock_gettime", "futex", "read")
    tried = ("brk", "openat2", "ptrace", "mbind", "io_uring_setup")
    allowed = frozenset((*floor, *tried, "getppid"))
    hosts = [builders.host(runtime="runc", runtime_version="1.1.5")]
    never, recorded = candidates(allowed, [recording], hosts)
    assert never == {"ptrace", "mbind", "io_uring_setup"}
    assert recorded == {"brk", "openat2"}


def test_an_unknown_runtime_has_the_largest_floor() -> None:
    recording = builders.recording(builders.run("w", ["brk", "openat2"]))
    never, recorded = candidates(
        frozenset(("openat2", "pselect6", "brk")), [recording], [builders.host(runtime="several")]
    )
    assert (never, recorded) == (frozenset(), {"brk"})


def needs(*names: str):  # type: ignore[no-untyped-def]
    def oracle(removed: frozenset[str]) -> Trial:
        first = next((name for name in names if name in removed), None)
        return Trial(first is None, frozenset((first,) if first else ()), "ended with status 1")

    return oracle


def test_a_failure_that_refused_one_call_convicts_it_in_that_trial() -> None:
    result = minimize([("a", "b"), ("c", "d")], needs("b", "d"))
    assert result.removable == ("a", "c")
    assert result.needed == (
        Needed("b", 1, "ended with status 1"),
        Needed("d", 3, "ended with status 1"),
    )
    assert result.trials == 4


def test_a_refused_call_in_a_good_trial_can_go() -> None:
    result = minimize(["abc"], lambda removed: Trial(True, removed))
    assert (result.removable, result.trials) == (("a", "b", "c"), 1)


def test_of_two_that_stand_in_for_each_other_one_stays() -> None:
    def either(removed: frozenset[str]) -> Trial:
        both = {"a", "b"} <= removed
        return Trial(not both, removed & {"a", "b"})

    result = minimize(["abc"], either)
    assert set(result.removable) == {"a", "c"}
    assert [one.name for one in result.needed] == ["b"]


def test_a_failure_that_refused_nothing_of_ours_is_tried_once_more() -> None:
    answers = iter([Trial(False), Trial(True)])
    result = minimize(["ab"], lambda _: next(answers))
    assert (result.removable, result.trials) == (("a", "b"), 2)


def test_a_group_that_fails_twice_by_itself_is_kept_and_the_next_is_tried() -> None:
    answers = iter([Trial(False), Trial(False), Trial(True)])
    result = minimize(["ab", "cd"], lambda _: next(answers))
    assert result == Minimized(("c", "d"), (), ("a", "b"), 3)


def test_what_went_well_before_is_no_excuse_for_a_later_failure() -> None:
    """A refusal of what was acquitted says nothing about the group."""
    answers = iter([Trial(True, frozenset("a")), *[Trial(False, frozenset("a"))] * 2])
    result = minimize(["a", "b"], lambda _: next(answers))
    assert result == Minimized(("a",), (), ("b",), 3)


@pytest.mark.parametrize(("wanted", "trials"), [("a", 5), ("h", 5), ("ah", 8), ("abcdefgh", 20)])
def test_where_all_are_refused_the_fault_is_found_by_halves(wanted: str, trials: int) -> None:
    """A half that must hold the fault, since the other can go, is not tried as a whole."""
    result = minimize(["abcdefgh"], lambda removed: Trial(not removed & set(wanted), removed))
    assert [one.name for one in result.needed] == list(wanted)
    assert result.trials == trials


@pytest.mark.parametrize("most", range(6))
def test_trials_are_bounded_and_the_rest_is_kept(most: int) -> None:
    result = minimize(["abcd"], needs("a", "b", "c"), most)
    assert result.trials == min(most, 4)
    assert (result.removable == ("d",)) is (most >= 4)
    decided = {*result.removable, *(one.name for one in result.needed)}
    assert set(result.undecided) == set("abcd") - decided


def test_findings_name_what_goes_what_stays_and_what_is_open() -> None:
    result = Minimized(("a",), (Needed("b", 2, "tests: \x1b[31m failed"),), ("c",), 3)
    found = minimize_findings(result)
    assert [(one.id, one.severity) for one in found] == [
        ("SS806", "note"),
        ("SS807", "note"),
        ("SS808", "warning"),
    ]
    assert "trial 2" in found[1].message
    assert "\x1b" not in found[1].message
    assert found[0].evidence == ("a",)
    assert minimize_findings(Minimized((), (), (), 0)) == ()


def made() -> Profile:
    calls = [*builders.START, "socket", "clone", "ptrace", "statx", "memfd_create"]
    evidence = combine(
        [builders.recording(builders.run("w", calls, arguments=[builders.sockets(1)]))]
    )
    return generate(evidence, load_baseline("docker-25.0").profile, ()).profile


def reduced(profile: Profile, *names: str) -> Profile:
    """Take calls out, and check what holds for every profile."""
    result = without(profile, names)
    text = dump_profile(result)
    assert parse_profile(parse_json(text.encode(), where="x"), where="x") == result
    now, before = resolve(result, TARGET), resolve(profile, TARGET)
    for arch in now.arches():
        shared = {"socketcall", "ipc"} if arch == "x86" else set()
        assert not any(now.allowed(name, arch) for name in set(names) - shared)
    assert inside(now, before) is None
    assert before.names() - now.names() <= set(names)
    return result


@pytest.mark.parametrize(
    ("name", "errno"), [("statx", 38), ("memfd_create", 38), ("ptrace", 1), ("socket", 38)]
)
def test_a_call_taken_out_answers_as_synth_would_write_it(name: str, errno: int) -> None:
    result = reduced(made(), name)
    assert resolve(result, TARGET).refusal(name) == Answer(ERRNO, errno)
    explicit = [rule for rule in result.rules if name in rule.names and not rule.comparisons]
    assert len(explicit) == (0 if name == "socket" else 1)


def test_other_errnos_of_a_call_with_conditions_stay() -> None:
    result = reduced(made(), "clone")
    now = resolve(result, TARGET)
    assert now.answer("clone", [0x10000000, 0, 0, 0, 0, 0]) == Answer(ERRNO, 1)
    assert now.answer("clone", [0, 0, 0, 0, 0, 0]) == Answer(ERRNO, 38)


def test_escapes_answer_eperm_where_the_default_is_another_errno() -> None:
    names = sorted(ESCAPES & {"mount", "bpf", "unshare"})
    profile = Profile(ERRNO, (Rule(("read", *names), ALLOW),), 38)
    now = resolve(reduced(profile, *names), TARGET)
    assert {now.refusal(name) for name in names} == {Answer(ERRNO, 1)}


def test_where_the_default_allows_a_rule_refuses() -> None:
    one = (Comparison(0, "SCMP_CMP_EQ", 8),)
    rules = (Rule(("personality",), ERRNO, 97, one), Rule(("mount",), ERRNO, 97))
    result = reduced(Profile(ALLOW, rules), "personality", "ptrace")
    now = resolve(result, TARGET)
    assert now.refusal("personality") == Answer(ERRNO, 38)
    assert now.refusal("ptrace") == Answer(ERRNO, 1)
    assert now.refusal("mount") == Answer(ERRNO, 97)


def test_conditions_beside_an_explicit_refusal_go() -> None:
    one, other = ((Comparison(0, "SCMP_CMP_EQ", value),) for value in (0, 5))
    rules = (Rule(("unshare",), ALLOW, None, one), Rule(("unshare",), ERRNO, 97, other))
    assert len(reduced(Profile(ERRNO, rules, 38), "unshare").rules) == 1


def test_a_refusal_for_some_containers_keeps_its_errno() -> None:
    rules = (
        Rule(("mount",), ALLOW, includes=Gate(("CAP_SYS_ADMIN",))),
        Rule(("mount",), ERRNO, 97, excludes=Gate(("CAP_SYS_ADMIN",))),
    )
    result = reduced(Profile(ERRNO, rules, 38), "mount")
    assert resolve(result, TARGET).refusal("mount") == Answer(ERRNO, 97)


def test_rules_by_capability_go_for_every_container() -> None:
    rules = (
        Rule(("mount", "read"), ALLOW, includes=Gate(("CAP_SYS_ADMIN",))),
        Rule(("mount",), ERRNO, 97, excludes=Gate(("CAP_SYS_ADMIN",))),
    )
    result = reduced(Profile(ERRNO, rules), "mount")
    admin = Target("x86_64", frozenset(("CAP_SYS_ADMIN",)), (6, 1))
    assert not resolve(result, admin).allowed("mount")
    assert resolve(result, TARGET).refusal("mount") == Answer(ERRNO, 97)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("profiles/*/seccomp.json")), ids=lambda one: one.parent.name
)
def test_a_worked_example_stays_sound_without_half_its_calls(path: Path) -> None:
    profile = load_profile(path)
    names = resolve(profile, TARGET).names()
    never, _ = candidates(names, [], [builders.host(runtime="several")])
    result = reduced(profile, *sorted(never)[::2])

    def errors(one: Profile) -> int:
        return lint(locate(dump_profile(one).encode(), where="x")).errors

    assert errors(result) <= errors(profile)


@pytest.mark.parametrize("name", ["docker-20.10", "docker-25.0"])
def test_dockers_default_can_lose_any_call(name: str) -> None:
    profile = load_baseline(name).profile
    names = sorted(resolve(profile, TARGET).names())
    for part in (names[::3], names[1::3], names):
        reduced(profile, *part)
