"""The worked examples: real servers, recorded, proven and restarted under what comes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import docker
import pytest

from scripts.servers import EXAMPLES, PROFILES, SERVERS, BrokenError, restart, started, works
from tests.engine.conftest import Cli, load, without

pytestmark = [pytest.mark.engine, pytest.mark.servers]

SCRIPT = PROFILES.parent / "scripts" / "example-image"


def image(name: str) -> None:
    """Put an example's image into the engine; made from packages if it is not in the cache."""
    subprocess.run([SCRIPT, name], check=True, capture_output=True, timeout=600)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_recorded_proven_and_restarted(
    name: str, cli: Cli, tmp_path: Path, api: docker.DockerClient
) -> None:
    if name in SERVERS:
        image(name)
    project = ("--config", PROFILES / name / "seccomp-synth.toml")
    cli("record", *project, "-o", "a.json")
    recording = load(tmp_path / "a.json")
    assert {run["outcome"] for run in recording["runs"]} == {"ok"}
    cli("synth", "a.json", "-o", "out")
    validate = ("validate", "a.json", *project, "--profile", "out/seccomp.json", "-o", "b.json")
    done = cli(*validate)
    assert f"{len({run['workload'] for run in recording['runs']})} passed, 0 failed" in done.stdout
    assert "FAIL" not in done.stdout
    runs = load(tmp_path / "b.json")
    assert len(runs["runs"]) == len(runs["controls"]) == 2 * len(recording["runs"])
    committed = PROFILES / name / "seccomp.json"
    cli("check", "--recording", "a.json", "--profile", committed)
    if name in SERVERS:
        with started(api, name, tmp_path / "out") as box:
            works(box, name)
            restart(box, name)


@pytest.mark.timeout(1200)
def test_a_profile_without_what_a_server_needs_is_found_out(
    cli: Cli, tmp_path: Path, api: docker.DockerClient
) -> None:
    """The proof above can fail, and so can the restart."""
    image("go")
    project = ("--config", PROFILES / "go" / "seccomp-synth.toml")
    cli("record", *project, "-o", "a.json")
    cli("synth", "a.json", "-o", "out")
    profile = load(tmp_path / "out/seccomp.json")
    (tmp_path / "out/seccomp.json").write_text(without(profile, "listen"))
    validate = ("validate", "a.json", *project, "--no-attempts", "--repeat", "1")
    done = cli(*validate, "--profile", "out/seccomp.json", status=1)
    assert "listen refused with" in done.stdout
    assert "FAIL  main" in done.stdout
    assert "FAIL  page" in done.stdout
    with started(api, "go", tmp_path / "out") as box, pytest.raises(BrokenError):
        works(box, "go")
