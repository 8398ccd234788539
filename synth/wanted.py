"""Decide which syscalls a profile has to allow, and why each of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from synth.equivalents import equivalents
from synth.evidence import Evidence
from synth.floor import ANY_RUNTIME, CLOCK, INJECTED, LIBC, runtime_floor
from synth.text import printable


class Tightness(StrEnum):
    """How far a profile goes beyond what was observed; see docs/formats.md."""

    EXACT = "exact"
    PORTABLE = "portable"
    BASELINE = "baseline"


class Origin(StrEnum):
    """Why a syscall is allowed; in the order of precedence."""

    OBSERVED = "observed"
    RUNTIME = "runtime"
    FALLBACK = "fallback"
    INJECTED = "injected"
    EQUIVALENT = "equivalent"
    LIBC = "libc"
    BASELINE = "baseline"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Decision:
    """One syscall that shall be allowed: its origin, the reason, and for observed ones by whom."""

    name: str
    origin: Origin
    reason: str
    workloads: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def decide(
    evidence: Evidence, tightness: Tightness, baseline_names: frozenset[str]
) -> dict[str, Decision]:
    """Return the decision for each syscall that shall be allowed, by name."""
    decisions = _observed(evidence)
    further = [*_runtime(evidence, tightness), *_fallbacks(evidence)]
    further += [
        Decision(name, Origin.INJECTED, "made by the kernel itself, after a signal or a stop")
        for name in sorted(INJECTED)
    ]
    if tightness is not Tightness.EXACT:
        further += _portable(evidence)
    if tightness is Tightness.BASELINE:
        further += [
            Decision(name, Origin.BASELINE, "allowed by the engine's default")
            for name in sorted(baseline_names)
        ]
    for decision in further:
        decisions.setdefault(decision.name, decision)
    return decisions


def _observed(evidence: Evidence) -> dict[str, Decision]:
    """Calls that workloads made; the runtime's own are no reason of their own."""
    workloads: dict[str, set[str]] = {}
    programs: dict[str, set[str]] = {}
    for (_, name), uses in evidence.syscalls.items():
        for use in uses:
            if use.phase == "workload":
                workloads.setdefault(name, set()).add(use.workload)
                programs.setdefault(name, set()).add(printable(use.program))
    return {
        name: Decision(
            name,
            Origin.OBSERVED,
            "made by a workload",
            tuple(sorted(workloads[name])),
            tuple(sorted(programs[name])),
        )
        for name in sorted(workloads)
    }


def _runtime(evidence: Evidence, tightness: Tightness) -> list[Decision]:
    seen = {
        name
        for (_, name), uses in evidence.syscalls.items()
        if any(use.phase == "runtime" for use in uses)
    }
    if tightness is Tightness.EXACT:
        floor = frozenset().union(
            *(runtime_floor(host.runtime, host.runtime_version) for host in evidence.hosts)
        )
    else:
        floor = ANY_RUNTIME
    reason = "made by the container runtime between filter and execve, at start or exec"
    return [Decision(name, Origin.RUNTIME, reason) for name in sorted(seen | floor)]


def _fallbacks(evidence: Evidence) -> list[Decision]:
    """What libc takes instead of clone3, which always answers ENOSYS."""
    asked = any(name == "clone3" for _, name in evidence.syscalls) or any(
        refusal.name == "clone3" for refusal in evidence.refusals
    )
    reason = "taken instead of clone3, whose flags no filter can see"
    return [Decision("clone", Origin.FALLBACK, reason)] if asked else []


def _portable(evidence: Evidence) -> list[Decision]:
    names = frozenset(name for _, name in evidence.workload_names())
    found = [
        Decision(name, Origin.EQUIVALENT, f"the same as {observed}: {reason}")
        for name, (observed, reason) in sorted(equivalents(names).items())
    ]
    found += [
        Decision(name, Origin.INJECTED, "a syscall only on some clock sources")
        for name in sorted(CLOCK)
    ]
    found += [
        Decision(name, Origin.LIBC, "made when a program starts, by some version of libc")
        for name in sorted(LIBC)
    ]
    return found
