"""Add to a profile what a workload was refused, and nothing that the baseline refuses.

A trial under the profile tells what was refused; the smallest addition that lets it pass goes in,
and the trial is made again.  What the result allows is allowed by the profile as it was or by
the baseline, on every architecture of the filter.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from synth.abi import MULTIPLEXED, exists_on, real_calls
from synth.adding import with_allowed
from synth.candidates import Conditions, Triple, candidates, known_call, never_opened
from synth.conditions import overlap, witness
from synth.errors import DataError
from synth.inclusion import Call
from synth.lint import MAX_INSTRUCTIONS, instructions
from synth.model import Denial, Finding, Profile, Target
from synth.narrow import MAX_LISTED, MAX_VALUES
from synth.profile import dump_profile
from synth.profile_reader import MAX_ENTRIES
from synth.profile_rules import contradictions
from synth.resolve import NEVER, Resolved, resolve
from synth.text import PROGRAM_LENGTH, listed, many, printable

ADDED, STAYS_REFUSED = "SS801", "SS802"
STILL_FAILS, NOT_THE_PROFILE, NOT_FOR_US = "SS803", "SS804", "SS805"
COMMENT_LENGTH, NAME_LENGTH, SHOWN = 400, 64, 3


@dataclass(frozen=True, slots=True, order=True)
class Refused:
    """A refusal, and the workload that met it."""

    denial: Denial
    workload: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What the workloads did under a profile: whether all is as recorded, and the refusals."""

    ok: bool
    refused: tuple[Refused, ...] = ()


