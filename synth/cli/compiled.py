"""Decide calls by a profile as libseccomp compiles it, or by our own reading where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable

from synth.bpf import run
from synth.cli.common import Settings
from synth.errors import HostError
from synth.model import Answer, Profile, Recording, Target
from synth.offline import compared_by, judge_offline
from synth.resolve import filter_rules, resolve
from synth.verdict import Verdict

Decide = Callable[[str, int, tuple[int, ...]], Answer]
"""Answer a call: architecture, number, six arguments."""


def compiled(profile: Profile, target: Target, settings: Settings) -> Decide:
    """Return what answers a call as libseccomp compiles the profile, or as we resolve it."""
    from tracer.libseccomp import compile_bounded

    try:
        program = compile_bounded(filter_rules(profile, target))
    except HostError:
        settings.note("libseccomp is not here: our own reading of the profile decides")
        return resolved(profile, target)
    return lambda arch, number, arguments: run(program, number, arch, arguments)


def resolved(profile: Profile, target: Target) -> Decide:
    """Return what answers a call as we resolve the profile."""
    known = resolve(profile, target)
    return known.decide


def kernel_version(text: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel's release; zeros if it has none."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def offline_verdict(
    profile: Profile, recording: Recording, cap_add: tuple[str, ...] | None, settings: Settings
) -> Verdict:
    """Hold the recorded calls against the filter; nothing is run, no privilege is needed."""
    granted = recording.subject.capabilities if cap_add is None else cap_add
    target = Target(recording.host.arch, frozenset(granted), kernel_version(recording.host.kernel))
    known = resolve(profile, target)
    found = judge_offline(recording, compiled(profile, target, settings), compared_by(known))
    names = {run.workload for run in recording.runs}
    failed = {one.subject for one in found if one.severity == "error"}
    return Verdict(found, tuple(sorted(names - failed)), tuple(sorted(failed)))
