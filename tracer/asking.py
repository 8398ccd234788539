"""Ask a container's own server over HTTP, from inside its network namespace.

So nothing is needed in the image, and a container without a network can be asked as well.  The
thread that asks joins the namespace and ends with the question; the rest of us stays outside.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import threading
import time
from collections.abc import Callable

from synth.errors import HostError
from synth.model import Workload
from synth.probe import METHOD, ProbeTarget, parse_probe
from tracer.engine import STDOUT
from tracer.output import KEEP_BYTES
from tracer.workload import Ending

CLONE_NEWNET = 0x40000000
RETRY_S = 0.1
ANSWER_S = 10.0
"""The longest wait for one answer; a server that is still starting is asked again."""

HEADERS = ("content-type", "location", "content-encoding")
"""What counts of an answer's head beside its status."""


def run_probe(pid: int, workload: Workload, *, tick: Callable[[], None]) -> Ending:
    """Ask until there is an answer with the expected status, and say how it ended.

    ``pid`` is the container's first process.  An answer with another status counts only when the
    time is over: servers say 503 while they start.
    """
    ending = Ending(outcome="failed")
    began = time.monotonic()
    limit = began + workload.timeout_s
    target = parse_probe(workload.command[1])
    while True:
        answers: list[tuple[int, bytes]] = []
        failures: list[str] = []
        thread = threading.Thread(
            target=_ask, args=(pid, target, answers, failures, limit), daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(RETRY_S)
            tick()
        if answers and answers[0][0] == workload.expected_exit:
            ending.outcome = "ok"
        if ending.outcome == "ok" or time.monotonic() > limit or not os.path.exists(f"/proc/{pid}"):
            break
        time.sleep(RETRY_S)
        tick()
    if answers:
        ending.exit_status = answers[0][0]
        ending.take(STDOUT, answers[0][1])
    ending.message = failures[0] if failures else ""
    ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
    return ending


def _ask(
    pid: int,
    target: ProbeTarget,
    answers: list[tuple[int, bytes]],
    failures: list[str],
    limit: float,
) -> None:
    """Ask once, in a thread of its own: it does not come back from the namespace."""
    timeout = max(0.5, min(ANSWER_S, limit - time.monotonic()))
    try:
        _enter_network(pid)
        connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
        try:
            connection.request(METHOD, target.path, headers={"Connection": "close"})
            response = connection.getresponse()
            head = [f"HTTP {response.status}"]
            head += [f"{name}: {response.headers.get(name)}" for name in HEADERS]
            body = response.read(KEEP_BYTES)
            answers.append((response.status, "\n".join(head).encode() + b"\n\n" + body))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, HostError) as error:
        failures.append(str(error) or type(error).__name__)


def _enter_network(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the container's network")
    finally:
        os.close(descriptor)
