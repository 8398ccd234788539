"""Say what a profile would have refused of the calls that the kernel has logged.

A record holds the architecture, the number and the program, but no argument and no container.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from synth.abi import exists_on
from synth.audit import KILLS, LOGGED, AuditLog, Kind
from synth.model import Answer, Finding
from synth.profile_format import ALLOW, ALLOWING
from synth.resolve import ALWAYS, FOREIGN, NEVER, Resolved
from synth.syscalls import errno_name
from synth.text import many

WOULD_REFUSE, UNDECIDED, ALLOWED_NOW = "SS701", "SS702", "SS703"
LOST, KILLED, NOT_OURS = "SS704", "SS705", "SS706"

PROGRAMS_SHOWN = 12
FIX = "record it (seccomp-synth record --container NAME), and make the profile again from both"

Programs = Counter[str]


def judge_log(
    log: AuditLog, profile: Resolved, under: Resolved | None = None
) -> tuple[Finding, ...]:
    """Return what follows from a log, sorted.

    ``under`` is the observing form that was in force: with it, a call that ``profile`` decides
    by argument is known to be refused, unless the form logs all of them.
    """
    calls: dict[tuple[str, str], Programs] = {}
    killed: dict[tuple[str, str], Programs] = {}
    others: Counter[str] = Counter()
    for kind, count in log.counts.items():
        if kind.action == LOGGED:
            calls.setdefault((kind.arch, kind.name), Counter())[_program(kind)] += count
        elif kind.action in KILLS:
            killed.setdefault((kind.arch, kind.name), Counter())[_program(kind)] += count
        else:
            others[kind.action] += count
    found = [_judge(call, seen, profile, under) for call, seen in calls.items()]
    found += [_killed(call, seen) for call, seen in killed.items()]
    found += [
        Finding(NOT_OURS, "note", "log", f"{many(count, 'record')} of {action}, not judged")
        for action, count in others.items()
    ]
    return tuple(sorted((*found, *_lost(log))))


def _judge(
    call: tuple[str, str], seen: Programs, profile: Resolved, under: Resolved | None
) -> Finding:
    arch, name = call
    known = arch in profile.arches() and exists_on(arch, name)
    allowed = profile.allowed(name, arch) if known else NEVER
    if name.startswith("#") and known and profile.default.action in ALLOWING:
        allowed = ALWAYS
    subject, times = _label(arch, name), many(seen.total(), "time")
    if allowed == ALWAYS:
        message = f"logged {times}, and the profile allows it: it was another when this was logged"
        return Finding(ALLOWED_NOW, "note", subject, message, _evidence(seen))
    if allowed:
        if under is None or not _tells_apart(under, arch, name):
            message = (
                f"logged {times}; the profile allows some arguments of it, and the log has none"
            )
            fix = "hold a recording against the profile; it has them"
            return Finding(UNDECIDED, "warning", subject, message, _evidence(seen), fix)
        message = f"would be refused with these arguments, which the log does not have; {times}"
        return Finding(WOULD_REFUSE, "error", subject, message, _evidence(seen), FIX)
    refusal = profile.refusal(name, arch) if known else _foreign(profile, arch)
    message = f"would be {_answer(refusal)}; {times}"
    return Finding(WOULD_REFUSE, "error", subject, message, _evidence(seen), FIX)


def _foreign(profile: Resolved, arch: str) -> Answer:
    return profile.default if arch in profile.arches() else FOREIGN


def _tells_apart(under: Resolved, arch: str, name: str) -> bool:
    """Tell whether the form in force lets some calls of ``name`` through without a word."""
    if arch not in under.arches():
        return False
    silent = {answer.action for _, answer in under.conditions(name, arch)}
    return ALLOW in silent


def _killed(call: tuple[str, str], seen: Programs) -> Finding:
    message = f"was killed by a filter, {many(seen.total(), 'time')}"
    fix = "see whether the container was under the observing form: that kills by architecture only"
    return Finding(KILLED, "warning", _label(*call), message, _evidence(seen), fix)


def _lost(log: AuditLog) -> list[Finding]:
    found = []
    if log.suppressed:
        message = f"the kernel did not write {many(log.suppressed, 'record')}: calls may be missing"
        fix = "record the container instead, which loses nothing, or run auditd"
        found.append(Finding(LOST, "warning", "log", message, (), fix))
    for count, what in (
        (log.unreadable, "could not be read"),
        (log.dropped, "are of more programs and calls than are kept"),
    ):
        if count:
            message = f"{many(count, 'record')} {what}"
            found.append(Finding(LOST, "warning", "log", message))
    return found


def _answer(answer: Answer) -> str:
    if answer.action == "SCMP_ACT_ERRNO":
        return f"refused with {errno_name(answer.errno)}"
    return "killed" if "KILL" in answer.action else f"answered {answer.action}"


def _program(kind: Kind) -> str:
    return f"{kind.program} ({kind.path})" if kind.path else kind.program


def _evidence(seen: Mapping[str, int]) -> tuple[str, ...]:
    ordered = sorted(seen.items(), key=lambda one: (-one[1], one[0]))
    lines = [f"{program}: {count}" for program, count in ordered[:PROGRAMS_SHOWN]]
    rest = len(ordered) - len(lines)
    return (*lines, f"and {rest} more programs") if rest > 0 else tuple(lines)


def _label(arch: str, name: str) -> str:
    return name if arch in ("x86_64", "aarch64") else f"{arch} {name}"
