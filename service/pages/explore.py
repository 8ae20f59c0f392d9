"""The page of charts: what was asked, its charts as pictures and as tables. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Unpack
from urllib.parse import urlencode

from service.catalog import Catalog, Row
from service.pages import charts, site
from service.pages.about import About
from service.pages.charts import BY, COLOR, GROUPS, PRICE, PRICES, TIMES, Chart, Look, Name
from service.query.filters import STATUS

Pairs = Sequence[tuple[str, str]]

_LOOKS: Final = frozenset({COLOR.name, PRICE.name, BY.name})
_FORM: Final = ("q", "author", "minContext", "maxInputCost")
"""Filters that the form has a field for; of the others it carries on what they are."""
_FLAGS: Final = (("tools", "call tools"), ("reasoning", "reason"), ("free", "cost nothing"))
_TIME_NAMES: Final = {"created": "they came out", "firstSeen": "they were first seen here"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A chart, and where it is by itself."""

    chart: Chart
    query: str
    """Of its pictures, with what belongs to it only."""
    dark: str
    """The same for a dark background."""


def page(
    *,
    asked: Pairs,
    catalog: Catalog,
    rows: Sequence[Row],
    look: Look,
    library: str | None,
    **about: Unpack[About],
) -> bytes:
    """The page, complete. `library` is where the script that draws is; None where there is none."""
    made = [charts.chart(name, catalog, rows, look) for name in Name]
    return site.render(
        "explore.html",
        root="./",
        failure="",
        shown=[_shown(one, asked) for one in made],
        library=library,
        total=len(rows),
        **_form(asked, look),
        **about,
    )


def failed(*, asked: Pairs, failure: str, **about: Unpack[About]) -> bytes:
    """The page without charts, and why."""
    return site.render(
        "explore.html",
        root="./",
        failure=failure,
        shown=[],
        library=None,
        total=0,
        **_form(asked, Look()),
        **about,
    )


def _shown(made: Chart, asked: Pairs) -> Shown:
    light = urlencode(asked)
    dark = urlencode([*asked, ("theme", "dark")])
    return Shown(made, f"?{light}" if light else "", f"?{dark}")


def _form(asked: Pairs, look: Look) -> dict[str, object]:
    filters = [(name, text) for name, text in asked if name not in _LOOKS]
    flags = {name for name, _ in _FLAGS}
    given = dict(filters)
    rest = [
        (name, text)
        for name, text in filters
        if name not in _FORM and not (name in flags and text == "true")
    ]
    return {
        "given": {name: given.get(name, "") for name in _FORM},
        "flags": [(name, label, (name, "true") in filters) for name, label in _FLAGS],
        "rest": rest,
        "look": look,
        "colors": [(name, title) for name, (title, _) in GROUPS.items()],
        "prices": list(PRICES),
        "times": [(name, _TIME_NAMES[name]) for name in TIMES],
        "browse": f"?{urlencode(filters)}" if filters else "",
        "is_any": bool(filters),
        "status_name": STATUS.name,
    }
