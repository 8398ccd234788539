"""The project file: what is understood, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.config import capability_names, check_image, load_config, parse_mount, slug
from synth.errors import UsageError

GOOD = """
[container]
image = "debian:bookworm"
user = "1000"
cap_add = ["sys_ptrace"]
environment = {B = "2", A = "1"}
mounts = ["src:/work:ro"]

[[workload]]
name = "tests"
run = "pytest -q"
repeat = 3

[[workload]]
name = "git"
run = ["git", "status"]
mode = "exec"
timeout = 5
expected_exit = 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "seccomp-synth.toml"
    path.write_text(text)
    return path


def test_a_full_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert config.name == slug(tmp_path.name)
    assert config.container.cap_add == ("CAP_SYS_PTRACE",)
    assert config.container.environment == (("A", "1"), ("B", "2"))
    assert config.container.mounts == ((str(tmp_path / "src"), "/work", "ro"),)
    tests, git = config.workloads
    assert tests.command == ("sh", "-c", "pytest -q")
    assert (tests.mode, tests.repeat, tests.expected_exit) == ("run", 3, 0)
    assert git.command == ("git", "status")
    assert (git.mode, git.timeout_s, git.expected_exit) == ("exec", 5.0, 1)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[container]", "[contianer]", "unknown key 'contianer'; did you mean 'container'"),
        ('user = "1000"', "user = 1000", "container.user"),
        ("repeat = 3", "repeat = 0", r"workload.0.repeat"),
        ("repeat = 3", "repeats = 3", "did you mean 'repeat'"),
        ('name = "git"', 'name = "tests"', "two workloads are named 'tests'"),
        ('name = "git"', 'name = "main"', "'main' is the name"),
        ('name = "git"', 'name = "../git"', r"workload.1.name"),
        ('mode = "exec"', 'mode = "spawn"', r"workload.1.mode"),
        ("timeout = 5", "timeout = -1", r"workload.1.timeout"),
        ('"sys_ptrace"', '"sys_ptrac"', "did you mean CAP_SYS_PTRACE"),
        ('"src:/work:ro"', '"/work"', "not a mount"),
        ('"src:/work:ro"', '"src:/work:rx"', "neither ro nor rw"),
        ('A = "1"', '"A=B" = "1"', "not a variable name"),
        ('"debian:bookworm"', '"--privileged"', "not an image name"),
        ('"debian:bookworm"', '"debian bookworm"', "not an image name"),
        ("[container]", "[container", "not valid TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    assert before in GOOD
    with pytest.raises(UsageError, match=complaint):
        load_config(write(tmp_path, GOOD.replace(before, after)))


def test_no_workload_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'workload' is a required property"):
        load_config(write(tmp_path, '[container]\nimage = "x"\n'))


def test_capability_names_are_normalised() -> None:
    assert capability_names(("all", "chown", "CAP_KILL"), "x") == ("ALL", "CAP_CHOWN", "CAP_KILL")


@pytest.mark.parametrize("name", ["-v", "", "a b", "a\nb", "x" * 600, "a;b", "$(x)"])
def test_image_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        check_image(name, "x")


@pytest.mark.parametrize("name", ["debian", "debian:bookworm", "r.example:5000/a/b@sha256:0f"])
def test_image_names_that_are(name: str) -> None:
    assert check_image(name, "x") == name


def test_slug_is_a_safe_file_name() -> None:
    assert slug("../../etc/Cron d") == "etc-cron-d"
    assert slug("...") == "container"
    assert len(slug("x" * 300)) == 64


def test_mount_is_relative_to_the_project(tmp_path: Path) -> None:
    assert parse_mount(".:/src", "x", tmp_path) == (str(tmp_path), "/src", "rw")
