"""YAML from strangers: what it may hold, and what it may cost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from synth.errors import SeccompSynthError, UsageError
from synth.project.yaml import Override, Reset, load_yaml, parse_yaml


def test_plain_values_and_anchors() -> None:
    text = "a: &x {k: 1}\nb: *x\nc: {<<: *x, l: no}\nd: 2020-01-01\n1: one\n"
    assert parse_yaml(text, where="x") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 1, "l": "no"},
        "d": "2020-01-01",
        "1": "one",
    }


def test_composes_own_tags() -> None:
    found = parse_yaml("a: !override [x]\nb: !reset\nc: !override {d: 1}\n", where="x")
    assert found == {"a": Override(["x"]), "b": Reset(), "c": Override({"d": 1})}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
MERGES = "m0: &m0 {k: v}\n" + "".join(
    f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (BOMB, "aliases counted"),
        (MERGES, "aliases counted"),
        ("a: &a [*a]\n", "inside what it stands for"),
        ("a: &a {<<: *a}\n", "inside what it stands for"),
        ("[" * 100 + "]" * 100, "nested deeper"),
        ("- " * 3000 + "x\n", "nested deeper"),
        ("a: !!python/object/apply:os.system [id]\n", "x:1"),
        ("a: !secret x\n", "x:1"),
        ("a: 1\na: 2\n", "x:2"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("a: [1\n", "x:"),
        ("\ta: 1\n", "x:1"),
        ("a: \x1b[2J\n", "not valid YAML"),
        ("a: *nobody\n", "x:1|not valid|stands for"),
    ],
)
def test_what_is_refused_at_once(text: str, complaint: str) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match=complaint) as caught:
        parse_yaml(text, where="x")
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) < 400


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"a: " + b"x" * 600_000)
    (tmp_path / "latin").write_bytes(b"a: \xff\n")
    for name in ("big", "latin", ".", "missing", "/dev/zero"):
        with pytest.raises(SeccompSynthError):
            load_yaml(tmp_path / name)
