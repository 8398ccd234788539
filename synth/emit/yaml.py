"""Write YAML that readers of both versions take for the same.

Kubernetes and older Compose read YAML 1.1, where ``no``, ``on`` and ``1_000`` are no text.
"""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

_PLAIN = re.compile(r"[A-Za-z_./][ -~]*", re.ASCII)
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def dump_yaml(document: Any) -> str:
    """Return ``document`` as YAML; the same for the same document."""
    writer = YAML()
    writer.Representer = _Representer
    writer.width = 4096
    writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()


class _Representer(RoundTripRepresenter):
    """Quote text that version 1.1 would take for something else."""


def _represent(representer: RoundTripRepresenter, text: str) -> ScalarNode:
    style = None if _PLAIN.fullmatch(text) and text.lower().strip(".") not in _WORDS else '"'
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _represent)
