"""Charts of the catalog: rows → figures, and figures → a Vega-Lite specification. Pure.

The same figures are a table for those who cannot see a chart, or have nothing that draws one.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from service.catalog import Catalog, Row
from service.dialects.native import number
from service.fields import FIELDS
from service.pages.telling import address_of, size_text, usd_text
from service.parameters import Parameter, choice
from service.parameters import number as whole

Json = dict[str, Any]
Cells = Sequence[tuple[str, str]]
"""Texts, each with the address that it leads to, or nothing."""

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
MAX_POINTS: Final = 2_000
"""Models of one chart; more could not be told apart, and take long to draw."""
MAX_ROWS: Final = 100
"""Rows of the table of a chart."""
_MAX_GROUPS: Final = 8
_LONGEST: Final = 80
_OTHERS: Final = "others"
_UNKNOWN: Final = "unknown"
_STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Controls, of text direction too, and what no XML may hold: a picture has no <bdi>."""


class Name(StrEnum):
    """The charts there are."""

    PRICE_CONTEXT = "price-context"
    OVER_TIME = "models-over-time"
    PRICES = "prices"


# ── what can be asked ─────────────────────────────────────────────────────────────────────────

_MODALITY: Final = "image"
GROUPS: Final[Mapping[str, tuple[str, Callable[[Row], str]]]] = {
    "author": ("author", lambda row: row.model.author or _UNKNOWN),
    "reasoning": ("can reason", lambda row: _flag(row.model.reasoning)),
    "tools": ("can call tools", lambda row: _flag(row.model.tools)),
    "structuredOutput": (
        "can keep to a schema",
        lambda row: _flag(row.model.structured_output),
    ),
    "image": ("takes images", lambda row: _flag(_MODALITY in row.model.input)),
    "status": ("status", lambda row: str(row.life.status)),
}
"""What colours can stand for: what it is called, and its value for a model."""
PRICES: Final = {"input": "cost.input", "output": "cost.output"}
TIMES: Final = {"created": "created", "firstSeen": "firstSeen"}
THEMES: Final = ("light", "dark")


def _words(name: str, meaning: str, words: Sequence[str], example: str) -> Parameter[str]:
    return Parameter(
        name=name,
        meaning=f"{meaning}; {words[0]} unless told",
        accepts=", ".join(words),
        parse=choice(*words),
        words=tuple(words),
        example=example,
        schema={"type": "string", "enum": list(words)},
    )


def _size(name: str, meaning: str, least: int, most: int, example: str) -> Parameter[int]:
    return Parameter(
        name=name,
        meaning=meaning,
        accepts=f"a whole number from {least} to {most}",
        parse=whole(least, most),
        example=example,
        schema={"type": "integer", "minimum": least, "maximum": most},
    )


COLOR: Final = _words("color", "what colours and shapes stand for", tuple(GROUPS), "reasoning")
PRICE: Final = _words("price", "which price is shown", tuple(PRICES), "output")
BY: Final = _words("by", "which date models are counted by", tuple(TIMES), "firstSeen")
THEME: Final = _words("theme", "for which background", THEMES, "dark")
WIDTH: Final = _size("width", "of the plot, in pixels; 720 unless told", 200, 2000, "600")
HEIGHT: Final = _size("height", "of the plot, in pixels; 400 unless told", 100, 1500, "300")
SCALE: Final = _size("scale", "pixels of a PNG for each of the plot; 2 unless told", 1, 4, "1")
LOOKS: Final = (COLOR, PRICE, BY)
"""What a page of charts takes, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a chart is to look."""

    color: str = "author"
    price: str = "input"
    by: str = "created"
    theme: str = "light"
    width: int = 720
    height: int = 400


# ── the figures ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Table:
    """Figures as a table; columns with numbers are named."""

    caption: str
    head: Sequence[tuple[str, bool]]
    rows: Sequence[Cells]
    left: int = 0
    """Rows that are not shown."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures of the models that were asked for."""

    name: Name
    title: str
    about: str
    """What of them is shown, in a sentence."""
    shown: int
    values: Sequence[Json]
    groups: Sequence[str]
    table: Table


def chart(name: Name, catalog: Catalog, rows: Sequence[Row], look: Look) -> Chart:
    """The figures of one chart, of these rows of the catalog."""
    make = {
        Name.PRICE_CONTEXT: _price_context,
        Name.OVER_TIME: _over_time,
        Name.PRICES: _prices,
    }[name]
    return make(catalog, rows, look)


