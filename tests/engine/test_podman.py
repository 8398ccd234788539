"""Podman as the engine, with both runtimes: record, exec, validate, and what it refuses.

Each test runs in a Podman of its own (``scripts/private-podman``), so that nothing is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.engine.conftest import BASE, COMMAND, load, names, without
from tests.engine.test_scripts import traces

pytestmark = pytest.mark.engine

SCRIPT = Path(__file__).parents[2] / "scripts" / "private-podman"
CACHE = Path(os.environ.get("SECCOMP_SYNTH_CACHE", "/var/cache/seccomp-synth"))
SYNTH = " ".join(COMMAND)
RUNTIMES = ["crun", "runc"]

# What each runtime calls between its filter and the workload.
STARTS = {
    "crun": {
        *("capset", "close", "execve", "prctl", "pselect6", "read", "rt_sigaction"),
        *("rt_sigprocmask", "setresgid", "setresuid", "write"),
    },
    "runc": {
        *("capget", "capset", "chdir", "close", "epoll_ctl", "execve", "faccessat2", "fcntl"),
        *("fstat", "fstatfs", "futex", "getcwd", "getdents64", "getpid", "getppid", "newfstatat"),
        *("openat", "prctl", "read", "setgid", "setgroups", "setuid", "write"),
    },
}
EXECS = {
    "crun": {"fchown", "ioctl", "setgroups", "statx", "umask"},
    "runc": {"epoll_ctl", "faccessat2", "fstatfs", "setgroups"},
}
SOMETIMES = {"rt_sigreturn", "sched_yield", "nanosleep", "tgkill", "epoll_pwait", "madvise"}

Inside = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, with the base image in it."""
    folder = tmp_path_factory.mktemp("podman")
    archive = next(iter(sorted(CACHE.glob("base-*.tar"))))
    subprocess.run(
        [SCRIPT, folder, "--", "podman", "import", "-q", archive, BASE],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


@pytest.fixture
def inside(state: Path, tmp_path: Path) -> Inside:
    """Run a shell script with a private Podman; no container and no file may be left at its end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o1777)

    def run(
        script: str, status: int = 0, left: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        check = 'test -z "$(podman ps -aq)" || { podman ps -a >&2; exit 99; }'
        # the service's own shell removes its folder a moment after us
        gone = "ls -d /run/seccomp-synth-* >/dev/null 2>&1 || break; sleep 0.1"
        check += f"; for i in $(seq 30); do {gone}; done"
        check += "; ! ls -d /run/seccomp-synth-* 2>/dev/null || exit 98"
        done = subprocess.run(
            [SCRIPT, state, "--", "sh", "-c", f"{script}\nstatus=$?\n{check}\nexit $status"],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == status, f"{script}: {done.returncode}\n{done.stderr}{done.stdout}"
        assert [one.name for one in temporary.iterdir()] == [*left]
        return done

    return run


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_recording_names_engine_and_runtime_and_has_its_calls(
    inside: Inside, tmp_path: Path, runtime: str
) -> None:
    options = f"--engine podman --runtime {runtime}"
    done = inside(f"{SYNTH} record {BASE} {options} -o a.json -- ls -la /")
    assert "etc" in done.stdout
    recording = load(tmp_path / "a.json")
    host = recording["host"]
    assert (host["engine"], host["runtime"]) == ("podman", runtime)
    assert host["engine_version"][0].isdigit()
    assert host["runtime_version"][0].isdigit()
    assert recording["health"]["problems"] == []
    (note,) = recording["health"]["notes"]  # the private Podman is in one
    assert "PID namespace of its own" in note
    seen = names(recording, "runtime")
    assert seen - SOMETIMES == STARTS[runtime]
    workload = names(recording, "workload")
    assert {"brk", "getdents64", "mmap", "openat", "statx", "write"} <= workload
    assert not {"mount", "pivot_root", "setns", "seccomp", "prctl"} & workload


# Within the private mounts: a host that has cgroup v2 alone (whose controllers v1 may have here).
UNIFIED = """
    for one in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/self/mounts | sort -r); do umount $one; done
    umount /sys/fs/cgroup 2>/dev/null
    mount -t cgroup2 none /sys/fs/cgroup || exit
    awk 'NR > 1 {$2 = 0} {print}' /proc/cgroups >cgroups && mount --bind cgroups /proc/cgroups
    sed -i 's/^log_driver.*/&\\npids_limit = 0/' /etc/containers/containers.conf
