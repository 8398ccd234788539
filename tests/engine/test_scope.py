"""Everything inside a container, nothing outside it, with real containers."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from synth.model import Container
from synth.syscalls import syscall_number
from tests.engine.conftest import BASE, COMMAND, Cli, load, names
from tests.engine.test_record import wait_for_container
from tests.kernel.sandbox import workload_names
from tests.kernel.test_scope import RARE
from tracer.docker_engine import DockerEngine, engine_url
from tracer.observe import Observer
from tracer.workload import LABEL, destroy, owner

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    with Observer(frozenset({1, 38})) as one:
        yield one


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    one = DockerEngine(engine_url(os.environ))
    yield one
    one.close()


def create(engine: DockerEngine, name: str, *command: str) -> str:
    container = Container(BASE, network="none")
    labels = {LABEL: owner()}
    return engine.create(container, name=name, command=command, labels=labels, profile=None)


def finish(engine: DockerEngine, container_id: str) -> None:
    """Start a container and follow it to its end."""
    output = engine.attach(container_id, tty=False)
    engine.start(container_id)
    for _ in output:
        pass


def test_twenty_containers_at_once(observer: Observer) -> None:
    """Started together, each makes one call that no other makes: none are mixed up."""
    made: list[str] = []
    lock = threading.Barrier(len(RARE))

    def one(name: str) -> set[str]:
        engine = DockerEngine(engine_url(os.environ))
        try:
            call = f"syscall({syscall_number('x86_64', name)}, -1, 0, 0, 0) for 1..100"
            container_id = create(engine, f"twenty-{name}", "perl", "-e", call)
            made.append(container_id)
            watch = observer.watch(container_id)
            slot = watch.begin()
            try:
                lock.wait(60)
                finish(engine, container_id)
            finally:
                seen = watch.end(slot)
                watch.close()
                destroy(engine, container_id)
            return workload_names(seen)
        finally:
            engine.close()

    with ThreadPoolExecutor(len(RARE)) as pool:
        seen = dict(zip(RARE, pool.map(one, RARE), strict=True))
    assert len(set(made)) == len(RARE)
    for name, calls in seen.items():
        assert calls & set(RARE) == {name}
        assert {"exit_group", "mmap", "read"} <= calls
    assert observer.losses() == []


def test_a_restarted_container_is_still_inside(observer: Observer, engine: DockerEngine) -> None:
    """The same container, a new cgroup: the second start makes a call that the first did not."""
    script = "test -e /mark && mkfifo /fifo; touch /mark"
    container_id = create(engine, "restarted", "sh", "-c", script)
    watch = observer.watch(container_id)
    try:
        slot = watch.begin()
        finish(engine, container_id)
        assert "mknodat" not in workload_names(observer.read(slot))
        finish(engine, container_id)
        seen = watch.end(slot)
        assert "mknodat" in workload_names(seen)
        assert watch.cgroups >= 2
        assert "execve" in {use.name for use in seen.syscalls if use.phase == "runtime"}
    finally:
        watch.close()
        destroy(engine, container_id)


def test_execs_of_other_clients_and_their_daemons(tmp_path: Path, api: docker.DockerClient) -> None:
    """The command line, detached: nobody waits, the process outlives the client."""
    recorder = subprocess.Popen(
        [*COMMAND, "record", BASE, "-o", "a.json", "--", "sleep", "5"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    box = wait_for_container(api)
    daemon = "(setsid sh -c 'sleep 1; mkfifo /late' </dev/null >/dev/null 2>&1 &) ; mkdir /early"
    command = ["docker", "exec", "-d", str(box.id), "sh", "-c", daemon]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert recorder.wait(60) == 0
    assert {"mkdir", "setsid", "mknodat"} <= names(load(tmp_path / "a.json"), "workload")


def test_a_container_that_makes_cgroups_of_its_own(cli: Cli, tmp_path: Path) -> None:
    """With the hierarchy mounted, as systemd or an engine inside a container has it."""
    script = """
        own=$(find /sys/fs/cgroup/pids /sys/fs/cgroup -path "*$(hostname)*" -name cgroup.procs \\
            2>/dev/null | head -n 1)
        own=${own%/cgroup.procs}
        mkdir "$own/inner" && echo $$ >"$own/inner/cgroup.procs" && mkfifo /inner
    """
    mount = "/sys/fs/cgroup:/sys/fs/cgroup"
    cli("record", BASE, "-o", "a.json", "--mount", mount, "--", "sh", "-c", script)
    recording = load(tmp_path / "a.json")
    assert {"mkdir", "mknodat"} <= names(recording, "workload")
    assert recording["health"]["ok"]
    assert recording["health"]["notes"] == []


def test_a_recorder_without_privileges_says_so(tmp_path: Path) -> None:
    """Root without capabilities, as in a container: the kernel refuses the programs."""
    limits = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(
        [*limits, *COMMAND, "record", BASE, "-o", "a.json", "--", "true"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "[bpf-load]" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
