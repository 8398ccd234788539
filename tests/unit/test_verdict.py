"""The verdict: what counts as passed, and what is named when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synth.denials import BASELINE, DIFFERS, FAILED, TOLERATED
from synth.model import CapabilityUse, FileDigest, Health, OutputDigest, Recording, Run, Workload
from synth.replay import Replay
from synth.verdict import judge
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


def test_who_minimized_tolerates_what_changes_nothing() -> None:
    refused = (builders.denial("openat", 38, "x"),)
    fine = replay(run(stdout=digest("hello"), denials=refused), tolerant=True)
    assert ids(RECORDED, fine) == ["warning:SS205"]
    failed = replay(run(outcome="failed", exit_status=1, denials=refused), tolerant=True)
    assert ids(RECORDED, failed) == ["error:SS201", "error:SS204"]


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


def test_another_output_where_something_was_refused_is_a_failure() -> None:
    now = run(stdout=digest("bye"), denials=DENIED)
    same = run(stdout=digest("hello"))
    assert "error:SS207" in ids(RECORDED, replay(now, same, same))


def test_another_output_where_nothing_was_refused_is_noise() -> None:
    now = run(stdout=digest("bye"))
    assert ids(RECORDED, replay(now)) == ["note:SS208"]
    assert judge(RECORDED, replay(now)).ok


def test_where_refusals_may_be_missed_every_difference_counts() -> None:
    overflow = (builders.sockets(1, overflow=True),)
    now = run(stdout=digest("bye"), arguments=overflow)
    same = run(stdout=digest("hello"))
    assert ids(RECORDED, replay(now, same, same)) == ["error:SS207"]


def test_another_errno_for_the_same_refusal_is_suspicious() -> None:
    recorded = builders.recording(
        run(stdout=digest("hello"), denials=(builders.denial("mkdir", 1, "mkdir"),))
    )
    now = run(stdout=digest("bye"), denials=DENIED)
    same = recorded.runs[0]
    assert "error:SS207" in ids(recorded, replay(now, same, same))


def test_unseen_capability_checks_excuse_nothing() -> None:
    blind = Health(capabilities="not recorded: no tracepoint")
    now = replay(run(stdout=digest("bye")), health=blind)
    assert ids(RECORDED, now) == ["error:SS207"]


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
    same = recorded.runs[0]
    assert "error:SS207" in ids(recorded, replay(refused, same, same))


def test_a_capability_no_longer_used_is_suspicious() -> None:
    use = CapabilityUse("CAP_CHOWN", "chown", "chown", 1)
    recorded = builders.recording(run(stdout=digest("5 ok", "# ok"), capabilities=(use,)))
    now = run(stdout=digest("4 ok", "# ok"))
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


# ------------------------------------------------------------ noise


def test_numbers_that_vary_excuse_no_other_words() -> None:
    """The baseline differs from itself in a number; the run differs in a word."""
    recorded = builders.recording(run(stdout=digest("1 ok", "# ok")))
    baseline = (run(stdout=digest("1 ok", "# ok")), run(stdout=digest("2 ok", "# ok")))
    other_number = run(stdout=digest("3 ok", "# ok"), denials=DENIED)
    assert ids(recorded, replay(other_number, *baseline)) == ["warning:SS205", "note:SS208"]
    other_word = run(stdout=digest("3 bad", "# bad"), denials=DENIED)
    assert "error:SS207" in ids(recorded, replay(other_word, *baseline))


def test_two_recorded_runs_that_differ_are_noise_as_well() -> None:
    recorded = builders.recording(run(stdout=digest("a")), run(stdout=digest("b"), index=1))
    now = run(stdout=digest("c"), denials=DENIED)
    assert ids(recorded, replay(now, run(stdout=digest("a")))) == ["warning:SS205", "note:SS208"]


def test_a_recording_with_other_masks_is_no_noise() -> None:
    """What the recording digested otherwise must not look as if the baseline varied."""
    same = run(stdout=digest("masked"))
    now = run(stdout=digest("damaged"), denials=DENIED)
    assert "error:SS207" in ids(RECORDED, replay(now, same, same))


def test_a_file_that_differs_is_a_silent_difference() -> None:
    def wrote(content: str | None, **changes: object) -> Run:
        made = None if content is None else digest(content)
        return run(stdout=digest("hello"), files=(FileDigest("/out", made),), **changes)

    recorded = builders.recording(wrote("a"))
    assert ids(recorded, replay(wrote("a"), wrote("a"))) == []
    for other in ("b", None):
        verdict = judge(recorded, replay(wrote(other, denials=DENIED), wrote("a"), wrote("a")))
        assert not verdict.ok
        assert "/out differs" in str(verdict.findings)
    varies = replay(wrote("c", denials=DENIED), wrote("a"), wrote("b"))
    assert judge(recorded, varies).ok


# ------------------------------------------------------------ attribution


def effects(recording: Recording, again: Replay) -> list[tuple[str, str, int, int, int]]:
    return [
        (one.denial.name, one.effect, one.denial.count, one.runs, one.of)
        for one in judge(recording, again).denials
    ]


def test_each_refusal_says_what_came_of_it() -> None:
    hello = digest("hello")
    failed = replay(run(outcome="failed", exit_status=1, denials=DENIED), run(stdout=hello))
    assert effects(RECORDED, failed) == [("mkdir", FAILED, 1, 1, 1)]
    silent = replay(run(stdout=digest("bye"), denials=DENIED), run(stdout=hello))
    assert effects(RECORDED, silent) == [("mkdir", DIFFERS, 1, 1, 1)]
    fine = replay(run(stdout=hello, denials=DENIED), run(stdout=hello))
    assert effects(RECORDED, fine) == [("mkdir", TOLERATED, 1, 1, 1)]


def test_what_the_baseline_refuses_too_is_listed_apart() -> None:
    both = (*DENIED, builders.denial("bpf", 1))
    hello = digest("hello")
    again = replay(run(stdout=hello, denials=both), run(stdout=hello, denials=both[1:]))
    assert effects(RECORDED, again) == [("bpf", BASELINE, 1, 1, 1), ("mkdir", TOLERATED, 1, 1, 1)]


def test_the_worst_of_several_runs_counts() -> None:
    hello = run(stdout=digest("hello"))
    fine = replace(hello, denials=DENIED)
    failed = replace(fine, index=1, outcome="failed", exit_status=1)
    again = replace(replay(fine, hello), runs=(fine, failed, replace(hello, index=2)))
    assert effects(RECORDED, again) == [("mkdir", FAILED, 2, 2, 3)]


def test_a_refused_argument_that_was_not_recorded_is_another_call() -> None:
    """The socket that was recorded is allowed; one of another family is refused and tolerated."""
    recorded = builders.recording(
        run(
            stdout=digest("hello"),
            syscalls=(*builders.run().syscalls, builders.call("socket")),
            arguments=(builders.sockets(1, 2),),
        )
    )
    int32 = 0xFFFF_FFFF

    def refused(family: int) -> Replay:
        arguments = ((0, int32, family), (1, 0xF, 1), (2, int32, 0))
        denial = builders.denial("socket", 1, arguments=arguments)
        return replay(run(stdout=digest("hello"), denials=(denial,)), run(stdout=digest("hello")))

    assert ids(recorded, refused(16)) == ["warning:SS205"]
    assert ids(recorded, refused(2)) == ["error:SS204"]


# ------------------------------------------------------------ what cannot be judged


def test_a_workload_that_fails_under_the_baseline_too_proves_nothing() -> None:
    down = run(outcome="failed", exit_status=7)
    assert ids(RECORDED, replay(down, down)) == ["error:SS219"]
    now_and_then = replay(down, down, run(stdout=digest("hello")))
    assert "error:SS201" in ids(RECORDED, now_and_then)


def test_a_workload_that_was_not_replayed_has_not_passed() -> None:
    two = builders.recording(
        run(),
        builders.run("other"),
        workloads=(Workload("work", ("true",)), Workload("other", ("true",))),
    )
    assert [one.id for one in judge(two, replay(run())).findings] == ["SS220"]
    assert judge(two, replay(run(), partial=True)).findings == ()


def test_a_probe_s_status_is_named_as_such() -> None:
    recorded = builders.recording(
        run(exit_status=200), workloads=(Workload("work", ("GET", "http://[::1]/"), mode="probe"),)
    )
    down = replay(run(outcome="failed", exit_status=502), run(exit_status=200))
    assert "with HTTP status 502" in str(judge(recorded, down).findings)
    silent = replay(run(outcome="failed", exit_status=None), run(exit_status=200))
    assert "without an answer" in str(judge(recorded, silent).findings)
