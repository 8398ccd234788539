"""Check that every way in which a profile misleads is found, where it is, for whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synth.baseline import available, load_baseline
from synth.cli.main import cli
from synth.errors import DataError, UsageError
from synth.lint import Checked, Lint, instructions, lint
from synth.lint_targets import ADDED, ENGINES
from synth.positions import locate
from synth.profile import dump_profile, load_profile
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, is_known
from tests.unit.test_profile_reader import (
    ALLOW,
    CONFLICTS,
    ERRNO,
    FAIL_OPEN,
    MALFORMED,
    argument,
    profile,
    rule,
)

FLOOR = sorted(frozenset[str]().union(*(one.floor for one in ENGINES.values())))
CLONE3 = rule("clone3", action=ERRNO, errnoRet=38)


def sound(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a document that has nothing wrong but what is given."""
    return profile(rule(*FLOOR), CLONE3, *rules, **changes)


def check(document: object, *engines: str, dialect: str = "auto", **more: Any) -> Checked:
    text = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode()
    return lint(locate(text, where="p.json"), dialect=dialect, engines=engines, **more)


def ids(checked: Checked) -> list[str]:
    return sorted({one.id for one in checked.found})


def only(checked: Checked) -> Lint:
    assert len(checked.found) == 1, checked.found
    return checked.found[0]


def test_a_sound_profile_has_no_problem() -> None:
    for name in ENGINES:
        assert check(sound(), name, dialect=ENGINES[name].dialect).found == ()


@pytest.mark.parametrize("document", FAIL_OPEN)
def test_fail_open_is_an_error(document: object) -> None:
    checked = check(document)
    assert "SS401" in ids(checked)
    assert checked.errors


@pytest.mark.parametrize(("document", "place", "message"), MALFORMED)
def test_what_the_reader_refuses_is_listed(document: object, place: str, message: str) -> None:
    texts = [
        f"{one.message}; {one.fix}" for one in check(document).found if one.severity == "error"
    ]
    assert any(message in text for text in texts)


@pytest.mark.parametrize(("rules", "message"), CONFLICTS)
def test_contradictions_are_listed(rules: list[dict[str, Any]], message: str) -> None:
    found = [one for one in check(profile(*rules)).found if one.id in ("SS408", "SS409")]
    assert [message in one.message for one in found] == [True]
    assert found[0].path == "syscalls[1]"
    dead = "condition useless" in message
    assert (found[0].id, found[0].severity) == (
        ("SS409", "warning") if dead else ("SS408", "error")
    )


def test_all_problems_are_listed_and_placed() -> None:
    text = b'{\n  "defaultAction": "SCMP_ACT_ERRNO",\n  "Flags": [],\n  "syscalls": [\n'
    text += b'    {"names": ["raed", "write"], "action": "SCMP_ACT_ALLOW"},\n'
    text += b'    {"names": ["close"], "names": ["dup"], "action": "ALLOW"}\n  ]\n}\n'
    found = {one.id: (one.line, one.column) for one in check(text, "crun").found}
    assert found["SS402"] == (3, 3)
    assert found["SS405"] == (5, 16)
    assert found["SS403"] == (6, 26)
    assert found["SS404"] == (6, 44)


SINGLE = [
    ("SS406", "error", [rule("reboot", action=ERRNO, errnoRet=0)], {}),
    ("SS406", "error", [rule("reboot", errnoRet=1)], {}),
    ("SS410", "warning", [rule("socket", args=[argument(0, 40, "SCMP_CMP_NE")])], {}),
    ("SS410", "warning", [rule("socket", args=[argument(0, 38, "SCMP_CMP_LT")])], {}),
    ("SS410", "warning", [rule("mmap", args=[argument(1, 38, "SCMP_CMP_LE")])], {}),
    ("SS410", "warning", [rule("socket", action=ERRNO, args=[argument(0, 40)])], {}),
    ("SS411", "warning", [rule("reboot", action="SCMP_ACT_KILL")], {}),
    ("SS412", "error", [rule("reboot", action="SCMP_ACT_NOTIFY")], {}),
    ("SS412", "error", [], {"listenerPath": "/run/x"}),
    ("SS413", "warning", [rule("mseal")], {}),
    ("SS414", "note", [rule("socketcall")], {}),
    ("SS415", "error", [rule("reboot", includes={"arches": ["SCMP_ARCH_X86_64"]})], {}),
    ("SS415", "error", [rule("reboot", includes={"caps": ["SYS_BOOT"]})], {}),
    ("SS417", "error", [], {"flags": ["SECCOMP_FILTER_FLAG_LOG"]}),
]


