"""Capabilities and profile fit: no rule without its capability, no capability without its calls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from synth.capabilities import derive_capabilities, without_refused
from synth.cli.main import main
from synth.evidence import combine
from synth.generate import generate
from synth.model import CapabilityUse, Profile, Rule
from synth.privileged import NEEDED
from synth.profile_format import ALLOW, ERRNO
from synth.recording import dump_recording
from synth.refusals import ESCAPES
from synth.syscalls import is_known
from tests import builders

CHROOT = CapabilityUse("CAP_SYS_CHROOT", "chroot", "chroot", 1)
CHOWN = CapabilityUse("CAP_CHOWN", "fchownat", "chown", 1)


def open_to(*names: str) -> Profile:
    """Return a default that allows calls whatever the capabilities, as Podman's does."""
    return Profile(ERRNO, (Rule((*builders.START, *names), ALLOW),), 38)


def test_a_rule_goes_with_its_capability() -> None:
    evidence = combine([builders.recording(builders.run(calls=[*builders.START, "mount"]))])
    without = generate(evidence, open_to("mount"), ())
    assert "mount" not in without.resolved.names()
    assert [one.subject for one in without.findings if one.id == "SS315"] == ["mount"]
    assert "SS301" not in {one.id for one in without.findings}
    granted = generate(evidence, open_to("mount"), ("CAP_SYS_ADMIN",))
    assert "mount" in granted.resolved.names()


def test_a_user_namespace_has_every_capability() -> None:
    calls = [*builders.START, "mount", "unshare"]
    evidence = combine([builders.recording(builders.run(calls=calls))])
    assert "mount" in generate(evidence, open_to("mount", "unshare"), ()).resolved.names()


def test_calls_that_need_a_capability_answer_as_the_kernel_does() -> None:
    assert set(NEEDED) <= ESCAPES
    assert all(is_known(name) for name in NEEDED)


def test_a_capability_goes_with_its_calls() -> None:
    run = builders.run(calls=[*builders.START, "chroot"], capabilities=[CHROOT, CHOWN])
    evidence = combine([builders.recording(run)])
    capabilities = derive_capabilities(evidence)
    kept = without_refused(capabilities, frozenset({"fchownat"}))
    assert kept.cap_add == ("CAP_CHOWN",)
    assert [one.subject for one in kept.findings if one.id == "SS313"] == ["CAP_SYS_CHROOT"]
    assert {use.capability for use in kept.uses} == {"CAP_CHOWN"}
    assert without_refused(capabilities, frozenset({"fchownat", "chroot"})) == capabilities
    unsure = replace(capabilities, recorded=False)
    assert without_refused(unsure, frozenset()) == unsure


def test_a_capability_used_outside_known_calls_stays() -> None:
    run = builders.run(capabilities=[replace(CHOWN, syscall="#999")])
    capabilities = derive_capabilities(combine([builders.recording(run)]))
    assert without_refused(capabilities, frozenset()) == capabilities


@pytest.mark.parametrize(
    ("user", "used", "warned"),
    [("dev", False, True), ("1000:1000", False, True), ("dev", True, False)]
    + [(user, False, False) for user in ("", "root", "0", "0:0")],
)
def test_no_effect_for_another_user_than_root(user: str, used: bool, warned: bool) -> None:
    subject = builders.subject(user=user, cap_add=("CAP_CHOWN",))
    run = builders.run(capabilities=[CHOWN] if used else [])
    found = derive_capabilities(combine([builders.recording(run, subject=subject)]))
    assert [one.subject for one in found.findings] == (["CAP_CHOWN"] if warned else [])
    assert found.cap_add == (("CAP_CHOWN",) if used else ())


def test_the_command_makes_both_fit(tmp_path: Path) -> None:
    """The recorder was told of a capability in a call that Docker's default never allows."""
    run = builders.run(capabilities=[CapabilityUse("CAP_CHOWN", "io_uring_enter", "x", 1), CHROOT])
    recording = builders.recording(run)
    (tmp_path / "a.json").write_text(dump_recording(recording))
    with pytest.raises(SystemExit) as ended:
        main(["synth", str(tmp_path / "a.json"), "-o", str(tmp_path / "out")])
    assert ended.value.code == 0
    granted = json.loads((tmp_path / "out" / "capabilities.json").read_text())["cap_add"]
    assert granted == []
    findings = json.loads((tmp_path / "out" / "provenance.json").read_text())["findings"]
    assert {one["subject"] for one in findings if one["id"] == "SS313"} == {
        "CAP_CHOWN",
        "CAP_SYS_CHROOT",
    }
