"""``seccomp-synth doctor``: say what this host can do, and the command that mends the rest."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from synth.baseline import for_engine
from synth.cli.common import Settings, pass_settings
from synth.errors import ExitCode, HostError, SeccompSynthError

OK, LIMITED, MISSING = "ok", "limited", "missing"


@dataclass(frozen=True)
class Check:
    """One thing the host was asked: ``state`` is ``ok``, ``limited`` or ``missing``."""

    name: str
    state: str
    detail: str
    fix: str = ""


@click.command()
@pass_settings
def doctor(settings: Settings) -> int:
    """Say what this host can do, and the command that mends what it can't.

    Exit status 3 when recording and validating would not work here; synth and diff work
    everywhere.

    \b
    Example:
      sudo seccomp-synth doctor
    """
    checks = list(_checks())
    for check in checks:
        settings.answer(f"{check.state:8} {check.name}: {check.detail}\n")
        if check.fix and check.state != OK:
            settings.answer(f"         -> {check.fix}\n")
    if any(check.state == MISSING for check in checks):
        settings.note("record and validate cannot work here yet; synth and diff can")
        return int(ExitCode.HOST_CANNOT)
    settings.note("next: seccomp-synth record IMAGE -- COMMAND")
    return int(ExitCode.OK)


def _checks() -> Iterator[Check]:
    if platform.system() != "Linux":
        yield Check("system", MISSING, platform.system(), "record on a Linux host")
        return
    yield Check("kernel", OK, f"{platform.release()} ({platform.machine()})")
    root = _attempt("root", _root)
    yield root
    yield _attempt("type information (BTF)", _btf)
    yield _attempt("bcc", _bcc)
    if root.state == OK:  # without, they say no more than that
        yield from _probes()
    yield _attempt("cgroups", _cgroups)
    yield from _engine()
    yield _compose()


def _attempt(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, OK, ask())
    except SeccompSynthError as error:
        return Check(name, MISSING, error.what, error.fix)


def _root() -> str:
    from tracer.probes import require_root

    require_root()
    return "yes"


def _btf() -> str:
    from tracer.btf import VMLINUX, Btf

    Btf().close()
    return str(VMLINUX)


def _bcc() -> str:
    from tracer.bcc_import import load_bcc

    module = load_bcc()
    return f"{getattr(module, '__version__', 'unknown version')} ({module.__file__})"


def _cgroups() -> str:
    from tracer.probes import cgroup_layout

    return cgroup_layout()


def _compose() -> Check:
    """Say who merges compose files."""
    from tracer.compose import has_compose

    if has_compose(os.environ):
        return Check("compose", OK, "docker compose")
    return Check(
        "compose",
        LIMITED,
        "no docker compose: files without include and extends are read all the same",
        "to run a service under an override: Compose 2.24.4 or later (docker-compose-plugin)",
    )


def _probes() -> Iterator[Check]:
    """Load and attach the real programs: only that tells what a kernel allows."""
    from tracer.loader import PROGRAMS, Probes

    try:
        probes = Probes()
        try:
            probes.attach()
            features = probes.features
        finally:
            probes.close()
    except SeccompSynthError as error:
        yield Check("probes", MISSING, error.what, error.fix)
        return
    yield Check("probes", OK, f"{len(features.tracepoints)} of {len(PROGRAMS)} attach")
    recorded = features.capabilities == "recorded"
    yield Check(
        "capability uses",
        OK if recorded else LIMITED,
        features.capabilities,
        "synth keeps the container's capabilities as they are",
    )


def _podman() -> Iterator[Check]:
    """Say whether Podman would do where Docker is what is found first."""
    from tracer.connect import connect

    try:
        engine = connect("podman", "", os.environ)
        try:
            info = engine.info()
        finally:
            engine.close()
    except SeccompSynthError as error:
        yield Check("podman", LIMITED, error.what, error.fix)
        return
    detail = f"{info.name} {info.version}, {info.runtime} {info.runtime_version}"
    yield Check("podman", OK, f"{detail} (record --engine podman)")


def _engine() -> Iterator[Check]:
    from tracer.connect import connect
    from tracer.record import require_default_filter

    try:
        engine = connect("", "", os.environ)
        try:
            info = engine.info()
        finally:
            engine.close()
        yield Check(
            "engine",
            OK,
            f"{info.name} {info.version}, {info.runtime} {info.runtime_version} ({engine.url})",
        )
        require_default_filter(info)
        yield Check("engine's default profile", OK, "built in")
    except HostError as error:
        yield Check("engine", MISSING, error.what, error.fix)
        return
    baseline = for_engine(info.name, info.version)
    yield Check(
        "baseline",
        OK if baseline.exact else LIMITED,
        baseline.name if baseline.exact else f"{baseline.name}, the nearest to {info.version}",
        "the profile is built on the nearest known default",
    )
    if info.name != "podman" and shutil.which("podman"):
        yield from _podman()
