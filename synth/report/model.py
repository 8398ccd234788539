"""Define what a report says, before any format: every text is one line and fit for printing.

``build`` makes it; the formats turn it into bytes and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.model import Finding
from synth.text import many

YES, NO, OPEN = "yes", "no", "open"


@dataclass(frozen=True, slots=True)
class Check:
    """One question of the verdict: ``answer`` is ``yes``, ``no`` or ``open`` (not asked)."""

    question: str
    answer: str
    detail: str


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One recording: its file, and how far it can be trusted."""

    name: str
    sha256: str
    runs: int
    workloads: int
    healthy: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload: what was run, what came of it, and whether it passed under the profile.

    ``validated``: ``yes``, ``no`` or ``open``.  ``only``: calls that no other workload made.
    """

    name: str
    command: str
    mode: str
    runs: int
    outcome: str
    seconds: float
    syscalls: int
    only: int
    validated: str


@dataclass(frozen=True, slots=True)
class SyscallRow:
    """One syscall that the profile allows, and why.

    ``status`` is ``kept``, ``narrowed`` or ``widened`` against the baseline.  ``condition`` says
    for which arguments it is allowed, or is empty.  ``line`` of the profile's file, 0 if none.
    """

    name: str
    status: str
    condition: str
    origin: str
    reason: str
    workloads: tuple[str, ...]
    programs: tuple[str, ...]
    grade: str
    risk: str
    line: int


@dataclass(frozen=True, slots=True)
class RemovedRow:
    """One syscall that the baseline allows and the profile does not."""

    name: str
    grade: str
    risk: str


@dataclass(frozen=True, slots=True)
class GradeRow:
    """How many calls of one risk class are kept (or widened), narrowed and removed."""

    grade: str
    meaning: str
    kept: int
    narrowed: int
    removed: int
    widened: int


@dataclass(frozen=True, slots=True)
class CapabilityRow:
    """One capability: granted or dropped, and who used it in which syscall."""

    name: str
    granted: bool
    default: bool
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DenialRow:
    """Refused calls that are alike, not judged.

    ``when`` is ``recorded``, or ``validated`` in a validation that does not belong here.
    """

    when: str
    call: str
    answer: str
    programs: tuple[str, ...]
    workloads: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One refusal under the profile: what was answered to whom, and what came of it.

    ``effect`` is ``failed``, ``differs silently``, ``tolerated`` or ``baseline`` (refused under
    the baseline too); ``used``: the recording made the call.  ``runs`` of ``of`` runs met it.
    """

    severity: str
    effect: str
    used: bool
    workload: str
    call: str
    answer: str
    program: str
    runtime: bool
    count: int
    runs: int
    of: int

    @property
    def meaning(self) -> str:
        """Return what came of it in words."""
        if self.effect == "tolerated" and self.used:
            return "not noticed, but the recording used it"
        return {"failed": "the workload failed", "baseline": "as under the baseline"}.get(
            self.effect, self.effect
        )

    def sentence(self) -> str:
        """Return what was refused, on one line."""
        return (
            f"{self.workload}: {self.call} answered {self.answer} to {self.who()}, "
            f"{many(self.count, 'time')} in {self.runs} of {many(self.of, 'run')}"
        )

    def who(self) -> str:
        """Return the program, and whether it was the container runtime."""
        return f"{self.program}{' (the container runtime)' if self.runtime else ''}"


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One workload of a validation: how often it ran where, and what was compared.

    ``varies`` are those of ``compared`` that are noise; ``refused`` and ``tolerated`` count the
    refusals that a profile must not make, and those that no one noticed.
    """

    workload: str
    passed: bool
    profile_runs: int
    baseline_runs: int
    compared: tuple[str, ...]
    varies: tuple[str, ...]
    refused: int
    tolerated: int


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """One validation: of what, where, how outputs were compared, and its workloads.

    ``unjudged`` says why it counts for nothing here, or is empty.  ``tolerant``: a refused
    call that the recording used is no failure if nothing came of it.  ``attempts`` is the number
    of ways out that were tried.
    """

    name: str
    recording: str
    unjudged: str
    healthy: bool
    partial: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    environment: str
    capabilities: tuple[str, ...]
    masks: tuple[str, ...]
    tolerant: bool
    attempts: int
    trials: tuple[TrialRow, ...]

    def state(self) -> str:
        """Return how far it counts, in words."""
        if self.unjudged:
            return f"{self.unjudged}: it counts for nothing"
        words = ["healthy" if self.healthy else "not healthy"]
        words += ["interrupted"] if self.partial else []
        words += ["tolerant of refusals that no one noticed"] if self.tolerant else []
        words += [f"{self.attempts} ways out tried" if self.attempts else "no ways out tried"]
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class ShutRow:
    """One way out: what the filters answer, and what the kernel answered if it was tried.

    ``seen`` is empty if it was not.  ``verdict`` is one of ``ways.ORDER``.
    """

    label: str
    call: str
    refused: bool
    answer: str
    default: str
    seen: str
    verdict: str

    @property
    def shut(self) -> bool:
        """Tell whether nobody gets out here."""
        return self.verdict == "shut"

    @property
    def mark(self) -> str:
        """Return ``yes`` if it is shut, ``no`` if that is an error, else ``open``."""
        bad = self.verdict in ("let through", "wider than the default")
        return YES if self.shut else NO if bad else OPEN


@dataclass(frozen=True, slots=True)
class DiscoveryPoint:
    """What one run added to the syscalls known before it."""

    label: str
    syscalls: int
    new: int
    total: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the environment or of the digests; several values if recordings differ."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says.

    ``path`` is the profile's, for links to its lines.  ``saturation`` is the share of calls of
    another workload that would be new (0 to 1), ``None`` without workload calls.  ``tried``
    says which rows of ``shut`` were tried and which are decided by the profile's rules.
    """

    title: str
    path: str
    answer: str
    headline: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    lines: tuple[tuple[str, int], ...]
    arch: str
    baseline: str
    grades: tuple[GradeRow, ...]
    syscalls: tuple[SyscallRow, ...]
    removed: tuple[RemovedRow, ...]
    capabilities: tuple[CapabilityRow, ...]
    recordings: tuple[RecordingRow, ...]
    workloads: tuple[WorkloadRow, ...]
    validations: tuple[ValidationRow, ...]
    refusals: tuple[RefusalRow, ...]
    denials: tuple[DenialRow, ...]
    shut: tuple[ShutRow, ...]
    tried: str
    discovery: tuple[DiscoveryPoint, ...]
    saturation: float | None
    environment: tuple[Fact, ...]
    digests: tuple[Fact, ...]
    limits: tuple[str, ...]

    def line_of(self, finding: Finding) -> int:
        """Return the line of the profile that a finding is about; the first for the whole."""
        return dict(self.lines).get(finding.subject.partition("(")[0], 1)

    def of_profile(self) -> tuple[RefusalRow, ...]:
        """Return the refusals that the profile adds."""
        return tuple(row for row in self.refusals if row.effect != "baseline")

    def of_baseline(self) -> tuple[RefusalRow, ...]:
        """Return the refusals under the profile that the baseline makes too."""
        return tuple(row for row in self.refusals if row.effect == "baseline")

    def counted(self, status: str) -> int:
        """Return how many allowed syscalls are ``kept``, ``narrowed`` or ``widened``."""
        return sum(row.status == status for row in self.syscalls)
