"""Compare what two profiles let through, by conditions and not by names.

Both are resolved for one container and host first.  Wider means that there is a call which the
one profile lets through and the other does not, and the comparison names such a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synth import profile_format as words
from synth.conditions import witness
from synth.model import Answer, Conjunction, Finding
from synth.resolve import ALWAYS, Resolved
from synth.syscalls import errno_name, syscall_names

REMOVED = "SS101"
NARROWED = "SS102"
WIDENED = "SS103"
ARCHITECTURE_ADDED = "SS104"
ARCHITECTURE_REMOVED = "SS105"
REFUSAL_CHANGED = "SS106"
DEFAULT_WIDENED = "SS107"

FINDINGS: tuple[tuple[str, str, str], ...] = (
    (REMOVED, "note", "syscalls are refused that the other profile allows"),
    (NARROWED, "note", "a syscall is allowed for fewer argument values"),
    (WIDENED, "error", "a call is allowed that the other profile refuses"),
    (ARCHITECTURE_ADDED, "error", "an architecture is admitted that the other profile kills"),
    (ARCHITECTURE_REMOVED, "note", "an architecture is killed that the other profile admits"),
    (REFUSAL_CHANGED, "note", "refused calls answer something else"),
    (DEFAULT_WIDENED, "error", "syscalls without a rule are allowed"),
)
"""Every finding of a comparison: id, severity, meaning."""

_SEVERITY = {one: severity for one, severity, _ in FINDINGS}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A syscall whose conditions differ, and a call that shows it: six argument values.

    ``compared`` are the indexes of the arguments that matter to either side.
    """

    name: str
    arguments: tuple[int, ...]
    compared: tuple[int, ...]

    def call(self) -> str:
        """Return the call as text: ``socket(0x28, …)``; ``_`` for arguments that do not matter."""
        last = max(self.compared, default=-1)
        shown = [f"0x{self.arguments[i]:x}" if i in self.compared else "_" for i in range(last + 1)]
        return (
            f"{self.name}({', '.join([*shown, '…'] if last < len(self.arguments) - 1 else shown)})"
        )


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """Syscalls that both profiles refuse, with answers that differ."""

    before: Answer
    after: Answer
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a profile lets through, compared with another one.

    ``removed``, ``kept`` and ``narrowed`` name syscalls of the one architecture that was asked
    for; ``widened`` those of every architecture that the profile admits.  A ``narrowed`` change
    shows a call that is no longer allowed, a ``widened`` one a call that now is.  ``default``: a
    syscall without a rule is allowed only by the profile.
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

    @property
    def wider(self) -> bool:
        """Tell whether anything is allowed that the other profile does not allow."""
        return bool(self.widened or self.architectures_added or self.default_widened)


def compare(profile: Resolved, against: Resolved, *, arch: str) -> Difference:
    """Compare ``profile`` with ``against``, both resolved for the same kind of host.

    ``arch`` is the architecture whose syscalls are counted.  Raises ``DataError`` when the
    conditions are too many to decide.
    """
    native = syscall_names(arch)
    everywhere = native.union(*(syscall_names(one) for one in profile.arches()))
    removed, kept, narrowed, widened = [], [], [], []
    for name in sorted((profile.names() | against.names()) & everywhere):
        now, then = profile.allowed(name), against.allowed(name)
        more = witness(now, then)
        less = witness(then, now)
        if more is not None:
            widened.append(Change(name, more, compared(now, then)))
        elif name not in native:
            continue
        elif less is None:
            kept.append(name)
        elif now:
            narrowed.append(Change(name, less, compared(now, then)))
        else:
            removed.append(name)
    mine, others = set(profile.architectures), set(against.architectures)
    return Difference(
        arch=arch,
        removed=tuple(removed),
        kept=tuple(kept),
        narrowed=tuple(narrowed),
        widened=tuple(widened),
        architectures_added=tuple(sorted(mine - others)),
        architectures_removed=tuple(sorted(others - mine)),
        refusals=_refusals(profile, against, native),
        default_widened=_allows(profile.default) and not _allows(against.default),
    )


def findings(difference: Difference) -> tuple[Finding, ...]:
    """Return the findings of a comparison, errors first and then by id and subject."""
    found = [*_wider(difference), *_narrower(difference)]
    for change in difference.refusals:
        message = f"refused calls answer {show(change.after)} instead of {show(change.before)}"
        found.append(_finding(REFUSAL_CHANGED, "refusals", message, change.names))
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
        message = f"{name} is admitted, with every syscall that is allowed by name"
        yield _finding(ARCHITECTURE_ADDED, name, message, (), "remove it from archMap")
    if difference.default_widened:
        message = "the default action lets every syscall through that has no rule"
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
        yield _finding(ARCHITECTURE_REMOVED, name, f"calls of {name} kill the caller")


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
