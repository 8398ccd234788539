"""Record workloads: a container and commands in, a ``Recording`` out."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass

from synth.errors import HostError
from synth.model import INSIDE, Container, Filter, Health, Host, Recording, Run, Subject, Workload
from tracer.engine import Engine, EngineInfo, Image
from tracer.execute import MAIN, Events, Execution, Executor
from tracer.observe import Observer
from tracer.probes import cgroup_layout, require_root, sees_host_processes
from tracer.workload import remove_stale

DEFAULT_ERRNOS = {"docker": frozenset({1, 38}), "podman": frozenset({1, 22, 38})}
"""What an engine's default profile and runc's own patch to it answer: EPERM and ENOSYS, and
Podman's EINVAL to an audit socket."""

# clone3 alone is refused, as by every default and every profile of ours: so libc takes clone here
# as well, and what is recorded is what will be asked for.  Without any rule, runtimes put no
# filter on at all.
ALLOW_ALL = """\
{"defaultAction": "SCMP_ACT_ALLOW",
 "archMap": [
  {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
  {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
 "syscalls": [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
"""

# Losing these costs evidence, not completeness.
_HARMLESS_LOSSES = ("first programs", "programs", "unknown syscall numbers")


@dataclass(frozen=True)
class Plan:
    """What to record: workloads in a container; ``pull`` the image if it is not here.

    ``all_programs``: keep every program that made a call, not the first alone.  ``unconfined``:
    under a filter that allows everything but clone3, for containers that run without one.
    """

    container: Container
    workloads: tuple[Workload, ...]
    pull: bool = True
    all_programs: bool = False
    unconfined: bool = False


@dataclass(frozen=True)
class Recorded:
    """A recording, and how many stale containers were removed before it."""

    recording: Recording
    stale: int


def record_plan(engine: Engine, plan: Plan, events: Events) -> Recorded:
    """Run the plan's workloads, under the engine's default profile, and return what they did.

    Raises ``HostError`` when this host cannot, ``UsageError`` when there is no such image.  A
    failed workload is in the result, an interrupt makes it partial.
    """
    require_root()
    info = engine.info()
    profile = ALLOW_ALL if plan.unconfined else None
    if profile is None:
        require_default_filter(info)
    image = engine.image(plan.container.image, pull=plan.pull)
    stale = remove_stale(engine)
    with Observer(DEFAULT_ERRNOS[info.name], all_programs=plan.all_programs) as observer:
        executor = Executor(engine, observer, plan.container, profile, events)
        result = executor.execute(plan.workloads)
        health = health_of(observer, result)
        tracepoints = observer.tracepoints
    recording = Recording(
        subject_of(plan.container, image, result),
        host_of(info),
        filter_of(profile),
        tuple(sorted(tracepoints)),
        health,
        all_workloads(plan.workloads, plan.container),
        tuple(result.runs),
        result.partial,
    )
    return Recorded(recording, stale)


def filter_of(profile: str | None) -> Filter:
    """Describe the filter of a recording: the engine's default, or a profile's digest."""
    if profile is None:
        return Filter("default", "")
    return Filter("profile", "", hashlib.sha256(profile.encode()).hexdigest())


def require_default_filter(info: EngineInfo) -> None:
    """Raise ``HostError`` unless the engine puts its built-in default profile on containers."""
    if not info.seccomp:
        raise HostError(
            "the engine runs without seccomp",
            slug="engine-without-seccomp",
            fix="use a kernel and an engine with seccomp",
        )
    profile = info.seccomp.partition("profile=")[2]
    if profile not in ("", "default", "builtin"):
        raise HostError(
            f"the engine has a default seccomp profile of its own ({profile}), "
            "not one whose rules we know",
            slug="engine-custom-default",
            fix="take the setting away while recording (dockerd's --seccomp-profile; for Podman "
            "seccomp_profile in containers.conf, or /etc/containers/seccomp.json)",
        )


def all_workloads(workloads: tuple[Workload, ...], container: Container) -> tuple[Workload, ...]:
    """Return the workloads, with the container's own process if something happens in it."""
    if any(workload.mode in INSIDE for workload in workloads):
        return (*workloads, Workload(MAIN, container.command, mode="main"))
    return workloads


def health_of(observer: Observer, result: Execution) -> Health:
    """Judge how far the result can be trusted."""
    problems = list(result.problems)
    notes: list[str] = []
    for loss in observer.losses():
        harmless = any(kind in loss for kind in _HARMLESS_LOSSES)
        (notes if harmless else problems).append(loss)
    notes += [
        f"{run.workload}: uses io_uring, whose operations no probe or filter sees"
        for run in result.runs
        if any(use.name.startswith("io_uring_") for use in run.syscalls)
    ]
    if not sees_host_processes():
        notes.append(
            "the recorder ran in a PID namespace of its own: calls in flight at a run's begin "
            "may look refused"
        )
    return Health(tuple(sorted(problems)), tuple(sorted(set(notes))), observer.capability_note)


def host_of(info: EngineInfo) -> Host:
    """Describe kernel and engine, without names of machines."""
    uname = platform.uname()
    return Host(
        uname.release,
        uname.machine,
        info.name,
        info.version,
        info.runtime,
        info.runtime_version,
        cgroup_layout(),
    )


def subject_of(container: Container, image: Image, result: Execution) -> Subject:
    """Describe the container that was recorded, without values and host paths."""
    return Subject(
        image=container.image,
        image_digest=image.digest,
        user=container.user or image.user,
        workdir=container.workdir,
        network=container.network,
        tty=container.tty,
        no_new_privileges=container.no_new_privileges,
        cap_add=container.cap_add,
        cap_drop=container.cap_drop,
        capabilities=tuple(sorted(result.bounding)),
        environment=tuple(sorted(name for name, _ in container.environment)),
        mounts=tuple(sorted(target for _, target, _ in container.mounts)),
    )


def outcome_counts(runs: tuple[Run, ...]) -> dict[str, int]:
    """Return how many runs had which outcome."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.outcome] = counts.get(run.outcome, 0) + 1
    return counts
