"""Compare what two profiles let through, by conditions and not by names.

Both are resolved for one container and host first.  Wider means that there is a call which the
one profile lets through and the other does not, and the comparison names such a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from synth import profile_format as words
from synth.conditions import witness
from synth.faithful import faithful
from synth.inclusion import escape
from synth.model import Answer, Conjunction, Finding, Profile, Target
from synth.resolve import ALWAYS, Resolved, resolve
from synth.syscalls import SCMP_ARCHES, errno_name, syscall_names

REMOVED = "SS101"
NARROWED = "SS102"
WIDENED = "SS103"
ARCHITECTURE_ADDED = "SS104"
ARCHITECTURE_REMOVED = "SS105"
REFUSAL_CHANGED = "SS106"
DEFAULT_WIDENED = "SS107"
GATED = "SS108"
UNGATED = "SS109"
DOUBTFUL = "SS110"
KEPT = "SS111"

FINDINGS: tuple[tuple[str, str, str], ...] = (
    (REMOVED, "note", "syscalls are refused that the other profile allows"),
    (NARROWED, "note", "a syscall is allowed for fewer argument values"),
    (WIDENED, "error", "a call is allowed that the other profile refuses"),
    (ARCHITECTURE_ADDED, "error", "an architecture is admitted that the other profile kills"),
    (ARCHITECTURE_REMOVED, "note", "an architecture is killed that the other profile admits"),
    (REFUSAL_CHANGED, "note", "refused calls answer something else"),
    (DEFAULT_WIDENED, "error", "syscalls without a rule are allowed"),
    (GATED, "note", "a call now needs a capability"),
    (UNGATED, "warning", "a call no longer needs a capability"),
    (DOUBTFUL, "warning", "libseccomp may compile the conditions otherwise than they are meant"),
    (KEPT, "note", "syscalls are allowed as the other profile allows them"),
)
"""Every finding of a comparison: id, severity, meaning."""

_SEVERITY = {one: severity for one, severity, _ in FINDINGS}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A syscall whose conditions differ, and a call that shows it: six argument values.

    ``compared`` are the indexes of the arguments that matter to either side; ``arch`` is empty
    for the architecture that was asked for.
    """

    name: str
    arguments: tuple[int, ...]
    compared: tuple[int, ...]
    arch: str = ""

    def call(self) -> str:
        """Return the call as text: ``socket(0x28, …)``; ``_`` for arguments that do not matter."""
        last = max(self.compared, default=-1)
        shown = [f"0x{self.arguments[i]:x}" if i in self.compared else "_" for i in range(last + 1)]
        rest = ["…"] if last < len(self.arguments) - 1 else []
        text = f"{self.name}({', '.join([*shown, *rest])})"
        return f"{text} on {self.arch}" if self.arch else text


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """Syscalls that both profiles refuse, with answers that differ."""

    before: Answer
    after: Answer
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class GateChange:
    """A capability, and a call that one of the profiles allows only with it."""

    capability: str
    change: Change


@dataclass(frozen=True, slots=True)
class Difference:
    """What a profile lets through, compared with another one.

    ``removed``, ``kept`` and ``narrowed`` name syscalls of the one architecture that was asked
    for; ``widened`` those of every architecture that the profile admits.  A ``narrowed`` change
    shows a call that is no longer allowed, a ``widened`` one a call that now is.  ``default``: a
    syscall without a rule is allowed only by the profile.

    ``gated`` and ``ungated`` are capabilities with a call that one profile asks it for and the
    other not.  ``doubtful`` are syscalls of the profile whose conditions libseccomp is known to
    compile wrongly in some cases.
    """

    arch: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    narrowed: tuple[Change, ...]
    widened: tuple[Change, ...]
    architectures_added: tuple[str, ...]
    architectures_removed: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    default_widened: bool
    gated: tuple[GateChange, ...] = ()
    ungated: tuple[GateChange, ...] = ()
    doubtful: tuple[str, ...] = ()

    @property
    def wider(self) -> bool:
        """Tell whether anything is allowed that the other profile does not allow."""
        return bool(self.widened or self.architectures_added or self.default_widened)


