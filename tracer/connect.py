"""Choose the engine: the one named, the one the environment names, the one that answers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from synth.errors import HostError, UsageError
from tracer.docker_engine import DockerEngine, engine_url
from tracer.engine import Engine
from tracer.podman_engine import PodmanEngine, speaks_podman


def connect(name: str, runtime: str, environment: Mapping[str, str]) -> Engine:
    """Return the engine ``name``, or the one found if it is empty; close it after use.

    Without a name: what DOCKER_HOST or CONTAINER_HOST names, then Docker, and Podman where no
    Docker answers.  DOCKER_HOST may name a Podman socket.  ``runtime``: OCI runtime for new
    containers.  Raises ``HostError``, ``UsageError``.
    """
    ours = environment.get("CONTAINER_HOST", "")
    if name == "podman" or (not name and ours and not environment.get("DOCKER_HOST")):
        return PodmanEngine(ours, runtime)
    try:
        return _at_docker_socket(name, runtime, environment)
    except HostError as error:
        can_try = not name and not environment.get("DOCKER_HOST") and shutil.which("podman")
        if error.slug != "no-engine" or not can_try:
            raise
    return PodmanEngine("", runtime)


def _at_docker_socket(name: str, runtime: str, environment: Mapping[str, str]) -> Engine:
    url = engine_url(environment)
    engine = DockerEngine(url, runtime)
    if not speaks_podman(engine):
        return engine
    engine.close()
    if name == "docker":
        raise UsageError(
            f"what answers at {url} is Podman",
            where="engine",
            slug="bad-option",
            fix="name the engine podman, or let it be found",
        )
    return PodmanEngine(url, runtime)
