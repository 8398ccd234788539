"""Make the model of a report from files: a pure function, the same for the same input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from synth.baseline import Baseline
from synth.diff import WIDENED, Difference, compare
from synth.diff import findings as differences
from synth.environment import LABELS, environments, values
from synth.evidence import Evidence, combine
from synth.findings import fit_for_print
from synth.model import Finding, Host, Target
from synth.report import rows, ways
from synth.report.inputs import Inputs, belonging
from synth.report.locate import lines_of
from synth.report.model import (
    NO,
    OPEN,
    YES,
    Check,
    DiscoveryPoint,
    Fact,
    RecordingRow,
    Report,
    SyscallRow,
)
from synth.report.validated import validated, validation_check
from synth.resolve import Resolved, resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, table_source
from synth.text import listed, many, one_line
from synth.wanted import Decision, Origin, Tightness, decide

UNEXPLAINED, DANGEROUS = "SS606", "SS607"

LIMITS = (
    "A profile covers what the recordings exercised; a code path that no workload took may be "
    "refused.",
    "Filters do not see memory behind pointers: paths of open, flags of clone3, addresses of "
    "connect.",
    "What goes through io_uring is seen neither by filters nor by the recorder.",
    "A hole in a call that has to be allowed stays open to whoever may make the call.",
    "A validation shows that the recorded workloads work, not that others do.",
    "Recordings are not signed: whoever can write the files can forge them. See docs/review.md.",
)
RANKS = {"error": 0, "warning": 1, "note": 2}
MAX_POINTS = 1000
"""Most runs that the discovery curve shows."""


def build(inputs: Inputs) -> Report:
    """Return the report; ``inputs`` must hold at least one recording.

    Raises ``DataError`` when argument conditions are too many to compare.
    """
    recordings = [recording for _, recording in inputs.recordings]
    evidence = combine(recordings)
    granted = frozenset(DOCKER_DEFAULT_CAPABILITIES if inputs.cap_add is None else inputs.cap_add)
    target = Target(evidence.arch, granted, _kernel(evidence.hosts))
    profile, default = resolve(inputs.profile, target), _default(inputs.baseline, target)
    difference = compare(profile, default, arch=target.arch)
    syscalls = rows.syscall_rows(
        difference, profile, _decisions(inputs, evidence), lines_of(inputs.text)
    )
    removed = rows.removed_rows(difference)
    excepted = _excepted(inputs)
    recorded = rows.recording_rows(inputs.recordings, inputs.digests())
    belongs = () if inputs.lead else belonging(inputs)
    found = validated(inputs)
    shut = ways.shut_rows(found.attempts or ways.by_rules(profile, default), evidence, excepted)
    findings = _sorted(
        (
            *inputs.extra,
            *_differences(difference, excepted),
            *(inputs.provenance.findings if inputs.provenance else ()),
            *(Finding("SS309", "warning", "recordings", one) for one in evidence.problems),
            *belongs,
            *found.findings,
            *ways.shut_findings(found.attempts, evidence, excepted),
            *_judged(syscalls),
        )
    )
    checks: tuple[Check, ...] = (
        *inputs.lead,
        _recorded_check(recorded),
        _inside_check(difference, inputs.baseline, excepted),
    )
    if not inputs.lead:
        checks = (
            *checks,
            ways.shut_check(shut),
            validation_check(inputs, found),
            _belonging_check(inputs, belongs),
        )
    answer, headline = _verdict(checks, proven=not inputs.lead)
    return Report(
        title=one_line(inputs.name),
        path=one_line(inputs.name, 1000),
        answer=answer,
        headline=headline,
        checks=checks,
        findings=findings,
        lines=tuple(sorted(lines_of(inputs.text).items())),
        arch=target.arch,
        baseline=inputs.baseline.name,
        grades=rows.grade_rows(syscalls, removed),
        syscalls=syscalls,
        removed=removed,
        capabilities=rows.capability_rows(evidence, granted),
        recordings=tuple(recorded),
        workloads=rows.workload_rows(recordings, evidence, found.passed, found.failed),
        validations=found.rows,
        refusals=found.refusals,
        denials=rows.denial_rows(recordings, found.unjudged),
        shut=shut,
        tried=ways.how_decided(shut),
        discovery=_discovery(inputs),
        saturation=_saturation(inputs),
        environment=_environment(inputs),
        digests=_digests(inputs),
        limits=LIMITS,
    )


def _kernel(hosts: Iterable[Host]) -> tuple[int, int]:
    """Return the oldest kernel: rules for newer ones are not in force there."""
    found = [re.match(r"(\d{1,4})\.(\d{1,4})", host.kernel) for host in hosts]
    return min((int(one[1]), int(one[2])) if one else (0, 0) for one in found)


def _default(baseline: Baseline, target: Target) -> Resolved:
    """Return the default for a container with at least Docker's capabilities.

    Dropping a capability must never look like a widening.
    """
    capabilities = target.capabilities | DOCKER_DEFAULT_CAPABILITIES
    return resolve(baseline.profile, Target(target.arch, capabilities, target.kernel))


def _decisions(inputs: Inputs, evidence: Evidence) -> Mapping[str, Decision]:
    """Return why each call is allowed: by the recordings given, else by the provenance.

    Without a provenance the reasons that ``synth`` would have given stand in.
    """
    if inputs.provenance is None:
        return decide(evidence, Tightness.PORTABLE, frozenset())
    told = {one.name: one for one in inputs.provenance.decisions}
    seen = decide(evidence, Tightness.EXACT, frozenset())
    observed = {name: one for name, one in seen.items() if one.origin is Origin.OBSERVED}
    return {**told, **observed}


def _judged(syscalls: Sequence[SyscallRow]) -> Iterable[Finding]:
    """Point at allowed calls that a reviewer has to look at."""
    for row in syscalls:
        if row.origin == rows.UNKNOWN:
            message = "is allowed, and neither the recordings nor the provenance say why"
            fix = "remove it, or make the profile again from all recordings"
            yield Finding(UNEXPLAINED, "warning", row.name, message, (), fix)
        if row.grade == "S" and row.status != "widened":
            who = listed(row.workloads, rows.SHOWN) or row.origin
            message = f"is allowed and of risk class S: {row.risk.rstrip('.')}"
            yield Finding(DANGEROUS, "warning", row.name, message, (who,), "do without it")


def _recorded_check(recorded: Sequence[RecordingRow]) -> Check:
    question = "Is the evidence sound?"
    bad = [row for row in recorded if not row.healthy]
    if bad:
        detail = f"{bad[0].name}: {bad[0].problems[0]}"
        return Check(question, NO, detail + (f", and {len(bad) - 1} more" if bad[1:] else ""))
    runs = sum(row.runs for row in recorded)
    return Check(question, YES, f"{many(runs, 'run')} recorded, nothing lost, all succeeded")


def _excepted(inputs: Inputs) -> frozenset[str]:
    """Return the calls that an exception of the project allows, if this profile is so made."""
    provenance = inputs.provenance
    if provenance is None or provenance.profile_sha256 != inputs.profile_sha256:
        return frozenset()
    return frozenset(
        one.name
        for one in provenance.decisions
        if one.origin is Origin.EXCEPTION or "; exception: " in one.reason
    )


def _differences(difference: Difference, excepted: frozenset[str]) -> Iterable[Finding]:
    """Yield the findings of the comparison; what an exception names is no error, but is said."""
    for finding in differences(difference):
        if finding.id == WIDENED and finding.subject in excepted:
            message = f"{finding.message}, by an exception that the provenance names"
            yield replace(finding, severity="warning", message=message, fix="")
        else:
            yield finding


def _inside_check(difference: Difference, baseline: Baseline, excepted: frozenset[str]) -> Check:
    question = "Does it stay inside the engine's default?"
    widened = [one.name for one in difference.widened]
    beyond = [name for name in widened if name not in excepted]
    beyond += difference.architectures_added
    if beyond or difference.default_widened:
        what = listed(beyond, rows.SHOWN) or "the default action"
        return Check(question, NO, f"wider than {baseline.name}: {what}")
    removed, narrowed = len(difference.removed), len(difference.narrowed)
    but = f" but what exceptions name ({listed(widened, rows.SHOWN)})" if widened else ""
    return Check(
        question,
        YES,
        f"nothing beyond {baseline.name}{but}; {removed} calls removed, {narrowed} narrowed",
    )


def _belonging_check(inputs: Inputs, belongs: Sequence[Finding]) -> Check:
    question = "Do the files belong together?"
    errors = [one for one in belongs if one.severity == "error"]
    if errors:
        return Check(question, NO, one_line(f"{errors[0].subject} {errors[0].message}", 400))
    if belongs:
        return Check(question, OPEN, one_line(belongs[0].message, 400))
    return Check(question, YES, "the digests of profile, recordings and validation agree")


def _verdict(checks: Sequence[Check], *, proven: bool) -> tuple[str, str]:
    no = [check for check in checks if check.answer == NO]
    unanswered = [check for check in checks if check.answer == OPEN]
    if no:
        return NO, f"No: {no[0].detail}"
    if unanswered:
        return OPEN, f"Not proven: {unanswered[0].detail}"
    if proven:
        return YES, "Proven: the recorded workloads work under this profile, and the evidence holds"
    return YES, "Inside: what was recorded now is within the committed profile"


def _discovery(inputs: Inputs) -> tuple[DiscoveryPoint, ...]:
    from synth.analysis import discovery

    table = discovery([recording for _, recording in inputs.recordings])
    return tuple(
        DiscoveryPoint(
            one_line(f"{row.workload} #{int(str(row.index)) + 1}", 80),
            int(str(row.syscalls)),
            int(str(row.new)),
            int(str(row.total)),
        )
        for row in table.itertuples(index=False)
    )[:MAX_POINTS]


def _saturation(inputs: Inputs) -> float | None:
    from synth.analysis import saturation

    recordings = [recording for _, recording in inputs.recordings]
    seen = any(
        use.phase == "workload"
        for recording in recordings
        for run in recording.runs
        for use in run.syscalls
    )
    return round(saturation(recordings).next_new, 4) if seen else None


def _environment(inputs: Inputs) -> tuple[Fact, ...]:
    found = environments(recording for _, recording in inputs.recordings)
    facts = [
        Fact(label, tuple(one_line(value) for value in values(found, field)))
        for field, label in LABELS.items()
    ]
    for label, field in (("user", "user"), ("network", "network"), ("mounted at", "mounts")):
        told = {getattr(one.subject, field) for _, one in inputs.recordings}
        flat = {part for one in told for part in ((one,) if isinstance(one, str) else one)}
        facts.append(Fact(label, tuple(one_line(value) for value in sorted(flat - {""}))[:50]))
    probes = {probe for _, recording in inputs.recordings for probe in recording.probes}
    facts.append(Fact("probes", tuple(one_line(probe) for probe in sorted(probes))))
    tables = table_source()
    facts.append(Fact("syscall tables", (f"{tables['project']} {tables['version']}",)))
    return tuple(fact for fact in facts if fact.values)


def _digests(inputs: Inputs) -> tuple[Fact, ...]:
    facts = [Fact(f"profile {one_line(inputs.name)}", (inputs.profile_sha256,))]
    for digest, (name, _) in zip(inputs.digests(), inputs.recordings, strict=True):
        facts.append(Fact(f"recording {one_line(name)}", (digest,)))
    for name, replay in inputs.replays:
        facts.append(Fact(f"validation {one_line(name)}", (f"of {replay.recording_sha256}",)))
    source = dict(inputs.baseline.source)
    facts.append(Fact(f"default profile {inputs.baseline.name}", (source.get("sha256", ""),)))
    return tuple(facts)


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    safe = {fit_for_print(one) for one in findings}
    return tuple(sorted(safe, key=lambda one: (RANKS[one.severity], one)))
