"""Which containers are asked to end before they are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.stopping import listens, signal_number

HANDLER = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: None)\n"
BLOCKED = "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
IGNORED = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.parametrize(
    ("prepared", "name", "heard"),
    [
        (HANDLER, "", True),
        (HANDLER, "SIGQUIT", False),
        (BLOCKED, "SIGTERM", True),
        (IGNORED, "SIGTERM", False),
        ("import sys\n", "SIGTERM", False),
        ("import sys\n", "SIGINT", True),  # Python's own handler
    ],
)
def test_a_process_that_handles_or_awaits_the_signal(prepared: str, name: str, heard: bool) -> None:
    waiting = [sys.executable, "-c", f"{prepared}print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert listens(Path(f"/proc/{process.pid}/status").read_text(), name) is heard
        process.communicate()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("", signal.SIGTERM),
        ("SIGQUIT", signal.SIGQUIT),
        ("quit", signal.SIGQUIT),
        ("3", signal.SIGQUIT),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGNONE", 0),
        ("9999999999", 0),
        ("\u0663", 0),
    ],
)
def test_signals_as_images_name_them(name: str, number: int) -> None:
    assert signal_number(name) == number
