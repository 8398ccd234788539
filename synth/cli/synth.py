"""``seccomp-synth synth``: make a profile and a capability list from recordings."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from synth.baseline import Baseline, load_baseline
from synth.capabilities import (
    Capabilities,
    derive_capabilities,
    dump_capabilities,
    without_refused,
)
from synth.cli.common import Settings, pass_settings
from synth.cli.record import WHERE
from synth.config import capability_names
from synth.diff import compare
from synth.emit.compose import FILE_NAME as COMPOSE
from synth.emit.compose import compose_override
from synth.emit.provenance import FILE_NAME as PROVENANCE
from synth.emit.provenance import dump_provenance
from synth.errors import ExitCode, UsageError
from synth.evidence import Evidence, combine, recorded_baseline, require_usable
from synth.files import refuse_existing, write_atomic
from synth.generate import Generated, generate
from synth.model import Finding, Recording
from synth.profile import dump_profile
from synth.recording import load_recording
from synth.wanted import Tightness

PROFILE, CAPABILITIES = "seccomp.json", "capabilities.json"


ARCHES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


class Aim(NamedTuple):
    """What kind of profile to make: how tight, for which architecture (``None``: the recorded)."""

    tightness: Tightness
    arch: str | None


@dataclass(frozen=True)
class Made:
    """Everything that one run of the command makes."""

    baseline: Baseline
    capabilities: Capabilities
    generated: Generated
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
    default="app",
    show_default=True,
    metavar="NAME",
    help="Service in the compose override.",
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
    service: str,
    allow_capability: tuple[str, ...],
    allow_unhealthy: bool,
) -> int:
    """Make a minimal seccomp profile and capability list from recordings.

    Writes seccomp.json, capabilities.json, compose.override.yaml and provenance.json. The
    profile is never wider than the engine's default profile, and says why each call is in it.

    \b
    Example:
      seccomp-synth synth tests.recording.json server.recording.json -o out/
    """
    _check_service(service)
    loaded = [load_recording(path) for path in recordings]
    require_usable(
        loaded, allow_unhealthy=allow_unhealthy, names=[str(path) for path in recordings]
    )
    made = _make(
        loaded,
        Aim(Tightness(tightness), _arch(arch, tightness, loaded[0])),
        baseline_name,
        service,
        capability_names(allow_capability, WHERE),
    )
    _write(folder, made.texts, force=force)
    _conclude(settings, made, folder, recordings)
    if settings.verbosity > 0:
        _saturation(settings, loaded)
    return int(ExitCode.OK)


def _make(
    recordings: list[Recording],
    aim: Aim,
    baseline_name: str | None,
    service: str,
    consented: tuple[str, ...],
) -> Made:
    evidence = combine(recordings)
    baseline = load_baseline(baseline_name or recorded_baseline(evidence))
    capabilities = derive_capabilities(evidence, consented=consented)
    capabilities, generated = _agreed(evidence, baseline, capabilities, aim)
    profile = dump_profile(generated.profile)
    unsure = (*_unhealthy(evidence), *_without_start(recordings))
    findings = (*unsure, *generated.findings, *capabilities.findings)
    texts = {
        CAPABILITIES: dump_capabilities(capabilities),
        COMPOSE: compose_override(
            service, capabilities.cap_add, no_new_privileges=evidence.no_new_privileges
        ),
        PROVENANCE: dump_provenance(
            baseline=baseline.name,
            tightness=str(aim.tightness),
            recordings=evidence.digests,
            profile_sha256=hashlib.sha256(profile.encode()).hexdigest(),
            decisions=generated.decisions,
            findings=findings,
        ),
        # last: whoever finds a profile finds what belongs to it
        PROFILE: profile,
    }
    return Made(baseline, capabilities, generated, findings, texts)


def _agreed(
    evidence: Evidence, baseline: Baseline, capabilities: Capabilities, aim: Aim
) -> tuple[Capabilities, Generated]:
    """Make a profile and a list that fit: each round takes capabilities away, so that it ends."""
    while True:
        generated = generate(evidence, baseline.profile, capabilities.cap_add, *aim)
        checked = without_refused(capabilities, generated.resolved.names())
        if checked == capabilities:
            return capabilities, generated
        capabilities = checked


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


def _check_service(service: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", service):
        raise UsageError(
            f"not a service name: {service[:80]!r}",
            where=WHERE,
            slug="bad-option",
            fix="use letters, digits, '.', '_' and '-'",
        )


def _write(folder: Path, texts: dict[str, str], *, force: bool) -> None:
    for name in texts:
        refuse_existing(folder / name, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be made a folder ({error.strerror})",
            where=str(folder),
            slug="unwritable-output",
            fix="name a writable folder with -o",
        ) from None
    for name, text in texts.items():
        write_atomic(folder / name, text, force=force)


def _saturation(settings: Settings, recordings: list[Recording]) -> None:
    from synth.analysis import saturation

    found = saturation(recordings)
    settings.note(
        f"evidence: {found.workloads} workloads, {found.syscalls} syscalls, {found.single} of them "
        f"made by one workload only; of the calls of another workload of this kind about "
        f"{found.next_new:.0%} would be new"
    )


def _conclude(settings: Settings, made: Made, folder: Path, recordings: Sequence[Path]) -> None:
    generated = made.generated
    difference = compare(
        generated.resolved, generated.baseline, arch=generated.resolved.target.arch
    )
    settings.note(
        f"{len(generated.decisions)} syscalls allowed; of {made.baseline.name}: "
        f"{len(difference.removed)} removed, {len(difference.narrowed)} narrowed, "
        f"{len(difference.widened)} widened"
    )
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
    following = ["seccomp-synth", "validate", *recordings, "--profile", folder / PROFILE]
    settings.note(f"next: {shlex.join(str(one) for one in following)}")
