"""Put together all that is known of one syscall: what it is, who decides on it, who used it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synth.equivalents import equivalents
from synth.knowledge import Refusing, Risk, description, refusing, risk
from synth.model import Answer, Comparison, Conjunction, Gate, Profile, Recording, Rule, Target
from synth.profile_format import ALLOWING, ERRNO
from synth.profile_rules import answer_of
from synth.refusals import answers_enosys, answers_eperm
from synth.resolve import ALWAYS, applies, resolve
from synth.syscalls import SCMP_ARCHES, errno_name, syscall_number

_SIGNS = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
}


class Asked(NamedTuple):
    """A profile to decide by, for one container and host; ``file``: its rules have a place."""

    label: str
    profile: Profile
    target: Target
    file: bool = True


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule for the syscall.

    ``where`` is its place in the profile's file, ``when`` the condition, ``gate`` what container
    or host must have.  ``idle`` says why it decides nothing in the container asked about, and is
    empty if it does.
    """

    where: str
    answer: str
    when: str
    gate: str
    comment: str
    idle: str

    @property
    def in_force(self) -> bool:
        """Tell whether the rule decides."""
        return not self.idle


@dataclass(frozen=True, slots=True)
class Decision:
    """What one profile does with the syscall, for one container: in a word, and by which rules.

    ``verdict`` is ``allowed``, ``refused`` or ``conditional``; ``otherwise`` what a call gets that
    no condition lets through.
    """

    profile: str
    verdict: str
    otherwise: str
    rules: tuple[RuleView, ...]


@dataclass(frozen=True, slots=True, order=True)
class User:
    """Who made the call in the recordings: ``what`` is ``made`` or ``refused with ERRNO``."""

    workload: str
    program: str
    phase: str
    arch: str
    what: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one syscall.

    ``numbers`` by our architecture names.  ``answers`` is the errno a profile of ours refuses it
    with.  ``equivalents`` are other entries to the same kernel code, with the reason.
    """

    name: str
    numbers: tuple[tuple[str, int], ...]
    description: str
    risk: Risk
    decisions: tuple[Decision, ...]
    recordings: int
    users: tuple[User, ...]
    answers: str
    refusing: Refusing | None
    equivalents: tuple[tuple[str, str], ...]


def explain(name: str, asked: Sequence[Asked], recordings: Sequence[Recording] = ()) -> Explanation:
    """Return what is known of ``name``, a known syscall."""
    numbers = ((arch, syscall_number(arch, name)) for arch in SCMP_ARCHES)
    others = equivalents(frozenset((name,)))
    return Explanation(
        name=name,
        numbers=tuple((arch, number) for arch, number in numbers if number is not None),
        description=description(name),
        risk=risk(name),
        decisions=tuple(decision_of(name, one) for one in asked),
        recordings=len(recordings),
        users=tuple(sorted(set(_users(name, recordings)))),
        answers=_answers(name),
        refusing=refusing(name),
        equivalents=tuple((other, reason) for other, (_, reason) in sorted(others.items())),
    )


def decision_of(name: str, asked: Asked) -> Decision:
    """Return what a profile does with ``name`` in one container, and the rules that say so."""
    label, profile, target, file = asked
    resolved = resolve(profile, target)
    allowed = resolved.allowed(name)
    verdict = "conditional" if allowed else "refused"
    if allowed == ALWAYS:
        verdict = "allowed"
    rules = [(place, rule) for place, rule in enumerate(profile.rules) if name in rule.names]
    winner = _unconditional(rules, target, resolved.default)
    views = tuple(
        RuleView(
            where=f"syscalls[{place}]" if file else "",
            answer=answer_text(answer_of(rule.action, rule.errno)),
            when=condition_text(rule.comparisons),
            gate=gate_text(rule),
            comment=rule.comment,
            idle=_idle(rule, target, resolved.default, wins=winner in (None, place)),
        )
        for place, rule in rules
    )
    return Decision(label, verdict, answer_text(resolved.refusal(name)), views)


def answer_text(answer: Answer) -> str:
    """Return an answer in words: ``allowed``, ``refused with EPERM``, ``KILL_PROCESS``."""
    if answer.action in ALLOWING:
        return "allowed"
    if answer.action == ERRNO:
        return f"refused with {errno_name(answer.errno)}"
    return answer.action.removeprefix("SCMP_ACT_")


def condition_text(conjunction: Conjunction) -> str:
    """Return conditions as text: ``a0 & 0x7e020000 == 0x0``; nothing if there are none."""
    return " and ".join(_comparison_text(one) for one in conjunction)


def gate_text(rule: Rule) -> str:
    """Return what a rule asks of container and host: ``with CAP_BPF``, ``unless arm64``."""
    parts = [f"with {part}" for part in _gate_parts(rule.includes, "and", "from")]
    parts += [f"unless {part}" for part in _gate_parts(rule.excludes, "or", "at least")]
    return ", ".join(parts)


def _comparison_text(one: Comparison) -> str:
    if one.op == "SCMP_CMP_MASKED_EQ":
        return f"a{one.index} & {one.value:#x} == {one.value_two:#x}"
    return f"a{one.index} {_SIGNS[one.op]} {one.value:#x}"


def _gate_parts(gate: Gate, joined: str, since: str) -> Iterable[str]:
    if gate.capabilities:
        yield f" {joined} ".join(gate.capabilities)
    if gate.arches:
        yield "architecture " + " or ".join(gate.arches)
    if gate.min_kernel:
        yield f"kernel {since} {gate.min_kernel}"


def _idle(rule: Rule, target: Target, default: Answer, *, wins: bool) -> str:
    """Say why a rule decides nothing, or nothing if it does decide."""
    if not applies(rule, target):
        return "does not apply here"
    if answer_of(rule.action, rule.errno) == default:
        return "says what the default says"
    return "" if wins else "another rule wins"


def _unconditional(
    rules: Iterable[tuple[int, Rule]], target: Target, default: Answer
) -> int | None:
    """Return the place of the rule that beats all others: the first without a condition."""
    free = (
        place
        for place, rule in rules
        if not rule.comparisons and not _idle(rule, target, default, wins=True)
    )
    return next(free, None)


def _users(name: str, recordings: Iterable[Recording]) -> Iterable[User]:
    for recording in recordings:
        for run in recording.runs:
            for use in run.syscalls:
                if use.name == name:
                    yield User(run.workload, use.program, use.phase, use.arch, "made")
            for one in run.denials:
                if one.name == name:
                    what = f"refused with {errno_name(one.errno)}" if one.errno else "killed"
                    yield User(run.workload, one.program, one.phase, one.arch, what)


def _answers(name: str) -> str:
    """Return the errno that ``synth`` refuses the call with; ENOSYS is its default."""
    arches = [arch for arch in SCMP_ARCHES if syscall_number(arch, name) is not None]
    policy = any(name in answers_eperm(arch) for arch in arches)
    old_kernel = any(name in answers_enosys(arch) for arch in arches)
    return "EPERM" if policy and not old_kernel else "ENOSYS"
