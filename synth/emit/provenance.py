"""Write and read ``provenance.json``: where each rule of a profile comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from synth.document import compact_json
from synth.model import Finding
from synth.wanted import Decision

FILE_NAME = "provenance.json"
SCHEMA = "seccomp-synth/provenance"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first


def dump_provenance(
    *,
    baseline: str,
    tightness: str,
    recordings: Iterable[str],
    profile_sha256: str,
    decisions: Sequence[Decision],
    findings: Sequence[Finding],
) -> str:
    """Return the provenance; ``recordings`` are digests, in any order."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "baseline": baseline,
            "tightness": tightness,
            "recordings": sorted(recordings),
            "profile_sha256": profile_sha256,
            "decisions": [_decision(one) for one in decisions],
            "findings": [asdict(one) for one in sorted(findings)],
        }
    )


def _decision(decision: Decision) -> dict[str, Any]:
    evidence = [f"workload {name}" for name in decision.workloads]
    evidence += [f"program {name}" for name in decision.programs]
    return {
        "name": decision.name,
        "origin": str(decision.origin),
        "reason": decision.reason,
        "evidence": evidence,
    }
