"""Models in columns, for a person: how each cell looks, and which columns there is room for."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from rich.cells import cell_len
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from service.catalog import Origin, Row, Status
from service.cli.console import UNKNOWN, amount, inline, price, size, terminal, when
from service.fields import FIELDS, Field, Form

_GAP, _INDENT = 2, 3
_LEAST: Final = 20
_NUMBERS: Final = frozenset({Form.TOKENS, Form.USD, Form.COUNT})
_TEXTS: Final = frozenset({Form.TEXT, Form.TEXTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. Its cells are text without markup."""

    heading: str
    cell: Callable[[Row], str]
    is_number: bool = False
    style: str = ""
    least: int = 0
    """The width down to which its cells may be cut short; 0 where they may not."""
    rank: int = 0
    """Columns with the lowest are the first to be given room; one with 0 is always shown."""


def _column(path: str, heading: str = "", *, rank: int = 0) -> Column:
    field = FIELDS[path]
    is_name = path in {"id", "ref"}
    return Column(
        heading=heading or path,
        cell=lambda row: cell(field, field.get(row)),
        is_number=field.form in _NUMBERS,
        style="cyan" if is_name else "",
        least=_LEAST if field.form in _TEXTS and not is_name else 0,
        rank=rank,
    )


def _abilities(row: Row) -> str:
    said = row.model
    abilities = {"reasoning": said.reasoning, "tools": said.tools, "free": said.free}
    return " ".join(name for name, has in abilities.items() if has)


def _status(row: Row) -> str:
    return "fallback" if row.origin is Origin.FALLBACK else str(row.life.status)


USUAL: Final[Sequence[Column]] = (
    _column("id"),
    _column("name", rank=5),
    _column("contextWindow", "context"),
    _column("maxTokens", "output", rank=1),
    _column("cost.input", "in $/M"),
    _column("cost.output", "out $/M"),
    _column("input", rank=4),
    Column(heading="can", cell=_abilities, rank=2),
    Column(heading="status", cell=_status, rank=3),
)
"""What is shown of each model where nobody says which fields: as much as there is room for."""

_CHOSEN: Final = frozenset({"id", "context", "output", "in $/M", "out $/M"})


def columns_of(paths: Sequence[str]) -> Sequence[Column]:
    """A column for each field; the first ones are the first to be given room."""
    return [_column(path, rank=rank) for rank, path in enumerate(paths)]


def cell(field: Field, value: Any) -> str:  # noqa: ANN401 — of any field
    """A field's value, short and on one line."""
    return UNKNOWN if value is None else _CELLS[field.form](value)


_CELLS: Final[Mapping[Form, Callable[[Any], str]]] = {
    Form.TEXT: inline,
    Form.TEXTS: lambda words: inline(" ".join(words)),
    Form.FLAG: lambda flag: "yes" if flag else "no",
    Form.TOKENS: size,
    Form.USD: price,
    Form.COUNT: str,
    Form.TIME: when,
    Form.DAY: date.isoformat,
}


def print_models(rows: Sequence[Row], columns: Sequence[Column]) -> Sequence[str]:
    """A line a model, under headings. Returns the headings that there was no room for."""
    console = terminal()
    cells = {column: [column.cell(row) for row in rows] for column in columns}
    if not sys.stdout.isatty():  # a program reads lines of any length
        console.width = _total(_whole(cells))
    widths = _widths(cells, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in widths.items():
        _add(table, column, width)
    for row, *texts in zip(rows, *(cells[column] for column in widths), strict=True):
        is_gone = row.life.status is not Status.ACTIVE
        table.add_row(*map(escape, texts), style="dim" if is_gone else None)
    console.print(table)
    return [column.heading for column in columns if column not in widths]


def print_choices(
    rows: Sequence[Row], costs: Sequence[float | None], reasons: Sequence[Sequence[str]]
) -> None:
    """Ranked models with what each would cost, and below each why it is there."""
    refs = [row.model.ref for row in rows]
    rank = {ref: str(number) for number, ref in enumerate(refs, start=1)}
    usd = dict(zip(refs, costs, strict=True))
    columns = (
        Column(heading="", cell=lambda row: rank[row.model.ref], is_number=True),
        *(column for column in USUAL if column.heading in _CHOSEN),
        Column(heading="cost", cell=lambda row: amount(usd[row.model.ref]), is_number=True),
    )
    room = terminal().width
    widths = _widths({column: [column.cell(row) for row in rows] for column in columns}, room)
    widths[USUAL[0]] -= max(0, _total(widths) - room)  # so that its lines stay in columns
    _print_line(widths, [column.heading for column in widths], "bold")
    for row, why in zip(rows, reasons, strict=True):
        _print_line(widths, [column.cell(row) for column in widths])
        said = Text(inline("; ".join(why)), style="dim")
        terminal().print(Padding(said, (0, 0, 0, _INDENT), expand=False))


def _print_line(widths: Mapping[Column, int], texts: Sequence[str], style: str = "") -> None:
    """A line of a table that has something else between its lines."""
    line = Table.grid(padding=(0, _GAP), pad_edge=False)
    for column, width in widths.items():
        _add(line, column, width, min_width=width)
    line.add_row(*map(escape, texts), style=style)
    terminal().print(line)


def _add(table: Table, column: Column, width: int, min_width: int | None = None) -> None:
    table.add_column(
        column.heading,
        style=column.style,
        justify="right" if column.is_number else "left",
        no_wrap=column.is_number or bool(column.least),
        overflow="ellipsis" if column.least else "fold",
        min_width=min_width,
        max_width=width,
    )


def _widths(cells: Mapping[Column, Sequence[str]], room: int) -> dict[Column, int]:
    """The columns that there is room for, and how wide each may be."""
    whole = _whole(cells)
    least = {column: min(width, column.least or width) for column, width in whole.items()}
    shown, left = set[Column](), room + _GAP
    for column in sorted(cells, key=lambda column: column.rank):
        if (need := least[column] + _GAP) <= left or not column.rank:
            shown.add(column)
            left -= need
    widths: dict[Column, int] = {}
    for column in cells:
        if column in shown:
            widths[column] = min(whole[column], least[column] + max(0, left))
            left -= widths[column] - least[column]
    return widths


def _whole(cells: Mapping[Column, Sequence[str]]) -> Mapping[Column, int]:
    """What each column needs to be shown whole."""
    return {column: max(map(cell_len, (column.heading, *texts))) for column, texts in cells.items()}


def _total(widths: Mapping[Column, int]) -> int:
    return sum(width + _GAP for width in widths.values()) - _GAP
