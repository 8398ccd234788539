"""Find everything in a profile that an engine reads otherwise than its writer meant it.

The strict reader names the first problem; here all of them are collected, each with its place,
and what can be read is then judged for the engines named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synth import profile_format as words
from synth.errors import DataError
from synth.lint_targets import Engine, targets, unknown_to
from synth.model import Answer, Profile, Rule, Target
from synth.positions import Located
from synth.profile_problems import Problem
from synth.profile_reader import ProfileReader
from synth.profile_rules import contradictions
from synth.resolve import Resolved, applies, resolve
from synth.syscalls import (
    DOCKER_DEFAULT_CAPABILITIES,
    SCMP_ARCHES,
    arch_of_scmp,
    errno_name,
    syscall_names,
)

MAX_INSTRUCTIONS = 4096
"""``BPF_MAXINSNS``: longer filters are refused by the kernel."""

MAX_PROBLEMS = 1000
ENOSYS = 38

# Arguments the kernel takes as 32-bit integers, while a filter sees 64 bits of register.
INT_ARGUMENTS: Mapping[str, frozenset[int]] = {
    name: frozenset(indexes)
    for name, indexes in {
        "socket": (0, 1, 2),
        "socketpair": (0, 1, 2),
        "personality": (0,),
        "ioctl": (0, 1),
        "fcntl": (0, 1),
        "prctl": (0,),
        "setsockopt": (0, 1, 2),
        "getsockopt": (0, 1, 2),
        "kill": (0, 1),
        "openat": (0, 2),
        "open": (1,),
        "keyctl": (0,),
        "bpf": (0,),
        "unshare": (),
        "setns": (0, 1),
    }.items()
}
ORDERED = ("SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GT", "SCMP_CMP_GE")


@dataclass(frozen=True, slots=True, order=True)
class Lint:
    """One problem with its place: line and column from 1."""

    line: int
    column: int
    id: str
    severity: str
    path: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a profile, in the file's order; ``cut`` more than we list."""

    dialect: str
    engines: tuple[str, ...]
    found: tuple[Lint, ...]
    cut: bool = False

    @property
    def errors(self) -> int:
        """Count the errors."""
        return sum(one.severity == "error" for one in self.found)


def lint(
    located: Located,
    *,
    dialect: str = "auto",
    engines: tuple[str, ...] = (),
    capabilities: frozenset[str] = DOCKER_DEFAULT_CAPABILITIES,
    quiet: bool = False,
) -> Checked:
    """Return every problem of a profile's document.

    ``engines`` are names of ``lint_targets.ENGINES``, by default those that read the dialect;
    ``quiet``: the container has no-new-privileges.  Raises ``UsageError`` for other names.
    """
    document = located.value
    if dialect == "auto":
        dialect = words.detect_dialect(document)
    chosen = targets(engines, dialect)
    problems = [_duplicate(located, path) for path, _ in located.duplicates]
    reader = ProfileReader(dialect, problems.append)
    profile = reader.profile(document)
    rules = list(zip(reader.places, profile.rules, strict=True))
    problems += contradictions(profile.rules, reader.places)
    problems += _rules(rules, profile)
    if isinstance(document, dict) and profile.default_action:
        for engine in chosen:
            problems += _foreign(document, dialect, engine)
            problems += _for_engine(profile, rules, engine, capabilities, quiet=quiet)
        problems += _default(profile, capabilities)
    places = dict.fromkeys(problems)
    found = [_placed(located, one) for one in list(places)[:MAX_PROBLEMS]]
    names = tuple(one.name for one in chosen)
    return Checked(dialect, names, tuple(sorted(found)), len(places) > MAX_PROBLEMS)


def _placed(located: Located, problem: Problem) -> Lint:
    line, column = located.position(problem.at or problem.path)
    if problem.finding == "SS403":
        offset = next(at for path, at in located.duplicates if path == problem.at)
        line, column = located.at(offset)
    path = problem.at or problem.path
    return Lint(line, column, problem.finding, problem.severity, path, problem.what, problem.fix)


