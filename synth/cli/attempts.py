"""Try the ways out of a container for ``validate``, and say what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from synth.baseline import is_baseline, load_baseline, newest
from synth.bpf import run
from synth.cli.common import Settings, clean
from synth.errors import HostError
from synth.evidence import combine
from synth.model import Answer, Finding, Profile, Recording, Target
from synth.primitives import Attempt, attempts
from synth.resolve import filter_rules, resolve
from synth.shut import NEEDED, NOT_SHUT, OPEN, SHUT, UNTRIED, WIDER, judge_attempts
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES

if TYPE_CHECKING:
    from tracer.engine import Engine
    from tracer.replay import ReplayPlan

IDS = frozenset((SHUT, NOT_SHUT, WIDER, NEEDED, OPEN, UNTRIED))
LIVE_ON = "x86_64"
"""The program that makes the calls is machine code; for other machines there is none yet."""


def judged_attempts(
    engine: Engine,
    plan: ReplayPlan,
    profile: Profile,
    recording: Recording,
    kernel: str,
    settings: Settings,
) -> tuple[Finding, ...]:
    """Make every attempt under the plan's profile and capabilities, and judge the answers."""
    # imported here: needs Linux, and everything else must work without
    from tracer.attempts import try_all

    arch = recording.host.arch
    if arch != LIVE_ON:
        settings.warn(f"the ways out of the container are not tried on {arch}")
        return ()
    container = plan.container
    if plan.cap_add is not None:
        container = replace(container, cap_drop=("ALL",), cap_add=plan.cap_add)
    todo = attempts(arch)
    granted = frozenset(recording.subject.capabilities if plan.cap_add is None else plan.cap_add)
    target = Target(arch, granted, _version(kernel))
    wider = replace(target, capabilities=granted | DOCKER_DEFAULT_CAPABILITIES)
    name = recording.filter.baseline
    default = load_baseline(name) if is_baseline(name) else newest(recording.host.engine)
    tried = try_all(engine, container, plan.profile, plan.errnos, todo)
    for loss in tried.losses:
        settings.warn(f"while trying the ways out: {loss}")
    return judge_attempts(
        todo,
        tried,
        _decided(profile, target, settings),
        _resolved(default.profile, wider),
        combine([recording]),
    )


def print_attempts(findings: Iterable[Finding]) -> None:
    """Print one line that counts the ways out; the open ones follow among the findings."""
    found = [one.id for one in findings if one.id in IDS]
    if found:
        shut, untried = found.count(SHUT), found.count(UNTRIED)
        rest = f", {untried} by the filter alone" if untried else ""
        click.echo(clean(f"shut  {shut} of {len(found)} ways out tried{rest}"))


def _decided(profile: Profile, target: Target, settings: Settings) -> Callable[[Attempt], Answer]:
    """Return what answers a call as libseccomp compiles the profile, or as we resolve it."""
    from tracer.libseccomp import compile_rules

    try:
        program = compile_rules(filter_rules(profile, target))
    except HostError:
        settings.note("libseccomp is not here: our own reading of the profile decides")
        return _resolved(profile, target)
    return lambda one: run(program, one.number, one.arch, one.arguments)


def _resolved(profile: Profile, target: Target) -> Callable[[Attempt], Answer]:
    known = resolve(profile, target)
    return lambda one: known.decide(one.arch, one.name, one.arguments)


def _version(kernel: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", kernel)
    return (int(found[1]), int(found[2])) if found else (0, 0)
