"""What a report says: its verdict, its rows, and what does not belong together."""

from __future__ import annotations

from dataclasses import replace

from synth.model import (
    Comparison,
    FileDigest,
    Finding,
    Health,
    OutputDigest,
    Recording,
    Run,
    Workload,
)
from synth.primitives import Outcome
from synth.report.build import build
from synth.report.inputs import Inputs, belonging
from synth.report.locate import lines_of
from synth.report.model import NO, OPEN, YES, Check, Report
from synth.report.risk import GRADES, risk_of
from synth.report.rows import condition_text
from synth.wanted import Decision, Origin
from tests import builders, reports


def answers(report: Report) -> list[str]:
    return [check.answer for check in report.checks]


def ids(report: Report) -> set[str]:
    return {one.id for one in report.findings}


def rec(*names: str, workload: str = "work") -> Recording:
    return builders.recording(builders.run(workload, [*builders.START, *names]))


def test_a_validated_profile_is_proven() -> None:
    report = build(reports.proven())
    assert answers(report) == [YES, YES, YES, YES, YES]
    assert report.answer == YES
    assert report.headline.startswith("Proven")
    assert not [one for one in report.findings if one.severity != "note"]
    assert report.workloads[0].validated == YES


def test_without_a_validation_nothing_is_proven() -> None:
    report = build(reports.made())
    assert report.answer == OPEN
    assert "no validation" in report.headline
    assert report.workloads[0].validated == OPEN


def test_a_failed_validation_is_a_no() -> None:
    inputs = reports.made()
    bad = builders.run(outcome="failed", denials=(builders.denial("mkdir", 38),))
    replay = reports.replayed(inputs, runs=(bad,))
    report = build(replace(inputs, replays=(("r.json", replay),)))
    assert report.answer == NO
    assert "failed under the profile: work" in report.headline
    assert {"SS201", "SS204"} <= ids(report)
    assert report.workloads[0].validated == NO
    (row,) = report.refusals
    assert (row.severity, row.effect, row.call, row.answer) == (
        "error",
        "failed",
        "mkdir",
        "ENOSYS",
    )


def test_a_workload_that_was_not_replayed_leaves_it_open() -> None:
    recording = builders.recording(builders.run("a"), builders.run("b"))
    inputs = reports.made(recording)
    replay = reports.replayed(inputs, runs=recording.runs[:1])
    report = build(replace(inputs, replays=(("r.json", replay),)))
    assert report.answer == OPEN
    assert "SS609" in ids(report)
    assert [row.validated for row in report.workloads] == [YES, OPEN]


def test_a_partial_validation_leaves_it_open() -> None:
    inputs = reports.made()
    replay = reports.replayed(inputs, partial=True)
    assert build(replace(inputs, replays=(("r.json", replay),))).answer == OPEN


def test_an_unhealthy_recording_is_a_no() -> None:
    report = build(reports.proven(builders.recording(health=Health(("3 calls were lost",)))))
    assert report.answer == NO
    assert "3 calls were lost" in report.headline
    assert "SS309" in ids(report)
    assert not report.recordings[0].healthy


def test_a_wider_profile_is_a_no_and_points_at_the_line() -> None:
    inputs = reports.made()
    wide = reports.with_profile(inputs, reports.allowing(inputs.profile, "bpf"))
    report = build(wide)
    assert report.answer == NO
    assert "wider than docker-20.10: bpf" in report.headline
    finding = next(one for one in report.findings if one.id == "SS103")
    assert wide.text.splitlines()[report.line_of(finding) - 1].strip() == '"bpf"'
    assert "SS601" in ids(report), "the edited profile is no longer that of its provenance"
    row = next(row for row in report.syscalls if row.name == "bpf")
    assert (row.status, row.grade, row.origin) == ("widened", "S", "unknown")


def test_an_allowed_call_without_a_reason_is_named() -> None:
    inputs = reports.made()
    report = build(
        reports.with_profile(inputs, reports.allowing(inputs.profile, "sysinfo", "acct"))
    )
    unexplained = {one.subject for one in report.findings if one.id == "SS606"}
    assert unexplained == {"acct"}, "sysinfo is what some libc calls at start"


def test_a_call_of_class_s_is_named_with_its_user() -> None:
    inputs = reports.made(rec("io_uring_setup"))
    finding = next(one for one in build(inputs).findings if one.id == "SS607")
    assert (finding.subject, finding.evidence) == ("io_uring_setup", ("work",))


