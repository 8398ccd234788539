"""Check what is said of a syscall: the texts kept by hand, and the rules that decide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from synth.baseline import load_baseline, newest
from synth.explain import Asked, condition_text, explain
from synth.knowledge import description, refusing, risk
from synth.model import Comparison, Gate, Profile, Rule, Target
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, is_known, syscall_names
from tests import builders
from tests.command import typed

ROOT = Path(__file__).parents[2]
DATA = json.loads((ROOT / "synth/data/explanations.json").read_text())
HOST = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
PORTABLE = ROOT / "tests/golden/portable/seccomp.json"
SAMPLE = ROOT / "tests/data/recording-1.0.0.json"


def profile(*rules: Rule) -> Profile:
    return Profile("SCMP_ACT_ERRNO", rules, 38)


def test_every_syscall_of_the_table_is_described() -> None:
    described = set(DATA["syscalls"])
    assert syscall_names("x86_64") <= described
    assert described - syscall_names("x86_64") == {"ipc", "socketcall"}
    texts = [description(name) for name in described]
    assert [text for text in texts if not re.fullmatch(r"[A-Z].{4,98}\.", text)] == []
    for name in described:
        assert description(name).lower() != name


def test_every_class_above_c_has_a_reason_and_only_those() -> None:
    reasons = [name for one in DATA["reasons"] for name in one["calls"]]
    assert len(reasons) == len(set(reasons))
    assert set(reasons) == {name for name, (grade, _) in DATA["syscalls"].items() if grade != "C"}
    assert {grade for grade, _ in DATA["syscalls"].values()} == set(DATA["grades"]) == set("SABC")


def test_every_vulnerability_has_a_source_and_a_graded_call() -> None:
    ids = [one["id"] for one in DATA["cves"]]
    assert ids == sorted(ids, key=lambda one: [int(part) for part in one.split("-")[1:]])
    for one in DATA["cves"]:
        assert re.fullmatch(r"CVE-\d{4}-\d{4,5}", one["id"])
        assert one["source"].startswith("https://")
        for name in one["calls"]:
            assert one["id"] in {found.id for found in risk(name).vulnerabilities}
            assert risk(name).grade != "C", name


def test_what_refusing_does_is_told_once_of_known_calls() -> None:
    calls = [name for one in DATA["refusing"] for name in one["calls"]]
    assert len(calls) == len(set(calls))
    assert {one["errno"] for one in DATA["refusing"]} == {"", "none", "ENOSYS"}
    for one in DATA["refusing"]:
        assert all(is_known(name) for name in (*one["calls"], *one["fallback"]))
        for name in one["calls"] if one["errno"] == "ENOSYS" else ():
            assert explain(name, []).answers == "ENOSYS"
    assert refusing("clone3") is not None
    assert refusing("socketcall") is None


def test_a_call_of_another_architecture_is_not_graded() -> None:
    found = explain("mmap2", [])
    assert found.risk.grade == ""
    assert found.description == ""
    assert [arch for arch, _ in found.numbers] == ["x86", "arm"]


def test_the_rule_that_decides_is_marked() -> None:
    unix = (Comparison(0, "SCMP_CMP_EQ", 1),)
    made = profile(
        Rule(("socket",), "SCMP_ACT_ALLOW", comparisons=unix),
        Rule(("socket",), "SCMP_ACT_ALLOW", includes=Gate(("CAP_SYS_ADMIN",))),
        Rule(("read",), "SCMP_ACT_ALLOW"),
    )
    plain = explain("socket", [Asked("p", made, HOST)]).decisions[0]
    assert plain.verdict == "conditional"
    assert plain.otherwise == "refused with ENOSYS"
    assert [one.in_force for one in plain.rules] == [True, False]
    assert [one.where for one in plain.rules] == ["syscalls[0]", "syscalls[1]"]
    admin = Target("x86_64", frozenset(("CAP_SYS_ADMIN",)), (6, 1))
    free = explain("socket", [Asked("p", made, admin)]).decisions[0]
    assert free.verdict == "allowed"
    assert [one.in_force for one in free.rules] == [False, True]
    assert free.rules[1].gate == "with CAP_SYS_ADMIN"


@pytest.mark.parametrize("name", sorted(syscall_names("x86_64")))
def test_the_default_is_explained_by_its_rules(name: str) -> None:
    decision = explain(name, [Asked("d", newest().profile, HOST, file=False)]).decisions[0]
    shown = [one for one in decision.rules if one.in_force]
    allowing = [one for one in shown if one.answer == "allowed"]
    assert (decision.verdict == "allowed") is any(not one.when for one in allowing)
    assert (decision.verdict == "conditional") is (
        bool(allowing) and all(one.when for one in allowing)
    )
    assert all(one.where == "" for one in decision.rules)


def test_gates_and_conditions_are_words() -> None:
    found = explain("clone", [Asked("d", newest().profile, HOST)]).decisions[0]
    masked = next(one for one in found.rules if one.in_force)
    assert masked.when == "a0 & 0x7e020000 == 0x0"
    assert masked.gate == "unless CAP_SYS_ADMIN, unless architecture s390 or s390x"
    assert {one.idle for one in found.rules} == {"", "does not apply here"}
    kernel = explain("ptrace", [Asked("d", newest().profile, HOST)]).decisions[0]
    assert "with kernel from 4.8" in [one.gate for one in kernel.rules]
    both = (Comparison(1, "SCMP_CMP_GE", 16), Comparison(2, "SCMP_CMP_NE", 0))
    assert condition_text(both) == "a1 >= 0x10 and a2 != 0x0"


def test_who_used_it_is_named() -> None:
    runs = [
        builders.run("tests", [*builders.START, builders.call("mount", "sh")]),
        builders.run("git", denials=[builders.denial("mount", 1, "git")]),
    ]
    found = explain("mount", [], [builders.recording(*runs)])
    assert [(one.workload, one.program, one.what) for one in found.users] == [
        ("git", "git", "refused with EPERM"),
        ("tests", "sh", "made"),
    ]


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("explain", "clone3", PORTABLE, "--against", "docker-25.0") == 0
    out = capsys.readouterr().out
    assert out.startswith("clone3 (x86_64 435, ")
    assert "\ndefault    docker-25.0 does not allow it: refused with ENOSYS\n" in out
    assert f"\nprofile    {PORTABLE}"[:60] in out
    assert "says what the default says: syscalls[" in out
    assert "\nused" not in out
    assert typed("explain", "execve", PORTABLE, "--recording", SAMPLE) == 0
    out = capsys.readouterr().out
    assert "\nused       in 1 recording:\n" in out
    assert typed("explain", "mount", "--recording", SAMPLE) == 0
    assert "by nobody in 1 recording" in capsys.readouterr().out


def test_capabilities_and_kernel_decide(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("explain", "mount", "--cap-add", "SYS_ADMIN") == 0
    assert "moby-profiles-0.2.3 allows it\n" in capsys.readouterr().out
    assert typed("explain", "ptrace", "--kernel", "4.4") == 0
    assert "does not allow it: refused with EPERM" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--output", "--format"])
def test_json_has_everything(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("explain", "mount", option, "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "seccomp-synth/explanation"
    assert document["numbers"]["x86_64"] == 165
    assert document["risk"]["grade"] == "S"
    assert document["risk"]["vulnerabilities"][0]["id"] == "CVE-2022-0492"
    assert document["decisions"][0]["verdict"] == "refused"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("opnat", "'openat'"),
        ("SYS_read", "'read'"),
        ("Clone3", "'clone3'"),
        ("\x1b[31m", "syscalls(2)"),
    ],
)
def test_an_unknown_name_is_refused_with_a_guess(
    name: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("explain", name) == 2
    err = capsys.readouterr().err
    assert near in err
    assert "\x1b" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--against", "docker-99"), ("--kernel", "x"), ("no.json",)])
def test_wrong_options(arguments: tuple[str, ...]) -> None:
    assert typed("explain", "read", *arguments) == 2


def test_every_baseline_can_be_asked() -> None:
    asked = [Asked("b", load_baseline("docker-20.10").profile, HOST)]
    assert explain("bpf", asked).decisions[0].verdict == "refused"
