"""Pages by cursor: nothing skipped, nothing told twice, also while the catalog changes."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.catalog import Cost, Life, Model, Row, Status
from service.errors import ParameterError
from service.query.question import SORTABLE, Page
from service.query.shelf import Shelf
from tests import oracle
from tests.catalogs import (
    CALM,
    NOW,
    RAW_ROWS,
    ROW_LISTS,
    SHELVES,
    Pairs,
    catalog_of,
    models_of,
    question,
    questions,
    refs_of,
    row_of,
)

ENOUGH: Final = 100
"""Pages, of any catalog here."""


def page_of(shelf: Shelf, pairs: Pairs, limit: int, cursor: str | None = None) -> Page:
    turned = [] if cursor is None else [("cursor", cursor)]
    return question([*pairs, ("limit", str(limit)), *turned]).page(shelf, NOW)


def told(
    pairs: Pairs, limit: int, shelf_at: Callable[[int], Shelf], limits: Sequence[int] = ()
) -> list[str]:
    """The refs of all pages, each asked of the catalog as it is by then."""
    found: list[str] = []
    cursor = None
    for number in range(ENOUGH):
        shelf = shelf_at(number)
        most = limits[number % len(limits)] if limits else limit
        page = page_of(shelf, pairs, most, cursor)
        found += [shelf.rows[place].model.ref for place in page.places]
        assert len(page.places) <= most
        if page.next is None:
            return found
        assert len(page.places) == most
        cursor = str(page.next)
    raise AssertionError("it never ends")


# ── a catalog that stays as it is ─────────────────────────────────────────────────────────────


@settings(CALM, max_examples=200)
@given(
    shelf=SHELVES,
    pairs=questions(),
    limits=st.lists(st.integers(1, 13), min_size=1, max_size=3),
)
def test_pages_of_any_size_are_the_whole_answer(
    shelf: Shelf, pairs: Pairs, limits: list[int]
) -> None:
    assert told(pairs, 1, lambda _: shelf, limits) == refs_of(shelf, pairs)


@settings(CALM, max_examples=25)
@given(shelf=SHELVES)
def test_every_order_can_be_read_page_by_page(shelf: Shelf) -> None:
    for path in SORTABLE:
        for key in (path, f"-{path}"):
            pairs = [("sort", key)]
            assert told(pairs, 2, lambda _: shelf) == refs_of(shelf, pairs), key


@settings(CALM, max_examples=50)
@given(shelf=SHELVES, pairs=questions(), limit=st.integers(1, 13))
def test_every_page_says_how_many_there_are_and_the_last_that_it_is_the_last(
    shelf: Shelf, pairs: Pairs, limit: int
) -> None:
    whole = question(pairs).page(shelf, NOW)

    page = page_of(shelf, pairs, limit)

    assert page.total == whole.total == len(whole.places)
    assert list(page.places) == list(whole.places)[:limit]
    assert (page.next is None) == (whole.total <= limit)
    assert whole.next is None


def test_a_cursor_fits_into_an_address_whatever_is_sorted_by() -> None:
    long = [
        replace(row, model=replace(row.model, id=f"{number}", description="ß" * 5_000))
        for number, row in enumerate([row_of(bytes(48))] * 3)
    ]

    for pairs in ([("sort", "description")], [("sort", ",".join(SORTABLE))], []):
        page = page_of(Shelf(catalog_of(long)), pairs, 1)
        assert len(str(page.next)) < 4_000
        assert str(page.next).replace("-", "").replace("_", "").isalnum()
        assert len(told(pairs, 1, lambda _: Shelf(catalog_of(long)))) == 3


# ── a catalog that changes ────────────────────────────────────────────────────────────────────

Edit = tuple[str, int, int, bytes]
ADD, CHANGE, VANISH, MOVE, REMOVE = "add", "change", "vanish", "move", "remove"
EDITS: Final = st.tuples(
    st.sampled_from((ADD, CHANGE, VANISH, MOVE, REMOVE)),
    st.integers(0, 20),
    st.integers(0, 20),
    RAW_ROWS,
)
STEPS: Final = st.lists(st.lists(EDITS, max_size=3), min_size=1, max_size=5)


def edited(rows: Sequence[Row], edits: Sequence[Edit]) -> tuple[list[Row], set[str]]:
    """What becomes of the rows, and which are not as they were.

    Any number are added; one goes or changes, one comes to stand elsewhere.
    """
    made = list(rows)
    touched: dict[bool, str] = {}
    for what, index, other, raw in edits:
        place = index % max(len(made), 1)
        if what == ADD:
            new = row_of(raw)
            if new.model.ref not in {row.model.ref for row in [*made, *rows]}:
                made.insert(place, new)
        elif made and touched.setdefault(what in {MOVE, REMOVE}, made[place].model.ref):
            row = made.pop(place)
            if row.model.ref not in touched.values():
                made.insert(place, row)
            elif what == CHANGE:
                changed = row_of(raw, ref=(row.model.source, row.model.id))
                made.insert(place, replace(row, model=changed.model))
            elif what == MOVE:
                made.insert(other % (len(made) + 1), row)
            elif what == REMOVE:
                made.insert(place, replace(row, life=replace(row.life, status=Status.REMOVED)))
    return made, set(touched.values())


@settings(CALM, max_examples=250)
@given(rows=ROW_LISTS, steps=STEPS, pairs=questions(), limit=st.integers(1, 4))
def test_what_stays_as_it_is_is_told_once_whatever_happens_around_it(
    rows: list[Row], steps: list[list[Edit]], pairs: Pairs, limit: int
) -> None:
    shelves = [Shelf(catalog_of(rows))]
    touched: set[str] = set()
    for step in steps:
        rows, others = edited(rows, step)
        touched |= others
        shelves.append(Shelf(catalog_of(rows)))

    found = told(pairs, limit, lambda number: shelves[min(number, len(steps))])

    is_still = not {what for step in steps for what, *_ in step} & {MOVE, REMOVE}
    for ref in oracle.refs(oracle.meant(models_of(shelves[0]), pairs, NOW)):
        if ref not in touched and (expected := told_of(shelves, ref, pairs)) is not None:
            # Of two neighbours that changed places nobody can say which one has moved, so that
            # the one that was told is told again.
            assert found.count(ref) == expected or (expected and not is_still), ref
            assert bool(found.count(ref)) == bool(expected)


def told_of(shelves: Sequence[Shelf], ref: str, pairs: Pairs) -> int | None:
    """How often a model is told that stays as it is; None where its words come to fit otherwise."""
    search = dict(pairs).get("q")
    if search is None:
        return 1
    fits = {shelf.search.scores(search).get(shelf.places[ref]) for shelf in shelves}
    return None if len(fits) > 1 else int(fits != {None})


def plain(model_id: str, usd: float | None = None, status: Status = Status.ACTIVE) -> Row:
    life = Life(first_seen=NOW, updated_at=NOW, revision=1, status=status)
    return Row(
        model=Model(source="kilocode", id=model_id, name=model_id, cost=Cost(input=usd)), life=life
    )


def shelf_of(*rows: Row) -> Shelf:
    return Shelf(catalog_of(rows))


@pytest.mark.parametrize("pairs", [[], [("sort", "cost.input")], [("sort", "-created,status")]])
@pytest.mark.parametrize(
    ("after", "rest"),
    [
        ("abcdef", "cdef"),
        ("abxcdef", "xcdef"),
        ("xyabcdef", "cdef"),
        ("bcdef", "cdef"),  # one of those that were told is gone
        ("acdef", "cdef"),  # the last that was told is gone
        ("abdef", "def"),  # the next is gone
        ("adef", "def"),  # both are
        ("xacdef", "cdef"),
        ("acdefb", "cdefb"),  # the last that was told went to the end
        ("bacdef", "cdef"),  # and to the front
        ("cabdef", "def"),  # one that was to come did
        ("ef", "ef"),
        ("xef", "ef"),
        ("f", "f"),
        ("", ""),
    ],
)
def test_a_page_goes_on_where_the_last_one_ended(pairs: Pairs, after: str, rest: str) -> None:
    first = page_of(shelf_of(*map(plain, "abcdef")), pairs, 2)

    shelf = shelf_of(*map(plain, after))
    second = page_of(shelf, pairs, 100, str(first.next))

    assert "".join(shelf.rows[place].model.id for place in second.places) == rest


def test_the_last_model_that_was_told_may_have_been_removed_since() -> None:
    ids = "abcdef"
    first = page_of(shelf_of(*map(plain, ids)), [], 2)

    shelf = shelf_of(
        *(plain(one, status=Status.REMOVED if one == "b" else Status.ACTIVE) for one in ids)
    )
    second = page_of(shelf, [], 100, str(first.next))

    assert [shelf.rows[place].model.id for place in second.places] == list("cdef")


def test_a_model_that_becomes_cheaper_behind_the_reader_is_not_told_again() -> None:
    def prices(**usd: float | None) -> Shelf:
        return shelf_of(*(plain(one, each) for one, each in usd.items()))

    pairs = [("sort", "cost.input")]
    first = page_of(prices(a=1.0, b=2.0, c=3.0, d=None), pairs, 2)

    shelf = prices(a=1.0, b=9.0, c=0.5, d=None)
    second = page_of(shelf, pairs, 100, str(first.next))

    assert [shelf.rows[place].model.id for place in second.places] == ["b", "d"]


# ── cursors ───────────────────────────────────────────────────────────────────────────────────


def decoded(cursor: str) -> list[Any]:
    found: list[Any] = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return found


def encoded(parts: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


SHELF: Final = shelf_of(
    *(plain(one, usd) for one, usd in zip("abcde", (1, 2, None, 4, 5), strict=True))
)


def refused(pairs: Pairs, cursor: str, shelf: Shelf = SHELF) -> bool:
    """Whether it is refused, as everything that is refused is: by its name."""
    parameter = ""
    try:
        page_of(shelf, pairs, 2, cursor)
    except ParameterError as error:
        parameter = error.parameter
    assert parameter in {"", "cursor"}
    return bool(parameter)


def test_a_cursor_of_another_question_is_refused() -> None:
    cursor = str(page_of(SHELF, [("sort", "cost.input")], 1).next)

    for pairs in (
        [],
        [("sort", "-cost.input")],
        [("sort", "cost.input"), ("tools", "true")],
        [("sort", "cost.input"), ("q", "a")],
        [("sort", "cost.input"), ("status", "active")],
    ):
        assert refused(pairs, cursor), pairs


def test_a_page_may_have_another_size_and_other_fields_than_the_one_before() -> None:
    pairs = [("sort", "cost.input")]
    cursor = str(page_of(SHELF, pairs, 1).next)

    assert not refused([*pairs, ("fields", "id")], cursor)
    assert not refused([*pairs, ("status", "active,missing")], cursor)  # what is meant anyway


@pytest.mark.parametrize("sort", [*SORTABLE, "", "-cost.input,name"])
def test_a_cursor_that_was_cut_or_lengthened_is_refused(sort: str) -> None:
    pairs = [("sort", sort)] if sort else []
    cursor = str(page_of(SHELF, pairs, 1).next)

    for cut in range(len(cursor)):
        assert refused(pairs, cursor[:cut]), cut
    for more in ("!", "A", "AAAA", "=", " ", "\0", "\n", "é", "\ud800", cursor):
        assert refused(pairs, cursor + more), more
        assert refused(pairs, more + cursor), more


ODD: Final = (None, True, False, 0, -1, 2**53, 1e308, 0.5, "", "a", "nan", "inf", "x" * 999)


@pytest.mark.parametrize("pairs", [[], [("sort", "name,-cost.input")], [("q", "a")]])
def test_a_cursor_that_nobody_has_made_is_refused_or_read(pairs: Pairs) -> None:
    shelf = shelf_of(*map(plain, ("a 1", "a 2", "a 3", "a 4")))
    genuine = decoded(str(page_of(shelf, pairs, 1).next))

    for place in range(len(genuine)):
        for odd in ODD:
            for each in (odd, [odd], [[odd]], {"a": odd}):
                refused(pairs, encoded([*genuine[:place], each, *genuine[place + 1 :]]), shelf)
        assert refused(pairs, encoded([*genuine[:place], {}, *genuine[place + 1 :]]), shelf)
    others: list[Any] = [*ODD, [], {}, [[]], [*genuine, 1], genuine[:-1], genuine[1:], [genuine]]
    for other in others:
        assert refused(pairs, encoded(other), shelf), other
    assert refused(pairs, "W" * 100_000, shelf)
    assert refused(pairs, encoded(genuine).replace("A", "%41") + "%", shelf)


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("name", 1),
        ("name", True),
        ("cost.input", "1"),
        ("created", 1),
        ("knowledgeCutoff", 20250101),
        ("default", "true"),
        ("revision", "1"),
    ],
)
def test_a_value_of_another_kind_than_the_field_is_refused(sort: str, value: object) -> None:
    row = plain("a", 1.0)
    dated = replace(row, model=replace(row.model, created=NOW, knowledge_cutoff=date(2025, 1, 1)))
    shelf = shelf_of(dated, plain("b"), plain("c"))
    pairs = [("sort", sort)]
    genuine = decoded(str(page_of(shelf, pairs, 1).next))

    assert refused(pairs, encoded([*genuine[:-1], value]), shelf)
    assert not refused(pairs, encoded(genuine), shelf)
    assert not refused(pairs, encoded([*genuine[:-1], None]), shelf)


JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda below: st.lists(below, max_size=4),
    max_leaves=4,
)


@settings(CALM, max_examples=200)
@given(
    pairs=st.sampled_from(
        [[], [("sort", "-cost.input")], [("sort", "name,created")], [("q", "a")]]
    ),
    values=st.lists(JSON, max_size=6),
    raw=st.text(max_size=30),
    is_raw=st.booleans(),
)
@example(pairs=[], values=[], raw="\ud800", is_raw=True)
def test_no_cursor_breaks_anything(pairs: Pairs, values: list[Any], raw: str, is_raw: bool) -> None:
    fingerprint = question(pairs).fingerprint

    refused(pairs, raw if is_raw else encoded(values))
    refused(pairs, encoded([fingerprint, *values]))
    refused(pairs, encoded([fingerprint, ["kilocode/a"], [], 0, *values]))
