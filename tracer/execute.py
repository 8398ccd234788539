"""Run workloads in containers while the probes watch: the part recording and replay share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from synth.model import Container, Run, Workload
from tracer import cgroups
from tracer.engine import Engine
from tracer.observe import Counts, Observation, Observer, Watch
from tracer.workload import Ending, created, run_container, run_exec, start

SETTLED_AFTER = 2
"""Polls without a new syscall after which a main process counts as started."""

MAIN = "main"
"""Name of the run that stands for the long-running container's own process."""


class Events(Protocol):
    """What a user may see while workloads run; all calls come from the main thread but output."""

    def started(self, workload: Workload, index: int) -> None: ...  # noqa: D102
    def progress(self, workload: Workload, counts: Counts, seconds: float) -> None: ...  # noqa: D102
    def finished(self, run: Run, message: str, stderr_tail: str) -> None: ...  # noqa: D102
    def output(self, stream: int, data: bytes) -> None: ...  # noqa: D102
    def finishing(self) -> None: ...  # noqa: D102


@dataclass
class Execution:
    """What came of running the workloads."""

    runs: list[Run] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bounding: tuple[str, ...] = ()
    partial: bool = False


@dataclass
class Executor:
    """Run workloads in ``container`` under ``profile`` (seccomp JSON; ``None``: the default)."""

    engine: Engine
    observer: Observer
    container: Container
    profile: str | None
    events: Events
    result: Execution = field(default_factory=Execution)

    def execute(self, workloads: tuple[Workload, ...]) -> Execution:
        """Run every workload as often as it says; an interrupt keeps what there is.

        First those in containers of their own, then those exec'd into one container.  Ends with
        ``finishing``: from then on an interrupt would only lose what there is.
        """
        try:
            for workload in workloads:
                if workload.mode == "run":
                    for index in range(workload.repeat):
                        self._run(workload, index)
            execs = tuple(workload for workload in workloads if workload.mode == "exec")
            if execs:
                self._run_execs(execs)
            self.events.finishing()
        except KeyboardInterrupt:
            self.result.partial = True
            self.events.finishing()
        return self.result

    def _run(self, workload: Workload, index: int) -> None:
        with created(
            self.engine, self.container, workload.command, profile=self.profile
        ) as container_id:
            watch = self.observer.watch(container_id)
            try:
                self._drive(
                    watch,
                    workload,
                    index,
                    lambda tick: run_container(
                        self.engine,
                        container_id,
                        workload,
                        tty=self.container.tty,
                        output=self.events.output,
                        tick=tick,
                    ),
                )
                self._check(watch, workload.name)
            finally:
                watch.close()

    def _run_execs(self, workloads: tuple[Workload, ...]) -> None:
        main = Workload(MAIN, self.container.command, mode="main")
        with created(
            self.engine,
            self.container,
            main.command,
            profile=self.profile,
            replace_entrypoint=True,
        ) as container_id:
            watch = self.observer.watch(container_id)
            try:
                self._run_main(watch, container_id, main, workloads)
                self._check(watch, MAIN)
            finally:
                watch.close()

    def _run_main(
        self, watch: Watch, container_id: str, main: Workload, workloads: tuple[Workload, ...]
    ) -> None:
        """Record the container's own process, with the exec'd workloads as runs in between."""
        ending = Ending()
        slot = watch.begin()
        self.events.started(main, 0)
        began = time.monotonic()
        pump = start(self.engine, container_id, ending, tty=self.container.tty, output=None)
        if pump is not None and ending.outcome != "not-started":
            self._locate(watch, container_id)
            _settle(watch, slot)
            try:
                self._exec_all(watch, container_id, workloads)
            finally:
                watch.resume(slot)
                if not self.engine.state(container_id).running:
                    ending.outcome, ending.message = "failed", "the container ended by itself"
                self.engine.kill(container_id)
                pump.join(1)
        ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
        self._finish(main, 0, ending, watch.end(slot))

    def _locate(self, watch: Watch, container_id: str) -> None:
        """Runs that begin from now on meet live threads, in calls that began before."""
        folder = cgroups.of_container(container_id, self.engine.state(container_id).pid)
        if folder is not None:
            watch.running_in(folder)

    def _exec_all(self, watch: Watch, container_id: str, workloads: tuple[Workload, ...]) -> None:
        for workload in workloads:
            for index in range(workload.repeat):
                self._drive(
                    watch,
                    workload,
                    index,
                    lambda tick, workload=workload: run_exec(  # type: ignore[misc]
                        self.engine,
                        container_id,
                        self.container,
                        workload,
                        output=self.events.output,
                        tick=tick,
                    ),
                )

    def _drive(
        self,
        watch: Watch,
        workload: Workload,
        index: int,
        run: Callable[[Callable[[], None]], Ending],
    ) -> None:
        """Record one run; an interrupt keeps what it did so far and is passed on."""
        slot = watch.begin()
        self.events.started(workload, index)
        began = time.monotonic()

        def tick() -> None:
            self.events.progress(workload, watch.count(slot), time.monotonic() - began)

        try:
            ending = run(tick)
        except KeyboardInterrupt:
            self._finish(workload, index, Ending(outcome="interrupted"), watch.end(slot))
            raise
        self._finish(workload, index, ending, watch.end(slot))

    def _finish(
        self, workload: Workload, index: int, ending: Ending, observation: Observation
    ) -> None:
        run = Run(
            workload.name,
            index,
            ending.outcome,
            ending.exit_status,
            ending.duration_ms,
            ending.stdout.digest(),
            ending.stderr.digest(),
            observation.syscalls,
            observation.arguments,
            observation.denials,
            observation.capabilities,
        )
        self.result.runs.append(run)
        self.events.finished(run, ending.message, ending.stderr.tail)

    def _check(self, watch: Watch, name: str) -> None:
        """Note what makes the recording of a container untrustworthy."""
        run = self.result.runs[-1]
        if run.outcome == "not-started":
            return
        if not watch.cgroups:
            self.result.problems.append(f"{name}: the container's cgroup was never seen")
        elif not watch.execs:
            self.result.problems.append(f"{name}: no program was seen to start under a filter")
        self.result.bounding = self.result.bounding or watch.bounding


def _settle(watch: Watch, slot: int) -> None:
    """Wait until the main process has stopped making new syscalls, two seconds at most."""
    last, quiet = -1, 0
    pause = threading.Event()
    for _ in range(20):
        count = watch.count(slot).syscalls
        quiet = quiet + 1 if count == last else 0
        if quiet >= SETTLED_AFTER:
            return
        last = count
        pause.wait(0.1)
