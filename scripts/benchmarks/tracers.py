"""The tracers that are compared: each can be switched on and off, again and again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from benchmarks.workers import Cell
from tracer.bcc_import import load_bcc, stub_kernel_tree
from tracer.btf import Btf
from tracer.observe import Observer

HERE = Path(__file__).parent


class Unavailable(Exception):
    """A tracer cannot be used on this machine; the text says why."""


class Tracer(Protocol):
    """Something that slows system calls down while it is on."""

    name: str

    def on(self) -> None:
        """Start tracing."""

    def off(self) -> None:
        """Stop tracing."""

    def close(self) -> None:
        """Free everything."""


class Nothing:
    """No tracer: what the measurement itself adds."""

    name = "untraced again"

    def on(self) -> None:
        """Do nothing."""

    off = close = on


class Ours:
    """The recorder, as it is used: for a container that it has started, or one that it has joined.

    ``home``: where the process ``pid`` is; while this is on, it is in ``cell``.
    """

    def __init__(
        self,
        name: str,
        home: Cell,
        pid: int,
        *,
        syscalls_only: bool = False,
        joined: bool = False,
        all_programs: bool = False,
    ) -> None:
        self.name = name
        self.cell = home if joined else Cell(home.worker)
        self._home = home
        self._pid = pid
        self._observer = Observer(
            frozenset({1, 38}), syscalls_only=syscalls_only, all_programs=all_programs
        )
        if joined:
            self._watch, self._slot = home.join(self._observer)
        else:
            self._watch = self._observer.watch(self.cell.id)
            self._slot = self._watch.begin()
            self.cell.__enter__()
        self._observer.pause()

    def on(self) -> None:
        """Attach."""
        self._observer.go_on()
        self.cell.move(self._pid)

    def off(self) -> None:
        """Detach."""
        self._home.move(self._pid)
        self._observer.pause()

    def close(self) -> None:
        """Free everything."""
        if not self._watch.end(self._slot).syscalls:
            raise SystemExit(f"{self.name}: nothing was recorded, the measurement is void")
        if self.cell is not self._home:
            self.cell.__exit__()
        self._watch.close()
        self._observer.__exit__()


class Programs:
    """Compile ``others.bpf.c`` once for those that use it."""

    def __init__(self) -> None:
        btf = Btf()
        options = [
            f"-DO_task_nsproxy={btf.offset('task_struct', 'nsproxy')}",
            f"-DO_nsproxy_pid_ns={btf.offset('nsproxy', 'pid_ns_for_children')}",
            f"-DO_pid_ns_inum={btf.offset('pid_namespace', 'ns.inum')}",
        ]
        btf.close()
        tree = stub_kernel_tree()
        os.environ["BCC_KERNEL_SOURCE"] = tree.name
        text = (HERE / "others.bpf.c").read_bytes()
        self.bpf: Any = load_bcc().BPF(text=text, cflags=options)
        tree.cleanup()


class Empty:
    """Raw tracepoints that do nothing."""

    def __init__(self, name: str, programs: Programs, *tracepoints: str) -> None:
        self.name = name
        self._bpf = programs.bpf
        self._tracepoints = tracepoints

    def on(self) -> None:
        """Attach."""
        for one in self._tracepoints:
            function = f"empty_{one.removeprefix('sys_')}".encode()
            self._bpf.attach_raw_tracepoint(tp=one.encode(), fn_name=function)

    def off(self) -> None:
        """Detach."""
        for one in self._tracepoints:
            self._bpf.detach_raw_tracepoint(tp=one.encode())

    def close(self) -> None:
        """Nothing to free."""


class Hook:
    """The design of oci-seccomp-bpf-hook 1.3."""

    name = "oci-seccomp-bpf-hook 1.3 design"
    _tracepoint = b"raw_syscalls:sys_enter"

    def __init__(self, programs: Programs, pid: int) -> None:
        self._bpf = programs.bpf
        inside = int(os.readlink(f"/proc/{pid}/ns/pid").partition("[")[2].rstrip("]"))
        self._bpf[b"hook_namespace"][ctypes.c_ulonglong(0)] = ctypes.c_uint(inside)
        self._bpf[b"hook_events"].open_perf_buffer(lambda *_: None)

    def on(self) -> None:
        """Attach."""
        self._bpf.attach_tracepoint(tp=self._tracepoint, fn_name=b"hook_enter")

    def off(self) -> None:
        """Detach."""
        self._bpf.detach_tracepoint(tp=self._tracepoint)

    def close(self) -> None:
        """Check that it has seen something."""
        if not len(self._bpf[b"hook_seen"]):
            raise SystemExit(f"{self.name}: nothing was recorded, the measurement is void")


class External:
    """A tracer that is a program of its own.

    ``ready``: what it writes when it traces; it is given ``settle`` seconds more.  ``prefix``: what
    to put before a command to have it traced; a tracer without is on for the whole machine.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        ready: str = "",
        settle: float = 0.2,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.prefix = prefix
        self._command = command
        self._ready = ready
        self._settle = settle
        self._process: subprocess.Popen[bytes] | None = None
        if shutil.which(command[0]) is None:
            raise Unavailable(f"{command[0]} is not installed")
        try:
            self.on()
        finally:
            self.off()

    def on(self) -> None:
        """Start it and wait until it traces."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # until it is off
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        end = time.monotonic() + 20
        while self._ready not in self._said():
            if self._process.poll() is not None or time.monotonic() > end:
                raise Unavailable(self._last_words())
            time.sleep(0.02)
        time.sleep(self._settle)
        if self._process.poll() is not None:
            raise Unavailable(self._last_words())

    def _said(self) -> str:
        return os.pread(self._log.fileno(), 65536, 0).decode(errors="replace")

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._said().splitlines() if line.strip()]
        return lines[-1] if lines else "it says nothing"

    def off(self) -> None:
        """End it."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._log.close()

    def close(self) -> None:
        """Nothing to free."""


@contextlib.contextmanager
def switched_on(tracer: Tracer) -> Iterator[None]:
    """Have a tracer on for a while."""
    tracer.on()
    try:
        yield
    finally:
        tracer.off()
