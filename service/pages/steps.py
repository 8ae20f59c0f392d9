"""Step charts: how figures moved over time, as geometry that a template draws. Pure.

A panel is one figure on a field of 1000 by 100, which is stretched to the page's width. Time goes
to the right, and what is unknown leaves a gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 1000
TOP, BOTTOM = 12.0, 94.0
_LAST_SHARE: Final = 0.06
"""Of the width, for the last state at least: it may have begun just now."""

Figure = float | int | None


@dataclass(frozen=True, slots=True)
class Point:
    """From when on a figure was what it is."""

    at: datetime
    figure: Figure
    is_gone: bool = False
    """Whether the model was missing or removed then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time during which nothing has changed, from left to right."""

    left: float
    right: float
    y: float | None
    figure: Figure
    since: datetime
    until: datetime | None
    is_gone: bool

    @property
    def width(self) -> float:
        """How wide it is drawn."""
        return round(self.right - self.left, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is drawn of one figure."""

    stretches: Sequence[Stretch]
    line: str
    """The path of its steps."""
    area: str
    """The path of what lies below them."""
    turns: Sequence[tuple[float, float]]
    """Where a step ends."""
    least: float | int
    most: float | int
    is_flat: bool
    """Whether it never changed."""


class Axis:
    """Times → places from left to right. The last state is always wide enough to be seen."""

    def __init__(self, begin: datetime, last: datetime, end: datetime) -> None:
        self._begin = begin
        whole = max((end - begin).total_seconds(), 1.0)
        known = (last - begin).total_seconds()
        self._scale = min(1 / whole, (1 - _LAST_SHARE) / known if known > 0 else 1 / whole)

    def place(self, at: datetime | None) -> float:
        """None is the right end."""
        if at is None:
            return float(WIDTH)
        share = (at - self._begin).total_seconds() * self._scale
        return round(WIDTH * min(max(share, 0.0), 1.0), 2)


def axis(times: Sequence[datetime], end: datetime) -> Axis:
    """One for these times, the oldest first, of states of which the last holds until the end."""
    return Axis(times[0], times[-1], end)


def panel(points: Sequence[Point], along: Axis) -> Panel | None:
    """Points, the oldest first, as steps; None where no figure is known."""
    known = [point.figure for point in points if point.figure is not None]
    if not known:
        return None
    most = max(known)
    stretches = _stretches(points, along, lambda figure: _height(figure, most))
    line, area, turns = _paths(stretches)
    return Panel(
        stretches=stretches,
        line=line,
        area=area,
        turns=turns,
        least=min(known),
        most=most,
        is_flat=len({point.figure for point in points}) == 1,
    )


def _height(figure: float, most: float) -> float:
    """0 is at the bottom, the largest at the top."""
    share = figure / most if most > 0 else 0.0
    return round(BOTTOM - (BOTTOM - TOP) * share, 2)


def _stretches(
    points: Sequence[Point], along: Axis, height: Callable[[float], float]
) -> list[Stretch]:
    """The points that differ from the one before, each until the next one."""
    kept: list[Point] = []
    for point in points:
        if not kept or (kept[-1].figure, kept[-1].is_gone) != (point.figure, point.is_gone):
            kept.append(point)
    ends: list[datetime | None] = [point.at for point in kept[1:]]
    return [
        Stretch(
            left=along.place(point.at),
            right=along.place(until),
            y=None if point.figure is None else height(point.figure),
            figure=point.figure,
            since=point.at,
            until=until,
            is_gone=point.is_gone,
        )
        for point, until in zip(kept, [*ends, None], strict=True)
    ]


def _paths(stretches: Sequence[Stretch]) -> tuple[str, str, list[tuple[float, float]]]:
    line, area = [], []
    turns: list[tuple[float, float]] = []
    before: float | None = None
    for stretch in stretches:
        if stretch.y is None:
            before = None
            continue
        line.append(f"{'M' if before is None else 'L'}{stretch.left:g} {stretch.y:g}")
        line.append(f"H{stretch.right:g}")
        area.append(f"M{stretch.left:g} {BOTTOM:g}V{stretch.y:g}H{stretch.right:g}V{BOTTOM:g}Z")
        if before is not None and before != stretch.y:
            turns.append((stretch.left, stretch.y))
        before = stretch.y
    return "".join(line), "".join(area), turns
