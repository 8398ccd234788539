"""Make a minimal profile from evidence and a baseline, never wider than the baseline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from synth.evidence import Evidence
from synth.grouping import rules_of
from synth.inclusion import inside
from synth.model import Finding, Profile, Target
from synth.narrow import Conditions, conditions_of, families
from synth.port import port_findings
from synth.privileged import useless
from synth.profile_format import ERRNO
from synth.refusals import ENOSYS, EPERM, NEVER_FAMILIES, answers_enosys, answers_eperm
from synth.resolve import Resolved, resolve
from synth.syscalls import scmp_arch, syscall_names
from synth.text import listed, printable
from synth.wanted import Decision, Origin, Tightness, decide

LEFT_OUT, FAMILY_LEFT_OUT, FOREIGN_KEPT = "SS301", "SS302", "SS303"
NOT_NARROWED, FOREIGN_DROPPED, HIDDEN_WORK = "SS304", "SS305", "SS308"
IDLE = "SS315"

MAX_CONDITIONAL = 80
"""Rules with conditions in a profile; with more, which no real recording had, an exact one narrows
no further than a portable one, and terminals may be typed into.  Engines take 128 rules in all."""

NAMESPACES = frozenset(("clone", "unshare"))
"""Calls that make a user namespace, unless a condition forbids it."""


@dataclass(frozen=True)
class Generated:
    """A profile, the decision behind each allowed syscall, and what a reader should know."""

    profile: Profile
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]
    resolved: Resolved
    baseline: Resolved


def generate(
    evidence: Evidence,
    baseline: Profile,
    granted: tuple[str, ...],
    tightness: Tightness = Tightness.PORTABLE,
    arch: str | None = None,
) -> Generated:
    """Return the minimal profile for ``evidence`` inside ``baseline``.

    ``granted`` are the capabilities that the container will have: a rule of the baseline that
    depends on another is not in force.  ``arch`` is the native architecture to make it for, if
    not the recorded one; then nothing can be exact, and ``ValueError`` says so.
    """
    native = arch or evidence.arch
    ported = native != evidence.arch
    if ported and tightness is Tightness.EXACT:
        raise ValueError("what was not recorded cannot be exact")
    target = Target(native, frozenset(granted), _kernel(evidence))
    limit = resolve(baseline, target)
    arches = (native,) if ported else (native, *evidence.foreign_arches())
    exists = frozenset().union(*(syscall_names(arch) for arch in arches))
    wanted = decide(evidence, tightness, limit.names())
    names = sorted(set(wanted) & exists - {"clone3"})
    conditions = {name: conditions_of(name, limit, evidence, tightness) for name in names}
    if tightness is Tightness.EXACT and _written(conditions) > MAX_CONDITIONAL:
        portable = Tightness.PORTABLE
        conditions = {name: conditions_of(name, limit, evidence, portable) for name in names}
    if "ioctl" in conditions and _written(conditions) > MAX_CONDITIONAL:
        # what others need comes first: this is the longest list, against the smallest danger
        conditions["ioctl"] = Conditions(limit.allowed("ioctl"))
    namespaces = any(conditions[name].allowed == ((),) for name in NAMESPACES & set(conditions))
    idle = {
        name: lacking
        for name in sorted(conditions)
        if conditions[name].allowed
        and (lacking := useless(name, target.capabilities, namespaces=namespaces))
    }
    kept = {
        name: wanted[name]
        for name in sorted(set(conditions) - set(idle))
        if conditions[name].allowed
    }
    profile = Profile(
        default_action=ERRNO,
        default_errno=ENOSYS,
        architectures=() if ported else tuple(scmp_arch(arch) for arch in arches),
        arch_map=((scmp_arch(native), ()),) if ported else (),
        rules=rules_of(kept, conditions, _refusals(evidence, arches, frozenset(kept))),
    )
    result = resolve(profile, target)
    _require_inside(result, limit)
    found = _findings(evidence, wanted, exists - set(idle), frozenset(kept), tightness, native)
    ported_findings = port_findings(evidence, native, frozenset(kept))
    findings = tuple(sorted((*found, *_idle_findings(idle, wanted), *ported_findings)))
    return Generated(profile, tuple(kept.values()), findings, result, limit)


def _written(conditions: Mapping[str, Conditions]) -> int:
    """Return how many rules with conditions a profile would have."""
    return sum(len(one.allowed) + len(one.refused) for one in conditions.values() if one.note)


def _kernel(evidence: Evidence) -> tuple[int, int]:
    """Return the oldest kernel of the recordings: rules for newer ones are not in force there."""
    versions = []
    for host in evidence.hosts:
        match = re.match(r"(\d{1,4})\.(\d{1,4})", host.kernel)
        versions.append((int(match[1]), int(match[2])) if match else (0, 0))
    return min(versions)


def _refusals(
    evidence: Evidence, arches: tuple[str, ...], allowed: frozenset[str]
) -> dict[str, int]:
    """Return the errno of each call that is refused aloud.

    What was refused while recording keeps its errno: another one would take the program down
    another path.
    """
    answers: dict[str, int] = {}
    for arch in arches:
        answers.update(dict.fromkeys(answers_enosys(arch), ENOSYS))
        answers.update(dict.fromkeys(answers_eperm(arch), EPERM))
    for refusal in sorted(evidence.refusals):
        if not refusal.arguments and refusal.errno in (EPERM, ENOSYS):
            answers[refusal.name] = refusal.errno
    answers["clone3"] = ENOSYS
    known = frozenset().union(*(syscall_names(arch) for arch in arches))
    return {name: answers[name] for name in sorted(answers) if name in known - allowed}


def _require_inside(result: Resolved, limit: Resolved) -> None:
    """Check the promise of every profile; a failure is a bug, not an input."""
    call = inside(result, limit)
    if call is not None:
        raise RuntimeError(f"the profile allows {call}, which the baseline refuses")


def _findings(
    evidence: Evidence,
    wanted: Mapping[str, Decision],
    exists: frozenset[str],
    kept: frozenset[str],
    tightness: Tightness,
    arch: str,
) -> tuple[Finding, ...]:
    found = [
        Finding(
            LEFT_OUT,
            "warning",
            name,
            "was allowed when recorded, but the default refuses it with these capabilities",
            wanted[name].workloads,
            "see whether the workload needs it; nothing beyond the default is added",
        )
        for name in sorted(set(wanted) & exists - kept)
        if wanted[name].origin is Origin.OBSERVED and not _never(name, evidence)
    ]
    found += _socket_findings(evidence, tightness)
    if evidence.foreign_arches() and arch == evidence.arch:
        message = "kept, since such calls were recorded; socketcall there obeys no argument rule"
        found.append(
            Finding(FOREIGN_KEPT, "warning", ", ".join(evidence.foreign_arches()), message)
        )
    else:
        message = "32-bit and x32 programs would be killed: no such call was recorded"
        found.append(Finding(FOREIGN_DROPPED, "note", "architectures", message))
    if any(name.startswith("io_uring_") for _, name in evidence.syscalls):
        message = "operations submitted through the ring are seen by no filter and no recorder"
        found.append(Finding(HIDDEN_WORK, "warning", "io_uring", message))
    return tuple(sorted(found))


def _idle_findings(idle: Mapping[str, str], wanted: Mapping[str, Decision]) -> list[Finding]:
    return [
        Finding(
            IDLE,
            "note",
            name,
            f"left out: without {lacking}, which will not be granted, the kernel refuses it anyway",
            wanted[name].workloads,
        )
        for name, lacking in sorted(idle.items())
        if wanted[name].origin is Origin.OBSERVED
    ]


def _never(name: str, evidence: Evidence) -> bool:
    """Tell whether a call is out because of the families alone, which has its own finding."""
    return name == "socket" and (evidence.known_values(name, 0) or {-1}) <= set(NEVER_FAMILIES)


def _socket_findings(evidence: Evidence, tightness: Tightness) -> list[Finding]:
    values = {
        value
        for key, seen in evidence.values.items()
        if key[1] == "socket"
        for value in seen
        if value.position == 0
    }
    found = []
    for family, label in NEVER_FAMILIES.items():
        workloads = sorted({printable(one.workload, 64) for one in values if one.value == family})
        if workloads:
            found.append(
                Finding(
                    FAMILY_LEFT_OUT,
                    "warning",
                    f"socket({label})",
                    f"was asked for in {listed(workloads, 6)} and stays refused",
                    fix="it reaches the host's kernel crypto or the hypervisor; do without it",
                )
            )
    asked = any(name == "socket" for _, name in evidence.syscalls)
    if asked and tightness is not Tightness.BASELINE and families(evidence, tightness) is None:
        message = "the recorded families are not all known; all but AF_ALG and AF_VSOCK are open"
        found.append(Finding(NOT_NARROWED, "warning", "socket", message))
    return found
