"""Ask a container's own server over HTTP, from inside its network namespace.

So nothing is needed in the image, and a container without a network can be asked as well.  The
thread that asks joins the namespace and ends with the question; the rest of us stays outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable

from synth.model import Workload
from synth.probe import METHOD, ProbeTarget, parse_probe
from tracer.engine import STDOUT
from tracer.output import KEEP_BYTES
from tracer.workload import Ending

CLONE_NEWNET = 0x40000000
RETRY_S = 0.1
ANSWER_S = 10.0
"""The longest wait for a piece of an answer; a server that is still starting is asked again."""

LEAST_S, GRACE_S = 0.5, 1.0
MESSAGE_LENGTH = 300

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
        question = _Question(pid, target, limit)
        question.wait(tick)
        if question.status == workload.expected_exit:
            ending.outcome = "ok"
        if ending.outcome == "ok" or time.monotonic() > limit or not os.path.exists(f"/proc/{pid}"):
            break
        time.sleep(RETRY_S)
        tick()
    ending.exit_status = question.status
    ending.take(STDOUT, question.answer)
    ending.message = question.failure
    ending.duration_ms = round((time.monotonic() - began) * 1000, 1)
    return ending


class _Question(threading.Thread):
    """Ask once, in a thread of its own: it does not come back from the namespace.

    A time limit on each piece of the answer is none on the whole: a server can send a byte now
    and then for ever, so that the connection is shut when the time is over.
    """

    def __init__(self, pid: int, target: ProbeTarget, limit: float) -> None:
        super().__init__(daemon=True)
        self._pid, self._target = pid, target
        left = max(LEAST_S, limit - time.monotonic())
        self._deadline = time.monotonic() + left
        self._connection = http.client.HTTPConnection(
            target.host, target.port, timeout=min(ANSWER_S, left)
        )
        self._socket: socket.socket | None = None
        self.status: int | None = None
        self.answer = b""
        self.failure = ""

    def run(self) -> None:
        """Enter the network and ask."""
        try:
            _enter_network(self._pid)
            try:
                self._ask()
            finally:
                self._connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failure = str(error)[:MESSAGE_LENGTH] or type(error).__name__

    def wait(self, tick: Callable[[], None]) -> None:
        """Ask, and wait for the whole answer until the limit."""
        self.start()
        while self.is_alive() and time.monotonic() < self._deadline:
            self.join(RETRY_S)
            tick()
        if self.is_alive():
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            self.join(GRACE_S)
            self.status, self.answer, self.failure = None, b"", "the answer did not end in time"

    def _ask(self) -> None:
        self._connection.connect()
        self._socket = self._connection.sock  # an answer that closes takes it from there
        self._connection.request(METHOD, self._target.path, headers={"Connection": "close"})
        response = self._connection.getresponse()
        head = [f"HTTP {response.status}"]
        head += [f"{name}: {response.headers.get(name)}" for name in HEADERS]
        body = response.read(KEEP_BYTES)
        self.answer = "\n".join(head).encode("utf-8", "backslashreplace") + b"\n\n" + body
        self.status = response.status


def _enter_network(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the container's network")
    finally:
        os.close(descriptor)
