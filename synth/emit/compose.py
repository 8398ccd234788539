"""Write a Compose override that puts profile and capabilities on a service."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.tag import Tag

from synth.emit.deployment import Deployment
from synth.emit.yaml import dump_yaml

FILE_NAME = "compose.override.yaml"

_HEADER = """\
Puts the seccomp profile and the capability list on the service {service!r}. Use it as
  {command}
The lists replace those of the base file (!override: Compose 2.24.4 and later), which would
otherwise be added to them. The profile's name holds a digest: Compose recreates a container for
another name, and does not notice another content."""

_KNOWN = """\
The path is relative to the folder of the first -f, or to --project-directory."""

_UNKNOWN = """\
FOLDER is where this file is, seen from the project's folder."""


def compose_override(deployment: Deployment) -> str:
    """Return the override as YAML; the same for the same deployment."""
    name = deployment.hashed_name
    if deployment.profile_folder:
        path = f"{deployment.profile_folder}/{name}".replace("$", "$$")
    else:
        path = f"${{SECCOMP_PROFILE_DIR:-.}}/{name}"
    options = [f"seccomp:{path}"]
    if deployment.no_new_privileges:
        options.append("no-new-privileges:true")
    options += [one.replace("$", "$$") for one in deployment.kept_options]
    settings = CommentedMap()
    settings["privileged"] = False
    settings["cap_drop"] = _override(["ALL"])
    settings["cap_add"] = _override(deployment.bare_capabilities)
    settings["security_opt"] = _override(options)
    document = CommentedMap({"services": CommentedMap({deployment.service: settings})})
    document.yaml_set_start_comment(_header(deployment))
    return dump_yaml(document)


def compose_command(deployment: Deployment, *following: str, folder: str = ".") -> str:
    """Return the command line that uses the override.

    ``folder`` is the compose files' own, seen from where the line is typed.
    """
    files = [*(deployment.compose_files or ("compose.yaml",))]
    files.append(f"{deployment.profile_folder or 'FOLDER'}/{FILE_NAME}")
    words = ["docker", "compose"]
    for file in files:
        words += ["-f", posixpath.normpath(posixpath.join(folder, file))]
    words += following
    line = shlex.join(words)
    return line if deployment.profile_folder else f"SECCOMP_PROFILE_DIR=FOLDER {line}"


def _header(deployment: Deployment) -> str:
    command = compose_command(deployment, "up", "-d")
    text = _HEADER.format(service=deployment.service, command=command)
    text += "\n" + (_KNOWN if deployment.profile_folder else _UNKNOWN)
    # a path may hold anything; a line break would end the comment
    return "\n".join(
        "".join(one if " " <= one <= "~" else "?" for one in line) for line in text.split("\n")
    )


def _override(items: Sequence[str]) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.yaml_set_ctag(Tag(suffix="!override"))
    if not items:
        sequence.fa.set_flow_style()
    return sequence