def _price_context(catalog: Catalog, rows: Sequence[Row], look: Look) -> Chart:
    price = FIELDS[PRICES[look.price]].get
    known = [row for row in rows if price(row) is not None and row.model.context_window]
    shown = known[:MAX_POINTS]
    group_of, groups = _grouped(shown, look.color)
    values = [
        {
            "id": plain(row.model.id),
            "name": plain(row.model.name),
            "to": f"models/{address_of(row, catalog)}",
            "context": row.model.context_window,
            "size": size_text(row.model.context_window or 0),
            "price": number(price(row)),
            "input": _usd(row.model.cost.input),
            "output": _usd(row.model.cost.output),
            "group": group_of(row),
        }
        for row in shown
    ]
    cheapest = sorted(shown, key=lambda row: (price(row), -(row.model.context_window or 0)))
    table = Table(
        caption=f"The same figures, by the price of {look.price}",
        head=(("Model", False), ("Context", True), ("Input", True), ("Output", True)),
        rows=[
            (
                (row.model.id, f"models/{address_of(row, catalog)}"),
                (size_text(row.model.context_window or 0), ""),
                (_usd(row.model.cost.input), ""),
                (_usd(row.model.cost.output), ""),
            )
            for row in cheapest[:MAX_ROWS]
        ],
        left=max(len(cheapest) - MAX_ROWS, 0),
    )
    return Chart(
        Name.PRICE_CONTEXT,
        f"Price of {look.price} against context window",
        _told(len(shown), len(known), len(rows), "a known price and context window"),
        len(shown),
        values,
        groups,
        table,
    )


def _over_time(_: Catalog, rows: Sequence[Row], look: Look) -> Chart:
    field = FIELDS[TIMES[look.by]]
    dated: list[tuple[Row, datetime]] = [(row, at) for row in rows if (at := field.get(row))]
    group_of, groups = _grouped([row for row, _ in dated], look.color)
    counts = Counter((f"{at:%Y-%m}", group_of(row)) for row, at in dated)
    months = Counter(f"{at:%Y-%m}" for _, at in dated)
    values = [
        {"month": f"{month}-01", "group": group, "models": count}
        for (month, group), count in sorted(counts.items())
    ]
    so_far = 0
    lines: list[Cells] = []
    for month in sorted(months):
        so_far += months[month]
        lines.append(((month, ""), (f"{months[month]:,}", ""), (f"{so_far:,}", "")))
    words = "came out" if look.by == "created" else "were first seen here"
    return Chart(
        Name.OVER_TIME,
        f"Models by the month in which they {words}",
        _told(len(dated), len(dated), len(rows), "a known date"),
        len(dated),
        values,
        groups,
        Table(
            caption="The same figures, newest first",
            head=(("Month", False), ("Models", True), ("Until then", True)),
            rows=lines[: -MAX_ROWS - 1 : -1],
            left=max(len(lines) - MAX_ROWS, 0),
        ),
    )


_BOUNDS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
"""USD per million tokens: about as far from one another, as eyes measure ratios."""


def _prices(_: Catalog, rows: Sequence[Row], look: Look) -> Chart:
    del look
    labels = ["free", *(_span(place) for place in range(len(_BOUNDS) + 1))]
    counts = {
        kind: Counter(_bin(price) for row in rows if (price := FIELDS[path].get(row)) is not None)
        for kind, path in PRICES.items()
    }
    used = [place for place in range(len(labels)) if any(of[place] for of in counts.values())]
    span = range(min(used, default=0), max(used, default=-1) + 1)
    values = [
        {"price": labels[place], "kind": kind, "models": of[place]}
        for place in span
        for kind, of in counts.items()
    ]
    shown = max((of.total() for of in counts.values()), default=0)
    return Chart(
        Name.PRICES,
        "How many models cost how much",
        _told(shown, shown, len(rows), "a known price"),
        shown,
        values,
        tuple(PRICES),
        Table(
            caption="The same figures; USD per million tokens",
            head=(("Price", False), ("By input", True), ("By output", True)),
            rows=[
                ((labels[place], ""), *((f"{of[place]:,}", "") for of in counts.values()))
                for place in span
            ],
        ),
    )


