"""Check that the reader refuses what an engine would silently read as something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import DataError, SeccompSynthError, UsageError
from synth.model import Comparison, Gate, Profile, Rule
from synth.profile import dump_profile, load_profile, parse_profile
from synth.recording import load_recording
from synth.syscalls import syscall_names
from tests.command import typed

REPO = Path(__file__).resolve().parents[2]
UPSTREAM = REPO.parent / "shared" / "upstream"
EQ = "SCMP_CMP_EQ"
ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"


def profile(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a profile document with these entries."""
    return {"defaultAction": ERRNO, "syscalls": list(rules)} | changes


def rule(*names: Any, **changes: Any) -> dict[str, Any]:
    """Return an entry that allows these names."""
    return {"names": list(names), "action": ALLOW} | changes


def argument(index: Any = 0, value: Any = 1, op: Any = EQ, **changes: Any) -> dict[str, Any]:
    """Return one comparison."""
    return {"index": index, "value": value, "op": op} | changes


def refused(document: object) -> SeccompSynthError:
    """Return the error with which ``document`` is refused."""
    with pytest.raises(DataError) as caught:
        parse_profile(document, where="p.json")
    error = caught.value
    assert int(error.exit_code) == 4
    assert "\n" not in str(error)
    assert error.where.startswith("p.json")
    assert error.fix
    return error


FAIL_OPEN = [
    None,
    {},
    {"syscalls": []},
    {"syscalls": [rule("read")]},
    {"defaultAction": None},
    {"defaultAction": ""},
]


@pytest.mark.parametrize("document", FAIL_OPEN)
def test_a_profile_that_turns_seccomp_off_is_refused(document: object) -> None:
    error = refused(document)
    assert error.slug == "profile-disables-seccomp"
    assert "without any filter" in error.what


