"""Write a Compose override that puts profile and capabilities on a service."""

from __future__ import annotations

import io
from collections.abc import Sequence

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.tag import Tag

FILE_NAME = "compose.override.yaml"

_HEADER = """\
Puts the seccomp profile and the capability list on the service {service!r}. Use it as
  SECCOMP_PROFILE_DIR=FOLDER docker compose -f compose.yaml -f FOLDER/{file} up
FOLDER is where seccomp.json is, seen from the project's folder. The lists replace those of the
base file (!override: Compose 2.24.4 and later), which would otherwise be added to them."""


def compose_override(service: str, cap_add: Sequence[str], *, no_new_privileges: bool) -> str:
    """Return the override as YAML; the same for the same input, wherever it is written."""
    options = ["seccomp:${SECCOMP_PROFILE_DIR:-.}/seccomp.json"]
    if no_new_privileges:
        options.append("no-new-privileges:true")
    settings = CommentedMap()
    settings["privileged"] = False
    settings["cap_drop"] = _override(["ALL"])
    settings["cap_add"] = _override([name.removeprefix("CAP_") for name in cap_add])
    settings["security_opt"] = _override(options)
    document = CommentedMap({"services": CommentedMap({service: settings})})
    document.yaml_set_start_comment(_HEADER.format(service=service, file=FILE_NAME))
    writer = YAML()
    writer.width = 4096
    writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()


def _override(items: Sequence[str]) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.yaml_set_ctag(Tag(suffix="!override"))
    if not items:
        sequence.fa.set_flow_style()
    return sequence
