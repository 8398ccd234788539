"""Read the options that say for which container and host a profile is meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from synth.baseline import available, is_baseline
from synth.capabilities import load_capabilities
from synth.cli.common import Settings
from synth.config import capability_names
from synth.errors import DataError, UsageError
from synth.files import load_json
from synth.model import Profile
from synth.syscalls import CAPABILITIES, DOCKER_DEFAULT_CAPABILITIES, SCMP_ARCHES, arch_of_scmp

DEFAULT_KERNEL = "6.1"
"""Old enough to be everywhere; Docker's rules by kernel ask for 4.8."""

MAX_SIDE_FILE = 256 * 1024


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say for which kernel, architecture and capabilities to resolve."""
    for option in reversed(
        (
            click.option(
                "--kernel",
                default=DEFAULT_KERNEL,
                show_default=True,
                metavar="X.Y",
                help="Kernel that rules by kernel version are resolved for.",
            ),
            click.option(
                "--arch",
                type=click.Choice(list(SCMP_ARCHES)),
                help="Default: the profile's first.",
            ),
            click.option(
                "--cap-add",
                multiple=True,
                metavar="CAP",
                help="The container has this capability as well; capabilities.json is read if it "
                "is there.",
            ),
        )
    ):
        function = option(function)
    return function


def container_capabilities(
    profile: Path | None, added: tuple[str, ...], settings: Settings
) -> frozenset[str]:
    """Return the container's bounding set: what stands beside the profile, or Docker's default."""
    typed = set(capability_names(added, "--cap-add"))
    if "ALL" in typed:
        return frozenset(CAPABILITIES)
    path = None if profile is None else profile.parent / "capabilities.json"
    if path is None or not path.exists():
        return DOCKER_DEFAULT_CAPABILITIES | typed
    granted = frozenset(load_capabilities(path))
    settings.note(f"capabilities from {path}", level=1)
    if granted - DOCKER_DEFAULT_CAPABILITIES:
        more = ", ".join(sorted(granted - DOCKER_DEFAULT_CAPABILITIES))
        settings.warn(f"{path} grants {more}: what Docker allows with it does not count as wider")
    return frozenset(granted | typed)


def kernel_option(text: str) -> tuple[int, int]:
    """Return the kernel version of ``--kernel``; raises ``UsageError``."""
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,4})", text, re.ASCII)
    if not found:
        raise UsageError(
            f"not a kernel version: {text[:40]!r}",
            where="--kernel",
            slug="bad-kernel-version",
            fix="write two numbers, such as 6.1",
        )
    return int(found[1]), int(found[2])


def named_baseline(path: Path, option: str) -> str | None:
    """Return the baseline that a provenance file names; ``None`` if there is no such file.

    ``option`` is what names one by hand.
    """
    if not path.exists():
        return None
    document = load_json(path, limit=MAX_SIDE_FILE)
    name = document.get("baseline") if isinstance(document, dict) else None
    if not isinstance(name, str) or not is_baseline(name):
        raise DataError(
            "names no baseline we have",
            where=str(path),
            slug="bad-provenance",
            fix=f"name one with {option}: {', '.join(available())}",
        )
    return name


def profile_arch(profile: Profile) -> str:
    """Return the first architecture of the profile that we know; x86_64 if it names none."""
    listed = [native for native, _ in profile.arch_map] or list(profile.architectures)
    known = (arch_of_scmp(name) for name in listed)
    return next((arch for arch in known if arch is not None), "x86_64")