"""


def test_a_host_with_the_unified_hierarchy_alone(inside: Inside, tmp_path: Path) -> None:
    """With runc: on cgroup v2 crun raises a limit, which takes a capability not all roots have."""
    (tmp_path / "seccomp-synth.toml").write_text(
        f"""
        [container]
        engine = "podman"
        image = "{BASE}"
        [[workload]]
        name = "first"
        run = "mkdir /tmp/x"
        [[workload]]
        name = "second"
        run = "mkfifo /tmp/y"
        mode = "exec"
        """
    )
    inside(f"{UNIFIED}\n{SYNTH} record -o a.json --runtime runc")
    recording = load(tmp_path / "a.json")
    assert recording["host"]["cgroup"] == "v2"
    assert recording["health"]["problems"] == []
    assert names(recording, "runtime", "first") - SOMETIMES == STARTS["runc"]
    assert "mkdir" in names(recording, "workload", "first")
    assert "mknodat" in names(recording, "workload", "second")
    assert not {"mkdir", "mknodat"} & names(recording, "workload", "main")


def test_podman_is_found_where_no_docker_answers(inside: Inside, tmp_path: Path) -> None:
    hide = "test ! -e /var/run/docker.sock || mount --bind /dev/null /var/run/docker.sock"
    inside(f"{hide}; {SYNTH} record {BASE} -o a.json -- true")
    assert load(tmp_path / "a.json")["host"]["engine"] == "podman"
    assert "ok       engine: podman" in inside(f"{hide}; {SYNTH} doctor").stdout


@pytest.mark.parametrize("variable", ["CONTAINER_HOST", "DOCKER_HOST"])
def test_a_service_that_runs_already_is_used(inside: Inside, tmp_path: Path, variable: str) -> None:
    service = "podman system service --time 0 unix:///run/podman/own.sock &"
    wait = "while ! test -S /run/podman/own.sock; do sleep 0.1; done; sleep 0.3"
    setting = f"export {variable}=unix:///run/podman/own.sock"
    inside(f"{service}\n{wait}\n{setting}\n{SYNTH} record {BASE} -o a.json -- true")
    assert load(tmp_path / "a.json")["host"]["engine"] == "podman"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_project_file_with_exec_and_a_timeout(
    inside: Inside, tmp_path: Path, runtime: str
) -> None:
    (tmp_path / "seccomp-synth.toml").write_text(
        f"""
        [container]
        engine = "podman"
        image = "{BASE}"
        [container.environment]
        LINES = "one\\ntwo"
        [[workload]]
        name = "first"
        run = "mkdir /tmp/x"
        [[workload]]
        name = "second"
        run = ["sh", "-c", "chown 1 /tmp; echo \\"$LINES\\"; exit 3"]
        mode = "exec"
        expected_exit = 3
        [[workload]]
        name = "slow"
        run = "sleep 600 | cat"
        mode = "exec"
        timeout = 1
        """
    )
    done = inside(f"{SYNTH} record -o a.json --runtime {runtime}", status=5)
    assert "one\ntwo\n" in done.stdout
    recording = load(tmp_path / "a.json")
    outcomes = {run["workload"]: run["outcome"] for run in recording["runs"]}
    assert outcomes == {"first": "ok", "second": "ok", "slow": "timeout", "main": "ok"}
    assert "mkdir" in names(recording, "workload", "first")
    assert "mkdir" not in names(recording, "workload", "second")
    assert EXECS[runtime] <= names(recording, "runtime", "second")
    assert names(recording, "runtime", "main") - SOMETIMES == STARTS[runtime]
    (use,) = [use for run in recording["runs"] for use in run["capabilities"]]
    assert (use["name"], use["syscall"], use["program"]) == ("CAP_CHOWN", "fchownat", "chown")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_validate_passes_and_names_what_is_missing(
    inside: Inside, tmp_path: Path, runtime: str
) -> None:
    inside(
        f"{SYNTH} record {BASE} --engine podman --runtime {runtime} -o a.json -- mkdir /x &&"
        f"{SYNTH} synth a.json -o out"
    )
    replay = f"{SYNTH} validate a.json --runtime {runtime} --profile"
    assert "pass  mkdir" in inside(f"{replay} out/seccomp.json -o replay.json").stdout
    host = load(tmp_path / "replay.json")["host"]
    assert (host["engine"], host["runtime"]) == ("podman", runtime)
    profile = load(tmp_path / "out/seccomp.json")
    (tmp_path / "out/broken.json").write_text(without(profile, "mkdir"))
    done = inside(f"{replay} out/broken.json", status=1)
    assert "FAIL  mkdir" in done.stdout
    assert "mkdir refused with" in done.stdout


SERVER = """
use IO::Socket::INET;
$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8000, Listen => 9) or die;
while ($c = $s->accept) {
    sysread $c, $b, 999;
    $fine = getpriority(0, 0) == 0 ? "fine" : "damaged";
    print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$fine";
    close $c;
}
"""

PROJECT = """
[container]
engine = "podman"
image = {image}
network = "none"
command = ["perl", "-e", {server}]
[[workload]]
name = "page"
get = "http://localhost:8000/"
[[workload]]
name = "writes"
run = "nice >/tmp/result 2>/dev/null; true"
mode = "exec"
files = ["/tmp/result"]
[[workload]]
name = "odd"
run = "mkfifo /tmp/fifo; ln -s loop /tmp/loop; truncate -s 1E /tmp/hole 2>/dev/null; true"
files = ["/tmp/fifo", "/tmp/loop", "/tmp/hole", "/dev/zero", "/proc/kmsg"]
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_probes_files_attempts_and_repair(inside: Inside, tmp_path: Path, runtime: str) -> None:
    text = PROJECT.format(image=json.dumps(BASE), server=json.dumps(SERVER))
    (tmp_path / "seccomp-synth.toml").write_text(text)
    validate = f"{SYNTH} validate a.json --runtime {runtime} --profile"
    whole = f"{validate} out/seccomp.json --format json >whole.json"
    inside(
        f"{SYNTH} record -o a.json --runtime {runtime} && {SYNTH} synth a.json -o out && {whole}"
    )
    found = load(tmp_path / "whole.json")["findings"]
    assert not [one for one in found if one["severity"] == "error"]
    shut = {one["subject"].partition("(")[0] for one in found if one["id"] == "SS211"}
    assert {"unshare", "mount", "bpf"} <= shut
    (page,) = [run for run in load(tmp_path / "a.json")["runs"] if run["workload"] == "page"]
    assert page["exit_status"] == 200
    assert "getpriority" in {use["name"] for use in page["syscalls"]}

    profile = load(tmp_path / "out/seccomp.json")
    (tmp_path / "out/broken.json").write_text(without(profile, "getpriority"))
    broken = f"{validate} out/broken.json --no-attempts"
    done = inside(f"{broken} --format json", status=1)
    wrong = {one["subject"]: set() for one in json.loads(done.stdout)["findings"]}
    for one in json.loads(done.stdout)["findings"]:
        if one["severity"] == "error":
            wrong[one["subject"]].add(one["id"])
    assert wrong["page"] == wrong["writes"] == {"SS204", "SS207"}
    assert not wrong.get("odd")
    inside(f"{broken} --repair -o new.json && {validate} new.json --no-attempts")


