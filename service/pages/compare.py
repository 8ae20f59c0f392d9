"""Several models side by side: a row a field, what differs, what is best, what a mix costs. Pure.

Whatever of a question cannot be used is told on the page, and the rest of it is answered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from service.catalog import Catalog, Row
from service.errors import MAX_SHOWN, ParameterError
from service.fields import FIELDS, Form
from service.pages.cells import cut, name_of, path_of
from service.pages.telling import (
    GROUPS,
    LABELS,
    UNKNOWN,
    Group,
    Told,
    amount_text,
    size_text,
    told,
    unit,
    usd_text,
)
from service.parameters import Asked, Parameter, choice
from service.query.filters import word
from service.query.pick import MIX, Mix
from service.spelling import nearest

LEAST, MOST = 2, 6
"""Models that can be compared."""
_MAX_OFFERED: Final = 1_000
"""Ids that the page offers to choose from; of more, a browser's list is no help."""
_MAX_WORDS: Final = 30
_LONG: Final = 160

DIFFERING: Final = "differing"
IDS: Final = Parameter(
    name="ids",
    meaning=f"the models, from {LEAST} to {MOST} of them",
    accepts="ids or refs, separated by commas",
    parse=word,
    is_many=True,
    example="kilo/auto",
    schema={"type": "string", "minLength": 1, "maxLength": MAX_SHOWN},
)
ROWS: Final = Parameter(
    name="rows",
    meaning="which fields are shown; all of them unless told",
    accepts=f"all, {DIFFERING}",
    parse=choice("all", DIFFERING),
    words=("all", DIFFERING),
    example=DIFFERING,
    schema={"type": "string", "enum": ["all", DIFFERING]},
)
PARAMETERS: Final[tuple[Parameter[Any], ...]] = (IDS, *MIX, ROWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, as far as it can be understood; `faults` say what cannot."""

    names: Sequence[str]
    mix: Mix
    texts: Sequence[str]
    """The parts of the mix as they were written, for the form and for links."""
    is_brief: bool
    """Whether rows that are the same are left out."""
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A name that no model has, and those that it may have meant."""

    wanted: str
    near: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Cell:
    """One model's value in a row."""

    told: Told
    best: str = ""
    """`lowest` or `largest`, where it is."""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    path: str
    label: str
    unit: str
    cells: Sequence[Cell]
    differs: bool


# ── the question ──────────────────────────────────────────────────────────────────────────────


def read(pairs: Iterable[tuple[str, str]]) -> Question:
    """Empty values are those of a form that was not filled in."""
    given = [(name, text.strip()) for name, text in pairs]
    given = [(name, text) for name, text in given if text]
    good, faults = _parted(given)
    return Question(
        names=[text for name, text in given if name == IDS.name],
        mix=Mix.read(Asked(good, PARAMETERS)),
        texts=[dict(good).get(one.name, "") for one in MIX],
        is_brief=dict(good).get(ROWS.name) == DIFFERING,
        faults=tuple(faults),
    )


def _parted(given: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """What can be read, beside the names, and what is said of the rest."""
    by_name = {one.name: one for one in PARAMETERS}
    good: list[tuple[str, str]] = []
    faults: list[str] = []
    for name, text in given:
        if name == IDS.name:
            continue
        try:
            asked = Asked([*good, (name, text)], PARAMETERS)
            asked.one(by_name[name])
        except ParameterError as error:
            faults.append(str(error))
        else:
            good.append((name, text))
    return good, faults


def chosen(
    question: Question, catalog: Catalog
) -> tuple[list[Row], list[Unknown], tuple[str, ...]]:
    """The models that are meant, each once, names that are nobody's, and all faults."""
    rows: dict[str, Row] = {}
    unknown: dict[str, Unknown] = {}
    names = [name for text in question.names for name in _names_in(text, catalog)]
    faults = list(question.faults)
    for name in names[:_MAX_WORDS]:
        if row := catalog.find(name):
            rows[row.model.ref] = row
        elif name not in unknown and len(unknown) < MOST:
            unknown[name] = _unknown(name, catalog)
    if len(rows) > MOST or len(names) > _MAX_WORDS:
        faults.append(f"at most {MOST} models can be compared; these are the first {MOST}")
    return list(rows.values())[:MOST], list(unknown.values()), tuple(faults)


def _names_in(text: str, catalog: Catalog) -> list[str]:
    """Names that are separated by commas; a comma may also be in one."""
    if catalog.find(text):
        return [text]
    return [name for part in text.split(",") if (name := part.strip())]


def _unknown(name: str, catalog: Catalog) -> Unknown:
    known = [row.model.id for row in (*catalog.rows, *catalog.removed)]
    found = [catalog.find(near) for near in nearest(name, known)]
    return Unknown(wanted=cut(name, MAX_SHOWN), near=[row for row in found if row])


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def context(question: Question, catalog: Catalog) -> tuple[dict[str, Any], bool]:
    """What the template shows, and whether the question could be answered as it was asked."""
    rows, unknown, faults = chosen(question, catalog)
    links = _Links(question, [name_of(row, catalog) for row in rows])
    groups = _groups(rows, is_brief=question.is_brief) if rows else []
    shown = {
        "columns": [_column(row, catalog, links) for row in rows],
        "names": links.names,
        "unknown": [
            (one.wanted, [(row.model.id, links.with_(name_of(row, catalog))) for row in one.near])
            for one in unknown
        ],
        "faults": faults,
        "lacks": LEAST - len(rows),
        "is_full": len(rows) >= MOST,
        "most": MOST,
        "cost": _cost(rows, question.mix),
        "mix": str(question.mix),
        "tokens": list(
            zip(MIX, _LABELS_OF_MIX, question.texts, _unless_told(question), strict=True)
        ),
        "groups": groups,
        "is_brief": question.is_brief,
        "hidden": _hidden(rows) if rows else 0,
        "toggle": links.turned(),
        "offered": _offered(catalog),
        "rows_name": ROWS.name,
        "rows_value": DIFFERING,
    }
    return shown, not (faults or unknown)


_LABELS_OF_MIX: Final = ("Input tokens", "Output tokens", "Cached input tokens")
_APART: Final = frozenset({"id", "ref", "name"})
"""Fields that stand above each column."""


def _unless_told(question: Question) -> list[str]:
    """What the parts of the mix are that are not told: of one that is told in part, none."""
    whole = Mix() if not any(question.texts) else Mix(input=0, output=0)
    return [size_text(count) for count in (whole.input, whole.output, whole.cached)]


class _Links:
    """Addresses of this page that ask a little else."""

    def __init__(self, question: Question, names: Sequence[str]) -> None:
        self._question = question
        self.names = names
        self._mix = [
            (one.name, text) for one, text in zip(MIX, question.texts, strict=True) if text
        ]

    def _address(self, names: Iterable[str], *, is_brief: bool) -> str:
        pairs = [*((IDS.name, name) for name in names), *self._mix]
        if is_brief:
            pairs.append((ROWS.name, DIFFERING))
        return f"compare?{urlencode(pairs, safe='/:~')}" if pairs else "compare"

    def with_(self, name: str) -> str:
        """With another model."""
        return self._address([*self.names, name], is_brief=self._question.is_brief)

    def without(self, name: str) -> str:
        """Without that one."""
        names = [one for one in self.names if one != name]
        return self._address(names, is_brief=self._question.is_brief)

    def turned(self) -> str:
        """With the other choice of rows."""
        return self._address(self.names, is_brief=not self._question.is_brief)


def _column(row: Row, catalog: Catalog, links: _Links) -> dict[str, Any]:
    name = name_of(row, catalog)
    return {
        "name": cut(row.model.name, _LONG // 2),
        "id": row.model.id,
        "status": row.life.status,
        "address": path_of(row, catalog),
        "without": links.without(name),
    }


def _offered(catalog: Catalog) -> list[str]:
    rows = catalog.rows if len(catalog.rows) <= _MAX_OFFERED else ()
    return [row.model.id for row in rows]


def _groups(rows: Sequence[Row], *, is_brief: bool) -> list[tuple[Group, list[Line]]]:
    made = []
    for group in GROUPS:
        lines = [_line(path, rows) for path in group.paths if path not in _APART]
        kept = [line for line in lines if line.differs or not is_brief]
        if kept:
            made.append((group, kept))
    return made


def _hidden(rows: Sequence[Row]) -> int:
    """How many rows are the same for all."""
    paths = [path for group in GROUPS for path in group.paths if path not in _APART]
    return sum(not _differs(path, rows) for path in paths)


def _differs(path: str, rows: Sequence[Row]) -> bool:
    return len({FIELDS[path].get(row) for row in rows}) > 1


def _line(path: str, rows: Sequence[Row]) -> Line:
    best = _best([FIELDS[path].get(row) for row in rows], *_aim(path))
    cells = [Cell(_short(told(path, row)), mark) for row, mark in zip(rows, best, strict=True)]
    return Line(path, LABELS[path], unit(path), cells, _differs(path, rows))


def _short(value: Told) -> Told:
    if len(value.text) <= _LONG or value.words:
        return value
    return Told(text=cut(value.text, _LONG), exact=cut(value.text, 4 * _LONG))


def _aim(path: str) -> tuple[str, bool]:
    """What the best value of a field is called, and whether that is the largest one.

    Nothing for the price of reasoning: most say 0 of it, and charge it as output.
    """
    form = FIELDS[path].form
    if form is Form.TOKENS:
        return "largest", True
    return ("lowest", False) if form is Form.USD and path != "cost.reasoning" else ("", False)


def _best(figures: Sequence[float | None], word: str, is_largest: bool) -> list[str]:  # noqa: FBT001 — as `_aim` says it
    """The word for those that are best. What is unknown is compared with nothing."""
    known = [figure for figure in figures if figure is not None]
    if not word or len(set(known)) < LEAST:
        return [""] * len(figures)
    best = max(known) if is_largest else min(known)
    return [word if figure == best else "" for figure in figures]


def _cost(rows: Sequence[Row], mix: Mix) -> list[Cell]:
    """What the mix costs with each model."""
    costs = [mix.cost(row.model.cost) for row in rows]
    known = [usd for usd in costs if usd is not None]
    least = min(known, default=0.0)
    marks = _best(costs, "lowest", is_largest=False)
    return [
        Cell(_amount(usd), mark, _times(usd, least, len(known)))
        for usd, mark in zip(costs, marks, strict=True)
    ]


def _amount(usd: float | None) -> Told:
    if usd is None:
        return Told(text=UNKNOWN, sign=UNKNOWN)
    return Told(text=amount_text(usd), exact=usd_text(usd), value=str(usd))


def _times(usd: float | None, least: float, known: int) -> str:
    """How much more it is than the lowest."""
    if usd is None or known < LEAST or least <= 0 or usd <= least:
        return ""
    return f"{usd / least:,.3g} times the lowest"
