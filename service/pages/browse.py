"""The page of all models: a question and a catalog → what its template shows. Pure.

It takes the API's own parameters, and `columns`. What cannot be used is told on the page, and the
rest is answered: a person who mistyped one word does not want to begin again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Unpack

from markupsafe import Markup

from service.catalog import Catalog, Row
from service.errors import ParameterError
from service.fields import FIELDS, Form
from service.pages import cells
from service.pages.about import About
from service.pages.asked import Fault, Pairs, address, heal, one_of, values_of, with_, without
from service.parameters import Asked, Parameter
from service.query.facets import facets
from service.query.filters import BY_NAME, STATUS, size
from service.query.question import CURSOR, LIMIT, NEEDS, SEARCH, SORT, Page, Question
from service.query.shelf import Shelf

PAGE: Final = 500
"""Models that are shown at once, unless `limit` says otherwise."""
_MANY_OPTIONS: Final = 60
"""Values of a filter that are offered; whoever wants another one searches."""
_OF_THE_FIRST: Final = frozenset({"id", "name", "description"})
_USUAL: Final = (
    "author",
    "input",
    "output",
    "reasoning",
    "tools",
    "contextWindow",
    "maxTokens",
    "cost.input",
    "cost.output",
    "free",
    "status",
    "firstSeen",
)
CHOOSABLE: Final = tuple(path for path in FIELDS if path not in _OF_THE_FIRST)


def _column(text: str) -> str:
    if text not in CHOOSABLE:
        raise ValueError(text)
    return text


COLUMNS: Final = Parameter(
    name="columns",
    meaning="the columns beside the name, in this order",
    accepts="paths of fields, as author or cost.input",
    parse=_column,
    words=CHOOSABLE,
    is_many=True,
    example="author,contextWindow,cost.input",
)
PARAMETERS: Final[tuple[Parameter[Any], ...]] = (*NEEDS, SORT, LIMIT, CURSOR, COLUMNS)
_NAMES: Final = {one.name: one for one in PARAMETERS}
_NEEDS: Final = frozenset(one.name for one in NEEDS)


# ── what is asked ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class View:
    """What a query asks of the page, and what of it could not be used."""

    pairs: Pairs
    question: Question
    columns: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def is_relative(self) -> bool:
        """Whether it means other models as time goes by."""
        return self.question.needs.is_relative


def read(query: Iterable[tuple[str, str]]) -> View:
    """A query as far as it can be used."""
    pairs, faults = heal(query, PARAMETERS)
    while True:
        try:
            return _view(pairs, faults)
        except ParameterError as error:  # of several together, as a cursor of another question
            pairs = without(pairs, error.parameter)
            faults = (*faults, Fault(str(error), "", ""))


def _view(pairs: Pairs, faults: tuple[Fault, ...]) -> View:
    asked = Asked(pairs, PARAMETERS)
    columns = tuple(dict.fromkeys(asked.many(COLUMNS))) or _USUAL
    return View(pairs, Question.read(asked), columns, faults)


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


class Rows:
    """The rows of a catalog as HTML: each cell is made once, so that a page of them is joined."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._first: dict[str, Markup] = {}
        self._cells: dict[str, dict[str, Markup]] = {}
        self._usual: dict[str, str] = {}

    def html(self, rows: Iterable[Row], columns: tuple[str, ...]) -> Markup:
        """These rows with these columns."""
        if columns == _USUAL:
            made = [self._whole(row) for row in rows]
        else:
            made = [self._row(row, columns) for row in rows]
        return Markup("\n".join(made))  # noqa: S704 — made of escaped parts

    def _whole(self, row: Row) -> str:
        found = self._usual.get(row.model.ref)
        if found is None:
            found = self._usual[row.model.ref] = self._row(row, _USUAL)
        return found

    def _row(self, row: Row, columns: Sequence[str]) -> str:
        ref = row.model.ref
        first = self._first.get(ref)
        if first is None:
            first = self._first[ref] = self._name(row)
        return "".join([first, *(self._cell(path, row) for path in columns), "</tr>"])

    def _cell(self, path: str, row: Row) -> str:
        column = self._cells.setdefault(path, {})
        found = column.get(row.model.ref)
        if found is None:
            made = cells.cell(path, row)
            css = path.replace(".", "-")
            found = column[row.model.ref] = _with_class(made, f"c-{css}")
        return found

    def _name(self, row: Row) -> Markup:
        """The beginning of a row: the box to choose it, and the model's names."""
        said = row.model
        name = cells.cut(said.name)
        return Markup(
            '<tr{gone}><td class="pick"><input type="checkbox" name="ids" value="{key}" '
            'form="compare" aria-label="Compare {name}"></td>'
            '<th scope="row" class="c-name">'
            '<a href="./models/{path}"><bdi>{name}</bdi></a>{badges} '
            '<code class="id" dir="auto">{id}</code><span class="copies">'
            '<button type="button" class="copy">copy id</button>'
            '<button type="button" class="copy" value="{source}">copy ref</button></span></th>'
        ).format(
            gone=Markup(' class="gone"') if row.is_removed else "",
            key=cells.name_of(row, self._catalog),
            path=cells.path_of(row, self._catalog),
            name=name,
            badges=Markup("").join(
                Markup(' <bdi class="badge">{}</bdi>').format(cells.cut(badge, 40))
                for badge in said.badges[:3]
            ),
            id=said.id,
            source=said.source,
        )


