"""Name the formats of a report, and write one in any of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from synth.errors import UsageError
from synth.report.model import Report
from synth.text import nearest

FORMATS = ("text", "json", "markdown", "html", "sarif", "github")
"""Each is a module of this package with a function ``render``; adding one is adding a name."""


def render(report: Report, form: str) -> str:
    """Return ``report`` in the format ``form``, the same bytes for the same report."""
    # imported when asked for: templates take a while that `github` should not pay
    module = importlib.import_module(f"synth.report.{form}")
    function: Callable[[Report], str] = module.render
    return function(report)


def parse_output(text: str) -> tuple[str, str]:
    """Return format and path of ``FORMAT=PATH`` or ``FORMAT``; the path ``-`` is stdout.

    Raises ``UsageError`` for a format that there is not.
    """
    form, _, path = text.partition("=")
    if form not in FORMATS:
        raise UsageError(
            f"no such format {form[:40]!r}",
            where="--output",
            slug="no-such-format",
            fix=nearest(form, FORMATS, f"choose from {', '.join(FORMATS)}"),
        )
    return form, path or "-"
