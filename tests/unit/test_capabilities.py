"""The smallest list of capabilities, and who may ask for more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.capabilities import derive_capabilities, dump_capabilities, load_capabilities
from synth.errors import DataError, UsageError
from synth.evidence import combine
from synth.model import CapabilityUse, Health
from tests import builders

CHOWN = CapabilityUse("CAP_CHOWN", "fchownat", "chown", 3)
ADMIN = CapabilityUse("CAP_SYS_ADMIN", "mount", "mount", 1)


def test_what_was_used_with_its_evidence(tmp_path: Path) -> None:
    evidence = combine([builders.recording(builders.run("setup", capabilities=[CHOWN]))])
    text = dump_capabilities(derive_capabilities(evidence))
    document = json.loads(text)
    assert document["cap_add"] == [
        {
            "name": "CAP_CHOWN",
            "evidence": [{"workload": "setup", "program": "chown", "syscall": "fchownat"}],
        }
    ]
    (tmp_path / "capabilities.json").write_text(text)
    assert load_capabilities(tmp_path / "capabilities.json") == ("CAP_CHOWN",)


def test_nothing_used_nothing_granted() -> None:
    assert derive_capabilities(combine([builders.recording()])).cap_add == ()


def test_more_than_docker_grants_needs_consent() -> None:
    had = builders.subject(cap_add=("CAP_SYS_ADMIN",), capabilities=("CAP_SYS_ADMIN",))
    recording = builders.recording(builders.run(capabilities=[ADMIN]), subject=had)
    with pytest.raises(UsageError, match="add --allow-capability CAP_SYS_ADMIN"):
        derive_capabilities(combine([recording]))
    allowed = derive_capabilities(combine([recording]), consented=("CAP_SYS_ADMIN",))
    assert allowed.cap_add == ("CAP_SYS_ADMIN",)


def test_a_capability_the_container_never_had_is_left_out() -> None:
    recording = builders.recording(builders.run(capabilities=[ADMIN, CHOWN]))
    derived = derive_capabilities(combine([recording]))
    assert derived.cap_add == ("CAP_CHOWN",)
    assert [one.subject for one in derived.findings] == ["CAP_SYS_ADMIN"]


def test_unrecorded_uses_keep_everything_and_say_so() -> None:
    health = Health(capabilities="not recorded: no tracepoint")
    derived = derive_capabilities(combine([builders.recording(health=health)]))
    assert set(derived.cap_add) == set(builders.subject().capabilities)
    assert not derived.recorded
    assert "not recorded" in derived.findings[0].message


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "not a capabilities"),
        ({"cap_add": [{"name": "CAP_FOO", "evidence": []}]}, "CAP_FOO"),
        ({"cap_add": ["CAP_CHOWN"]}, "must be"),
        ({"cap_add": [{"name": "chown", "evidence": []}]}, "form"),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path, document: dict[str, object], complaint: str
) -> None:
    header = {"schema": "seccomp-synth/capabilities", "schema_version": "1.0.0"}
    path = tmp_path / "capabilities.json"
    path.write_text(json.dumps({**header, **document} if document else {}))
    with pytest.raises(DataError, match=complaint):
        load_capabilities(path)
