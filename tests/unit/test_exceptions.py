"""Exceptions: what they allow, what they say, and when they no longer count."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from synth.baseline import load_baseline
from synth.errors import UsageError
from synth.evidence import combine
from synth.excepting import apply_exceptions
from synth.exceptions import SyscallException, read_exceptions
from synth.generate import Generated, generate
from synth.model import ArgumentUse
from synth.profile import dump_profile, parse_profile
from tests import builders
from tests.unit.test_cli_synth import save, typed

TODAY = date(2026, 6, 1)
CLONE_NEWUSER = 0x1000_0000


def made(*calls: str, arguments: tuple[ArgumentUse, ...] = ()) -> Generated:
    recording = builders.recording(builders.run("work", calls=calls, arguments=arguments))
    return generate(combine([recording]), load_baseline("docker-25.0").profile, ())


def excepted(entry: dict[str, Any], generated: Generated | None = None) -> Generated:
    entries = read_exceptions([{"reason": "because", **entry}], "x")
    return apply_exceptions(generated or made("read"), entries, TODAY).generated


def ids(generated: Generated) -> set[str]:
    return {one.id for one in generated.findings if one.id.startswith("SS32")}


def test_one_inside_the_default_is_a_note() -> None:
    before = made("read")
    assert before.resolved.allowed("setxattr") == ()
    after = excepted({"syscall": "setxattr"})
    assert after.resolved.allowed("setxattr") == ((),)
    assert ids(after) == {"SS320"}
    (decision,) = [one for one in after.decisions if one.name == "setxattr"]
    assert decision.origin == "exception"
    assert "because" in decision.reason
    # only this call has changed
    assert after.resolved.names() - before.resolved.names() == {"setxattr"}
    assert "exception: because" in dump_profile(after.profile)


def test_one_beyond_the_default_needs_an_owner_and_is_widened() -> None:
    with pytest.raises(UsageError, match="goes beyond the engine's default"):
        excepted({"syscall": "bpf"})
    entries = read_exceptions([{"syscall": "bpf", "reason": "r", "owner": "me"}], "x")
    result = apply_exceptions(made("read"), entries, TODAY)
    assert result.widened == ("bpf",)
    assert ids(result.generated) == {"SS321"}
    assert result.generated.resolved.allowed("bpf") == ((),)


def test_what_refuses_the_call_is_taken_away() -> None:
    """bpf is in an entry that answers EPERM; an entry of its own beside that would not count."""
    after = excepted({"syscall": "bpf", "owner": "me"})
    document = json.loads(dump_profile(after.profile))
    entries = [rule for rule in document["syscalls"] if "bpf" in rule["names"]]
    assert [rule["action"] for rule in entries] == ["SCMP_ACT_ALLOW"]
    parse_profile(document, where="x")


def test_a_condition_allows_that_call_only() -> None:
    when = [{"argument": 0, "equals": CLONE_NEWUSER, "mask": CLONE_NEWUSER}]
    after = excepted({"syscall": "unshare", "owner": "me", "when": when})
    arguments = [CLONE_NEWUSER, 0, 0, 0, 0, 0]
    assert after.resolved.answer("unshare", arguments).action == "SCMP_ACT_ALLOW"
    arguments[0] = 0x2000_0000
    assert after.resolved.answer("unshare", arguments).action == "SCMP_ACT_ERRNO"
    parse_profile(json.loads(dump_profile(after.profile)), where="x")


def test_a_condition_beside_those_that_are_there() -> None:
    """clone without namespaces is allowed and with them refused, argument by argument."""
    before = made("clone", "read")
    when = [{"argument": 0, "equals": CLONE_NEWUSER, "mask": CLONE_NEWUSER}]
    after = excepted({"syscall": "clone", "owner": "me", "when": when}, before)
    for flags, allowed in ((0x11, True), (CLONE_NEWUSER | 0x11, True), (0x2000_0011, False)):
        answer = after.resolved.answer("clone", [flags, 0, 0, 0, 0, 0])
        assert (answer.action == "SCMP_ACT_ALLOW") is allowed, hex(flags)
    parse_profile(json.loads(dump_profile(after.profile)), where="x")


def test_an_unconditional_one_swallows_the_conditions() -> None:
    before = made("socket", arguments=(builders.sockets(1),))
    assert len(before.resolved.allowed("socket")) > 0
    assert before.resolved.allowed("socket") != ((),)
    after = excepted({"syscall": "socket", "owner": "me"}, before)
    assert after.resolved.allowed("socket") == ((),)
    assert ids(after) == {"SS321"}, "the default refuses AF_VSOCK"
    parse_profile(json.loads(dump_profile(after.profile)), where="x")


@pytest.mark.parametrize(("expires", "counts"), [("2026-06-02", True), ("2026-06-01", False)])
def test_the_expiry_is_the_first_day_on_which_it_does_not_count(expires: str, counts: bool) -> None:
    after = excepted({"syscall": "setxattr", "expires": expires})
    assert ids(after) == ({"SS320"} if counts else {"SS322"})
    assert bool(after.resolved.allowed("setxattr")) is counts


def test_one_that_changes_nothing_says_so() -> None:
    after = excepted({"syscall": "read"})
    assert ids(after) == {"SS323"}
    assert after.profile == made("read").profile


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"syscall": "opnat"}, "did you mean"),
        ({"syscall": "clone3"}, "behind a pointer"),
        ({"syscall": "read", "reason": "a\nb"}, "not printable"),
        ({"syscall": "read", "owner": "\x1b[2J"}, "not printable"),
        ({"syscall": "read", "expires": "soon"}, "not a date"),
        ({"syscall": "read", "expires": 5}, "not a date"),
        ({"syscall": "read", "when": [{"argument": 0, "equals": 2**32}]}, "the mask"),
        (
            {"syscall": "read", "when": [{"argument": 0, "equals": n} for n in (1, 2)]},
            "two conditions on one argument",
        ),
    ],
)
def test_what_is_refused(entry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_exceptions([{"reason": "because", **entry}], "x")


def test_the_same_call_twice_is_refused() -> None:
    entry = {"syscall": "read", "reason": "r"}
    with pytest.raises(UsageError, match="excepted twice"):
        read_exceptions([entry, entry], "x")


def test_sorted_whatever_the_order() -> None:
    entries = [{"syscall": name, "reason": "r"} for name in ("write", "read")]
    found = read_exceptions(entries, "x")
    assert found == read_exceptions(entries[::-1], "x")
    assert found[0] == SyscallException("read", (), "r")


def test_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")  # 2026-01-01
    save(tmp_path / "a.json", builders.recording())
    (tmp_path / "seccomp-synth.toml").write_text(
        '[container]\nimage = "x"\n[[workload]]\nname = "a"\nrun = "true"\n'
        '[[exception]]\nsyscall = "bpf"\nreason = "tracing"\nowner = "me"\nexpires = 2026-01-02\n'
        '[[exception]]\nsyscall = "ptrace"\nreason = "gdb"\nexpires = 2026-01-01\n'
    )
    assert typed("synth", "a.json", "-o", "out") == 0
    err = capsys.readouterr().err
    assert "1 widened" in err
    assert "widened by exceptions: bpf" in err
    assert "[SS322]" in err
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert {one["id"] for one in provenance["findings"]} >= {"SS321", "SS322"}
    assert [one["name"] for one in provenance["decisions"] if one["origin"] == "exception"] == [
        "bpf"
    ]
    assert typed("diff", "out/seccomp.json") == 1, "a widened profile is never inside"
