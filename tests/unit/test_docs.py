"""The documentation names what the code has, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from synth.equivalents import FAMILIES, SUCCESSORS
from synth.errors import ExitCode
from synth.refusals import ESCAPES, FALLBACKS, OLDEST_NEW_NUMBER
from synth.report.rules import RULES
from tests.kernel.test_fallbacks import CALLS

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("synth", "tracer") for path in (ROOT / folder).rglob("*.py")]


def slugs_in_code() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            slug = isinstance(node, ast.keyword) and node.arg == "slug" and node.value
            if isinstance(slug, ast.Constant):
                yield str(slug.value)


def test_every_error_is_explained() -> None:
    headings = re.findall(r"^### ([a-z-]+)$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == set(slugs_in_code())
    assert "[workload-failed]" in (ROOT / "synth/cli/record.py").read_text()


def test_every_finding_is_explained_once() -> None:
    documented = re.findall(r"^\| (SS\d{3}) \|", (ROOT / "docs/findings.md").read_text(), re.M)
    used = {one for path in SOURCES for one in re.findall(r'"(SS\d{3})"', path.read_text())}
    assert len(documented) == len(set(documented))
    assert set(documented) == used


def test_every_finding_has_a_name_for_sarif() -> None:
    """One that is missing in synth/report/rules.py would be shown by its number alone."""
    page = (ROOT / "docs/findings.md").read_text()
    documented = dict(re.findall(r"^\| (SS\d{3}) \| (error|warning|note) \|", page, re.M))
    assert {one: severity for one, (severity, _) in RULES.items()} == documented


def test_exit_statuses_in_the_readme() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [int(one) for one in rows] == [int(code) for code in ExitCode]


def test_decisions_are_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("0*.md")}


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_modules_are_of_a_size_to_live_in() -> None:
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 400, path


def quoted(text: str) -> list[str]:
    """Return the syscalls that a table cell names."""
    return re.findall(r"`([a-z0-9_]+)`", text)


def test_equivalents_are_the_codes() -> None:
    rows = re.findall(
        r"^\| (`[^|]+) \| ([^|]+) \| ([AB]) \|$",
        (ROOT / "docs/equivalents.md").read_text(),
        re.MULTILINE,
    )
    documented = [(frozenset(quoted(names)), reason, grade) for names, reason, grade in rows]
    assert documented == [tuple(family) for family in FAMILIES]


def test_successors_are_the_codes() -> None:
    rows = re.findall(
        r"^\| (`[^|]+) \| (`[^|]+) \| ([^|]+) \| ([AB]) \|$",
        (ROOT / "docs/equivalents.md").read_text(),
        re.MULTILINE,
    )
    documented = [
        (frozenset(quoted(older)), frozenset(quoted(newer)), reason, grade)
        for older, newer, reason, grade in rows
    ]
    assert documented == [tuple(one) for one in SUCCESSORS]


def test_errnos_are_the_codes() -> None:
    page = (ROOT / "docs/errno.md").read_text()
    _, aloud, policy = page.split("\n## ")[:3]
    first = [row.split("|")[1] for row in aloud.splitlines() if row.startswith("| `")]
    assert sorted(name for cell in first for name in quoted(cell)) == sorted(FALLBACKS)
    second = [row.split("|")[2] for row in policy.splitlines() if row.startswith("| ")]
    assert sorted(name for cell in second for name in quoted(cell)) == sorted(ESCAPES)
    assert f"from number {OLDEST_NEW_NUMBER}" in aloud.replace("\n", " ")


def test_the_calls_that_were_tried_are_the_tests() -> None:
    page = (ROOT / "docs/errno.md").read_text().split("\n## Tried\n")[1]
    assert set(CALLS) <= set(quoted(page))
    assert f"each of the {len(CALLS)}" in page
