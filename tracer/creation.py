"""Say in the engine's words how a container is to be made, and read what an image says."""

from __future__ import annotations

from typing import Any

from synth.errors import UsageError
from synth.model import Container
from tracer.engine import Image


def host_options(container: Container) -> dict[str, Any]:
    """Return what of ``create_host_config`` a container asks for beyond privileges."""
    return {
        "binds": [
            f"{source}:{target}:{mode}" for source, target, mode in container.mounts if source
        ],
        "network_mode": container.network if container.network != "default" else None,
        "init": container.init or None,
        "read_only": container.read_only or None,
        "tmpfs": dict(one.partition(":")[::2] for one in container.tmpfs) or None,
        "group_add": list(container.groups) or None,
    }


def process_options(
    container: Container, command: tuple[str, ...], *, replace_entrypoint: bool
) -> dict[str, Any]:
    """Return what of ``create_container`` decides about the first process and its volumes.

    ``command`` replaces the entry point, or is its arguments; an empty one leaves the image's.
    """
    fresh = [target for source, target, _ in container.mounts if not source]
    own = replace_entrypoint and bool(command)
    return {
        "entrypoint": [command[0]] if own else list(container.entrypoint) or None,
        "command": list(command[1:] if own else command) or None,
        "volumes": fresh or None,
    }


def image_of(found: dict[str, Any]) -> Image:
    """Return what an image's inspection says."""
    config = found.get("Config") or {}
    return Image(
        str(found["Id"]),
        str(config.get("User") or ""),
        tuple(str(one) for one in config.get("Entrypoint") or ()),
        str((config.get("Labels") or {}).get("devcontainer.metadata") or ""),
    )


def no_image(reference: str, why: str) -> UsageError:
    """Return the error for an image that cannot be had."""
    return UsageError(
        f"image not found: {reference}: {why}",
        slug="no-image",
        fix="check the name with: docker image ls (or podman)",
    )
