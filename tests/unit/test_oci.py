"""Check that the resolved form says what Docker's form says, and stays within readers' limits."""

from __future__ import annotations

import json

import pytest

from synth.baseline import available, load_baseline
from synth.diff import compare
from synth.errors import DataError
from synth.model import Gate, Profile, Rule, Target
from synth.oci import to_oci
from synth.profile import dump_profile, parse_profile, resolve
from synth.profile_format import detect_dialect
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES

TARGETS = [
    Target(arch, capabilities, kernel)
    for arch in ("x86_64", "aarch64")
    for capabilities in (DOCKER_DEFAULT_CAPABILITIES, frozenset[str](), frozenset(CAPABILITIES))
    for kernel in ((4, 7), (6, 1))
]


@pytest.mark.parametrize("name", available())
def test_the_resolved_form_answers_alike(name: str) -> None:
    profile = load_baseline(name).profile
    for target in TARGETS:
        oci = to_oci(profile, target)
        text = dump_profile(oci, "oci")
        again = parse_profile(json.loads(text), where="oci", dialect="oci")
        assert set(json.loads(text)) <= {
            "defaultAction",
            "defaultErrnoRet",
            "architectures",
            "syscalls",
        }
        # nothing in it depends on the container any more
        ours = resolve(again, Target(target.arch, frozenset(), (0, 0)))
        theirs = resolve(profile, target)
        for one, other in ((ours, theirs), (theirs, ours)):
            difference = compare(one, other, arch=target.arch)
            assert not difference.wider
            assert difference.refusals == ()
        assert len(text) < 1 << 20
        assert len(oci.rules) < 128


def test_conditions_cannot_be_written_in_a_dialect_without_them() -> None:
    rule = Rule(("read",), "SCMP_ACT_ALLOW", includes=Gate(min_kernel="4.8"))
    profile = Profile("SCMP_ACT_ERRNO", (rule,))
    for dialect in ("oci", "kubernetes", "podman"):
        with pytest.raises(DataError, match="conditions"):
            dump_profile(profile, dialect)
    assert "minKernel" in dump_profile(profile)


@pytest.mark.parametrize(
    ("document", "dialect"),
    [
        ({"defaultErrno": "EPERM"}, "podman"),
        ({"syscalls": [{"errno": "EPERM"}]}, "podman"),
        ({"syscalls": [{"includes": {}}]}, "docker"),
        ({"archMap": []}, "docker"),
        ({"architectures": []}, "oci"),
        ({}, "docker"),
        (None, "docker"),
        ([], "docker"),
    ],
)
def test_dialects_are_told_apart(document: object, dialect: str) -> None:
    assert detect_dialect(document) == dialect


def test_podmans_errno_names_override_or_are_refused() -> None:
    def read(**entry: object) -> Profile:
        document = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrno": "ENOSYS",
            "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO", **entry}],
        }
        return parse_profile(document, where="p", dialect="auto")

    assert read().default_errno == 38
    assert read(errno="EINVAL").rules[0].errno == 22
    assert read(errno="EINVAL", errnoRet=22).rules[0].errno == 22
    assert read(errno="", errnoRet=22).rules[0].errno == 22
    for entry, message in (
        ({"errno": "EPERM", "errnoRet": 22}, "takes the name"),
        ({"errno": "eperm"}, "not an errno's name"),
        ({"errno": 1}, "not an errno's name"),
        ({"includes": {"minKernel": "4.8"}}, "Podman ignores minKernel"),
    ):
        with pytest.raises(DataError, match=message):
            read(**entry)