def compare(profile: Resolved, against: Resolved, *, arch: str) -> Difference:
    """Compare ``profile`` with ``against``, both resolved for the same kind of host.

    ``arch`` is the architecture whose syscalls are counted, the native one.  Capabilities that
    rules ask for need the profiles themselves: see ``compare_profiles``.  Raises ``DataError``
    when the conditions are too many to decide.
    """
    native = syscall_names(arch)
    removed, kept, narrowed, widened = [], [], [], []
    for name in sorted((profile.names() | against.names()) & native):
        now, then = profile.allowed(name, arch), against.allowed(name, arch)
        more = escape(profile, against, name, arch)
        less = escape(against, profile, name, arch)
        if more is not None:
            widened.append(Change(name, more, compared(now, then)))
        elif less is None:
            kept.append(name)
        elif now:
            narrowed.append(Change(name, less, compared(now, then)))
        else:
            removed.append(name)
    mine, others = set(profile.architectures), set(against.architectures)
    shared = [one for one in profile.arches() if one != arch and one in against.arches()]
    widened += (change for one in shared for change in _wider_on(profile, against, one))
    return Difference(
        arch=arch,
        removed=tuple(removed),
        kept=tuple(kept),
        narrowed=tuple(narrowed),
        widened=tuple(sorted(widened)),
        architectures_added=tuple(sorted(mine - others)),
        architectures_removed=tuple(sorted(others - mine)),
        refusals=_refusals(profile, against, native),
        default_widened=_allows(profile.default) and not _allows(against.default),
        doubtful=tuple(sorted(name for name in profile.ruled(arch) if _doubtful(profile, name))),
    )


def compare_profiles(
    profile: Profile, against: Profile, target: Target, against_target: Target
) -> Difference:
    """Compare two profiles, each for its own container; capabilities that rules ask for too.

    A call that is wider for these containers is no ``ungated`` change as well.
    """
    plain = compare(resolve(profile, target), resolve(against, against_target), arch=target.arch)
    wider = {change.name for change in plain.widened}
    gated = gate_changes(against, profile, target)
    ungated = gate_changes(profile, against, target)
    return replace(
        plain,
        gated=gated,
        ungated=tuple(one for one in ungated if one.change.name not in wider),
    )


def gate_changes(free: Profile, bound: Profile, target: Target) -> tuple[GateChange, ...]:
    """Return the calls that ``free`` allows without a capability, and ``bound`` only with it.

    One call for each syscall and capability, on the target's own architecture.
    """
    capabilities = {
        capability
        for profile in (free, bound)
        for rule in profile.rules
        for capability in (*rule.includes.capabilities, *rule.excludes.capabilities)
    }
    names = _gated_names(free) | _gated_names(bound)
    free, bound = _only(free, names), _only(bound, names)
    found = []
    for capability in sorted(capabilities):
        without = replace(target, capabilities=target.capabilities - {capability})
        holding = replace(target, capabilities=target.capabilities | {capability})
        freely, strictly = resolve(free, without), resolve(bound, without)
        permitted = resolve(bound, holding)
        for name in sorted(names & syscall_names(target.arch)):
            change = _only_with(name, freely, strictly, permitted)
            if change is not None:
                found.append(GateChange(capability, change))
    return tuple(found)


def _only_with(
    name: str, freely: Resolved, strictly: Resolved, permitted: Resolved
) -> Change | None:
    """Return a call that is allowed ``freely``, not ``strictly``, and again if ``permitted``."""
    outer = strictly.allowed(name)
    if outer == ALWAYS:
        return None
    both = [(*one, *other) for one in freely.allowed(name) for other in permitted.allowed(name)]
    call = witness(both, outer)
    if call is None:
        return None
    return Change(name, call, compared(both, outer))


def _gated_names(profile: Profile) -> frozenset[str]:
    return frozenset(
        name
        for rule in profile.rules
        if rule.includes.capabilities or rule.excludes.capabilities
        for name in rule.names
    )


def _only(profile: Profile, names: frozenset[str]) -> Profile:
    """Return the profile without the rules for other names: the rest decides nothing here."""
    rules = (
        replace(rule, names=tuple(name for name in rule.names if name in names))
        for rule in profile.rules
    )
    return replace(profile, rules=tuple(rule for rule in rules if rule.names))


def _wider_on(profile: Resolved, against: Resolved, arch: str) -> Iterable[Change]:
    """Yield what is wider on a sub-architecture that both admit."""
    names = profile.ruled(arch) | against.ruled(arch)
    if _allows(profile.default):
        names = syscall_names(arch)
    for name in sorted(names):
        call = escape(profile, against, name, arch)
        if call is not None:
            sides = profile.allowed(name, arch), against.allowed(name, arch)
            yield Change(name, call, compared(*sides), arch)


