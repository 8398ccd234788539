"""Start, drive, bound and stop one workload in a container.

Nothing here waits without a limit.  A profile that is too small can wedge the runtime itself
(``runc init`` spins on a full pipe; then the engine's own kill and remove hang too): the cure is
to kill the container's processes from outside, found by cgroup, and then to remove it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors
import psutil

from synth.errors import HostError, SeccompSynthError
from synth.model import Container, Workload
from tracer.engine import STDERR, STDOUT, Engine, Output
from tracer.output import OutputRecorder

LABEL = "org.seccomp-synth.owner"
POLL_S = 0.05
GRACE_S = 5
START_TIMEOUT_S = 25
"""Longer than any honest start on a loaded machine, shorter than the engine client's limit."""


@dataclass
class Ending:
    """How a run ended: outcome and exit status as in ``model.Run``, duration in ms."""

    outcome: str = "ok"
    exit_status: int | None = None
    duration_ms: float = 0.0
    message: str = ""
    stdout: OutputRecorder = field(default_factory=OutputRecorder)
    stderr: OutputRecorder = field(default_factory=OutputRecorder)

    def take(self, stream: int, data: bytes) -> None:
        """Keep a piece of output."""
        (self.stdout if stream == STDOUT else self.stderr).write(data)


def owner() -> str:
    """Return what marks a container as this process's: its pid and start time."""
    return f"{os.getpid()}:{psutil.Process().create_time():.2f}"


def remove_stale(engine: Engine) -> int:
    """Remove containers whose recorder is gone (killed); return how many."""
    removed = 0
    for container_id, mark in engine.labelled(LABEL).items():
        if not _is_alive(mark):
            destroy(engine, container_id)
            removed += 1
    return removed


def _is_alive(mark: str) -> bool:
    pid, _, created = mark.partition(":")
    try:
        # the start time guards against a reused pid
        return abs(psutil.Process(int(pid)).create_time() - float(created)) < 1
    except (ValueError, psutil.Error):
        return False


@contextlib.contextmanager
def created(
    engine: Engine,
    container: Container,
    command: tuple[str, ...],
    *,
    profile: str | None,
    replace_entrypoint: bool = False,
) -> Iterator[str]:
    """Create a container and yield its id; destroy it at the end, come what may."""
    name = f"seccomp-synth-{uuid.uuid4().hex[:12]}"
    try:
        container_id = engine.create(
            container,
            name=name,
            command=command,
            labels={LABEL: owner()},
            profile=profile,
            replace_entrypoint=replace_entrypoint,
        )
    except KeyboardInterrupt:
        with contextlib.suppress(SeccompSynthError, docker.errors.DockerException):
            _destroy_unborn(engine, name)
        raise
    try:
        yield container_id
    finally:
        destroy(engine, container_id)


def _destroy_unborn(engine: Engine, name: str) -> None:
    """Remove a container whose creation was interrupted: it may appear a moment later."""
    for _ in range(20):
        if name in engine.labelled(LABEL, names=True):
            destroy(engine, name)
            return
        time.sleep(POLL_S * 2)


def destroy(engine: Engine, container_id: str) -> None:
    """Remove a container even if its runtime is stuck."""
    try:
        engine.remove(container_id)
    except (SeccompSynthError, docker.errors.DockerException):
        kill_processes(container_id)
        with contextlib.suppress(SeccompSynthError, docker.errors.DockerException):
            engine.remove(container_id)


def kill_processes(container_id: str) -> None:
    """Kill what runs in the container's cgroups, and the runtime that waits for it."""
    for process in psutil.process_iter(["pid", "cmdline", "name"]):
        with contextlib.suppress(psutil.Error, OSError):
            arguments = process.info["cmdline"] or []
            # "runc create … ID" waits for its "runc init"; the shim has "-id ID" and must live
            waits = container_id in arguments and "create" in arguments
            if waits or _is_inside(container_id, Path(f"/proc/{process.pid}/cgroup").read_text()):
                process.send_signal(signal.SIGKILL)


def _is_inside(container_id: str, cgroups: str) -> bool:
    """Tell whether a process is in a cgroup of the container; Podman's monitor has its own."""
    return any(container_id in line and "conmon" not in line for line in cgroups.splitlines())


