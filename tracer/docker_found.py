"""Turn what Docker's API says about a container into our terms."""

from __future__ import annotations

import json
from typing import Any

from synth.model import Container
from tracer.engine import Image, Running


def running_of(found: dict[str, Any]) -> Running:
    """Return the container that the answer to an inspection describes."""
    config, host = found["Config"], found["HostConfig"]
    options = [str(one) for one in host.get("SecurityOpt") or []]
    # the last one counts; ":" is the old separator
    profiles = [one[8:] for one in options if one.startswith(("seccomp=", "seccomp:"))]
    profile = profiles[-1] if profiles and profiles[-1] != "builtin" else None
    network = str(host.get("NetworkMode") or "default")
    mounts = found.get("Mounts") or []
    return Running(
        str(found["Id"]),
        str(found["Name"]).removeprefix("/"),
        int(found["State"]["Pid"]),
        Container(
            image=str(config["Image"]),
            user=str(config.get("User") or ""),
            workdir=str(config.get("WorkingDir") or ""),
            network=network,
            tty=bool(config.get("Tty")),
            no_new_privileges=any(
                one.startswith("no-new-privileges") and not one.endswith("false") for one in options
            ),
            cap_add=_capabilities(host.get("CapAdd")),
            cap_drop=_capabilities(host.get("CapDrop")),
            environment=tuple((str(one).partition("=")[0], "") for one in config.get("Env") or []),
            mounts=tuple(
                (str(one.get("Source")), str(one["Destination"]), "rw" if one.get("RW") else "ro")
                for one in mounts
            ),
        ),
        Image(str(found["Image"]), ""),
        profile,
    )


def pull_failure(said: str) -> str:
    """Return why a pull failed, from what the engine wrote while pulling; "" if it did not.

    The status that comes before them is a success: Podman sends it at once, and Docker before
    the layers.
    """
    for line in reversed(said.splitlines()):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and document.get("error"):
            return str(document["error"])[:400]
    return ""


def _capabilities(names: Any) -> tuple[str, ...]:
    """Return capabilities as we spell them; the engine takes them without prefix as well."""
    upper = [str(name).upper() for name in names or []]
    return tuple(
        name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in upper
    )