MALFORMED = [
    ([], "p.json", "not a JSON object"),
    ("x", "p.json", "not a JSON object"),
    ({"defaultActoin": ERRNO}, "p.json", "did you mean 'defaultAction'"),
    (profile(DefaultErrnoRet=1), "p.json", "did you mean 'defaultErrnoRet'"),
    (profile(zzz=1), "p.json", "unknown key 'zzz'"),
    (profile(defaultAction="scmp_act_errno"), "defaultAction", "did you mean 'SCMP_ACT_ERRNO'"),
    (profile(defaultAction="ERRNO"), "defaultAction", "did you mean 'SCMP_ACT_ERRNO'"),
    (profile(defaultAction=1), "defaultAction", "not a string: 1"),
    (profile(defaultAction="SCMP_ACT_KILL"), "defaultAction", "hanging"),
    (profile(defaultAction="SCMP_ACT_KILL_THREAD"), "defaultAction", "hanging"),
    (profile(defaultAction="SCMP_ACT_NOTIFY"), "defaultAction", "needs a listener"),
    (profile(defaultAction="SCMP_ACT_TRACE"), "defaultAction", "needs a listener"),
    (profile(listenerPath="/run/x"), "listenerPath", "listener"),
    (profile(listenerMetadata="x"), "listenerMetadata", "listener"),
    (profile(defaultErrnoRet=0), "defaultErrnoRet", "pretends success"),
    (profile(defaultErrnoRet=4096), "defaultErrnoRet", "out of range"),
    (profile(defaultErrnoRet=True), "defaultErrnoRet", "not an integer: True"),
    (profile(defaultErrnoRet=1.0), "defaultErrnoRet", "not an integer"),
    (profile(defaultAction=ALLOW, defaultErrnoRet=1), "defaultErrnoRet", "answers no errno"),
    (profile(defaultAction="SCMP_ACT_LOG", defaultErrnoRet=1), "defaultErrnoRet", "no errno"),
    (profile(architectures="SCMP_ARCH_X86"), "architectures", "not a list"),
    (profile(architectures=["x86_64"]), "architectures[0]", "did you mean 'SCMP_ARCH_X86_64'"),
    (profile(architectures=["SCMP_ARCH_X86"] * 2), "architectures[1]", "listed twice"),
    (profile(archMap=[{"architecture": "amd64"}]), "archMap[0].architecture", "architecture"),
    (profile(archMap=[{}]), "archMap[0].architecture", "no architecture"),
    (profile(archMap=["x"]), "archMap[0]", "not an object"),
    (
        profile(archMap=[{"architecture": "SCMP_ARCH_ARM"}] * 2),
        "archMap[1]",
        "listed twice",
    ),
    (
        profile(architectures=["SCMP_ARCH_X86"], archMap=[{"architecture": "SCMP_ARCH_ARM"}]),
        "p.json",
        "together",
    ),
    (
        profile(archMap=[{"architecture": "SCMP_ARCH_ARM", "subArchitecture": []}]),
        "archMap[0]",
        "did you mean 'subArchitectures'",
    ),
    (profile(flags=["SECCOMP_FILTER_FLAG_NEW_LISTENER"]), "flags[0]", "not a flag"),
    (profile(syscalls={}), "syscalls", "not a list"),
    (profile(1), "syscalls[0]", "not an object"),
    (profile(*[rule("read")] * 1025), "syscalls", "more than 1024 entries"),
    (profile(rule()), "syscalls[0].names", "no syscall names"),
    (profile({"action": ALLOW}), "syscalls[0].names", "no syscall names"),
    (profile(rule("read", name="read")), "syscalls[0]", "name and names together"),
    (profile(rule("read", Names=[])), "syscalls[0]", "did you mean 'names'"),
    (profile(rule("")), "syscalls[0].names[0]", "empty syscall name"),
    (profile(rule("read", 1)), "syscalls[0].names[1]", "not a string: 1"),
    (profile(rule("raed")), "syscalls[0].names[0]", "did you mean 'read'"),
    (profile(rule("read ")), "syscalls[0].names[0]", "did you mean 'read'"),
    (profile(rule("READ")), "syscalls[0].names[0]", "did you mean 'read'"),
    (profile(rule("SYS_read")), "syscalls[0].names[0]", "did you mean 'read'"),
    (profile(rule("0")), "syscalls[0].names[0]", "unknown syscall '0'"),
    (profile({"name": "raed", "action": ALLOW}), "syscalls[0].name", "did you mean 'read'"),
    (profile({"names": ["read"]}), "syscalls[0].action", "no action"),
    (profile(rule("read", action="ALLOW")), "syscalls[0].action", "did you mean 'SCMP_ACT_ALLOW'"),
    (profile(rule("read", action="SCMP_ACT_NOTIFY")), "syscalls[0].action", "needs a listener"),
    (profile(rule("read", action="SCMP_ACT_TRACE")), "syscalls[0].action", "needs a listener"),
    (profile(rule("read", errnoRet=1)), "syscalls[0].errnoRet", "answers no errno"),
    (profile(rule("read", action=ERRNO, errnoRet=0)), "errnoRet", "pretends success"),
    (profile(rule("read", action=ERRNO, errnoRet=-1)), "errnoRet", "out of range"),
    (profile(rule("read", action=ERRNO, errnoRet=70000)), "errnoRet", "out of range"),
    (profile(rule("read", action=ERRNO, errnoRet="1")), "errnoRet", "not an integer"),
    (profile(rule("read", comment=1)), "syscalls[0].comment", "not a string"),
    (profile(rule("read", args={})), "syscalls[0].args", "not a list"),
    (profile(rule("read", args=[1])), "args[0]", "not an object"),
    (profile(rule("read", args=[argument(vlaue=1)])), "args[0]", "did you mean 'value'"),
    (profile(rule("read", args=[{"index": 0, "op": EQ}])), "args[0]", "no value"),
    (profile(rule("read", args=[{"index": 0, "value": 0}])), "args[0]", "no op"),
    (profile(rule("read", args=[{"op": EQ, "value": 0}])), "args[0]", "no index"),
    (profile(rule("read", args=[argument(op="EQ")])), "args[0].op", "not an operator"),
    (profile(rule("read", args=[argument(op=1)])), "args[0].op", "not a string"),
    (profile(rule("read", args=[argument(6)])), "args[0].index", "out of range"),
    (profile(rule("read", args=[argument(-1)])), "args[0].index", "out of range"),
    (profile(rule("read", args=[argument(True)])), "args[0].index", "not an integer"),
    (profile(rule("read", args=[argument(0, -1)])), "args[0].value", "outside 0 to 2^64-1"),
    (profile(rule("read", args=[argument(0, 1 << 64)])), "args[0].value", "outside"),
    (profile(rule("read", args=[argument(0, 1.5)])), "args[0].value", "not an integer"),
    (profile(rule("read", args=[argument(0, "1")])), "args[0].value", "not an integer"),
    (profile(rule("read", args=[argument(valueTwo=3)])), "valueTwo", "no second value"),
    (
        profile(rule("read", args=[argument(0, 0, "SCMP_CMP_MASKED_EQ")])),
        "args[0].value",
        "holds for every call",
    ),
    (
        profile(rule("read", args=[argument(0, 3, "SCMP_CMP_MASKED_EQ", valueTwo=5)])),
        "args[0].valueTwo",
        "outside the mask",
    ),
    (
        profile(rule("read", args=[argument(0, 5, "SCMP_CMP_GE"), argument(1), argument(0, 9)])),
        "args[2]",
        "read as OR",
    ),
    (profile(rule("read", includes=[])), "includes", "not an object"),
    (profile(rule("read", includes={"cap": []})), "includes", "did you mean 'caps'"),
    (profile(rule("read", includes={"caps": ["SYS_ADMIN"]})), "caps[0]", "'CAP_SYS_ADMIN'"),
    (profile(rule("read", excludes={"caps": ["CAP_SYS_ADMIN "]})), "caps[0]", "'CAP_SYS_ADMIN'"),
    (profile(rule("read", includes={"caps": ["CAP_42"]})), "caps[0]", "not a capability"),
    (profile(rule("read", includes={"arches": ["SCMP_ARCH_X86_64"]})), "arches[0]", "not an arch"),
    (profile(rule("read", includes={"minKernel": "4"})), "minKernel", "not a kernel version"),
    (profile(rule("read", includes={"minKernel": "4.8.1"})), "minKernel", "not a kernel version"),
    (profile(rule("read", includes={"minKernel": 4.8})), "minKernel", "not a kernel version"),
    (profile(rule("read", includes={"minKernel": "४.८"})), "minKernel", "not a kernel version"),
]


