"""Show on a terminal what is being learnt, and pass through what workloads print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from rich.console import Console
from rich.status import Status
from rich.text import Text

from synth.cli.common import Settings, clean
from synth.model import Run, Workload

ENDLESS_S = 1e6
"""The longest time limit that a recording can hold: none was given."""


class SeenSoFar(Protocol):
    """What the tracer tells about a run that goes on."""

    @property
    def syscalls(self) -> int:
        """How many different syscalls."""

    @property
    def denials(self) -> int:
        """How many different refused calls."""


class Progress:
    """One live line on a terminal, one plain line per run elsewhere.

    ``doing`` is the verb of the line.  ``pass_through``: copy the workloads' output to ours.
    ``finishing`` is called when the last run has ended.
    """

    def __init__(
        self,
        settings: Settings,
        doing: str,
        *,
        pass_through: bool,
        finishing: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._doing = doing
        self._pass_through = pass_through
        self.finishing = finishing
        self._console = Console(
            stderr=True, no_color=not settings.color, force_terminal=None, highlight=False
        )
        self._status: Status | None = None
        self._lock = Lock()
        self._known: set[str] = set()
        self._world = ""
        self._streams = {1: 1, 2: 2}
        if self._console.is_terminal and settings.verbosity >= 0:
            self._status = self._console.status("", spinner="dots")

    def close(self) -> None:
        """Take the live line away."""
        if self._status is not None:
            self._status.stop()

    def world(self, name: str) -> None:
        """Say under what the next runs are made; empty for the default that is recorded."""
        self._world = f" under the {name}" if name else ""

    def started(self, workload: Workload, index: int) -> None:
        """Say that a run begins."""
        if self._status is not None:
            self._status.update(Text(f"{self._doing} {workload.name}{self._world}"))
            self._status.start()
        elif self._settings.verbosity > 0:
            self._settings.note(f"{self._doing} {workload.name}{self._world} (run {index + 1})")

    def progress(self, workload: Workload, counts: SeenSoFar, seconds: float) -> None:
        """Refresh the live line."""
        if self._status is not None:
            denied = f", {counts.denials} refused" if counts.denials else ""
            limit = (
                "" if workload.timeout_s >= ENDLESS_S else f" of at most {workload.timeout_s:.0f} s"
            )
            self._status.update(
                Text(
                    f"{self._doing} {workload.name}{self._world}: "
                    f"{counts.syscalls} syscalls{denied}, {seconds:.0f} s{limit}"
                )
            )

    def finished(self, run: Run, message: str, stderr_tail: str) -> None:
        """Say how a run ended and what it added."""
        names = {use.name for use in run.syscalls}
        new = len(names - self._known)
        self._known |= names
        capabilities = sorted({use.name.removeprefix("CAP_") for use in run.capabilities})
        text = (
            f"{run.workload}{self._world}: {run.outcome}"
            + (f" (exit {run.exit_status})" if run.exit_status else "")
            + f", {len(names)} syscalls ({new} new)"
            + (f", capabilities {' '.join(capabilities)}" if capabilities else "")
            + f", {run.duration_ms / 1000:.1f} s"
        )
        self._say(text)
        if run.outcome not in ("ok", "interrupted") and self._settings.verbosity >= 0:
            if message:
                self._say(f"  {message.strip()}")
            if not self._pass_through:
                for line in stderr_tail.strip().splitlines()[-5:]:
                    self._say(f"  | {line}")

    def output(self, stream: int, data: bytes) -> None:
        """Copy a piece of a workload's output; a reader that has gone away is no error."""
        if not self._pass_through or stream not in self._streams:
            return
        with self._lock:
            if self._status is not None:
                self._status.stop()
            try:
                sys.stdout.flush()
                view = memoryview(data)
                while view:
                    view = view[os.write(self._streams[stream], view) :]
            except OSError:
                del self._streams[stream]
            # the live line would wipe out a line that has not ended yet
            if self._status is not None and data.endswith(b"\n"):
                self._status.start()

    def _say(self, text: str) -> None:
        if self._settings.verbosity < 0:
            return
        with self._lock:
            self._console.print(Text(clean(text)), soft_wrap=True)
