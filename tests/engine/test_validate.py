"""Profiles broken on purpose, one way each; and what only looks broken.

One server and a few jobs ask for their priority, which nothing else does.  What they do when the
call is refused is different: fail, spin, swallow it, write it to a file, answer another page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth.findings import parse_findings
from synth.model import Finding
from synth.recording import load_recording
from synth.replay import load_replay
from synth.verdict import judge
from tests.engine.conftest import DEMO, Cli, load, without

pytestmark = pytest.mark.engine

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            os.getpriority(os.PRIO_PROCESS, 0)
            status, page = 200, b"fine"
        except OSError:
            status, page = (500 if self.path == "/strict" else 200), b"damaged"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(page)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""

SPIN = """
import os
while True:
    try:
        os.getpriority(os.PRIO_PROCESS, 0)
        break
    except OSError:
        pass
"""

PROJECT = """
name = "broken"
[container]
image = {image}
network = "none"
command = ["python3", "-c", {server}]

[[workload]]
name = "page"
get = "http://localhost:8000/page?a=b"

[[workload]]
name = "strict"
get = "http://127.0.0.1:8000/strict"

[[workload]]
name = "fails"
run = ["nice"]

[[workload]]
name = "swallows"
run = "nice 2>/dev/null; true"

[[workload]]
name = "writes"
run = "nice >/tmp/result 2>/dev/null; mkdir /tmp/made; echo same >/tmp/made/file; true"
files = ["/tmp/result", "/tmp/made", "/nowhere"]

[[workload]]
name = "tolerates"
run = "nice >/dev/null 2>&1; true"

[[workload]]
name = "noise"
run = "head -c 9 /dev/urandom | base64; nice >/dev/null 2>&1; true"

[[workload]]
name = "token"
run = "echo token=$(head -c 9 /dev/urandom | base64); nice >/dev/null 2>&1; true"

[[workload]]
name = "spins"
run = ["python3", "-c", {spin}]

[[workload]]
name = "outside"
run = "unshare -U true 2>/dev/null; echo refused anyway"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("broken")
    text = PROJECT.format(image=json.dumps(DEMO), server=json.dumps(SERVER), spin=json.dumps(SPIN))
    (folder / "seccomp-synth.toml").write_text(text)
    yield folder


@pytest.fixture(scope="module")
def recorded(project: Path, module_cli: Cli) -> Path:
    module_cli("record", "-o", project / "r.json", "--config", project / "seccomp-synth.toml")
    module_cli("synth", project / "r.json", "-o", project / "out")
    return project


def findings(stdout: str) -> tuple[Finding, ...]:
    return parse_findings(json.loads(stdout), where="validate")


def by_subject(found: tuple[Finding, ...], *, least: str = "note") -> dict[str, set[str]]:
    ranks = ("error", "warning", "note")
    wanted = ranks[: ranks.index(least) + 1]
    result: dict[str, set[str]] = {}
    for one in found:
        if one.severity in wanted and not "SS211" <= one.id <= "SS216":
            result.setdefault(one.subject, set()).add(one.id)
    return result


def test_recorded_files_and_answers(recorded: Path) -> None:
    recording = load_recording(recorded / "r.json")
    runs = {run.workload: run for run in recording.runs}
    assert runs["page"].exit_status == 200
    assert "getpriority" in {use.name for use in runs["page"].syscalls}, "the server's own call"
    result, made, nowhere = runs["writes"].files
    assert result.digest is not None
    assert result.digest.size == 2  # "0\n"
    assert made.digest is not None
    assert made.digest.size > len("same\n")
    assert nowhere.digest is None


def test_all_is_well_under_the_profile(recorded: Path, cli: Cli) -> None:
    options = ("--profile", recorded / "out/seccomp.json", "--config")
    done = cli(
        *("validate", recorded / "r.json", *options, recorded / "seccomp-synth.toml"),
        *("--mask", "token=.*", "-o", "replay.json", "--format", "json"),
    )
    found = by_subject(findings(done.stdout))
    # noise is said to be noise, masks take it away, and so is what the default refuses as well
    assert found == {"noise": {"SS208"}, "outside": {"SS206"}}


def test_broken_on_purpose(recorded: Path, cli: Cli, tmp_path: Path) -> None:
    text = without(load(recorded / "out/seccomp.json"), "getpriority")
    (tmp_path / "seccomp.json").write_text(text)
    shutil.copy(recorded / "out/capabilities.json", tmp_path)
    options = ("--profile", "seccomp.json", "--config", recorded / "seccomp-synth.toml")
    done = cli(
        *("validate", recorded / "r.json", *options, "--no-attempts"),
        *("--mask", "token=.*", "-o", "replay.json", "--format", "json"),
        status=1,
    )
    found = findings(done.stdout)
    assert by_subject(found, least="error") == {
        "page": {"SS204", "SS207"},
        "strict": {"SS201", "SS204"},
        "fails": {"SS201", "SS204"},
        "swallows": {"SS204", "SS207"},
        "writes": {"SS204", "SS207"},
        # not noticed, but the recording used the call
        "tolerates": {"SS204"},
        "noise": {"SS204"},
        "token": {"SS204"},
        "spins": {"SS201", "SS204"},
    }
    told = {(one.subject, one.id): one.message for one in found}
    assert "stdout differs" in told["page", "SS207"]
    assert "with HTTP status 500" in told["strict", "SS201"]
    assert "/tmp/result differs" in told["writes", "SS207"]
    assert "did not end in time" in told["spins", "SS201"]
    assert "SS206" in by_subject(found)["outside"]
    verdict = judge(load_recording(recorded / "r.json"), load_replay(tmp_path / "replay.json"))
    effects = {
        one.workload: one.effect for one in verdict.denials if one.denial.name == "getpriority"
    }
    assert {name: effects[name] for name in ("fails", "swallows", "tolerates")} == {
        "fails": "failed",
        "swallows": "differs silently",
        "tolerates": "tolerated",
    }
    program = {one.denial.program for one in verdict.denials if one.workload == "fails"}
    assert program == {"nice"}


def test_a_tolerated_call_that_was_not_recorded(recorded: Path, cli: Cli, tmp_path: Path) -> None:
    """A profile of everything but one job refuses that job's call, and it goes on as before."""
    cli("record", DEMO, "-o", "a.json", "--", "sh", "-c", "true")
    cli("synth", "a.json", "-o", "out")
    cli("record", DEMO, "-o", "b.json", "--", "sh", "-c", "nice >/dev/null 2>&1; true")
    options = ("--profile", "out/seccomp.json", "--no-attempts", "--format", "json")
    found = findings(cli("validate", "b.json", *options, status=1).stdout)
    assert by_subject(found, least="error") == {"sh": {"SS204"}}
    assert "not noticed, but the recording used it" in str(found)


def test_a_workload_that_is_down_under_the_default_too(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "here").write_text("")
    mount = ("--mount", f"{folder}:/shared:ro")
    cli("record", DEMO, "-o", "r.json", *mount, "--", "ls", "/shared/here")
    cli("synth", "r.json", "-o", "out")
    (folder / "here").unlink()
    options = ("--profile", "out/seccomp.json", "--no-attempts", "--format", "json")
    done = cli("validate", "r.json", *options, *mount, status=1)
    assert {one.id for one in findings(done.stdout)} == {"SS219"}