def test_a_wedged_runtime_is_ended(inside: Inside, tmp_path: Path) -> None:
    """Podman has the runtime create the first process when it is attached to: that hangs."""
    inside(
        f"{SYNTH} record {BASE} --engine podman --runtime runc -o a.json -- ls / &&"
        f"{SYNTH} synth a.json -o out --tightness exact"
    )
    profile = load(tmp_path / "out/seccomp.json")
    text = without(profile, "futex", "write", "exit_group", "exit")
    (tmp_path / "out/seccomp.json").write_text(text)
    done = inside(f"{SYNTH} validate a.json --runtime runc --profile out/seccomp.json", status=1)
    assert "did not start" in done.stdout
    assert "(the container runtime)" in done.stdout


def test_a_running_container_is_joined(inside: Inside, tmp_path: Path) -> None:
    rule = {"names": ["mknod"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    inside(
        f"""
        loop='while :; do mkdir /x; rmdir /x; sleep 0.1; done'
        podman run -d --name own --security-opt seccomp=profile.json {BASE} sh -c "$loop"
        podman run -d --name box {BASE} sh -c "$loop"
        for name in own box; do
            {SYNTH} record --engine podman --container $name --for 2s -o $name.json || exit
        done
        podman rm -fa -t 0
        """
    )
    for name, kind in (("box", "default"), ("own", "profile")):
        recording = load(tmp_path / f"{name}.json")
        assert (recording["host"]["engine"], recording["filter"]["kind"]) == ("podman", kind)
        assert {"mkdir", "rmdir"} <= names(recording, "workload")
    digest = hashlib.sha256((tmp_path / "profile.json").read_bytes()).hexdigest()
    assert load(tmp_path / "own.json")["filter"]["sha256"] == digest


def test_a_command_that_is_not_there(inside: Inside, tmp_path: Path) -> None:
    for runtime in RUNTIMES:
        options = f"--engine podman --runtime {runtime} -o {runtime}.json"
        done = inside(f"{SYNTH} record {BASE} {options} -- nowhere", status=5)
        assert "executable file" in done.stderr
        assert load(tmp_path / f"{runtime}.json")["runs"][0]["outcome"] == "not-started"


def test_a_killed_recorder_leaves_no_service_and_is_cleaned_up_after(
    inside: Inside, tmp_path: Path
) -> None:
    recorder = f"{SYNTH} record {BASE} --engine podman -o a.json -- sleep 60 & recorder=$!"
    wait = 'for i in $(seq 100); do test -n "$(podman ps -q)" && break; sleep 0.2; done'
    # the name of the service alone would find this very shell
    gone = "for i in $(seq 50); do grep -lsz '^servic[e]$' /proc/[0-9]*/cmdline || break; done"
    again = f"{SYNTH} record {BASE} --engine podman -o b.json -- true"
    done = inside(f"{recorder}\n{wait}\nkill -9 $recorder\nsleep 0.5\n{gone}\n{again}")
    assert "/cmdline" not in done.stdout
    assert "removed 1 container(s) that a killed recorder had left" in done.stderr


def test_a_rootless_service_is_refused(inside: Inside, tmp_path: Path) -> None:
    script = """
        folder=$(mktemp -d /run/rootless.XXXXXX)
        mkdir $folder/home $folder/run && chown -R nobody $folder
        export HOME=$folder/home XDG_RUNTIME_DIR=$folder/run
        cd $folder
        setpriv --reuid nobody --regid nogroup --clear-groups \\
            podman system service --time 0 unix://$folder/socket 2>$folder/log & service=$!
        for i in $(seq 100); do test -S socket && break; sleep 0.1; done
        test -S socket || cat log >&2
        unset HOME XDG_RUNTIME_DIR
    """
    end = "status=$?; kill $service; cd /; rm -rf --one-file-system $folder; (exit $status)"
    command = f"CONTAINER_HOST=unix://$folder/socket {SYNTH} record {BASE} -- true"
    done = inside(f"{script}\n{command}\n{end}", status=3)
    assert "the engine is rootless" in done.stderr
    assert "[rootless-engine]" in done.stderr


def test_a_default_profile_of_ones_own_is_refused(inside: Inside) -> None:
    own = "cp /usr/share/containers/seccomp.json /etc/containers/seccomp.json"
    done = inside(f"{own}; {SYNTH} record {BASE} --engine podman -- true", status=3)
    assert "default seccomp profile of its own (/etc/containers/seccomp.json)" in done.stderr


def test_choices_that_cannot_be_had_are_refused(inside: Inside) -> None:
    inside(f"{SYNTH} record {BASE} --engine podman --runtime nowhere -- true", status=3)
    remote = f"CONTAINER_HOST=ssh://user@host {SYNTH} record {BASE} -- true"
    assert "is not on this host" in inside(remote, status=3).stderr
    nothing = f"CONTAINER_HOST=unix:///no/such.sock {SYNTH} record {BASE} -- true"
    assert "there is no such socket" in inside(nothing, status=3).stderr
    named = f"CONTAINER_HOST=unix:///no/such.sock {SYNTH} record {BASE} --runtime crun -- true"
    assert "cannot be chosen" in inside(named, status=2).stderr


@pytest.mark.parametrize("end", ["by itself", "terminated", "killed"])
def test_a_private_podman_goes_as_it_came(state: Path, tmp_path: Path, end: str) -> None:
    command = f"podman run -d {BASE} sleep 600; grep /run/libpod /proc/self/mountinfo; "
    command += "exit 7" if end == "by itself" else "exec sleep 600"
    podman = subprocess.Popen(
        [SCRIPT, state, "--", "sh", "-c", command], stdout=subprocess.PIPE, text=True
    )
    assert podman.stdout is not None
    box = podman.stdout.readline().strip()
    assert len(box) == 64
    run = Path(podman.stdout.readline().split()[3]).parents[1].name
    assert run.startswith("seccomp-synth-podman.")
    if end == "terminated":
        podman.terminate()
    if end == "killed":
        assert traces([box]) != []
        podman.kill()
    status = podman.wait(60)
    podman.stdout.close()
    assert status == {"by itself": 7, "terminated": 143, "killed": -9}[end]
    if end == "killed":  # the next one cleans up
        subprocess.run([SCRIPT, state, "--", "true"], check=True, timeout=60)
    for _ in range(50):
        if not traces([box, run]):
            break
        time.sleep(0.1)
    assert traces([box, run]) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_podman_applies_the_baseline_we_take_for_it(inside: Inside, runtime: str) -> None:
    options = f"--engine podman --runtime {runtime} --image {BASE}"
    same = inside(f"{SYNTH} baseline verify {options}")
    assert same.stdout.splitlines()[-1] == "the same"
    assert "podman-4.3" in same.stdout
    other = inside(f"{SYNTH} baseline verify {options} --name docker-25.0", status=1)
    assert "only the engine allows setns" in other.stdout
