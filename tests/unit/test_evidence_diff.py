"""``diff`` of two validations and of two recordings: what is worse, what is only different."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from synth.errors import DataError
from synth.findings import parse_findings
from synth.model import CapabilityUse, Denial, Health, OutputDigest, Recording, Run
from synth.primitives import Outcome
from synth.recording import dump_recording
from synth.recording_diff import compare_recordings
from synth.replay import Replay, dump_replay
from synth.replay_diff import compare_replays, side
from tests import builders, reports
from tests.command import typed

RECORDED = builders.recording(builders.run("a"), builders.run("b"))
INPUTS = reports.made(RECORDED)
GOOD = reports.replayed(INPUTS, attempts=reports.tried(INPUTS))


def again(*runs: Run, **changes: Any) -> Replay:
    """Return the good replay with some workloads' runs replaced."""
    names = {run.workload for run in runs}
    kept = tuple(run for run in GOOD.runs if run.workload not in names)
    return replace(GOOD, runs=(*kept, *runs), **changes)


def compared(new: Replay, old: Replay = GOOD, recording: Recording | None = RECORDED) -> list[str]:
    found = compare_replays(side(new, recording, "new"), side(old, recording, "old"))
    return [f"{one.severity}:{one.id}:{one.subject}" for one in found]


def denied(name: str, workload: str = "a", errno: int = 38, **changes: Any) -> Run:
    return builders.run(workload, denials=(builders.denial(name, errno),), **changes)


def test_the_same_is_no_difference() -> None:
    assert compared(GOOD) == []


@pytest.mark.parametrize("recording", [RECORDED, None])
def test_a_workload_that_fails_now_is_worse(recording: Recording | None) -> None:
    bad = again(denied("mkdir", outcome="failed"))
    assert compared(bad, recording=recording) == ["error:SS121:a", "error:SS123:a", "error:SS123:a"]
    assert compared(GOOD, bad, recording) == ["note:SS122:a", "note:SS124:a", "note:SS126:a"]


def test_a_refusal_that_no_one_noticed_is_a_warning_unless_it_was_used() -> None:
    assert compared(again(denied("mkdir"))) == ["warning:SS125:a"]
    assert compared(again(denied("openat"))) == ["error:SS121:a", "error:SS123:a"]
    assert compared(GOOD, again(denied("mkdir"))) == ["note:SS126:a"]


def test_another_errno_or_program_is_another_refusal() -> None:
    old = again(denied("mkdir", errno=38))
    assert compared(again(denied("mkdir", errno=1)), old) == ["warning:SS125:a", "note:SS126:a"]


def test_how_often_does_not_count() -> None:
    once = denied("mkdir")
    twice: Denial = replace(once.denials[0], count=7)
    assert compared(again(replace(once, denials=(twice,))), again(once)) == []


def test_a_second_refusal_of_a_workload_that_failed_already_is_worse() -> None:
    old = again(denied("mkdir", outcome="failed"))
    run = denied("mkdir", outcome="failed")
    more = replace(run, denials=tuple(sorted((*run.denials, builders.denial("chown", 38)))))
    assert compared(again(more), old) == ["error:SS123:a"]


def test_a_refusal_that_is_noticed_now_is_worse() -> None:
    bad = denied("mkdir", outcome="failed")
    assert "error:SS123:a" in compared(again(bad), again(denied("mkdir")))


def test_a_workload_that_was_not_replayed() -> None:
    less = replace(GOOD, runs=GOOD.runs[:1], partial=True)
    assert "warning:SS129:b" in compared(less)
    assert "note:SS129:b" in compared(GOOD, less)
    failed = again(denied("mkdir", "b", outcome="failed"))
    assert "error:SS121:b" in compared(failed, less)


def test_a_way_out_that_answers_otherwise() -> None:
    open_now = replace(GOOD, attempts=reports.tried(INPUTS, bpf=Outcome(-22, 0)))
    found = compare_replays(side(open_now, RECORDED, ""), side(GOOD, RECORDED, ""))
    assert [(one.severity, one.id, one.subject) for one in found] == [
        ("error", "SS123", "bpf(0x270f)"),
        ("warning", "SS127", "bpf(0x270f)"),
    ]
    assert found[1].message == "BPF programs: kernel EPERM before, EINVAL now"
    assert found[1].evidence == ("shut before, let through now",)
    other_errno = replace(GOOD, attempts=reports.tried(INPUTS, bpf=Outcome(-38, 0)))
    assert compared(other_errno) == ["note:SS127:bpf(0x270f)"]
    assert compared(replace(GOOD, attempts=())) == ["warning:SS129:ways out"]