def test_what_is_removed_and_kept_adds_up() -> None:
    report = build(reports.made(rec("mkdir")))
    kept = sum(row.kept + row.narrowed + row.widened for row in report.grades)
    assert kept == len(report.syscalls)
    assert sum(row.removed for row in report.grades) == len(report.removed)
    names = {row.name for row in report.syscalls}
    assert not names & {row.name for row in report.removed}
    assert "mkdir" in names
    row = next(row for row in report.syscalls if row.name == "mkdir")
    assert (row.origin, row.workloads, row.programs) == ("observed", ("work",), ("true",))


def validated(inputs: Inputs, **changes: object) -> Report:
    replay = reports.replayed(inputs, **changes)
    return build(replace(inputs, replays=(("r.json", replay),)))


def test_refusals_are_attributed_and_those_of_the_baseline_apart() -> None:
    recorded = builders.run(denials=(builders.denial("keyctl"),))
    inputs = reports.made(builders.recording(recorded))
    used, unused = builders.denial("openat", 38, "cat"), builders.denial("mkdir", 38, "tar")
    first = replace(recorded, denials=(*recorded.denials, used, unused))
    second = replace(recorded, index=1, denials=(replace(unused, count=3),))
    report = validated(inputs, runs=(first, second))
    rows = [(row.call, row.severity, row.meaning) for row in report.of_profile()]
    assert rows == [
        ("openat", "error", "not noticed, but the recording used it"),
        ("mkdir", "warning", "tolerated"),
    ]
    tolerated = report.refusals[1]
    assert (tolerated.program, tolerated.count, tolerated.runs, tolerated.of) == ("tar", 4, 2, 2)
    assert [(row.call, row.severity) for row in report.of_baseline()] == [("keyctl", "note")]
    assert [(row.when, row.call) for row in report.denials] == [("recorded", "keyctl")]
    (trial,) = report.validations[0].trials
    assert (trial.passed, trial.refused, trial.tolerated) == (False, 1, 1)


def test_a_tolerated_refusal_is_told_in_the_answer() -> None:
    inputs = reports.made()
    denied = builders.run(denials=(builders.denial("mkdir", 38),))
    report = validated(inputs, runs=(denied,))
    check = next(one for one in report.checks if "still work" in one.question)
    assert check.answer == YES
    assert "1 refusal tolerated" in check.detail


def test_refusals_of_a_validation_of_something_else_are_not_judged() -> None:
    inputs = reports.made()
    denied = builders.run(denials=(builders.denial("mkdir", 38),))
    report = validated(inputs, runs=(denied,), profile_sha256="f" * 64)
    assert report.refusals == ()
    assert [(row.when, row.call) for row in report.denials] == [("validated", "mkdir")]
    (row,) = report.validations
    assert (row.unjudged, row.trials) == ("is of another profile", ())


def test_a_validation_says_how_often_and_what_was_compared() -> None:
    recording = builders.recording(
        builders.run("page"),
        builders.run("work"),
        workloads=(
            Workload("page", ("GET", "http://localhost/"), mode="probe"),
            Workload("work", ("true",), files=("/out",)),
        ),
    )
    page, work = recording.runs

    def wrote(index: int) -> Run:
        digest = OutputDigest(1, f"{index:064x}", f"{index:064x}")
        return replace(work, index=index, files=(FileDigest("/out", digest),))

    inputs = reports.made(recording)
    runs = (page, wrote(0), wrote(1), wrote(2))
    beside = (page, replace(page, index=1), wrote(3), wrote(4))
    report = validated(inputs, runs=runs, controls=beside, masks=("a", "b"))
    (row,) = report.validations
    assert row.masks == ("a", "b")
    assert [(one.workload, one.profile_runs, one.baseline_runs) for one in row.trials] == [
        ("page", 1, 2),
        ("work", 3, 2),
    ]
    assert [one.compared for one in row.trials] == [
        ("HTTP status", "answer"),
        ("exit status", "stdout", "stderr", "/out"),
    ]
    assert [one.varies for one in row.trials] == [(), ("/out",)]
    check = next(one for one in report.checks if "still work" in one.question)
    assert "each 1 to 3 times under the profile, 2 times under the baseline" in check.detail


def verdicts(report: Report) -> dict[str, str]:
    return {row.call.partition("(")[0]: row.verdict for row in report.shut}


