"""Workloads left out one by one, and the table of what each would lack."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from synth.baseline import load_baseline
from synth.cross import (
    Cross,
    Lacked,
    Row,
    cross,
    cross_findings,
    lacked_live,
    offline_oracle,
    only_workload,
    without_workload,
    workloads,
)
from synth.document import check_document
from synth.evidence import combine
from synth.generate import generate
from synth.model import Recording, Workload
from synth.report.cross import render_json, render_markdown, render_text
from synth.resolve import Resolved
from synth.wanted import Tightness
from tests import builders
from tests.reports import HOSTILE

BASELINE = load_baseline("docker-25.0").profile


def make(recordings: tuple[Recording, ...]) -> Resolved:
    return generate(combine(recordings), BASELINE, (), Tightness.EXACT).resolved


def several() -> Recording:
    """Return a recording of three workloads in one container."""
    git = [*builders.START, "socket", "symlink"]
    works = [Workload(name, ("true",), mode="exec") for name in ("git", "http", "tests")]
    return builders.recording(
        builders.run("tests", [*builders.START, "mkdir", "symlink"]),
        builders.run("git", git, arguments=[builders.sockets(2)]),
        builders.run("http", [*builders.START, "socket"], arguments=[builders.sockets(1)]),
        builders.run("main", [*builders.START, "pause"]),
        workloads=(*works, Workload("main", ("sleep",), mode="main")),
    )


def names(recording: Recording) -> tuple[set[str], set[str]]:
    return {one.workload for one in recording.runs}, {one.name for one in recording.workloads}


def test_a_workload_takes_its_runs_with_it_and_the_main_process_stays() -> None:
    (left,) = without_workload([several()], "git")
    assert names(left) == ({"tests", "http", "main"},) * 2
    (alone,) = only_workload([several()], "git")
    assert names(alone) == ({"git", "main"},) * 2


def test_a_recording_with_nothing_left_vanishes() -> None:
    single = builders.recording(builders.run("git"))
    assert without_workload([single, several()], "git") == without_workload([several()], "git")
    (left,) = without_workload([several()], "git")
    assert without_workload(without_workload([left], "tests"), "http") == ()


def test_the_main_process_is_never_left_out() -> None:
    assert workloads([several()]) == ("git", "http", "tests")
    assert without_workload([several()], "main") == (several(),)


def test_each_workload_lacks_what_the_others_do_not_make() -> None:
    result = cross([several()], offline_oracle(make))
    rows = {row.workload: row for row in result.rows}
    assert list(rows) == ["git", "http", "tests"]
    assert [one.describe() for one in rows["tests"].lacked] == ["mkdir"]
    assert [one.describe() for one in rows["git"].lacked] == ["socket(0x2, 0x1)"]
    assert [one.describe() for one in rows["http"].lacked] == ["socket(0x1, 0x1)"]
    assert rows["tests"].own == ("mkdir",)
    assert rows["git"].own == rows["http"].own == ()
    assert rows["tests"].calls == len(builders.START) + 2
    assert rows["tests"].covered == Fraction(9, 10)
    assert result.lacking == 3
    found = cross_findings(result)
    assert [(one.id, one.subject) for one in found] == [
        ("SS809", "git"),
        ("SS809", "http"),
        ("SS809", "tests"),
    ]
    assert found[2].evidence == ("mkdir",)
    assert "1 call" in found[2].message


def test_calls_of_the_main_process_are_not_a_workloads_own() -> None:
    recording = several()
    pausing = builders.recording(builders.run("tests", [*builders.START, "pause"]))
    result = cross([recording, pausing], lambda rest, own: ())
    assert {row.workload: row.own for row in result.rows}["tests"] == ("mkdir",)


def test_the_runtimes_calls_do_not_count() -> None:
    calls = [*builders.START, builders.call("pause", phase="runtime")]
    row = cross([builders.recording(builders.run("w", calls))], lambda rest, own: ()).rows[0]
    assert row.calls == len(builders.START)


def test_the_only_workload_lacks_everything() -> None:
    result = cross([builders.recording()], offline_oracle(make))
    (row,) = result.rows
    assert row.alone
    assert len(row.lacked) == row.calls == len(builders.START)
    assert row.covered == 0
    assert "no other workload" in cross_findings(result)[0].message


def test_a_table_that_the_others_do_not_use_is_lacked() -> None:
    foreign = builders.recording(
        builders.run("old", [*builders.START, builders.call("getpid", "wine", arch="x86")])
    )
    rows = cross([foreign, builders.recording()], offline_oracle(make)).rows
    assert rows[0].lacked == (Lacked("x86", "getpid", "", "wine"),)
    assert rows[0].lacked[0].describe() == "x86 getpid"
    assert rows[1].lacked == ()


def test_live_refusals_count_that_were_not_met_when_recorded() -> None:
    known = builders.denial("clone3", 38)
    value = ((0, builders.INT, 10),)
    recorded = builders.recording(builders.run("w", denials=[known]))
    new = builders.denial("socket", 38, "curl", arguments=value)
    replayed = [
        builders.run("w", denials=[known, new]),
        builders.run("v", denials=[builders.denial("ptrace")]),
    ]
    lacked = lacked_live("w", replayed, [recorded])
    assert lacked == {Lacked("x86_64", "socket", "argument 0: 0xa", "curl")}


TABLE = Cross(
    (
        Row("git", 41, (Lacked("x86_64", "symlink", "", "git"),), ("symlink",)),
        Row("http", 3, (), ()),
    )
)


def test_text() -> None:
    assert render_text(TABLE) == (
        "workload  calls  covered  would lack  makes alone\n"
        "git       41     97.5 %   symlink     symlink\n"
        "http      3      100.0 %  -           -\n"
        "\n"
        "1 of 2 workloads would lack something under a profile of the others; on average 98.7 % of "
        "a workload's calls are covered\n"
    )


def test_markdown() -> None:
    lines = render_markdown(TABLE).splitlines()
    assert lines[:3] == [
        "| workload | calls | covered | would lack | makes alone |",
        "| --- | --- | --- | --- | --- |",
        "| git | 41 | 97\\.5 % | symlink | symlink |",
    ]


def test_json_follows_its_schema() -> None:
    document = json.loads(render_json(TABLE))
    check_document(document, schema="seccomp-synth/cross", versions=("1.0.0",), where="x")
    assert document["rows"][0]["covered"] == 0.9756
    assert document["rows"][0]["lacked"][0]["name"] == "symlink"
    assert document["lacking"] == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_keeps_its_place(text: str) -> None:
    table = Cross((Row(text, 1, (Lacked("x86_64", text, text, text),), (text,)),))
    assert len(render_text(table).splitlines()) == 4
    assert "\x1b" not in render_text(table)
    markdown = render_markdown(table).splitlines()
    assert len(markdown) == 5
    assert markdown[2].count("|") == len(markdown[1].replace(" --- ", ""))
    assert "<" not in markdown[2]
    assert render_json(table).isascii()


def test_nothing_recorded_is_an_empty_table() -> None:
    assert cross([], offline_oracle(make)) == Cross(())
    assert Cross(()).covered == 1
    assert cross_findings(Cross(())) == ()
