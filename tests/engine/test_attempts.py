"""The ways out of a container, tried under profiles that are right and wrong on purpose."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from synth.findings import parse_findings
from tests.engine.conftest import Cli, load
from tracer.stub import Call, program

pytestmark = pytest.mark.engine

SCRATCH = "seccomp-synth-scratch-test"


@pytest.fixture
def scratch(api: docker.DockerClient) -> Iterator[str]:
    """An image with nothing in it but a program that gets its process id."""
    content = program([(0, Call("x86_64", 39, ()))])
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        entry = tarfile.TarInfo("program")
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    api.api.import_image_from_data(layer.getvalue(), repository=SCRATCH)
    yield SCRATCH
    api.images.remove(SCRATCH, force=True)


def test_an_empty_image_is_shut_unless_the_profile_opens_it(
    scratch: str, tmp_path: Path, cli: Cli
) -> None:
    cli("record", scratch, "-o", "r.json", "--", "/program")
    cli("synth", "r.json", "-o", "out")
    done = cli("validate", "r.json", "--profile", "out/seccomp.json", "--format", "json")
    found = parse_findings(json.loads(done.stdout), where="validate")
    assert not [one for one in found if one.severity == "error"]
    shut = {one.subject.partition("(")[0] for one in found if one.id == "SS211"}
    assert {"unshare", "mount", "bpf", "socket", "x32 getpid", "x86 socketcall"} <= shut
    assert not [one for one in found if one.id == "SS215"], "nothing is open"

    profile = load(tmp_path / "out/seccomp.json")
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name != "unshare"]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    profile["syscalls"].append({"names": ["unshare"], "action": "SCMP_ACT_ALLOW"})
    (tmp_path / "wide.json").write_text(json.dumps(profile))
    options = ("--profile", "wide.json", "--capabilities", "out/capabilities.json")
    done = cli("validate", "r.json", *options, "--format", "json", status=1)
    found = parse_findings(json.loads(done.stdout), where="validate")
    wider = [one for one in found if one.id == "SS213"]
    assert {one.subject.partition("(")[0] for one in wider} == {"unshare"}
    assert all(one.evidence == ("kernel: EINVAL",) for one in wider), "the kernel saw the call"


COMPOSE = """
services:
  app:
    image: {image}
    read_only: true
    tmpfs: [/tmp]
    network_mode: none
"""


@pytest.mark.parametrize(
    "settings",
    [
        "compose = 'compose.yaml'\nservice = 'app'",
        "image = '{image}'\nuser = '1000:1000'\nno_new_privileges = true",
        "image = '{image}'\ntty = true",
    ],
)
def test_the_container_may_be_strict(scratch: str, tmp_path: Path, cli: Cli, settings: str) -> None:
    """The program gets into a container that is read-only, and is run by whoever the user is."""
    (tmp_path / "compose.yaml").write_text(COMPOSE.format(image=scratch))
    (tmp_path / "seccomp-synth.toml").write_text(
        f"[container]\n{settings.format(image=scratch)}\n"
        '[[workload]]\nname = "own"\nrun = ["/program"]\n'
    )
    cli("record", "-o", "r.json")
    cli("synth", "r.json", "-o", "out")
    done = cli("validate", "r.json", "--profile", "out/seccomp.json", "--format", "json")
    found = parse_findings(json.loads(done.stdout), where="validate")
    shut = {one.subject.partition("(")[0] for one in found if one.id == "SS211"}
    assert {"unshare", "mount", "bpf", "x86 socketcall"} <= shut


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_a_filter_that_kills_shuts(scratch: str, tmp_path: Path, cli: Cli, action: str) -> None:
    cli("record", scratch, "-o", "r.json", "--", "/program")
    cli("synth", "r.json", "-o", "out")
    profile = load(tmp_path / "out/seccomp.json")
    profile["defaultAction"] = action
    profile.pop("defaultErrnoRet", None)
    profile["syscalls"] = [one for one in profile["syscalls"] if one["action"] == "SCMP_ACT_ALLOW"]
    (tmp_path / "out/seccomp.json").write_text(json.dumps(profile))
    done = cli("validate", "r.json", "--profile", "out/seccomp.json", "--format", "json")
    found = parse_findings(json.loads(done.stdout), where="validate")
    shut = [one for one in found if one.id == "SS211"]
    assert shut
    assert {one.message.partition(":")[0] for one in shut} == {"refused with SIGSYS"}
    assert any(one.id == "SS216" for one in found), "each takes a container of its own"
