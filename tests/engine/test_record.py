"""``record`` on a real engine: what is inside, what is not, and what it leaves behind."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import BASE, COMMAND, DEMO, Cli, load, names
from tracer.workload import LABEL

pytestmark = pytest.mark.engine

SETUP = {"mount", "pivot_root", "seccomp", "sethostname", "setns", "umount2"}
"""What a runtime calls before the filter is on."""


def traced_names(api: docker.DockerClient, command: list[str]) -> set[str]:
    """Return what strace sees in a container under the same default profile."""
    output = api.containers.run(
        DEMO,
        ["strace", "-f", "-qq", "-e", "signal=none", *command],
        remove=True,
        stdout=False,
        stderr=True,
        network_mode="none",
    )
    text = re.sub(r"^\[pid +\d+\] ", "", output.decode(errors="replace"), flags=re.MULTILINE)
    return set(re.findall(r"^([a-z_0-9]+)\(", text, flags=re.MULTILINE))


@pytest.mark.parametrize(
    "command",
    [
        ["ls", "-la", "/"],
        ["sh", "-c", "ls / | sort | head -n 3"],
        ["python3", "-c", "import threading; threading.Thread(target=print).start()"],
    ],
)
def test_nothing_is_missed_and_nothing_of_the_setup_is_in(
    cli: Cli, tmp_path: Path, api: docker.DockerClient, command: list[str]
) -> None:
    done = cli("record", DEMO, "--network", "none", "-o", "a.json", "--", *command)
    recording = load(tmp_path / "a.json")
    seen = names(recording)
    assert not SETUP & seen
    refused = {one["name"] for run in recording["runs"] for one in run["denials"]}
    traced = traced_names(api, command) - {"restart_syscall"}
    assert traced - seen - refused == set()
    assert names(recording, "workload") - traced <= {"rt_sigreturn"}
    assert "next: seccomp-synth synth a.json -o out/" in done.stderr
    if command[0] == "ls":
        assert "etc" in done.stdout, "what the workload prints is passed through"


def test_a_recording_holds_no_secrets(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "private-folder").mkdir()
    cli(
        *("record", BASE, "-o", "a.json", "-e", "TOKEN=hunter2"),
        *("--mount", "private-folder:/data:ro"),
        *("--", "sh", "-c", "echo $TOKEN; ls /data; sleep 0; : secret-argument"),
    )
    text = (tmp_path / "a.json").read_text()
    assert "TOKEN" in text
    assert "hunter2" not in text
    assert "private-folder" not in text
    assert str(tmp_path) not in text


def test_output_is_not_overwritten(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    done = cli("record", BASE, "-o", "a.json", "--", "true", status=2)
    assert "exists already" in done.stderr
    assert (tmp_path / "a.json").read_text() == "mine"
    cli("record", BASE, "-o", "a.json", "--force", "--", "true")
    assert load(tmp_path / "a.json")["schema"] == "seccomp-synth/recording"


def test_a_failed_workload_is_saved_and_exits_5(cli: Cli, tmp_path: Path) -> None:
    done = cli("record", BASE, "-o", "a.json", "--", "ls", "/nowhere", status=5)
    assert "failed while recording: ls" in done.stderr
    assert load(tmp_path / "a.json")["runs"][0]["outcome"] == "failed"
    cli("synth", "a.json", "-o", "out", status=4)
    cli("record", BASE, "-o", "b.json", "--expect-exit", "2", "--", "ls", "/nowhere")


def test_a_workload_that_does_not_start(cli: Cli, tmp_path: Path) -> None:
    done = cli("record", BASE, "-o", "a.json", "--", "no-such-command", status=5)
    assert "executable file not found" in done.stderr
    assert load(tmp_path / "a.json")["runs"][0]["outcome"] == "not-started"


def test_a_workload_that_takes_too_long(cli: Cli, tmp_path: Path) -> None:
    began = time.monotonic()
    cli("record", BASE, "-o", "a.json", "--timeout", "1", "--", "sleep", "60", status=5)
    assert time.monotonic() - began < 30
    assert load(tmp_path / "a.json")["runs"][0]["outcome"] == "timeout"


def test_an_exec_that_takes_too_long_is_ended_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "seccomp-synth.toml").write_text(
        f"""
        [container]
        image = "{BASE}"
        [[workload]]
        name = "slow"
        run = "sleep 600 | cat"
        mode = "exec"
        timeout = 1
        [[workload]]
        name = "next"
        run = "mkdir /tmp/x"
        mode = "exec"
        """
    )
    began = time.monotonic()
    cli("record", "-o", "a.json", status=5)
    assert time.monotonic() - began < 60
    outcomes = {run["workload"]: run["outcome"] for run in load(tmp_path / "a.json")["runs"]}
    assert outcomes == {"slow": "timeout", "next": "ok", "main": "ok"}


def test_numbers_without_a_name(cli: Cli, tmp_path: Path) -> None:
    """Unassigned numbers are recorded as refused, and no profile opens them."""
    cli("record", BASE, "-o", "a.json", "--", "perl", "-e", "syscall(400); syscall(1000)")
    recording = load(tmp_path / "a.json")
    refused = {(one["name"], one["errno"]) for run in recording["runs"] for one in run["denials"]}
    assert ("#400", 1) in refused
    assert "#400" not in names(recording)
    cli("synth", "a.json", "-o", "out")
    assert "#400" not in (tmp_path / "out/seccomp.json").read_text()


def test_no_such_image(cli: Cli, tmp_path: Path) -> None:
    done = cli("record", "no-such-image:1", "--pull", "never", "--", "true", status=2)
    assert done.stderr.count("\n") == 1
    assert "image not found: no-such-image:1" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_others_are_outside(cli: Cli, tmp_path: Path, api: docker.DockerClient) -> None:
    other = api.containers.run(
        BASE, ["sh", "-c", "while :; do mkdir /x; rmdir /x; done"], detach=True
    )
    try:
        cli("record", BASE, "-o", "a.json", "--", "sh", "-c", "sleep 0.5")
    finally:
        other.remove(force=True)
    assert not {"mkdir", "rmdir"} & names(load(tmp_path / "a.json"))


def test_an_exec_by_others_is_inside(tmp_path: Path, api: docker.DockerClient) -> None:
    recorder = subprocess.Popen(
        [*COMMAND, "record", BASE, "-o", "a.json", "--", "sleep", "4"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    box = wait_for_container(api)
    box.exec_run(["mkdir", "/made-by-exec"])
    assert recorder.wait(60) == 0
    recording = load(tmp_path / "a.json")
    assert "mkdir" in names(recording, "workload")
    assert "execve" in names(recording, "runtime")


def test_project_file_with_both_modes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "seccomp-synth.toml").write_text(
        f"""
        [container]
        image = "{BASE}"
        [[workload]]
        name = "first"
        run = "mkdir /tmp/x"
        repeat = 2
        [[workload]]
        name = "second"
        run = ["sh", "-c", "chown 1 /tmp; exit 3"]
        mode = "exec"
        expected_exit = 3
        """
    )
    cli("record", "-o", "a.json")
    recording = load(tmp_path / "a.json")
    assert [(run["workload"], run["index"]) for run in recording["runs"]] == [
        *(("first", 0), ("first", 1), ("second", 0)),
        ("main", 0),
    ]
    assert "mkdir" in names(recording, "workload", "first")
    assert "mkdir" not in names(recording, "workload", "second")
    assert "fchownat" not in names(recording, "workload", "first")
    (use,) = [use for run in recording["runs"] for use in run["capabilities"]]
    assert (use["name"], use["syscall"], use["program"]) == ("CAP_CHOWN", "fchownat", "chown")


@pytest.mark.parametrize(("listens", "made"), [("trap 'mkdir /x; exit' TERM", True), (":", False)])
def test_how_a_server_stops_belongs_to_it(
    cli: Cli, tmp_path: Path, listens: str, made: bool
) -> None:
    """A container that does not listen is not waited for: engines would take ten seconds."""
    (tmp_path / "seccomp-synth.toml").write_text(
        f"""
        [container]
        image = "{BASE}"
        command = ["sh", "-c", "{listens}; while :; do sleep 0.1; done"]
        [[workload]]
        name = "look"
        run = "true"
        mode = "exec"
        """
    )
    cli("record", "-o", "a.json")
    recording = load(tmp_path / "a.json")
    assert ("mkdir" in names(recording, "workload", "main")) is made
    assert recording["runs"][-1]["duration_ms"] < 8000


def test_refusals_of_the_default_are_recorded(cli: Cli, tmp_path: Path) -> None:
    cli("record", BASE, "-o", "a.json", "--", "sh", "-c", "unshare -U true || true")
    (denial,) = [
        one
        for run in load(tmp_path / "a.json")["runs"]
        for one in run["denials"]
        if one["name"] == "unshare"
    ]
    assert (denial["errno"], denial["program"], denial["phase"]) == (1, "unshare", "workload")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_what_there_is(
    tmp_path: Path, api: docker.DockerClient, number: signal.Signals, cli: Cli
) -> None:
    recorder = subprocess.Popen(
        [*COMMAND, "record", BASE, "-o", "a.json", "--", "sh", "-c", "mkdir /x; sleep 60"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_container(api)
    time.sleep(1)
    recorder.send_signal(number)
    _, stderr = recorder.communicate(timeout=60)
    assert recorder.returncode == 130
    assert "partial" in stderr
    recording = load(tmp_path / "a.json")
    assert recording["partial"]
    assert "mkdir" in names(recording)
    assert "partial" in cli("synth", "a.json", "-o", "out", status=4).stderr


def test_a_killed_recorder_is_cleaned_up_by_the_next(
    tmp_path: Path, api: docker.DockerClient, cli: Cli
) -> None:
    recorder = subprocess.Popen(
        [*COMMAND, "record", BASE, "-o", "a.json", "--", "sleep", "60"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_for_container(api)
    recorder.kill()
    recorder.wait()
    assert len(api.containers.list(filters={"label": LABEL})) == 1
    done = cli("record", BASE, "-o", "b.json", "--", "true")
    assert "removed 1 container(s) that a killed recorder had left" in done.stderr


def test_two_recorders_at_once(tmp_path: Path) -> None:
    recorders = [
        subprocess.Popen(
            [*COMMAND, "record", BASE, "-o", f"{name}.json", "--", name, "/tmp/x"],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for name in ("mkdir", "mkfifo")
    ]
    assert [one.wait(60) for one in recorders] == [0, 0]
    assert "mknodat" not in names(load(tmp_path / "mkdir.json"))
    assert "mkdir" not in names(load(tmp_path / "mkfifo.json"))
    assert "mkdir" in names(load(tmp_path / "mkdir.json"))


def wait_for_container(api: docker.DockerClient) -> docker.models.containers.Container:
    for _ in range(200):
        for box in api.containers.list(filters={"label": LABEL}):
            time.sleep(0.3)
            return box
        time.sleep(0.1)
    raise AssertionError("no container was started")
