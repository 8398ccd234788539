"""Trying the ways out: the program that makes the calls, and the verdict on the answers."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from synth.evidence import Evidence, combine
from synth.model import Answer, Recording
from synth.primitives import Attempt, Attempted, Outcome, attempts
from synth.shut import is_needed, judge_attempts
from tests import builders
from tracer.stub import RECORD, Call, program, results

ALLOW, EPERM = Answer("SCMP_ACT_ALLOW"), Answer("SCMP_ACT_ERRNO", 1)
KILL = Answer("SCMP_ACT_KILL_THREAD")
UNSHARE = Attempt("a namespace", "x86_64", "unshare", (0x10100000, 0, 0, 0, 0, 0))
VSOCK = Attempt("AF_VSOCK socket", "x86_64", "socket", (0x1_0000_0028, 15, 0, 0, 0, 0))
INT_80 = Attempt("i386 calls", "x86", "getpid", (0, 0, 0, 0, 0, 0))

on_x86_64 = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="runs machine code"
)


def verdict(
    attempt: Attempt,
    outcome: Outcome | None,
    profile: Answer,
    default: Answer = EPERM,
    *,
    reached: bool = False,
    recording: Recording | None = None,
) -> tuple[str, str]:
    evidence: Evidence = combine([recording or builders.recording(builders.run())])
    tried = Attempted(attempt, profile, default, outcome, reached)
    (finding,) = judge_attempts((tried,), evidence)
    return finding.id, finding.severity


@pytest.mark.parametrize("errno", [1, 38])
def test_a_refusal_is_what_the_filter_or_the_runtime_answers(errno: int) -> None:
    assert verdict(UNSHARE, Outcome(-errno, 0), EPERM) == ("SS211", "note")


@pytest.mark.parametrize("value", [0, 3, -22, -14])
def test_any_other_answer_is_the_kernel_s_own(value: int) -> None:
    assert verdict(UNSHARE, Outcome(value, 0), EPERM) == ("SS212", "error")


def test_an_eperm_of_the_kernel_s_own_is_told_by_its_tracing() -> None:
    assert verdict(UNSHARE, Outcome(-1, 0), EPERM, reached=True) == ("SS212", "error")


def test_a_killing_filter_must_kill_with_sigsys() -> None:
    assert verdict(INT_80, Outcome(None, 31), KILL) == ("SS211", "note")
    assert verdict(INT_80, Outcome(None, 11), KILL) == ("SS212", "error")
    assert verdict(INT_80, Outcome(20, 0), KILL) == ("SS212", "error")
    assert verdict(INT_80, None, KILL) == ("SS216", "note")


def test_what_is_open_must_be_open_by_default_and_recorded() -> None:
    used = builders.recording(builders.run(calls=(*builders.START, "ptrace")))
    ptrace = Attempt("registers", "x86_64", "ptrace", (0x4206, 0, 0, 0, 0, 0))
    assert verdict(ptrace, Outcome(-3, 0), ALLOW, EPERM, recording=used) == ("SS213", "error")
    assert verdict(ptrace, Outcome(-3, 0), ALLOW, ALLOW, recording=used) == ("SS214", "note")
    assert verdict(ptrace, Outcome(-3, 0), ALLOW, ALLOW) == ("SS215", "warning")


def test_a_recorded_socket_of_another_family_needs_no_vsock() -> None:
    def needs(*families: int, overflow: bool = False) -> bool:
        run = builders.run(
            calls=(*builders.START, "socket"),
            arguments=[builders.sockets(*families, overflow=overflow)],
        )
        return is_needed(VSOCK, combine([builders.recording(run)]))

    assert not needs(1, 2)
    assert needs(1, 40), "the kernel reads the low half, so does the recorder"
    assert needs(1, overflow=True), "not all values are known"


def test_every_attempt_exists_on_its_architecture() -> None:
    for arch in ("x86_64", "aarch64"):
        listed = attempts(arch)
        assert len({one.label + one.name + str(one.arguments) for one in listed}) == len(listed)
        assert all(one.number >= 0 for one in listed)


@on_x86_64
def test_the_program_reports_what_each_call_returned(tmp_path: Path) -> None:
    calls = [
        (4, Call("x86_64", 39, ())),  # getpid
        (7, Call("x86_64", 3, (0xFFFF_FFFF_FFFF_FFFF,))),  # close(-1)
        (9, Call("x86_64", 186, ())),  # gettid
    ]
    path = tmp_path / "stub"
    path.write_bytes(program(calls))
    path.chmod(0o755)
    with subprocess.Popen([path], stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert results(output, 10) == {4: process.pid, 7: -9, 9: process.pid}


@on_x86_64
def test_a_call_that_gets_through_does_nothing(tmp_path: Path) -> None:
    """No filter at all: every attempt is answered, by an error or harmlessly."""
    listed = attempts("x86_64")
    native = [(at, one) for at, one in enumerate(listed) if one.arch == "x86_64"]
    path = tmp_path / "stub"
    path.write_bytes(
        program([(at, Call(one.arch, one.number, one.arguments)) for at, one in native])
    )
    path.chmod(0o755)
    done = subprocess.run([path], capture_output=True, check=True, timeout=10)
    found = results(done.stdout, len(listed))
    assert set(found) == {at for at, _ in native}
    harmless = {"personality"}
    assert all(found[at] < 0 for at, one in native if one.name not in harmless)


def test_garbage_for_output_is_not_believed() -> None:
    good = RECORD.pack(0, -1)
    assert results(good + b"\x01", 5) == {0: -1}
    assert results(good + RECORD.pack(7, -1) + good, 5) == {0: -1}
    assert results(good + RECORD.pack(0, 5), 5) == {0: -1}
    assert results(b"", 5) == {}


def test_an_architecture_that_it_has_no_code_for_is_refused() -> None:
    with pytest.raises(ValueError, match="aarch64"):
        program([(0, Call("aarch64", 1, ()))])
