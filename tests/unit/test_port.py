"""Profiles for an architecture on which nothing was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.baseline import load_baseline
from synth.cli.main import main
from synth.evidence import combine
from synth.generate import Generated, generate
from synth.model import Recording
from synth.port import CLOCKS, PROCESSOR
from synth.profile import dump_profile, parse_profile
from synth.recording import dump_recording
from synth.syscalls import syscall_names
from synth.wanted import Tightness
from tests import builders

# Calls of amd64 that no program of today makes, or that belong to the processor: no counterpart.
WITHOUT = {
    *("_sysctl", "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old"),
    *("get_kernel_syms", "getpmsg", "ioperm", "iopl", "modify_ldt", "putpmsg", "query_module"),
    *("security", "sysfs", "tuxcall", "uprobe", "uretprobe", "uselib", "ustat", "vserver"),
}


def ported(recording: Recording, baseline: str = "docker-25.0") -> Generated:
    profile = load_baseline(baseline).profile
    return generate(combine([recording]), profile, (), Tightness.PORTABLE, "aarch64")


def lost(generated: Generated) -> set[str]:
    return {one.subject for one in generated.findings if one.id == "SS311"}


def test_old_entry_points_become_the_ones_that_are_there() -> None:
    calls = [*builders.START, "open", "stat", "poll", "dup2", "fork", "mkdir", "access", "pause"]
    generated = ported(builders.recording(builders.run(calls=calls)))
    allowed = generated.resolved.names()
    assert allowed <= syscall_names("aarch64"), "only names that exist there"
    wanted = {"openat", "newfstatat", "fstat", "ppoll", "dup3", "clone", "mkdirat", "faccessat"}
    assert wanted <= allowed
    assert lost(generated) == set()


def test_every_call_of_amd64_has_a_counterpart_or_is_named() -> None:
    """Under a default that allows everything, so that nothing else takes a name away."""
    gone = syscall_names("x86_64") - syscall_names("aarch64")
    run = builders.run(calls=[*builders.START, *sorted(gone)])
    assert lost(ported(builders.recording(run))) == WITHOUT
    assert gone >= CLOCKS | PROCESSOR


def test_docker_reads_the_architectures_from_the_map() -> None:
    document = json.loads(dump_profile(ported(builders.recording()).profile))
    assert document["archMap"] == [{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []}]
    assert "architectures" not in document
    parse_profile(document, where="x")


def test_conditions_hold_there_too() -> None:
    run = builders.run(calls=["socket", "fork"], arguments=[builders.sockets(2)])
    resolved = ported(builders.recording(run)).resolved
    assert resolved.target.arch == "aarch64"
    rest = (0,) * 5
    assert resolved.answer("clone", (17, *rest)).action == "SCMP_ACT_ALLOW"
    assert resolved.answer("clone", (0x10000011, *rest)).errno == 1
    assert resolved.answer("clone3", (0, *rest)).errno == 38
    assert resolved.answer("socket", (2, *rest)).action == "SCMP_ACT_ALLOW"
    assert resolved.answer("socket", (38, *rest)).errno == 1


def test_what_cannot_be_known_is_said() -> None:
    run = builders.run(calls=["read", builders.call("getpid", arch="x86")])
    generated = ported(builders.recording(run))
    (finding,) = [one for one in generated.findings if one.id == "SS312"]
    assert finding.subject == "arm64"
    assert any("calls of x86" in one for one in finding.evidence)
    assert "SS303" not in {one.id for one in generated.findings}, "x86 is not kept there"
    assert generated.profile.architectures == ()


def test_its_own_architecture_is_nothing_special() -> None:
    evidence, profile = combine([builders.recording()]), load_baseline("docker-25.0").profile
    plain = generate(evidence, profile, ())
    assert generate(evidence, profile, (), Tightness.PORTABLE, "x86_64") == plain
    assert not {"SS311", "SS312"} & {one.id for one in plain.findings}


def test_nothing_is_exact_that_was_not_recorded() -> None:
    evidence, profile = combine([builders.recording()]), load_baseline("docker-25.0").profile
    with pytest.raises(ValueError, match="exact"):
        generate(evidence, profile, (), Tightness.EXACT, "aarch64")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--arch", "arm64"), 0, "SS312"),
        (("--arch", "amd64"), 0, ""),
        (("--arch", "vax"), 2, "write amd64 or arm64"),
        (("--arch", "arm64", "--tightness", "exact"), 2, "no profile can be exact"),
        (("--arch", "amd64", "--tightness", "exact"), 0, ""),
    ],
)
def test_the_command(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    (tmp_path / "a.json").write_text(dump_recording(builders.recording()))
    line = ["synth", str(tmp_path / "a.json"), "-o", str(tmp_path / "out"), *options]
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == status
    assert message in capsys.readouterr().err
