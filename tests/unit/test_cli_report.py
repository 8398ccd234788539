"""``report`` as typed: what it reads, writes and exits with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from synth.profile import dump_profile, load_profile
from synth.recording import load_recording, recording_digest
from synth.replay import dump_replay
from tests import reports
from tests.command import typed

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "recording-1.0.0.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a profile made from the sample, and a validation of it that passed."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, "r.json")
    assert typed("-q", "synth", "r.json", "-o", "out") == 0
    recording = load_recording(Path("r.json"))
    inputs = reports.made(recording, profile=load_profile(Path("out/seccomp.json")))
    granted = json.loads(Path("out/capabilities.json").read_text())["cap_add"]
    caps = tuple(one["name"] for one in granted)
    Path("v.json").write_text(dump_replay(reports.replayed(inputs, cap_add=caps)))
    return tmp_path


REPORT = ("-q", "report", "r.json", "--profile", "out/seccomp.json")
PROVEN = (*REPORT, "--validation", "v.json")


def test_text_goes_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*PROVEN) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Proven: ")
    assert err == ""


def test_every_format_is_written_at_once(folder: Path) -> None:
    forms = ("json", "markdown", "html", "sarif", "github", "text")
    options = [word for form in forms for word in ("--output", f"{form}=review.{form}")]
    assert typed(*PROVEN, *options) == 0
    assert all((folder / f"review.{form}").stat().st_size > 100 for form in forms)
    first = {form: (folder / f"review.{form}").read_bytes() for form in forms}
    assert typed(*PROVEN, *options) == 2, "they are there already"
    assert typed(*PROVEN, *options, "--force") == 0
    assert first == {form: (folder / f"review.{form}").read_bytes() for form in forms}


def test_sarif_points_into_the_profile(folder: Path) -> None:
    assert typed(*PROVEN, "--output", "sarif=r.sarif") == 0
    results = json.loads((folder / "r.sarif").read_text())["runs"][0]["results"]
    (narrowed,) = (
        one
        for one in results
        if one["ruleId"] == "SS102" and one["message"]["text"].startswith("socket")
    )
    place = narrowed["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "out/seccomp.json"
    lines = (folder / "out/seccomp.json").read_text().splitlines()
    assert lines[place["region"]["startLine"] - 1].strip().strip('",') == "socket"


def test_files_that_belong_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*PROVEN, "--verify") == 0
    assert "the 4 files belong together" in capsys.readouterr().out


def test_an_edited_profile_does_not_belong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "out/seccomp.json"
    path.write_text(dump_profile(reports.allowing(load_profile(path), "mkdir")))
    assert typed(*PROVEN, "--verify") == 1
    out, err = capsys.readouterr()
    assert "do not belong together" in out
    assert "SS601" in err
    assert "SS603" in err


def test_laying_a_file_out_anew_changes_nothing(folder: Path) -> None:
    for name in ("out/seccomp.json", "r.json", "v.json", "out/provenance.json"):
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document, indent=7))
    assert typed(*PROVEN, "--verify") == 0
    assert typed(*PROVEN) == 0


def test_without_its_provenance_nothing_is_verified(folder: Path) -> None:
    (folder / "out/provenance.json").unlink()
    assert typed(*PROVEN, "--verify") == 1
    assert typed(*PROVEN) == 0, "a report can still be made"


def test_a_damaged_provenance_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out/provenance.json").write_text('{"schema": "seccomp-synth/provenance"}')
    assert typed(*PROVEN) == 4
    assert "[bad-provenance]" in capsys.readouterr().err


def test_a_provenance_of_the_first_version_is_read(folder: Path) -> None:
    path = folder / "out/provenance.json"
    document = json.loads(path.read_text())
    del document["environments"]
    path.write_text(json.dumps({**document, "schema_version": "1.0.0"}))
    assert typed(*PROVEN, "--verify") == 0


@pytest.mark.parametrize(("option", "status"), [("error", 1), ("warning", 1), ("never", 0)])
def test_a_wider_profile_exits_with_1_unless_told(folder: Path, option: str, status: int) -> None:
    path = folder / "out/seccomp.json"
    path.write_text(dump_profile(reports.allowing(load_profile(path), "bpf")))
    assert typed(*REPORT, "--fail-on", option) == status


def test_a_warning_counts_if_asked_for(folder: Path) -> None:
    (folder / "out/provenance.json").unlink()
    assert typed(*REPORT, "--fail-on", "error") == 0
    assert typed(*REPORT, "--fail-on", "warning") == 1


def test_an_unhealthy_recording_is_reported_not_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((folder / "r.json").read_text())
    document["health"].update(ok=False, problems=["12 calls were lost"])
    (folder / "r.json").write_text(json.dumps(document))
    assert typed(*REPORT) == 1
    assert "12 calls were lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("--output", "pdf=x"), "no-such-format"),
        (("--output", "json", "--output", "text"), "bad-option"),
        (("--output", "json=/no/such/folder/x"), "unwritable-output"),
        (("--validation", "none.json"), "no-such-file"),
        (("--baseline", "docker-99"), "no-such-baseline"),
    ],
)
def test_what_cannot_be_meant(
    folder: Path, arguments: tuple[str, ...], slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(*REPORT, *arguments) == 2
    assert f"[{slug}]" in capsys.readouterr().err


def test_a_replay_is_no_recording(folder: Path) -> None:
    assert typed("report", "v.json", "--profile", "out/seccomp.json") == 4


def test_without_a_capability_list_dockers_default_is_assumed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out/capabilities.json").unlink()
    assert typed(*REPORT) == 0
    out, err = capsys.readouterr()
    assert "Docker's default capabilities are taken as granted" in err
    assert "CAP_NET_RAW" in out


def test_the_digest_of_a_file_is_that_of_its_content(folder: Path) -> None:
    written = json.loads((folder / "out/provenance.json").read_text())["recordings"]
    assert written == [recording_digest(load_recording(SAMPLE))]
