"""Read YAML that somebody else wrote: bounded in size, depth and what its aliases expand to.

Nothing is constructed but maps, lists and scalars.  Compose's own tags are understood:
``!override`` replaces what is merged under it, ``!reset`` takes it away.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from synth.errors import UsageError
from synth.files import read_bounded

MAX_BYTES = 512 * 1024
"""Largest file we read; long compose files have a few thousand lines."""

MAX_DEPTH = 32
MAX_NODES = 50_000
"""Nodes that a file may have once every alias is replaced by what it stands for."""


@dataclass(frozen=True)
class Override:
    """A value tagged ``!override``: it replaces what a merge would add it to."""

    value: Any


@dataclass(frozen=True)
class Reset:
    """A value tagged ``!reset``: what it would be merged with is taken away."""


def load_yaml(path: Path) -> Any:
    """Return the one document of a file as maps, lists and scalars.

    Raises ``UsageError`` with line and column, ``DataError`` for what is no regular file.
    """
    where = str(path)
    try:
        text = read_bounded(path, limit=MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad_yaml(f"not UTF-8 (byte {error.start})", where) from None
    return parse_yaml(text, where=where)


def parse_yaml(text: str, *, where: str) -> Any:
    """Return the one document of ``text``; see ``load_yaml``."""
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        _check(text, where)
        return _plain(reader.load(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark is not None else where
        raise bad_yaml((error.problem or "not valid YAML").split("\n")[0][:120], place) from None
    except (YAMLError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise bad_yaml(f"not valid YAML ({type(error).__name__})", where) from None


def bad_yaml(what: str, where: str) -> UsageError:
    """Return the error for a file that is not YAML that we read."""
    return UsageError(what, where=where, slug="bad-yaml", fix="mend the file")


class _Constructor(SafeConstructor):
    """The safe constructor, with Compose's two tags and nothing else added."""


def _override(constructor: SafeConstructor, node: Node) -> Override:
    if isinstance(node, MappingNode):
        return Override(constructor.construct_mapping(node, deep=True))
    if isinstance(node, SequenceNode):
        return Override(constructor.construct_sequence(node, deep=True))
    assert isinstance(node, ScalarNode)  # noqa: S101 - there is no fourth kind
    return Override(constructor.construct_scalar(node))


def _reset(_constructor: SafeConstructor, _node: Node) -> Reset:
    return Reset()


_Constructor.add_constructor("!override", _override)
_Constructor.add_constructor("!reset", _reset)


def _check(text: str, where: str) -> None:
    """Bound depth and expanded size before anything is built.

    The events are counted, not the nodes: an alias costs as much as what it stands for, so that
    nine lines cannot become a billion.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, nodes before it
    total = documents = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise bad_yaml("more than one document", where)
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise bad_yaml("an alias inside what it stands for", where)
            total += sizes[event.anchor]
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
            if len(open_nodes) > MAX_DEPTH:
                raise bad_yaml(f"nested deeper than {MAX_DEPTH} levels", where)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, NodeEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if total > MAX_NODES:
            raise bad_yaml(f"more than {MAX_NODES} values, aliases counted", where)


def _plain(value: Any) -> Any:
    """Return ``value`` with string keys, and dates as the text that they were meant to be."""
    if isinstance(value, dict):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | set | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Override):
        return Override(_plain(value.value))
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "" if key is None else str(key)