def _duplicate(located: Located, path: str) -> Problem:
    line, column = located.position(path)
    what = f"duplicate key, first at {line}:{column}; Docker takes the last, others the first"
    return Problem(what, path, "keep one", "SS403", at=path)


def _warning(what: str, path: str, fix: str, finding: str) -> Problem:
    return Problem(what, path, fix, finding, severity="warning")


def _rules(rules: list[tuple[int, Rule]], profile: Profile) -> Iterator[Problem]:
    """Yield what is wrong with single entries whoever reads them."""
    for i, rule in rules:
        if rule.action in words.THREAD_KILLS:
            yield _warning(
                f"{rule.action} kills one thread and may leave its process hanging",
                f"syscalls[{i}].action",
                "write SCMP_ACT_KILL_PROCESS or SCMP_ACT_ERRNO",
                "SS411",
            )
        yield from _compared(i, rule)
    native = {one for one in _arches(profile) if one}
    known = frozenset[str]().union(*(syscall_names(arch) for arch in native))
    for i, rule in rules:
        foreign = [name for name in rule.names if name not in known]
        if native and foreign and not rule.includes.arches:
            yield Problem(
                f"not syscalls of {', '.join(sorted(native))}: {_some(foreign)}",
                f"syscalls[{i}].names",
                "nothing to do: such names have no effect there",
                "SS414",
                severity="note",
            )


def _compared(i: int, rule: Rule) -> Iterator[Problem]:
    refuses = rule.action not in words.ALLOWING
    for one in rule.comparisons:
        is_int = any(one.index in INT_ARGUMENTS.get(name, ()) for name in rule.names)
        ordered = one.op in ORDERED
        negated = one.op == "SCMP_CMP_NE" or (one.op == "SCMP_CMP_EQ" and refuses)
        if not ordered and not (negated and is_int):
            continue
        names = _some(rule.names)
        if is_int:
            what = (
                f"{one.op} compares 64 bits, the kernel takes 32 of argument {one.index} of "
                f"{names}: 0x1{one.value & 0xFFFFFFFF:08x} passes for 0x{one.value:x}"
            )
        else:
            what = f"{one.op} on values above 32 bits is compiled wrongly by libseccomp up to 2.6.1"
        fix = "allow the values meant with SCMP_CMP_MASKED_EQ, mask 0xffffffff (4294967295)"
        yield _warning(what, f"syscalls[{i}].args", fix, "SS410")


def _foreign(document: Mapping[str, Any], dialect: str, engine: Engine) -> Iterator[Problem]:
    """Yield the keys of the document's dialect that an engine of another one ignores."""
    if engine.dialect == dialect or {engine.dialect, dialect} <= set(words.RESOLVED_DIALECTS):
        return
    found: list[Problem] = []
    ProfileReader(engine.dialect, found.append).profile(document)
    seen: set[str] = set()
    for one in found:
        key = one.at.rpartition(".")[2]
        if one.finding == "SS416" and key not in seen:
            seen.add(key)  # the first place of each key says it
            yield Problem(
                f"{engine.name}: {one.what}",
                one.path,
                one.fix,
                one.finding,
                at=one.at,
                severity="warning" if key == "comment" else "error",
            )


