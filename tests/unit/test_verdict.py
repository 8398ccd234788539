"""The verdict: what counts as passed, and what is named when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synth.model import CapabilityUse, Health, OutputDigest, Recording, Replay, Run
from synth.verdict import judge, needs_control
from tests import builders


def digest(text: str, shape: str = "") -> OutputDigest:
    return OutputDigest(len(text), text, shape or text)


def run(**changes: object) -> Run:
    return replace(builders.run("work"), **changes)  # type: ignore[arg-type]


def replay(now: Run, *controls: Run, **changes: object) -> Replay:
    base = Replay("a" * 64, "b" * 64, (), builders.host(), Health(), (now,), controls)
    return replace(base, **changes)  # type: ignore[arg-type]


def ids(recording: Recording, again: Replay) -> list[str]:
    return [f"{one.severity}:{one.id}" for one in judge(recording, again).findings]


RECORDED = builders.recording(run(stdout=digest("hello")))
DENIED = (builders.denial("mkdir", 38, "mkdir"),)


def test_the_same_again_passes() -> None:
    verdict = judge(RECORDED, replay(run(stdout=digest("hello"))))
    assert verdict.ok
    assert verdict.passed == ("work",)
    assert verdict.findings == ()


def test_a_failure_names_what_was_refused() -> None:
    again = replay(run(outcome="failed", exit_status=1, denials=DENIED))
    verdict = judge(RECORDED, again)
    assert not verdict.ok
    assert verdict.failed == ("work",)
    assert {one.id for one in verdict.findings} == {"SS201", "SS204"}
    assert all("mkdir refused with ENOSYS to mkdir" in str(one) for one in verdict.findings)


@pytest.mark.parametrize(
    ("outcome", "finding"), [("timeout", "error:SS201"), ("not-started", "error:SS202")]
)
def test_other_ways_to_fail(outcome: str, finding: str) -> None:
    assert finding in ids(RECORDED, replay(run(outcome=outcome, exit_status=None)))


def test_no_call_under_a_filter_means_no_filter() -> None:
    again = replay(run(stdout=digest("hello"), syscalls=()))
    assert ids(RECORDED, again) == ["error:SS203"]


def test_a_refusal_nobody_noticed() -> None:
    """Of a call that the recording used: an error. Of one that it did not: a warning."""
    used = replay(
        run(stdout=digest("hello"), denials=(builders.denial("openat", 38, "x"),)),
    )
    assert ids(RECORDED, used) == ["error:SS204"]
    unused = replay(run(stdout=digest("hello"), denials=DENIED))
    assert ids(RECORDED, unused) == ["warning:SS205"]
    assert judge(RECORDED, unused).ok


def test_what_the_default_refuses_too_is_a_note() -> None:
    recorded = builders.recording(run(stdout=digest("hello"), denials=DENIED))
    again = replay(run(stdout=digest("hello"), denials=DENIED))
    assert ids(recorded, again) == ["note:SS206"]
    assert judge(recorded, again).ok


def test_another_argument_is_another_refusal() -> None:
    before = builders.denial("personality", 1, arguments=((0, 0xFFFFFFFF, 64),))
    after = builders.denial("personality", 1, arguments=((0, 0xFFFFFFFF, 8),))
    recorded = builders.recording(run(stdout=digest("hello"), denials=(before,)))
    assert "argument 0: 0x8" in str(
        judge(recorded, replay(run(stdout=digest("hello"), denials=(after,)))).findings
    )


def test_another_output_where_something_was_refused_needs_a_control() -> None:
    now = run(stdout=digest("bye"), denials=DENIED)
    assert needs_control(RECORDED, replay(now)) == ("work",)
    same = run(stdout=digest("hello"))
    assert "error:SS207" in ids(RECORDED, replay(now, same, same))


def test_another_output_where_nothing_was_refused_is_noise() -> None:
    now = run(stdout=digest("bye"))
    assert needs_control(RECORDED, replay(now)) == ()
    assert ids(RECORDED, replay(now)) == ["note:SS208"]
    assert judge(RECORDED, replay(now)).ok


def test_where_refusals_may_be_missed_every_difference_counts() -> None:
    overflow = (builders.sockets(1, overflow=True),)
    now = run(stdout=digest("bye"), arguments=overflow)
    assert needs_control(RECORDED, replay(now)) == ("work",)
    same = run(stdout=digest("hello"))
    assert ids(RECORDED, replay(now, same, same)) == ["error:SS207"]


def test_another_errno_for_the_same_refusal_is_suspicious() -> None:
    recorded = builders.recording(
        run(stdout=digest("hello"), denials=(builders.denial("mkdir", 1, "mkdir"),))
    )
    now = run(stdout=digest("bye"), denials=DENIED)
    assert needs_control(recorded, replay(now)) == ("work",)


def test_unseen_capability_checks_excuse_nothing() -> None:
    blind = Health(capabilities="not recorded: no tracepoint")
    now = replay(run(stdout=digest("bye")), health=blind)
    assert needs_control(RECORDED, now) == ("work",)


def test_the_world_has_changed_since() -> None:
    now = run(stdout=digest("bye"), denials=DENIED)
    control = run(stdout=digest("bye"))
    assert ids(RECORDED, replay(now, control, control)) == ["warning:SS205"]


def test_an_output_that_varies_by_itself_is_not_compared() -> None:
    now = run(stdout=digest("c"), denials=DENIED)
    again = replay(now, run(stdout=digest("a")), run(stdout=digest("b")))
    assert ids(RECORDED, again) == ["warning:SS205", "note:SS208"]
    assert judge(RECORDED, again).ok


def test_other_numbers_matter_where_something_was_refused() -> None:
    recorded = builders.recording(run(stdout=digest("5 ok", "# ok")))
    now = run(stdout=digest("4 ok", "# ok"))
    assert judge(recorded, replay(now)).ok
    refused = replace(now, denials=DENIED)
    assert needs_control(recorded, replay(refused)) == ("work",)
    same = recorded.runs[0]
    assert "error:SS207" in ids(recorded, replay(refused, same, same))


def test_a_capability_no_longer_used_is_suspicious() -> None:
    use = CapabilityUse("CAP_CHOWN", "chown", "chown", 1)
    recorded = builders.recording(run(stdout=digest("5 ok", "# ok"), capabilities=(use,)))
    now = run(stdout=digest("4 ok", "# ok"))
    assert needs_control(recorded, replay(now)) == ("work",)
    same = recorded.runs[0]
    found = ids(recorded, replay(now, same, same))
    assert found == ["error:SS207", "warning:SS209"]


def test_any_recorded_run_may_be_matched() -> None:
    recorded = builders.recording(run(stdout=digest("a")), run(stdout=digest("b"), index=1))
    assert ids(recorded, replay(run(stdout=digest("b")))) == []


def test_an_unhealthy_replay_is_no_proof() -> None:
    again = replay(run(stdout=digest("hello")), health=Health(problems=("lost",)))
    assert not judge(RECORDED, again).ok


def test_hostile_program_names_stay_text() -> None:
    denial = builders.denial("mkdir", 38, "\x1b[31m")
    (finding, *_) = judge(RECORDED, replay(run(outcome="failed", denials=(denial,)))).findings
    assert "\x1b[31m" in str(finding.evidence) or "x1b" in str(finding.evidence)