def _bin(price: float) -> int:
    if price == 0:
        return 0
    return 1 + sum(price >= bound for bound in _BOUNDS)


def _span(place: int) -> str:
    if place == 0:
        return f"below ${_BOUNDS[0]:g}"
    if place == len(_BOUNDS):
        return f"${_BOUNDS[-1]:g} and more"
    return f"${_BOUNDS[place - 1]:g} to {_BOUNDS[place]:g}"


def _told(shown: int, known: int, asked: int, what: str) -> str:
    """How many models a chart shows, and why not the others."""
    said = f"{shown:,} of {asked:,} models"
    if shown < known:
        said += f"; {known - shown:,} more would be too many"
    if known < asked:
        said += f"; {asked - known:,} without {what} cannot be shown"
    return said


def _grouped(rows: Sequence[Row], color: str) -> tuple[Callable[[Row], str], Sequence[str]]:
    """What each model's colour stands for: the largest groups, and the others together."""
    of = GROUPS[color][1]
    counts = Counter(plain(of(row)) for row in rows)
    named = [name for name, _ in counts.most_common()]
    if len(named) <= _MAX_GROUPS:
        return lambda row: plain(of(row)), tuple(sorted(named, key=_yes_first))
    largest = frozenset(named[: _MAX_GROUPS - 1])
    kept = [name for name in named if name in largest]
    return (
        lambda row: name if (name := plain(of(row))) in largest else _OTHERS,
        (*kept, _OTHERS),
    )


def _yes_first(name: str) -> tuple[bool, bool, str]:
    return (name == _UNKNOWN, name != "yes", name)


def _flag(value: bool | None) -> str:  # noqa: FBT001 — a field's value
    return _UNKNOWN if value is None else "yes" if value else "no"


def _usd(price: float | None) -> str:
    return _UNKNOWN if price is None else usd_text(price)


