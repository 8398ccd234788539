"""Drift: what counts as needed now, and what does not."""

from __future__ import annotations

from dataclasses import replace

from synth.baseline import Baseline, load_baseline
from synth.drift import Committed, Drift, drift
from synth.model import CapabilityUse, Recording
from synth.resolve import resolve
from tests import builders, reports

BASELINE = load_baseline("docker-20.10")


def of(*calls: str, workload: str = "work", **changes: object) -> Recording:
    run = builders.run(workload, [*builders.START, *calls], **changes)  # type: ignore[arg-type]
    return builders.recording(run)


def committed(*recordings: Recording) -> Committed:
    inputs = reports.made(*recordings)
    return Committed(inputs.profile, inputs.cap_add or (), inputs.provenance)


def checked(before: Committed, *now: Recording, baseline: Baseline = BASELINE) -> Drift:
    return drift(before, now, [baseline] * len(now))


def found(result: Drift) -> set[tuple[str, str]]:
    return {(one.id, one.subject) for one in result.findings}


def test_the_same_again_is_inside() -> None:
    result = checked(committed(of("mkdir")), of("mkdir"))
    assert result.inside
    assert found(result) == set()


def test_a_new_call_is_named_with_who_made_it() -> None:
    run = builders.run("git", [*builders.START, builders.call("mkdir", "mktemp")])
    result = checked(committed(of()), builders.recording(run))
    assert not result.inside
    finding = next(one for one in result.findings if one.id == "SS501")
    assert finding.subject == "mkdir"
    assert finding.evidence == ("git: mktemp",)
    assert "mkdir" in result.updated.resolved.names()


def test_a_new_socket_family_is_drift_though_the_name_is_not_new() -> None:
    unix = of("socket", arguments=(builders.sockets(1),))
    inet = of("socket", arguments=(builders.sockets(2),))
    result = checked(committed(unix), inet)
    assert ("SS501", "socket") in found(result)
    message = next(one.message for one in result.findings if one.id == "SS501")
    assert message.startswith("socket(0x")
    assert checked(committed(inet), unix).inside


def test_a_call_of_the_runtime_is_drift_only_if_it_was_made() -> None:
    before = committed(of())
    without = replace(before, profile=_without(before, "uname", "capset"))
    quiet = checked(without, of())
    assert quiet.inside
    assert ("SS507", "profile") in found(quiet)
    assert next(one.evidence for one in quiet.findings if one.id == "SS507") == ("capset",)
    loud = of()
    use = builders.call("capset", "runc", phase="runtime")
    run = replace(loud.runs[0], syscalls=tuple(sorted((*loud.runs[0].syscalls, use))))
    assert ("SS501", "capset") in found(checked(without, replace(loud, runs=(run,))))


def _without(before: Committed, *names: str):  # type: ignore[no-untyped-def]
    rules = []
    for rule in before.profile.rules:
        kept = tuple(name for name in rule.names if name not in names)
        if kept:
            rules.append(replace(rule, names=kept))
    return replace(before.profile, rules=tuple(rules))


def test_an_equivalent_that_was_not_made_is_no_drift() -> None:
    before = committed(of("mkdir"))
    assert checked(replace(before, profile=_without(before, "mkdirat")), of("mkdir")).inside


def test_a_new_capability_is_drift() -> None:
    use = CapabilityUse("CAP_CHOWN", "chown", "chown", 3)
    now = of("chown", capabilities=(use,))
    result = checked(committed(of("chown")), now)
    assert ("SS502", "CAP_CHOWN") in found(result)
    assert result.new_capabilities == ("CAP_CHOWN",)
    assert result.capabilities.cap_add == ("CAP_CHOWN",)


def test_a_capability_beyond_dockers_default_is_not_granted_by_a_file() -> None:
    use = CapabilityUse("CAP_SYS_ADMIN", "mount", "mount", 1)
    subject = builders.subject(capabilities=("CAP_SYS_ADMIN",))
    now = replace(of("mount", capabilities=(use,)), subject=subject)
    result = checked(committed(of()), now)
    assert {("SS501", "mount"), ("SS502", "CAP_SYS_ADMIN")} <= found(result)
    assert result.capabilities.cap_add == ()
    assert "mount" not in result.updated.resolved.names()
    consented = drift(committed(of()), [now], [BASELINE], consented=("CAP_SYS_ADMIN",))
    assert consented.capabilities.cap_add == ("CAP_SYS_ADMIN",)
    assert "mount" in consented.updated.resolved.names()


def test_a_capability_the_container_never_had_is_forged() -> None:
    use = CapabilityUse("CAP_SYS_ADMIN", "mount", "mount", 1)
    result = checked(committed(of()), of(capabilities=(use,)))
    assert result.new_capabilities == ()


def test_what_is_no_longer_used_is_a_note() -> None:
    use = CapabilityUse("CAP_CHOWN", "chown", "chown", 3)
    before = committed(of("mkdir", "chown", capabilities=(use,)))
    result = checked(before, of())
    assert result.inside
    assert found(result) == {("SS503", "profile"), ("SS504", "CAP_CHOWN")}
    assert next(one.evidence for one in result.findings if one.id == "SS503") == ("chown", "mkdir")


def test_a_workload_that_was_left_out_is_a_warning() -> None:
    before = committed(of(workload="a"), of(workload="b"))
    result = checked(before, of(workload="a"))
    assert result.inside
    assert ("SS508", "workloads") in found(result)


def test_what_has_moved_is_said() -> None:
    before = committed(of())
    now = replace(
        of(),
        host=builders.host(kernel="6.12.0", runtime_version="1.3.0"),
        subject=builders.subject(image_digest="sha256:" + "b" * 64, libc="musl 1.2"),
    )
    result = checked(before, now)
    assert result.inside
    assert found(result) == {
        ("SS505", one) for one in ("kernel", "runtime version", "image digest", "libc")
    }
    message = next(one.message for one in result.findings if one.subject == "kernel")
    assert message == "was 6.1.0, is 6.12.0"


def test_another_default_is_a_warning_and_is_compared_with() -> None:
    newer = load_baseline("docker-25.0")
    result = checked(committed(of()), of(), baseline=newer)
    assert ("SS506", "default profile") in found(result)
    assert result.inside


def test_committed_recordings_stay_in_the_update() -> None:
    first = of("mkdir")
    before = replace(committed(first), recordings=(first,))
    result = checked(before, of("rmdir"))
    assert {"mkdir", "rmdir"} <= result.updated.resolved.names()
    alone = checked(committed(first), of("rmdir"))
    assert "mkdir" not in alone.updated.resolved.names()


def test_a_32_bit_call_is_drift() -> None:
    run = builders.run(calls=[*builders.START, builders.call("getpid", arch="x86")])
    result = checked(committed(of("getpid")), builders.recording(run))
    assert ("SS501", "SCMP_ARCH_X86") in found(result)


def test_recordings_under_several_defaults_are_checked_each_by_its_own() -> None:
    newer = load_baseline("docker-25.0")
    before = committed(of("mkdir"))
    result = drift(before, [of("mkdir"), of("rmdir")], [BASELINE, newer])
    assert ("SS501", "rmdir") in found(result)


def test_the_update_is_inside_the_default() -> None:
    result = checked(committed(of()), of("mkdir"))
    target = result.updated.resolved.target
    assert result.updated.baseline.names() <= resolve(BASELINE.profile, target).names()
