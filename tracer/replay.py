"""Replay recorded workloads under a profile: what was refused, and did the program notice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from synth.model import Container, Health, Host, Run, Workload
from tracer.engine import Engine
from tracer.execute import Events, Executor
from tracer.observe import Observer
from tracer.probes import require_root
from tracer.record import (
    DEFAULT_ERRNOS,
    health_of,
    host_of,
    require_default_filter,
)
from tracer.workload import remove_stale


@dataclass(frozen=True)
class ReplayPlan:
    """Which workloads to replay in which container, and under what.

    ``profile`` is seccomp JSON, ``errnos`` what it can answer.  ``cap_add`` is what is granted
    after dropping all; ``None`` leaves the container's capabilities as they were recorded.
    """

    container: Container
    workloads: tuple[Workload, ...]
    profile: str
    errnos: frozenset[int]
    cap_add: tuple[str, ...] | None


@dataclass(frozen=True)
class Replayed:
    """What came of a replay."""

    runs: tuple[Run, ...]
    host: Host
    health: Health
    partial: bool


def replay(engine: Engine, plan: ReplayPlan, events: Events) -> Replayed:
    """Run the workloads under the plan's profile and capabilities.

    Raises ``HostError`` when this host cannot.
    """
    container = plan.container
    if plan.cap_add is not None:
        container = replace(container, cap_drop=("ALL",), cap_add=plan.cap_add)
    return _run(engine, container, plan, plan.profile, plan.errnos, events)


def control(engine: Engine, plan: ReplayPlan, events: Events) -> Replayed:
    """Run the workloads as they were recorded, under the engine's default."""
    info = engine.info()
    require_default_filter(info)
    return _run(engine, plan.container, plan, None, DEFAULT_ERRNOS[info.name], events)


def _run(
    engine: Engine,
    container: Container,
    plan: ReplayPlan,
    profile: str | None,
    errnos: frozenset[int],
    events: Events,
) -> Replayed:
    require_root()
    info = engine.info()
    remove_stale(engine)
    with Observer(errnos) as observer:
        executor = Executor(engine, observer, container, profile, events)
        result = executor.execute(plan.workloads)
        return Replayed(
            tuple(result.runs), host_of(info), health_of(observer, result), result.partial
        )