def test_without_a_validation_the_rules_decide_what_is_shut() -> None:
    inputs = reports.made()
    report = build(inputs)
    assert "none was tried" in report.tried
    assert {row.verdict for row in report.shut} == {"shut"}
    typing = build(reports.with_profile(inputs, reports.allowing(inputs.profile, "ioctl")))
    assert {row.call.partition("(")[0] for row in typing.shut if not row.shut} == {"ioctl"}
    assert verdicts(typing)["ioctl"] == "open as by default"
    wide = build(reports.with_profile(inputs, reports.allowing(inputs.profile, "unshare")))
    assert verdicts(wide)["unshare"] == "wider than the default"
    assert wide.shut[0].mark == NO, "the worst comes first"
    assert [check.answer for check in wide.checks[1:3]] == [NO, NO]


def test_tried_ways_out_say_what_was_seen() -> None:
    inputs = reports.made()
    inputs = reports.with_profile(inputs, reports.allowing(inputs.profile, "ioctl"))
    report = validated(inputs, attempts=reports.tried(inputs, mount=None))
    check = next(one for one in report.checks if "ways out" in one.question)
    assert check.answer == YES
    assert "tried live under the profile, the others by its rules" in check.detail
    rows = {row.call.partition("(")[0]: row for row in report.shut}
    assert (rows["bpf"].answer, rows["bpf"].seen, rows["bpf"].verdict) == ("EPERM", "EPERM", "shut")
    assert (rows["mount"].seen, rows["mount"].verdict) == ("", "shut")
    assert rows["x32 getpid"].seen == "SIGSYS"
    assert (rows["ioctl"].seen, rows["ioctl"].default) == ("EINVAL", "ALLOW")
    assert not {"SS211", "SS216"} & ids(report), (
        "what is fine is in the rows, not among the findings"
    )
    assert "SS215" in ids(report)


def test_a_way_out_that_was_let_through_is_a_no() -> None:
    inputs = reports.made()
    report = validated(inputs, attempts=reports.tried(inputs, bpf=Outcome(-22, 0)))
    assert report.answer == NO
    assert report.headline.startswith("No: BPF programs (bpf(0x270f)) is let through")
    assert answers(report)[3] == YES, "the workloads do work"
    assert "SS212" in ids(report)


def test_what_another_recording_needed_is_no_warning() -> None:
    keys = builders.recording(
        builders.run("keys", [*builders.START, "ptrace"]), host=builders.host(kernel="6.1.1")
    )
    inputs = reports.made(builders.recording(), keys)
    assert "ptrace" in {row.name for row in build(inputs).syscalls}
    report = validated(inputs, attempts=reports.tried(inputs))
    assert verdicts(report)["ptrace"] == "open because needed"


def test_a_way_out_by_an_exception_is_a_warning() -> None:
    made = reports.made()
    inputs = reports.with_profile(made, reports.allowing(made.profile, "bpf"))
    provenance = made.provenance
    assert provenance is not None
    bpf = Decision("bpf", Origin.EXCEPTION, "exception: tracing, until 2027 (Ops)")
    decided = replace(
        provenance,
        profile_sha256=inputs.profile_sha256,
        decisions=(*provenance.decisions, bpf),
    )
    inputs = replace(inputs, provenance=decided)
    report = validated(inputs, attempts=reports.tried(inputs))
    assert verdicts(report)["bpf"] == "by an exception"
    assert [one.severity for one in report.findings if one.id == "SS213"] == ["warning"]
    assert report.answer == YES


def test_socket_families_are_named() -> None:
    run = builders.run(calls=[*builders.START, "socket"], arguments=(builders.sockets(1, 2),))
    report = build(reports.made(builders.recording(run)))
    row = next(row for row in report.syscalls if row.name == "socket")
    assert row.condition == "family AF_UNIX, AF_INET, AF_INET6, AF_NETLINK"
    assert row.status == "narrowed"


def test_conditions_are_readable() -> None:
    masked = Comparison(0, "SCMP_CMP_MASKED_EQ", 0x7E020000, 0)
    assert condition_text("clone", ((masked,),)) == "argument 0 & 0x7e020000 = 0x0"
    assert condition_text("read", ((),)) == ""
    two = (Comparison(0, "SCMP_CMP_EQ", 1), Comparison(1, "SCMP_CMP_NE", 2))
    assert condition_text("x", (two,)) == "argument 0 = 0x1 and argument 1 ≠ 0x2"
    either = ((Comparison(1, "SCMP_CMP_EQ", 16),), (Comparison(1, "SCMP_CMP_EQ", 2),))
    assert condition_text("x", either) == "argument 1 = 0x2, 0x10"


