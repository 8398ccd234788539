"""``seccomp-synth synth``: make a profile and a capability list from recordings."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import click

from synth.baseline import Baseline, load_baseline
from synth.capabilities import (
    Capabilities,
    dump_capabilities,
)
from synth.cli.common import Settings, pass_settings
from synth.cli.container_options import WHERE
from synth.cli.emitting import (
    EMITTERS,
    deployment_of,
    emitted,
    parse_emitters,
    project_of,
    remove_outdated,
    today,
)
from synth.config import Config, capability_names
from synth.diff import compare
from synth.emit.compose import compose_command
from synth.emit.deployment import PROFILE, Deployment
from synth.emit.provenance import FILE_NAME as PROVENANCE
from synth.emit.provenance import dump_provenance
from synth.environment import environments
from synth.errors import ExitCode, UsageError
from synth.evidence import Evidence, combine, recorded_baseline, require_usable
from synth.excepting import Excepted, apply_exceptions
from synth.files import write_all
from synth.fitting import fitting
from synth.model import Finding, Recording
from synth.recording import load_recording
from synth.resolve import resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from synth.wanted import Tightness

CAPABILITIES = "capabilities.json"
OCI = "seccomp.oci.json"


class Aim(NamedTuple):
    """What kind of profile to make: how tight, for which architecture (``None``: the recorded)."""

    tightness: Tightness
    arch: str | None


@dataclass(frozen=True)
class Wishes:
    """What the command line and the project file ask for."""

    aim: Aim
    baseline: str | None
    service: str | None
    emitters: tuple[str, ...]
    consented: tuple[str, ...]
    project: Config | None
    config: Path | None
    folder: Path


ARCHES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


@dataclass(frozen=True)
class Made:
    """Everything that one run of the command makes."""

    baseline: Baseline
    capabilities: Capabilities
    excepted: Excepted
    deployment: Deployment
    findings: tuple[Finding, ...]
    texts: dict[str, str]


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write to; made if it is not there.",
)
@click.option("--force", is_flag=True, help="Overwrite files in the folder.")
@click.option(
    "--tightness",
    type=click.Choice([str(one) for one in Tightness]),
    default=str(Tightness.PORTABLE),
    show_default=True,
    help="exact: what was observed. portable: and what another runtime, libc or clock source "
    "calls instead. baseline: all that the default allows, for comparison.",
)
@click.option(
    "--arch",
    metavar="ARCH",
    help="Architecture to make the profile for, if not the recorded one: amd64 or arm64.",
)
@click.option("--baseline", "baseline_name", metavar="NAME", help="Default profile to build on.")
@click.option(
    "--service",
    metavar="NAME",
    help="Service in the compose override; default: the project file's, or app.",
)
@click.option(
    "--emit",
    default="compose",
    show_default=True,
    metavar="LIST",
    help=f"What to write for deployment: {', '.join(EMITTERS)}, or none.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Project file with exceptions and the service; default: seccomp-synth.toml if there.",
)
@click.option(
    "--oci",
    is_flag=True,
    help="Write seccomp.oci.json too: the same filter, resolved for those who hand the file to a "
    "runtime unread (Kubernetes, CRI-O, runc, crun).",
)
@click.option(
    "--allow-capability",
    multiple=True,
    metavar="CAP",
    help="Keep a recorded capability that Docker does not grant by default.",
)
@click.option(
    "--allow-unhealthy", is_flag=True, help="Use partial, unhealthy or failed recordings too."
)
@pass_settings
def synth(
    settings: Settings,
    recordings: tuple[Path, ...],
    folder: Path,
    force: bool,
    tightness: str,
    arch: str | None,
    baseline_name: str | None,
    service: str | None,
    emit: str,
    config: Path | None,
    oci: bool,
    allow_capability: tuple[str, ...],
    allow_unhealthy: bool,
) -> int:
    """Make a minimal seccomp profile and capability list from recordings.

    Writes seccomp.json, capabilities.json, provenance.json and what --emit names. The profile is
    never wider than the engine's default profile but by the project file's exceptions, and says
    why each call is in it.

    \b
    Example:
      seccomp-synth synth tests.recording.json server.recording.json -o out/
      seccomp-synth synth web.recording.json -o out/ --emit compose,kubernetes
    """
    _check_service(service)
    emitters = parse_emitters(emit)
    consented = capability_names(allow_capability, WHERE)
    project = project_of(config)
    loaded = [load_recording(path) for path in recordings]
    require_usable(
        loaded, allow_unhealthy=allow_unhealthy, names=[str(path) for path in recordings]
    )
    wishes = Wishes(
        Aim(Tightness(tightness), _arch(arch, tightness, loaded[0])),
        baseline_name,
        service,
        emitters,
        consented,
        project,
        config,
        folder,
    )
    made = _make(loaded, wishes)
    if oci:
        made.texts[OCI] = made.deployment.oci
    write_all(folder, made.texts, force=force, fix="name a writable folder with -o")
    removed = remove_outdated(folder, made.deployment, project)
    if removed:
        settings.note(f"removed from {folder}, since nothing names them now: {', '.join(removed)}")
    _conclude(settings, made, wishes, recordings)
    if settings.verbosity > 0:
        _saturation(settings, loaded)
    return int(ExitCode.OK)


def _make(recordings: list[Recording], wishes: Wishes) -> Made:
    evidence = combine(recordings)
    baseline = load_baseline(wishes.baseline or recorded_baseline(evidence))
    tightness, arch = wishes.aim
    capabilities, generated = fitting(
        evidence, baseline, tightness, arch=arch, consented=wishes.consented
    )
    exceptions = wishes.project.exceptions if wishes.project is not None else ()
    excepted = apply_exceptions(generated, exceptions, today(os.environ))
    generated = excepted.generated
    unsure = (*_unhealthy(evidence), *_without_start(recordings))
    findings = (*unsure, *generated.findings, *capabilities.findings)
    deployment = deployment_of(
        wishes.project,
        wishes.service,
        wishes.folder,
        evidence,
        generated,
        capabilities.cap_add,
    )
    texts = {
        CAPABILITIES: dump_capabilities(capabilities),
        **emitted(deployment, wishes.emitters, evidence.arch),
        PROVENANCE: dump_provenance(
            baseline=baseline.name,
            tightness=str(wishes.aim.tightness),
            recordings=evidence.digests,
            profile_sha256=hashlib.sha256(deployment.profile.encode()).hexdigest(),
            decisions=generated.decisions,
            findings=findings,
            environments=environments(recordings),
        ),
        # last: whoever finds a profile finds what belongs to it
        PROFILE: deployment.profile,
    }
    return Made(baseline, capabilities, excepted, deployment, findings, texts)


def _unhealthy(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(
        Finding("SS309", "warning", "recordings", problem, fix="record again")
        for problem in sorted(evidence.problems)
    )


def _without_start(recordings: Sequence[Recording]) -> tuple[Finding, ...]:
    """Warn if nothing shows how the container's own program starts: it would not, next time."""
    if any(work.mode != "join" for one in recordings for work in one.workloads):
        return ()
    return (
        Finding(
            "SS310",
            "warning",
            "recordings",
            "all of them joined a container that ran already; how it starts is not in them",
            fix="add a recording of its start: seccomp-synth record IMAGE -- COMMAND",
        ),
    )


