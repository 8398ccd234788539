"""Replay a recording's workloads on an engine, once or many times, for every form of validation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from synth.cli.again import container_of, require_consent
from synth.cli.attempts import make_attempts
from synth.cli.common import Settings
from synth.cli.container_options import WHERE
from synth.cli.engines import EngineChoice
from synth.cli.interrupts import terminated_as_interrupt
from synth.cli.progress import Progress
from synth.cli.sources import recorded_container
from synth.config import ContainerSource
from synth.errors import UsageError
from synth.model import INSIDE, Container, Profile, Recording, Workload
from synth.profile import dump_profile
from synth.recording import recording_digest
from synth.replay import RECORDED, Replay

if TYPE_CHECKING:
    from tracer.engine import Engine
    from tracer.replay import ReplayPlan

SLACK, GRACE_S = 3.0, 20.0
"""A replay may take so many times as long as the slowest recorded run, and so many seconds."""

CONTAINED = ("run", *INSIDE)
"""The modes of workloads that can be replayed by themselves; those inside share a container."""


@dataclass(frozen=True)
class Given:
    """What the user says of recorded containers, since recordings do not keep it.

    ``allowed`` are capabilities beyond Docker's default that may be granted.
    """

    source: Path | ContainerSource | None
    env: tuple[str, ...]
    mount: tuple[str, ...]
    allowed: tuple[str, ...]
    masks: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A recording that can be replayed: in which container, and how outputs are compared."""

    recording: Recording
    container: Container
    masks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What to replay under: a profile, capabilities after dropping all, how often.

    ``cap_add`` is ``None`` to leave the recorded capabilities.  ``only`` names the workloads,
    empty for all.  ``controls``: run everything under the baseline as well.  ``hasty``: end with
    the first workload that fails.
    """

    profile: Profile
    cap_add: tuple[str, ...] | None
    rounds: int = 2
    only: tuple[str, ...] = ()
    controls: bool = True
    hasty: bool = False


class Harness:
    """Replays cases on one engine."""

    def __init__(self, engine: Engine, settings: Settings, progress: Progress) -> None:
        self._engine, self._settings, self._progress = engine, settings, progress

    def warn_of_another_image(self, case: Case) -> None:
        """Say that a name stands for another image by now: what is replayed is the recorded one."""
        subject = case.recording.subject
        try:
            now = self._engine.image(subject.image, pull=False)
        except UsageError:
            return  # taken away; the recorded one is looked for by its digest
        if now.digest != subject.image_digest:
            self._settings.warn(
                f"{subject.image} is another image than the one recorded, which is replayed here; "
                "whether the new one fits: seccomp-synth check"
            )

    def replay(self, case: Case, trial: Trial) -> Replay:
        """Run the case's workloads in both worlds."""
        from tracer.replay import replay

        self._engine.image(case.container.image, pull=False)
        plan = _plan(case, trial)
        done = replay(self._engine, plan, self._progress)
        return Replay(
            recording_sha256=recording_digest(case.recording),
            profile_sha256=hashlib.sha256(plan.profile.encode()).hexdigest(),
            cap_add=RECORDED if trial.cap_add is None else trial.cap_add,
            host=done.host,
            health=done.health,
            runs=done.runs,
            controls=done.controls,
            partial=done.partial,
            masks=case.masks,
        )

    def with_attempts(self, case: Case, trial: Trial, replayed: Replay) -> Replay:
        """Return the replay with the ways out of the container tried as well.

        Where no workload starts under the profile, nothing else will.  An interrupt keeps the
        replay.
        """
        if replayed.partial or all(run.outcome == "not-started" for run in replayed.runs):
            return replayed
        kernel = replayed.host.kernel
        plan = _plan(case, trial)
        try:
            tried = make_attempts(
                self._engine, plan, trial.profile, case.recording, kernel, self._settings
            )
        except KeyboardInterrupt:
            return replace(replayed, partial=True)
        return replace(replayed, attempts=tried)