@pytest.mark.parametrize(("finding", "severity", "rules", "changes"), SINGLE)
def test_one_thing_wrong_is_one_finding(
    finding: str, severity: str, rules: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    found = only(check(sound(*rules, **changes), "docker-23"))
    assert (found.id, found.severity) == (finding, severity)
    assert found.line > 1
    assert found.fix


def test_an_allowing_equality_and_a_mask_are_fine() -> None:
    masked = argument(0, 0xFFFFFFFF, "SCMP_CMP_MASKED_EQ", valueTwo=40)
    rules = [rule("socket", args=[argument(0, 1)]), rule("ioctl", action=ERRNO, args=[masked])]
    assert check(sound(*rules)).found == ()


def test_a_killing_default_is_an_error() -> None:
    assert "SS411" in ids(check(sound(defaultAction="SCMP_ACT_KILL"), "docker-23"))


def test_allowing_by_default_is_a_warning() -> None:
    found = only(check(profile(defaultAction=ALLOW), "docker-23"))
    assert (found.id, found.severity) == ("SS421", "warning")


def test_clone3_must_answer_enosys() -> None:
    assert ids(check(profile(rule(*FLOOR)), "docker-23")) == ["SS420"]
    assert check(profile(rule(*FLOOR), defaultErrnoRet=38), "docker-23").found == ()


FOREIGN = [
    ({"errnoRet": 1, "errno": "EPERM"}, "podman", "docker-23", "Docker ignores"),
    ({"includes": {"minKernel": "99.0"}}, "docker", "podman", "applies on every kernel"),
    ({"includes": {"caps": ["CAP_SYS_BOOT"]}}, "docker", "kubernetes", "without its condition"),
    ({"excludes": {"caps": ["CAP_SYS_BOOT"]}}, "docker", "runc-1.3", "without its condition"),
    ({"errno": "EPERM"}, "podman", "crun", "Docker ignores"),
]


@pytest.mark.parametrize(("change", "dialect", "engine", "message"), FOREIGN)
def test_a_key_without_effect_on_the_target(
    change: dict[str, Any], dialect: str, engine: str, message: str
) -> None:
    action = ERRNO if "errno" in change else ALLOW
    document = sound(rule("reboot", **{"action": action, **change}))
    own = check(document, *[one.name for one in ENGINES.values() if one.dialect == dialect])
    assert own.dialect == dialect
    assert own.found == ()
    found = only(check(document, engine))
    assert (found.id, found.severity) == ("SS416", "error")
    assert message in found.message


def test_arch_map_has_no_effect_on_a_runtime() -> None:
    document = sound(archMap=[{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}])
    assert only(check(document, "kubernetes")).path == "archMap"


def test_docker_20_10_ignores_the_default_errno() -> None:
    found = only(check(sound(defaultErrnoRet=38), "docker-20.10"))
    assert (found.id, found.severity, found.path) == ("SS416", "warning", "defaultErrnoRet")
    assert check(sound(defaultErrnoRet=38), "docker-23").found == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_call_of_the_floor_is_needed(engine: str) -> None:
    target = ENGINES[engine]
    for name in sorted(target.floor):
        document = profile(rule(*(set(FLOOR) - {name})), CLONE3)
        found = only(check(document, engine, dialect=target.dialect))
        assert (found.id, found.severity) == ("SS418", "error")
        assert name in found.message
        quiet = check(document, engine, dialect=target.dialect, quiet=True)
        assert bool(quiet.found) is (name in target.quiet_floor)


def test_too_long_a_filter_is_an_error() -> None:
    rules = [rule("read", "write", args=[argument(0, i), argument(1, i)]) for i in range(900)]
    document = profile(rule(*sorted(set(FLOOR) - {"read", "write"})), *rules)
    assert "SS419" in ids(check(document, "docker-28"))
    lots = [rule("read", "write", "dup", "brk", "poll", args=[argument(0, i)]) for i in range(900)]
    assert "SS419" in ids(check(profile(*lots), "docker-28"))


def test_no_default_profile_has_an_error() -> None:
    for name in available():
        document = json.loads(dump_profile(load_baseline(name).profile))
        engines = [one for one in ENGINES.values() if one.dialect == name.partition("-")[0]]
        checked = check(document, *(one.name for one in engines))
        assert [one for one in checked.found if one.severity == "error"] == []
        # measured with libseccomp 2.5.4: 340 for Docker's on x86-64 alone, 1002 for three
        size = instructions(load_baseline(name).profile, DOCKER_DEFAULT_CAPABILITIES)
        assert 700 < size < 2000


def test_names_by_release_are_names() -> None:
    for _, names in ADDED:
        assert all(is_known(name) for name in names)


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(UsageError, match=r"docker-20\.10"):
        check(sound(), "docker-99")


def run(tmp_path: Path, text: bytes, *options: str) -> Any:
    (tmp_path / "p.json").write_bytes(text)
    return CliRunner().invoke(cli, ["lint", str(tmp_path / "p.json"), *options])


def test_the_command_prints_places_and_exits_by_errors(tmp_path: Path) -> None:
    good = run(tmp_path, json.dumps(sound()).encode())
    assert good.exit_code == 0
    assert "docker profile, for docker-20.10, docker-23, docker-28: 0 errors" in good.output
    text = b'{"defaultAction": "SCMP_ACT_ERRNO",\n "sycalls": []}'
    bad = run(tmp_path, text, "--target", "crun")
    assert f"{tmp_path}/p.json:2:2: error[SS402]: unknown key 'sycalls'" in bad.output
    listed = json.loads(run(tmp_path, text, "--target", "crun", "--output", "json").output)
    assert listed["targets"] == ["crun"]
    assert {one["id"] for one in listed["findings"]} == {"SS402", "SS418", "SS420"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{} // x",
        b'{"a": NaN}',
        b"[" * 20_000,
        b'{"a": 1',
        b"{'a': 1}",
        b"[1,]",
        b"a: 1",
        b"\xff",
        b'{"a": "\x1b"}',
        b"[" + b"1," * 250_000 + b"1]",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_is_bad_data(text: bytes) -> None:
    with pytest.raises(DataError) as caught:
        locate(text, where="p.json")
    assert int(caught.value.exit_code) == 4


def test_the_strict_reader_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"defaultAction": "SCMP_ACT_ERRNO",\n  "syscalls": [\n {"names": ["raed"]}]}')
    with pytest.raises(DataError, match="no action") as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}:3:2: syscalls[0].action")
    path.write_text('{"a": 1,\n "a": 2}')
    with pytest.raises(DataError, match=r"p\.json:2:2: duplicate key 'a'"):
        load_profile(path)
