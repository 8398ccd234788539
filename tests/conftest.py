"""Say which tests this machine can run, and why not the others."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

REAL = ("kernel", "engine")
"""Markers of tests against the real thing, which must not be skipped where --no-skip is given."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skip", action="store_true", help="Fail kernel and engine tests that would be skipped."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kernel = why_no_kernel()
    engine = kernel or why_no_engine()
    for item in items:
        reason = engine if item.get_closest_marker("engine") else kernel
        if reason and any(item.get_closest_marker(one) for one in REAL):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself as a whole: it might hold any test."""
    report = yield
    if report.skipped and collector.config.getoption("--no-skip"):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, which --no-skip forbids"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    real = any(item.get_closest_marker(one) for one in REAL)
    if report.skipped and real and item.config.getoption("--no-skip"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which --no-skip forbids: {report.longrepr}"
    return report


def why_no_kernel() -> str:
    """Return why BPF programs cannot be loaded here, or nothing."""
    from synth.errors import HostError
    from tracer.bcc_import import load_bcc

    if os.geteuid() != 0:
        return "needs root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF"
    try:
        load_bcc()
    except HostError as error:
        return str(error)
    return ""


def why_no_engine() -> str:
    """Return why no container can be run here, or nothing."""
    from synth.errors import SeccompSynthError
    from tracer.docker_engine import DockerEngine, engine_url

    try:
        engine = DockerEngine(engine_url(dict(os.environ)))
        try:
            for image in ("seccomp-synth-base", "seccomp-synth-demo"):
                engine.image(image, pull=False)
        finally:
            engine.close()
    except SeccompSynthError as error:
        return f"{error} (scripts/test starts an engine and makes the images)"
    return ""