def plain(text: str) -> str:
    """A text that steers nothing, short enough for a picture."""
    shown = _STEERING.sub("\ufffd", text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


# ── the specification ─────────────────────────────────────────────────────────────────────────

_INKS: Final = {
    "light": {"ink": "#20242a", "muted": "#5c646e", "line": "#e3dfd7", "card": "#ffffff"},
    "dark": {"ink": "#e4e2dd", "muted": "#9ca4ad", "line": "#2d3339", "card": "#1a1e22"},
}
_COLORS: Final = {
    "light": (
        "#0d6b58",
        "#c2571a",
        "#23588f",
        "#a3312c",
        "#8a5a00",
        "#7a4aa5",
        "#4d7a1f",
        "#6b7280",
    ),
    "dark": (
        "#6fc9b1",
        "#f0a06a",
        "#8fbdec",
        "#ef9a94",
        "#e2b45c",
        "#c3a1e8",
        "#a9cf7a",
        "#9ca4ad",
    ),
}
_SHAPES: Final = (
    *("circle", "square", "triangle-up", "diamond", "cross", "triangle-down"),
    *("triangle-right", "stroke"),
)
_SIZES: Final = [
    *(2**power * 1000 for power in range(10)),
    1_000_000,
    2_000_000,
    4_000_000,
    10_000_000,
]
_USD_TICKS: Final = [0, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]


_COUNTED: Final[Json] = {
    "field": "models",
    "type": "quantitative",
    "title": "models",
    "axis": {"tickMinStep": 1, "format": ",d"},  # there is no half a model
}


def spec(made: Chart, look: Look) -> Json:
    """A chart in Vega-Lite, its data within: it needs nothing from elsewhere."""
    drawn = {
        Name.PRICE_CONTEXT: _points,
        Name.OVER_TIME: _months,
        Name.PRICES: _bars,
    }[made.name](made, look)
    return {
        "$schema": SCHEMA,
        "description": f"{made.title}: {made.about}",
        "title": {"text": made.title, "subtitle": made.about, "anchor": "start"},
        "width": look.width,
        "height": look.height,
        "padding": 12,
        "data": {"values": list(made.values)},
        **drawn,
        "config": _config(look.theme),
    }


def _config(theme: str) -> Json:
    inks = _INKS[theme]
    text = {"labelColor": inks["muted"], "titleColor": inks["ink"]}
    return {
        "background": inks["card"],
        "font": "system-ui, 'Liberation Sans', sans-serif",
        "title": {
            "color": inks["ink"],
            "subtitleColor": inks["muted"],
            "fontSize": 15,
            "subtitlePadding": 4,
            "offset": 14,
        },
        "axis": {
            **text,
            "gridColor": inks["line"],
            "domainColor": inks["line"],
            "tickColor": inks["line"],
            "labelFontSize": 11,
            "titleFontWeight": 500,
            "titlePadding": 8,
        },
        "legend": {**text, "labelLimit": 160, "symbolStrokeWidth": 1.5},
        "view": {"stroke": None},
    }


def _color(made: Chart, look: Look, title: str) -> Json:
    palette = _COLORS[look.theme]
    return {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": list(made.groups), "range": list(palette[: len(made.groups)])},
        "legend": {"title": title},
    }


def _points(made: Chart, look: Look) -> Json:
    title = GROUPS[look.color][0]
    color = _color(made, look, title)
    contexts = [one["context"] for one in made.values]
    least, most = min(contexts, default=1), max(contexts, default=1)
    # Of one value alone a scale is a point, on which all ticks would stand.
    around = {"domain": [least / 2, most * 2]} if least == most else {}
    shapes = {"domain": list(made.groups), "range": list(_SHAPES[: len(made.groups)])}
    return {
        "params": [
            {
                "name": "chosen",
                "select": {"type": "point", "fields": ["group"]},
                "bind": "legend",
            }
        ],
        "mark": {
            "type": "point",
            "filled": False,
            "size": 64,
            "strokeWidth": 1.6,
            "cursor": "pointer",
        },
        "encoding": {
            "x": {
                "field": "context",
                "type": "quantitative",
                "title": "context window, tokens",
                "scale": {"type": "log", "nice": False, "padding": 14, **around},
                "axis": {
                    "values": _SIZES,
                    "format": "~s",
                    "labelOverlap": "greedy",
                    "labelSeparation": 4,
                },
            },
            "y": {
                "field": "price",
                "type": "quantitative",
                "title": f"price of {look.price}, USD per million tokens",
                # Like a logarithm, but with a place for what costs nothing.
                "scale": {"type": "symlog", "constant": 0.05, "nice": False, "padding": 10},
                "axis": {"values": _USD_TICKS, "format": "~r"},
            },
            "color": color,
            "shape": {
                "field": "group",
                "type": "nominal",
                "scale": shapes,
                "legend": {"title": title},
            },
            "opacity": {"condition": {"param": "chosen", "value": 0.85}, "value": 0.08},
            "tooltip": [
                {"field": "name", "title": "model"},
                {"field": "id", "title": "id"},
                {"field": "size", "title": "context"},
                {"field": "input", "title": "input"},
                {"field": "output", "title": "output"},
                {"field": "group", "title": title},
            ],
        },
    }


def _months(made: Chart, look: Look) -> Json:
    title = GROUPS[look.color][0]
    return {
        "params": [
            {
                "name": "chosen",
                "select": {"type": "point", "fields": ["group"]},
                "bind": "legend",
            }
        ],
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "month",
                "type": "temporal",
                "timeUnit": "utcyearmonth",
                "title": "came out" if look.by == "created" else "first seen here",
            },
            "y": dict(_COUNTED),
            "color": _color(made, look, title),
            "order": {"field": "group"},
            "opacity": {"condition": {"param": "chosen", "value": 1}, "value": 0.12},
            "tooltip": [
                {
                    "field": "month",
                    "type": "temporal",
                    "timeUnit": "utcyearmonth",
                    "title": "month",
                },
                {"field": "group", "title": title},
                {"field": "models", "title": "models"},
            ],
        },
    }


def _bars(made: Chart, look: Look) -> Json:
    labels = list(dict.fromkeys(one["price"] for one in made.values))
    palette = _COLORS[look.theme]
    return {
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "price",
                "type": "ordinal",
                "sort": labels,
                "title": "USD per million tokens",
                "axis": {"labelAngle": -35},
            },
            "xOffset": {"field": "kind", "sort": list(PRICES)},
            "y": dict(_COUNTED),
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": list(PRICES), "range": list(palette[:2])},
                "legend": {"title": "price of"},
            },
            "tooltip": [
                {"field": "price", "title": "price"},
                {"field": "kind", "title": "of"},
                {"field": "models", "title": "models"},
            ],
        },
    }
