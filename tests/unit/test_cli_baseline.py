"""Check the commands on default profiles; ``verify`` is tested with an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synth.baseline import available, load_baseline, parse_baseline
from synth.baseline_import import Source, import_baseline, without_dead
from synth.cli.main import cli
from synth.errors import DataError, HostError, UsageError
from synth.model import Profile, Rule, Target
from synth.profile import dump_profile, parse_profile, resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from tracer.applied import applied_filter

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(
        cli, ["baseline", *(str(one) for one in arguments)], standalone_mode=False
    )


def test_list_names_all() -> None:
    text = run("list").output
    assert [line.split()[0] for line in text.splitlines()] == list(available())
    found = json.loads(run("list", "--output", "json").output)
    assert [one["name"] for one in found["baselines"]] == list(available())


def test_show_writes_a_profile_and_says_what_was_left_out() -> None:
    document = json.loads(run("show", "docker-25.0", "--output", "json").output)
    assert parse_profile(document, where="x") == load_baseline("docker-25.0").profile
    assert "setns" in run("show", "podman-4.3").output
    assert isinstance(run("show", "none").exception, UsageError)


def test_import_writes_what_the_file_says(tmp_path: Path) -> None:
    profile = load_baseline("docker-25.0").profile
    (tmp_path / "in.json").write_text(dump_profile(profile))
    options = ["import", tmp_path / "in.json", "--name", "mine", "--source", "a/b"]
    output = tmp_path / "out.json"
    done = run(*options, "--versions", ">=30", "-o", output)
    assert done.exception is None
    made = parse_baseline(json.loads(output.read_text()))
    assert made.profile == profile
    assert made.versions == (">=30",)
    assert isinstance(run(*options, "-o", output).exception, UsageError)
    options[3] = "../mine"
    assert isinstance(run(*options, "-o", tmp_path / "x.json").exception, UsageError)


def test_import_refuses_what_a_baseline_cannot_hold() -> None:
    def made(document: dict[str, Any]) -> str:
        content = json.dumps({"defaultAction": ERRNO, **document}).encode()
        source = Source("a", "b", "c")
        return import_baseline(
            content, name="x", engine="docker", order=0, versions=(), source=source, where="x"
        ).text

    assert '"read"' in made({"syscalls": [{"names": ["read"], "action": ALLOW}]})
    for document in (
        {"architectures": ["SCMP_ARCH_X86"]},
        {"syscalls": [{"names": ["raed"], "action": ALLOW}]},
        {"defaultErrno": "EPERM"},
    ):
        with pytest.raises(DataError):
            made(document)


def test_only_rules_that_never_win_are_left_out() -> None:
    first, later = Rule(("read", "setns"), ALLOW), Rule(("setns", "bpf"), ERRNO, 1)
    kept, notes = without_dead(Profile(ERRNO, (first, later), 38))
    assert kept.rules == (first, Rule(("bpf",), ERRNO, 1))
    assert notes[0].startswith("setns: ")
    # the first one equals the default: runtimes skip it, and the second is in force
    profile = Profile(ERRNO, (Rule(("read",), ERRNO, 38), Rule(("read",), ALLOW)), 38)
    assert without_dead(profile) == (profile, ())


def test_podman_lets_setns_through() -> None:
    """Podman 4.3.1 with this file answers EBADF to setns(-1, 0), and EPERM to bpf."""
    target = Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
    resolved = resolve(load_baseline("podman-4.3").profile, target)
    assert resolved.allowed("setns")
    assert not resolved.allowed("bpf")
    assert resolved.refusal("bpf").errno == 1
    assert resolved.default.errno == 38


def test_an_applied_filter_that_cannot_be_found_is_said() -> None:
    with pytest.raises(HostError, match="cannot tell what the engine applied, because"):
        applied_filter("0" * 64, 0)
