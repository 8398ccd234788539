"""Define what a report says, before any format: every text is one line and fit for printing.

``build`` makes it; the formats turn it into bytes and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.model import Finding

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
    """Refused calls that are alike; ``when`` is ``recorded`` or ``validated``."""

    when: str
    call: str
    answer: str
    programs: tuple[str, ...]
    workloads: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class ShutRow:
    """One way out: what the filter answers, and whether it was tried in a validation."""

    call: str
    refused: bool
    answer: str


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
    another workload that would be new (0 to 1), ``None`` without workload calls.
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
    denials: tuple[DenialRow, ...]
    shut: tuple[ShutRow, ...]
    discovery: tuple[DiscoveryPoint, ...]
    saturation: float | None
    environment: tuple[Fact, ...]
    digests: tuple[Fact, ...]
    limits: tuple[str, ...]

    def line_of(self, finding: Finding) -> int:
        """Return the line of the profile that a finding is about; the first for the whole."""
        return dict(self.lines).get(finding.subject.partition("(")[0], 1)

    def counted(self, status: str) -> int:
        """Return how many allowed syscalls are ``kept``, ``narrowed`` or ``widened``."""
        return sum(row.status == status for row in self.syscalls)
