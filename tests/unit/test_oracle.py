"""The oracle's reading of strace's output, and that it can fail."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from synth.model import Denial, OutputDigest, Run, SyscallUse

SCRIPT = Path(__file__).parents[2] / "scripts" / "oracle.py"

# 100 is the container's process, 101 a thread of the runtime, 102 a child
LOG = """\
100 [ 257] openat(AT_FDCWD, "fifo", O_WRONLY) = 3
101 [ 35] nanosleep({tv_sec=0, tv_nsec=20000}, <unfinished ...>
100 [ 59] execve("/bin/a", ["a"], 0x1 /* 0 vars */ <unfinished ...>
101 [ 35] <... nanosleep resumed> <unfinished ...>) = ?
101 +++ exited with 0 +++
100 [ 59] <... execve resumed>) = 0
100 [435] clone3({flags=CLONE_VM}, 88) = -1 ENOSYS (Function not implemented)
100 [ 56] clone(child_stack=NULL, flags=SIGCHLD) = 102
102 [ 11] execve("/bin/b", ["b"], 0x1 /* 0 vars */) = 0
102 [102] socket(AF_UNIX, SOCK_STREAM, 0) = 3
102 [439] faccessat2(AT_FDCWD, "x", F_OK, 0) = 0
102 [ 45] brk(NULL <unfinished ...>
100 --- SIGCHLD {si_signo=SIGCHLD} ---
102 [ 45] <... brk resumed>) = 0x1
102 [  0] restart_syscall(<... resuming interrupted read ...>
102 [  1] exit(0) = ?
100 [231] exit_group(0) = ?
"""


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oracle", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["oracle"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def traced(oracle: ModuleType, folder: Path) -> object:
    log = folder / "log"
    log.write_text(LOG)
    return oracle.read_trace(log, 100)


NATIVE = {257: "openat", 59: "execve", 56: "clone", 231: "exit_group"}
COMPAT = {11: "execve", 102: "socketcall", 439: "faccessat2", 45: "brk", 1: "exit"}


def run_of(*, without: str = "", refused: int = 1) -> Run:
    uses = [
        SyscallUse(arch, name, number, "runtime" if number == 257 else "workload", "a", 0.0)
        for arch, table in (("x86_64", NATIVE), ("x86", COMPAT))
        for number, name in table.items()
        if name != without
    ]
    denials = (Denial("x86_64", "clone3", 435, 38, "workload", "a", refused),)
    empty = OutputDigest(0, "", "")
    return Run("a", 0, "ok", 0, 0.0, empty, empty, tuple(uses), (), denials)


def test_calls_are_told_apart_by_table_and_thread(oracle: ModuleType, tmp_path: Path) -> None:
    trace = traced(oracle, tmp_path)
    assert set(trace.calls) == {  # type: ignore[attr-defined]
        *(("x86_64", number) for number in (*NATIVE, 435)),
        *(("x86", number) for number in (*COMPAT, 0)),
    }
    assert trace.never_returned() == {("x86", 0)}  # type: ignore[attr-defined]


def test_a_run_that_agrees(oracle: ModuleType, tmp_path: Path) -> None:
    row = oracle.Row()
    row.add(run_of(), traced(oracle, tmp_path))
    assert (row.missing, row.extra, row.problems) == (set(), set(), [])
    assert row.refused == {("x86_64", 435)}


def test_a_missing_call_is_found(oracle: ModuleType, tmp_path: Path) -> None:
    row = oracle.Row()
    row.add(run_of(without="brk"), traced(oracle, tmp_path))
    assert row.missing == {("x86", 45)}


def test_a_refusal_counted_wrongly_is_found(oracle: ModuleType, tmp_path: Path) -> None:
    row = oracle.Row()
    row.add(run_of(refused=2), traced(oracle, tmp_path))
    assert row.problems == ["clone3: refused 2 times, strace has 1"]
