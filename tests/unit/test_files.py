"""Bounded reading and atomic writing."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import DataError, UsageError
from synth.files import (
    MAX_DEPTH,
    load_json,
    parse_json,
    read_bounded,
    require_writable,
    write_atomic,
)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty file"),
        (b'{"a": 1', "not valid JSON"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        (b'{"a": {"b": 1, "b": 2}}', "duplicate key 'b'"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1} {"b": 2}', "Extra data"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested deeper"),
        (b"[" * 200_000, "nested deeper"),
        (b"1" * 10_000, "not valid JSON"),
    ],
)
def test_json_that_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        parse_json(content, where="x.json")


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    assert parse_json(b'{"a": "' + b"[" * 100 + b'\\""}', where="x") == {"a": "[" * 100 + '"'}


def test_a_syntax_error_has_line_and_column() -> None:
    with pytest.raises(DataError) as refusal:
        parse_json(b'{\n  "a": ,\n}', where="x.json")
    assert refusal.value.where == "x.json:2:8"


def test_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(b" " * 101)
    with pytest.raises(DataError, match="larger than 100 bytes"):
        load_json(path, limit=100)


def test_special_files_do_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), tmp_path):
        with pytest.raises((DataError, UsageError)):
            read_bounded(path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_bounded(tmp_path / "none.json")


def test_write_refuses_what_exists(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(UsageError, match="exists already"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    write_atomic(path, "new", force=True)
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.json"], "no temporary file is left"


def test_write_never_follows_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "out.json"
    link.symlink_to(victim)
    with pytest.raises(UsageError):
        write_atomic(link, "new")
    write_atomic(link, "new", force=True)
    assert victim.read_text() == "precious"
    assert not link.is_symlink()


def test_write_without_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomic(tmp_path / "no" / "out.json", "x")


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    require_writable(tmp_path / "out.json", force=False)
    assert os.listdir(tmp_path) == []
    with pytest.raises(UsageError, match="cannot be written"):
        require_writable(tmp_path / "no" / "out.json", force=False)
    (tmp_path / "out.json").touch()
    with pytest.raises(UsageError, match="exists already"):
        require_writable(tmp_path / "out.json", force=False)
    require_writable(tmp_path / "out.json", force=True)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_atomic(path, "a" * 100_000)
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            text = path.read_text()
            seen.add(f"{text[:1]}{len(text)}{text[-1:]}")

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcdef" * 5:
        write_atomic(path, letter * 100_000, force=True)
    stop.set()
    reader.join()
    assert all(entry[0] == entry[-1] and entry[1:-1] == "100000" for entry in seen)


DEEP = st.recursive(
    st.sampled_from(["1", '""', '"[["', '"]}"', r'"\"["', '"é"', "null"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]"),
        inner.map(lambda part: '{"{[": ' + part + "}"),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(DEEP, st.integers(0, 40))
def test_nesting_is_bounded_exactly_whatever_strings_hold(text: str, more: int) -> None:
    text = "[" * more + text + "]" * more

    def depth(value: object) -> int:
        if isinstance(value, dict | list):
            members = value.values() if isinstance(value, dict) else value
            return 1 + max(map(depth, members), default=0)
        return 0

    if depth(json.loads(text)) <= MAX_DEPTH:
        assert parse_json(text.encode(), where="x") == json.loads(text)
    else:
        with pytest.raises(DataError, match="nested deeper"):
            parse_json(text.encode(), where="x")


@settings(max_examples=300, deadline=None)
@given(st.text('[]{}",\\ 1', max_size=80))
def test_nothing_hostile_gets_past_the_bound(text: str) -> None:
    with contextlib.suppress(DataError):
        parse_json(text.encode(), where="x")
