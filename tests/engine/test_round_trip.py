"""From recording to profile to proof, on a real engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from synth.findings import parse_findings
from tests.engine.conftest import BASE, COMMAND, DEMO, Cli, allowed, load, without

pytestmark = pytest.mark.engine

EXAMPLE = Path(__file__).parents[2] / "profiles" / "python-devcontainer"
STARTS = 20


def run(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        check=True,
        timeout=240,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, recorded and synthesized once."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(EXAMPLE / "seccomp-synth.toml", folder)
    run(folder, "record", "-o", "demo.recording.json")
    run(folder, "synth", "demo.recording.json", "-o", "out")
    return folder


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ls -la /``, recorded and synthesized once, in two tightnesses."""
    return recorded(tmp_path_factory.mktemp("simple"), "ls", "-la", "/")


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a program that can wait."""
    return recorded(tmp_path_factory.mktemp("sleeper"), "sleep", "0.1")


def recorded(folder: Path, *command: str) -> Path:
    run(folder, "record", BASE, "-o", f"{command[0]}.recording.json", "--", *command)
    for tightness in ("portable", "exact"):
        options = ("-o", tightness, "--tightness", tightness)
        run(folder, "synth", f"{command[0]}.recording.json", *options)
    return folder


def test_the_example_passes_under_its_profile(demo: Path, cli: Cli) -> None:
    done = cli("validate", demo / "demo.recording.json", "--profile", demo / "out/seccomp.json")
    passed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("pass ")}
    assert passed == {
        *("tests", "git", "wheel", "http", "chown", "shell", "sqlite", "agent", "files", "main")
    }


def test_the_example_is_small_and_inside_the_default(demo: Path, cli: Cli) -> None:
    profile = load(demo / "out/seccomp.json")
    assert 90 < len(allowed(profile)) < 200
    assert len(profile["syscalls"]) <= 128
    assert all(rule["comment"] for rule in profile["syscalls"])
    done = cli("diff", demo / "out/seccomp.json")
    assert re.search(r"^widened +0$", done.stdout, re.MULTILINE)
    granted = [one["name"] for one in load(demo / "out/capabilities.json")["cap_add"]]
    assert {"CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"} <= set(granted)
    assert "CAP_SYS_ADMIN" not in granted


def test_same_input_same_bytes(demo: Path, cli: Cli, tmp_path: Path) -> None:
    cli("synth", demo / "demo.recording.json", "-o", "again")
    for name in ("seccomp.json", "capabilities.json", "compose.override.yaml", "provenance.json"):
        assert (tmp_path / "again" / name).read_bytes() == (demo / "out" / name).read_bytes()


def broken(demo: Path, tmp_path: Path, *removed: str) -> Path:
    """Write the example's profile without some calls, with its capabilities."""
    (tmp_path / "seccomp.json").write_text(without(load(demo / "out/seccomp.json"), *removed))
    shutil.copy(demo / "out/capabilities.json", tmp_path)
    return tmp_path / "seccomp.json"


def test_without_socket_the_http_workload_fails(demo: Path, tmp_path: Path, cli: Cli) -> None:
    profile = broken(demo, tmp_path, "socket")
    done = cli("validate", demo / "demo.recording.json", "--profile", profile, status=1)
    assert "FAIL  http" in done.stdout
    assert any(
        "http: socket" in line and "refused with" in line for line in done.stdout.splitlines()
    )


def test_without_a_capability_the_chown_workload_fails(
    demo: Path, tmp_path: Path, cli: Cli
) -> None:
    profile = broken(demo, tmp_path)
    document = load(tmp_path / "capabilities.json")
    document["cap_add"] = [one for one in document["cap_add"] if one["name"] != "CAP_CHOWN"]
    (tmp_path / "capabilities.json").write_text(json.dumps(document))
    done = cli("validate", demo / "demo.recording.json", "--profile", profile, status=1)
    assert "FAIL  chown" in done.stdout
    assert "pass  tests" in done.stdout
    assert "CAP_CHOWN is used under the baseline" in done.stdout


