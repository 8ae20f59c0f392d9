"""Every dialect of the registry: what it says of our own list, and what none may ever say.

`UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/test_dialects.py` writes the golden files anew.
Read their diff before you commit it: it is what the dialect's clients will see.
"""

import json
import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from service.catalog import Catalog, Status
from service.dialects import DIALECTS
from service.dialects.dialect import Dialect
from tests.scenes import PROVIDER, snapshot_of
from tests.speech import CATALOGS, OCTOBER, catalog_of, catalog_of_list, exported, numbers, said

GOLDEN = Path(__file__).parent / "golden" / "dialects"

of_every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)

NO_PRICE_NO_ROW = {"litellm", "genai-prices", "catwalk"}
"""Formats in which a missing price would read as 0."""


def told(dialect: Dialect, catalog: Catalog) -> list[str]:
    return list(dialect.subject(catalog, PROVIDER).names)


def texts(value: object) -> set[str]:
    """Every text in a document, however deep, keys too."""
    match value:
        case str():
            return {value}
        case dict():
            return set().union(*(texts(key) | texts(below) for key, below in value.items()))
        case list():
            return set().union(*map(texts, value))
        case _:
            return set()


# ---- what is said of our own list


@of_every_dialect
def test_our_list_is_said_as_in_the_golden_file(dialect: Dialect) -> None:
    actual = exported(dialect, catalog_of_list(OCTOBER))

    file = GOLDEN / f"{dialect.name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        laid_out = json.dumps(actual, indent=1, ensure_ascii=False) + "\n"
        file.write_text(laid_out, encoding="utf-8")
    assert actual == json.loads(file.read_text(encoding="utf-8"))


@of_every_dialect
def test_what_is_left_out_is_counted(dialect: Dialect) -> None:
    catalog = catalog_of_list(OCTOBER)
    spoken = snapshot_of(catalog).spoken[dialect.name]

    assert spoken.omitted == len(catalog.rows) - len(told(dialect, catalog))
    for endpoint in dialect.endpoints:
        if endpoint.is_fixed:
            assert spoken.fixed(endpoint).omitted == (
                0 if endpoint.is_about_one else spoken.omitted
            )


@of_every_dialect
def test_most_of_our_list_can_be_said(dialect: Dialect) -> None:
    catalog = catalog_of_list(OCTOBER)

    assert len(told(dialect, catalog)) > 0.7 * len(catalog.rows)


@of_every_dialect
def test_before_the_first_list_there_is_the_fallback(dialect: Dialect) -> None:
    names = [] if dialect.name in NO_PRICE_NO_ROW else ["kilo/auto"]

    assert told(dialect, catalog_of()) == names


@of_every_dialect
def test_a_missing_model_is_still_said_and_a_removed_one_no_more(dialect: Dialect) -> None:
    catalog = catalog_of(said(id="a/missing"), said(id="a/removed"))
    missing, removed, fallback = (
        replace(row, life=replace(row.life, status=status))
        for row, status in zip(
            catalog.rows, (Status.MISSING, Status.REMOVED, Status.ACTIVE), strict=True
        )
    )

    catalog = replace(catalog, rows=(missing, fallback), removed=(removed,))

    text = json.dumps(exported(dialect, catalog))
    assert "a/missing" in text
    assert "a/removed" not in text


# ---- what none may ever say


def _no_constant(name: str) -> Any:
    raise AssertionError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert [key for key, times in Counter(key for key, _ in pairs).items() if times > 1] == []
    return dict(pairs)


@of_every_dialect
@given(catalog=CATALOGS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_models_are_they_are_told_in_json_without_absurd_numbers_or_repeated_keys(
    dialect: Dialect, catalog: Catalog
) -> None:
    subject = dialect.subject(catalog, PROVIDER)
    names = told(dialect, catalog)
    for endpoint in dialect.endpoints:
        if endpoint.is_fixed:
            body = dialect.body(endpoint, subject)
            found = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_once)
            assert all(math.isfinite(number) and number >= 0 for number in numbers(found))
            if endpoint is dialect.endpoints[0]:
                said_of = texts(found)
                assert all(any(name in text for text in said_of) for name in names)


# ---- what the registry declares


def test_no_two_dialects_have_a_name_a_file_or_a_path_in_common() -> None:
    endpoints = [endpoint for dialect in DIALECTS for endpoint in dialect.endpoints]

    for words in (
        [dialect.name for dialect in DIALECTS],
        [dialect.file for dialect in DIALECTS],
        [(endpoint.method, path) for endpoint in endpoints for path in endpoint.paths],
    ):
        assert [word for word, times in Counter(words).items() if times > 1] == []


@of_every_dialect
def test_the_first_endpoint_can_be_exported(dialect: Dialect) -> None:
    assert dialect.endpoints[0].is_fixed
    assert dialect.endpoints[0].reads.keys() <= {"offset", "limit", "after_id", "before_id"}


@of_every_dialect
def test_what_is_shown_to_people_is_said(dialect: Dialect) -> None:
    for words in (dialect.title, dialect.readers, *(each.summary for each in dialect.endpoints)):
        assert words == words.strip() != ""
        assert not words.endswith(".")
