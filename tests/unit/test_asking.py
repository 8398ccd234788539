"""Probes of servers that answer, and of those that would keep us for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from synth.model import Workload
from tracer import asking
from tracer.workload import Ending

OK = b"HTTP/1.1 200 OK\r\n"

Probe = Callable[[bytes, bytes], Ending]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """Ask a server, in our own network, that says something and repeats something for ever."""
    monkeypatch.setattr(asking, "_enter_network", lambda _pid: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said: list[bytes] = []

        def answer(connection: socket.socket) -> None:
            first, again = said
            with connection:
                try:
                    connection.recv(1000)
                    connection.sendall(first)
                    while again:
                        connection.sendall(again)
                        time.sleep(0.05)
                except OSError:
                    pass

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://localhost:{listener.getsockname()[1]}/"

        def ask(first: bytes, again: bytes = b"") -> Ending:
            said[:] = (first, again)
            work = Workload("p", ("GET", url), mode="probe", timeout_s=0.5, expected_exit=200)
            return asking.run_probe(1, work, tick=lambda: None)

        yield ask


def test_an_answer_is_its_status_some_headers_and_its_body(probe: Probe) -> None:
    one = probe(OK + b"Content-Type: text/plain\r\nDate: now\r\n\r\nfine", b"")
    same = probe(OK + b"Date: later\r\nContent-Type: text/plain\r\n\r\nfine", b"")
    other = probe(OK + b"Content-Type: text/plain\r\n\r\nelse", b"")
    assert (one.outcome, one.exit_status) == ("ok", 200)
    assert one.stdout.digest() == same.stdout.digest() != other.stdout.digest()
    wrong = probe(b"HTTP/1.1 500 No\r\n\r\n", b"")
    assert (wrong.outcome, wrong.exit_status) == ("failed", 500)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"\0"),
        (OK + b"\r\n", b"x"),
        (OK + b"A: ", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"\x1b[2J\xff\r\n\r\n", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b""),
    ],
)
def test_what_never_ends_or_is_no_answer_fails_in_time(
    probe: Probe, first: bytes, again: bytes
) -> None:
    began = time.monotonic()
    ending = probe(first, again)
    assert time.monotonic() - began < 5
    assert (ending.outcome, ending.exit_status) == ("failed", None)
    assert ending.message