def test_mkdir_fails_under_the_profile_of_ls(simple: Path, cli: Cli) -> None:
    cli("record", BASE, "-o", "mkdir.recording.json", "--", "mkdir", "x")
    profile = simple / "portable/seccomp.json"
    done = cli("validate", "mkdir.recording.json", "--profile", profile, status=1)
    assert "FAIL  mkdir" in done.stdout
    assert "mkdir refused with" in done.stdout
    options = ("--profile", profile, "--format", "json")
    document = json.loads(cli("validate", "mkdir.recording.json", *options, status=1).stdout)
    findings = parse_findings(document, where="stdout")
    # SS211 to SS216 are about the attempts to get out
    about = {(one.id, one.subject) for one in findings if one.id < "SS211"}
    assert about == {("SS201", "mkdir"), ("SS204", "mkdir")}


@pytest.mark.parametrize("tightness", ["portable", "exact"])
def test_ls_passes_again(simple: Path, cli: Cli, tightness: str, tmp_path: Path) -> None:
    profile = simple / tightness / "seccomp.json"
    cli("validate", simple / "ls.recording.json", "--profile", profile, "-o", "replay.json")
    replay = load(tmp_path / "replay.json")
    assert replay["runs"][0]["syscalls"], "the kernel saw calls under the filter"


def test_a_failure_that_the_exit_status_hides(cli: Cli, tmp_path: Path) -> None:
    """The script ends with 0 though its mkdir was refused: the output gives it away."""
    script = "mkdir /tmp/made 2>/dev/null; ls /tmp; true"
    cli("record", BASE, "-o", "hidden.recording.json", "--", "sh", "-c", script)
    cli("synth", "hidden.recording.json", "-o", "out")
    text = without(load(tmp_path / "out/seccomp.json"), "mkdir", "mkdirat")
    (tmp_path / "out/seccomp.json").write_text(text)
    done = cli("validate", "hidden.recording.json", "--profile", "out/seccomp.json", status=1)
    assert "FAIL  sh" in done.stdout
    assert "stdout differs" in done.stdout


def test_a_refusal_that_nobody_notices_is_named(cli: Cli, simple: Path, tmp_path: Path) -> None:
    text = without(load(simple / "portable/seccomp.json"), "set_robust_list")
    (tmp_path / "seccomp.json").write_text(text)
    done = cli("validate", simple / "ls.recording.json", "--profile", "seccomp.json", status=1)
    assert "set_robust_list refused with" in done.stdout


def test_a_wedged_runtime_is_ended(cli: Cli, simple: Path, tmp_path: Path) -> None:
    """Without these ``runc init`` fails, cannot end, and fills a pipe for ever."""
    text = without(load(simple / "exact/seccomp.json"), "futex", "write", "exit_group", "exit")
    (tmp_path / "seccomp.json").write_text(text)
    done = cli("validate", simple / "ls.recording.json", "--profile", "seccomp.json", status=1)
    assert "did not start" in done.stdout
    assert "(the container runtime)" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "null",
        '{"syscalls": []}',
        '{"defaultActoin": "SCMP_ACT_ERRNO"}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["opennat"], '
        '"action": "SCMP_ACT_ALLOW"}]}',
    ],
)
def test_a_profile_that_would_not_be_in_force(
    cli: Cli, simple: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "seccomp.json").write_text(text)
    recording = simple / "ls.recording.json"
    done = cli("validate", recording, "--profile", "seccomp.json", status=4)
    assert done.stderr.count("\n") <= 2  # a warning about capabilities.json, and the error


# What must stay shut: tried with raw system calls from inside.
ESCAPES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_ulong(one) for one in arguments])
    return "ok" if result >= 0 else ctypes.get_errno()
