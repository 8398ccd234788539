"""``check`` as typed, on recordings: no root, no engine."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from synth.cli import check as module
from synth.cli.jobs import Line
from synth.errors import WorkloadError
from synth.model import Recording
from synth.recording import dump_recording, load_recording
from tests import builders
from tests.command import typed

SAMPLE = Path(__file__).parents[1] / "data" / "recording-1.0.0.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample with its profile, and a recording that makes one call more."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, "old.json")
    assert typed("-q", "synth", "old.json", "-o", "out") == 0
    (tmp_path / "new.json").write_text(dump_recording(more(load_recording(SAMPLE), "splice")))
    return tmp_path


def more(recording: Recording, *names: str) -> Recording:
    first = recording.runs[0]
    calls = (*first.syscalls, *(builders.call(name, "evil\x1b[31m") for name in names))
    return replace(
        recording, runs=(replace(first, syscalls=tuple(sorted(calls))), *recording.runs[1:])
    )


CHECK = ("-q", "check", "--profile", "out/seccomp.json")


def test_inside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*CHECK, "--recording", "old.json") == 0
    out = capsys.readouterr().out
    assert out.startswith("Inside: ")
    assert not (folder / "out/seccomp.new.json").exists()


def test_drift(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "out").rglob("*.*")}
    assert typed(*CHECK, "--recording", "new.json") == 1
    out = capsys.readouterr().out
    assert out.startswith("No: drift: splice not in what was committed")
    assert "error[SS501] splice: splice is needed now" in out
    assert "\x1b" not in out
    after = {path.name: path.read_bytes() for path in (folder / "out").rglob("*.*")}
    assert after.pop("seccomp.new.json") != before["seccomp.json"]
    assert after == before, "the committed files are as they were"
    shutil.move("out/seccomp.new.json", "out/seccomp.json")
    assert typed(*CHECK, "--recording", "new.json") == 0, "the update fits"


def test_several_recordings_are_checked_together(folder: Path) -> None:
    assert typed(*CHECK, "--recording", "old.json", "--recording", "old.json") == 0
    assert typed(*CHECK, "--recording", "old.json", "new.json") == 1, "what a shell's * gives"


def test_the_committed_profile_is_never_written_over(folder: Path) -> None:
    before = (folder / "out/seccomp.json").read_bytes()
    options = ("--recording", "new.json", "-o", "out/../out/seccomp.json", "--force")
    assert typed(*CHECK, *options) == 2
    assert (folder / "out/seccomp.json").read_bytes() == before


def test_an_update_that_is_there_is_not_written_over(folder: Path) -> None:
    (folder / "out/seccomp.new.json").write_text("mine")
    assert typed(*CHECK, "--recording", "new.json") == 2
    assert (folder / "out/seccomp.new.json").read_text() == "mine"
    assert typed(*CHECK, "--recording", "new.json", "-o", "elsewhere.json") == 1
    assert (folder / "elsewhere.json").exists()


def test_the_update_of_an_earlier_check_is_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(*CHECK, "--recording", "new.json") == 1
    first = (folder / "out/seccomp.new.json").read_bytes()
    (folder / "newer.json").write_text(dump_recording(more(load_recording(SAMPLE), "vmsplice")))
    assert typed(*CHECK, "--recording", "newer.json") == 1
    assert (folder / "out/seccomp.new.json").read_bytes() != first
    assert typed(*CHECK, "-o", "out/seccomp.new.json", "--recording", "new.json") == 2, "typed"


def test_how_to_take_an_update_over_can_be_typed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ("check", "--profile", "out/seccomp.json", "--against", "old.json")
    assert typed(*check, "--recording", "new.json") == 1
    said = capsys.readouterr().err
    line = next(one for one in said.splitlines() if one.startswith("to take it over: "))
    assert typed(*shlex.split(line)[5:]) == 0
    assert typed(*check, "--recording", "new.json") == 0


def test_committed_recordings_keep_what_they_need(folder: Path) -> None:
    recording = load_recording(SAMPLE)
    one = replace(recording, runs=more(recording, "splice").runs[:1])
    (folder / "one.json").write_text(dump_recording(one))
    assert typed(*CHECK, "--recording", "one.json", "--against", "old.json") == 1
    assert "chown" in (folder / "out/seccomp.new.json").read_text()


def test_reports_in_every_format(folder: Path) -> None:
    forms = ("json", "markdown", "html", "sarif", "github", "text")
    options = [word for form in forms for word in ("--output", f"{form}=check.{form}")]
    assert typed(*CHECK, "--recording", "new.json", *options) == 1
    document = json.loads((folder / "check.json").read_text())
    assert document["answer"] == "no"
    assert [one["id"] for one in document["findings"] if one["severity"] == "error"] == ["SS501"]
    for form in forms:
        assert "splice" in (folder / f"check.{form}").read_text()


def test_an_exit_status_that_never_fails(folder: Path) -> None:
    assert typed(*CHECK, "--recording", "new.json", "--fail-on", "never") == 0


def test_a_warning_can_fail_it(folder: Path) -> None:
    path = folder / "out/provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "baseline": "docker-23.0"}))
    assert typed(*CHECK, "--recording", "old.json") == 0
    assert typed(*CHECK, "--recording", "old.json", "--fail-on", "warning") == 1


def test_without_recordings_it_records_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Line] = []

    def again(_settings: object, line: Line) -> Recording:
        asked.append(line)
        return load_recording(folder / "new.json")

    monkeypatch.setattr(module, "record_again", again)
    assert typed(*CHECK, "--save-recording", "saved.json") == 1
    assert asked[0].image is None
    assert asked[0].config == Path("seccomp-synth.toml")
    assert load_recording(folder / "saved.json") == load_recording(folder / "new.json")
    assert typed(*CHECK, "--force", "debian", "--", "ls", "-l") == 1
    assert (asked[1].image, asked[1].command) == ("debian", ("ls", "-l"))


def test_a_failed_workload_is_no_drift(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*_arguments: object) -> Recording:
        raise WorkloadError("failed while recording: tests", slug="workload-failed")

    monkeypatch.setattr(module, "record_again", again)
    assert typed(*CHECK) == 5


def test_nothing_is_recorded_before_the_files_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*_arguments: object) -> Recording:
        raise AssertionError("recorded")

    monkeypatch.setattr(module, "record_again", again)
    (folder / "out/seccomp.json").write_text("{}")
    assert typed(*CHECK) == 4


def test_an_unhealthy_recording_is_refused(folder: Path) -> None:
    document = json.loads((folder / "old.json").read_text())
    document["partial"] = True
    (folder / "old.json").write_text(json.dumps(document))
    assert typed(*CHECK, "--recording", "old.json") == 4
    assert typed(*CHECK, "--recording", "old.json", "--allow-unhealthy") == 1, "it proves nothing"


def test_without_a_provenance_the_recorded_default_is_compared_with(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out/provenance.json").unlink()
    assert typed(*CHECK, "--recording", "old.json") == 0
    assert "nothing beyond docker-20.10-debian" in capsys.readouterr().out


EXCEPTION = """
[[exception]]
syscall = "{name}"
reason = "the profiler"
owner = "ops"
expires = {expires}
"""


@pytest.fixture
def project(folder: Path) -> Path:
    """The folder with a project file that excepts two calls, one of them no longer."""
    (folder / "seccomp-synth.toml").write_text(
        'container = {image = "debian"}\n[[workload]]\nname = "x"\nrun = ["true"]\n'
        + EXCEPTION.format(name="perf_event_open", expires="2999-01-01")
        + EXCEPTION.format(name="acct", expires="2001-01-01")
    )
    return folder


def allowed(path: Path) -> set[str]:
    rules = json.loads(path.read_text())["syscalls"]
    return {name for one in rules if one["action"] == "SCMP_ACT_ALLOW" for name in one["names"]}


def test_the_update_has_the_exceptions_that_count(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(*CHECK, "--recording", "new.json") == 1
    out = capsys.readouterr().out
    assert "warning[SS322] acct: the exception has expired" in out
    assert {"perf_event_open", "splice"} <= allowed(project / "out/seccomp.new.json")
    assert "acct" not in allowed(project / "out/seccomp.new.json")
    assert typed("-q", "synth", "old.json", "new.json", "-o", "remade") == 0
    assert allowed(project / "remade/seccomp.json") == allowed(project / "out/seccomp.new.json")


def test_exceptions_are_those_of_the_project_file_that_is_named(project: Path) -> None:
    shutil.move("seccomp-synth.toml", "other.toml")
    assert typed(*CHECK, "--recording", "new.json", "-o", "without.json") == 1
    assert "perf_event_open" not in allowed(project / "without.json")
    assert typed(*CHECK, "--recording", "new.json", "--config", "other.toml") == 1
    assert "perf_event_open" in allowed(project / "out/seccomp.new.json")
    assert typed(*CHECK, "--recording", "new.json", "--config", "none.toml") == 2


def test_an_exception_that_has_expired_is_said_without_drift_too(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(*CHECK, "--recording", "old.json") == 0
    assert "SS322" in capsys.readouterr().out
    assert typed(*CHECK, "--recording", "old.json", "--fail-on", "warning") == 1
