"""A question about models: which, in what order, from where on, and what of each. Pure."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import orjson

from service.errors import ParameterError
from service.fields import FIELDS, Field, paths_under
from service.parameters import Asked, Parameter, number
from service.query.filters import (
    BY_NAME,
    FILTERS,
    ON_OFFER,
    STATUS,
    WORD_SCHEMA,
    Filter,
    Since,
    word,
)
from service.query.shelf import Shelf, sort_value

MAX_LIMIT: Final = 10_000
_NEIGHBOURS: Final = 3
"""Models on either side of the end of a page that a mark names."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an order."""

    path: str
    is_descending: bool

    def __str__(self) -> str:
        return f"{'-' if self.is_descending else ''}{self.path}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ended: behind a model that stood there by these values.

    It names the question that it belongs to. The catalog may change between two pages: the next one
    begins behind the place that these values have then, so no model that stays as it is is
    skipped or told twice. Among models of equal values that place lies between some of those that
    were told and some that were to come, whose order outvotes one of them that has moved.
    """

    question: str
    told: tuple[str, ...]
    """Refs, the last one last, of models of those values."""
    coming: tuple[str, ...]
    """Refs of models of those values, the next one first."""
    place: int
    values: tuple[Any, ...]

    def __str__(self) -> str:
        parts = [self.question, self.told, self.coming, self.place, *self.values]
        return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Mark":
        """Raises ValueError."""
        match orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))):
            case [str() as question, list() as told, list() as coming, int() as place, *values]:
                made = cls(question, tuple(told), tuple(coming), place, tuple(values))
            case _:
                raise ValueError(text)
        are_refs = all(isinstance(ref, str) for ref in (*told, *coming))
        are_plain = not any(isinstance(value, list | dict) for value in values)
        if not are_refs or not are_plain or str(made) != text:  # else some of it was ignored
            raise ValueError(text)
        return made

    def cut(self, places: Mapping[str, int]) -> float:
        """The place, among models of equal values, behind which the next page begins.

        The one that has the fewest models on the wrong side.
        """
        if not self.coming:
            return float("inf")
        told = [places[ref] for ref in self.told if ref in places]
        coming = [places[ref] for ref in self.coming if ref in places]
        return min(
            sorted([*told, *(place - 1 for place in coming)]),  # rather told twice than skipped
            key=lambda cut: sum(p > cut for p in told) + sum(p <= cut for p in coming),
            default=self.place - len(self.told),
        )


def _key(text: str) -> Key:
    path = text.removeprefix("-")
    if path not in SORTABLE:
        raise ValueError(text)
    return Key(path, text.startswith("-"))


def _paths(text: str) -> tuple[str, ...]:
    if not (paths := paths_under(text)):
        raise ValueError(text)
    return paths


SORTABLE: Final = tuple(path for path, field in FIELDS.items() if not field.is_list)
_SORT_WORDS: Final = (*SORTABLE, *(f"-{path}" for path in SORTABLE))
_FIELD_WORDS: Final = tuple(dict.fromkeys((*FIELDS, *(path.partition(".")[0] for path in FIELDS))))

SEARCH: Final = Parameter(
    name="q",
    meaning="words to look for in id, name, author and description, in spite of typos; "
    "the best come first unless `sort` says otherwise",
    accepts="some text",
    parse=word,
    example="sonnet",
    schema=WORD_SCHEMA,
)
SORT: Final = Parameter(
    name="sort",
    meaning="fields to sort by, the first counts most; - before one is descending; what is "
    "unknown comes last",
    accepts="paths of fields, as cost.input or -created",
    parse=_key,
    words=_SORT_WORDS,
    is_many=True,
    example="cost.input,-contextWindow",
    schema={"type": "string", "enum": list(_SORT_WORDS)},
)
LIMIT: Final = Parameter(
    name="limit",
    meaning="how many models at most; all unless told",
    accepts=f"a whole number from 1 to {MAX_LIMIT}",
    parse=number(1, MAX_LIMIT),
    example="50",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
)
CURSOR: Final = Parameter(
    name="cursor",
    meaning="where the last page ended, as its `next` says",
    accepts="what `next` says",
    parse=Mark.parse,
    schema={"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
)
CHOSEN: Final = Parameter(
    name="fields",
    meaning="only these fields of each model",
    accepts="paths of fields, as id or cost.input; cost is all of its prices",
    parse=_paths,
    words=_FIELD_WORDS,
    is_many=True,
    example="id,name,cost.input",
    schema={"type": "string", "enum": list(_FIELD_WORDS)},
)

NEEDS: Final[tuple[Parameter[Any], ...]] = (SEARCH, *FILTERS)
"""What says which models are meant."""
QUERY: Final[tuple[Parameter[Any], ...]] = (*NEEDS, SORT, LIMIT, CURSOR, CHOSEN)


Scores = Mapping[int, float] | None


@dataclass(frozen=True, slots=True)
class Needs:
    """Which models are meant. `status` is always among the filters."""

    search: str | None
    filters: tuple[tuple[Filter[Any], tuple[Any, ...]], ...]

    @classmethod
    def read(cls, asked: Asked) -> "Needs":
        """Raises ParameterError."""
        given: dict[str, tuple[Any, ...]] = {}
        for one in FILTERS:
            if one in asked:
                values = asked.many(one) if one.is_many else [asked.one(one)]
                given[one.name] = tuple(values)
        given.setdefault(STATUS.name, ON_OFFER)
        return cls(
            asked.one(SEARCH), tuple((BY_NAME[name], values) for name, values in given.items())
        )

    @property
    def is_relative(self) -> bool:
        """Whether it means other models as time goes by."""
        return any(
            isinstance(value, Since) and value.is_relative
            for _, values in self.filters
            for value in values
        )

    def scores(self, shelf: Shelf) -> Scores:
        """How well each row fits the words; None where there are none."""
        return None if self.search is None else shelf.search.scores(self.search)

    def places(
        self, shelf: Shelf, now: datetime, scores: Scores, *, but: Field | None = None
    ) -> Sequence[int]:
        """The rows that pass all filters, but those of that field, in the catalog's order."""
        places: Sequence[int] = range(len(shelf.rows)) if scores is None else sorted(scores)
        for one, values in self.filters:
            if one.field is not but:
                column, passes = shelf.column(one.field.path).values, one.test(values, now)
                places = [place for place in places if passes(column[place])]
        return places


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the models that were meant."""

    places: Sequence[int]
    total: int
    next: Mark | None


@dataclass(frozen=True, slots=True)
class Question:
    """A whole question."""

    needs: Needs
    sort: tuple[Key, ...]
    limit: int | None
    mark: Mark | None
    fields: tuple[str, ...]
    """Paths, in the order in which they were asked for; empty for all."""

    @classmethod
    def read(cls, asked: Asked) -> "Question":
        """Raises ParameterError."""
        fields = dict.fromkeys(path for paths in asked.many(CHOSEN) for path in paths)
        made = cls(
            needs=Needs.read(asked),
            sort=tuple(asked.many(SORT)),
            limit=asked.one(LIMIT),
            mark=asked.one(CURSOR),
            fields=tuple(fields),
        )
        if made.mark and made.mark.question != made.fingerprint:
            raise ParameterError(CURSOR.name, "cursor belongs to another question")
        return made

    @property
    def fingerprint(self) -> str:
        """What tells a question from others, wherever it goes on and whatever it wants of each."""
        filters = [(one.name, [*map(str, values)]) for one, values in self.needs.filters]
        text = orjson.dumps([self.needs.search, filters, [str(key) for key in self.sort]])
        return hashlib.sha256(text).hexdigest()[:8]

    def page(self, shelf: Shelf, now: datetime) -> Page:
        """The answer. Raises ParameterError for a mark that nobody has made."""
        scores = self.needs.scores(shelf)
        places = self.needs.places(shelf, now, scores)
        order: _Order = _ByKeys(shelf, self.sort) if self.sort or scores is None else _ByFit(scores)
        ordered = order.sort(places)
        begin = 0
        if self.mark:
            behind = self._place(shelf, order, self.mark)
            begin = bisect_right(ordered, behind, key=lambda place: (order.of(place), place))
        end = len(ordered) if self.limit is None else begin + self.limit
        page = ordered[begin:end]
        more = end < len(ordered) and page
        return Page(page, len(places), self._mark(shelf, order, ordered, end) if more else None)

    def _mark(self, shelf: Shelf, order: "_Order", ordered: Sequence[int], end: int) -> Mark:
        last = ordered[end - 1]

        def refs(places: Sequence[int]) -> tuple[str, ...]:
            equal = (place for place in places if order.of(place) == order.of(last))
            return tuple([shelf.rows[place].model.ref for place in equal])

        told = refs(ordered[max(end - _NEIGHBOURS, 0) : end])
        coming = refs(ordered[end : end + _NEIGHBOURS])
        return Mark(self.fingerprint, told, coming, last, order.values(last))

    def _place(self, shelf: Shelf, order: "_Order", mark: Mark) -> tuple[tuple[float, ...], float]:
        """Where a page ended, in the order that the catalog has now."""
        try:
            return order.of_values(mark.values), mark.cut(shelf.places)
        except (TypeError, ValueError):
            raise ParameterError(
                CURSOR.name, f"cursor is not valid; accepts: {CURSOR.accepts}"
            ) from None


class _Order(Protocol):
    """An order of rows; what is equal in it stays in the catalog's."""

    def sort(self, places: Sequence[int]) -> Sequence[int]:
        """Rows that are in the catalog's order, in this one."""

    def of(self, place: int) -> tuple[float, ...]:
        """What a row is sorted by."""

    def values(self, place: int) -> tuple[Any, ...]:
        """What a row is sorted by, as it means something in another catalog, too."""

    def of_values(self, values: tuple[Any, ...]) -> tuple[float, ...]:
        """What a row with these values would be sorted by. Raises TypeError and ValueError."""