def _with_class(made: Markup, name: str) -> Markup:
    """The same cell with one more class, by which its column is laid out."""
    head, _, rest = str(made).partition(">")
    if 'class="' in head:
        return Markup(head.replace('class="', f'class="{name} ', 1) + ">" + rest)  # noqa: S704
    return Markup(f'<td class="{name}"{head.removeprefix("<td")}>{rest}')  # noqa: S704 — ours


# ── what is shown ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading, and where a click on it leads; `order` is its order now."""

    text: str
    meaning: str
    css: str
    href: str | None
    order: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Option:
    """A value that can be chosen, and how many models there would be."""

    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A filter and its values. One of them is chosen where it is `single`."""

    name: str
    label: str
    options: Sequence[Option]
    is_single: bool
    is_any: bool
    """Whether nothing of it is chosen."""
    others: int = 0
    """Values that are not offered."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A least or a most that can be asked for."""

    name: str
    label: str
    value: str
    hint: str
    is_size: bool
    presets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chip:
    """Something that was chosen, and the address without it."""

    label: str
    value: str
    href: str


_LABELS: Final[Mapping[str, str]] = {
    "author": "Author",
    "source": "Gateway",
    "family": "Family",
    "input": "Takes",
    "output": "Makes",
    "reasoning": "Reasons",
    "effort": "Effort",
    "tools": "Calls tools",
    "structuredOutput": "Structured output",
    "supports": "Parameters",
    "pricing": "Pricing",
    "free": "Free",
    "moderated": "Moderated",
    "mayTrainOnPrompts": "May train on prompts",
    "status": "Status",
    "id": "Id",
    "q": "Words",
    "minContext": "Context ≥",
    "minServedContext": "Served context ≥",
    "minOutput": "Max output ≥",
    "maxInputCost": "Input $/M ≤",
    "minInputCost": "Input $/M ≥",
    "maxOutputCost": "Output $/M ≤",
    "minOutputCost": "Output $/M ≥",
    "maxCacheReadCost": "Cache read $/M ≤",
    "minCacheReadCost": "Cache read $/M ≥",
    "maxCacheWriteCost": "Cache write $/M ≤",
    "minCacheWriteCost": "Cache write $/M ≥",
    "createdAfter": "Came out since",
    "seenAfter": "First seen since",
}
_SINGLE: Final = frozenset({"reasoning", "tools", "structuredOutput", "free", "moderated"}) | {
    "mayTrainOnPrompts"
}
_FIRST: Final = ("author", "input", "output", "reasoning", "tools", "free")
_MORE: Final = (
    "status",
    "structuredOutput",
    "effort",
    "family",
    "supports",
    "pricing",
    "moderated",
    "mayTrainOnPrompts",
    "source",
)
_BOUNDS: Final[Mapping[str, Sequence[str]]] = {
    "minContext": ("32k", "128k", "200k", "1m"),
    "minOutput": ("8k", "32k", "64k", "128k"),
    "maxInputCost": ("0", "0.5", "1", "3"),
    "maxOutputCost": ("0", "1", "5", "15"),
}
_FLAGS: Final = {True: "true", False: "false", None: "unknown"}
_FLAG_WORDS: Final = {"true": "yes", "false": "no", "unknown": "unknown"}
_ORDERS: Final = (
    ("", "the gateway's order"),
    ("name", "name"),
    ("cost.input", "input price"),
    ("cost.output", "output price"),
    ("-contextWindow", "largest context"),
    ("-maxTokens", "longest answer"),
    ("-created", "newest"),
    ("-firstSeen", "last seen first"),
)


