"""Record again and compare with what was committed, on a real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.conftest import BASE, Cli, allowed, load

pytestmark = pytest.mark.engine

ACTION = Path(__file__).parents[2] / "scripts" / "action"
PROJECT = """\
[container]
image = "{image}"
network = "none"

[[workload]]
name = "list"
run = "ls -la / >/dev/null{more}"

[[workload]]
name = "shell"
mode = "exec"
run = "test -d /tmp"
"""


def project(folder: Path, more: str = "") -> None:
    (folder / "seccomp-synth.toml").write_text(PROJECT.format(image=BASE, more=more))


@pytest.fixture
def committed(tmp_path: Path, cli: Cli) -> Path:
    """A project with a profile made from its workloads."""
    project(tmp_path)
    cli("record", "-o", "old.recording.json")
    cli("synth", "old.recording.json", "-o", "out")
    return tmp_path


def test_the_same_workloads_are_inside(committed: Path, cli: Cli) -> None:
    done = cli("check", "--profile", "out/seccomp.json", "--output", "json=check.json")
    document = load(committed / "check.json")
    assert document["answer"] == "yes"
    assert not [one for one in document["findings"] if one["severity"] != "note"]
    assert not [one for one in document["findings"] if one["id"] == "SS505"], "nothing has moved"
    assert not (committed / "out/seccomp.new.json").exists()
    assert "Traceback" not in done.stderr


def test_a_workload_that_does_more_has_drifted(committed: Path, cli: Cli) -> None:
    project(committed, "; mkdir /tmp/made; chown 7:7 /tmp/made")
    before = (committed / "out/seccomp.json").read_bytes()
    options = ("--output", "github=-", "--save-recording", "now.recording.json")
    done = cli("check", "--profile", "out/seccomp.json", *options, status=1)
    commands = done.stdout.splitlines()
    assert any("SS501::mkdir:" in line and "list: mkdir" in line for line in commands)
    assert any("SS502::CAP_CHOWN:" in line for line in commands)
    assert (committed / "out/seccomp.json").read_bytes() == before
    new = allowed(load(committed / "out/seccomp.new.json"))
    assert {"mkdir", "fchownat"} <= new
    granted = load(committed / "out/capabilities.new.json")["cap_add"]
    assert [one["name"] for one in granted] == ["CAP_CHOWN"]
    # without root or an engine the saved recording gives the same answer
    (committed / "out/seccomp.new.json").unlink()
    (committed / "out/capabilities.new.json").unlink()
    again = cli(
        "check", "--profile", "out/seccomp.json", "--recording", "now.recording.json", status=1
    )
    assert "mkdir" in again.stdout


def test_the_update_passes_and_is_inside(committed: Path, cli: Cli) -> None:
    project(committed, "; mkdir /tmp/made")
    cli("check", "--profile", "out/seccomp.json", "--save-recording", "now.json", status=1)
    (committed / "new").mkdir()
    shutil.copy(committed / "out/seccomp.new.json", committed / "new/seccomp.json")
    shutil.copy(committed / "out/capabilities.json", committed / "new")
    cli("validate", "now.json", "--profile", "new/seccomp.json", "-o", "now.replay.json")
    cli("check", "--profile", "new/seccomp.json")


def test_a_report_on_a_real_validation(committed: Path, cli: Cli) -> None:
    cli("validate", "old.recording.json", "--profile", "out/seccomp.json", "-o", "old.replay.json")
    report = ("report", "old.recording.json", "--profile", "out/seccomp.json")
    proven = (*report, "--validation", "old.replay.json")
    cli(*proven, "--output", "html=review.html", "--output", "json=review.json")
    assert load(committed / "review.json")["answer"] == "yes"
    assert "belong together" in cli(*proven, "--verify").stdout


def test_a_workload_that_fails_is_not_drift(committed: Path, cli: Cli) -> None:
    project(committed, "; exit 3")
    done = cli("check", "--profile", "out/seccomp.json", status=5)
    assert "[workload-failed]" in done.stderr


def action(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step of action.yml as GitHub's runner does."""
    runner = folder / "runner"
    runner.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        "SECCOMP_SYNTH_VENV": str(Path(sys.executable).parents[1]),
        "SECCOMP_SYNTH_PROFILE": "out/seccomp.json",
        **inputs,
    }
    return subprocess.run(
        [ACTION, "check"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_action_annotates_and_summarises(committed: Path) -> None:
    done = action(committed)
    assert done.returncode == 0, done.stderr
    project(committed, "; echo '::error::not mine'; mkdir /tmp/made; true '$(touch owned)'")
    done = action(committed, SECCOMP_SYNTH_AGAINST="old.recording.json\n")
    assert done.returncode == 1, done.stderr
    stop, *lines = done.stdout.splitlines()
    resume = lines.index(f"::{stop.removeprefix('::stop-commands::')}::")
    commands = [line for line in lines[resume + 1 :] if line.startswith("::error")]
    assert len(commands) == 1
    assert "file=out/seccomp.json,line=" in commands[0]
    assert "SS501::mkdir:" in commands[0]
    assert "not mine" not in done.stdout
    summary = (committed / "runner/summary").read_text()
    assert summary.count("## ") - summary.count("### ") == 2
    assert "drift\\: mkdir" in summary or "drift&#58; mkdir" in summary
    outputs = (committed / "runner/output").read_text().splitlines()
    assert "status=0" in outputs
    assert "status=1" in outputs
    assert (committed / "runner/seccomp-synth/seccomp.new.json").exists()
    assert not (committed / "owned").exists()


def test_recordings_of_several_runs_are_combined(committed: Path, cli: Cli) -> None:
    cli("record", "-o", "again.recording.json")
    cli("combine", "old.recording.json", "again.recording.json", "-o", "both.recording.json")
    cli("synth", "both.recording.json", "-o", "both")
    cli("validate", "both.recording.json", "--profile", "both/seccomp.json")
    assert len(json.loads((committed / "both/provenance.json").read_text())["recordings"]) == 2
