"""Generated profiles: conditions stay, reasons are given, refusals answer what they should."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from synth.baseline import load_baseline
from synth.evidence import combine
from synth.generate import Generated, generate
from synth.model import ArgumentUse, Run
from synth.narrow import EXACT_ARGUMENTS
from synth.profile import dump_profile, parse_profile
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, syscall_names
from synth.wanted import Origin, Tightness
from tests import builders

EPERM, ENOSYS = 1, 38
BASELINES = ["docker-20.10-debian", "docker-25.0", "moby-profiles-0.2.3"]


def made(
    *runs: Run,
    tightness: Tightness = Tightness.PORTABLE,
    baseline: str = "docker-20.10",
    granted: tuple[str, ...] = (),
    **changes: Any,
) -> Generated:
    evidence = combine([builders.recording(*runs, **changes)])
    return generate(evidence, load_baseline(baseline).profile, granted, tightness)


def answer(generated: Generated, name: str, *arguments: int) -> int | str:
    found = generated.resolved.answer(name, (*arguments, *[0] * (6 - len(arguments))))
    return found.errno if found.action == "SCMP_ACT_ERRNO" else "ok"


@pytest.mark.parametrize("baseline", BASELINES)
def test_sockets_are_allowed_by_family(baseline: str) -> None:
    run = builders.run(calls=["socket"], arguments=[builders.sockets(2)])
    generated = made(run, baseline=baseline)
    allowed = {family for family in range(64) if answer(generated, "socket", family) == "ok"}
    assert allowed == {1, 2, 10, 16}, "portable: name resolution and local logging"
    assert answer(generated, "socket", 38) == EPERM
    assert answer(generated, "socket", 40) == EPERM
    for high in (0x100000028, 0x100000002):
        assert answer(generated, "socket", high) != "ok", "the high word reaches no rule"
    exact = made(run, baseline=baseline, tightness=Tightness.EXACT)
    assert {family for family in range(64) if answer(exact, "socket", family) == "ok"} == {2}


def test_alg_and_vsock_stay_refused_even_if_recorded() -> None:
    run = builders.run(calls=["socket"], arguments=[builders.sockets(1, 38, 40)])
    generated = made(run)
    assert answer(generated, "socket", 38) == EPERM
    assert answer(generated, "socket", 40) == EPERM
    named = [one.subject for one in generated.findings if one.id == "SS302"]
    assert named == ["socket(AF_ALG)", "socket(AF_VSOCK)"]


def test_unknown_families_are_not_narrowed_and_said() -> None:
    run = builders.run(calls=["socket"], arguments=[builders.sockets(1, overflow=True)])
    generated = made(run)
    allowed = {family for family in range(64) if answer(generated, "socket", family) == "ok"}
    assert allowed == set(range(46)) - {38, 40}
    assert "SS304" in {one.id for one in generated.findings}


def test_clone_makes_no_namespaces() -> None:
    generated = made(builders.run(calls=["clone"]))
    assert answer(generated, "clone", 0x1200011) == "ok"
    assert answer(generated, "clone", 0x3D0F00) == "ok", "a thread"
    for flag in (0x20000, 0x2000000, 0x10000000, 0x40000000):
        assert answer(generated, "clone", flag | 17) == EPERM


def test_clone3_answers_enosys_and_clone_is_there() -> None:
    refused = builders.run(denials=[builders.denial("clone3", 38)])
    generated = made(refused)
    assert answer(generated, "clone3") == ENOSYS
    assert answer(generated, "clone", 17) == "ok"
    assert answer(made(builders.run()), "clone3") == ENOSYS


def test_personality_keeps_dockers_values() -> None:
    run = builders.run(
        calls=["personality"],
        arguments=[builders.personalities(0xFFFFFFFF)],
        denials=[builders.denial("personality", 1, arguments=((0, 0xFFFFFFFF, 0x40000),))],
    )
    generated = made(run)
    assert answer(generated, "personality", 0xFFFFFFFF) == "ok"
    assert answer(generated, "personality", 8) == "ok"
    assert answer(generated, "personality", 0x40000) == EPERM, "as when recorded"
    exact = made(run, tightness=Tightness.EXACT)
    assert answer(exact, "personality", 0xFFFFFFFF) == "ok"
    assert answer(exact, "personality", 8) != "ok"


def test_a_refusal_that_contradicts_a_permission_is_dropped() -> None:
    """A forged recording says that an allowed value was refused: two rules for one call."""
    run = builders.run(
        calls=["personality"],
        arguments=[builders.personalities(8)],
        denials=[builders.denial("personality", 1, arguments=((0, 0xFFFFFFFF, 8),))],
    )
    for tightness in (Tightness.EXACT, Tightness.PORTABLE):
        generated = made(run, tightness=tightness)
        assert answer(generated, "personality", 8) == "ok"
        parse_profile(json.loads(dump_profile(generated.profile)), where="x")


def test_a_forged_recording_does_not_bloat_the_profile() -> None:
    """An engine takes 128 entries and the kernel 4096 instructions: more is no profile."""
    everything = builders.run(
        calls=[*builders.START, "socket", "personality", "clone"],
        arguments=[builders.sockets(*range(3000)), builders.personalities(*range(3000))],
        denials=[
            builders.denial("personality", 1, arguments=((0, 0xFFFFFFFF, value),))
            for value in range(0x40000, 0x40000 + 3000)
        ],
    )
    pairs = [
        builders.run(f"w{number}", calls=sorted(syscall_names("x86_64"))[number : number + 2])
        for number in range(99)
    ]
    for tightness in Tightness:
        generated = made(everything, *pairs, tightness=tightness)
        assert len(generated.profile.rules) < 128
        assert answer(generated, "socket", 2) == "ok"
        assert answer(generated, "socket", 2999) == ENOSYS, "nothing was narrowed to a scan"


def test_as_many_families_as_there_are_still_fit() -> None:
    run = builders.run(calls=["socket"], arguments=[builders.sockets(*range(46))])
    generated = made(run, tightness=Tightness.EXACT)
    allowed = {family for family in range(64) if answer(generated, "socket", family) == "ok"}
    assert allowed == set(range(46)) - {38, 40}
    assert "SS304" not in {one.id for one in generated.findings}


def test_a_call_that_was_refused_in_two_ways_gets_one_answer() -> None:
    """libseccomp takes no filter with two answers to one condition: nothing would start."""
    value = ((0, 0xFFFFFFFF, 0x40000),)
    run = builders.run(
        calls=["personality"],
        arguments=[builders.personalities(8)],
        denials=[
            builders.denial("personality", errno, arguments=value) for errno in (38, 1, 13, 0)
        ],
    )
    for denials in (run.denials, run.denials[::-1]):
        generated = made(replace(run, denials=denials))
        assert answer(generated, "personality", 0x40000) == EPERM
        conditions = [
            rule.comparisons for rule in generated.profile.rules if "personality" in rule.names
        ]
        assert len(conditions) == len(set(conditions))


def test_values_of_another_architecture_count_too() -> None:
    run = builders.run(
        calls=["personality", builders.call("personality", arch="x86")],
        arguments=[builders.personalities(0), builders.personalities(8, arch="x86")],
    )
    generated = made(run, tightness=Tightness.EXACT)
    assert answer(generated, "personality", 8) == "ok"
    assert answer(generated, "personality", 0x20000) == ENOSYS


def test_values_that_the_default_refuses_are_not_replaced_by_its_own() -> None:
    run = builders.run(calls=["personality"], arguments=[builders.personalities(0x40000)])
    generated = made(run, tightness=Tightness.EXACT)
    assert answer(generated, "personality", 0) == ENOSYS
    assert [one.subject for one in generated.findings if one.id == "SS301"] == ["personality"]


def test_a_family_that_is_never_allowed_is_one_finding() -> None:
    run = builders.run(calls=["socket"], arguments=[builders.sockets(40)])
    generated = made(run, tightness=Tightness.EXACT)
    assert [one.id for one in generated.findings if one.severity == "warning"] == ["SS302"]


def test_refusals_keep_the_errno_they_had() -> None:
    run = builders.run(denials=[builders.denial("mbind", 1), builders.denial("cachestat", 38)])
    generated = made(run)
    assert answer(generated, "mbind") == EPERM
    assert answer(generated, "cachestat") == ENOSYS
    assert answer(generated, "mount") == EPERM, "a way out answers EPERM"
    assert answer(generated, "faccessat2") == "ok", "the runtime needs it"
    assert answer(made(builders.run(), tightness=Tightness.EXACT), "fchmodat2") == ENOSYS


def test_explicit_answers_hold_where_the_default_errno_is_ignored() -> None:
    """Docker 20.10 drops defaultErrnoRet: what needs ENOSYS must be named."""
    named = {
        name: rule.errno
        for rule in made(builders.run()).profile.rules
        if rule.action == "SCMP_ACT_ERRNO" and not rule.comparisons
        for name in rule.names
    }
    for name in ("clone3", "fchmodat2", "renameat2", "execveat"):
        assert named[name] == ENOSYS
    assert named["unshare"] == EPERM


def test_a_rule_that_needs_a_capability_goes_with_it() -> None:
    run = builders.run(calls=["chroot"])
    without = made(run)
    assert answer(without, "chroot") == EPERM
    assert [one.subject for one in without.findings if one.id == "SS301"] == ["chroot"]
    assert answer(made(run, granted=("CAP_SYS_CHROOT",)), "chroot") == "ok"


def test_a_forged_recording_gets_nothing_beyond_the_default() -> None:
    run = builders.run(calls=["bpf", "mount", "unshare", "io_uring_setup"])
    generated = made(run, baseline="docker-25.0")
    for name in ("bpf", "mount", "unshare", "io_uring_setup"):
        assert answer(generated, name) in (EPERM, ENOSYS)
    assert {one.subject for one in generated.findings if one.id == "SS301"} == {
        *("bpf", "mount", "unshare", "io_uring_setup")
    }


def test_foreign_architectures_only_if_recorded() -> None:
    assert made(builders.run()).profile.architectures == ("SCMP_ARCH_X86_64",)
    run = builders.run(calls=["read", builders.call("getpid", arch="x86")])
    generated = made(run)
    assert set(generated.profile.architectures) == {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}
    assert "SS303" in {one.id for one in generated.findings}


def test_exact_is_observed_and_the_runtime() -> None:
    generated = made(builders.run(calls=["read", "mkdir"]), tightness=Tightness.EXACT)
    by_origin: dict[str, set[str]] = {}
    for one in generated.decisions:
        by_origin.setdefault(one.origin, set()).add(one.name)
    assert by_origin[Origin.OBSERVED] == {"read", "mkdir"}
    assert {"execve", "futex", "capset", "rt_sigreturn"} <= by_origin[Origin.RUNTIME]
    assert by_origin[Origin.INJECTED] == {"restart_syscall"}
    assert Origin.EQUIVALENT not in by_origin
    assert "mkdirat" not in {one.name for one in generated.decisions}


def test_portable_brings_equivalents_with_a_reason() -> None:
    generated = made(builders.run(calls=["mkdir"]))
    reasons = {one.name: (one.origin, one.reason) for one in generated.decisions}
    assert reasons["mkdirat"] == (Origin.EQUIVALENT, "the same as mkdir: make a folder, class A")
    for name in ("open_by_handle_at", "execveat", "splice", "unshare", "setns"):
        assert name not in reasons


def test_every_rule_says_why_and_by_whom() -> None:
    runs = [
        builders.run("git", calls=[builders.call("mkdir", "git"), builders.call("read", "git")]),
        builders.run("tests", calls=[builders.call("read", "python3")]),
    ]
    comments = {
        name: rule.comment
        for rule in made(*runs).profile.rules
        if rule.action == "SCMP_ACT_ALLOW"
        for name in rule.names
    }
    assert comments["mkdir"] == "observed: git (git)"
    assert comments["read"] == "observed: git, tests (git, python3)"
    assert comments["capset"].startswith("runtime:")
    assert comments["mkdirat"].startswith("equivalent:")


def test_hostile_program_names_do_not_reach_the_profile() -> None:
    hostile = "\x1b[31m</script>\u202e"
    generated = made(builders.run(calls=[builders.call("mkdir", hostile)]))
    (comment,) = [rule.comment for rule in generated.profile.rules if "mkdir" in rule.names]
    assert comment == "observed: work (?[31m</script>?)"


def test_many_workloads_still_fit() -> None:
    """A hundred calls, each made by another pair of workloads."""
    names = made(builders.run()).baseline.names() & syscall_names("x86_64")
    calls = sorted(names - {"socket", "clone", "personality"})[:100]
    runs = [builders.run(f"w{number}", calls=calls[number : number + 2]) for number in range(99)]
    profile = made(*runs).profile
    assert len(profile.rules) <= 128
    comments = [rule.comment for rule in profile.rules]
    assert any("2 of 99 workloads, see provenance.json" in comment for comment in comments)


def test_the_baseline_for_comparison() -> None:
    granted = tuple(sorted(DOCKER_DEFAULT_CAPABILITIES))
    generated = made(builders.run(), tightness=Tightness.BASELINE, granted=granted)
    missing = generated.baseline.names() - generated.resolved.names()
    assert all(name not in missing for name in ("mkdir", "ptrace", "chroot", "socket"))


def prctls(*values: int, overflow: bool = False) -> ArgumentUse:
    return ArgumentUse(
        "x86_64", "prctl", ((0, builders.INT),), tuple((one,) for one in sorted(values)), overflow
    )


def test_exact_narrows_calls_of_which_each_value_is_a_call() -> None:
    run = builders.run(calls=["prctl"], arguments=[prctls(15, 8)])
    exact = made(run, tightness=Tightness.EXACT)
    assert answer(exact, "prctl", 15) == "ok"
    assert answer(exact, "prctl", 0xFFFFFFFF_0000000F) == "ok", "the kernel takes an int"
    assert answer(exact, "prctl", 38) == "ok", "the runtime's, in another way of starting"
    assert answer(exact, "prctl", 22) == ENOSYS
    assert answer(made(run), "prctl", 22) == "ok", "portable leaves it open"
    unknown = builders.run(calls=["prctl"], arguments=[prctls(15, overflow=True)])
    assert answer(made(unknown, tightness=Tightness.EXACT), "prctl", 22) == "ok"
    many = builders.run(calls=["prctl"], arguments=[prctls(*range(17))])
    assert answer(made(many, tightness=Tightness.EXACT), "prctl", 60) == "ok"


def test_long_arguments_are_compared_whole() -> None:
    seen = ArgumentUse("x86_64", "ptrace", ((0, 2**64 - 1),), ((0,), (16,)))
    run = builders.run(calls=["ptrace"], arguments=[seen])
    exact = made(run, tightness=Tightness.EXACT, baseline="docker-25.0")
    assert answer(exact, "ptrace", 16) == "ok"
    assert answer(exact, "ptrace", 0x100000010) != "ok"
    assert answer(exact, "ptrace", 4) != "ok"


def test_socket_pairs_are_local() -> None:
    pairs = ArgumentUse("x86_64", "socketpair", ((0, builders.INT), (1, 0xF)), ((1, 1),))
    generated = made(builders.run(calls=["socketpair"], arguments=[pairs]))
    assert answer(generated, "socketpair", 1) == "ok"
    assert answer(generated, "socketpair", 30) != "ok"
    baseline = made(
        builders.run(calls=["socketpair"], arguments=[pairs]), tightness=Tightness.BASELINE
    )
    assert answer(baseline, "socketpair", 30) == "ok"


def test_ioctl_stays_open_where_the_runtime_makes_its_own() -> None:
    seen = ArgumentUse("x86_64", "ioctl", ((1, builders.INT),), ((0x5401,),))
    run = builders.run(calls=["ioctl"], arguments=[seen])
    assert answer(made(run, tightness=Tightness.EXACT), "ioctl", 0, 0x5412) == ENOSYS
    crun = made(run, tightness=Tightness.EXACT, host=builders.host(runtime="crun"))
    assert answer(crun, "ioctl", 0, 0x5413) == "ok"


@pytest.mark.parametrize("tightness", [Tightness.PORTABLE, Tightness.EXACT])
def test_nobody_types_into_a_terminal_unless_it_was_recorded(tightness: Tightness) -> None:
    def requests(*values: int, overflow: bool = False) -> Generated:
        seen = ArgumentUse(
            "x86_64", "ioctl", ((1, builders.INT),), tuple((one,) for one in values), overflow
        )
        host = builders.host(runtime="crun")  # where exact profiles list no requests
        run = builders.run(calls=["ioctl"], arguments=[seen])
        return made(run, tightness=tightness, host=host)

    shut = requests(0x5401)
    for typing in (0x5412, 0x541C, 0x5412 | 1 << 32, 0x541C | 1 << 63, 0x5412 | 1 << 31):
        assert answer(shut, "ioctl", 0, typing) == 1, hex(typing)
    for other in (0x5401, 0x5413, 0x541B, 0x5421, 0x5410, 0x5411, 0x541D, 0x8912, 0xC0045412 ^ 1):
        assert answer(shut, "ioctl", 0, other) == "ok", hex(other)
    assert all(
        answer(shut, "ioctl", 0, one) == "ok"
        for one in range(0x10000)
        if one not in (0x5412, 0x541C)
    )
    assert answer(requests(0x5401, 0x5412), "ioctl", 0, 0x5412) == "ok"
    assert answer(requests(0x5401, overflow=True), "ioctl", 0, 0x5412) == "ok"
    if tightness is Tightness.PORTABLE:
        never_called = made(builders.run(), tightness=tightness)
        assert answer(never_called, "ioctl", 0, 0x5401) == "ok"
        assert answer(never_called, "ioctl", 0, 0x5412) == 1


def test_no_argument_is_compared_twice_and_no_permission_stands_beside_a_condition() -> None:
    many = tuple((one,) for one in range(16))
    arguments = [
        ArgumentUse("x86_64", name, ((position, mask),), many)
        for name, (position, mask) in sorted(EXACT_ARGUMENTS.items())
    ]
    arguments += [builders.sockets(*range(46)), builders.personalities(0, 8)]
    calls = [*builders.START, *EXACT_ARGUMENTS, "socket", "personality", "clone"]
    run = builders.run(calls=calls, arguments=arguments)
    generated = made(
        run, tightness=Tightness.EXACT, granted=("CAP_SYS_ADMIN",), baseline="docker-20.10"
    )
    rules = generated.profile.rules
    assert len(rules) < 128, "and then it narrows no further than a portable profile"
    for rule in rules:
        assert len({one.index for one in rule.comparisons}) == len(rule.comparisons)
        assert {one.op for one in rule.comparisons} <= {"SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"}
    conditional = {name for rule in rules if rule.comparisons for name in rule.names}
    plain = [name for rule in rules if not rule.comparisons for name in rule.names]
    assert len(plain) == len(set(plain))
    assert not conditional & set(plain)
