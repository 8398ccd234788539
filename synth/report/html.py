"""Write a report as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from synth import __version__
from synth.report import charts
from synth.report.model import NO, OPEN, YES, Report

SIGNS = {YES: "✓", NO: "✗", OPEN: "?"}
WORDS = {YES: "Yes", NO: "No", OPEN: "Open"}


def render(report: Report) -> str:
    """Return the report as HTML; equal reports give equal bytes."""
    style = _file("report.css")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            bar=charts.bar(report),
            grids=charts.grids(report),
            curve=charts.curve(report.discovery),
            charts=charts,
            signs=SIGNS,
            words=WORDS,
            version=__version__,
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    """Return templates that escape everything and fail on a name that is not there."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _file(name: str) -> str:
    folder = resources.files("synth.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")
