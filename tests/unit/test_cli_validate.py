"""What ``validate`` takes from a recording, and what only from the user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from synth.cli import again, replaying
from synth.errors import UsageError
from synth.model import Container, Profile, Recording, Rule, Workload
from tests import builders


def test_host_paths_and_values_come_from_the_command_line(tmp_path: Path) -> None:
    subject = builders.subject(environment=("TOKEN",), mounts=("/data",))
    recording = builders.recording(subject=subject)
    with pytest.raises(UsageError, match="add -e TOKEN=VALUE"):
        again.container_of(recording, (), ())
    with pytest.raises(UsageError, match="add --mount SRC:/data"):
        again.container_of(recording, ("TOKEN=x",), ())
    container = again.container_of(recording, ("TOKEN=x",), (f"{tmp_path}:/data:ro",))
    assert container.environment == (("TOKEN", "x"),)
    assert container.mounts == ((str(tmp_path), "/data", "ro"),)
    assert container.image == subject.image_digest, "the same image, whatever its name is now"


def test_a_recording_cannot_ask_for_more_than_docker_grants() -> None:
    """The control run gives the container what the recording says that it had."""
    recording = builders.recording(subject=builders.subject(cap_add=("ALL", "CAP_SYS_ADMIN")))
    with pytest.raises(UsageError, match="asks for ALL, CAP_SYS_ADMIN"):
        again.require_consent(recording, ())
    with pytest.raises(UsageError, match="asks for ALL"):
        again.require_consent(recording, ("CAP_SYS_ADMIN",))
    again.require_consent(builders.recording(), ())


@pytest.mark.parametrize("network", ["host", "container:other", "ns:/proc/1/ns/net"])
def test_another_s_network_is_not_joined_on_a_recording_s_word(network: str) -> None:
    recording = builders.recording(subject=builders.subject(network=network))
    with pytest.raises(UsageError) as refused:
        again.container_of(recording, (), ())
    assert refused.value.slug == "foreign-network"
    known = Container("image", network="none")
    assert again.container_of(recording, (), (), known).network == "none"


def test_time_limits_follow_what_the_runs_took() -> None:
    quick = Workload("quick", ("true",), timeout_s=300)
    slow = Workload("slow", ("true",), timeout_s=20)
    main = Workload("main", ("sleep",), mode="main")
    runs = (
        replace(builders.run("quick"), duration_ms=1000.0),
        replace(builders.run("slow"), duration_ms=19_000.0),
        builders.run("main"),
    )
    recording: Recording = builders.recording(*runs, workloads=(quick, slow, main))
    limits = {one.name: one.timeout_s for one in replaying.limited(recording)}
    assert limits == {"quick": 23.0, "slow": 20.0}


def test_every_errno_a_profile_can_answer_is_watched_for() -> None:
    profile = Profile(
        "SCMP_ACT_ERRNO",
        (Rule(("mkdir",), "SCMP_ACT_ERRNO", 13), Rule(("read",), "SCMP_ACT_ALLOW")),
        default_errno=95,
    )
    assert replaying.errnos_of(profile) == {1, 13, 38, 95}