@contextmanager
def harness(settings: Settings, choice: EngineChoice, *, quiet: bool = False) -> Iterator[Harness]:
    """Yield what replays on the engine chosen; ``quiet``: runs are shown with -v only.

    Raises ``HostError`` when this host cannot.
    """
    # imported here: needs Linux, and everything else must work without
    from tracer.connect import connect
    from tracer.probes import require_root

    require_root()
    engine = connect(choice.name, choice.runtime, os.environ)
    told = replace(settings, verbosity=settings.verbosity - 1) if quiet else settings
    progress = Progress(told, "replaying", pass_through=False)
    try:
        with terminated_as_interrupt():
            yield Harness(engine, settings, progress)
    finally:
        progress.close()
        engine.close()


def choice_of_all(
    recordings: Sequence[Recording], engine: str | None, runtime: str | None
) -> EngineChoice:
    """Return the engine that was named, or else the one of the recordings.

    Raises ``UsageError`` if they were made with different ones.
    """
    recorded = {recording.host.engine for recording in recordings}
    if len(recorded) > 1 and not engine:
        raise UsageError(
            f"the recordings were made with {' and '.join(sorted(recorded))}",
            where=WHERE,
            slug="bad-option",
            fix="validate them one by one, or choose with --engine",
        )
    # Docker is what is found by itself, and DOCKER_HOST may name Podman
    return EngineChoice(engine or ("podman" if recorded == {"podman"} else ""), runtime or "")


def prepare(recording: Recording, given: Given, settings: Settings, engine: str) -> Case:
    """Return what can be replayed of a recording; raises ``UsageError`` for what is missing."""
    known = recorded_container(given.source, recording.subject, settings, engine)
    # what the project's own file asks for is the user's word, not the recording's
    asked = known.cap_add if known is not None else ()
    require_consent(recording, (*asked, *given.allowed))
    return Case(recording, container_of(recording, given.env, given.mount, known), given.masks)


def restricted(recording: Recording, names: Collection[str]) -> Recording:
    """Return the recording as if only the workloads named, and their container, were in it."""
    left_out = {
        work.name
        for work in recording.workloads
        if work.mode in CONTAINED and work.name not in names
    }
    return replace(
        recording,
        workloads=tuple(work for work in recording.workloads if work.name not in left_out),
        runs=tuple(run for run in recording.runs if run.workload not in left_out),
    )


def limited(recording: Recording) -> tuple[Workload, ...]:
    """Return the workloads with a time limit from what they took when recorded."""
    result = []
    for work in recording.workloads:
        slowest = max(
            (run.duration_ms for run in recording.runs if run.workload == work.name), default=0.0
        )
        limit = min(work.timeout_s, GRACE_S + SLACK * slowest / 1000)
        if work.mode in CONTAINED:
            result.append(replace(work, repeat=1, timeout_s=limit))
    return tuple(result)


def require_whole(replayed: Replay) -> None:
    """Pass an interrupt on: half a replay proves nothing."""
    if replayed.partial:
        raise KeyboardInterrupt


def errnos_of(profile: Profile) -> frozenset[int]:
    """Return what a profile can answer: EPERM where it names none, ENOSYS by runc's own patch."""
    found = {rule.errno for rule in profile.rules if rule.errno}
    return frozenset(found | {profile.default_errno or 1, 1, 38})


def _plan(case: Case, trial: Trial) -> ReplayPlan:
    from tracer.replay import ReplayPlan

    workloads = limited(case.recording)
    return ReplayPlan(
        case.container,
        tuple(one for one in workloads if not trial.only or one.name in trial.only),
        dump_profile(trial.profile),
        errnos_of(trial.profile),
        trial.cap_add,
        rounds=trial.rounds,
        masks=case.masks,
        unconfined=case.recording.filter.kind == "profile",
        controls=trial.controls,
        hasty=trial.hasty,
    )
