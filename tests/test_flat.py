"""Flat rows: CSV and NDJSON say what the JSON says, and no cell is a formula."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.fields import FIELDS
from service.query.listing import Form, listing
from service.query.question import Mark
from service.query.shelf import Shelf
from tests.catalogs import CALM, NOW, SHELVES, Pairs, catalog_of, question, questions, row_of

Json = dict[str, Any]
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
PATHS: Final = st.lists(st.sampled_from([*FIELDS, "cost"]), min_size=1, max_size=5, unique=True)


def told(shelf: Shelf, pairs: Pairs, form: Form) -> bytes:
    return listing(shelf, question(pairs), form, now=NOW, address=address).body


def address(mark: Mark) -> str:
    return f"?cursor={mark}"


def read_json(shelf: Shelf, pairs: Pairs) -> Json:
    made: Json = json.loads(told(shelf, pairs, Form.JSON))
    return made


def read_csv(shelf: Shelf, pairs: Pairs) -> list[dict[str, str]]:
    text = told(shelf, pairs, Form.CSV).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def read_ndjson(shelf: Shelf, pairs: Pairs) -> list[Json]:
    lines = told(shelf, pairs, Form.NDJSON).split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def flat(model: Json) -> Json:
    """A model without levels, in its own order."""
    made: Json = {}
    for key, value in model.items():
        made |= (
            {f"{key}.{n}": v for n, v in value.items()} if isinstance(value, dict) else {key: value}
        )
    return made


def cell(value: Any) -> str:
    """What a cell has to say."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return inert("|".join(value))
        case str():
            return inert(value)
        case _:
            return repr(value)


def inert(text: str) -> str:
    return "'" + text if text[:1] in FORMULAS and text else text


# ── the same rows ─────────────────────────────────────────────────────────────────────────────


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=questions(), limit=st.none() | st.integers(1, 9))
def test_every_form_has_the_same_rows_in_the_same_order(
    shelf: Shelf, pairs: Pairs, limit: int | None
) -> None:
    asked = [*pairs, ("limit", str(limit))] if limit else pairs
    rows = [flat(model) for model in read_json(shelf, asked)["data"]]

    assert read_ndjson(shelf, asked) == rows
    assert read_csv(shelf, asked) == [
        {path: cell(value) for path, value in row.items()} for row in rows
    ]


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, paths=PATHS)
def test_only_the_fields_that_were_asked_for_are_told_in_that_order(
    shelf: Shelf, paths: list[str]
) -> None:
    asked = [("fields", ",".join(paths))]
    columns = list(
        dict.fromkeys(
            path for one in paths for path in FIELDS if path == one or path.startswith(f"{one}.")
        )
    )
    whole = [flat(model) for model in read_json(shelf, [])["data"]]
    expected = [{path: row[path] for path in columns} for row in whole]

    assert [flat(model) for model in read_json(shelf, asked)["data"]] == expected
    assert read_ndjson(shelf, asked) == expected
    assert all(list(row) == columns for row in read_ndjson(shelf, asked))
    assert told(shelf, asked, Form.CSV).decode().split("\r\n")[0] == ",".join(columns)
    assert [list(row.values()) for row in read_csv(shelf, asked)] == [
        [cell(value) for value in row.values()] for row in expected
    ]


@settings(CALM, max_examples=30)
@given(shelf=SHELVES)
def test_fields_may_be_repeated_and_are_told_once(shelf: Shelf) -> None:
    apart = [("fields", "cost.input"), ("fields", "id,cost"), ("fields", "id")]

    rows = read_ndjson(shelf, apart)

    for row in rows:
        assert list(row)[:3] == ["cost.input", "id", "cost.output"]
        assert len(row) == 9
    for model in read_json(shelf, apart)["data"]:
        assert list(model) == ["cost", "id"]
        assert len(model["cost"]) == 8


@settings(CALM, max_examples=50)
@given(shelf=SHELVES, pairs=questions(), limit=st.integers(1, 9))
def test_an_envelope_says_how_many_there_are_and_where_to_go_on(
    shelf: Shelf, pairs: Pairs, limit: int
) -> None:
    made = read_json(shelf, [*pairs, ("limit", str(limit))])

    whole = read_json(shelf, pairs)
    assert list(made) == ["revision", "updatedAt", "total", "next", "data"]
    assert made["total"] == whole["total"] == len(whole["data"])
    assert made["data"] == whole["data"][:limit]
    assert (made["next"] is None) == (len(whole["data"]) <= limit)
    for form in Form:
        asked = question([*pairs, ("limit", str(limit))])
        assert listing(shelf, asked, form, now=NOW, address=address).following == made["next"]


def test_a_file_without_rows_has_its_line_of_names() -> None:
    nothing = Shelf(catalog_of([]))

    assert told(nothing, [("fields", "id,name")], Form.CSV) == b"id,name\r\n"
    assert told(nothing, [], Form.CSV).decode() == ",".join(FIELDS) + "\r\n"
    assert told(nothing, [], Form.NDJSON) == b""
    assert read_json(nothing, [])["data"] == []


# ── formulas ──────────────────────────────────────────────────────────────────────────────────


@settings(CALM, max_examples=80)
@given(shelf=SHELVES, pairs=questions())
def test_no_cell_begins_like_a_formula(shelf: Shelf, pairs: Pairs) -> None:
    for row in read_csv(shelf, pairs):
        for path, text in row.items():
            assert not text.startswith(FORMULAS), path


@pytest.mark.parametrize(
    ("said", "told_as"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=x", "'=x"),
        ("a=b", "a=b"),
        ("", ""),
        ("0", "0"),
    ],
)
def test_a_text_that_looks_like_a_formula_has_an_apostrophe_before_it(
    said: str, told_as: str
) -> None:
    row = row_of(bytes(48))
    shelf = Shelf(
        catalog_of([replace(row, model=replace(row.model, name=said, badges=(said, "b")))])
    )
    (made,) = read_csv(shelf, [])

    assert made["name"] == told_as
    assert made["badges"] == (told_as or "") + "|b"
    assert read_ndjson(shelf, [])[0]["name"] == said


def names(texts: Sequence[str]) -> Shelf:
    row = row_of(bytes(48))
    return Shelf(
        catalog_of(
            [
                replace(row, model=replace(row.model, id=str(number), name=text, description=text))
                for number, text in enumerate(texts)
            ]
        )
    )


@settings(CALM, max_examples=100)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4))
def test_any_text_comes_back_out_of_a_file(texts: list[str]) -> None:
    shelf = names(texts)

    assert [row["name"] for row in read_ndjson(shelf, [])] == texts
    assert [row["description"] for row in read_csv(shelf, [])] == [inert(text) for text in texts]
    assert [row["name"] for row in read_csv(shelf, [("fields", "name")])] == [
        inert(text) for text in texts
    ]