@pytest.mark.parametrize(("document", "place", "message"), MALFORMED)
def test_a_malformed_profile_is_refused(document: object, place: str, message: str) -> None:
    error = refused(document)
    assert error.where.endswith(place)
    assert message in str(error)


@pytest.mark.parametrize(
    "document", [profile(defaultErrno="EPERM"), profile(rule("read", action=ERRNO, errno="EPERM"))]
)
def test_podmans_dialect_is_named(document: object) -> None:
    error = refused(document)
    assert error.slug == "podman-profile"
    assert "Podman" in error.what


ONE = [argument()]
TWO = [argument(0, 2)]
SYS_ADMIN = {"caps": ["CAP_SYS_ADMIN"]}
CONFLICTS = [
    ([rule("read"), rule("read", action=ERRNO)], "first wins silently"),
    (
        [rule("read", action=ERRNO, errnoRet=38), rule("read", action=ERRNO, errnoRet=1)],
        "first wins silently",
    ),
    ([rule("read"), rule("read", "write", action="SCMP_ACT_LOG")], "first wins silently"),
    ([rule("read"), rule("read", action=ERRNO, args=ONE)], "wins over the other"),
    ([rule("read", args=ONE), rule("read", action=ERRNO)], "wins over the other"),
    ([rule("read"), rule("read", args=ONE)], "condition useless"),
    ([rule("read", args=ONE), rule("read")], "condition useless"),
    (
        [rule("read", includes=SYS_ADMIN), rule("read", args=ONE, includes=SYS_ADMIN)],
        "condition useless",
    ),
    ([rule("read", args=ONE), rule("read", args=ONE, action=ERRNO)], "both conditions"),
    (
        [rule("read", args=ONE), rule("read", args=[argument(1)], action=ERRNO)],
        "both conditions",
    ),
    ([rule("read"), rule("read", action=ERRNO, includes=SYS_ADMIN)], "first wins silently"),
    (
        [
            rule("read", includes={"minKernel": "4.8"}),
            rule("read", action=ERRNO, excludes={"minKernel": "5.0"}),
        ],
        "first wins silently",
    ),
    (
        [
            rule("read", includes={"arches": ["amd64", "arm"]}),
            rule("read", action=ERRNO, includes={"arches": ["amd64"]}),
        ],
        "first wins silently",
    ),
]


