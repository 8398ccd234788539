"""Work out where the marks of a report's pictures go; the template draws them.

Pure geometry in the units of each picture's own view box; no text that came from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synth.report.model import DiscoveryPoint, Report

BAR_WIDTH, BAR_HEIGHT = 1000.0, 40
COLUMNS, PITCH = 24, 16
CURVE_WIDTH, CURVE_HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 34
MAX_TICKS = 5
MAX_DOTS = 80


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the bar: ``kind`` is kept, narrowed, widened or removed."""

    kind: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One syscall in the grid of its risk class."""

    name: str
    kind: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The syscalls of one risk class as cells."""

    grade: str
    cells: tuple[Cell, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One run on the discovery curve."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The discovery curve: ``path`` is the data of an SVG path."""

    path: str
    area: str
    dots: tuple[Dot, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]


def bar(report: Report) -> tuple[Segment, ...]:
    """Return the bar of what became of the default's syscalls, without empty parts."""
    counts = [(kind, report.counted(kind)) for kind in ("kept", "narrowed", "widened")]
    counts.append(("removed", len(report.removed)))
    total = sum(count for _, count in counts) or 1
    segments, at = [], 0.0
    for kind, count in counts:
        width = round(BAR_WIDTH * count / total, 1)
        if count:
            segments.append(Segment(kind, count, round(at, 1), width))
        at += width
    return tuple(segments)


def grids(report: Report) -> tuple[Grid, ...]:
    """Return a grid for each risk class: what is allowed first, then what is removed."""
    result = []
    for row in report.grades:
        named = [(one.status, one.name) for one in report.syscalls if one.grade == row.grade]
        named.sort(key=lambda one: (("widened", "kept", "narrowed").index(one[0]), one[1]))
        named += [("removed", one.name) for one in report.removed if one.grade == row.grade]
        cells = tuple(
            Cell(name, kind, PITCH * (number % COLUMNS), PITCH * (number // COLUMNS))
            for number, (kind, name) in enumerate(named)
        )
        lines = -(-len(cells) // COLUMNS)
        result.append(Grid(row.grade, cells, PITCH * COLUMNS, max(PITCH * lines, 1)))
    return tuple(result)


def curve(points: Sequence[DiscoveryPoint]) -> Curve | None:
    """Return the curve of syscalls known after each run; ``None`` with fewer than two runs."""
    if len(points) < 2:  # noqa: PLR2004 - one run is no curve
        return None
    top = max(point.total for point in points) or 1
    step = _step(top)
    ceiling = step * -(-top // step)
    xs = [_scaled(i, len(points) - 1, LEFT, CURVE_WIDTH - RIGHT) for i in range(len(points))]
    floor = CURVE_HEIGHT - BOTTOM
    ys = [_scaled(point.total, ceiling, floor, TOP) for point in points]
    path = f"M{xs[0]} {ys[0]}" + "".join(f"H{x}V{y}" for x, y in zip(xs[1:], ys[1:], strict=True))
    every = -(-len(points) // MAX_DOTS)
    dots = tuple(
        Dot(x, y, f"{point.label}: {point.new} new, {point.total} in all")
        for number, (x, y, point) in enumerate(zip(xs, ys, points, strict=True))
        if number % every == 0 or number == len(points) - 1
    )
    rows = tuple(
        Tick(_scaled(value, ceiling, floor, TOP), str(value))
        for value in range(0, ceiling + 1, step)
    )
    gap = _step(len(points))
    numbers = sorted({1, *range(gap, len(points) + 1, gap)})
    columns = tuple(Tick(xs[number - 1], str(number)) for number in numbers)
    return Curve(path, f"{path}V{floor}H{xs[0]}Z", dots, rows, columns)


def _scaled(value: float, most: float, start: float, end: float) -> float:
    return round(start + (end - start) * value / most, 1)


def _step(most: int) -> int:
    """Return a round distance of ticks, so that there are at most ``MAX_TICKS`` of them."""
    step = 1
    while most / step > MAX_TICKS:
        step *= 2 if str(step)[0] in "15" else 1
        if most / step > MAX_TICKS and str(step)[0] == "2":
            step = step * 5 // 2
    return step
