"""Check that baselines say what the engines' own files say, and that the right one is picked."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from synth.baseline import available, for_engine, load_baseline, newest, parse_baseline
from synth.errors import DataError, UsageError
from synth.files import parse_json
from synth.model import Profile, Target
from synth.profile import dump_profile, parse_profile, resolve
from synth.profile_problems import Problem
from synth.profile_reader import ProfileReader
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES, SCMP_ARCHES, syscall_names

REPO = Path(__file__).resolve().parents[2]
UPSTREAM = REPO.parent / "shared" / "upstream"

UPSTREAM_FILES = {
    "docker-20.10": "moby/docker-20.10.27.json",
    "docker-20.10-debian": "moby/debian-docker.io-20.10.24+dfsg1.json",
    "docker-23.0": "moby/docker-23.0.15.json",
    "docker-24.0": "moby/docker-24.0.9.json",
    "docker-25.0": "moby/docker-25.0.5.json",
    "moby-profiles-0.1.0": "moby/moby-profiles-0.1.0.json",
    "moby-profiles-0.2.0": "moby/moby-profiles-0.2.0.json",
    "moby-profiles-0.2.3": "moby/moby-profiles-0.2.3.json",
    "podman-4.3": "containers-common-0.50.1.json",
}

TARGETS = [
    Target(arch, DOCKER_DEFAULT_CAPABILITIES | more, kernel)
    for arch in SCMP_ARCHES
    for more in (
        frozenset[str](),
        frozenset({"CAP_SYS_ADMIN"}),
        frozenset({"CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYSLOG"}),
        frozenset(CAPABILITIES),
    )
    for kernel in ((4, 7), (4, 8), (6, 12))
]


def refuse(problem: Problem) -> None:
    raise problem.error("upstream")


def test_every_baseline_is_known_here() -> None:
    assert available() == tuple(UPSTREAM_FILES)


@pytest.mark.parametrize("name", UPSTREAM_FILES)
@pytest.mark.skipif(not UPSTREAM.exists(), reason="needs the engines' own files")
def test_a_baseline_allows_what_the_engines_file_allows(name: str) -> None:
    path = UPSTREAM / UPSTREAM_FILES[name]
    baseline = load_baseline(name)
    assert dict(baseline.source)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    document = parse_json(path.read_bytes(), where=name)
    # as the engine reads it: the first of two contradicting rules wins
    original = ProfileReader(baseline.engine, refuse).profile(document)
    for target in TARGETS:
        ours, theirs = resolve(baseline.profile, target), resolve(original, target)
        assert ours.default == theirs.default
        assert ours.architectures == theirs.architectures
        assert ours.names() == theirs.names()
        for syscall in sorted(theirs.names() | syscall_names(target.arch)):
            assert ours.allowed(syscall) == theirs.allowed(syscall)
            assert ours.refusal(syscall) == theirs.refusal(syscall)


@pytest.mark.parametrize("name", UPSTREAM_FILES)
def test_a_baseline_is_a_profile_like_any_other(name: str) -> None:
    profile = load_baseline(name).profile
    again = parse_profile(json.loads(dump_profile(profile)), where=name)
    assert again == profile
    assert len(profile.rules) < 40


def test_known_facts_of_dockers_defaults() -> None:
    def names(name: str, *more: str) -> frozenset[str]:
        target = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES | set(more), (6, 1))
        return resolve(load_baseline(name).profile, target).names()

    assert "io_uring_setup" in names("docker-24.0")
    assert "io_uring_setup" not in names("docker-25.0")
    assert "mount" not in names("docker-25.0")
    assert "mount" in names("docker-25.0", "CAP_SYS_ADMIN")
    assert "mseal" in names("moby-profiles-0.2.3")
    assert "mseal" not in names("docker-25.0")
    assert "name_to_handle_at" in names("docker-20.10")
    assert "name_to_handle_at" not in names("docker-20.10-debian")
    assert "name_to_handle_at" in names("docker-20.10-debian", "CAP_SYS_ADMIN")


VERSIONS = [
    ("20.10.24+dfsg1", "docker-20.10-debian", True),
    ("20.10.5+dfsg1", "docker-20.10-debian", False),
    ("20.10.24", "docker-20.10", True),
    ("v23.0.1", "docker-23.0", True),
    ("24.0.7", "docker-24.0", True),
    ("25.0.0", "docker-25.0", True),
    ("26.1.5+dfsg1", "docker-25.0", True),
    ("28.1.1", "docker-25.0", True),
    ("28.1.99", "docker-25.0", True),
    ("28.2.0", "moby-profiles-0.1.0", True),
    ("28.5.2", "moby-profiles-0.1.0", True),
    ("20.10.24+dfsg1-1+deb12u1", "docker-20.10-debian", False),
    ("22.06.0-beta.0", "docker-20.10", True),
    ("29.0.0-rc.1", "moby-profiles-0.1.0", True),
    ("31.0", "moby-profiles-0.2.3", False),
    ("19.03.5", "docker-20.10", False),
    ("dev", "moby-profiles-0.2.3", False),
    ("", "moby-profiles-0.2.3", False),
    ("9" * 5000, "moby-profiles-0.2.3", False),
]


@pytest.mark.parametrize(("version", "name", "exact"), VERSIONS)
def test_an_engine_version_picks_its_default(version: str, name: str, exact: bool) -> None:
    found = for_engine("docker", version)
    assert (found.name, found.exact) == (name, exact)


def test_an_engine_without_baselines_gets_dockers_newest_and_is_told() -> None:
    found = for_engine("containerd", "1.7")
    assert (found.name, found.exact) == (newest().name, False)


def test_podman_picks_its_own_default() -> None:
    for version, exact in (("4.3.1", True), ("4.9.3", False), ("5.4.0", False), ("3.0", False)):
        found = for_engine("podman", version)
        assert (found.name, found.exact) == ("podman-4.3", exact)


def test_the_newest_is_the_last() -> None:
    assert newest().name == "moby-profiles-0.2.3"
    assert newest().exact
    assert isinstance(newest().profile, Profile)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"docker-25\.0"):
        load_baseline("docker-99")


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other"},
        {"schema_version": "2.0.0"},
        {"extra": 1},
        {"versions": "x"},
        {"syscalls": {"read": []}},
        {"syscalls": {"read": [{"action": "ALLOW"}]}},
        {"syscalls": {"read": [{"action": "SCMP_ACT_ALLOW", "when": []}]}},
        {"default": {"action": "SCMP_ACT_ERRNO", "errno": 0}},
    ],
)
def test_a_malformed_baseline_is_refused(change: dict[str, Any]) -> None:
    document = json.loads((REPO / "baselines" / "docker-25.0.json").read_text())
    assert parse_baseline(copy.deepcopy(document)).name == "docker-25.0"
    with pytest.raises(DataError, match="not a baseline"):
        parse_baseline(document | change)
