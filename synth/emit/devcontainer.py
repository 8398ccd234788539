"""Write what belongs into a devcontainer.json, and say what such a file cannot express."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from synth.emit.deployment import PROFILE, Deployment, comment

FILE_NAME = "devcontainer.snippet.jsonc"

_REBUILD = """\
A changed profile is not noticed: rebuild the container then, in the editor or with
  devcontainer up --workspace-folder . --remove-existing-container
"""

_MERGED = """\
  devcontainer read-configuration --workspace-folder . --include-merged-configuration"""

_EXECUTED = """\
- the editor's server, terminals and tasks arrive by `docker exec`: record them too
  (seccomp-synth record --container NAME while you work)"""

_HEADER = """\
Put these keys into devcontainer.json in place of what it has under the same names.
{rebuild}
What a devcontainer.json cannot say, and what to look at therefore:
- there is no capDrop: capabilities are dropped by runArgs;
- "privileged": true in the image's label devcontainer.metadata or in a Feature wins over the
  false here, and then neither filter nor list is in force. Capabilities that they add are added.
  A seccomp option of theirs comes before securityOpt, where the last one wins, but after runArgs:
  leave the profile in securityOpt. See what is merged:
  {merged}
{executed};
- a devcontainer made of compose files ignores runArgs. There it is
    "dockerComposeFile": [{files}]
  without "privileged", "capAdd" and "securityOpt", which go before what the override says."""

_HEADER_COMPOSE = """\
This devcontainer is made of compose files: put this key into devcontainer.json, and take out
"privileged", "capAdd" and "securityOpt": they go before what the override says, and a seccomp
option there would replace the profile.
{rebuild}
What to look at:
- "privileged": true in the image's label devcontainer.metadata or in a Feature takes filter and
  list out of force; capabilities and security options that they name are added. See what is
  merged:
  {merged}
{executed}."""


def devcontainer_snippet(deployment: Deployment) -> str:
    """Return the snippet as JSON with comments, as devcontainer.json may have them."""
    workspace = deployment.workspace
    files = [*workspace.compose_files, workspace.override]
    document: dict[str, Any]
    if workspace.of_compose:
        header, document = _HEADER_COMPOSE, {"dockerComposeFile": files}
    else:
        header, document = _HEADER, _settings(deployment)
    text = header.format(
        rebuild=_REBUILD,
        merged=_MERGED,
        executed=_EXECUTED,
        files=", ".join(json.dumps(one) for one in files),
    )
    return comment(text, "//") + json.dumps(document, indent=2) + "\n"


def _settings(deployment: Deployment) -> dict[str, Any]:
    path = posixpath.normpath(f"{deployment.workspace.folder}/{PROFILE}")
    options = [f"seccomp=${{localWorkspaceFolder}}/{path}"]
    if deployment.no_new_privileges:
        options.append("no-new-privileges")
    options += deployment.kept_options
    return {
        "privileged": False,
        "capAdd": list(deployment.bare_capabilities),
        "runArgs": ["--cap-drop=ALL"],
        "securityOpt": options,
    }
