"""The outputs for a real recording, byte for byte.

A change here is a change of what users get: look at the difference, and if it is meant, run with
SECCOMP_SYNTH_UPDATE_GOLDEN=1 and commit.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synth.cli.main import main

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "data" / "recording-1.0.0.json"
UPDATE = os.environ.get("SECCOMP_SYNTH_UPDATE_GOLDEN") == "1"


def compare(expected: Path, actual: str) -> None:
    if UPDATE:
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(actual)
    assert expected.read_text() == actual, f"{expected.name} has changed"


@pytest.mark.parametrize("tightness", ["exact", "portable"])
def test_synth(tmp_path: Path, tightness: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["synth", str(SAMPLE), "-o", str(tmp_path / "out"), "--tightness", tightness])
    assert stop.value.code == 0
    written = sorted(one for one in (tmp_path / "out").iterdir() if one.is_file())
    assert len(written) == 4
    for path in written:
        compare(HERE / tightness / path.name, path.read_text())


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_diff(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    profile = HERE / "portable" / "seccomp.json"
    with pytest.raises(SystemExit) as stop:
        main(["diff", str(profile), "--against", "docker-25.0", "--format", form])
    assert stop.value.code == 0
    text = capsys.readouterr().out.replace(str(profile), "seccomp.json")
    compare(HERE / "diff" / f"narrower.{form}", text)


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_diff_of_everything(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = HERE / "diff" / "new.json", HERE / "diff" / "old.json"
    with pytest.raises(SystemExit) as stop:
        main(["-v", "diff", str(new), "--against", str(old), "--format", form])
    assert stop.value.code == 1
    text = capsys.readouterr().out.replace(f"{new.parent}/", "")
    compare(HERE / "diff" / f"everything.{form}", text)


@pytest.mark.parametrize("form", ["text", "json"])
def test_explain(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(HERE / "portable")  # lines break by the length of paths
    arguments = ["--recording", str(SAMPLE), "--against", "docker-25.0", "--output", form]
    with pytest.raises(SystemExit) as stop:
        main(["explain", "clone", "seccomp.json", *arguments])
    assert stop.value.code == 0
    compare(HERE / "explain" / f"clone.{form}", capsys.readouterr().out)


@pytest.mark.parametrize("form", ["text", "markdown", "sarif", "github"])
def test_report(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    made = tmp_path / form
    arguments = ["../data/recording-1.0.0.json", "--profile", "portable/seccomp.json"]
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments, "--output", f"{form}={made}"])
    assert stop.value.code == 0
    compare(HERE / "report" / f"report.{form}", made.read_text())