def _doubtful(profile: Resolved, name: str) -> bool:
    return not faithful(conjunction for conjunction, _ in profile.conditions(name))


def findings(difference: Difference, *, kept: bool = False) -> tuple[Finding, ...]:
    """Return the findings of a comparison, errors first and then by id and subject.

    ``kept``: with one for the syscalls that are allowed as before.
    """
    found = [*_wider(difference), *_narrower(difference), *_gates(difference)]
    for change in difference.refusals:
        message = f"refused calls answer {show(change.after)} instead of {show(change.before)}"
        found.append(_finding(REFUSAL_CHANGED, "refusals", message, change.names))
    for name in difference.doubtful:
        message = "has conditions that libseccomp may compile otherwise than they are meant"
        fix = "write EQ and MASKED_EQ only"
        found.append(_finding(DOUBTFUL, name, message, (), fix))
    if kept and difference.kept:
        message = f"{len(difference.kept)} syscalls are allowed as the other profile allows them"
        found.append(_finding(KEPT, "syscalls", message, difference.kept))
    ranks = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda one: (ranks[one.severity], one)))


def show(answer: Answer) -> str:
    """Return an answer as text: ``ENOSYS``, or the action's name."""
    if answer.action == words.ERRNO:
        return errno_name(answer.errno)
    return answer.action.removeprefix("SCMP_ACT_")


def compared(*sides: Sequence[Conjunction]) -> tuple[int, ...]:
    """Return the indexes of the arguments that any of the conditions looks at."""
    return tuple(sorted({one.index for side in sides for conj in side for one in conj}))


def _wider(difference: Difference) -> Iterable[Finding]:
    for change in difference.widened:
        yield _finding(
            WIDENED,
            change.name,
            "allows calls that the other profile refuses",
            (change.call(),),
            "remove the rule, or name the exception and its reason",
        )
    for name in difference.architectures_added:
        message = "is admitted, with every syscall that is allowed by name"
        if name == SCMP_ARCHES["x86"]:
            message += "; conditions on the first argument do not hold in socketcall and ipc there"
        yield _finding(ARCHITECTURE_ADDED, name, message, (), "remove it from archMap")
    if difference.default_widened:
        message = "lets every syscall through that has no rule"
        fix = "set defaultAction to SCMP_ACT_ERRNO"
        yield _finding(DEFAULT_WIDENED, "defaultAction", message, (), fix)


def _narrower(difference: Difference) -> Iterable[Finding]:
    if difference.removed:
        message = f"{len(difference.removed)} syscalls are refused that the other profile allows"
        yield _finding(REMOVED, "syscalls", message, difference.removed)
    for change in difference.narrowed:
        message = "is allowed for fewer argument values"
        yield _finding(NARROWED, change.name, message, (f"refused: {change.call()}",))
    for name in difference.architectures_removed:
        yield _finding(ARCHITECTURE_REMOVED, name, "is not admitted: its calls kill the caller")


def _gates(difference: Difference) -> Iterable[Finding]:
    for one in difference.ungated:
        message = f"is allowed without {one.capability}, which the other profile asks for"
        fix = f"add includes.caps {one.capability} to the rule"
        yield _finding(UNGATED, one.change.name, message, (one.change.call(),), fix)
    for one in difference.gated:
        message = f"is allowed only with {one.capability}, which the other profile does not ask for"
        yield _finding(GATED, one.change.name, message, (one.change.call(),))


def _finding(
    identifier: str, subject: str, message: str, evidence: Sequence[str] = (), fix: str = ""
) -> Finding:
    return Finding(identifier, _SEVERITY[identifier], subject, message, tuple(evidence), fix)


def _refusals(profile: Resolved, against: Resolved, names: Iterable[str]) -> tuple[Refusal, ...]:
    """Group the syscalls that both refuse, at least in part, by how the answers differ."""
    changed: dict[tuple[Answer, Answer], list[str]] = {}
    for name in sorted(names):
        if ALWAYS in (profile.allowed(name), against.allowed(name)):
            continue
        before, after = against.refusal(name), profile.refusal(name)
        if before != after:
            changed.setdefault((before, after), []).append(name)
    return tuple(sorted(Refusal(*pair, tuple(group)) for pair, group in changed.items()))


def _allows(answer: Answer) -> bool:
    return answer.action in words.ALLOWING