def context(shelf: Shelf, rows: Rows, view: View, now: datetime) -> Mapping[str, object]:
    """All that the template shows."""
    page, view = _page(shelf, view, now)
    pairs = view.pairs
    told = facets(shelf, view.question.needs, now)
    shown_rows = [shelf.rows[place] for place in page.places]
    needs = tuple(pair for pair in pairs if pair[0] in _NEEDS)
    same = tuple(pair for pair in pairs if pair[0] not in {CURSOR.name, COLUMNS.name, LIMIT.name})
    sheet = same
    if values_of(pairs, COLUMNS.name):
        sheet += tuple(("fields", path) for path in ("id", "name", *view.columns))
    return {
        "faults": view.faults[:5],
        "q": one_of(pairs, SEARCH.name),
        "total": page.total,
        "whole": f"{len(shelf.catalog.rows):,}",
        "count": _count(shelf, page, view),
        "rows": rows.html(shown_rows, view.columns),
        "headings": [_heading(path, view) for path in ("name", *view.columns)],
        "first": [one for name in _FIRST if (one := _group(name, told, pairs))],
        "more": [one for name in _MORE if (one := _group(name, told, pairs))],
        "is_more_open": any(name in _MORE for name, _ in pairs),
        "bounds": [_bound(name, told, pairs) for name in _BOUNDS],
        "chips": _chips(pairs),
        "clear": address(tuple(pair for pair in pairs if pair[0] in {SORT.name, COLUMNS.name})),
        "kept": _kept(pairs),
        "orders": _orders(pairs),
        "columns": [
            Option(path, cells.HEADINGS[path], 0, path in view.columns) for path in CHOOSABLE
        ],
        "column_state": grouped(without(pairs, COLUMNS.name, CURSOR.name)),
        "usual_columns": ",".join(_USUAL),
        "columns_reset": address(without(pairs, COLUMNS.name, CURSOR.name)),
        "next_page": _next(page, view),
        "next_count": view.question.limit,
        "first_page": address(without(pairs, CURSOR.name)) if view.question.mark else None,
        "as_json": f"catalog/models{address(same)}",
        "as_csv": f"catalog/models.csv{address(sheet)}",
        "as_facets": f"catalog/facets{address(needs)}",
        "is_narrowed": bool(needs),
    }


def _page(shelf: Shelf, view: View, now: datetime) -> tuple[Page, View]:
    """The models that are shown; from the first one on where the cursor is nobody's."""
    question = _limited(view.question)
    try:
        return question.page(shelf, now), View(view.pairs, question, view.columns, view.faults)
    except ParameterError as error:
        healed = read(without(view.pairs, CURSOR.name))
        question = _limited(healed.question)
        faults = (*view.faults, Fault(str(error), "", ""))
        return question.page(shelf, now), View(healed.pairs, question, view.columns, faults)


def _limited(question: Question) -> Question:
    if question.limit is not None:
        return question
    return Question(question.needs, question.sort, PAGE, question.mark, question.fields)


def _next(page: Page, view: View) -> str | None:
    if page.next is None:
        return None
    return address((*without(view.pairs, CURSOR.name), (CURSOR.name, str(page.next))))


def _count(shelf: Shelf, page: Page, view: View) -> str:
    has_status = any(name == STATUS.name for name, _ in view.pairs)
    whole = len(shelf.rows) if has_status else len(shelf.catalog.rows)
    noun = "model" if whole == 1 else "models"
    if page.total == whole and not any(name in _NEEDS for name, _ in view.pairs):
        return f"{whole:,} {noun}"
    return f"{page.total:,} of {whole:,} {noun}"


# ── headings and orders ───────────────────────────────────────────────────────────────────────

_LARGEST_FIRST: Final = frozenset({Form.TOKENS, Form.TIME, Form.DAY, Form.FLAG})


def _heading(path: str, view: View) -> Heading:
    field = FIELDS[path]
    first = view.question.sort[0] if view.question.sort else None
    is_sorted = first is not None and first.path == path
    order = ""
    if is_sorted and first is not None:
        order = "descending" if first.is_descending else "ascending"
    meaning = field.meaning[:1].upper() + field.meaning[1:]
    href = None if field.is_list else _sorted_by(path, order, view.pairs)
    text = "Model" if path == "name" else cells.HEADINGS[path]
    css = path.replace(".", "-")
    return Heading(text, meaning, f"c-{css}", href, order, field.form in cells.NUMBERS)


