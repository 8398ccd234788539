"""Judge what came of trying the ways out of a container under a profile.

A pure function of a replay's attempts and the evidence: what the filter answers as it was
compiled, what the engine's default answers, what the kernel answered when each call was
made.  A way out that stays open is fine only if the recording took it.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from synth.evidence import Evidence
from synth.model import Answer, Finding
from synth.primitives import NAMESPACES, Attempt, Attempted, Outcome
from synth.profile_format import ALLOWING
from synth.syscalls import errno_name

SHUT, NOT_SHUT, WIDER, NEEDED, OPEN, UNTRIED = (
    "SS211", "SS212", "SS213", "SS214", "SS215", "SS216",
)  # fmt: skip

VERDICTS = {
    NOT_SHUT: "let through",
    WIDER: "wider than the default",
    OPEN: "open as by default",
    NEEDED: "open because needed",
    SHUT: "shut",
    UNTRIED: "shut",
}
"""What an attempt comes to in words, the worst first."""

EPERM, ENOSYS, SIGSYS, MAX_ERRNO = 1, 38, 31, 4095
NAMESPACE_MASK = sum(NAMESPACES.values())
LOW_HALF = 0xFFFF_FFFF

# The argument that says which of a call's many purposes is meant.
_PURPOSE = {"socket": 0, "socketpair": 0, "ioctl": 1, "personality": 0, "clone": 0, "unshare": 0}


def judge_attempts(tried: Sequence[Attempted], evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding for each attempt, sorted."""
    settled = settle(tried, evidence)
    return tuple(sorted(_finding(one, identifier) for one, identifier in settled))


def settle(tried: Sequence[Attempted], evidence: Evidence) -> tuple[tuple[Attempted, str], ...]:
    """Return each attempt with the id of the finding that it comes to, in the order given."""
    # a call of which some arguments are allowed is seen to pass, whichever was meant
    partly = {
        (one.attempt.arch, one.attempt.name) for one in tried if one.profile.action in ALLOWING
    } | {(evidence.arch, "clone")}
    return tuple((one, _settle(one, evidence, partly)) for one in tried)


def _settle(one: Attempted, evidence: Evidence, partly: Set[tuple[str, str]]) -> str:
    attempt = one.attempt
    if one.profile.action in ALLOWING:
        if one.default.action not in ALLOWING:
            return WIDER
        return NEEDED if is_needed(attempt, evidence) else OPEN
    if one.outcome is None:
        return UNTRIED
    passed = one.reached and (attempt.arch, attempt.name) not in partly
    return NOT_SHUT if passed or not _is_refusal(one.outcome, one.profile) else SHUT


def is_needed(attempt: Attempt, evidence: Evidence) -> bool:
    """Tell whether the recording took this way itself.

    By the argument that says what for, where all its values are known; else by the name.
    """
    if attempt.arch != evidence.arch and attempt.name in ("getpid", "socketcall"):
        return any(arch == attempt.arch for arch, _ in evidence.syscalls)
    if (attempt.arch, attempt.name) not in evidence.syscalls:
        return False
    position = _PURPOSE.get(attempt.name)
    known = None if position is None else evidence.known_values(attempt.name, position)
    if position is None or known is None:
        return True
    wanted = attempt.arguments[position] & LOW_HALF
    if attempt.name in ("clone", "unshare"):
        return any(value & wanted & NAMESPACE_MASK for value in known)
    return wanted in {value & LOW_HALF for value in known}


def _finding(one: Attempted, identifier: str) -> Finding:
    label, subject = one.attempt.label, shown_call(one.attempt)
    seen = (f"kernel: {shown_outcome(one.outcome)}",)
    if identifier == WIDER:
        message = f"open: {label}; the engine's default refuses it"
        fix = "make the profile again with: seccomp-synth synth"
        return Finding(WIDER, "error", subject, message, seen, fix)
    if identifier == NEEDED:
        return Finding(NEEDED, "note", subject, f"open: {label}; the recording used it")
    if identifier == OPEN:
        message = f"open: {label}; not recorded, open under the engine's default too"
        return Finding(OPEN, "warning", subject, message, seen)
    if identifier == UNTRIED:
        return Finding(UNTRIED, "note", subject, f"refused by the filter, not tried: {label}")
    if identifier == NOT_SHUT:
        message = f"let through though the filter refuses it as compiled: {label}"
        fix = "see whether the engine puts another filter on: seccomp-synth doctor"
        return Finding(NOT_SHUT, "error", subject, message, seen, fix)
    return Finding(SHUT, "note", subject, f"refused with {shown_outcome(one.outcome)}: {label}")


def _is_refusal(outcome: Outcome, answer: Answer) -> bool:
    if answer.action == "SCMP_ACT_ERRNO":
        # Docker 20.10 answers EPERM whatever the default errno, and runc ENOSYS above the highest
        # number that a profile names.  Where a call is allowed in part the arguments tried are
        # such that the kernel itself answers neither.
        return outcome.returned in (-answer.errno, -ENOSYS, -EPERM)
    if answer.action in ("SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"):
        return outcome.returned == -ENOSYS
    return outcome.signal == SIGSYS


def shown_outcome(outcome: Outcome | None) -> str:
    """Return what a call came to in a word: an errno, SIGSYS, success, or that it was not made."""
    if outcome is None:
        return "not tried"
    if outcome.signal:
        return "SIGSYS" if outcome.signal == SIGSYS else f"signal {outcome.signal}"
    value = outcome.returned or 0
    return errno_name(-value) if -MAX_ERRNO <= value < 0 else f"success ({value})"


def shown_call(attempt: Attempt) -> str:
    """Return a call as one writes it, without the zeros at its end."""
    arch = "" if attempt.arch in ("x86_64", "aarch64") else f"{attempt.arch} "
    shown = list(attempt.arguments)
    while shown and not shown[-1]:
        shown.pop()
    return f"{arch}{attempt.name}({', '.join(f'{value:#x}' for value in shown)})"
