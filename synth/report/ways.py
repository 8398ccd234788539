"""Say which ways out of a container stay shut: as tried in a validation, else by the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from synth.diff import show
from synth.evidence import Evidence
from synth.model import Finding
from synth.primitives import Attempted, attempts
from synth.profile_format import ALLOWING
from synth.report.model import NO, YES, Check, ShutRow
from synth.resolve import Resolved
from synth.shut import (
    NEEDED,
    NOT_SHUT,
    OPEN,
    SHUT,
    UNTRIED,
    VERDICTS,
    WIDER,
    judge_attempts,
    settle,
    shown_call,
    shown_outcome,
)
from synth.syscalls import syscall_number
from synth.text import listed, many, one_line

MAX_WAYS = 2048
"""Most ways out that a report lists; those that are not shut come first."""

EXCEPTED = "by an exception"
ORDER = (VERDICTS[NOT_SHUT], VERDICTS[WIDER], EXCEPTED, *VERDICTS.values())
"""What a way out comes to, the worst first."""

_FINE = (SHUT, UNTRIED)


def by_rules(profile: Resolved, default: Resolved) -> tuple[Attempted, ...]:
    """Return the ways out with what the rules of both profiles answer; none was tried."""
    return tuple(
        Attempted(
            one,
            profile.decide(one.arch, one.name, one.arguments),
            default.decide(one.arch, one.name, one.arguments),
            None,
            reached=False,
        )
        for one in attempts(profile.target.arch)
        if syscall_number(one.arch, one.name) is not None
    )


def shut_rows(
    tried: Sequence[Attempted], evidence: Evidence, excepted: Set[str]
) -> tuple[ShutRow, ...]:
    """Return one row for every way out, the worst first, otherwise in the order of attempts."""
    rows = []
    for one, identifier in settle(tried, evidence):
        attempt = one.attempt
        by_exception = identifier == WIDER and attempt.name in excepted
        rows.append(
            ShutRow(
                label=one_line(attempt.label, 128),
                call=shown_call(attempt),
                refused=one.profile.action not in ALLOWING,
                answer=show(one.profile),
                default=show(one.default),
                seen="" if one.outcome is None else shown_outcome(one.outcome),
                verdict=EXCEPTED if by_exception else VERDICTS[identifier],
            )
        )
    unique = sorted(dict.fromkeys(rows), key=lambda row: ORDER.index(row.verdict))
    return tuple(unique[:MAX_WAYS])


def shut_findings(
    tried: Sequence[Attempted], evidence: Evidence, excepted: Set[str]
) -> Iterable[Finding]:
    """Yield what is to be said of ways out that are not shut; the rows have the others."""
    for finding in judge_attempts(tried, evidence):
        name = finding.subject.partition("(")[0].rpartition(" ")[2]
        if finding.id == WIDER and name in excepted:
            message = f"{finding.message}, by an exception that the provenance names"
            yield replace(finding, severity="warning", message=message, fix="")
        elif finding.id not in _FINE:
            yield finding


def shut_check(rows: Sequence[ShutRow]) -> Check:
    """Return the question whether the container stays shut, answered."""
    question = "Do the ways out of the container stay shut?"
    bad = [row for row in rows if row.mark == NO]
    if bad:
        what = listed((f"{row.label} ({row.call}) is {row.verdict}" for row in bad), 3)
        return Check(question, NO, one_line(what, 400))
    shut = sum(row.shut for row in rows)
    parts = [f"{shut} of {len(rows)} are refused, {how_decided(rows)}"]
    counts = {
        verdict: sum(row.verdict == verdict for row in rows)
        for verdict in (EXCEPTED, VERDICTS[NEEDED], VERDICTS[OPEN])
    }
    parts += [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return Check(question, YES, "; ".join(parts))


def how_decided(rows: Sequence[ShutRow]) -> str:
    """Say which of the rows were tried live and which are decided by the rules alone."""
    tried = sum(bool(row.seen) for row in rows)
    if not tried:
        return "by the profile's rules; none was tried"
    if tried == len(rows):
        return "all tried live under the profile"
    return f"{many(tried, 'way')} tried live under the profile, the others by its rules"
