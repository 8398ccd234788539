"""Everything inside, nothing outside, on each cgroup hierarchy that this machine has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth.syscalls import syscall_name, syscall_number
from tests.kernel.sandbox import (
    command_line,
    compile_program,
    program_ids,
    programs_of,
    remove,
    run,
    wait_until,
    workload_names,
)
from tracer import cgroups, loader
from tracer.cgroups import hierarchy
from tracer.observe import Observer
from tracer.probes import uses_v1_pids

pytestmark = pytest.mark.kernel

SOURCE = Path(__file__).parents[1] / "workloads" / "known.c"

# Calls that hardly any program makes, and that do nothing with the file descriptor -1.
RARE = (
    *(
        "epoll_ctl",
        "fadvise64",
        "fallocate",
        "fchdir",
        "fchmod",
        "fchown",
        "fdatasync",
        "fgetxattr",
    ),
    *("flistxattr", "flock", "fsync", "ftruncate", "inotify_rm_watch", "mq_notify", "readahead"),
    *("splice", "sync_file_range", "syncfs", "tee", "timer_delete"),
)
NEIGHBOURS = 40


def layouts() -> list[str]:
    """Return the hierarchies to look at: v1's where there is one, the unified one where mounted."""
    mounted = " cgroup2 " in Path("/proc/self/mounts").read_text()
    return [*(["v1"] if uses_v1_pids() else []), *(["v2"] if mounted else [])]


@pytest.fixture(scope="module", params=layouts())
def observer(request: pytest.FixtureRequest) -> Iterator[Observer]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (loader, cgroups):
            patch.setattr(module, "uses_v1_pids", lambda: request.param == "v1")
        with Observer(frozenset({1, 38})) as one:
            yield one


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_program(tmp_path_factory.mktemp("known"), SOURCE)


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def number(name: str) -> int:
    found = syscall_number("x86_64", name)
    assert found is not None
    return found


