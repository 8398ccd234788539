"""Recorded calls held against a filter, without a kernel."""

from __future__ import annotations

from synth.cli.common import Settings
from synth.cli.compiled import offline_verdict
from synth.model import Comparison, Profile, Recording, Rule, Run
from tests import builders

ALLOW = "SCMP_ACT_ALLOW"
SETTINGS = Settings()


def profile(*names: str, families: tuple[int, ...] = ()) -> Profile:
    rules = [Rule((*builders.START, *names), ALLOW)]
    rules += [
        Rule(("socket",), ALLOW, None, (Comparison(0, "SCMP_CMP_EQ", one),)) for one in families
    ]
    return Profile("SCMP_ACT_ERRNO", tuple(rules), default_errno=38)


def judged(subject: Profile, *runs: Run) -> list[tuple[str, str]]:
    recording: Recording = builders.recording(*runs)
    return [
        (one.id, one.message) for one in offline_verdict(subject, recording, (), SETTINGS).findings
    ]


def test_what_is_allowed_passes() -> None:
    assert judged(profile(), builders.run()) == []


def test_a_recorded_call_that_is_missing_is_named() -> None:
    ((slug, message),) = judged(profile(), builders.run(calls=(*builders.START, "mkdir")))
    assert slug == "SS217"
    assert message == "mkdir() would be refused with ENOSYS to true"


def test_every_recorded_value_counts() -> None:
    calls = (*builders.START, "socket")
    run = builders.run(calls=calls, arguments=[builders.sockets(1, 2)])
    assert judged(profile(families=(1, 2)), run) == []
    ((slug, message),) = judged(profile(families=(1,)), run)
    assert slug == "SS217"
    assert message.startswith("socket(0x2, 0x1) would be refused")


def test_what_was_not_recorded_is_said_not_judged() -> None:
    calls = (*builders.START, "socket")
    unknown = judged(profile(families=(1,)), builders.run(calls=calls))
    assert [slug for slug, _ in unknown] == ["SS218"]
    some = builders.run(calls=calls, arguments=[builders.sockets(1, overflow=True)])
    assert [slug for slug, _ in judged(profile(families=(1,)), some)] == ["SS218"]


def test_a_32_bit_call_is_killed_where_its_table_is_not_admitted() -> None:
    foreign = builders.call("getpid", arch="x86")
    ((slug, message),) = judged(profile(), builders.run(calls=(*builders.START, foreign)))
    assert slug == "SS217"
    assert message == "x86 getpid() would be refused with SCMP_ACT_KILL_THREAD to true"