print("AF_INET", call(41, 2, 1, 0))
print("AF_ALG", call(41, 38, 5, 0))
print("AF_VSOCK", call(41, 40, 1, 0))
print("AF_VSOCK-high-word", call(41, 0x100000028, 1, 0))
print("AF_PACKET", call(41, 17, 3, 0))
print("clone-NEWUSER", call(56, 0x10000000 | 17, 0, 0, 0, 0))
print("clone-NEWNET", call(56, 0x40000000 | 17, 0, 0, 0, 0))
print("clone3", call(435, 0, 0))
print("unshare", call(272, 0x10000000))
print("keyctl", call(250, 0, 0))
print("bpf", call(321, 0, 0, 0))
print("mount", call(165, 0, 0, 0, 0, 0))
print("userfaultfd", call(323, 0))
print("io_uring_setup", call(425, 1, 0))
"""


def test_what_must_stay_shut(demo: Path, api: docker.DockerClient) -> None:
    output = api.containers.run(
        DEMO,
        ["python3", "-c", ESCAPES],
        remove=True,
        user="root",
        cap_drop=["ALL"],
        cap_add=[one["name"] for one in load(demo / "out/capabilities.json")["cap_add"]],
        security_opt=[f"seccomp={(demo / 'out/seccomp.json').read_text()}"],
    )
    answers = dict(line.split() for line in output.decode().splitlines())
    assert answers.pop("AF_INET") == "ok"
    assert answers.pop("clone3") == "38", "ENOSYS, so that threads start with clone"
    assert "ok" not in answers.values()
    for name in ("AF_ALG", "AF_VSOCK", "clone-NEWUSER", "clone-NEWNET", "unshare", "keyctl", "bpf"):
        assert answers[name] == "1", name


WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tty": {"tty": True},
    "user": {"user": "1000"},
    "cap-drop-all": {"cap_drop": ["ALL"]},
    "no-new-privileges": {"security_opt": ["no-new-privileges"]},
}


def options_of(way: str, profile: Path) -> dict[str, Any]:
    options = dict(WAYS[way])
    text = f"seccomp={(profile / 'seccomp.json').read_text()}"
    return {**options, "security_opt": [*options.get("security_opt", ()), text]}


@pytest.mark.parametrize("tightness", ["exact", "portable"])
@pytest.mark.parametrize("way", WAYS)
def test_containers_start_every_time(
    api: docker.DockerClient, simple: Path, way: str, tightness: str
) -> None:
    """Twenty of twenty: the runtime needs some calls in one start of ten only."""
    box = api.containers.create(BASE, ["ls", "/"], **options_of(way, simple / tightness))
    try:
        statuses = []
        for number in range(STARTS):
            (box.restart if number % 2 else box.start)()
            statuses.append(box.wait(timeout=60)["StatusCode"])
    finally:
        box.remove(force=True)
    assert statuses == [0] * STARTS


@pytest.mark.parametrize("tightness", ["exact", "portable"])
@pytest.mark.parametrize("way", ["plain", "user", "no-new-privileges"])
def test_exec_works_every_time(
    api: docker.DockerClient, sleeper: Path, way: str, tightness: str
) -> None:
    options = options_of(way, sleeper / tightness)
    box = api.containers.run(BASE, ["sleep", "600"], detach=True, **options)
    try:
        statuses = [
            box.exec_run(["sleep", "0"], tty=number % 2 == 0, user="1000").exit_code
            for number in range(STARTS)
        ]
    finally:
        box.remove(force=True)
    assert statuses == [0] * STARTS


def test_a_recording_that_needs_values_asks_for_them(cli: Cli) -> None:
    cli("record", BASE, "-o", "a.json", "-e", "A=1", "--", "sh", "-c", "echo $A")
    cli("synth", "a.json", "-o", "out")
    done = cli("validate", "a.json", "--profile", "out/seccomp.json", status=2)
    assert "add -e A=VALUE" in done.stderr
    cli("validate", "a.json", "--profile", "out/seccomp.json", "-e", "A=1")


def test_doctor_finds_everything(cli: Cli) -> None:
    done = cli("doctor")
    assert "missing" not in done.stdout
    assert "9 of 9 attach" in done.stdout or "capability uses: not recorded" in done.stdout


def test_doctor_without_an_engine(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    done = cli("doctor", status=3)
    assert "there is no such socket" in done.stdout
    assert "-> start docker" in done.stdout


@pytest.mark.parametrize("url", ["tcp://192.0.2.1:2375", "ssh://user@host"])
def test_a_remote_engine_is_refused(url: str, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    done = cli("record", BASE, "--", "true", status=3)
    assert "is not on this host" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_pure_commands_need_no_engine(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, simple: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    cli("synth", simple / "ls.recording.json", "-o", "out")
    cli("diff", "out/seccomp.json")
    code = "import sys; from synth.cli.main import cli; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