class _ByFit:
    """The better the words fit, the earlier."""

    def __init__(self, scores: Mapping[int, float]) -> None:
        self._scores = scores

    def sort(self, places: Sequence[int]) -> Sequence[int]:
        return sorted(places, key=self._scores.__getitem__, reverse=True)

    def of(self, place: int) -> tuple[float, ...]:
        return (-self._scores[place],)

    def values(self, place: int) -> tuple[Any, ...]:
        return self.of(place)

    def of_values(self, values: tuple[Any, ...]) -> tuple[float, ...]:
        (score,) = values
        return (score + 0.0,)


class _ByKeys:
    """By keys, the first counts most; by none it is the catalog's own order."""

    def __init__(self, shelf: Shelf, keys: Sequence[Key]) -> None:
        self._columns = [(shelf.column(key.path), key.is_descending) for key in keys]
        self._ranks = [column.ranks(is_descending) for column, is_descending in self._columns]

    def sort(self, places: Sequence[int]) -> Sequence[int]:
        # Sorting is stable: the key that counts most is the last to be sorted by.
        for ranks in reversed(self._ranks):
            places = sorted(places, key=ranks.__getitem__)
        return places

    def of(self, place: int) -> tuple[float, ...]:
        return tuple([ranks[place] for ranks in self._ranks])

    def values(self, place: int) -> tuple[Any, ...]:
        return tuple([sort_value(column.values[place]) for column, _ in self._columns])

    def of_values(self, values: tuple[Any, ...]) -> tuple[float, ...]:
        pairs = zip(self._columns, values, strict=True)
        return tuple([column.rank(value, down) for (column, down), value in pairs])