def test_nested_pid_mount_and_user_namespaces(observer: Observer, tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/x && mount -t tmpfs x {tmp_path}/x && mkfifo {tmp_path}/x/y"
    for options in ("-mpf", "-Urmpf"):
        command = ["/usr/bin/unshare", options, "--mount-proc", "sh", "-c", script]
        seen, done = run(observer, command)
        assert done.returncode == 0, done.stderr
        assert {"unshare", "mkdir", "mount", "mknodat", "wait4"} <= workload_names(seen)
        assert "CAP_SYS_ADMIN" in {use.name for use in seen.capabilities} or options == "-Urmpf"
        (tmp_path / "x").rmdir()
    assert "CAP_SYS_ADMIN" not in {use.name for use in seen.capabilities}, (
        "in a namespace of its own"
    )


DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for one in (0, 1, 2): os.close(one)
time.sleep(0.5)
os.mkfifo(sys.argv[1])
"""


def test_a_daemon_that_outlives_its_parents(observer: Observer, tmp_path: Path) -> None:
    mark = tmp_path / "fifo"
    seen, done = run(observer, [sys.executable, "-c", DAEMON, str(mark)], until=mark.exists)
    assert done.returncode == 0
    assert "setsid" in workload_names(seen)
    assert {"mknod", "mknodat"} & workload_names(seen), (
        "made half a second after its parent had gone"
    )


# As systemd in a container does, or an engine in it: a cgroup for itself, one for others.
OWN_CGROUPS = """
import os, subprocess, sys
own, mark, *command = sys.argv[1:]
def enter(name):
    os.makedirs(f"{own}/{name}", exist_ok=True)
    with open(f"{own}/{name}/cgroup.procs", "w") as procs: procs.write(str(os.getpid()))
enter("init.scope")
os.mkdir(mark)
subprocess.run(command, check=True, preexec_fn=lambda: enter("system.slice/docker-0.scope"))
"""


def test_cgroups_that_a_container_makes_itself(
    observer: Observer, known: str, tmp_path: Path
) -> None:
    rest = ["{cgroup}", str(tmp_path / "made"), known, f"x={number('tee')}"]
    seen, done = run(observer, [sys.executable, "-c", OWN_CGROUPS, *rest])
    assert done.returncode == 0, done.stderr
    assert {"mkdir", "tee"} <= workload_names(seen)
    assert "known" in {use.program for use in seen.syscalls if use.name == "tee"}


@pytest.mark.parametrize(
    "name",
    [
        "{}",
        "seccomp-synth-{}/docker/{}",
        "seccomp-synth-{}.slice/docker-{}.scope",
        "seccomp-synth-{}.slice/libpod-{}.scope/container",
        "seccomp-synth-{}/libpod_parent/libpod-{}",
        "seccomp-synth-{}/kubepods/burstable/pod1/cri-containerd-{}.scope",
        "seccomp-synth-{}/kubepods/burstable/pod1/crio-{}.scope/container",
    ],
)
def test_names_and_places_of_cgroups(observer: Observer, known: str, name: str) -> None:
    seen, _ = run(observer, [known, "plain"], name=name.replace("{}", "{0}"))
    assert workload_names(seen) == {"getpid", "getuid", "exit_group"}


@pytest.mark.parametrize(
    "name",
    [
        "libpod-conmon-{}.scope",
        "crio-conmon-{}.scope",
        "seccomp-synth-{}",
        "{}-other",
        "docker-{}.scope-other",
        "seccomp-synth-{}/conmon",
    ],
)
def test_names_of_other_cgroups(observer: Observer, known: str, name: str) -> None:
    seen, done = run(observer, [known, "plain"], name=name)
    assert done.returncode == 0
    assert seen.syscalls == ()


def test_twenty_at_once_beside_forty_others(observer: Observer, known: str) -> None:
    """Each makes a call of its own; the neighbours, filtered as well, make another one."""
    alien = number("vmsplice")
    root = hierarchy()
    crowd = root / f"seccomp-synth-crowd-{uuid.uuid4().hex}"
    ids = [uuid.uuid4().hex * 2 for _ in RARE]
    watches = [observer.watch(one) for one in ids]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for one in range(NEIGHBOURS):
            (crowd / str(one)).mkdir(parents=True)
            line = command_line(crowd / str(one), ["/usr/bin/nice", "-n19", known, f"l={alien}"])
            started.append(subprocess.Popen(line))
        wait_until(lambda: {name_of(one.pid) for one in started} == {"known"})
        slots = [watch.begin() for watch in watches]
        for one, name in zip(ids, RARE, strict=True):
            (root / one).mkdir()
            line = command_line(root / one, [known, f"x={number(name)}"])
            started.append(subprocess.Popen(line))
        assert [one.wait(60) for one in started[NEIGHBOURS:]] == [0] * len(RARE)
        for name, watch, slot in zip(RARE, watches, slots, strict=True):
            assert workload_names(watch.end(slot)) == {name, "exit_group"}
        assert all(one.poll() is None for one in started[:NEIGHBOURS])
        assert observer.losses() == []
    finally:
        for watch in watches:
            watch.close()
        for folder in [crowd, *(root / one for one in ids)]:
            if folder.exists():
                remove(folder)
        for process in started:
            process.wait(10)
    assert syscall_name("x86_64", alien) == "vmsplice"


# Records the container named until a line comes, and prints what it saw.
RECORDER = """
import json, sys
from tracer import cgroups, loader
from tracer.observe import Observer
if sys.argv[2] == "v2":
    cgroups.uses_v1_pids = loader.uses_v1_pids = lambda: False
with Observer(frozenset({1})) as observer:
    watch = observer.watch(sys.argv[1])
    slot = watch.begin()
    print("on", flush=True)
    sys.stdin.readline()
    seen = watch.end(slot).syscalls
    print(json.dumps(sorted({use.name for use in seen if use.phase == "workload"})))
"""


class Recorder:
    """A recorder in a process of its own."""

    def __init__(self, container_id: str) -> None:
        layout = "v1" if cgroups.uses_v1_pids() else "v2"
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECORDER, container_id, layout],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "on\n"

    def end(self) -> set[str]:
        output, _ = self.process.communicate("\n", timeout=30)
        return set(json.loads(output))


def test_recorders_do_not_disturb_each_other(observer: Observer, known: str) -> None:
    """Two on the same container, one on another; the first to go takes nothing along."""
    root = hierarchy()
    ids = [uuid.uuid4().hex * 2 for _ in range(2)]
    first, second, other = Recorder(ids[0]), Recorder(ids[0]), Recorder(ids[1])

    def call(container: str, name: str) -> None:
        line = command_line(root / container, [known, f"x={number(name)}"])
        subprocess.run(line, check=True, timeout=60)

    try:
        for one in ids:
            (root / one).mkdir()
        call(ids[0], "tee")
        call(ids[1], "flock")
        assert first.end() == {"tee", "exit_group"}
        call(ids[0], "splice")
        assert second.end() == {"tee", "splice", "exit_group"}
        assert other.end() == {"flock", "exit_group"}
    finally:
        for recorder in (first, second, other):
            recorder.process.kill()
            recorder.process.wait()
        for one in ids:
            remove(root / one)


@pytest.mark.parametrize("end", ["exit", "exception", "abort", "terminate", "kill"])
def test_nothing_stays_attached_however_a_recorder_ends(end: str) -> None:
    last = {
        "exit": "os._exit(0)",
        "exception": "raise MemoryError",
        "abort": "os.abort()",
        "terminate": "time.sleep(60)",
        "kill": "time.sleep(60)",
    }
    code = (
        "import os, sys, time; from tracer.observe import Observer\n"
        "observer = Observer(frozenset({1})); print('on', flush=True)\n"
        f"sys.stdin.readline(); {last[end]}"
    )
    recorder = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert recorder.stdout is not None
    assert recorder.stdout.readline() == "on\n"
    ours = programs_of(recorder.pid)
    assert len(ours) >= 8
    assert ours <= program_ids()
    if end in ("terminate", "kill"):
        os.kill(recorder.pid, signal.SIGTERM if end == "terminate" else signal.SIGKILL)
    recorder.communicate("\n" if end not in ("terminate", "kill") else None, timeout=30)
    wait_until(lambda: not ours & program_ids())  # the kernel frees them after a grace period