def test_discovery_counts_what_each_run_added() -> None:
    report = build(reports.made(rec(workload="a"), rec("mkdir", workload="b")))
    assert [(point.label, point.new) for point in report.discovery] == [("a #1", 8), ("b #1", 1)]
    assert report.discovery[-1].total == 9
    assert report.saturation == round(1 / 17, 4)


def test_digests_that_do_not_agree() -> None:
    inputs = reports.proven()
    assert belonging(inputs) == ()
    other = rec("mkdir", workload="other")

    def found(**changes: object) -> set[str]:
        return {one.id for one in belonging(replace(inputs, **changes))}  # type: ignore[arg-type]

    assert found(provenance=None) == {"SS610"}
    assert found(recordings=(*inputs.recordings, ("x.json", other))) == {"SS602"}
    assert found(recordings=(("x.json", other),)) == {"SS602", "SS604", "SS605"}
    name, replay = inputs.replays[0]
    assert found(replays=((name, replace(replay, profile_sha256="f" * 64)),)) == {"SS603"}
    assert found(replays=((name, replace(replay, cap_add=("CAP_KILL",))),)) == {"SS608"}
    edited = reports.allowing(inputs.profile, "bpf")
    assert found(profile=edited) == {"SS601", "SS603"}


def test_a_validation_of_another_profile_proves_nothing() -> None:
    inputs = reports.proven()
    edited = reports.with_profile(inputs, reports.allowing(inputs.profile, "mkdir"))
    report = build(edited)
    assert report.answer == NO
    assert report.workloads[0].validated == OPEN


def test_questions_asked_elsewhere_come_first() -> None:
    lead = (Check("Is it inside?", NO, "no, mkdir is new"),)
    extra = (Finding("SS501", "error", "mkdir", "is new"),)
    report = build(replace(reports.made(), lead=lead, extra=extra))
    assert report.headline == "No: no, mkdir is new"
    assert "SS501" in ids(report)
    assert len(report.checks) == 3


def test_names_are_found_where_they_stand() -> None:
    text = (
        '{"defaultAction": "x",\n "syscalls": [{"names": ["read",\n "write"], "comment": "dup",\n'
    )
    text += ' "action": "open"}]}'
    assert lines_of(text) == {"read": 2, "write": 3}
    assert lines_of('["a\\"b", "read"]') == {"read": 1}
    assert lines_of("") == {}


def test_classes_are_those_that_explain_knows() -> None:
    assert [grade for grade, _ in GRADES] == ["S", "A", "B", "C"]
    assert len({meaning for _, meaning in GRADES}) == 4
    assert risk_of("read") == ("C", "")
    assert risk_of("fcntl64").grade == "C", "x86-64 has no such call"
    grade, why = risk_of("io_uring_setup")
    assert grade == "S"
    assert "CVE-2022-29582" in why


def test_an_exception_is_said_but_is_no_error() -> None:
    inputs = reports.made()
    wide = reports.with_profile(inputs, reports.allowing(inputs.profile, "bpf", "acct"))
    provenance = inputs.provenance
    assert provenance is not None
    bpf = Decision("bpf", Origin.EXCEPTION, "exception: tracing, until 2027 (Ops)")
    made = replace(
        provenance,
        profile_sha256=wide.profile_sha256,
        decisions=(*provenance.decisions, bpf),
    )
    report = build(replace(wide, provenance=made))
    assert report.answer == NO, "acct is nobody's"
    assert "wider than docker-20.10: acct" in report.headline
    acct = replace(bpf, name="acct")
    report = build(replace(wide, provenance=replace(made, decisions=(*made.decisions, acct))))
    inside = next(check for check in report.checks if "engine's default" in check.question)
    assert inside.answer == YES
    assert "but what exceptions name (acct, bpf)" in inside.detail
    assert {(one.id, one.severity) for one in report.findings if one.subject == "bpf"} == {
        ("SS103", "warning")
    }
    stale = replace(made, profile_sha256="f" * 64)
    assert build(replace(wide, provenance=stale)).answer == NO
