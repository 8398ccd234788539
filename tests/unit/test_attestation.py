"""In-toto statements: what they are about and what they say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth.model import FileDigest, Health, OutputDigest
from synth.primitives import Outcome
from synth.profile import dump_profile, load_profile
from synth.recording import dump_recording, recording_digest
from synth.replay import dump_replay
from synth.report.attestation import (
    RESULT,
    STATEMENT,
    TRACE,
    File,
    result_statement,
    trace_statement,
)
from synth.verdict import judge
from tests import builders, reports
from tests.command import typed

FILE = File("p", "0" * 64)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    recording = builders.recording(builders.run("a", denials=(builders.denial("keyctl"),)))
    Path("r.json").write_text(dump_recording(recording))
    assert typed("-q", "synth", "r.json", "-o", "out") == 0
    inputs = reports.made(recording, profile=load_profile(Path("out/seccomp.json")))
    Path("v.json").write_text(dump_replay(reports.replayed(inputs, cap_add=())))
    return tmp_path


REPORT = ("-q", "report", "r.json", "--profile", "out/seccomp.json", "--validation", "v.json")


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    assert document["_type"] == STATEMENT
    assert all(set(one) == {"name", "digest"} for one in document["subject"])
    return document


def test_statements_name_files_by_their_bytes(folder: Path) -> None:
    assert typed(*REPORT, "--attest", "st") == 0
    trace = load(folder / "st/r.trace.intoto.json")
    assert trace["predicateType"] == TRACE
    assert trace["subject"] == [
        {"name": "r.json", "digest": {"sha256": sha256(folder / "r.json")}},
        {"name": "debian:bookworm", "digest": {"sha256": "a" * 64}},
    ]
    (process,) = trace["predicate"]["monitorLog"]["process"]
    assert process["workload"] == "a"
    assert process["refused"] == ["keyctl: EPERM"]
    assert "openat" in process["syscalls"]
    result = load(folder / "st/v.test.intoto.json")
    assert result["predicateType"] == RESULT
    assert [one["name"] for one in result["subject"]] == ["seccomp.json", "capabilities.json"]
    for one in result["subject"]:
        assert one["digest"]["sha256"] == sha256(folder / "out" / one["name"])
    assert result["predicate"]["result"] == "PASSED"
    assert result["predicate"]["passedTests"] == ["a"]
    configuration = {one["name"]: one for one in result["predicate"]["configuration"]}
    assert set(configuration) == {
        "recording",
        "validation",
        "default profile docker-20.10",
    }
    assert configuration["validation"]["digest"]["sha256"] == sha256(folder / "v.json")
    assert configuration["validation"]["annotations"]["runsUnderBaseline"] == 1


def test_statements_are_the_same_every_time_and_not_written_over(folder: Path) -> None:
    assert typed(*REPORT, "--attest", "st") == 0
    before = {path.name: path.read_bytes() for path in (folder / "st").iterdir()}
    assert typed(*REPORT, "--attest", "st") == 2
    assert typed(*REPORT, "--attest", "st", "--force") == 0
    assert before == {path.name: path.read_bytes() for path in (folder / "st").iterdir()}


def test_files_of_one_name_get_statements_of_their_own(folder: Path) -> None:
    (folder / "x").mkdir()
    (folder / "x/r.json").write_text((folder / "r.json").read_text())
    report = ("-q", "report", "r.json", "x/r.json", "--profile", "out/seccomp.json")
    assert typed(*report, "--attest", "st") == 0
    names = sorted(path.name for path in (folder / "st").iterdir())
    assert names == ["r.trace-2.intoto.json", "r.trace.intoto.json"]


def test_nothing_is_stated_of_files_that_do_not_belong_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "out/seccomp.json"
    path.write_text(dump_profile(reports.allowing(load_profile(path), "mkdir")))
    assert typed(*REPORT, "--attest", "st") == 4
    assert "[cannot-attest]" in capsys.readouterr().err
    assert not (folder / "st").exists()


def test_a_failed_validation_says_so() -> None:
    inputs = reports.made()
    recording = inputs.recordings[0][1]
    bad = builders.run(outcome="failed", denials=(builders.denial("mkdir", 38),))
    replay = reports.replayed(inputs, runs=(bad,))
    text = result_statement([FILE], FILE, replay, judge(recording, replay), {})
    predicate = json.loads(text)["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == ("FAILED", ["work"])


def test_a_warning_says_so() -> None:
    inputs = reports.made()
    recording = inputs.recordings[0][1]
    denied = builders.run(denials=(builders.denial("mkdir", 38),))
    replay = reports.replayed(inputs, runs=(denied,))
    text = result_statement([FILE], FILE, replay, judge(recording, replay), {})
    predicate = json.loads(text)["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["work"])


def test_it_says_how_far_the_validation_goes() -> None:
    run = builders.run()
    inputs = reports.made(builders.recording(run))
    inputs = reports.with_profile(inputs, reports.allowing(inputs.profile, "ioctl"))
    recording = inputs.recordings[0][1]
    replay = reports.replayed(
        inputs,
        runs=(replace(run, denials=(builders.denial("mkdir", 38),)), replace(run, index=1)),
        controls=(run, replace(run, index=1), replace(run, index=2)),
        masks=("id=[0-9]+",),
        attempts=reports.tried(inputs, mount=None),
    )
    text = result_statement([FILE], FILE, replay, judge(recording, replay), {})
    (validation,) = json.loads(text)["predicate"]["configuration"]
    told = validation["annotations"]
    tried = sum(one.outcome is not None for one in replay.attempts)
    assert told.pop("waysOutOpen")[0].startswith("ioctl(")
    assert told == {
        "runsUnderProfile": 2,
        "runsUnderBaseline": 3,
        "masks": ["id=[0-9]+"],
        "varies": [],
        "toleratedRefusals": 1,
        "tolerant": False,
        "partial": False,
        "waysOutTried": tried,
    }
    assert 0 < tried < len(replay.attempts)


def test_an_open_way_out_fails_by_its_own_name() -> None:
    inputs = reports.made()
    recording = inputs.recordings[0][1]
    replay = reports.replayed(inputs, attempts=reports.tried(inputs, bpf=Outcome(-22, 0)))
    text = result_statement([FILE], FILE, replay, judge(recording, replay), {})
    predicate = json.loads(text)["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == ("FAILED", ["bpf(0x270f)"])
    assert predicate["passedTests"] == ["work"]


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    run = builders.run(calls=[*builders.START, builders.call("chown", text[:15])])
    recording = builders.recording(run, subject=builders.subject(image=text))
    statement = trace_statement(File(text, "0" * 64), recording, recording_digest(recording))
    assert statement.isascii()
    assert all(one.isprintable() or one == "\n" for one in statement)
    assert json.loads(statement)["subject"][1]["digest"] == {"sha256": "a" * 64}
    inputs = reports.made(recording)
    digest = OutputDigest(1, "1" * 64, "1" * 64)
    made = replace(run, files=(FileDigest(f"/{text}", digest),))
    replay = reports.replayed(inputs, runs=(made,), masks=(text,), health=Health((text,)))
    about = File(text, "0" * 64)
    result = result_statement([about], about, replay, judge(recording, replay), {text: "0" * 64})
    assert result.isascii()
    assert all(one.isprintable() or one == "\n" for one in result)
