"""Recordings from anywhere: what is refused, in one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.errors import DataError
from synth.recording import dump_recording, load_recording, parse_recording
from tests import builders

SAMPLE = Path(__file__).parents[1] / "data" / "recording-1.0.0.json"

Change = Callable[[dict[str, Any]], None]


def set_at(*path: str | int, value: object) -> Change:
    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def twice(*path: str | int) -> Change:
    """Say the first of a list again."""

    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for key in path:
            node = node[key]
        node.append(node[0])

    return change


def full() -> dict[str, Any]:
    """Return a document that has something of everything."""
    recording = builders.recording(
        builders.run(
            calls=[*builders.START, "socket"],
            arguments=[builders.sockets(1, 2)],
            denials=[builders.denial("keyctl", 1, arguments=((0, 0xFFFFFFFF, 11),))],
            capabilities=[builders.CapabilityUse("CAP_CHOWN", "chown", "chown", 1)],
        )
    )
    document: dict[str, Any] = json.loads(dump_recording(recording))
    return document


def test_the_sample_is_intact() -> None:
    parse_recording(full(), where="x")


HOSTILE: list[tuple[Change, str]] = [
    (set_at("schema", value="something/else"), "not a recording"),
    (set_at("schema_version", value="2.0.0"), "2.0.0"),
    (set_at("schema_version", value=1), "version"),
    (set_at("schema_version", value="1.3.1"), "reads up to 1.3.0"),
    (set_at("schema_version", value="0.9.0"), "never published"),
    (set_at("schema_version", value="1.0.0\n"), "version"),
    (set_at("extra", value=1), "unknown key 'extra'"),
    (lambda document: document.pop("health"), "key 'health' is missing"),
    (set_at("runs", value={}), "must be"),
    (set_at("runs", 0, "outcome", value="fine"), "must be one of"),
    (set_at("runs", 0, "workload", value="../x"), "form"),
    (set_at("runs", 0, "workload", value="nobody"), "nobody"),
    (set_at("runs", 0, "duration_ms", value=-1), "breaks minimum"),
    (set_at("runs", 0, "syscalls", 0, "name", value="opennat"), "opennat"),
    (set_at("runs", 0, "syscalls", 0, "number", value=435), "435"),
    (set_at("runs", 0, "syscalls", 0, "number", value=True), "must be"),
    (set_at("runs", 0, "syscalls", 0, "arch", value="vax"), "must be one of"),
    (set_at("runs", 0, "syscalls", 0, "arch", value="aarch64"), "aarch64"),
    (set_at("runs", 0, "syscalls", 0, "phase", value="boot"), "must be one of"),
    (set_at("runs", 0, "syscalls", 0, "program", value="x" * 5000), "longer than"),
    (set_at("runs", 0, "arguments", 0, "values", 0, 0, value="0xzz"), "form"),
    (set_at("runs", 0, "arguments", 0, "values", 0, value=["0x1"]), "socket"),
    (set_at("runs", 0, "denials", 0, "errno", value=5000), "breaks maximum"),
    (set_at("runs", 0, "capabilities", 0, "name", value="CAP_FOO"), "CAP_FOO"),
    (set_at("subject", "cap_add", value=["CAP_FOO"]), "CAP_FOO"),
    (set_at("workloads", 0, "mode", value="spawn"), "must be one of"),
    (set_at("health", "ok", value="yes"), "must be"),
    (set_at("health", "ok", value=False), "contradicts"),
    (set_at("health", "problems", value=["lost 3"]), "contradicts"),
    (set_at("runs", 0, "duration_ms", value=float("nan")), "not a number"),
    (set_at("runs", 0, "syscalls", 0, "first_ms", value=float("inf")), "breaks maximum"),
    (set_at("runs", 0, "syscalls", 0, "program", value="\ud800"), "surrogate"),
    (set_at("runs", 0, "workload", value="work\n"), "form"),
    (set_at("runs", 0, "syscalls", 0, "program", value={}), "must be"),
    (set_at("\x1b[31m" * 500, value=1), "unknown key"),
    (set_at("workloads", value=[]), "no workload"),
    (set_at("runs", 0, "arguments", 0, "values", 0, 1, value="0x10"), "outside its mask"),
    (twice("runs"), "the same run"),
    (twice("workloads"), "the same workload"),
    (twice("runs", 0, "syscalls"), "the same syscall"),
    (twice("runs", 0, "arguments"), "the same argument list"),
    (twice("runs", 0, "arguments", 0, "values"), "the same argument value"),
    (twice("runs", 0, "arguments", 0, "fields"), "the same argument"),
    (twice("runs", 0, "denials"), "the same denial"),
    (twice("runs", 0, "denials", 0, "arguments"), "the same argument"),
    (twice("runs", 0, "capabilities"), "the same capability use"),
    (twice("subject", "capabilities"), "the same capability"),
]


@pytest.mark.parametrize(("change", "complaint"), HOSTILE)
def test_what_is_refused(change: Change, complaint: str) -> None:
    document = full()
    change(document)
    with pytest.raises(DataError) as refusal:
        parse_recording(document, where="x.json")
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty file"),
        (b"{}", "not a recording"),
        (b"[]", "not a recording"),
        (b"null", "not a recording"),
        (SAMPLE.read_bytes()[:-200] if SAMPLE.exists() else b"{", "not valid JSON"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "a.recording.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        load_recording(path)


def test_every_published_version_is_read() -> None:
    samples = sorted((Path(__file__).parents[1] / "data").glob("recording-*.json"))
    assert samples
    for sample in samples:
        assert load_recording(sample).runs
