"""Find which allowed calls workloads do not notice losing, with few trials.

A trial takes some calls away and runs the workloads.  It tells whether all went as before, and
which of the calls were refused on the way.  A trial that goes well acquits all that it took
away; one that fails convicts a call only if no other was refused in it.

With ``k`` calls needed among ``n``, a workload that does the same in every trial takes at most
``groups + k * (ceil(log2(n)) + 2) + n`` trials, without the last ``n`` where few are needed, and as
many as there are groups if it needs none.  Where most calls are needed it is about one for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from synth.floor import CLOCK, INJECTED, runtime_floor
from synth.model import Finding, Host, Recording
from synth.text import many, printable

NOT_MISSED, NEEDED, NOT_DECIDED = "SS806", "SS807", "SS808"
REASON_LENGTH = 200

FIRST, DENSE = 4, 3
"""After so many calls of a group are settled, more than one needed in so many is dense."""

BARE = frozenset(("execve", "exit", "exit_group"))
"""Without these no program starts or ends, whether a workload notices or not."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of taking calls away: ``ok`` if nothing changed, and those seen refused.

    ``reason`` says what a reader sees of a failure.
    """

    ok: bool
    denied: frozenset[str] = frozenset()
    reason: str = ""


Oracle = Callable[[frozenset[str]], Trial | None]
"""Make a trial without some calls; ``None`` if no more can be made."""


@dataclass(frozen=True, slots=True, order=True)
class Needed:
    """A call that was the only one refused in a failing trial, that trial's number from 1."""

    name: str
    trial: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Minimized:
    """What can go.

    ``removable`` is what the last good trial took away, all of it together.  ``undecided`` were
    kept because the trials were used up, or failed without refusing any of them.
    """

    removable: tuple[str, ...]
    needed: tuple[Needed, ...]
    undecided: tuple[str, ...]
    trials: int


def candidates(
    allowed: frozenset[str], recordings: Sequence[Recording], hosts: Iterable[Host]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the allowed calls that may be tried: those never recorded, and the others.

    What keeps a container of ``hosts`` starting whatever runs in it, what the kernel makes
    programs call, and what another clock source would, is not among them: a workload that does
    not miss it here proves nothing.
    """
    uses = [use for one in recordings for run in one.runs for use in run.syscalls]
    floor = INJECTED | CLOCK | BARE
    floor |= frozenset(use.name for use in uses if use.phase == "runtime")
    for host in hosts:
        floor |= runtime_floor(host.runtime, host.runtime_version)
    recorded = frozenset(use.name for use in uses)
    return allowed - floor - recorded, (allowed & recorded) - floor


def minimize(groups: Iterable[Iterable[str]], oracle: Oracle, max_trials: int = 150) -> Minimized:
    """Return which calls of the groups can go together; groups are tried in their order."""
    search = _Search(oracle, max_trials)
    for group in groups:
        search.settle(frozenset(group) - search.seen())
    return Minimized(
        tuple(sorted(search.removed)),
        tuple(sorted(search.needed)),
        tuple(sorted(search.undecided)),
        search.trials,
    )


class _Search:
    """One search: what was acquitted, convicted and left so far."""

    def __init__(self, oracle: Oracle, max_trials: int) -> None:
        self.oracle, self.left, self.trials = oracle, max_trials, 0
        self.removed: frozenset[str] = frozenset()
        self.needed: list[Needed] = []
        self.undecided: frozenset[str] = frozenset()

    def seen(self) -> frozenset[str]:
        """Return every call that is settled."""
        return self.removed | self.undecided | {one.name for one in self.needed}

    def settle(self, group: frozenset[str]) -> None:
        """Settle every call of a group.

        ``suspects`` are calls of which one or more are needed, as far as is known: half of them
        is tried instead of the group, until one is left.  Where many calls are needed, halving
        finds them no faster than trying each, and each that is tried is settled.
        """
        suspects: frozenset[str] = frozenset()
        before, whole = len(self.needed), len(group)
        while group:
            found, settled = len(self.needed) - before, whole - len(group)
            dense = settled >= FIRST and found * DENSE > settled
            part = frozenset(sorted(suspects or group)[:1]) if dense else _half(suspects) or group
            trial = self._tried(part)
            if trial is None:
                self.undecided |= group
                return
            denied = trial.denied & part
            if not trial.ok and len(denied) > 1:
                suspects = denied
                continue
            if trial.ok:
                self.removed |= part
            elif denied:
                self.needed += [Needed(name, self.trials, trial.reason) for name in denied]
                part, suspects = denied, suspects if dense else frozenset()
            else:
                self.undecided |= part
            group, suspects = group - part, suspects - part

    def _tried(self, group: frozenset[str]) -> Trial | None:
        """Take a group away with all that can go; ``None`` when no trial is left.

        A failure that refused nothing of the group is tried once more: it may be the workload's
        own.
        """
        trial = None
        for _ in range(2):
            if not self.left:
                return None
            trial = self.oracle(self.removed | group)
            if trial is None:
                self.left = 0
                return None
            self.left -= 1
            self.trials += 1
            if trial.ok or trial.denied & group:
                break
        return trial


def minimize_findings(result: Minimized) -> tuple[Finding, ...]:
    """Return what a reader should know of a search, sorted."""
    found = [
        Finding(
            NEEDED,
            "note",
            one.name,
            f"is needed: it alone was refused in trial {one.trial}, which failed"
            + (f" ({printable(one.reason, REASON_LENGTH)})" if one.reason else ""),
        )
        for one in result.needed
    ]
    if result.removable:
        message = f"{many(len(result.removable), 'allowed call')} can go together, unnoticed"
        fix = "take them out if these workloads are all that the container does"
        found.append(Finding(NOT_MISSED, "note", "profile", message, result.removable, fix))
    if result.undecided:
        message = f"{many(len(result.undecided), 'call')} not decided in {result.trials} trials"
        fix = "allow more trials; see whether the workloads end alike twice"
        found.append(Finding(NOT_DECIDED, "warning", "profile", message, result.undecided, fix))
    return tuple(sorted(found))


def _half(names: frozenset[str]) -> frozenset[str]:
    """Return the first half of the names, the larger one; of one name that name."""
    return frozenset(sorted(names)[: (len(names) + 1) // 2])
