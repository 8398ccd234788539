"""Compare our baselines with what a real engine applies."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from synth.model import Target
from synth.oci import to_oci
from synth.profile import dump_profile, load_profile
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from tests.engine.conftest import BASE, Cli
from tracer.applied import applied_filter
from tracer.workload import LABEL, owner


@pytest.fixture
def running(api: docker.DockerClient) -> Iterator[docker.models.containers.Container]:
    box = api.containers.run(BASE, ["sleep", "60"], detach=True, labels={LABEL: owner()})
    box.reload()
    yield box
    box.remove(force=True)


def test_the_engine_applies_the_baseline_we_take_for_it(cli: Cli) -> None:
    done = cli("baseline", "verify", "--image", BASE, "--output", "json")
    found = json.loads(done.stdout)
    assert found["same"] and found["known"]
    assert found["allowed_by_engine_only"] == found["allowed_by_baseline_only"] == []


def test_another_baseline_is_told_apart_by_calls(cli: Cli) -> None:
    done = cli("baseline", "verify", "--image", BASE, "--name", "moby-profiles-0.2.3", status=1)
    assert "only the engine allows io_uring_setup(" in done.stdout
    assert "only the baseline allows cachestat(" in done.stdout


def test_what_was_applied_is_of_this_container(
    running: docker.models.containers.Container,
) -> None:
    assert running.id
    pid = running.attrs["State"]["Pid"]
    applied = applied_filter(running.id, pid)
    assert applied.capabilities == DOCKER_DEFAULT_CAPABILITIES
    assert applied.seccomp["defaultAction"] == "SCMP_ACT_ERRNO"


def test_runc_loads_the_resolved_form(tmp_path: Path, api: docker.DockerClient) -> None:
    """runc itself gets the resolved form of Docker's default: calls answer as under Docker."""
    root = tmp_path / "bundle" / "rootfs"
    root.mkdir(parents=True)
    box = api.containers.create(BASE, ["true"], labels={LABEL: owner()})
    try:
        archive = tmp_path / "root.tar"
        with archive.open("wb") as stream:
            for piece in box.export():
                stream.write(piece)
    finally:
        box.remove(force=True)
    subprocess.run(["tar", "-xf", archive, "-C", root], check=True, timeout=120)
    bundle = root.parent
    subprocess.run(["runc", "spec"], cwd=bundle, check=True, timeout=30)
    config = json.loads((bundle / "config.json").read_text())
    source = tmp_path / "docker.json"
    from synth.baseline import load_baseline

    source.write_text(dump_profile(load_baseline("docker-25.0").profile))
    target = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
    text = dump_profile(to_oci(load_profile(source), target), "oci")
    config["linux"]["seccomp"] = json.loads(text)
    config["process"]["terminal"] = False
    config["process"].pop("rlimits", None)
    config["linux"]["cgroupsPath"] = f"/seccomp-synth-test-{uuid.uuid4().hex[:8]}"
    config["process"]["args"] = [
        "sh",
        "-c",
        "grep Seccomp: /proc/self/status; unshare -r true 2>&1; echo done",
    ]
    (bundle / "config.json").write_text(json.dumps(config))
    name = f"seccomp-synth-{uuid.uuid4().hex[:8]}"
    try:
        done = subprocess.run(
            ["runc", "--root", tmp_path / "state", "run", name],
            cwd=bundle,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        subprocess.run(
            ["runc", "--root", tmp_path / "state", "delete", "-f", name],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Seccomp:\t2" in done.stdout
    assert "Operation not permitted" in done.stdout
    assert "done" in done.stdout
