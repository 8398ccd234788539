"""Say what is to be deployed: the same for every emitter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

PROFILE = "seccomp.json"
FOLDER = "seccomp"


@dataclass(frozen=True)
class Workspace:
    """What a devcontainer.json calls our files.

    ``folder`` is where they are, relative to what ``${localWorkspaceFolder}`` means.
    ``compose_files`` are the user's, relative to devcontainer.json, and ``override`` is ours.
    ``of_compose`` tells that the devcontainer is made of them.
    """

    folder: str = "."
    compose_files: tuple[str, ...] = ("../compose.yaml",)
    override: str = "../compose.override.yaml"
    of_compose: bool = False


@dataclass(frozen=True)
class Deployment:
    """A profile, a capability list, and the container that they are for.

    ``profile`` and ``oci`` are JSON texts.  ``profile_folder`` is where the files are written,
    as it is to be named in a compose or devcontainer file (relative to the project's folder);
    empty if that is not known.  ``kept_options`` are the service's security options that are
    none of ours.  ``compose_files`` are the user's own, for the command line to type; they are
    relative to their folder, and ``compose_folder`` is that, seen from where we run.
    """

    service: str
    image: str
    user: str
    profile: str
    oci: str
    cap_add: tuple[str, ...]
    no_new_privileges: bool
    profile_folder: str = ""
    kept_options: tuple[str, ...] = ()
    compose_files: tuple[str, ...] = ()
    compose_folder: str = "."
    workspace: Workspace = Workspace()

    @property
    def hashed_name(self) -> str:
        """Return ``seccomp/SERVICE-SHA12.json``: another profile is another name.

        Compose compares names, not contents: under a name of its own a changed profile
        recreates the container.
        """
        return f"{FOLDER}/{content_name(self.service, self.profile)}"

    @property
    def oci_name(self) -> str:
        """Return the name of the resolved profile, by its own content."""
        return content_name(self.service, self.oci)

    @property
    def bare_capabilities(self) -> tuple[str, ...]:
        """Return the capabilities without ``CAP_``, as compose files and Kubernetes write them."""
        return tuple(name.removeprefix("CAP_") for name in self.cap_add)


def content_name(service: str, text: str) -> str:
    """Return the name of a file for a service that holds ``text``: ``SERVICE-SHA12.json``."""
    return f"{_safe(service)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def comment(lines: str, mark: str) -> str:
    """Return ``lines`` as a comment; control characters become ``?``, since some end lines."""
    plain = (re.sub(r"[^\x20-\x7e]", "?", line) for line in lines.splitlines())
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in plain)


def arguments(deployment: Deployment) -> Sequence[str]:
    """Return the options of ``docker run`` and ``podman run`` but the profile's."""
    found = ["--cap-drop", "ALL"]
    for name in deployment.bare_capabilities:
        found += ["--cap-add", name]
    if deployment.no_new_privileges:
        found += ["--security-opt", "no-new-privileges"]
    return found


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:64] or "app"
