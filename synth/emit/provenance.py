"""Write and read ``provenance.json``: where each rule of a profile comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.document import check_document, compact_json
from synth.environment import Environment
from synth.files import load_json
from synth.model import Finding
from synth.wanted import Decision, Origin

FILE_NAME = "provenance.json"
SCHEMA = "seccomp-synth/provenance"
SCHEMA_VERSIONS = ("1.0.0", "1.1.0")
# 1.0.0: first
# 1.1.0: environments

_WORKLOAD, _PROGRAM = "workload ", "program "


@dataclass(frozen=True)
class Provenance:
    """What a provenance file says; ``recordings`` are digests."""

    baseline: str
    tightness: str
    recordings: tuple[str, ...]
    profile_sha256: str
    environments: tuple[Environment, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]


def dump_provenance(
    *,
    baseline: str,
    tightness: str,
    recordings: Iterable[str],
    profile_sha256: str,
    decisions: Sequence[Decision],
    findings: Sequence[Finding],
    environments: Iterable[Environment] = (),
) -> str:
    """Return the provenance; ``recordings`` are digests, in any order."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSIONS[-1],
            "baseline": baseline,
            "tightness": tightness,
            "recordings": sorted(recordings),
            "profile_sha256": profile_sha256,
            "environments": [asdict(one) for one in sorted(environments)],
            "decisions": [_decision(one) for one in decisions],
            "findings": [asdict(one) for one in sorted(findings)],
        }
    )


def parse_provenance(document: object, *, where: str) -> Provenance:
    """Return what a parsed JSON document says; raises ``DataError``."""
    checked: dict[str, Any] = check_document(
        document, schema=SCHEMA, versions=SCHEMA_VERSIONS, where=where
    )
    return Provenance(
        baseline=checked["baseline"],
        tightness=checked["tightness"],
        recordings=tuple(checked["recordings"]),
        profile_sha256=checked["profile_sha256"],
        environments=tuple(Environment(**one) for one in checked.get("environments", ())),
        decisions=tuple(_decision_from(one) for one in checked["decisions"]),
        findings=tuple(
            Finding(**{**one, "evidence": tuple(one["evidence"])}) for one in checked["findings"]
        ),
    )


def load_provenance(path: Path) -> Provenance:
    """Read a provenance file; raises ``DataError`` or ``UsageError``."""
    return parse_provenance(load_json(path), where=str(path))


def _decision(decision: Decision) -> dict[str, Any]:
    evidence = [f"{_WORKLOAD}{name}" for name in decision.workloads]
    evidence += [f"{_PROGRAM}{name}" for name in decision.programs]
    return {
        "name": decision.name,
        "origin": str(decision.origin),
        "reason": decision.reason,
        "evidence": evidence,
    }


def _decision_from(value: dict[str, Any]) -> Decision:
    def named(prefix: str) -> tuple[str, ...]:
        return tuple(
            one.removeprefix(prefix) for one in value["evidence"] if one.startswith(prefix)
        )

    return Decision(
        value["name"], Origin(value["origin"]), value["reason"], named(_WORKLOAD), named(_PROGRAM)
    )
