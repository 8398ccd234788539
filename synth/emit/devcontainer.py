"""Write what belongs into a devcontainer.json, and say what such a file cannot express."""

from __future__ import annotations

import json

from synth.emit.compose import FILE_NAME as COMPOSE
from synth.emit.deployment import PROFILE, Deployment, comment

FILE_NAME = "devcontainer.snippet.jsonc"

_HEADER = """\
Put these keys into devcontainer.json (lists: take out what is there) and rebuild the container:
a changed profile is not noticed.

What a devcontainer.json cannot say, and what to look at therefore:
- there is no capDrop: capabilities are dropped by runArgs;
- Features and the image's label devcontainer.metadata may add capabilities, privileged and
  seccomp options of their own. The profile stands in securityOpt, which comes last and wins;
  runArgs come before those of Features and would lose. See what is merged:
    devcontainer read-configuration --workspace-folder . --include-merged-configuration
- the editor's server, terminals and tasks arrive by `docker exec`: record them too
  (seccomp-synth record --container NAME while you work);
- a devcontainer made of compose files ignores runArgs, capAdd and securityOpt; there it is
    "dockerComposeFile": [{compose}]"""


def devcontainer_snippet(deployment: Deployment) -> str:
    """Return the snippet as JSON with comments, as devcontainer.json may have them."""
    folder = (deployment.profile_folder or ".").removeprefix("./")
    options = [f"seccomp=${{localWorkspaceFolder}}/{folder}/{PROFILE}"]
    if deployment.no_new_privileges:
        options.append("no-new-privileges")
    options += deployment.kept_options
    document = {
        "privileged": False,
        "capAdd": list(deployment.bare_capabilities),
        "runArgs": ["--cap-drop=ALL"],
        "securityOpt": options,
    }
    files = [*(deployment.compose_files or ("compose.yaml",)), f"{folder}/{COMPOSE}"]
    named = ", ".join(json.dumps(f"../{one}") for one in files)
    return comment(_HEADER.format(compose=named), "//") + json.dumps(document, indent=2) + "\n"
