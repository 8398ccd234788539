"""Try the ways out of a container for ``validate``, and print what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from synth.baseline import recorded_default
from synth.cli.common import Settings, clean
from synth.cli.compiled import compiled, kernel_version, resolved
from synth.model import Finding, Profile, Recording, Target
from synth.primitives import Attempted, attempts
from synth.shut import NEEDED, NOT_SHUT, OPEN, SHUT, UNTRIED, WIDER
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES

if TYPE_CHECKING:
    from tracer.engine import Engine
    from tracer.replay import ReplayPlan

IDS = frozenset((SHUT, NOT_SHUT, WIDER, NEEDED, OPEN, UNTRIED))
LIVE_ON = "x86_64"
"""The program that makes the calls is machine code; for other machines there is none yet."""


def make_attempts(
    engine: Engine,
    plan: ReplayPlan,
    profile: Profile,
    recording: Recording,
    kernel: str,
    settings: Settings,
) -> tuple[Attempted, ...]:
    """Make every attempt under the plan's profile and capabilities, with what filters say to it."""
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
    target = Target(arch, granted, kernel_version(kernel))
    wider = replace(target, capabilities=granted | DOCKER_DEFAULT_CAPABILITIES)
    tried = try_all(engine, container, plan.profile, plan.errnos, todo)
    for loss in tried.losses:
        settings.warn(f"while trying the ways out: {loss}")
    mine = compiled(profile, target, settings)
    theirs = resolved(recorded_default(recording).profile, wider)
    return tuple(
        Attempted(
            one,
            mine(one.arch, one.number, one.arguments),
            theirs(one.arch, one.number, one.arguments),
            outcome,
            (one.arch, one.name) in tried.reached,
        )
        for one, outcome in zip(todo, tried.outcomes, strict=True)
    )


def print_attempts(findings: Iterable[Finding]) -> None:
    """Print one line that counts the ways out; the open ones follow among the findings."""
    found = [one.id for one in findings if one.id in IDS]
    if found:
        shut, untried = found.count(SHUT), found.count(UNTRIED)
        rest = f", {untried} by the filter alone" if untried else ""
        click.echo(clean(f"shut  {shut} of {len(found)} ways out tried{rest}"))
