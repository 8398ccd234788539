"""The recorder against programs whose calls are known exactly: these are there, no other is."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth.model import Denial
from tests.kernel.sandbox import (
    KILL_PROCESS,
    compile_program,
    errno_action,
    refuse,
    run,
    workload_names,
)
from tracer import cgroups, loader
from tracer.bcc_import import load_bcc
from tracer.observe import Observer

pytestmark = pytest.mark.kernel

SOURCE = Path(__file__).parents[1] / "workloads" / "known.c"
MKDIR, PERSONALITY = 83, 135
EPERM, ENOSYS = 1, 38


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    with Observer(frozenset({EPERM, ENOSYS})) as one:
        yield one


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_program(tmp_path_factory.mktemp("known"), SOURCE)


def test_exactly_the_calls_made(observer: Observer, known: str) -> None:
    seen, done = run(observer, [known, "plain"])
    assert done.returncode == 0
    assert workload_names(seen) == {"getpid", "getuid", "exit_group"}
    assert seen.denials == ()


def test_execve_is_the_runtimes_last_call(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "plain"])
    runtime = {use.name for use in seen.syscalls if use.phase == "runtime"}
    assert "execve" in runtime
    assert "prctl" not in runtime, "the call that installs the filter is made without one"
    assert {use.program for use in seen.syscalls if use.phase == "workload"} == {"known"}


def test_argument_values(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "arguments"])
    values = {use.name: use.values for use in seen.arguments}
    assert values["socket"] == ((1, 1, 0), (2, 2, 0)), "SOCK_CLOEXEC is masked"
    assert values["personality"] == ((0xFFFFFFFF,),)


def test_arguments_of_dangerous_calls(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "keys"])
    values = {use.name: use.values for use in seen.arguments}
    assert values["keyctl"] == ((0,),)
    assert values["bpf"] == ((5,),)
    assert values["ptrace"] == ((0x4206,),)
    assert values["setns"] == ((0x20000000,),)
    assert values["clone3"] == ((5 << 33,),), "read through the pointer, all 64 bits"
    assert seen.denials == (), "what merely fails was not refused"


def test_a_refusal_is_told_from_a_failure(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "denied"], program=refuse(MKDIR, errno_action(EPERM)))
    assert seen.denials == (Denial("x86_64", "mkdir", MKDIR, EPERM, "workload", "known", 1),)
    assert "mkdir" not in workload_names(seen)
    assert {"link", "#400"} <= workload_names(seen), "EPERM and ENOSYS of the kernel's own"


def test_an_argument_rule_is_named_with_its_argument(observer: Observer, known: str) -> None:
    program = refuse(PERSONALITY, errno_action(EPERM), argument=64)
    seen, _ = run(observer, [known, "rule"], program=program)
    (denial,) = seen.denials
    assert denial.name == "personality"
    assert denial.arguments == ((0, 0xFFFFFFFF, 64),)


def test_a_kill_by_the_filter(observer: Observer, known: str) -> None:
    seen, done = run(observer, [known, "denied"], program=refuse(MKDIR, KILL_PROCESS))
    assert done.returncode == -signal.SIGSYS
    assert [(one.name, one.errno) for one in seen.denials] == [("mkdir", 0)]


def test_32_bit_calls_have_their_own_names(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "i386"])
    if not workload_names(seen, "x86"):
        pytest.skip("this kernel has no 32-bit entry")
    assert workload_names(seen, "x86") == {"getpid", "personality"}
    assert workload_names(seen) == {"exit_group"}
    values = {use.name: use.values for use in seen.arguments if use.arch == "x86"}
    assert values["personality"] == ((0xFFFFFFFF,),)


def test_too_many_values_are_marked(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "overflow"])
    (ioctl,) = [use for use in seen.arguments if use.name == "ioctl"]
    assert ioctl.overflow
    assert len(ioctl.values) == 64


def test_children_in_new_namespaces_are_inside(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "namespaces"])
    assert {"unshare", "fork", "wait4", "getppid", "exit"} <= workload_names(seen)


def test_a_capability_that_was_used(observer: Observer, known: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch()
    seen, _ = run(observer, [known, f"c={target}"])
    assert os.stat(target).st_uid == 1
    assert [(use.name, use.syscall, use.program) for use in seen.capabilities] == [
        ("CAP_CHOWN", "chown", "known")
    ]
    plain, _ = run(observer, [known, "plain"])
    assert plain.capabilities == ()


@pytest.mark.parametrize("name", cgroups.NAMES)
def test_cgroup_names_of_every_runtime(observer: Observer, known: str, name: str) -> None:
    seen, _ = run(observer, [known, "plain"], name=name)
    assert workload_names(seen) == {"getpid", "getuid", "exit_group"}


def test_child_cgroups_are_inside(observer: Observer, known: str) -> None:
    seen, _ = run(observer, [known, "plain"], nested=True)
    assert workload_names(seen) == {"getpid", "getuid", "exit_group"}


def test_the_unified_hierarchy(known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a host with cgroup v2 only has; on a hybrid one it can be looked at as well."""
    if not any("cgroup2" in line for line in Path("/proc/self/mounts").read_text().splitlines()):
        pytest.skip("no cgroup2 hierarchy is mounted")
    for module in (loader, cgroups):
        monkeypatch.setattr(module, "uses_v1_pids", lambda: False)
    with Observer(frozenset({EPERM})) as unified:
        for nested in (False, True):
            seen, _ = run(unified, [known, "plain"], nested=nested)
            assert workload_names(seen) == {"getpid", "getuid", "exit_group"}