@pytest.mark.parametrize(("rules", "message"), CONFLICTS)
def test_rules_that_contradict_each_other_are_refused(
    rules: list[dict[str, Any]], message: str
) -> None:
    error = refused(profile(*rules))
    assert error.slug == "conflicting-rules"
    assert error.where == "p.json: syscalls[1]"
    assert "read is also in syscalls[0]" in error.what
    assert message in error.what


COMPATIBLE = [
    [rule("read"), rule("read")],
    [rule("read", args=ONE), rule("read", args=TWO)],
    [rule("read", args=ONE), rule("read", args=TWO, action=ERRNO)],
    [rule("read", includes=SYS_ADMIN), rule("read", action=ERRNO, excludes=SYS_ADMIN)],
    [rule("read", includes=SYS_ADMIN), rule("read", args=ONE)],
    [
        rule("read", includes={"minKernel": "5.0"}),
        rule("read", action=ERRNO, excludes={"minKernel": "4.8"}),
    ],
    [
        rule("read", includes={"arches": ["amd64"]}),
        rule("read", action=ERRNO, includes={"arches": ["arm"]}),
    ],
    [
        rule("read", includes={"arches": ["amd64"]}),
        rule("read", action=ERRNO, excludes={"arches": ["amd64"]}),
    ],
]


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_rules_that_can_stand_together_are_read(rules: list[dict[str, Any]]) -> None:
    assert len(parse_profile(profile(*rules), where="p.json").rules) == 2


def test_more_argument_rules_than_a_filter_holds_are_refused() -> None:
    names = sorted(syscall_names("x86_64") - {"brk"})[:16]
    rules = [rule(*names, args=[argument(0, i)]) for i in range(256)]
    assert len(parse_profile(profile(*rules), where="p.json").rules) == 256
    many = [*rules[:200], *(rule("brk", args=[argument(0, i)]) for i in range(257))]
    assert "257 argument rules on one syscall" in refused(profile(*many)).what
    rules[0]["names"].append("brk")
    assert "more than a filter can hold" in refused(profile(*rules)).what


def test_absent_null_and_empty_mean_the_same() -> None:
    bare = profile(rule("read"))
    full = profile(
        rule("read", args=None, comment="", includes={}, excludes=None, errnoRet=None),
        architectures=None,
        archMap=[],
        flags=None,
        defaultErrnoRet=None,
    )
    assert parse_profile(bare, where="a") == parse_profile(full, where="b")


def test_a_profile_that_allows_by_default_is_legal() -> None:
    assert parse_profile({"defaultAction": ALLOW}, where="a") == Profile(ALLOW, ())


