"""What goes beside a profile."""

from __future__ import annotations

import json

from ruamel.yaml import YAML

from synth.document import check_document
from synth.emit.compose import compose_override
from synth.emit.provenance import SCHEMA, SCHEMA_VERSIONS, dump_provenance
from synth.model import Finding
from synth.wanted import Decision, Origin


def test_the_override_replaces_and_never_adds() -> None:
    text = compose_override("web", ("CAP_CHOWN", "CAP_KILL"), no_new_privileges=True)
    assert text.count("!override") == 4, "three lists, and the word in the comment"
    service = YAML().load(text)["services"]["web"]
    assert service["privileged"] is False
    assert list(service["cap_drop"]) == ["ALL"]
    assert list(service["cap_add"]) == ["CHOWN", "KILL"]
    assert list(service["security_opt"]) == [
        "seccomp:${SECCOMP_PROFILE_DIR:-.}/seccomp.json",
        "no-new-privileges:true",
    ]


def test_no_capability_is_an_empty_list() -> None:
    text = compose_override("app", (), no_new_privileges=False)
    assert "cap_add: !override []" in text
    assert "no-new-privileges" not in text


def test_provenance_fits_its_schema() -> None:
    text = dump_provenance(
        baseline="docker-20.10",
        tightness="portable",
        recordings={"b" * 64, "a" * 64},
        profile_sha256="c" * 64,
        decisions=[
            Decision(f"{origin}"[:4], origin, "because", ("git",), ("git",)) for origin in Origin
        ],
        findings=[Finding("SS305", "note", "architectures", "text")],
    )
    document = json.loads(text)
    check_document(document, schema=SCHEMA, versions=SCHEMA_VERSIONS, where="x")
    assert document["recordings"] == ["a" * 64, "b" * 64]
