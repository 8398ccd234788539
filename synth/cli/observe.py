"""``seccomp-synth observe``: log what a profile would refuse, and read what was logged."""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

import click

from synth.audit import MAX_LINE, AuditLog
from synth.baseline import load_baseline, newest
from synth.capabilities import load_capabilities
from synth.cli.common import Settings, clean, pass_settings
from synth.cli.compiled import offline_verdict
from synth.cli.target import (
    container_capabilities,
    kernel_option,
    named_baseline,
    profile_arch,
    target_options,
)
from synth.errors import DataError, ExitCode, UsageError
from synth.files import refuse_existing, write_atomic
from synth.findings import dump_findings
from synth.logged import LOST, UNDECIDED, judge_log
from synth.model import Finding, Profile, Recording, Target
from synth.oci import to_oci
from synth.profile import dump_profile, load_profile, resolve
from synth.recording import SCHEMA, load_recording
from synth.staging import Staged, stage
from synth.text import listed, many, one_line

STDIN = "-"
SEVERITIES = ("error", "warning", "note")
NAMES_SHOWN = 12


@click.group("observe")
def observe() -> None:
    """Log what a profile would refuse before it refuses, and read what was logged.

    \b
    Example:
      seccomp-synth observe profile out/seccomp.json -o observe.json
      docker run --security-opt seccomp=observe.json IMAGE
      journalctl -k | seccomp-synth observe read - --profile out/seccomp.json --under observe.json
    """


@observe.command("profile")
@click.argument("profile", type=click.Path(path_type=Path))
@click.option("--baseline", "name", metavar="NAME", help="Default profile of the engine.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option(
    "--oci", is_flag=True, help="For those who hand the file to a runtime unread (Kubernetes)."
)
@target_options
@pass_settings
def profile_command(
    settings: Settings,
    profile: Path,
    name: str | None,
    output: Path,
    force: bool,
    oci: bool,
    kernel: str,
    arch: str | None,
    cap_add: tuple[str, ...],
) -> int:
    """Write the form of a profile that logs what the profile would refuse.

    What the profile allows is allowed, what only the engine's default allows is logged, and what
    both refuse is refused as the default does: never less than without it. The baseline is the
    one the profile was made from; capabilities are those of capabilities.json beside it.

    \b
    Example:
      seccomp-synth observe profile out/seccomp.json -o observe.json
    """
    refuse_existing(output, force=force)
    mine = load_profile(profile)
    added = container_capabilities(profile, cap_add, settings)
    target = Target(arch or profile_arch(mine), added, kernel_option(kernel))
    chosen = name or named_baseline(profile.parent / "provenance.json", "--baseline")
    baseline = newest() if chosen is None else load_baseline(chosen)
    if chosen is None:
        settings.warn(f"no provenance.json: taking {baseline.name}, the newest default known")
    staged = stage(mine, baseline.profile, target)
    made = to_oci(staged.profile, target) if oci else staged.profile
    write_atomic(output, dump_profile(made, "oci" if oci else "docker"), force=force)
    _tell(settings, staged, baseline.name, output)
    settings.note(f"to use it: docker run --security-opt seccomp={shlex.quote(str(output))} …")
    settings.note("next, as root: seccomp-synth record --container NAME --for 8h -o now.json")
    under = shlex.join(["--profile", str(profile), "--under", str(output)])
    settings.note(f"then: seccomp-synth observe read now.json {under}")
    settings.note(f"or: journalctl -k | seccomp-synth observe read - {under}")
    return int(ExitCode.OK)


def _tell(settings: Settings, staged: Staged, baseline: str, output: Path) -> None:
    settings.note(
        f"wrote {output}: {many(len(staged.logged), 'syscall')} logged that {baseline} allows and "
        "the profile refuses, in whole or in part"
    )
    if staged.coarse:
        settings.warn(
            f"logged whatever their arguments: {listed(staged.coarse, NAMES_SHOWN)}; a recording "
            "tells which were meant, the kernel's log does not"
        )
    if staged.left_out:
        settings.warn(
            f"calls of {', '.join(staged.left_out)} kill the caller, as under the profile: what it "
            "allows cannot be kept from them alone"
        )


