"""Say whether what workloads do now is inside a profile that was committed earlier.

Only what was really made or used now counts as drift; what this release would allow in addition
(another runtime's calls, equivalents) does not, or an upgrade of ours would look like one of yours.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from synth.baseline import Baseline
from synth.capabilities import Capabilities, derive_capabilities
from synth.conditions import witness
from synth.diff import Change, compared
from synth.emit.provenance import Provenance
from synth.environment import LABELS, environments, moved
from synth.evidence import Evidence, combine
from synth.excepting import EXPIRED, apply_exceptions
from synth.exceptions import SyscallException
from synth.generate import Generated, generate
from synth.model import Finding, Profile, Recording, Target
from synth.resolve import Resolved, resolve
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES
from synth.text import listed, many, printable
from synth.wanted import Decision, Origin, Tightness

NEW_CALL, NEW_CAPABILITY, UNUSED, UNUSED_CAPABILITY = "SS501", "SS502", "SS503", "SS504"
MOVED, OTHER_DEFAULT, WOULD_ADD, NOT_RECORDED = "SS505", "SS506", "SS507", "SS508"

SHOWN = 6


@dataclass(frozen=True)
class Committed:
    """What was committed: the profile and, where there are, list, provenance, recordings.

    ``exceptions`` are the project file's.
    """

    profile: Profile
    cap_add: tuple[str, ...]
    provenance: Provenance | None = None
    recordings: tuple[Recording, ...] = ()
    exceptions: tuple[SyscallException, ...] = ()


@dataclass(frozen=True)
class Drift:
    """The answer: findings, and what profile and capabilities would be now."""

    findings: tuple[Finding, ...]
    updated: Generated
    capabilities: Capabilities

    @property
    def inside(self) -> bool:
        """Tell whether nothing is needed now that was not committed."""
        return not any(one.severity == "error" for one in self.findings)

    @property
    def new_capabilities(self) -> tuple[str, ...]:
        """Return the capabilities that are needed now and not granted."""
        return tuple(one.subject for one in self.findings if one.id == NEW_CAPABILITY)


def drift(
    committed: Committed,
    recordings: Sequence[Recording],
    baselines: Sequence[Baseline],
    *,
    consented: Iterable[str] = (),
    today: datetime.date = datetime.date.min,
) -> Drift:
    """Compare ``recordings`` with what was committed.

    ``baselines`` has the default that each recording ran under.  The update is made of the
    committed recordings too, on the first of the defaults, with the exceptions that still count
    ``today``; capabilities beyond Docker's default are in it only if they were committed or are
    ``consented``.  Raises ``UsageError`` for an exception that needs an owner and has none.
    """
    now = combine(recordings)
    tightness = Tightness(committed.provenance.tightness if committed.provenance else "portable")
    allowed = {*committed.cap_add, *consented}
    found: set[Finding] = set()
    for name in sorted({one.name for one in baselines}):
        pairs = zip(recordings, baselines, strict=True)
        mine = [recording for recording, one in pairs if one.name == name]
        default = next(one for one in baselines if one.name == name)
        found.update(_calls(committed, combine(mine), default))
    found.update(_capabilities(committed, now))
    found.update(_unused(committed, now))
    found.update(_environment(committed, recordings, baselines))
    everything = combine([*committed.recordings, *recordings])
    capabilities = _granted(everything, allowed)
    made = generate(everything, baselines[0].profile, capabilities.cap_add, tightness)
    updated = apply_exceptions(made, committed.exceptions, today).generated
    # what exceptions widen was looked at when they were written; that one is over is news
    found.update(one for one in updated.findings if one.id == EXPIRED)
    ranks = {"error": 0, "warning": 1, "note": 2}
    ordered = tuple(sorted(found, key=lambda one: (ranks[one.severity], one)))
    return Drift(ordered, updated, capabilities)


def _calls(committed: Committed, evidence: Evidence, baseline: Baseline) -> Iterator[Finding]:
    """Yield a finding for every call that was made and that the committed profile refuses."""
    # what the default allows with capabilities that nobody used was left out when the profile was
    # made, and stays so
    granted = {*committed.cap_add, *derive_capabilities(evidence, consented=CAPABILITIES).cap_add}
    exact = generate(evidence, baseline.profile, tuple(sorted(granted)), Tightness.EXACT)
    target = Target(evidence.arch, frozenset(committed.cap_add), exact.resolved.target.kernel)
    profile = resolve(committed.profile, target)
    decisions = {one.name: one for one in exact.decisions}
    would_add = []
    for name in sorted(exact.resolved.names()):
        arguments = witness(exact.resolved.allowed(name), profile.allowed(name))
        if arguments is None:
            continue
        looked_at = compared(exact.resolved.allowed(name), profile.allowed(name))
        if _was_made(decisions[name], evidence):
            yield _new_call(Change(name, arguments, looked_at), evidence)
        else:
            would_add.append(name)
    yield from _architectures(exact.resolved, profile)
    if would_add:
        message = f"{many(len(would_add), 'call')} would be allowed too, though none was made"
        fix = "make the profile again if you like"
        yield Finding(WOULD_ADD, "note", "profile", message, tuple(would_add), fix)


def _was_made(decision: Decision, evidence: Evidence) -> bool:
    if decision.origin in (Origin.OBSERVED, Origin.FALLBACK):
        return True
    return any(
        use.phase == "runtime"
        for (_, name), uses in evidence.syscalls.items()
        if name == decision.name
        for use in uses
    )


def _new_call(change: Change, evidence: Evidence) -> Finding:
    uses = {
        use for (_, name), uses in evidence.syscalls.items() if name == change.name for use in uses
    }
    who = sorted(
        f"{use.workload}: {printable(use.program)}"
        + (" (the container runtime)" if use.phase == "runtime" else "")
        for use in uses
    )
    call = change.call() if change.compared else change.name
    return Finding(
        NEW_CALL,
        "error",
        change.name,
        f"{call} is needed now, and the committed profile refuses it",
        tuple(who[:SHOWN]) + ((f"and {len(who) - SHOWN} more",) if len(who) > SHOWN else ()),
        "allow it by making the profile again, or do without the call",
    )


def _architectures(now: Resolved, committed: Resolved) -> Iterator[Finding]:
    for name in sorted(set(now.architectures) - set(committed.architectures)):
        message = "calls of this architecture are made now, and the committed profile kills them"
        fix = "make the profile again, or run no such programs"
        yield Finding(NEW_CALL, "error", name, message, (), fix)


def _capabilities(committed: Committed, evidence: Evidence) -> Iterator[Finding]:
    had = {name for subject in evidence.subjects for name in subject.capabilities}
    used = set(evidence.capabilities) & had if had else set(evidence.capabilities)
    for name in sorted(used - set(committed.cap_add)):
        grants = sorted(
            {
                f"{one.workload}: {printable(one.program)} ({one.syscall or 'no syscall'})"
                for one in evidence.capabilities[name]
            }
        )
        beyond = name not in DOCKER_DEFAULT_CAPABILITIES
        yield Finding(
            NEW_CAPABILITY,
            "error",
            name,
            "is used now, and the committed list does not grant it",
            tuple(grants[:SHOWN]),
            f"if that is meant, add --allow-capability {name}"
            if beyond
            else "grant it by making the list again, or do without",
        )
    idle = sorted(set(committed.cap_add) - set(evidence.capabilities))
    if not evidence.capability_notes:
        for name in idle:
            message = "is granted, and no workload used it this time"
            yield Finding(UNUSED_CAPABILITY, "note", name, message, (), "see whether it can go")


def _unused(committed: Committed, evidence: Evidence) -> Iterator[Finding]:
    """Yield what was observed when the profile was made and is not any more."""
    if committed.provenance is None:
        return
    observed = [one for one in committed.provenance.decisions if one.origin is Origin.OBSERVED]
    made = {name for _, name in evidence.workload_names()}
    idle = sorted(one.name for one in observed if one.name not in made)
    if idle:
        message = f"{many(len(idle), 'call')} observed earlier were not made this time"
        fix = "if the workloads have changed for good, make the profile again"
        yield Finding(UNUSED, "note", "profile", message, tuple(idle), fix)
    workloads = {name for one in observed for name in one.workloads}
    workloads |= {run.workload for one in committed.recordings for run in one.runs}
    recorded = {use.workload for uses in evidence.syscalls.values() for use in uses}
    missing = sorted(workloads - recorded)
    if missing:
        message = (
            f"not recorded this time: {listed((printable(one, 64) for one in missing), SHOWN)}"
        )
        yield Finding(NOT_RECORDED, "warning", "workloads", message, (), "record all of them")


def _environment(
    committed: Committed, recordings: Sequence[Recording], baselines: Sequence[Baseline]
) -> Iterator[Finding]:
    """Yield what has moved around the workloads since the profile was made."""
    then = environments(committed.recordings)
    if not then and committed.provenance is not None:
        then = committed.provenance.environments
    for move in moved(then, environments(recordings)):
        if move.field not in ("image", "baseline"):
            label = LABELS[move.field]
            message = f"was {listed(move.before, 3)}, is {listed(move.after, 3)}"
            yield Finding(MOVED, "note", label, message)
    if committed.provenance is not None:
        others = sorted({one.name for one in baselines} - {committed.provenance.baseline})
        if others:
            yield Finding(
                OTHER_DEFAULT,
                "warning",
                "default profile",
                f"is {listed(others, 3)}; the profile was made from "
                f"{committed.provenance.baseline}",
                (),
                "make the profile again on this engine",
            )


def _granted(evidence: Evidence, allowed: set[str]) -> Capabilities:
    """Return what the capability list would be, without what nobody consented to."""
    made = derive_capabilities(evidence, consented=CAPABILITIES)
    kept = {name for name in made.cap_add if name in DOCKER_DEFAULT_CAPABILITIES | allowed}
    return replace(
        made,
        cap_add=tuple(sorted(kept)),
        uses=tuple(use for use in made.uses if use.capability in kept),
    )
