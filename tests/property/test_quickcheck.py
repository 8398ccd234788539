"""What the quick check accepts is valid: against jsonschema, for every schema, however mutilated.

The other direction is not promised, but for the documents that we write ourselves it is what
makes reading them fast.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource

from synth.document import _validator
from synth.quickcheck import certainly_valid
from synth.recording import dump_recording
from tests import builders

ROOT = Path(__file__).parents[2]
SCHEMAS = {path.name: json.loads(path.read_text()) for path in ROOT.glob("synth/schemas/*.json")}


def load(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


FULL = builders.recording(
    builders.run(
        "w",
        arguments=[builders.sockets(1, 2)],
        denials=[builders.denial("mount", 1, arguments=((0, 255, 3),))],
        capabilities=[builders.CapabilityUse("CAP_CHOWN", "chown", "sh", 2)],
    )
)
NEWEST = json.loads(dump_recording(FULL))
SAMPLES = {
    "recording-1.0.0.json": load("tests/data/recording-1.0.0.json"),
    f"recording-{NEWEST['schema_version']}.json": NEWEST,
    "baseline-1.0.0.json": load("baselines/docker-25.0.json"),
    "capabilities-1.0.0.json": load("tests/golden/portable/capabilities.json"),
}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.sampled_from([1 << 63, 1 << 64, -1, 10**30, 0.5, 1.0, -0.0, 1e308]),
    st.text(max_size=5),
    st.sampled_from(
        ["", "ok", "read", "CAP_CHOWN", "x86_64", "0x1", "\ud800", "é", "a\n", "0" * 64]
    ),
    st.just([]),
    st.just({}),
    st.just({"\ud800": 1}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every member of a document, the first three of a list only."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, one in list(value.items())[:30]:
            found += places(one, (*path, key))
    elif isinstance(value, list):
        for position, one in enumerate(value[:3]):
            found += places(one, (*path, position))
    return found


PLACES = {name: places(document) for name, document in SAMPLES.items()}


def really_valid(document: Any, name: str) -> bool:
    if name == "baseline-1.0.0.json":
        return jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(document)
    return _validator(name).is_valid(document)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_our_own_documents_are_quick(name: str) -> None:
    assert certainly_valid(SAMPLES[name], name)
    assert really_valid(SAMPLES[name], name)


@pytest.mark.parametrize("path", sorted((ROOT / "baselines").glob("*.json")), ids=lambda p: p.stem)
def test_every_baseline_is_quick(path: Path) -> None:
    assert certainly_valid(json.loads(path.read_text()), "baseline-1.0.0.json")


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(sorted(SAMPLES)))
def test_what_is_accepted_is_valid(data: st.DataObject, name: str) -> None:
    document = copy.deepcopy(SAMPLES[name])
    for path in data.draw(st.lists(st.sampled_from(PLACES[name]), min_size=1, max_size=2)):
        parent = document
        for part in path[:-1]:
            try:
                parent = parent[part]
            except (KeyError, IndexError, TypeError):
                break
        if not isinstance(parent, dict | list) or not parent:
            continue
        what = data.draw(st.sampled_from(["set", "set", "drop", "add"]))
        key = path[-1] if isinstance(parent, dict) else min(len(parent) - 1, 0)
        if what == "set":
            parent[key] = data.draw(VALUES)
        elif what == "drop" and (isinstance(parent, list) or key in parent):
            del parent[key]
        elif what == "add" and isinstance(parent, dict):
            parent[data.draw(st.text(max_size=3))] = data.draw(VALUES)
        elif what == "add" and isinstance(parent, list):
            parent.append(data.draw(VALUES))
    if certainly_valid(document, name):
        assert really_valid(document, name)
        json.dumps(document, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_no_schema_accepts_just_anything(name: str, value: Any) -> None:
    if certainly_valid(value, name):
        registry: Registry[Any] = Registry().with_resources(
            (one["$id"], Resource.from_contents(one)) for one in SCHEMAS.values()
        )
        schema = SCHEMAS[name]
        assert jsonschema.Draft202012Validator(schema, registry=registry).is_valid(value)