def _for_engine(
    profile: Profile,
    rules: list[tuple[int, Rule]],
    engine: Engine,
    capabilities: frozenset[str],
    *,
    quiet: bool,
) -> Iterator[Problem]:
    if profile.default_errno not in (None, 1) and not engine.default_errno:
        yield _warning(
            f"{engine.name} ignores defaultErrnoRet: what no entry names answers EPERM, not "
            f"{errno_name(profile.default_errno or 0)}",
            "defaultErrnoRet",
            "name the calls that must answer ENOSYS in an entry of their own",
            "SS416",
        )
    if profile.flags and engine.flags == "fatal":
        what = f"{engine.name}: {engine.runtime} refuses to start a container with flags"
        yield Problem(what, "flags", "remove flags, or use runc 1.2", "SS417")
    elif profile.flags and engine.flags == "dropped":
        yield _warning(f"{engine.name} ignores flags", "flags", "remove flags", "SS416")
    for i, rule in rules:
        passing = rule.names if rule.action in words.ALLOWING else ()
        for name, release in unknown_to(engine, passing):
            version = ".".join(map(str, release))
            yield _warning(
                f"{engine.name}: {name} is in libseccomp from {version} on, not in "
                f"{'.'.join(map(str, engine.libseccomp))}: the name is ignored, the call refused",
                f"syscalls[{i}].names",
                "nothing to do if the call has a fallback; it answers as calls without entry do",
                "SS413",
            )
    yield from _size(profile, rules, engine, capabilities)
    resolved = _resolved(profile, capabilities)
    if resolved is None:
        return
    needed = engine.quiet_floor if quiet else engine.floor
    if resolved.target.arch != "x86_64":
        needed &= syscall_names(resolved.target.arch)
    missing = sorted(needed - resolved.names())
    if missing:
        yield Problem(
            f"{engine.name}: {engine.runtime} itself needs {_some(missing, 40)} under the filter; "
            "containers die or hang at their start",
            "syscalls" if profile.rules else "",
            "allow them" if quiet else "allow them; --no-new-privileges asks for fewer",
            "SS418",
        )


def _size(
    profile: Profile, rules: list[tuple[int, Rule]], engine: Engine, capabilities: frozenset[str]
) -> Iterator[Problem]:
    estimate = instructions(profile, capabilities)
    if estimate > MAX_INSTRUCTIONS and rules:
        yield Problem(
            f"{engine.name}: about {estimate} BPF instructions, the kernel takes "
            f"{MAX_INSTRUCTIONS}: no container starts",
            "syscalls",
            "compare fewer values, or drop architectures",
            "SS419",
        )


def instructions(profile: Profile, capabilities: frozenset[str]) -> int:
    """Estimate the length of the filter, from below: each architecture has one of its own."""
    total = 0
    target = _target(profile, capabilities)
    listed = [one for one in _arches(profile) if one] or [target.arch]
    for arch in listed:
        known = syscall_names(arch)
        total += 8
        for rule in profile.rules:
            if applies(rule, target):
                masked = sum(one.op == "SCMP_CMP_MASKED_EQ" for one in rule.comparisons)
                more = max(0, len(rule.comparisons) - 1)
                total += len(known.intersection(rule.names)) * (1 + 2 * masked + 4 * more)
    return total


def _default(profile: Profile, capabilities: frozenset[str]) -> Iterator[Problem]:
    if profile.default_action in words.ALLOWING:
        yield _warning(
            f"{profile.default_action}: every call without an entry is allowed, also those that "
            "kernels will have next year",
            "defaultAction",
            "write SCMP_ACT_ERRNO and allow what is needed",
            "SS421",
        )
        return
    resolved = _resolved(profile, capabilities)
    if resolved is None or resolved.allowed("clone3"):
        return
    if resolved.refusal("clone3") != Answer(words.ERRNO, ENOSYS):
        yield _warning(
            "clone3 does not answer ENOSYS: glibc from 2.34 on then cannot start a thread or "
            "process",
            "syscalls" if profile.rules else "defaultAction",
            'add {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}',
            "SS420",
        )


def _resolved(profile: Profile, capabilities: frozenset[str]) -> Resolved | None:
    try:
        return resolve(profile, _target(profile, capabilities))
    except DataError:  # too many conditions to decide: said by SS419
        return None


def _target(profile: Profile, capabilities: frozenset[str]) -> Target:
    native = [one for one in (arch_of_scmp(name) for name, _ in profile.arch_map) if one]
    listed = native or [one for one in _arches(profile) if one in SCMP_ARCHES]
    return Target(listed[0] if listed else "x86_64", capabilities, (6, 1))


def _arches(profile: Profile) -> list[str]:
    """Return the architectures we have tables of that the profile names; x86_64 if none."""
    named = list(profile.architectures)
    for native, subs in profile.arch_map:
        named += [native, *subs]
    found = [arch for arch in map(arch_of_scmp, named) if arch is not None]
    return list(dict.fromkeys(found)) or ([] if named else ["x86_64"])


def _some(names: list[str] | tuple[str, ...], most: int = 12) -> str:
    shown = ", ".join(sorted(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