def test_what_has_moved_is_said() -> None:
    moved = replace(
        GOOD,
        host=builders.host(kernel="6.12.1", runtime="crun"),
        masks=("x",),
        profile_sha256="f" * 64,
    )
    found = compare_replays(side(moved, RECORDED, ""), side(GOOD, RECORDED, ""))
    assert {one.subject for one in found} == {"kernel", "runtime", "masks", "profile"}
    assert {one.id for one in found} == {"SS128"}
    assert "6.1.0 before, 6.12.1 now" in {one.message for one in found}


def test_a_replay_alone_is_judged_by_its_own_baseline() -> None:
    digest = OutputDigest(1, "1" * 64, "1" * 64)
    bad = again(replace(denied("mkdir"), stdout=digest))
    assert "error:SS121:a" in compared(bad, recording=None)
    with pytest.raises(DataError) as refused:
        side(replace(GOOD, controls=()), None, "old.json")
    assert refused.value.slug == "cannot-compare"


# ------------------------------------------------------------ recordings


def test_recordings_are_compared_by_workload() -> None:
    old = builders.recording(builders.run("a"), builders.run("gone"))
    use = CapabilityUse("CAP_CHOWN", "chown", "tar", 1)
    run = builders.run(
        "a",
        [*builders.START[1:], "mkdir"],
        denials=(builders.denial("keyctl"),),
        capabilities=(use,),
    )
    new = builders.recording(run, host=builders.host(kernel="6.12.0"))
    told = [(one.id, one.subject, one.evidence) for one in compare_recordings(new, old)]
    assert told == [
        ("SS128", "kernel", ()),
        ("SS129", "gone", ()),
        ("SS131", "a", ("mkdir",)),
        ("SS132", "a", ("brk",)),
        ("SS133", "a", ("CAP_CHOWN in chown",)),
        ("SS134", "a", ("keyctl refused with EPERM to true",)),
    ]
    assert compare_recordings(old, old) == ()


# ------------------------------------------------------------ as typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text(dump_recording(RECORDED))
    Path("good.json").write_text(dump_replay(GOOD))
    Path("bad.json").write_text(dump_replay(again(denied("mkdir", outcome="failed"))))
    return tmp_path


def test_exit_statuses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("diff", "bad.json", "--against", "good.json") == 1
    out = capsys.readouterr().out
    assert "workloads that fail now  " in out
    assert "a passed before and fails now" in out
    assert typed("diff", "good.json", "--against", "bad.json", "--recording", "r.json") == 0
    assert typed("diff", "good.json", "--against", "bad.json", "--fail-on", "any") == 1
    assert typed("diff", "bad.json", "--against", "good.json", "--fail-on", "never") == 0
    assert typed("diff", "r.json", "--against", "r.json", "--fail-on", "any") == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("good.json",), 2),
        (("good.json", "--against", "r.json"), 4),
        (("r.json", "--against", "good.json"), 4),
        (("r.json", "--against", "r.json", "--recording", "r.json"), 2),
        (("good.json", "--against", "bad.json", "--fail-on", "narrowed"), 2),
        (("good.json", "--against", "bad.json", "--arch", "x86_64"), 2),
        (("good.json", "--against", "none.json"), 2),
    ],
)
def test_what_cannot_be_compared(
    folder: Path, arguments: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("diff", *arguments) == status
    assert capsys.readouterr().err.count("\n") == 1


def test_json_is_a_list_of_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("diff", "bad.json", "--against", "good.json", "--format", "json") == 1
    found = parse_findings(json.loads(capsys.readouterr().out), where="stdout")
    assert {one.id for one in found} == {"SS121", "SS123"}


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_names_stay_text(
    folder: Path, form: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    denial = replace(builders.denial("mkdir", 38), program=text[:15])
    bad = again(
        builders.run("a", outcome="failed", denials=(denial,)),
        health=Health((text,)),
        host=builders.host(runtime=text[:64]),
        masks=(text,),
        attempts=tuple(
            one._replace(attempt=one.attempt._replace(label=text[:100]))
            for one in reports.tried(INPUTS, bpf=Outcome(0, 0))
        ),
    )
    Path("bad.json").write_text(dump_replay(bad))
    assert typed("diff", "bad.json", "--against", "good.json", "--format", form) == 1
    out = capsys.readouterr().out
    assert all(one.isprintable() or one == "\n" for one in out)
    if form == "markdown":
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(out)
        ours = "h3 p table thead tbody tr th td strong ul li code".split()  # noqa: SIM905
        assert set(re.findall(r"<([^/ >]+)", html)) <= set(ours)
        assert "href" not in html