def test_others_are_outside(observer: Observer, known: str) -> None:
    """A neighbour that makes other calls leaves no trace in a run."""
    neighbour = subprocess.Popen(["sh", "-c", "while :; do mkdir /tmp/x 2>/dev/null; done"])
    try:
        seen, _ = run(observer, [known, "plain"])
    finally:
        neighbour.kill()
        neighbour.wait()
    assert workload_names(seen) == {"getpid", "getuid", "exit_group"}


def test_nothing_is_lost_from_one_run_to_the_next(observer: Observer, known: str) -> None:
    """More runs than there are slots; each must see exactly its own."""
    for number in range(70):
        scenario = "plain" if number % 2 else "arguments"
        expected = {"getpid", "getuid"} if number % 2 else {"socket", "personality"}
        seen, _ = run(observer, [known, scenario])
        assert workload_names(seen) == {*expected, "exit_group"}
    assert observer.losses() == []


@pytest.mark.parametrize("command", [["/bin/ls", "-la", "/"], ["/bin/sh", "-c", "echo | cat"]])
def test_agrees_with_strace(observer: Observer, command: list[str], tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "signal=none", "-o", log, *command],
        check=True,
        capture_output=True,
        timeout=60,
    )
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    traced = {
        line.split("(")[0] for line in lines if "(" in line and not line.startswith(("<", "+"))
    }
    seen, _ = run(observer, command)
    ours = {use.name for use in seen.syscalls if use.phase == "workload"} | {"execve"}
    assert ours - {"rt_sigreturn", "restart_syscall"} == traced - {
        "rt_sigreturn",
        "restart_syscall",
    }


def test_kernel_and_python_agree_on_sizes(observer: Observer) -> None:
    """A record that bcc understood wrongly would be read, or written, past its end."""
    library = load_bcc().BPF.__init__.__globals__["lib"]
    module = observer.table("scope").bpf.module
    text = (Path(loader.__file__).parent / "bpf" / "maps.bpf.c").read_text()
    names = ["scope", *re.findall(r"^BPF_(?:HASH|ARRAY)\((\w+)", text, re.MULTILINE)]
    assert len(names) >= 14
    names.remove("programs")  # there only if asked for
    for name in names:
        table = observer.table(name)
        number = library.bpf_table_id(module, name.encode())
        assert ctypes.sizeof(table.Leaf) == library.bpf_table_leaf_size_id(module, number), name
        assert ctypes.sizeof(table.Key) == library.bpf_table_key_size_id(module, number), name
    assert ctypes.sizeof(observer.table("scope").Leaf) == ctypes.sizeof(loader.Scope)
