"""A catalog made ready for questions: columns, their order, words, encoded rows. Pure.

Each is made when a question first needs it, and then kept as long as the catalog is.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

import orjson

from service.catalog import Catalog, Row
from service.dialects import native
from service.fields import FIELDS, Field
from service.query.search import Search

UNKNOWN_RANK: Final = float("inf")
"""Behind everything, in either direction."""
_MAX_COMPARED: Final = 200
"""Characters of a text: more than any name has."""


class Column:
    """One field of every row, and the order of its values."""

    def __init__(self, field: Field, rows: Sequence[Row]) -> None:
        self.field = field
        self.values: Sequence[Any] = [field.get(row) for row in rows]

    @cached_property
    def _sorted(self) -> Sequence[Any]:
        return sorted({sort_value(value) for value in self.values if value is not None})

    def ranks(self, is_descending: bool) -> Sequence[float]:  # noqa: FBT001 — of a key's own
        """The place of each row's value among all values, in that direction."""
        return self._descending if is_descending else self._ascending

    @cached_property
    def _ascending(self) -> Sequence[float]:
        ranks = {value: float(rank) for rank, value in enumerate(self._sorted)}
        return [
            UNKNOWN_RANK if value is None else ranks[sort_value(value)] for value in self.values
        ]

    @cached_property
    def _descending(self) -> Sequence[float]:
        return [_turned(rank) for rank in self._ascending]

    def rank(self, value: Any, is_descending: bool) -> float:  # noqa: ANN401, FBT001 — as above
        """The place that a value would have; between two where no row has it now.

        Raises TypeError for one that the field can never have.
        """
        if value is None:
            return UNKNOWN_RANK
        place = bisect_left(self._sorted, value)
        is_there = place < len(self._sorted) and self._sorted[place] == value
        rank = float(place) if is_there else place - 0.5
        return _turned(rank) if is_descending else rank


def _turned(rank: float) -> float:
    return rank if rank == UNKNOWN_RANK else -rank


def sort_value(value: Any) -> Any:  # noqa: ANN401 — of any field
    """A value as it is compared, and as it can be written down.

    Texts whatever their case, by a beginning that is short enough for an address.
    """
    match value:
        case str():
            return value.casefold()[:_MAX_COMPARED]
        case datetime():
            return native.value(value)
        case date():
            return value.isoformat()
        case _:
            return native.value(value)


class Shelf:
    """A catalog's rows, tombstones behind the others, and what is derived from them."""

    def __init__(self, catalog: Catalog, bodies: Callable[[Row], bytes] | None = None) -> None:
        self.catalog = catalog
        self.rows: Sequence[Row] = (*catalog.rows, *catalog.removed)
        self._body = bodies or (lambda row: orjson.dumps(native.model(row)))
        self._columns: dict[str, Column] = {}

    def column(self, path: str) -> Column:
        """One field of every row."""
        if (column := self._columns.get(path)) is None:
            column = self._columns[path] = Column(FIELDS[path], self.rows)
        return column

    def index(self) -> None:
        """Make the index of words now, where it delays nobody."""
        _ = self.search

    @cached_property
    def search(self) -> Search:
        """The index of all words."""
        return Search(self.rows)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each row by its ref."""
        return {row.model.ref: place for place, row in enumerate(self.rows)}

    def body(self, place: int) -> bytes:
        """A row as JSON, all of its fields."""
        return self._body(self.rows[place])
