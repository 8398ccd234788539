"""Check the commands of ``observe`` on files; what runs under them is tested with an engine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synth.cli.main import cli
from synth.errors import DataError, UsageError
from synth.model import Health
from synth.profile import load_profile
from synth.recording import dump_recording
from tests import builders
from tests.unit.test_audit import REAL, line

EXAMPLE = Path(__file__).parents[2] / "profiles" / "memcached"


def run(*arguments: object, stdin: bytes = b"") -> Any:
    typed = ["observe", *(str(one) for one in arguments)]
    result = CliRunner().invoke(cli, typed, standalone_mode=False, input=stdin)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("seccomp.json", "capabilities.json", "provenance.json"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_form_is_written_and_the_next_lines_are_said(folder: Path) -> None:
    result = run("profile", "seccomp.json", "-o", "observe.json")
    assert result.return_value == 0
    assert "docker-20.10-debian allows and the profile refuses" in result.stderr
    assert "seccomp-synth record --container NAME" in result.stderr
    assert "observe read - --profile seccomp.json --under observe.json" in result.stderr
    made = load_profile(folder / "observe.json")
    assert {rule.action for rule in made.rules} >= {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG"}
    assert made.default_action == "SCMP_ACT_ERRNO"
    with pytest.raises(UsageError, match="exist"):
        run("profile", "seccomp.json", "-o", "observe.json")
    first = (folder / "observe.json").read_bytes()
    run("profile", "seccomp.json", "-o", "observe.json", "--force")
    assert (folder / "observe.json").read_bytes() == first


def test_it_follows_the_baseline_and_says_when_it_guesses(folder: Path) -> None:
    result = run("profile", "seccomp.json", "-o", "a.json", "--baseline", "docker-25.0")
    assert "docker-25.0 allows" in result.stderr
    (folder / "provenance.json").unlink()
    assert "the newest default known" in run("profile", "seccomp.json", "-o", "b.json").stderr
    (folder / "provenance.json").write_text('{"baseline": "../x"}')
    with pytest.raises(DataError, match="--baseline"):
        run("profile", "seccomp.json", "-o", "c.json")


def test_the_resolved_form_has_no_key_of_dockers(folder: Path) -> None:
    run("profile", "seccomp.json", "-o", "oci.json", "--oci")
    assert "comment" not in (folder / "oci.json").read_text()
    load_profile(folder / "oci.json", "oci")


def test_a_form_has_no_form(folder: Path) -> None:
    run("profile", "seccomp.json", "-o", "observe.json")
    with pytest.raises(DataError, match="logs already"):
        run("profile", "observe.json", "-o", "again.json", "--baseline", "docker-25.0")


def test_a_log_from_standard_input(folder: Path) -> None:
    result = run("read", "-", "--profile", "seccomp.json", stdin=b"\n".join(REAL))
    assert result.return_value == 1
    assert "error[SS701] rmdir: would be refused with" in result.stdout
    assert "rmdir (/usr/bin/rmdir): 1" in result.stdout
    assert "warning[SS704] log: the kernel did not write 14 records" in result.stdout
    assert "\x1b" not in result.stdout
    assert "next, as root: seccomp-synth record --container" in result.stderr
    form = run("read", "-", "--profile", "seccomp.json", "--format", "json", stdin=REAL[-1])
    found = json.loads(form.stdout)["findings"]
    assert [one["id"] for one in found] == ["SS703" if form.return_value == 0 else "SS701"]


def test_only_allowed_calls_are_a_yes(folder: Path) -> None:
    result = run("read", "-", "--profile", "seccomp.json", stdin=line(call=0))
    assert result.return_value == 0
    assert "nothing would be refused" in result.stderr
    assert "next: seccomp-synth check --profile seccomp.json" in result.stderr


def test_the_form_decides_what_arguments_would(folder: Path) -> None:
    run("profile", "seccomp.json", "-o", "observe.json")
    result = run("read", "-", "--profile", "seccomp.json", stdin=line(call=41))
    assert (result.return_value, "SS702" in result.stdout) == (1, True)
    under = ("--under", "observe.json")
    result = run("read", "-", "--profile", "seccomp.json", *under, stdin=line(call=41))
    assert (result.return_value, "SS701" in result.stdout) == (1, True)


@pytest.mark.parametrize("text", [b"", b"hello\n", os.urandom(4000), b"\n".join(REAL[:3])])
def test_a_log_without_a_record_proves_nothing(folder: Path, text: bytes) -> None:
    (folder / "log").write_bytes(text)
    with pytest.raises(DataError) as refused:
        run("read", "log", "--profile", "seccomp.json")
    assert refused.value.slug == "no-records"


def test_a_pipe_and_no_device(folder: Path) -> None:
    read, write = os.pipe()
    os.write(write, line(call=84))
    os.close(write)
    try:
        assert run("read", f"/dev/fd/{read}", "--profile", "seccomp.json").return_value == 1
    finally:
        os.close(read)
    for path, slug in (("/dev/zero", "not-a-file"), (".", "not-a-file"), ("no", "no-such-file")):
        with pytest.raises((DataError, UsageError)) as refused:
            run("read", path, "--profile", "seccomp.json")
        assert refused.value.slug == slug
    with pytest.raises(UsageError, match="once"):
        run("read", "-", "-", "--profile", "seccomp.json")


def test_recordings_are_held_against_the_profile(folder: Path) -> None:
    calls = [builders.call("mount", "mount"), builders.call("read")]
    bad = builders.recording(builders.run("web", calls))
    (folder / "bad.json").write_text(dump_recording(bad))
    result = run("read", "bad.json", "--profile", "seccomp.json")
    assert result.return_value == 1
    assert "error[SS217] web: mount() would be refused with EPERM to mount" in result.stdout
    good = builders.recording(builders.run("web", ["read"]), health=Health(("lost\x1b[1m",)))
    (folder / "good.json").write_text(dump_recording(good))
    result = run("read", "good.json", "--profile", "seccomp.json")
    assert result.return_value == 0
    assert "warning[SS704] good.json: lost" in result.stdout
    assert "\x1b" not in result.stdout
