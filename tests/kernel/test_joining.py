"""Runs that begin when a container's threads are alive already."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

import pytest

from tests.kernel.sandbox import Box, errno_action, refuse, workload_names
from tracer import cgroups
from tracer.loader import MAX_NEAR
from tracer.observe import Observer

pytestmark = pytest.mark.kernel

READ, MKDIR = 0, 83
EAGAIN = 11

# Reads lines and does what they say; answers each.
OBEDIENT = """
import os, signal, subprocess, sys, threading
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def wait(): signal.sigtimedwait([signal.SIGUSR1], 1.0)
def made():
    try: os.mkdir("/tmp/never")
    except BlockingIOError: pass
print("ready", flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "thread": threading.Thread(target=wait).start()
    if word == "mkdir": made()
    if word == "chroot": os.chroot("/")
    if word == "child": subprocess.run(["/bin/true"])
    print(word, flush=True)
"""


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    # EAGAIN is what a wait that is over returns; a filter that answers it can be mistaken for it
    with Observer(frozenset({EAGAIN})) as one:
        yield one


@pytest.fixture
def box() -> Iterator[Box]:
    program = refuse(MKDIR, errno_action(EAGAIN))
    with Box([sys.executable, "-c", OBEDIENT], program) as one:
        yield one


def test_a_joined_container_is_recorded_from_now_on(observer: Observer, box: Box) -> None:
    watch = observer.join(box.id, box.joined())
    slot = watch.begin()
    box.say("chroot")
    early = observer.read(slot)
    assert "chroot" in workload_names(early)
    assert "execve" not in workload_names(early), "its start is not in the recording"
    assert [(use.name, use.syscall) for use in early.capabilities] == [("CAP_SYS_CHROOT", "chroot")]
    box.say("child")
    seen = watch.end(slot)
    watch.close()
    assert "execve" in workload_names(seen)
    assert "true" in {use.program for use in seen.syscalls}


def test_a_call_in_flight_is_no_denial(observer: Observer, box: Box) -> None:
    box.say("thread")
    time.sleep(0.2)
    watch = observer.join(box.id, box.joined())
    slot = watch.begin()
    box.say("mkdir")
    time.sleep(1.2)  # the wait that began before ends with EAGAIN, without having entered
    box.say("thread")
    time.sleep(1.2)  # this one has entered
    seen = watch.end(slot)
    watch.close()
    assert [(one.name, one.errno) for one in seen.denials] == [("mkdir", EAGAIN)]
    assert "rt_sigtimedwait" in workload_names(seen)


def test_a_call_in_flight_between_two_runs_is_no_denial(observer: Observer, box: Box) -> None:
    watch = observer.join(box.id, box.joined())
    first = watch.begin()
    box.say("thread")
    time.sleep(0.2)
    second = watch.begin()
    time.sleep(1.2)
    seen = watch.end(second)
    watch.resume(first)
    box.say("mkdir")
    before = watch.end(first)
    watch.close()
    assert seen.denials == ()
    assert "rt_sigtimedwait" in workload_names(before)
    assert [one.name for one in before.denials] == ["mkdir"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_child_cgroups_of_a_joined_container(observer: Observer, when: str) -> None:
    with Box([sys.executable, "-c", OBEDIENT]) as box:
        inner = box.cgroup / "inner"
        if when == "before":
            inner.mkdir()
        watch = observer.join(box.id, box.joined())
        if when == "after":
            inner.mkdir()
        slot = watch.begin()
        inner.joinpath("cgroup.procs").write_text(str(box.process.pid))
        box.say("chroot")
        seen = watch.end(slot)
        watch.close()
    assert "chroot" in workload_names(seen)


def test_a_container_that_starts_again_is_still_inside(observer: Observer) -> None:
    with Box([sys.executable, "-c", OBEDIENT]) as box:
        watch = observer.join(box.id, box.joined())
        slot = watch.begin()
        box.stop()
        box.cgroup.rmdir()
        box.cgroup.mkdir()
        box.start()
        box.say("chroot")
        seen = watch.end(slot)
        watch.close()
    assert {"execve", "chroot"} <= {use.name for use in seen.syscalls}


def test_the_cgroup_of_a_process_is_found(box: Box) -> None:
    assert cgroups.of_container(box.id, box.process.pid) == box.cgroup
    assert cgroups.of_container("0" * 64, box.process.pid) is None
    tids = cgroups.threads(box.cgroup)
    assert set(tids) == {box.process.pid}
    for _ in range(50):
        if cgroups.threads(box.cgroup)[box.process.pid] == READ:
            break
        time.sleep(0.05)
    assert cgroups.threads(box.cgroup)[box.process.pid] == READ, "it waits for a line"


def test_every_program_if_asked_for() -> None:
    from tests.kernel.sandbox import run

    command = ["/bin/sh", "-c", "ls / >/dev/null; cat /dev/null; cat /dev/null"]
    with Observer(frozenset({1}), all_programs=True) as everything:
        seen, _ = run(everything, command)
        again, _ = run(everything, ["/bin/cat", "/dev/null"])
    (opened,) = [use for use in seen.syscalls if (use.name, use.phase) == ("openat", "workload")]
    assert {opened.program, *opened.others} == {"sh", "ls", "cat"}
    (opened,) = [use for use in again.syscalls if (use.name, use.phase) == ("openat", "workload")]
    assert opened.others == (), "another run's programs are not in it"


def test_a_number_that_is_used_again_forgets_who_had_it(observer: Observer, box: Box) -> None:
    """The first container lives on, and works, while another has its number."""
    watch = observer.join(box.id, box.joined())
    slot = watch.begin()
    box.say("chroot")
    watch.end(slot)
    watch.close()
    with Box([sys.executable, "-c", OBEDIENT]) as other:
        second = observer.join(other.id, other.joined())
        slot = second.begin()
        other.say("thread")
        box.say("chroot")
        seen = second.end(slot)
        second.close()
    assert "chroot" not in workload_names(seen)
    assert "write" in workload_names(seen)


def test_more_containers_at_once_than_are_compared(observer: Observer) -> None:
    with contextlib.ExitStack() as stack:
        boxes = [
            stack.enter_context(Box([sys.executable, "-c", OBEDIENT])) for _ in range(MAX_NEAR + 2)
        ]
        watches = [observer.join(box.id, box.joined()) for box in boxes]
        slots = [watch.begin() for watch in watches]
        boxes[0].say("chroot")
        boxes[-1].say("mkdir")
        seen = [watch.end(slot) for watch, slot in zip(watches, slots, strict=True)]
        for watch in watches:
            watch.close()
    assert ["chroot" in workload_names(one) for one in seen] == [True] + [False] * (MAX_NEAR + 1)
    assert ["mkdir" in workload_names(one) for one in seen] == [False] * (MAX_NEAR + 1) + [True]
