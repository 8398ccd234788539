"""Run workloads in containers while the probes watch: the part recording and replay share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from synth.model import INSIDE, Container, FileDigest, Run, Workload
from tracer import cgroups
from tracer.asking import run_probe
from tracer.engine import Engine
from tracer.observe import Counts, Observation, Observer, Watch
from tracer.output import Masks
from tracer.results import file_digests
from tracer.stopping import ask_to_end
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
    """Run workloads in ``container`` under ``profile`` (seccomp JSON; ``None``: the default).

    ``masks``: what does not count where outputs and files are digested.
    """

    engine: Engine
    observer: Observer
    container: Container
    profile: str | None
    events: Events
    masks: Masks = ()
    result: Execution = field(default_factory=Execution)

    def execute(self, workloads: tuple[Workload, ...]) -> Execution:
        """Run every workload as often as it says; an interrupt keeps what there is.

        First those in containers of their own, then those in one container.  Ends with
        ``finishing``: from then on an interrupt would only lose what there is.
        """
        try:
            for workload in workloads:
                if workload.mode not in INSIDE:
                    for index in range(workload.repeat):
                        self.run(workload, index)
            self.run_inside(tuple(work for work in workloads if work.mode in INSIDE))
        except KeyboardInterrupt:
            self.result.partial = True
        self.events.finishing()
        return self.result

    def run(self, workload: Workload, index: int) -> None:
        """Run a workload in a container of its own."""
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
                    lambda: self._files(container_id, workload),
                )
                self._check(watch, workload.name)
            finally:
                watch.close()

    def run_inside(self, workloads: tuple[Workload, ...], index: int = 0) -> None:
        """Run workloads in one container beside its own process; repeats count from ``index``."""
        if not workloads:
            return
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
                self._run_main(watch, container_id, main, workloads, index)
                self._check(watch, MAIN)
            finally:
                watch.close()

    def _run_main(
        self,
        watch: Watch,
        container_id: str,
        main: Workload,
        workloads: tuple[Workload, ...],
        index: int,
    ) -> None:
        """Record the container's own process, with the other workloads as runs in between."""
        ending = Ending()
        slot = watch.begin()
        self.events.started(main, index)
        began = time.monotonic()
        pump = start(self.engine, container_id, ending, tty=self.container.tty, output=None)
        if pump is not None and ending.outcome != "not-started":
            self._locate(watch, container_id)
            _settle(watch, slot)
            try:
                self._inside_all(watch, container_id, workloads, index)
                watch.resume(slot)
                if not self.engine.state(container_id).running:
                    ending.outcome, ending.message = "failed", "the container ended by itself"
                ask_to_end(self.engine, container_id)
            finally:
                self.engine.kill(container_id)
                pump.join(1)
        ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
        self._finish(main, index, ending, watch.end(slot))

    def _locate(self, watch: Watch, container_id: str) -> None:
        """Runs that begin from now on meet live threads, in calls that began before."""
        folder = cgroups.of_container(container_id, self.engine.state(container_id).pid)
        if folder is not None:
            watch.running_in(folder)

    def _inside_all(
        self, watch: Watch, container_id: str, workloads: tuple[Workload, ...], first: int
    ) -> None:
        for workload in workloads:
            for index in range(first, first + workload.repeat):
                self._drive(
                    watch,
                    workload,
                    index,
                    lambda tick, workload=workload: self._inside(  # type: ignore[misc]
                        container_id, workload, tick
                    ),
                    lambda workload=workload: self._files(  # type: ignore[misc]
                        container_id, workload
                    ),
                )

    def _inside(self, container_id: str, workload: Workload, tick: Callable[[], None]) -> Ending:
        if workload.mode == "probe":
            return run_probe(self.engine.state(container_id).pid, workload, tick=tick)
        return run_exec(
            self.engine,
            container_id,
            self.container,
            workload,
            output=self.events.output,
            tick=tick,
        )

    def _files(self, container_id: str, workload: Workload) -> tuple[FileDigest, ...]:
        return file_digests(self.engine, container_id, workload.files, self.masks)

    def _drive(
        self,
        watch: Watch,
        workload: Workload,
        index: int,
        run: Callable[[Callable[[], None]], Ending],
        files: Callable[[], tuple[FileDigest, ...]],
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
        observation = watch.end(slot)
        self._finish(workload, index, ending, observation, files())

    def _finish(
        self,
        workload: Workload,
        index: int,
        ending: Ending,
        observation: Observation,
        files: tuple[FileDigest, ...] = (),
    ) -> None:
        run = Run(
            workload.name,
            index,
            ending.outcome,
            ending.exit_status,
            ending.duration_ms,
            ending.stdout.digest(self.masks),
            ending.stderr.digest(self.masks),
            observation.syscalls,
            observation.arguments,
            observation.denials,
            observation.capabilities,
            files,
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
