"""Write what workloads would lack under a profile of the others: as text, Markdown or JSON.

The JSON is ``synth/schemas/cross-1.0.0.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction

from synth.cross import Cross, Row
from synth.document import compact_json
from synth.report.markdown import escape
from synth.text import listed, many, one_line

SCHEMA = "seccomp-synth/cross"
SCHEMA_VERSION = "1.0.0"
# Versions:
# 1.0.0: first

HEAD = ("workload", "calls", "covered", "would lack", "makes alone")
SHOWN, NAME = 8, 60


def render_text(result: Cross) -> str:
    """Return the table for a terminal, names in full width, the rest bounded."""
    rows = [HEAD, *(_cells(row) for row in result.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    return "\n".join([*(line.rstrip() for line in lines), "", summary(result)]) + "\n"


def render_markdown(result: Cross) -> str:
    """Return the table as GitHub's Markdown."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    lines += [f"| {' | '.join(escape(cell) for cell in _cells(row))} |" for row in result.rows]
    return "\n".join([*lines, "", escape(summary(result))]) + "\n"


def render_json(result: Cross) -> str:
    """Return the table as JSON; equal tables give equal bytes."""
    rows = [{**asdict(row), "covered": _rounded(row.covered)} for row in result.rows]
    return compact_json(
        {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "covered": _rounded(result.covered),
            "lacking": result.lacking,
            "rows": rows,
        }
    )


def summary(result: Cross) -> str:
    """Return the answer in one sentence."""
    return (
        f"{result.lacking} of {many(len(result.rows), 'workload')} would lack something under a "
        f"profile of the others; on average {_percent(result.covered)} of a workload's calls are "
        "covered"
    )


def _cells(row: Row) -> Sequence[str]:
    lacked = sorted({one.describe() for one in row.lacked})
    return (
        one_line(row.workload, NAME),
        str(row.calls),
        _percent(row.covered),
        "everything: there is no other" if row.alone else _listed(lacked),
        _listed(row.own),
    )


def _listed(names: Sequence[str]) -> str:
    return listed([one_line(name, NAME) for name in names], SHOWN) or "-"


def _percent(share: Fraction) -> str:
    """Return a share in percent, rounded down: 100 % shall mean all."""
    tenths = share * 1000 // 1
    return f"{tenths // 10}.{tenths % 10} %"


def _rounded(share: Fraction) -> float:
    return float(share * 10_000 // 1) / 10_000
