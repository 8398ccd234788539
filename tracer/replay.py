"""Replay recorded workloads in two worlds: under a profile, and as they were recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Protocol

from synth.model import INSIDE, Container, Health, Host, Run, Workload
from tracer.engine import Engine
from tracer.execute import MAIN, Events, Execution, Executor
from tracer.observe import Observer
from tracer.probes import require_root
from tracer.record import (
    ALLOW_ALL,
    DEFAULT_ERRNOS,
    health_of,
    host_of,
    require_default_filter,
)
from tracer.workload import remove_stale

HOPELESS = ("not-started", "timeout")
"""Outcomes after which a workload is not run again: each costs its time limit."""


class ReplayEvents(Events, Protocol):
    """What a user may see of a replay."""

    def world(self, name: str) -> None:
        """Take note under what the next runs are made: ``profile`` or ``baseline``."""


@dataclass(frozen=True)
class ReplayPlan:
    """Which workloads to replay in which container, under what, and how often.

    ``profile`` is seccomp JSON, ``errnos`` what it can answer.  ``cap_add`` is what is granted
    after dropping all; ``None`` leaves the container's capabilities as they were recorded.
    ``unconfined``: the recorded filter allowed everything.  ``controls``: run everything under
    the baseline as well.  ``hasty``: end with the first workload that fails under the profile.
    """

    container: Container
    workloads: tuple[Workload, ...]
    profile: str
    errnos: frozenset[int]
    cap_add: tuple[str, ...] | None
    rounds: int = 2
    masks: tuple[str, ...] = ()
    unconfined: bool = False
    controls: bool = True
    hasty: bool = False


@dataclass(frozen=True)
class Replayed:
    """What came of a replay: runs under the profile, and under the baseline."""

    runs: tuple[Run, ...]
    controls: tuple[Run, ...]
    host: Host
    health: Health
    partial: bool


@dataclass
class _Worlds:
    """The two executors, and who goes first."""

    profile: Executor
    baseline: Executor | None
    events: ReplayEvents
    hopeless: set[str] = field(default_factory=set)
    failed: bool = False

    def run(self, workloads: tuple[Workload, ...], round_number: int) -> None:
        """Run workloads once in each world, the baseline first in every other round."""
        order = [("baseline", self.baseline), ("profile", self.profile)]
        if round_number % 2:
            order.reverse()
        for name, executor in order:
            todo = tuple(work for work in workloads if work.name not in self.hopeless)
            if MAIN in self.hopeless:
                todo = tuple(work for work in todo if work.mode not in INSIDE)
            if executor is not None and todo:
                self.events.world(name)
                self._run(executor, todo, round_number)

    def _run(self, executor: Executor, todo: tuple[Workload, ...], round_number: int) -> None:
        before = len(executor.result.runs)
        if todo[0].mode in INSIDE:
            executor.run_inside(todo, round_number)
        else:
            executor.run(todo[0], round_number)
        if executor is self.profile:
            self.failed |= any(run.outcome != "ok" for run in executor.result.runs[before:])
            self.hopeless |= {
                run.workload for run in executor.result.runs[before:] if run.outcome in HOPELESS
            }


def replay(engine: Engine, plan: ReplayPlan, events: ReplayEvents) -> Replayed:
    """Run the workloads in both worlds, in turns; an interrupt keeps what there is.

    Raises ``HostError`` when this host cannot.
    """
    require_root()
    info = engine.info()
    if plan.controls and not plan.unconfined:
        require_default_filter(info)
    remove_stale(engine)
    container = plan.container
    if plan.cap_add is not None:
        container = replace(container, cap_drop=("ALL",), cap_add=plan.cap_add)
    masks = tuple(re.compile(mask.encode()) for mask in plan.masks)
    recorded = ALLOW_ALL if plan.unconfined else None
    with Observer(plan.errnos | DEFAULT_ERRNOS[info.name]) as observer:
        profile = Executor(engine, observer, container, plan.profile, events, masks)
        baseline = (
            Executor(engine, observer, plan.container, recorded, events, masks)
            if plan.controls
            else None
        )
        partial = _in_turns(_Worlds(profile, baseline, events), plan)
        events.finishing()
        problems = _problems(baseline.result) if baseline else []
        health = health_of(observer, profile.result)
    return Replayed(
        tuple(profile.result.runs),
        tuple(baseline.result.runs) if baseline else (),
        host_of(info),
        replace(health, problems=tuple(sorted((*health.problems, *problems)))),
        partial,
    )


def _in_turns(worlds: _Worlds, plan: ReplayPlan) -> bool:
    """Run every round; return whether it was interrupted."""
    once = [replace(work, repeat=1) for work in plan.workloads]
    steps: list[tuple[Workload, ...]] = [(work,) for work in once if work.mode not in INSIDE]
    steps.append(tuple(work for work in once if work.mode in INSIDE))
    try:
        for number in range(plan.rounds):
            for step in steps:
                if plan.hasty and worlds.failed:
                    return False
                if step:
                    worlds.run(step, number)
    except KeyboardInterrupt:
        return True
    return False


def _problems(result: Execution) -> list[str]:
    return [f"under the baseline: {problem}" for problem in result.problems]
