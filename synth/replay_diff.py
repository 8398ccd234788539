"""Compare two validations: what fails now that did not, what is refused, what answers otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from synth.denials import TOLERATED, Attributed, Kind, describe, kind_of
from synth.diff import show
from synth.errors import DataError
from synth.evidence import combine
from synth.model import Filter, Finding, Health, Host, Recording, Subject, Workload
from synth.primitives import Attempt, Attempted
from synth.replay import Replay
from synth.shut import NOT_SHUT, OPEN, VERDICTS, WIDER, settle, shown_call, shown_outcome
from synth.verdict import (
    CHANGED,
    MISSING,
    REFUSED,
    UNHEALTHY,
    Verdict,
    judge,
)

BROKEN, MENDED, ERROR_NEW, ERROR_GONE = "SS121", "SS122", "SS123", "SS124"
REFUSED_NEW, REFUSED_GONE, ANSWERS, MOVED, ONE_ONLY = "SS125", "SS126", "SS127", "SS128", "SS129"

PASSED, FAILED = "passed", "failed"

Key = tuple[str, Kind, int, str, str]
"""A refusal without its count: workload, call, errno, phase, program."""


@dataclass(frozen=True)
class Side:
    """One of two validations with what it comes to; ``settled`` are its ways out."""

    replay: Replay
    verdict: Verdict
    settled: Mapping[Attempt, tuple[Attempted, str]]

    def standing(self) -> dict[str, str]:
        """Return how each workload ended; one that was not replayed is not there."""
        result = dict.fromkeys(self.verdict.passed, PASSED)
        return result | dict.fromkeys(self.verdict.failed, FAILED)

    def errors(self) -> dict[tuple[str, str, str], Finding]:
        """Return the errors but for refusals, by what makes two of them the same."""
        result = {}
        for one in self.verdict.findings:
            if one.severity == "error" and one.id not in (REFUSED, MISSING):
                # of these there can be several of one workload
                told = one.message if one.id in (CHANGED, UNHEALTHY) else ""
                result[one.id, one.subject, told] = one
        return result

    def refusals(self) -> dict[Key, Attributed]:
        """Return the refusals, by what makes two of them the same."""
        return {
            (
                one.workload,
                kind_of(one.denial),
                one.denial.errno,
                one.denial.phase,
                one.denial.program,
            ): one
            for one in self.verdict.denials
        }


def side(replay: Replay, recording: Recording | None, where: str) -> Side:
    """Judge a replay against its recording, or else against its own runs under the baseline.

    Raises ``DataError`` if it has neither.
    """
    if recording is None and not replay.controls:
        raise DataError(
            "there are no runs under the baseline in it to judge it by",
            where=where,
            slug="cannot-compare",
            fix="name its recording as well with --recording, or validate again",
        )
    known = recording or _stand_in(replay)
    settled = settle(replay.attempts, combine([known])) if replay.attempts else ()
    return Side(replay, judge(known, replay), {one.attempt: (one, to) for one, to in settled})


def compare_replays(new: Side, old: Side) -> tuple[Finding, ...]:
    """Return what is different in ``new``, sorted, the worst first; errors make it worse."""
    found = {
        *_workloads(new.standing(), old.standing()),
        *_errors(new, old),
        *_refusals(new.refusals(), old.refusals()),
        *_ways(new, old),
        *_environment(new.replay, old.replay),
    }
    ranks = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda one: (ranks[one.severity], one)))


def _stand_in(replay: Replay) -> Recording:
    """Return the runs under the baseline as if they were a recording."""
    names = sorted({run.workload for run in replay.controls})
    return Recording(
        Subject("", ""),
        replay.host,
        Filter("default", ""),
        (),
        Health(),
        tuple(Workload(name, ()) for name in names),
        replay.controls,
    )


def _workloads(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(set(new) | set(old)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if after is None:
            yield Finding(
                ONE_ONLY, "warning", name, f"was replayed before ({before}), and is not now"
            )
        elif before is None:
            message = f"is replayed now ({after}), and was not before"
            yield (
                Finding(BROKEN, "error", name, message)
                if after == FAILED
                else Finding(ONE_ONLY, "note", name, message)
            )
        elif after == FAILED:
            yield Finding(BROKEN, "error", name, "passed before and fails now")
        else:
            yield Finding(MENDED, "note", name, "failed before and passes now")


def _errors(new: Side, old: Side) -> Iterator[Finding]:
    now, before = new.errors(), old.errors()
    for key, one in now.items():
        if key not in before:
            yield Finding(
                ERROR_NEW, "error", one.subject, f"{one.id}: {one.message}", one.evidence, one.fix
            )
    for key, one in before.items():
        if key not in now:
            yield Finding(ERROR_GONE, "note", one.subject, f"{one.id} no longer: {one.message}")


def _refusals(new: Mapping[Key, Attributed], old: Mapping[Key, Attributed]) -> Iterator[Finding]:
    for key, one in new.items():
        before = old.get(key)
        told = f"{describe(one.denial)} in {one.runs} of {one.of} runs ({_effect(one)})"
        if one.is_error and (before is None or not before.is_error):
            since = "" if before is None else f", before: {_effect(before)}"
            fix = f"allow {one.denial.name} (record this workload and run synth again)"
            yield Finding(ERROR_NEW, "error", one.workload, f"{REFUSED}: {told}{since}", (), fix)
        elif before is None:
            severity = "warning" if one.effect == TOLERATED else "note"
            yield Finding(REFUSED_NEW, severity, one.workload, told)
    for key, one in old.items():
        if key not in new:
            message = f"{describe(one.denial)}, no longer ({_effect(one)} before)"
            yield Finding(REFUSED_GONE, "note", one.workload, message)


def _effect(one: Attributed) -> str:
    quiet = one.effect == TOLERATED and one.used
    return "not noticed, but used under the baseline" if quiet else one.effect


def _ways(new: Side, old: Side) -> Iterator[Finding]:
    if bool(new.settled) != bool(old.settled):
        which = "older" if new.settled else "newer"
        message = f"were not tried in the {which} one: nothing can be said of them"
        yield Finding(ONE_ONLY, "warning", "ways out", message)
        return
    for attempt in sorted(set(new.settled) | set(old.settled)):
        now, before = new.settled.get(attempt), old.settled.get(attempt)
        if now is None or before is None:
            which = "older" if now is None else "newer"
            message = f"tried in the {which} one only: {attempt.label}"
            yield Finding(ONE_ONLY, "note", shown_call(attempt), message)
            continue
        changes = _changes(now[0], before[0])
        if changes or now[1] != before[1]:
            worse = now[1] != before[1] and now[1] in (OPEN, NOT_SHUT, WIDER)
            message = f"{attempt.label}: {'; '.join(changes) or 'judged otherwise'}"
            then, now_ = VERDICTS[before[1]], VERDICTS[now[1]]
            evidence = () if then == now_ else (f"{then} before, {now_} now",)
            yield Finding(
                ANSWERS, "warning" if worse else "note", shown_call(attempt), message, evidence
            )


def _changes(now: Attempted, before: Attempted) -> list[str]:
    pairs = (
        ("filter", show(before.profile), show(now.profile)),
        ("kernel", shown_outcome(before.outcome), shown_outcome(now.outcome)),
        ("default", show(before.default), show(now.default)),
    )
    return [f"{who} {then} before, {now_} now" for who, then, now_ in pairs if then != now_]


def _environment(new: Replay, old: Replay) -> Iterator[Finding]:
    names = [field.name for field in fields(Host)]
    pairs = [(name, getattr(old.host, name), getattr(new.host, name)) for name in names]
    pairs += [
        ("profile", old.profile_sha256, new.profile_sha256),
        ("recording", old.recording_sha256, new.recording_sha256),
        ("capabilities granted", _joined(old.cap_add), _joined(new.cap_add)),
        ("capability uses", old.health.capabilities, new.health.capabilities),
        ("masks", _joined(old.masks), _joined(new.masks)),
        ("tolerant", _yes(old.tolerant), _yes(new.tolerant)),
        ("complete", _yes(not old.partial), _yes(not new.partial)),
    ]
    for what, before, after in pairs:
        if before != after:
            yield Finding(MOVED, "note", what.replace("_", " "), f"{before} before, {after} now")


def _joined(items: Iterable[str]) -> str:
    return ", ".join(items) or "none"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
