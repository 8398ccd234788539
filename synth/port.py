"""Say what a profile for another architecture than the recorded one cannot know.

arm64 has no call that amd64 lacks, and calls that only amd64 has are old entry points whose
family (``synth.equivalents``) has a member on arm64, or belong to the processor.
"""

from __future__ import annotations

from synth.equivalents import equivalents
from synth.evidence import Evidence
from synth.model import Finding
from synth.syscalls import go_arch, syscall_names
from synth.text import listed, printable

NO_COUNTERPART, NOT_RUN = "SS311", "SS312"

CLOCKS = frozenset({"time"})
"""Answered by ``clock_gettime``, which every portable profile has."""

PROCESSOR = frozenset({"arch_prctl", "set_thread_area", "get_thread_area"})
"""Set the thread pointer, which needs no call on arm64: nothing is lost."""


def port_findings(evidence: Evidence, arch: str, kept: frozenset[str]) -> tuple[Finding, ...]:
    """Return what is not known about ``evidence`` on ``arch``; nothing where it was recorded.

    ``kept`` are the calls that the profile allows.
    """
    if arch == evidence.arch:
        return ()
    there = syscall_names(arch)
    observed = {name for _, name in evidence.workload_names()}
    alone = [
        name
        for name in sorted(observed - there - CLOCKS - PROCESSOR)
        if not kept.intersection(equivalents(frozenset((name,))))
    ]
    found = [
        Finding(
            NO_COUNTERPART,
            "warning",
            name,
            f"was made when recorded and has no counterpart in the profile for {go_arch(arch)}",
            tuple(
                sorted(
                    {
                        printable(use.workload, 64)
                        for (_, made), uses in evidence.syscalls.items()
                        if made == name
                        for use in uses
                    }
                )
            ),
            f"record this workload on {go_arch(arch)}",
        )
        for name in alone
    ]
    unknown = ["what programs do on that processor only (runtimes that generate code, cpu probes)"]
    if evidence.foreign_arches():
        unknown.append(f"what the calls of {listed(evidence.foreign_arches(), 4)} become")
    if evidence.capability_notes:
        unknown.append("which capabilities are used")
    found.append(
        Finding(
            NOT_RUN,
            "warning",
            go_arch(arch),
            f"nothing was run there: made from calls on {go_arch(evidence.arch)} and their "
            "equivalents",
            tuple(f"not known: {one}" for one in unknown),
            f"validate it on {go_arch(arch)}",
        )
    )
    return tuple(sorted(found))
