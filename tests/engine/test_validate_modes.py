"""Profiles that are too small repaired, and profiles that are too large made smaller."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.findings import parse_findings
from tests.engine.conftest import BASE, Cli, allowed, load, without

pytestmark = pytest.mark.engine

WORK = "mkdir /tmp/made; nice >/dev/null; chown 1:1 /tmp/made; ls -ldn /tmp/made | cut -c1-20"
REMOVED = ("mkdir", "mkdirat", "getpriority")


def damaged(tmp_path: Path, cli: Cli) -> Path:
    """Record and synthesize, then take away calls and a capability that are needed."""
    cli("record", BASE, "-o", "r.json", "--", "sh", "-c", WORK)
    cli("synth", "r.json", "-o", "out")
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "seccomp.json").write_text(without(load(tmp_path / "out/seccomp.json"), *REMOVED))
    document = load(tmp_path / "out/capabilities.json")
    assert "CAP_CHOWN" in {one["name"] for one in document["cap_add"]}
    document["cap_add"] = [one for one in document["cap_add"] if one["name"] != "CAP_CHOWN"]
    (folder / "capabilities.json").write_text(json.dumps(document))
    return folder / "seccomp.json"


def test_a_broken_profile_is_repaired(tmp_path: Path, cli: Cli) -> None:
    profile = damaged(tmp_path, cli)
    before = profile.read_bytes()
    (tmp_path / "new").mkdir()
    cli("validate", "r.json", "--profile", profile, "--no-attempts", status=1)
    done = cli("validate", "r.json", "--profile", profile, "--repair", "-o", "new/seccomp.json")
    assert profile.read_bytes() == before
    assert '+      "comment": "repair: refused to mkdir in workload sh' in done.stdout
    assert "CAP_CHOWN" in done.stdout
    repaired = allowed(load(tmp_path / "new/seccomp.json"))
    assert repaired - allowed(json.loads(before)) == {"mkdir", "getpriority"}
    granted = load(tmp_path / "new/capabilities.json")["cap_add"]
    assert "CAP_CHOWN" in {one["name"] for one in granted}
    assert granted == load(tmp_path / "out/capabilities.json")["cap_add"]
    cli("validate", "r.json", "--profile", "new/seccomp.json")
    cli("diff", "new/seccomp.json")


def test_what_the_profile_is_not_to_blame_for_is_not_repaired(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "here").write_text("")
    mount = ("--mount", f"{folder}:/shared:ro")
    cli("record", BASE, "-o", "r.json", *mount, "--", "ls", "/shared/here")
    cli("synth", "r.json", "-o", "out")
    (folder / "here").unlink()
    options = ("--profile", "out/seccomp.json", *mount, "--repair", "-o", "new.json")
    done = cli("validate", "r.json", *options, status=1)
    assert "SS804" in done.stdout
    assert not (tmp_path / "new.json").exists()


def test_what_is_not_missed_is_found_by_groups(tmp_path: Path, cli: Cli) -> None:
    cli("record", BASE, "-o", "r.json", "--", "sh", "-c", "ls -la / >/dev/null; nice")
    cli("synth", "r.json", "-o", "out")
    options = ("--profile", "out/seccomp.json", "--minimize", "--max-trials", "200")
    done = cli("validate", "r.json", *options, "-o", "small.json", "--format", "json")
    found = parse_findings(json.loads(done.stdout), where="x")
    (unmissed,) = (one for one in found if one.id == "SS806")
    needed = {one.subject for one in found if one.id == "SS807"}
    assert "getpriority" in needed, "its answer is printed"
    before, after = (allowed(load(tmp_path / name)) for name in ("out/seccomp.json", "small.json"))
    assert before - after == set(unmissed.evidence)
    assert {"execve", "exit_group", "openat", "write", "mmap"} <= after
    assert len(unmissed.evidence) > 30
    trials = int(done.stderr.rpartition("passed ")[2].partition(" of")[0])
    assert trials == 10
    small = ("--profile", "small.json", "--capabilities", "out/capabilities.json")
    cli("validate", "r.json", *small, "--no-attempts", status=1)
    done = cli("validate", "r.json", *small, "--no-attempts", "--tolerant")
    assert "tolerated" in done.stdout


PROJECT = """
[container]
image = {image}
command = ["sleep", "infinity"]

[[workload]]
name = "lists"
run = ["ls", "-la", "/etc"]

[[workload]]
name = "makes"
run = "mkdir /tmp/made && nice >/dev/null"

[[workload]]
name = "looks"
run = ["ls", "/"]
mode = "exec"
"""


def test_what_each_workload_would_lack_without_its_own_recording(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "seccomp-synth.toml").write_text(PROJECT.format(image=json.dumps(BASE)))
    cli("record", "-o", "r.json")
    for form in ((), ("--offline",)):
        done = cli("validate", "r.json", "--cross", *form, "--format", "json")
        rows = {one["workload"]: one for one in json.loads(done.stdout)["rows"]}
        assert rows.keys() == {"lists", "looks", "makes"}
        lacked = {name: {one["name"] for one in row["lacked"]} for name, row in rows.items()}
        # live it shows what it lacks up to where it gives up
        assert ("mkdir" if form else "vfork") in lacked["makes"], form
        assert "getpriority" in rows["makes"]["own"]
        assert not lacked["looks"], form
        assert rows["looks"]["covered"] == 1
    done = cli("validate", "r.json", "--cross")
    assert "vfork" in next(line for line in done.stdout.splitlines() if line.startswith("makes"))
    assert "makes under a profile of the others: failed" in done.stderr
