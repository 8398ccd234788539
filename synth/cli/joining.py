"""Record a container that runs already: the part of ``record`` behind ``--container``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from synth.baseline import for_engine
from synth.cli.common import Settings
from synth.cli.engines import EngineChoice
from synth.cli.interrupts import terminated_as_interrupt
from synth.cli.progress import Progress
from synth.config import slug
from synth.errors import UsageError
from synth.files import write_atomic
from synth.model import Recording
from synth.recording import dump_recording

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 1e6


def parse_duration(text: str, option: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``10m``, ``8h`` or ``1d``; raises ``UsageError``."""
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)([smhd]?)", text, re.ASCII)
    seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(
            f"{option}: {text[:32]!r} is not a duration",
            where="command line",
            slug="bad-option",
            fix="write 90s, 10m, 8h or 1d (eleven days at most)",
        )
    return seconds


@dataclass(frozen=True)
class JoinTimes:
    """How long to record (``None``: until it ends) and how often to save, in seconds."""

    seconds: float | None
    save_every_s: float

    @classmethod
    def parse(cls, duration: str | None, save_every: str) -> JoinTimes:
        """Return the times of ``--for`` and ``--save-every``; raises ``UsageError``."""
        seconds = None if duration is None else parse_duration(duration, "--for")
        return cls(seconds, parse_duration(save_every, "--save-every"))


def record_container(
    settings: Settings,
    choice: EngineChoice,
    reference: str,
    path: Path,
    times: JoinTimes,
    *,
    all_programs: bool,
    force: bool,
) -> Recording:
    """Record until the time is over, the container ends or the user does; write to ``path``.

    What there is gets written now and then, marked partial.
    """
    # imported here: needs Linux, and everything else must work without
    from tracer.connect import connect
    from tracer.join import Session, record_running
    from tracer.probes import require_root

    require_root()
    written = force

    def save(recording: Recording) -> None:
        nonlocal written
        write_atomic(path, dump_recording(with_baseline(recording)), force=written)
        written = True  # from now on it is ours

    engine = connect(choice.name, choice.runtime, os.environ)
    session = Session(
        reference, slug(reference), times.seconds, save, times.save_every_s, all_programs
    )
    with terminated_as_interrupt() as ignore:
        progress = Progress(settings, "recording", pass_through=False, finishing=ignore)
        try:
            recording = record_running(engine, session, progress)
        finally:
            progress.close()
            engine.close()
        recording = with_baseline(recording)
        save(recording)
    return recording


def with_baseline(recording: Recording) -> Recording:
    """Name the default profile of the engine that recorded."""
    baseline = for_engine(recording.host.engine, recording.host.engine_version)
    return replace(recording, filter=replace(recording.filter, baseline=baseline.name))