def test_everything_in_its_place() -> None:
    document = profile(
        rule(
            "write",
            "read",
            "read",
            action=ERRNO,
            errnoRet=38,
            args=[argument(1, 3, "SCMP_CMP_MASKED_EQ", valueTwo=1), argument(0)],
            comment="why",
            includes={"caps": ["CAP_CHOWN"], "arches": ["arm", "amd64"], "minKernel": "4.8"},
            excludes={"caps": ["CAP_KILL"]},
        ),
        {"name": "brk", "action": ALLOW},
        defaultErrnoRet=1,
        archMap=[{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": None}],
        flags=["SECCOMP_FILTER_FLAG_LOG"],
    )
    expected = Profile(
        ERRNO,
        (
            Rule(
                ("read", "write"),
                ERRNO,
                38,
                (Comparison(0, EQ, 1), Comparison(1, "SCMP_CMP_MASKED_EQ", 3, 1)),
                "why",
                Gate(("CAP_CHOWN",), ("amd64", "arm"), "4.8"),
                Gate(("CAP_KILL",)),
            ),
            Rule(("brk",), ALLOW),
        ),
        1,
        (),
        (("SCMP_ARCH_X86_64", ()),),
        ("SECCOMP_FILTER_FLAG_LOG",),
    )
    assert parse_profile(document, where="p.json") == expected


def test_a_file_is_written_one_name_a_line(tmp_path: Path) -> None:
    text = dump_profile(Profile(ERRNO, (Rule(("write", "read"), ALLOW),), 38))
    assert text == (
        '{\n  "defaultAction": "SCMP_ACT_ERRNO",\n  "defaultErrnoRet": 38,\n  "syscalls": [\n'
        '    {\n      "names": [\n        "read",\n        "write"\n      ],\n'
        '      "action": "SCMP_ACT_ALLOW"\n    }\n  ]\n}\n'
    )
    (tmp_path / "p.json").write_text(text)
    assert load_profile(tmp_path / "p.json").rules[0].names == ("read", "write")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b'{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}', "duplicate"),
        (b'\xef\xbb\xbf{"defaultAction": "SCMP_ACT_ERRNO"}', "BOM"),
        (b'{"defaultAction": "SCMP_ACT_ERRNO"} {}', "Extra data"),
        (b'{"defaultAction": "SCMP_ACT_ERRNO"} // x', "Extra data"),
        (b'{"defaultErrnoRet": NaN}', "NaN"),
        (b'{"defaultErrnoRet": 1e400, "defaultAction": "SCMP_ACT_ERRNO"}', "not an integer"),
        (b"[" * 20_000, "nested deeper"),
        (b'"' + b"x" * (4 * 1024 * 1024) + b'"', "larger than"),
        (b"null", "without any filter"),
    ],
)
def test_a_hostile_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_profile(path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_profile(tmp_path / "none.json")


FILES = sorted((UPSTREAM / "moby").glob("*.json"))


@pytest.mark.skipif(not FILES, reason="needs Docker's own profiles")
def test_dockers_own_profiles_are_read() -> None:
    for path in FILES:
        read = load_profile(path)
        assert len(read.rules) > 20
        assert parse_profile(json.loads(dump_profile(read)), where="again") == read


PODMAN = UPSTREAM / "containers-common-0.50.1.json"


@pytest.mark.skipif(not PODMAN.exists(), reason="needs Podman's own profile")
def test_podmans_own_profile_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="Podman's dialect"):
        load_profile(PODMAN)


@pytest.mark.parametrize("kind", ["recording", "replay", "provenance", "capabilities"])
def test_a_file_of_ours_of_another_kind_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema": f"seccomp-synth/{kind}"}))
    with pytest.raises(DataError, match=f"the kind '{kind}', not a profile") as caught:
        load_profile(path)
    assert caught.value.slug == "wrong-schema"
    assert typed("lint", str(path)) == 4


def test_a_profile_given_as_a_recording_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(profile()))
    with pytest.raises(DataError, match="the kind 'profile', not a recording"):
        load_recording(path)
