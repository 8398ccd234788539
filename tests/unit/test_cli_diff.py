"""``diff`` as typed: what it compares, prints and exits with."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from synth.baseline import load_baseline
from synth.model import Profile, Rule
from synth.profile import dump_profile
from tests.command import typed

MAP = (("SCMP_ARCH_X86_64", ()),)


def save(path: Path, *names: str) -> Path:
    rules = (Rule(tuple(names), "SCMP_ACT_ALLOW"),)
    path.write_text(dump_profile(Profile("SCMP_ACT_ERRNO", rules, 1, arch_map=MAP)))
    return path


def counts(text: str) -> dict[str, int]:
    """Return the table at the top of the output: kind of difference -> number."""
    rows = re.findall(r"^([a-z][a-z ]*?) {2,}(\d+)(?:  SS.*)?$", text, re.MULTILINE)
    return {word: int(count) for word, count in rows}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return save(tmp_path / "seccomp.json", "read", "write")


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return save(tmp_path / "wide.json", "read", "mount", "unshare")


def capabilities(folder: Path, *names: str) -> None:
    (folder / "capabilities.json").write_text(
        json.dumps(
            {
                "schema": "seccomp-synth/capabilities",
                "schema_version": "1.0.0",
                "cap_add": [{"name": name, "evidence": []} for name in names],
            }
        )
    )


def test_a_smaller_profile_exits_with_0(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("diff", small) == 0
    out, err = capsys.readouterr()
    assert "comparing with moby-profiles-0.2.3, the newest default known" in err
    assert counts(out)["kept"] == 2
    assert counts(out)["widened"] == 0
    assert counts(out)["architectures removed"] == 2
    assert " openat " in out
    assert "  SCMP_ARCH_X32 is not admitted: its calls kill the caller\n" in out


def test_names_are_listed_and_changed_errnos_with_v(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = small.parent / "other.json"
    other.write_text(small.read_text().replace('"defaultErrnoRet": 1', '"defaultErrnoRet": 38'))
    assert typed("diff", small, "--against", other) == 0
    plain = capsys.readouterr().out
    assert "kept:\n  read write\n" in plain
    assert "  refused calls answer EPERM instead of ENOSYS\n" in plain
    assert "clock_nanosleep" not in plain
    assert typed("-v", "diff", small, "--against", other) == 0
    assert "clock_nanosleep" in capsys.readouterr().out


def test_a_wider_profile_exits_with_1(wide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("diff", wide) == 1
    out = capsys.readouterr().out
    assert counts(out)["widened"] == 2
    assert "  mount allows calls that the other profile refuses: mount(…)\n" in out


def test_a_granted_capability_explains_a_rule(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("diff", wide, "--cap-add", "sys_admin") == 0
    capabilities(wide.parent, "CAP_SYS_ADMIN")
    capsys.readouterr()
    assert typed("-q", "diff", wide) == 0
    out, err = capsys.readouterr()
    assert "CAP_SYS_ADMIN" in err
    assert "CAP_SYS_ADMIN" in out


def test_a_dropped_capability_never_looks_like_a_widening(tmp_path: Path) -> None:
    path = save(tmp_path / "p.json", "chroot")
    capabilities(tmp_path)
    assert typed("diff", path) == 0


def test_the_baseline_named_beside_the_profile_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "p.json", "io_uring_setup")
    assert typed("diff", path) == 1
    (tmp_path / "provenance.json").write_text('{"baseline": "docker-24.0"}')
    capsys.readouterr()
    assert typed("diff", path) == 0
    assert "comparing with docker-24.0, named in provenance.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"baseline": 1}', '{"baseline": "../../etc/passwd"}', "{", "null"]
)
def test_a_hostile_provenance_is_refused(
    small: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (small.parent / "provenance.json").write_text(text)
    assert typed("diff", small) == 4
    assert "provenance.json" in capsys.readouterr().err
    assert typed("diff", small, "--against", "docker-25.0") == 0


@pytest.mark.parametrize("text", ["[]", "{}", '{"cap_add": [{"name": "CAP_ALL"}]}', "null"])
def test_a_hostile_capability_list_is_refused(small: Path, text: str) -> None:
    (small.parent / "capabilities.json").write_text(text)
    assert typed("diff", small) == 4


def test_two_files_are_compared(small: Path, wide: Path) -> None:
    assert typed("diff", small, "--against", small) == 0
    assert typed("diff", wide, "--against", small) == 1


def test_json_says_everything(wide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("diff", wide, "--against", "docker-25.0", "--format", "json") == 1
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["schema"] == "seccomp-synth/difference"
    assert document["against"] == "docker-25.0"
    assert document["wider"] is True
    assert document["summary"] == {
        "kept": 1,
        "removed": 300,
        "narrowed": 0,
        "widened": 2,
        "architectures_added": 0,
        "ungated": 0,
        "doubtful": 0,
        "errno_changed": 1,
        "gated": 0,
        "architectures_removed": 2,
    }
    assert document["findings"][0]["evidence"] == ["mount(…)"]
    assert document["target"]["kernel"] == "6.1"
    assert [one["id"] for one in document["findings"]][:3] == ["SS103", "SS103", "SS101"]
    assert document["findings"][-1]["id"] == "SS111"


def test_output_is_the_same_every_time(wide: Path, tmp_path: Path) -> None:
    for form in ("text", "json", "markdown"):
        first, second = tmp_path / f"1.{form}", tmp_path / f"2.{form}"
        for path in (first, second):
            assert typed("diff", wide, "--format", form, "-o", path) == 1
        assert first.read_bytes() == second.read_bytes()


def test_an_existing_file_is_not_overwritten(small: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert typed("diff", small, "-o", taken) == 2
    assert taken.read_text() == "mine"
    assert typed("diff", small, "-o", taken, "--force") == 0
    assert counts(taken.read_text())["kept"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "docker-99"), "no baseline is named 'docker-99'"),
        (("--against", "none.json"), "no such file"),
        (("--kernel", "six"), "not a kernel version"),
        (("--cap-add", "FOO"), "unknown capability"),
        (("--arch", "mips"), "mips"),
    ],
)
def test_a_wrong_option_exits_with_2(
    small: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("diff", small, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_profile_that_turns_seccomp_off_exits_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.json").write_text("{}")
    assert typed("diff", tmp_path / "p.json") == 4
    err = capsys.readouterr().err
    assert "without any filter" in err
    assert err.count("\n") == 1


def test_the_kernel_decides_rules_by_kernel(tmp_path: Path) -> None:
    path = save(tmp_path / "p.json", "ptrace")
    assert typed("diff", path, "--kernel", "4.8") == 0
    assert typed("diff", path, "--kernel", "4.4") == 1


def test_the_architecture_is_the_profiles_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = (Rule(("openat",), "SCMP_ACT_ALLOW"),)
    arch_map = (("SCMP_ARCH_AARCH64", ()),)
    path = tmp_path / "p.json"
    path.write_text(dump_profile(Profile("SCMP_ACT_ERRNO", rules, 1, arch_map=arch_map)))
    assert typed("diff", path) == 0
    assert "(aarch64, kernel 6.1)" in capsys.readouterr().out
    assert typed("diff", path, "--arch", "x86_64") == 0
    assert "(x86_64, kernel 6.1)" in capsys.readouterr().out


def test_a_hostile_file_name_does_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "a\x1b[31m\nb.json", "read")
    assert typed("diff", path) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert out.startswith(str(tmp_path)[:8])
    assert "b.json compared with" in out.splitlines()[0]


def test_a_default_compared_with_itself_is_all_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d.json"
    path.write_text(dump_profile(load_baseline("docker-25.0").profile))
    assert typed("diff", path, "--against", "docker-25.0") == 0
    out = capsys.readouterr().out
    assert {word: count for word, count in counts(out).items() if count} == {"kept": 301}
    assert os.sep in out


@pytest.mark.parametrize(
    ("rule", "other", "kinds"),
    [
        ({"names": ["read", "mount"]}, {"names": ["read"]}, {"widened"}),
        ({"names": ["read"]}, {"names": ["read", "write"]}, {"removed"}),
        (
            {"names": ["read"], "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
            {"names": ["read"]},
            {"narrowed"},
        ),
        ({"names": ["read"], "errno": 38}, {"names": ["read"]}, {"errno"}),
        (
            {"names": ["chroot"]},
            {"names": ["chroot"], "includes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"capability"},
        ),
        (
            {"names": ["chroot"], "includes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"names": ["chroot"]},
            {"capability"},
        ),
        ({"names": ["read"], "arch": "SCMP_ARCH_X86"}, {"names": ["read"]}, {"widened"}),
        ({"names": ["read"]}, {"names": ["read"], "arch": "SCMP_ARCH_X86"}, {"removed"}),
        ({"names": ["read"]}, {"names": ["read"]}, set()),
    ],
)
def test_what_a_difference_fails_on(
    tmp_path: Path, rule: dict[str, Any], other: dict[str, Any], kinds: set[str]
) -> None:
    paths = []
    for name, entry in (("new.json", dict(rule)), ("old.json", dict(other))):
        arch, errno = entry.pop("arch", None), entry.pop("errno", 1)
        document = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": errno,
            "architectures": ["SCMP_ARCH_X86_64", *([arch] if arch else [])],
            "syscalls": [{**entry, "action": "SCMP_ACT_ALLOW"}],
        }
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps(document))
    new, old = paths
    for kind in ("removed", "narrowed", "widened", "capability", "doubtful", "errno"):
        assert typed("diff", new, "--against", old, "--fail-on", kind) == int(kind in kinds), kind
    assert typed("diff", new, "--against", old, "--fail-on", "any") == int(bool(kinds))
    assert typed("diff", new, "--against", old, "--fail-on", "never") == 0
    assert typed("diff", new, "--against", old) == int("widened" in kinds)
    several = [word for kind in ("errno", "removed") for word in ("--fail-on", kind)]
    assert typed("diff", new, "--against", old, *several) == int(bool(kinds & {"errno", "removed"}))


def test_markdown_holds_hostile_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a`|<b>.json", "read")
    assert typed("diff", path, "--format", "markdown") == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.count("`") == 4
    assert "'\\|<b>.json` compared with" in head
