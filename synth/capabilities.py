"""Find the smallest list of capabilities that the recorded workloads need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from synth.document import check_document, compact_json
from synth.errors import UsageError
from synth.evidence import Evidence
from synth.files import load_json
from synth.model import Finding
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, is_known
from synth.text import listed, printable
from synth.wire import check_capability_names, check_unique

SCHEMA = "seccomp-synth/capabilities"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first

NOT_RECORDED, NEVER_HAD = "SS306", "SS307"
REFUSED, NO_EFFECT = "SS313", "SS314"

ROOT = frozenset(("", "0", "root"))


class CapabilityEvidence(NamedTuple):
    """Who used which capability, in which syscall; fit for printing."""

    capability: str
    workload: str
    program: str
    syscall: str


@dataclass(frozen=True)
class Capabilities:
    """What to add after ``cap_drop: ALL``.

    ``recorded`` is false when the uses are not known and everything was kept.
    """

    cap_add: tuple[str, ...]
    uses: tuple[CapabilityEvidence, ...]
    recorded: bool
    findings: tuple[Finding, ...] = ()


def derive_capabilities(evidence: Evidence, *, consented: Iterable[str] = ()) -> Capabilities:
    """Return the capabilities that were used, of those that the containers had.

    If some recording lacks capability uses, all that its container had are kept.  Raises
    ``UsageError`` (``capability-consent``) for one that Docker does not grant by default and
    the user did not name: a file alone must not open SYS_ADMIN.
    """
    had = {name for subject in evidence.subjects for name in subject.capabilities}
    recorded = not evidence.capability_notes
    used = set(evidence.capabilities)
    kept = (used & had if had else used) if recorded else had | used
    _require_consent(kept, frozenset(consented))
    findings = []
    if not recorded:
        findings.append(
            Finding(
                NOT_RECORDED,
                "warning",
                "capabilities",
                "capability uses were not recorded; every capability of the container is kept",
                tuple(sorted(printable(note, 200) for note in evidence.capability_notes)),
                "record on a host where they can be (see: seccomp-synth doctor)",
            )
        )
    findings += [
        Finding(
            NEVER_HAD,
            "warning",
            name,
            "recorded as used by a container that did not have it; left out",
            _who(evidence, name),
            "record again",
        )
        for name in sorted(used - kept)
    ]
    findings += _without_effect(evidence) if recorded else []
    return Capabilities(tuple(sorted(kept)), _uses(evidence, kept), recorded, tuple(findings))


def without_refused(capabilities: Capabilities, allowed: frozenset[str]) -> Capabilities:
    """Return ``capabilities`` without those that were used in refused calls only.

    ``allowed`` are the calls of the profile made for them.  A use outside any call that we know
    by name, or uses that were not recorded, leave the capability in.
    """
    refused = {
        name: sorted({use.syscall for use in capabilities.uses if use.capability == name})
        for name in capabilities.cap_add
    }
    refused = {
        name: calls
        for name, calls in refused.items()
        if calls and all(is_known(call) and call not in allowed for call in calls)
    }
    if not capabilities.recorded or not refused:
        return capabilities
    findings = [
        Finding(
            REFUSED,
            "warning",
            name,
            f"was used in {listed(calls, 6)} only, which the profile refuses; not granted",
            fix="record under the default profile that the container will have",
        )
        for name, calls in sorted(refused.items())
    ]
    return Capabilities(
        tuple(name for name in capabilities.cap_add if name not in refused),
        tuple(use for use in capabilities.uses if use.capability not in refused),
        capabilities.recorded,
        (*capabilities.findings, *findings),
    )


def dump_capabilities(capabilities: Capabilities) -> str:
    """Return ``capabilities.json``; equal lists give equal bytes."""
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "recorded": capabilities.recorded,
            "cap_drop": ["ALL"],
            "cap_add": [
                {"name": name, "evidence": _evidence(capabilities, name)}
                for name in capabilities.cap_add
            ],
        }
    )


def load_capabilities(path: Path) -> tuple[str, ...]:
    """Return ``cap_add`` of a capabilities file, sorted; raises ``DataError``, ``UsageError``."""
    where = str(path)
    document = check_document(
        load_json(path), schema=SCHEMA, versions=(SCHEMA_VERSION,), where=where
    )
    names = [entry["name"] for entry in document["cap_add"]]
    check_capability_names(names, where)
    check_unique(names, "capability", where)
    return tuple(sorted(names))


def _evidence(capabilities: Capabilities, name: str) -> list[dict[str, str]]:
    return [
        {"workload": use.workload, "program": use.program, "syscall": use.syscall}
        for use in capabilities.uses
        if use.capability == name
    ]


def _without_effect(evidence: Evidence) -> list[Finding]:
    """Warn of capabilities that were asked for and that a container's user does not get.

    The engine puts them into the bounding set; a user other than root has them only in
    programs with a setuid bit or file capabilities, and no such use was seen.
    """
    added: dict[str, set[str]] = {}
    for subject in evidence.subjects:
        user = subject.user.split(":")[0]
        for name in subject.cap_add:
            if user not in ROOT and name not in evidence.capabilities:
                added.setdefault(name, set()).add(printable(user, 32))
    return [
        Finding(
            NO_EFFECT,
            "warning",
            name,
            f"has no effect for user {listed(sorted(users), 4)}, who is not root, in these runs; "
            "it is not granted",
            fix="leave it out of the container, or run the program that needs it as root",
        )
        for name, users in sorted(added.items())
    ]


def _require_consent(kept: set[str], consented: frozenset[str]) -> None:
    asked = sorted(kept - DOCKER_DEFAULT_CAPABILITIES - consented)
    if asked:
        raise UsageError(
            f"the recordings ask for {', '.join(asked)}, which Docker does not grant by default",
            slug="capability-consent",
            fix=f"if that is meant, add --allow-capability {asked[0]}",
        )


def _uses(evidence: Evidence, kept: set[str]) -> tuple[CapabilityEvidence, ...]:
    return tuple(
        sorted(
            {
                CapabilityEvidence(name, grant.workload, printable(grant.program), grant.syscall)
                for name in kept
                for grant in evidence.capabilities.get(name, ())
            }
        )
    )


def _who(evidence: Evidence, name: str) -> tuple[str, ...]:
    grants = sorted(evidence.capabilities.get(name, ()))
    names = sorted({f"{one.workload} ({printable(one.program)})" for one in grants})
    return (listed(names, 8),)