def _arch(given: str | None, tightness: str, recording: Recording) -> str | None:
    """Return our name of the architecture that was asked for."""
    if given is None:
        return None
    if given not in ARCHES:
        raise UsageError(
            f"not an architecture to make a profile for: {given[:40]!r}",
            where="--arch",
            slug="bad-option",
            fix="write amd64 or arm64",
        )
    if ARCHES[given] != recording.host.arch and tightness == Tightness.EXACT:
        raise UsageError(
            f"nothing was recorded on {given}, so that no profile can be exact for it",
            where="--arch",
            slug="bad-option",
            fix="record there, or leave out --tightness exact",
        )
    return ARCHES[given]


def _check_service(service: str | None) -> None:
    if service is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", service):
        raise UsageError(
            f"not a service name: {service[:80]!r}",
            where=WHERE,
            slug="bad-option",
            fix="use letters, digits, '.', '_' and '-'",
        )


def _saturation(settings: Settings, recordings: list[Recording]) -> None:
    from synth.analysis import saturation

    found = saturation(recordings)
    settings.note(
        f"evidence: {found.workloads} workloads, {found.syscalls} syscalls, {found.single} of them "
        f"made by one workload only; of the calls of another workload of this kind about "
        f"{found.next_new:.0%} would be new"
    )


def _conclude(settings: Settings, made: Made, wishes: Wishes, recordings: Sequence[Path]) -> None:
    folder = wishes.folder
    generated = made.excepted.generated
    target = generated.resolved.target
    # counted as by `diff`: what Docker's capabilities open is taken away with them
    whole = replace(target, capabilities=target.capabilities | DOCKER_DEFAULT_CAPABILITIES)
    usual = resolve(made.baseline.profile, whole)
    difference = compare(generated.resolved, usual, arch=target.arch)
    beyond = compare(generated.resolved, generated.baseline, arch=target.arch)
    settings.note(
        f"{len(generated.decisions)} syscalls allowed; of {made.baseline.name}: "
        f"{len(difference.removed)} removed, {len(difference.narrowed)} narrowed, "
        f"{len(beyond.widened)} widened"
    )
    if made.excepted.widened:
        settings.warn(f"widened by exceptions: {', '.join(made.excepted.widened)}")
    granted = [name.removeprefix("CAP_") for name in made.capabilities.cap_add]
    settings.note(f"capabilities: {' '.join(granted) or 'none'} (after dropping all)")
    for finding in made.findings:
        if finding.severity == "warning":
            where = f" ({', '.join(finding.evidence)})" if finding.evidence else ""
            fix = f"; {finding.fix}" if finding.fix else ""
            settings.warn(f"{finding.subject}: {finding.message}{where}{fix} [{finding.id}]")
        else:
            settings.note(f"note: {finding.subject}: {finding.message} [{finding.id}]", level=1)
    settings.note(f"wrote {', '.join(sorted(made.texts))} to {folder}")
    if made.deployment.compose_files:
        command = compose_command(
            made.deployment, "up", "-d", folder=made.deployment.compose_folder
        )
        settings.note(f"to use it: {command}")
    project = () if wishes.config is None else ("--config", wishes.config)
    settings.next("validate", *recordings, "--profile", folder / PROFILE, *project)