def _sorted_by(path: str, order: str, pairs: Pairs) -> str:
    """The address behind a heading: its usual direction, then the other, then neither."""
    down_first = FIELDS[path].form in _LARGEST_FIRST
    steps = [f"-{path}", path] if down_first else [path, f"-{path}"]
    now = {"": None, "ascending": path, "descending": f"-{path}"}[order]
    following = [*steps, None][steps.index(now) + 1] if now else steps[0]
    rest = without(pairs, SORT.name, CURSOR.name)
    return address(rest if following is None else (*rest, (SORT.name, following)))


def _orders(pairs: Pairs) -> Sequence[Option]:
    now = ",".join(values_of(pairs, SORT.name))
    known = dict(_ORDERS)
    if one_of(pairs, SEARCH.name):
        known[""] = "the best match"
    known.setdefault(now, now)
    return [Option(value, label, 0, value == now) for value, label in known.items()]


# ── filters ───────────────────────────────────────────────────────────────────────────────────


def _group(name: str, told: Mapping[str, Any], pairs: Pairs) -> Group | None:
    """A filter with its values; None where there is nothing to choose."""
    counted = told["facets"][name]
    chosen = values_of(pairs, name)
    is_single = name in _SINGLE
    found = [(_value(one["value"]), one["count"]) for one in counted["values"]]
    if is_single and counted["unknown"]:
        found.append((_FLAGS[None], counted["unknown"]))
    if name == "source" and len(found) <= 1 and not chosen:
        return None
    folded = {value.casefold() for value in chosen}
    options = [
        Option(value, _FLAG_WORDS[value] if is_single else value, count, value.casefold() in folded)
        for value, count in found
        if _can_be_asked(name, value)
    ]
    known = {option.value.casefold() for option in options}
    options += [
        Option(value, _FLAG_WORDS.get(value, value) if is_single else value, 0, is_chosen=True)
        for value in chosen
        if value.casefold() not in known
    ]
    if is_single:
        order = list(_FLAG_WORDS)
        options.sort(key=lambda option: order.index(option.value))
    few = [o for place, o in enumerate(options) if place < _MANY_OPTIONS or o.is_chosen]
    return Group(
        name, _LABELS[name], few, is_single, is_any=not chosen, others=len(options) - len(few)
    )


def _value(value: object) -> str:
    return _FLAGS[value] if isinstance(value, bool) else str(value)


def _can_be_asked(name: str, value: str) -> bool:
    """Whether a value survives being written into a query."""
    if "," in value or value != value.strip():
        return False
    try:
        BY_NAME[name].parse(value)
    except ValueError:
        return False
    return True


def _bound(name: str, told: Mapping[str, Any], pairs: Pairs) -> Bound:
    one = BY_NAME[name]
    ends = told["ranges"][one.field.path]
    is_size = one.field.form is Form.TOKENS
    most, least = ends["max"], ends["min"]
    hint = ""
    if is_size and most is not None:
        hint = f"up to {cells.short(most)}"
    elif most is not None and least is not None:
        hint = f"from {cells.exact(float(least))}"
    return Bound(name, _LABELS[name], one_of(pairs, name), hint, is_size, _BOUNDS[name])


def _chips(pairs: Pairs) -> Sequence[Chip]:
    chips = []
    for name, value in pairs:
        if name not in _NEEDS:
            continue
        shown = _FLAG_WORDS.get(value, value) if name in _SINGLE else value
        if name in BY_NAME and BY_NAME[name].field.form is Form.TOKENS:
            shown = cells.short(size(value))
        href = address(without(with_(pairs, (name, value), is_there=False), CURSOR.name))
        chips.append(Chip(_LABELS.get(name, name), cells.cut(shown, 60), href))
    return chips


def grouped(pairs: Pairs) -> Pairs:
    """The same for a form: a field a name."""
    names = dict.fromkeys(name for name, _ in pairs)
    return tuple((name, ",".join(values_of(pairs, name))) for name in names)


def _kept(pairs: Pairs) -> Pairs:
    """What the form of filters has no field for, and must not lose."""
    fields = {*_FIRST, *_MORE, *_BOUNDS, SEARCH.name, SORT.name, CURSOR.name}
    return grouped(tuple(pair for pair in pairs if pair[0] not in fields))


def page(told: Mapping[str, object], **about: Unpack[About]) -> bytes:
    """The whole page."""
    from service.pages import site  # noqa: PLC0415 — Jinja2 takes 70 ms, which a start has not

    return site.render("browse.html", root="./", **told, **about)
