"""Record a container that somebody else has started, for as long as it is used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from synth.errors import HostError, UsageError
from synth.model import Filter, Recording, Run, Workload
from synth.syscalls import CAPABILITIES
from tracer import cgroups
from tracer.engine import Engine, EngineInfo, Running
from tracer.execute import Events, Execution
from tracer.observe import Joined, Observation, Observer, Watch
from tracer.output import OutputRecorder
from tracer.probes import require_root
from tracer.record import DEFAULT_ERRNOS, health_of, host_of, require_default_filter, subject_of

POLL_S = 0.5
RESTART_GRACE_S = 15.0
"""How long a container may be down before it counts as ended: a restart takes a while."""

ENDLESS_S = 1e6
FILTERED = "2"  # Seccomp: in /proc/PID/status


@dataclass(frozen=True)
class Session:
    """What to join and how long; ``save`` gets what there is every ``save_every_s`` seconds."""

    reference: str
    name: str
    seconds: float | None
    save: Callable[[Recording], None]
    save_every_s: float = 60.0
    all_programs: bool = False


def record_running(engine: Engine, session: Session, events: Events) -> Recording:
    """Record a running container until the time is over, it ends, or an interrupt comes.

    Raises ``HostError`` when this host cannot, ``UsageError`` when there is no such container or
    it has no filter: then nothing says what a filter would have to allow.
    """
    require_root()
    info = engine.info()
    running = engine.find(session.reference)
    if running.profile is None:
        require_default_filter(info)
    joined, no_new_privileges = _look_at(running)
    container = replace(running.container, no_new_privileges=no_new_privileges)
    running = replace(running, container=container)
    workload = Workload(session.name, (), "join", session.seconds or ENDLESS_S)
    with Observer(DEFAULT_ERRNOS[info.name], all_programs=session.all_programs) as observer:
        watch = observer.join(running.id, joined)
        try:
            make = _Maker(info, running, workload, observer, watch)
            slot = watch.begin()
            events.started(workload, 0)
            message = _follow(engine, session, events, make, slot)
            events.finishing()
            recording = make(watch.end(slot), partial=False)
            events.finished(recording.runs[0], message, "")
            return recording
        finally:
            watch.close()


def _look_at(running: Running) -> tuple[Joined, bool]:
    """Return what the kernel side needs to know, and whether privileges can be gained."""
    try:
        lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
        namespace = Path(f"/proc/{running.pid}/ns/user").stat().st_ino
    except OSError:
        raise HostError(
            f"the container's main process ({running.pid}) is not to be seen from here",
            slug="container-out-of-sight",
            fix="run it where the engine runs, not in a container",
        ) from None
    status = dict(line.partition(":")[::2] for line in lines)
    if status.get("Seccomp", "").strip() != FILTERED:
        raise UsageError(
            f"the container {running.name!r} runs without a seccomp filter",
            slug="unfiltered-container",
            fix="start it without --privileged and seccomp=unconfined",
        )
    folder = cgroups.of_container(running.id, running.pid)
    if folder is None:
        raise HostError(
            f"the cgroup of {running.name!r} is not to be seen from here",
            slug="container-out-of-sight",
            fix="run it where the engine runs, not in a container",
        )
    bits = int(status["CapBnd"], 16)
    bounding = tuple(name for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)
    return Joined(folder, namespace, bounding), status.get("NoNewPrivs", "").strip() == "1"


@dataclass(frozen=True)
class _Maker:
    """Make the recording of what has been observed so far."""

    info: EngineInfo
    running: Running
    workload: Workload
    observer: Observer
    watch: Watch
    began: float = field(default_factory=time.monotonic)

    def __call__(self, seen: Observation, *, partial: bool) -> Recording:
        nothing = OutputRecorder().digest()
        run = Run(
            self.workload.name,
            0,
            "ok",
            None,
            round((time.monotonic() - self.began) * 1000, 1),
            nothing,
            nothing,
            seen.syscalls,
            seen.arguments,
            seen.denials,
            seen.capabilities,
        )
        result = Execution([run], bounding=self.watch.bounding, partial=partial)
        health = health_of(self.observer, result)
        note = f"{run.workload}: joined while it ran; its start is not in the recording"
        profile = self.running.profile
        return Recording(
            subject_of(self.running.container, self.running.image, result),
            host_of(self.info),
            Filter("default", "")
            if profile is None
            else Filter("profile", "", hashlib.sha256(profile.encode()).hexdigest()),
            tuple(sorted(self.observer.tracepoints)),
            replace(health, notes=tuple(sorted((*health.notes, note)))),
            (self.workload,),
            (run,),
            partial,
        )


def _follow(engine: Engine, session: Session, events: Events, make: _Maker, slot: int) -> str:
    """Wait, and save now and then; return why it ended."""
    saved = seen_alive = make.began
    try:
        while True:
            time.sleep(POLL_S)
            now = time.monotonic()
            events.progress(make.workload, make.watch.count(slot), now - make.began)
            if session.seconds is not None and now - make.began >= session.seconds:
                return "the time is over"
            if now - saved >= session.save_every_s:
                session.save(make(make.observer.read(slot), partial=True))
                saved = now
            if engine.state(make.running.id).running:
                seen_alive = now
            elif now - seen_alive > RESTART_GRACE_S:
                return "the container has ended"
    except KeyboardInterrupt:
        return "stopped"
