"""Judge logs by a profile."""

from __future__ import annotations

from collections import Counter

import pytest

from synth.audit import AuditLog, Kind
from synth.baseline import load_baseline
from synth.logged import judge_log
from synth.model import Comparison, Finding, Profile, Rule, Target
from synth.resolve import resolve
from synth.staging import stage

TARGET = Target("x86_64", frozenset(), (6, 1))
FAMILY = (Comparison(0, "SCMP_CMP_EQ", 1),)
PROFILE = Profile(
    "SCMP_ACT_ERRNO",
    (
        Rule(("read", "write"), "SCMP_ACT_ALLOW"),
        Rule(("socket",), "SCMP_ACT_ALLOW", comparisons=FAMILY),
        Rule(("mount",), "SCMP_ACT_ERRNO", 1),
    ),
    38,
    ("SCMP_ARCH_X86_64",),
)


def judge(*kinds: Kind, under: Profile | None = None, **more: int) -> tuple[Finding, ...]:
    log = AuditLog(Counter(kinds), **more)
    form = None if under is None else resolve(under, TARGET)
    return judge_log(log, resolve(PROFILE, TARGET), form)


def logged(name: str, program: str = "x", arch: str = "x86_64", action: str = "LOG") -> Kind:
    return Kind(action, arch, name, program, "")


@pytest.mark.parametrize(
    ("kind", "identifier", "severity", "words"),
    [
        (logged("mkdir"), "SS701", "error", "would be refused with ENOSYS; 1 time"),
        (logged("mount"), "SS701", "error", "would be refused with EPERM"),
        (logged("#4000"), "SS701", "error", "would be refused with ENOSYS"),
        (logged("mmap2", arch="x86"), "SS701", "error", "would be killed"),
        (logged("read", arch="x86"), "SS701", "error", "would be killed"),
        (logged("#7", arch="0xc00000f3"), "SS701", "error", "would be killed"),
        (logged("read"), "SS703", "note", "allows it"),
        (logged("socket"), "SS702", "warning", "some arguments"),
        (logged("read", action="KILL_PROCESS"), "SS705", "warning", "killed by a filter"),
        (logged("read", action="ERRNO"), "SS706", "note", "1 record of ERRNO"),
    ],
)
def test_each_record_has_its_meaning(
    kind: Kind, identifier: str, severity: str, words: str
) -> None:
    (found,) = judge(kind)
    assert (found.id, found.severity) == (identifier, severity)
    assert words in found.message


def test_programs_are_counted_the_busiest_first() -> None:
    kinds = [logged("mkdir", "b"), logged("mkdir", "a"), logged("mkdir", "b")]
    (found,) = judge(*kinds, *(logged("mkdir", f"p{i:02}") for i in range(20)))
    assert "23 times" in found.message
    assert found.evidence[:2] == ("b: 2", "a: 1")
    assert found.evidence[-1] == "and 10 more programs"


def test_lost_evidence_is_a_warning() -> None:
    found = judge(suppressed=7, unreadable=1, dropped=2)
    assert {one.id for one in found} == {"SS704"}
    assert len(found) == 3
    assert all(one.severity == "warning" for one in found)
    assert any("7 records" in one.message for one in found)


def test_the_form_in_force_decides_what_is_told_by_arguments() -> None:
    exact = stage(PROFILE, load_baseline("docker-25.0").profile, TARGET)
    assert "socket" in exact.logged
    assert not exact.coarse
    (found,) = judge(logged("socket"), under=exact.profile)
    assert (found.id, found.severity) == ("SS701", "error")
    coarse = Profile("SCMP_ACT_ERRNO", (Rule(("socket",), "SCMP_ACT_LOG"),))
    (found,) = judge(logged("socket"), under=coarse)
    assert found.id == "SS702"
