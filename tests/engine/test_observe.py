"""Run containers under the observing form of a profile that is too small for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import docker
import pytest

from synth.cli.observe import SEVERITIES
from tests.engine.conftest import BASE, Cli, load

pytestmark = pytest.mark.engine

SCRIPT = "mkdir /tmp/x && rmdir /tmp/x && chown 1 /tmp && echo done"
LOOP = ["sh", "-c", f"while {SCRIPT}; do sleep 0.1; done"]


@pytest.fixture
def small(cli: Cli, tmp_path: Path) -> Path:
    """Return the folder of a profile of ``ls``, with its observing form."""
    cli("record", BASE, "-o", "ls.json", "--", "ls", "/")
    cli("synth", "ls.json", "-o", "out", "--emit", "none")
    cli("observe", "profile", "out/seccomp.json", "-o", "out/observe.json")
    return tmp_path / "out"


def started(api: docker.DockerClient, profile: Path, command: str) -> tuple[int, str]:
    """Return the exit status and output of a command under a profile."""
    box = api.containers.run(
        BASE, ["sh", "-c", command], detach=True, security_opt=[f"seccomp={profile.read_text()}"]
    )
    try:
        status = box.wait(timeout=60)["StatusCode"]
        return status, box.logs().decode()
    finally:
        box.remove(force=True)


def test_what_the_profile_refuses_runs_and_is_named(
    api: docker.DockerClient, cli: Cli, small: Path, tmp_path: Path
) -> None:
    status, output = started(api, small / "seccomp.json", SCRIPT)
    assert status != 0, "the profile is too small, or this test shows nothing"
    assert started(api, small / "observe.json", SCRIPT) == (0, "done\n")
    status, output = started(api, small / "observe.json", "unshare -U true")
    assert status != 0, "what the default refuses stays refused"
    assert "Operation not permitted" in output

    box = api.containers.run(
        BASE,
        LOOP,
        detach=True,
        name="observed",
        security_opt=[f"seccomp={(small / 'observe.json').read_text()}"],
    )
    try:
        cli("record", "--container", "observed", "--for", "3s", "-o", "now.json")
        box.reload()
        assert box.status == "running"
    finally:
        box.remove(force=True)
    under = ("--profile", "out/seccomp.json", "--under", "out/observe.json")
    done = cli("observe", "read", "now.json", *under, status=1)
    for call, program in (("mkdir", "mkdir"), ("rmdir", "rmdir"), ("fchownat", "chown")):
        assert f"{call}() would be refused with" in done.stdout
        assert f" to {program};" in done.stdout
    assert "openat" not in done.stdout
    found = json.loads(
        cli("observe", "read", "now.json", *under, "--format", "json", status=1).stdout
    )
    assert {one["severity"] for one in found["findings"]} <= set(SEVERITIES)
    assert not load(tmp_path / "now.json")["runs"][0]["denials"]
    # what was seen is enough to make the profile that fits
    cli(
        "synth",
        "ls.json",
        "now.json",
        "-o",
        "fitting",
        "--emit",
        "none",
        "--baseline",
        _baseline(small),
    )
    assert (
        "nothing would be refused"
        in cli("observe", "read", "now.json", "--profile", "fitting/seccomp.json").stderr
    )


def test_the_kernel_logs_what_it_lets_through(
    api: docker.DockerClient, cli: Cli, small: Path, tmp_path: Path
) -> None:
    """The log is limited to a few records in some seconds, shared with all else that logs."""
    assert started(api, small / "observe.json", f"{SCRIPT}; sleep 6; {SCRIPT}")[0] == 0
    log = subprocess.run(["dmesg"], capture_output=True, check=True, timeout=60).stdout
    (tmp_path / "dmesg.txt").write_bytes(log)
    print(log.decode()[-3000:])


def _baseline(folder: Path) -> str:
    return str(load(folder / "provenance.json")["baseline"])
