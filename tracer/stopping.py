"""Ask a container to end as its engine would: how a server stops is part of what it does.

Only where somebody listens.  The kernel drops signals that a first process has no handler for, and
the engine would wait out its grace for each ``sleep infinity``.
"""

from __future__ import annotations

import contextlib
import re
import signal
from pathlib import Path

import docker.errors

from synth.errors import SeccompSynthError
from tracer.engine import Engine

GRACE_S = 10
"""What engines give a container before they kill it."""

DEFAULT = "SIGTERM"
_WATCHED = re.compile(r"^Sig(?:Blk|Cgt):\s*([0-9a-f]+)$", re.MULTILINE)
_REAL_TIME = re.compile(r"RTMIN(?:\+(\d{1,2}))?")


def ask_to_end(engine: Engine, container_id: str) -> None:
    """Ask a container to end if its first process listens, and wait a while."""
    state = engine.state(container_id)
    if state.running and _listens(state.pid, state.stop_signal):
        with contextlib.suppress(SeccompSynthError, docker.errors.DockerException):
            engine.stop(container_id, grace_s=GRACE_S)


def _listens(pid: int, name: str) -> bool:
    """Tell whether a process handles a signal, or blocks it to wait for it as init programs do."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return listens(status, name)


def listens(status: str, name: str) -> bool:
    """Tell from the text of ``/proc/PID/status`` whether the signal called ``name`` is handled."""
    number = signal_number(name)
    masks = [int(mask, 16) for mask in _WATCHED.findall(status)]
    return number > 0 and any(mask >> (number - 1) & 1 for mask in masks)


def signal_number(name: str) -> int:
    """Return the number of a signal as images name it (``SIGQUIT``, ``QUIT``, ``3``), 0 if none."""
    short = (name or DEFAULT).upper().removeprefix("SIG")
    if short.isascii() and short.isdecimal():
        return int(short) if len(short) < len("100") else 0
    real_time = _REAL_TIME.fullmatch(short)
    if real_time:
        return int(signal.SIGRTMIN) + int(real_time[1] or 0)
    found = signal.Signals.__members__.get(f"SIG{short}")
    return int(found) if found else 0
