"""Properties of recordings and of combining them."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import DataError
from synth.evidence import combine, merge
from synth.files import parse_json
from synth.model import Recording
from synth.recording import dump_recording, parse_recording
from tests.strategies import recordings

LISTS = st.lists(recordings(), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_parsing_undoes_writing(recording: Recording) -> None:
    text = dump_recording(recording)
    again = parse_recording(parse_json(text.encode(), where="x"), where="x")
    assert again == recording
    assert dump_recording(again) == text


@settings(max_examples=100, deadline=None)
@given(recordings(), st.data())
def test_damage_is_refused_or_harmless(recording: Recording, data: st.DataObject) -> None:
    """Whatever one does to a file, the reader refuses it in its own words or reads it."""
    text = dump_recording(recording).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    damage = data.draw(st.sampled_from([b"", b"x", b'"', b"}", b"9", b"-", b"\x00", b"null"]))
    try:
        parse_recording(parse_json(text[:at] + damage + text[at + 1 :], where="x"), where="x")
    except DataError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 600


@settings(max_examples=60, deadline=None)
@given(recordings(), st.data())
def test_a_wrong_value_anywhere_is_refused_or_harmless(
    recording: Recording, data: st.DataObject
) -> None:
    document = json.loads(dump_recording(recording))
    node: object = document
    while isinstance(node, dict | list) and node:
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(list(keys)))
        if data.draw(st.booleans()) or not isinstance(node[key], dict | list):
            node[key] = data.draw(st.sampled_from([None, -1, "x" * 70_000, [], {}, 1e300, True]))
            break
        node = node[key]
    try:
        parse_recording(document, where="x")
    except DataError as error:
        assert len(str(error)) < 600


@settings(max_examples=40, deadline=None)
@given(recordings(), recordings(), recordings())
def test_combining_is_a_union(a: Recording, b: Recording, c: Recording) -> None:
    one, two, three = combine([a]), combine([b]), combine([c])
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one
    assert combine([a, b, a]) == merge(one, two)
