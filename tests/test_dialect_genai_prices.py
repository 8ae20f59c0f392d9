"""Prices for genai-prices: only whole ones, each the exact one."""

import re
from decimal import Decimal
from typing import Any

import pytest

from service.catalog import Cost
from tests.scenes import PROVIDER
from tests.speech import LISTS, Json, catalog_of, catalog_of_list, document, said

PATH = "/genai-prices/data.json"
UNITS = {
    "input_mtok": ("input", 1),
    "output_mtok": ("output", 1),
    "cache_read_mtok": ("cache_read", 1),
    "cache_write_mtok": ("cache_write", 1),
    "output_reasoning_mtok": ("reasoning", 1),
    "requests_kcount": ("request", 1000),
    "web_searches_kcount": ("web_search", 1000),
}


def models(**facts: Any) -> list[Json]:
    """What is told of a model of which this is known; the list has another one, too."""
    (provider,) = document(catalog_of(said(**facts), said(id="x/other")), PATH)
    found: list[Json] = provider["models"]
    assert found[-1]["id"] == "x/other"
    return found[:-1]


def test_the_provider_is_known_by_the_address_of_its_chats_and_by_no_other() -> None:
    (provider,) = document(catalog_of(said()), PATH)

    assert (provider["id"], provider["name"]) == ("kilo", "Kilo Gateway")
    pattern = re.compile(provider["api_pattern"])
    assert pattern.match(f"{PROVIDER.url}/chat/completions")
    assert not pattern.match(PROVIDER.url.replace(".", "x"))


@pytest.mark.parametrize("name", LISTS)
def test_every_price_is_the_exact_price_of_its_unit(name: str) -> None:
    catalog = catalog_of_list(name)
    (provider,) = document(catalog, PATH)

    for row in provider["models"]:
        found = catalog.find(row["id"])
        assert found
        for unit, price in row["prices"].items():
            field, times = UNITS[unit]
            usd = Decimal(repr(getattr(found.model.cost, field)))
            assert Decimal(repr(price)) == usd * times


@pytest.mark.parametrize("name", LISTS)
def test_every_model_with_both_prices_is_there_and_no_other(name: str) -> None:
    catalog = catalog_of_list(name)
    (provider,) = document(catalog, PATH)

    assert [row["id"] for row in provider["models"]] == [
        row.model.id
        for row in catalog.rows
        if row.model.cost.input is not None and row.model.cost.output is not None
    ]


def test_a_row_tells_its_prices_in_the_units_of_genai_prices() -> None:
    (row,) = models(
        id="A/b:Free",
        served_context_window=100_000,
        cost=Cost(
            input=3.0,
            output=15.0,
            cache_read=0.3,
            cache_write=3.75,
            reasoning=20.0,
            image=0.01,
            request=0.005,
            web_search=0.01,
        ),
    )

    assert row == {
        "id": "A/b:Free",
        "match": {"equals": "a/b:free"},
        "name": "A: B",
        "context_window": 100_000,
        "prices": {
            "input_mtok": 3,
            "output_mtok": 15,
            "cache_read_mtok": 0.3,
            "cache_write_mtok": 3.75,
            "output_reasoning_mtok": 20,
            "requests_kcount": 5,
            "web_searches_kcount": 10,
        },
    }


def test_a_price_of_zero_is_told_but_for_reasoning_which_is_charged_as_output() -> None:
    (row,) = models(cost=Cost(input=0.0, output=15.0, cache_read=0.0, reasoning=0.0, request=0.0))

    assert row["prices"] == {
        "input_mtok": 0,
        "output_mtok": 15,
        "cache_read_mtok": 0,
        "requests_kcount": 0,
    }


@pytest.mark.parametrize("cost", [Cost(), Cost(input=3.0), Cost(output=15.0), Cost(request=0.1)])
def test_half_a_price_is_no_price_as_a_sum_would_be_too_low(cost: Cost) -> None:
    assert models(cost=cost) == []


def test_an_unknown_context_window_is_not_there() -> None:
    (row,) = models(context_window=None)

    assert row.keys() == {"id", "match", "name", "prices"}
