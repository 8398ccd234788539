"""Check a JSON document against the schema of its format, and write one compactly.

A refusal is one line with the place in the document.  It never repeats a value of the document
at length: the document may have been written to fill a screen or to steer a terminal.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from synth.errors import DataError
from synth.quickcheck import certainly_valid

if TYPE_CHECKING:
    import jsonschema

WIDTH = 140
"""Columns that one line of our compact JSON fills at most, if it can be broken."""

SHOWN = 60
"""Characters of foreign text that an error message repeats at most."""

OURS = "seccomp-synth"
"""What the name of each of our formats begins with."""

_NAME = re.compile(r"[a-z]{1,20}", re.ASCII)
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})", re.ASCII)


def check_document(
    document: object, *, schema: str, versions: tuple[str, ...], where: str
) -> dict[str, Any]:
    """Return ``document`` if it is of format ``schema`` (``seccomp-synth/NAME``), in a version.

    ``versions`` are the published ones, the newest last.

    Raises ``DataError``: ``wrong-schema`` for another format, ``newer-version`` for one that
    this release cannot read, ``bad-document`` for the first place that breaks the schema.
    """
    name = schema.partition("/")[2]
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise _other_kind(document, name, where)
    version = _check_version(document.get("schema_version"), name, versions, where)
    file = f"{name}-{version}.json"
    if certainly_valid(document, file):
        return document
    error = next(_validator(file).iter_errors(document), None)
    if error is not None:
        raise bad_document(f"{_place(error)}: {_explain(error)}", where)
    _check_text(document, where)
    return document


def kind_of(document: object) -> str:
    """Return which of our formats (``recording``), or ``profile``; empty for anything else."""
    if not isinstance(document, dict):
        return ""
    schema = document.get("schema")
    if isinstance(schema, str) and schema.startswith(f"{OURS}/"):
        name = schema.partition("/")[2]
        return name if _NAME.fullmatch(name) else ""
    return "profile" if "defaultAction" in document else ""


def refuse_ours(document: object, where: str) -> None:
    """Raise ``DataError`` if what shall be a profile is a file of ours of another kind."""
    if kind_of(document) not in ("", "profile"):
        raise _other_kind(document, "profile", where)


def _other_kind(document: object, wanted: str, where: str) -> DataError:
    found = kind_of(document)
    what = f"a file of the kind '{found}', not a {wanted}" if found else f"not a {wanted}"
    return DataError(what, where=where, slug="wrong-schema", fix=f"name a {wanted} file")


def bad_document(what: str, where: str) -> DataError:
    """Return the error for a document that says something impossible."""
    return DataError(
        what, where=where, slug="bad-document", fix="restore the file or make it again"
    )


def shorten(text: str, limit: int = SHOWN) -> str:
    """Return foreign text short enough for a message."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def compact_json(document: Mapping[str, Any]) -> str:
    """Return JSON with everything that fits on one line on one line; ends with a newline.

    Equal documents give equal bytes.  Non-ASCII is escaped, NaN refused.
    """
    return _render(document, 0, 0) + "\n"


_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode


def _render(value: Any, indent: int, taken: int) -> str:
    if not isinstance(value, dict | list) or not value:
        return _encode(value)
    if not _longer(value, WIDTH - taken):
        line = _encode(value)
        if taken + len(line) <= WIDTH:
            return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        keys = [_encode(key) for key in value]
        parts = [
            f"{key}: {_render(one, indent + 2, indent + len(key) + 5)}"
            for key, one in zip(keys, value.values(), strict=True)
        ]
        return "{\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "}"
    parts = [_render(one, indent + 2, indent + 3) for one in value]
    return "[\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "]"


def _longer(value: dict[str, Any] | list[Any], width: int) -> bool:
    """Tell whether the line is certainly longer than ``width``, without writing it.

    Each member takes three characters or more, its separator included.
    """
    if 3 * len(value) > width:
        return True
    members = value.values() if isinstance(value, dict) else value
    return any(isinstance(one, dict | list) and _longer(one, width) for one in members)


def _check_version(given: object, name: str, versions: tuple[str, ...], where: str) -> str:
    if not isinstance(given, str) or not _VERSION.fullmatch(given):
        raise bad_document("schema_version is missing or not of the form 1.2.3", where)
    wanted = tuple(int(part) for part in given.split("."))
    ours = tuple(int(part) for part in versions[-1].split("."))
    if wanted > ours:
        raise DataError(
            f"{name} of version {given}; this release reads up to {versions[-1]}",
            where=where,
            slug="newer-version",
            fix=f"use a seccomp-synth that reads {name} version {wanted[0]}",
        )
    if given not in versions:
        raise bad_document(f"version {given} of {name} was never published", where)
    return given


@functools.cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    import jsonschema  # a tenth of the time a short command takes
    from referencing import Registry, Resource

    documents = [
        json.loads(entry.read_text(encoding="utf-8"))
        for entry in sorted(resources.files("synth.schemas").iterdir(), key=lambda one: one.name)
        if entry.name.endswith(".json")
    ]
    registry: Registry[Any] = Registry().with_resources(
        (one["$id"], Resource.from_contents(one)) for one in documents
    )
    wanted = next(one for one in documents if one["$id"].endswith(f"/{name}"))
    return jsonschema.Draft202012Validator(wanted, registry=registry)


def _place(error: jsonschema.ValidationError) -> str:
    return shorten(error.json_path, 2 * SHOWN)


def _explain(error: jsonschema.ValidationError) -> str:
    """Say what rule is broken, without the value that breaks it."""
    rule: Any = error.validator_value
    expected = shorten(json.dumps(rule, ensure_ascii=True))
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        unknown = next((key for key in instance if key not in known), "")
        return f"unknown key {shorten(unknown)!r}"
    if error.validator == "required":
        missing = next((key for key in rule if key not in instance), "")
        return f"key {missing!r} is missing"
    if error.validator in ("maxItems", "maxLength", "maxProperties"):
        return f"longer than {expected}"
    if error.validator in ("type", "const", "enum"):
        return f"must be {'one of ' if error.validator == 'enum' else ''}{expected}"
    if error.validator == "pattern":
        return "not of the form that belongs here"
    return f"breaks {error.validator} {expected}"


def _check_text(value: object, where: str) -> None:
    """Refuse lone surrogates: such text cannot be written to any file or terminal."""
    if isinstance(value, dict):
        for key, one in value.items():
            _check_text(key, where)
            _check_text(one, where)
    elif isinstance(value, list):
        for one in value:
            _check_text(one, where)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise bad_document(
                "a string holds half of a character (lone surrogate)", where
            ) from None
