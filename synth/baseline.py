"""Offer the engines' default profiles, by name and by engine version.

The data is in ``baselines/``, one file per profile, made by ``scripts/import_baseline.py`` from
the engines' own files; every file names its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from synth.errors import DataError, UsageError
from synth.files import parse_json
from synth.model import Comparison, Gate, Profile, Recording, Rule
from synth.quickcheck import certainly_valid
from synth.text import nearest

Version = tuple[int, ...]

SCHEMA_FILE = "baseline-1.0.0.json"


@dataclass(frozen=True, slots=True)
class Baseline:
    """An engine's default profile and the engine versions known to use it.

    ``versions`` holds exact versions, patterns with ``*`` and ranges (``>=25,<28.2``).  ``source``
    has project, version, path and sha256 of the file it was made from, as pairs.  ``exact`` is
    false when ``for_engine`` had nothing for the version and took the nearest.
    """

    name: str
    engine: str
    versions: tuple[str, ...]
    source: tuple[tuple[str, str], ...]
    profile: Profile
    order: int
    exact: bool = True
    notes: tuple[str, ...] = ()


def available() -> tuple[str, ...]:
    """Return the names of all baselines: Docker's first, the oldest first."""
    return tuple(baseline.name for baseline in _all())


def is_baseline(name: str) -> bool:
    """Tell whether there is a baseline of that name, without reading any."""
    plain = re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", name) is not None
    return plain and resources.files("baselines").joinpath(f"{name}.json").is_file()


def load_baseline(name: str) -> Baseline:
    """Return the baseline of that name.

    Raises ``UsageError`` that lists the names there are.
    """
    if is_baseline(name):
        return _read(f"{name}.json")
    raise UsageError(
        f"no baseline is named {name[:80]!r}",
        slug="no-such-baseline",
        fix=nearest(name, available(), f"name one of {', '.join(available())}"),
    )


def newest(engine: str = "docker") -> Baseline:
    """Return the newest default profile of ``engine``; of Docker for an engine we do not know."""
    return _of(engine)[-1]


def for_engine(engine: str, version: str) -> Baseline:
    """Return the default profile that this engine version uses, or the nearest we have.

    An exact version (a distribution's patched build) goes before a pattern for builds not seen,
    which goes before a range.  ``exact`` tells whether it is known to be the one; an engine of
    which we have nothing gets Docker's newest.
    """
    candidates = _of(engine)
    if candidates[0].engine != engine:
        return replace(newest(), exact=False)
    plain = version.strip().removeprefix("v")
    for baseline in candidates:
        if plain in baseline.versions:
            return baseline
    for baseline in candidates:
        if any(fnmatchcase(plain, text) for text in baseline.versions if "*" in text):
            return replace(baseline, exact=False)
    numbers = _numbers(plain)
    for baseline in candidates:
        if numbers and any(in_range(numbers, text) for text in baseline.versions):
            return baseline
    older = [one for one in candidates if numbers and _begins(one.versions) > numbers]
    nearest = candidates[0] if candidates[0] in older else candidates[-1]
    return replace(nearest, exact=False)


def recorded_default(recording: Recording) -> Baseline:
    """Return the default profile that a recording ran under, or else its engine's."""
    name = recording.filter.baseline
    if recording.filter.kind == "default" and is_baseline(name):
        return load_baseline(name)
    return for_engine(recording.host.engine, recording.host.engine_version)


def in_range(version: Version, text: str) -> bool:
    """Tell whether ``version`` fulfils every bound of a range such as ``>=25,<28.2``."""
    bounds = _bounds(text)
    return bool(bounds) and all(
        {">=": version >= bound, "<": version < bound}[sign] for sign, bound in bounds
    )


def _bounds(text: str) -> list[tuple[str, Version]]:
    found = [re.fullmatch(r"(>=|<)([0-9.]+)", part.strip()) for part in text.split(",")]
    return [(one[1], _numbers(one[2])) for one in found if one] if all(found) else []


def _numbers(version: str) -> Version:
    """Return the leading numbers of a version: ``20.10.24+dfsg1`` is (20, 10, 24)."""
    found = re.match(r"\d{1,9}(\.\d{1,9}){0,5}", version, re.ASCII)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _begins(versions: Iterable[str]) -> Version:
    """Return the lowest version of any range, or nothing, which is lower than all."""
    lows = [bound for text in versions for sign, bound in _bounds(text) if sign == ">="]
    return min(lows, default=())


def _of(engine: str) -> tuple[Baseline, ...]:
    own = tuple(baseline for baseline in _all() if baseline.engine == engine)
    return own or tuple(baseline for baseline in _all() if baseline.engine == "docker")


@cache
def _all() -> tuple[Baseline, ...]:
    names = (one.name for one in resources.files("baselines").iterdir())
    found = [_read(name) for name in names if name.endswith(".json")]
    return tuple(sorted(found, key=lambda one: (one.engine, one.order)))


@cache
def _read(name: str) -> Baseline:
    content = resources.files("baselines").joinpath(name).read_bytes()
    return parse_baseline(parse_json(content, where=name))


def parse_baseline(document: object) -> Baseline:
    """Return the baseline that ``document``, parsed JSON in our format, describes.

    Raises ``DataError`` when it does not follow ``synth/schemas/baseline-1.0.0.json``.
    """
    if not certainly_valid(document, SCHEMA_FILE):
        _refuse_invalid(document)
    assert isinstance(document, Mapping)  # noqa: S101 - the schema says so
    return Baseline(
        name=document["name"],
        engine=document["engine"],
        versions=tuple(document["versions"]),
        source=tuple(document["source"].items()),
        profile=_profile(document),
        order=document["order"],
        notes=tuple(document.get("notes", ())),
    )


def _refuse_invalid(document: object) -> None:
    import jsonschema  # a tenth of the time a short command takes

    path = resources.files("synth").joinpath("schemas").joinpath(SCHEMA_FILE)
    try:
        jsonschema.validate(document, parse_json(path.read_bytes(), where=SCHEMA_FILE))
    except jsonschema.ValidationError as error:
        raise DataError(
            f"not a baseline: {error.message[:160]} at {error.json_path}",
            slug="bad-baseline",
            fix="import it again with scripts/import_baseline.py",
        ) from None


def _profile(document: Mapping[str, Any]) -> Profile:
    """Return the rules grouped: names whose entries are equal share one."""
    grouped: dict[Rule, list[str]] = {}
    for name, entries in document["syscalls"].items():
        for entry in entries:
            grouped.setdefault(_rule(entry), []).append(name)
    rules = tuple(replace(rule, names=tuple(sorted(names))) for rule, names in grouped.items())
    return Profile(
        default_action=document["default"]["action"],
        default_errno=document["default"].get("errno"),
        rules=rules,
        arch_map=tuple((native, tuple(subs)) for native, subs in document["architectures"].items()),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        names=(),
        action=entry["action"],
        errno=entry.get("errno"),
        comparisons=tuple(
            Comparison(one["argument"], one["op"], one["value"], one.get("value_two", 0))
            for one in entry.get("when", ())
        ),
        comment=entry.get("comment", ""),
        includes=_gate(entry.get("requires", {})),
        excludes=_gate(entry.get("unless", {})),
    )


def _gate(entry: Mapping[str, Any]) -> Gate:
    return Gate(
        tuple(entry.get("capabilities", ())),
        tuple(entry.get("arches", ())),
        entry.get("min_kernel", ""),
    )
