"""Recognise documents that certainly follow their schema, at a fraction of jsonschema's price.

A schema is turned into nested functions once.  They answer "yes, valid" or "not sure": whatever
they are not sure of goes to jsonschema, which alone refuses a document and says why.  A schema
with a keyword that is not known here is never sure.  A property test holds that what is accepted
here is accepted there, for every schema we have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

Check = Callable[[Any], bool]
Schema = Mapping[str, Any]

_SIZES = ("minProperties", "maxProperties")
_ANNOTATIONS = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "examples"))


def certainly_valid(document: object, name: str) -> bool:
    """Tell whether ``document`` certainly follows the schema file ``name``.

    Certainly valid documents hold no text with lone surrogates either.  ``False`` means nothing.
    """
    return _check_of(name, "")(document)


@cache
def _schema(name: str) -> Any:
    path = resources.files("synth").joinpath("schemas").joinpath(name)
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _check_of(name: str, pointer: str) -> Check:
    """Return the check for one place of one schema file; our schemas do not refer in circles."""
    schema = _schema(name)
    for part in pointer.split("/")[1:]:
        schema = schema[part]
    return _compiled(schema, name)


def _compiled(schema: Any, name: str) -> Check:
    """Return the check for ``schema``, a part of the file ``name``."""
    if not isinstance(schema, dict):
        return _never
    keys = set(schema) - _ANNOTATIONS
    if keys == {"$ref"}:
        file, _, pointer = schema["$ref"].partition("#")
        return _check_of(file.rpartition("/")[2] or name, pointer)
    if keys in ({"const"}, {"enum"}):
        return _among([schema["const"]] if "const" in schema else schema["enum"])
    makers: dict[Any, tuple[Callable[[Schema, str], Check], set[str]]] = {
        "object": (_object, {"properties", "required", "additionalProperties", *_SIZES}),
        "array": (_array, {"items", "minItems", "maxItems"}),
        "string": (_string, {"minLength", "maxLength", "pattern"}),
        "integer": (_integer, {"minimum", "maximum"}),
        "number": (_number, {"minimum", "maximum", "exclusiveMinimum"}),
        "boolean": (_boolean, set()),
    }
    kind = schema.get("type")
    if isinstance(kind, list) and set(kind) == {"integer", "null"}:
        integer = _compiled({**schema, "type": "integer"}, name)
        return lambda value: value is None or integer(value)
    if not isinstance(kind, str) or kind not in makers:
        return _never
    maker, known = makers[kind]
    return maker(schema, name) if keys - {"type"} <= known else _never


def _never(value: Any) -> bool:
    return False


def _among(values: list[Any]) -> Check:
    """Accept one of some strings, or one list of them; 1 and true are too much alike for more."""
    if len(values) == 1 and isinstance(values[0], list):
        wanted = values[0]
        plain = all(isinstance(one, str) and one.isascii() for one in wanted)
        return (lambda value: type(value) is list and value == wanted) if plain else _never
    if not all(isinstance(one, str) and one.isascii() for one in values):
        return _never
    allowed = frozenset(values)
    return lambda value: type(value) is str and value in allowed


def _boolean(schema: Schema, name: str) -> Check:
    return lambda value: value is True or value is False


def _integer(schema: Schema, name: str) -> Check:
    low, high = schema.get("minimum", -(1 << 64)), schema.get("maximum", 1 << 64)
    return lambda value: type(value) is int and low <= value <= high


def _number(schema: Schema, name: str) -> Check:
    low, high = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
    above = schema.get("exclusiveMinimum", -1e301)
    return lambda value: type(value) in (int, float) and low <= value <= high and value > above


def _string(schema: Schema, name: str) -> Check:
    low, high = schema.get("minLength", 0), schema.get("maxLength", 1 << 31)
    find = re.compile(schema["pattern"]).search if "pattern" in schema else None
    accepted: set[str] = set()

    def check(value: Any) -> bool:
        if type(value) is not str:
            return False
        if value in accepted:
            return True
        if not value.isascii() or not low <= len(value) <= high:
            return False
        if find is not None and find(value) is None:
            return False
        if len(value) <= _REMEMBERED_LENGTH and len(accepted) < _REMEMBERED:
            accepted.add(value)  # names and programs come again and again
        return True

    return check


_REMEMBERED, _REMEMBERED_LENGTH = 4096, 80


def _array(schema: Schema, name: str) -> Check:
    low, high = schema.get("minItems", 0), schema.get("maxItems", 1 << 31)
    item = _compiled(schema.get("items"), name)
    return lambda value: type(value) is list and low <= len(value) <= high and all(map(item, value))


def _object(schema: Schema, name: str) -> Check:
    checks = {key: _compiled(one, name) for key, one in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    further = schema.get("additionalProperties", True)
    other = _never if isinstance(further, bool) else _compiled(further, name)
    everything = required == frozenset(checks) and other is _never
    low, high = schema.get("minProperties", 0), schema.get("maxProperties", 1 << 31)

    def check(value: Any) -> bool:
        if type(value) is not dict or not low <= len(value) <= high:
            return False
        if everything and value.keys() != required:
            return False
        if not everything and not value.keys() >= required:
            return False
        for key, one in value.items():
            known = checks.get(key)
            if known is not None:
                if not known(one):
                    return False
            elif not isinstance(key, str) or not key.isascii() or not other(one):
                return False
        return True

    return check