def start(
    engine: Engine, container_id: str, ending: Ending, *, tty: bool, output: Output | None
) -> Pump | None:
    """Attach to a container and start it within a limit; ``ending`` tells why it did not start.

    Returns what carries its output, if it came to that.  Podman creates the container's first
    process when it is attached to, so that attaching may hang as starting may.
    """
    failures: list[str] = []
    pumps: list[Pump] = []

    def call() -> None:
        try:
            pumps.append(Pump(engine.attach(container_id, tty=tty), ending, output))
            engine.start(container_id)
        except SeccompSynthError as error:
            failures.append(error.what)
        except docker.errors.DockerException as error:
            failures.append(str(getattr(error, "explanation", None) or error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(START_TIMEOUT_S)
    if thread.is_alive():
        kill_processes(container_id)
        thread.join(START_TIMEOUT_S)
        failures.insert(0, f"the container did not start within {START_TIMEOUT_S} s")
    if failures:
        ending.outcome, ending.message = "not-started", failures[0]
    return pumps[0] if pumps else None


class Pump(threading.Thread):
    """Carry a stream of output to its recorder and onwards."""

    def __init__(
        self, stream: Iterator[tuple[int, bytes]], ending: Ending, output: Output | None
    ) -> None:
        super().__init__(daemon=True)
        self._stream, self._ending, self._output = stream, ending, output
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Pump until the stream ends."""
        try:
            for number, data in self._stream:
                self._ending.take(number, data)
                if self._output is not None:
                    self._output(number, data)
        except BaseException as error:  # handed to the main thread
            self.failure = error


def run_container(
    engine: Engine,
    container_id: str,
    workload: Workload,
    *,
    tty: bool,
    output: Output | None,
    tick: Callable[[], None],
) -> Ending:
    """Start a created container, follow it to its end, and say how it ended.

    ``tick`` is called about every ``POLL_S`` seconds; whatever it raises ends the run.
    """
    ending = Ending()
    began = time.monotonic()
    pump = start(engine, container_id, ending, tty=tty, output=output)
    if pump is None or ending.outcome == "not-started":
        return ending
    # the workload's time, not the runtime's: a loaded machine starts containers slowly
    limit = time.monotonic() + workload.timeout_s
    while pump.is_alive():
        pump.join(POLL_S)
        tick()
        if time.monotonic() > limit:
            ending.outcome = "timeout"
            _kill(engine, container_id)
            pump.join(GRACE_S)
            break
    state = engine.state(container_id)
    deadline = time.monotonic() + GRACE_S
    while state.running and time.monotonic() < deadline:  # output ends a moment before
        time.sleep(POLL_S / 5)
        state = engine.state(container_id)
    ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
    return _judge(ending, workload, state.exit_status, pump)


def run_exec(
    engine: Engine,
    container_id: str,
    container: Container,
    workload: Workload,
    *,
    output: Output | None,
    tick: Callable[[], None],
) -> Ending:
    """Run a workload by exec in a running container, and say how it ended."""
    ending = Ending()
    began = time.monotonic()
    try:
        exec_id, stream = engine.exec_start(container_id, container, workload.command)
    except (HostError, docker.errors.DockerException) as error:
        ending.outcome = "not-started"
        ending.message = str(getattr(error, "explanation", None) or error)
        return ending
    pump = Pump(stream, ending, output)
    exit_status = -1
    try:
        state = engine.exec_state(exec_id)
        while state.running:
            pump.join(POLL_S)
            tick()
            if time.monotonic() - began > workload.timeout_s:
                ending.outcome = "timeout"
                _kill_tree(state.pid)
                break
            state = engine.exec_state(exec_id)
        exit_status = state.exit_status
    except (HostError, docker.errors.DockerException) as error:
        # an engine that loses one command, or hangs over it, may still run the next
        ending.outcome = "failed"
        ending.message = str(getattr(error, "explanation", None) or error)
    # a daemon that the workload left behind may hold the stream open for ever
    pump.join(GRACE_S if ending.outcome == "ok" else 1)
    ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
    return _judge(ending, workload, exit_status, pump)


def _judge(ending: Ending, workload: Workload, exit_status: int, pump: Pump) -> Ending:
    if pump.failure is not None:
        raise pump.failure
    if ending.outcome == "ok":
        ending.exit_status = exit_status
        if exit_status != workload.expected_exit:
            ending.outcome = "failed"
    return ending


def _kill(engine: Engine, container_id: str) -> None:
    try:
        engine.kill(container_id)
    except (SeccompSynthError, docker.errors.DockerException):
        kill_processes(container_id)


def _kill_tree(pid: int) -> None:
    """Kill a process of this host and its descendants."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for child in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                child.kill()


__all__ = [
    "STDERR",
    "STDOUT",
    "Ending",
    "created",
    "destroy",
    "owner",
    "remove_stale",
    "run_container",
    "run_exec",
    "start",
]
