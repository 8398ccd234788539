"""Write scripts that run a container with profile and capabilities, on Docker and on Podman."""

from __future__ import annotations

import shlex

from synth.emit.deployment import PROFILE, Deployment, arguments, comment

NAMES = {"docker": "docker-run.sh", "podman": "podman-run.sh"}

_HEADER = """\
Runs a container with the profile beside this file and no other capabilities:
  sh {name} [OPTION...] {image} [COMMAND...]
{engine} takes the last seccomp option: do not add one."""


def run_script(deployment: Deployment, engine: str) -> str:
    """Return a POSIX shell script for ``docker`` or ``podman``; what is typed goes to ``run``."""
    header = _HEADER.format(
        name=NAMES[engine], image=deployment.image or "IMAGE", engine=engine.capitalize()
    )
    options = list(arguments(deployment))
    for one in deployment.kept_options:
        options += ["--security-opt", one]
    return (
        "#!/bin/sh\n"
        + comment(header, "#")
        + 'folder=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit\n'
        + f"exec {engine} run {shlex.join(options)} \\\n"
        + f'  --security-opt "seccomp=$folder/{PROFILE}" "$@"\n'
    )