Oracle = Callable[[Profile], Trial]


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a repair may go: a baseline, as it is in force on ``target``."""

    baseline: Profile
    target: Target


@dataclass(frozen=True, slots=True)
class Addition:
    """A call that is allowed now under ``conditions`` (alternatives), and the refusals behind."""

    name: str
    conditions: Conditions
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Remaining:
    """A refusal that is not repaired, and why.  ``as_baseline``: the baseline refuses it too."""

    refused: Refused
    reason: str
    as_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Mended:
    """What one set of refusals made of a profile."""

    profile: Profile
    added: tuple[Addition, ...]
    remaining: tuple[Remaining, ...]


class Ended(StrEnum):
    """How a repair ended."""

    OK = "ok"
    ROUNDS = "rounds"
    NOTHING = "nothing"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Repaired:
    """A profile after its repair; ``trials`` were made, the last one with this profile."""

    profile: Profile
    added: tuple[Addition, ...]
    remaining: tuple[Remaining, ...]
    ended: Ended
    trials: int

    @property
    def ok(self) -> bool:
        """Tell whether the last trial went as recorded."""
        return self.ended is Ended.OK


def repair(profile: Profile, limit: Limit, oracle: Oracle, rounds: int = 5) -> Repaired:
    """Try and mend a profile until a trial goes well, at most ``rounds`` times mended."""
    added: list[Addition] = []
    remaining: dict[Remaining, None] = {}
    for done in range(rounds + 1):
        trial = oracle(profile)
        if trial.ok:
            return Repaired(profile, tuple(added), (), Ended.OK, done + 1)
        mended = mend(profile, limit, trial.refused)
        remaining = dict.fromkeys(mended.remaining)
        if not mended.added:
            as_baseline = bool(remaining) and all(one.as_baseline for one in remaining)
            ended = Ended.BASELINE if as_baseline else Ended.NOTHING
            return Repaired(profile, tuple(added), tuple(remaining), ended, done + 1)
        if done < rounds:
            profile = mended.profile
            added += mended.added
    return Repaired(profile, tuple(added), tuple(remaining), Ended.ROUNDS, rounds + 1)


def mend(profile: Profile, limit: Limit, refused: Iterable[Refused]) -> Mended:
    """Return the profile with the smallest additions that let the refused calls through."""
    work = _Work(profile, limit)
    groups: dict[tuple[bool, str, str, tuple[Triple, ...]], list[Refused]] = {}
    for one in sorted(set(refused)):
        # calls with known values first: what they need may be all that is needed
        key = (not one.denial.arguments, one.denial.name, one.denial.arch, one.denial.arguments)
        groups.setdefault(key, []).append(one)
    for key in sorted(groups):
        work.allow(groups[key])
    return Mended(work.finished(), tuple(work.added), tuple(work.remaining))


class _Work:
    """One profile being mended."""

    def __init__(self, profile: Profile, limit: Limit) -> None:
        self.before, self.after = profile, profile
        self.target = limit.target
        self.baseline = resolve(limit.baseline, limit.target)
        self.then = resolve(profile, limit.target)
        self.now = self.then
        self.added: list[Addition] = []
        self.remaining: list[Remaining] = []

    def allow(self, refused: list[Refused]) -> None:
        """Add the least that lets one call through, or note why that cannot be."""
        denial = refused[0].denial
        try:
            reason, as_baseline = _reason_against(denial, self.then, self.baseline)
            if not reason and not self._add_one(denial, refused):
                reason = "no further condition that can be written stays inside the baseline"
        except DataError as error:
            reason, as_baseline = error.what, False
        if reason:
            self.remaining += [Remaining(one, reason, as_baseline) for one in refused]

    def _add_one(self, denial: Denial, refused: list[Refused]) -> bool:
        few = MAX_VALUES if denial.name == "socket" else MAX_LISTED
        full = len(self.now.allowed(denial.name)) >= few
        for conditions in candidates(denial, self.then, self.baseline):
            if full and denial.arguments and len(conditions) == 1 and conditions != ((),):
                continue  # more values than are listed are a scan, or no list at all
            if witness(conditions, self.then.allowed(denial.name, denial.arch)) is None:
                continue  # allowed, and yet it was refused: this is not what the call needs
            if self._put(denial.name, conditions, refused):
                return True
        return False

    def _put(self, name: str, conditions: Conditions, refused: list[Refused]) -> bool:
        for i, one in enumerate(self.added):
            if one.name == name and witness(conditions, one.conditions) is None:
                both = tuple(sorted({*one.refused, *refused}))
                self.added[i] = replace(one, refused=both)
                return True
        after = with_allowed(self.after, self.target, name, conditions, "")
        if after == self.after or not self._fits(after, name):
            return False
        self.after, self.now = after, resolve(after, self.target)
        inside = [
            one
            for one in self.added
            if one.name == name and witness(one.conditions, conditions) is None
        ]
        everyone = {*refused, *(each for one in inside for each in one.refused)}
        self.added = [one for one in self.added if one not in inside]
        self.added.append(Addition(name, conditions, tuple(sorted(everyone))))
        return True

    def _fits(self, after: Profile, name: str) -> bool:
        """Tell whether engines take the profile, and the baseline allows what is new in it."""
        if len(after.rules) > MAX_ENTRIES or next(contradictions(after.rules), None) is not None:
            return False
        if instructions(after, self.target.capabilities) > MAX_INSTRUCTIONS:
            return False
        try:
            return self._beyond(after, {name}) is None
        except DataError:  # conditions that meet in a multiplexer, or are too many to compare
            return False

    def _beyond(self, after: Profile, names: set[str]) -> Call | None:
        shared = {MULTIPLEXED[name][0] for name in names if name in MULTIPLEXED}
        now = resolve(after, self.target)
        return beyond(now, self.then, self.baseline, names | shared)

    def finished(self) -> Profile:
        """Return the profile with the final reason at each addition."""
        profile = self.before
        for one in self.added:
            reason = _comment(one)
            profile = with_allowed(profile, self.target, one.name, one.conditions, reason)
        call = self._beyond(profile, {one.name for one in self.added})
        if call is not None:
            raise RuntimeError(f"the repaired profile allows {call}, which the baseline refuses")
        return profile


def beyond(
    after: Resolved, before: Resolved, baseline: Resolved, names: Iterable[str]
) -> Call | None:
    """Return a call of ``names`` that ``after`` allows and neither of the others, or ``None``."""
    for arch in after.arches():
        for name in sorted(names):
            if not exists_on(arch, name):
                continue
            limits = [
                condition
                for one in (before, baseline)
                for condition in (one.allowed(name, arch) if arch in one.arches() else NEVER)
            ]
            passing = [real_calls(arch, one) for one in after.allowed(name, arch)]
            found = witness(passing, limits)
            if found is not None:
                return Call(arch, name, found)
    return None


def _reason_against(denial: Denial, profile: Resolved, baseline: Resolved) -> tuple[str, bool]:
    """Say why a call cannot be allowed, if so, and whether the baseline refuses it as well."""
    arch, name = denial.arch, denial.name
    if arch not in profile.arches():
        known = arch in baseline.arches()
        return f"the profile kills every {printable(arch)} call, and one needs the table", not known
    if name.startswith("#") or not exists_on(arch, name):
        return "the number has no name that a profile could give", False
    if name == "clone3":
        return "it answers ENOSYS always: no filter sees its flags, and libc takes clone", True
    if family := never_opened(denial):
        return f"no profile of ours opens {family}", False
    base = baseline.allowed(name, arch) if arch in baseline.arches() else NEVER
    if not base:
        return "the baseline refuses it too", True
    if not any(overlap(known_call(denial), one) for one in base):
        return "the baseline refuses it too with these values", True
    if witness(base, profile.allowed(name, arch)) is None:
        return "the profile allows all that the baseline does; something else refused it", False
    return "", False


def _comment(addition: Addition) -> str:
    """Return the reason for a rule: who was refused where, bounded and in plain ASCII."""
    pairs = sorted(
        {
            f"{printable(one.denial.program, PROGRAM_LENGTH)} in workload "
            f"{printable(one.workload, NAME_LENGTH)}"
            for one in addition.refused
        }
    )
    return f"repair: refused to {listed(pairs, SHOWN)}"[:COMMENT_LENGTH]


def repair_findings(repaired: Repaired) -> tuple[Finding, ...]:
    """Return what a reader should know of a repair, sorted."""
    found = [
        Finding(ADDED, "note", one.name, f"{_how(one.conditions)}; {_comment(one)}")
        for one in repaired.added
    ]
    found += [
        Finding(STAYS_REFUSED, "warning", one.refused.workload, _describe(one))
        for one in repaired.remaining
    ]
    tries = many(repaired.trials, "trial")
    if repaired.ended is Ended.ROUNDS:
        message = f"the workloads still fail after {tries}; each brought another refusal"
        fix = "allow more rounds, or record the workloads again"
        found.append(Finding(STILL_FAILS, "error", "repair", message, fix=fix))
    elif repaired.ended is Ended.NOTHING:
        message = f"the workloads fail after {tries}, and nothing can be added that would help"
        fix = "see what the workloads print; the profile may not be why they fail"
        found.append(Finding(NOT_THE_PROFILE, "error", "repair", message, fix=fix))
    elif repaired.ended is Ended.BASELINE:
        message = f"the workloads fail after {tries} with refusals that the baseline makes too"
        fix = "do without these calls, or name them as exceptions"
        found.append(Finding(NOT_FOR_US, "error", "repair", message, fix=fix))
    return tuple(sorted(set(found)))


def _how(conditions: Conditions) -> str:
    if conditions == ((),):
        return "allowed"
    shown = (
        " and ".join(
            f"argument {one.index} {'& ' + hex(one.value) + ' ' if one.value_two else ''}"
            f"= {(one.value_two if one.op == 'SCMP_CMP_MASKED_EQ' else one.value):#x}"
            for one in conjunction
        )
        for conjunction in conditions
    )
    return f"allowed where {listed(shown, SHOWN)}"


def _describe(one: Remaining) -> str:
    denial = one.refused.denial
    values = ", ".join(f"argument {index}: {value:#x}" for index, _, value in denial.arguments)
    arch = "" if denial.arch in ("x86_64", "aarch64") else f"{printable(denial.arch)} "
    name = printable(denial.name, NAME_LENGTH)
    call = f"{arch}{name}{f' ({values})' if values else ''}"
    program = printable(denial.program, PROGRAM_LENGTH)
    return f"{call}, refused to {program}, is not repairable: {one.reason}"


def difference(
    before: Profile,
    after: Profile,
    dialect: str = "docker",
    names: tuple[str, str] = ("before", "after"),
) -> str:
    """Return a unified diff of the canonical texts; empty where they are equal."""
    return "".join(_lines(dump_profile(before, dialect), dump_profile(after, dialect), names))


def _lines(before: str, after: str, names: tuple[str, str]) -> Iterator[str]:
    yield from difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), *names
    )