@observe.command("read")
@click.argument("sources", nargs=-1, required=True, metavar="LOG|RECORDING|-...")
@click.option(
    "--profile",
    "profile_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The profile that is to be enforced.",
)
@click.option(
    "--under",
    type=click.Path(path_type=Path),
    help="The observing form that was in force: tells which arguments were logged.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the answer: for people or for programs.",
)
@target_options
@pass_settings
def read_command(
    settings: Settings,
    sources: tuple[str, ...],
    profile_path: Path,
    under: Path | None,
    form: str,
    kernel: str,
    arch: str | None,
    cap_add: tuple[str, ...],
) -> int:
    """Say what a profile would have refused of what was logged or recorded.

    Reads the kernel's audit records (dmesg, journalctl -k, audit.log; - is standard input) and
    recordings made while the container ran. Exits with 1 if anything would have been refused, or
    may have been. Records name no container: give the log of a time at which only it ran.

    \b
    Example:
      journalctl -k | seccomp-synth observe read - --profile out/seccomp.json --under observe.json
      seccomp-synth observe read now.json --profile out/seccomp.json
    """
    if sources.count(STDIN) > 1:
        raise UsageError(
            "standard input can be read once",
            where="command line",
            slug="bad-option",
            fix="give one -",
        )
    profile = load_profile(profile_path)
    added = container_capabilities(profile_path, cap_add, settings)
    target = Target(arch or profile_arch(profile), added, kernel_option(kernel))
    resolved = resolve(profile, target)
    form_in_force = None if under is None else resolve(load_profile(under, "auto"), target)
    log = AuditLog()
    recordings = []
    for source in sources:
        recording = _read(source, log)
        if recording is not None:
            recordings.append((source, recording))
    findings = judge_log(log, resolved, form_in_force)
    granted = _granted(profile_path)
    for source, recording in recordings:
        findings += _judged(source, recording, profile, granted, settings)
    if form == "json":
        click.echo(dump_findings(findings), nl=False)
    else:
        _print(settings, findings)
    return _conclude(settings, findings, log, len(recordings), profile_path)


def _read(source: str, log: AuditLog) -> Recording | None:
    """Add a log to ``log``, or return the recording that ``source`` is.

    Raises ``DataError`` if it is neither: a log without a single record proves nothing.
    """
    before = log.logged
    if source == STDIN:
        log.read(_lines(sys.stdin.buffer))
    else:
        with _opened(Path(source)) as stream:
            if f'"{SCHEMA}"'.encode() in stream.peek(4096)[:4096]:
                return load_recording(Path(source))
            log.read(_lines(stream))
    if log.logged == before:
        raise DataError(
            f"no record of a logged call in {many(log.lines, 'line')}",
            where="standard input" if source == STDIN else source,
            slug="no-records",
            fix="see whether the container ran under the observing form, and whether "
            "/proc/sys/kernel/seccomp/actions_logged has log; a recording gives an answer anyway",
        )
    return None


def _opened(path: Path) -> BufferedReader:
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise DataError(
                "neither a file nor a pipe",
                where=str(path),
                slug="not-a-file",
                fix="name a log or a recording",
            )
        return path.open("rb")
    except FileNotFoundError:
        raise UsageError(
            "no such file", where=str(path), slug="no-such-file", fix="check the path"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot be read: {getattr(error, 'strerror', error)}",
            where=str(path),
            slug="unreadable-file",
            fix="check its permissions",
        ) from None


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE):
        yield line


def _granted(profile_path: Path) -> tuple[str, ...] | None:
    path = profile_path.parent / "capabilities.json"
    return load_capabilities(path) if path.exists() else None


def _judged(
    source: str,
    recording: Recording,
    profile: Profile,
    granted: tuple[str, ...] | None,
    settings: Settings,
) -> tuple[Finding, ...]:
    """Hold a recording against the profile; what it lost is a finding, too."""
    lost = [one_line(problem) for problem in recording.health.problems]
    if recording.partial:
        lost.append("it was interrupted: what came after it is not known")
    if not any(run.syscalls for run in recording.runs):
        raise DataError(
            "no call is in the recording",
            where=source,
            slug="empty-recording",
            fix="record again, while the container is at work",
        )
    verdict = offline_verdict(profile, recording, granted, settings)
    problems = (Finding(LOST, "warning", one_line(source), problem) for problem in lost)
    return (*verdict.findings, *problems)


def _print(settings: Settings, findings: tuple[Finding, ...]) -> None:
    shown = SEVERITIES if settings.verbosity > 0 else SEVERITIES[:2]
    for severity in shown:
        for one in sorted(findings):
            if one.severity == severity:
                evidence = f" [{'; '.join(one.evidence)}]" if one.evidence else ""
                fix = f"; {one.fix}" if one.fix else ""
                click.echo(
                    clean(f"{severity}[{one.id}] {one.subject}: {one.message}{evidence}{fix}")
                )
    hidden = sum(one.severity not in shown for one in findings)
    if hidden:
        settings.note(f"{many(hidden, 'note')}; -v shows them")


def _conclude(
    settings: Settings,
    findings: tuple[Finding, ...],
    log: AuditLog,
    recordings: int,
    profile_path: Path,
) -> int:
    refused = sum(one.severity == "error" for one in findings)
    undecided = sum(one.id == UNDECIDED for one in findings)
    answer = f"{many(refused, 'call')} would be refused" if refused else "nothing would be refused"
    if undecided:
        answer = f"{many(refused, 'call')} would be refused, {undecided} undecided"
    settings.note(
        f"read {many(log.records, 'record')} and {many(recordings, 'recording')}: {answer}"
    )
    if refused or undecided:
        settings.note("next, as root: seccomp-synth record --container NAME -o more.json")
        return int(ExitCode.ANSWER_IS_NO)
    settings.next("check", "--profile", profile_path)
    return int(ExitCode.OK)
