"""Workloads of a project file, probes, and masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.config import parse_config
from synth.errors import DataError, UsageError
from synth.files import parse_json
from synth.model import Workload
from synth.probe import ProbeTarget, parse_probe, probe_problem
from synth.recording import dump_recording, parse_recording
from synth.workloads import check_masks
from tests import builders

PROJECT = '[container]\nimage = "x"\n[[workload]]\nname = "w"\n'


def read(text: str, head: str = "") -> Workload:
    return parse_config((head + PROJECT + text).encode(), Path("p.toml")).workloads[0]


def test_a_probe_is_a_workload() -> None:
    work = read('get = "http://localhost:80/health?x=1"\ntimeout = 5\nfiles = ["/a"]')
    assert work == Workload(
        "w",
        ("GET", "http://localhost:80/health?x=1"),
        mode="probe",
        timeout_s=5.0,
        expected_exit=200,
        files=("/a",),
    )
    assert read('get = "http://[::1]/"\nexpected_status = 404').expected_exit == 404


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "nothing to run"),
        ('run = "a"\nget = "http://localhost/"', "exclude each other"),
        ('get = "http://localhost/"\nmode = "exec"', "mode belongs to run"),
        ('run = "a"\nexpected_status = 200', "expected_status belongs to get"),
        ('get = "https://localhost/"', "not an http:// URL"),
        ('get = "http://example.org/"', "not the container itself"),
        ('get = "http://169.254.169.254/latest"', "not the container itself"),
        ('get = "http://localhost:99999/"', "Port out of range"),
        ('run = "a"\nfiles = ["relative"]', "does not match"),
        ('run = "a"\nfiles = []', "non-empty"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read(text)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost", ProbeTarget("localhost", 80, "/")),
        ("http://LOCALHOST:8080/a/b?c=d&e", ProbeTarget("localhost", 8080, "/a/b?c=d&e")),
        ("http://127.9.9.9/%20", ProbeTarget("127.9.9.9", 80, "/%20")),
        ("http://[::1]:1/", ProbeTarget("::1", 1, "/")),
    ],
)
def test_where_a_probe_leads(url: str, target: ProbeTarget) -> None:
    assert parse_probe(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "file:///etc/passwd",
        "http://localhost@evil.example/",
        "http://user:word@localhost/",
        "http://localhost.evil.example/",
        "http://0.0.0.0/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/a b",
        "http://localhost/\u00e4",
        "http://localhost/#fragment",
        "http://localhost:port/",
        "http://localhost/" + "a" * 3000,
    ],
)
def test_no_probe_leads_elsewhere_or_says_more_than_a_path(url: str) -> None:
    assert probe_problem(("GET", url))


def test_a_line_break_in_a_url_is_never_sent() -> None:
    """The standard library drops some control characters from a URL; none may be left."""
    for url in ("http://localhost/a\r\nHost: b", "http://localhost/\x00", "http://localhost/\x7f"):
        try:
            target = parse_probe(url)
        except ValueError:
            continue
        assert all("!" <= one <= "~" for one in target.path)


def test_a_recording_cannot_make_us_ask_elsewhere() -> None:
    work = Workload("work", ("GET", "http://10.0.0.1/"), mode="probe", expected_exit=200)
    text = dump_recording(builders.recording(builders.run(), workloads=(work,)))
    with pytest.raises(DataError, match="a probe that cannot be made: not the container itself"):
        parse_recording(parse_json(text.encode(), where="r"), where="r")


def test_masks_are_regular_expressions() -> None:
    head = 'masks = ["session=[0-9a-f]+"]\n'
    assert parse_config((head + PROJECT + 'run = "a"').encode(), Path("p")).masks == (
        "session=[0-9a-f]+",
    )
    with pytest.raises(UsageError, match="not a regular expression"):
        check_masks(["("], "x")
    with pytest.raises(UsageError, match="matches nothing at all"):
        check_masks(["a*"], "x")
