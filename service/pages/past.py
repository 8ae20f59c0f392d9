"""What the history says of one model: how its figures moved, and what changed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from service import wording
from service.catalog import Kind, Status, Version
from service.fields import FIELDS, Form
from service.pages.raw import laid_out
from service.pages.steps import Axis, Figure, Panel, Point, axis, panel
from service.pages.telling import LABELS, Told, day_text, told_value, unit

MAX_VERSIONS: Final = 300
"""States that are read; what is older is in the JSON."""
MAX_CHANGES: Final = 50
_MAX_TABLE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the history says of a model: states, newest first, and the entry it is made of."""

    versions: Sequence[Version]
    is_whole: bool
    """Whether there are no older states."""
    entry: str | None


_CHARTS: Final = (
    ("prices-chart", "Prices", "USD per million tokens", Form.USD, ("cost.input", "cost.output")),
    ("limits-chart", "Limits", "tokens", Form.TOKENS, ("contextWindow", "maxTokens")),
)
"""Anchor, title, unit, form, and which figures are drawn although they never changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One figure of a chart, and what is said of it in words."""

    path: str
    label: str
    now: Told
    least: str
    most: str
    panel: Panel
    said: str
    titles: Sequence[str]
    """What each stretch says when it is pointed at."""


def history(past: Past | None, updated_at: datetime) -> dict[str, Any]:
    """The parts of the page that are read from the database."""
    if past is None:
        return {"past": None, "charts": (), "changes": (), "has_more": False, "entry": None}
    changes = [told for one in past.versions if (told := _change(one))]
    entry, is_whole = laid_out(past.entry) if past.entry else (None, True)
    return {
        "past": past,
        "charts": _charts(past.versions[::-1], updated_at) if past.versions else (),
        "changes": changes[:MAX_CHANGES],
        "has_more": len(changes) > MAX_CHANGES or not past.is_whole,
        "entry": entry,
        "entry_is_whole": is_whole,
    }


def _change(one: Version) -> dict[str, Any] | None:
    """A state as what happened; None where that is nobody's news."""
    change = one.change
    lines = list(wording.details(change))
    if one.kind is not Kind.CHANGED:
        lines.insert(0, wording.line(replace(change, fields={})))
    if not lines:
        return None
    return {
        "at": told_value("updatedAt", one.since.at),
        "revision": one.since.revision,
        "kind": one.kind,
        "lines": lines,
    }


def _charts(states: Sequence[Version], updated_at: datetime) -> list[dict[str, Any]]:
    """What moved, from the oldest state to the newest."""
    along = axis([one.since.at for one in states], updated_at)
    made = []
    for anchor, title, what, form, always in _CHARTS:
        paths = [path for path, field in FIELDS.items() if field.form is form]
        drawn = [
            one
            for path in paths
            if (one := _drawn(path, states, along)) and (path in always or not one.panel.is_flat)
        ]
        if drawn:
            rows = _table([one.path for one in drawn], states)
            made.append(
                {
                    "anchor": anchor,
                    "title": title,
                    "unit": what,
                    "drawn": drawn,
                    "begin": day_text(states[0].since.at),
                    "rows": rows[:_MAX_TABLE],
                    "has_more": len(rows) > _MAX_TABLE,
                    "is_flat": all(one.panel.is_flat for one in drawn),
                }
            )
    return made


def _figure(path: str, state: Version) -> Figure:
    found: Figure = FIELDS[path].get(state.row)
    return found


def _drawn(path: str, states: Sequence[Version], along: Axis) -> Drawn | None:
    points = [
        Point(one.since.at, _figure(path, one), is_gone=one.row.life.status is not Status.ACTIVE)
        for one in states
    ]
    if (made := panel(points, along)) is None:
        return None
    now = told_value(path, points[-1].figure)
    least, most = told_value(path, made.least).text, told_value(path, made.most).text
    titles = [_title(path, one.figure, one.since, one.until, one.is_gone) for one in made.stretches]
    begin = day_text(points[0].at)
    if made.is_flat:
        said = f"{now.text} since {begin}, without a change."
    else:
        said = f"Since {begin} between {least} and {most}; now {now.text}."
    return Drawn(
        path=path,
        label=f"{LABELS[path]}{', each' if unit(path) == 'each' else ''}",
        now=now,
        least=least,
        most=most,
        panel=made,
        said=said,
        titles=titles,
    )


def _title(
    path: str,
    figure: Figure,
    since: datetime,
    until: datetime | None,
    is_gone: bool,  # noqa: FBT001
) -> str:
    value = told_value(path, figure)
    behind = "" if value.is_unknown else f" {unit(path)}"
    exact = f"{value.exact or value.text}{behind}"
    span = f"from {day_text(since)} until {day_text(until) if until else 'now'}"
    gone = ", not in the gateway's list" if is_gone else ""
    return f"{exact}, {span}{gone}"


def _table(paths: Sequence[str], states: Sequence[Version]) -> list[dict[str, Any]]:
    """States in which one of the figures was another than before, the newest first."""
    rows: list[dict[str, Any]] = []
    before: Mapping[str, Figure] | None = None
    for state in states:
        figures = {path: _figure(path, state) for path in paths}
        if figures != before:
            cells = [_cell(path, (before or figures)[path], figures[path]) for path in paths]
            rows.append({"at": told_value("updatedAt", state.since.at), "cells": cells})
        before = figures
    return rows[::-1]


def _cell(path: str, was: Figure, now: Figure) -> tuple[Told, str]:
    """A figure, and which way it went."""
    way = ""
    if was is not None and now is not None and was != now:
        way = "up" if now > was else "down"
    elif was != now:
        way = "new" if was is None else "gone"
    return told_value(path, now), way
